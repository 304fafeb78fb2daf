"""What a tool is, and whether the arguments that a model gave are any good.

A tool gets what the conversation can reach and its arguments, already checked, and
returns something short for the model. It raises ToolError with a sentence for it.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from jsonschema.exceptions import SchemaError  # type: ignore[import-untyped]
from referencing import Registry
from referencing.exceptions import Unresolvable

from agent.calls.control import CallControl
from agent.conversation.messages import Emails, Messages
from agent.conversation.seams import Knowledge

LIMIT = 4096
"""Characters of a result that the model is told."""


class ToolError(Exception):
    """It did not work. The sentence is for the model, which tells the caller."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What the tools of one conversation can reach."""

    control: CallControl
    emails: Emails | None = None
    messages: Messages | None = None
    knowledge: Knowledge | None = None
    collections: tuple[str, ...] = ()
    """Of knowledge, those of this AI."""


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str
    run: Callable[..., Awaitable[Any]]
    """Called with a Reach and the arguments by name."""
    properties: Mapping[str, Any] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    """The whole JSON schema of the arguments, where it says more than that."""
    voice_only: bool = False
    deadline: float = 60.0
    """Seconds after which pipecat breaks it off. Each has a deadline of its own, which
    is shorter; an announcement may be long."""
    quiet: bool = False
    """The model need not say anything about the result."""


def fitted(tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments without what nobody asked for; a ToolError if they are wrong."""
    schema = tool.schema or {
        "type": "object",
        "properties": tool.properties,
        "required": list(tool.required),
    }
    known = schema.get("properties", {})
    given = {
        name: _lenient(value, known.get(name))
        for name, value in arguments.items()
        if name in known or schema.get("additionalProperties")
    }
    # Without a registry of its own it would fetch what "$ref" names, blocking.
    validator = Draft202012Validator(schema, registry=Registry())
    try:
        for error in validator.iter_errors(given):
            where = f"{error.json_path.removeprefix('$.')}: " if error.path else ""
            raise ToolError(f"{where}{error.message[:200]}")
    except Unresolvable as error:
        raise ToolError("the tool's own schema is broken") from error
    return given


def schema_mistake(schema: Mapping[str, Any]) -> str:
    """Why that is no JSON schema of arguments; empty: it is one."""
    if schema.get("type", "object") != "object":
        return "its type is not object"
    if not isinstance(schema.get("properties", {}), Mapping):
        return "its properties are not a table"
    try:
        Draft202012Validator.check_schema(dict(schema))
    except SchemaError as error:
        return str(error.message)
    return ""


def shortened(text: str) -> Any:
    """A result as the model is told it: JSON as such, anything cut to LIMIT."""
    if len(text) > LIMIT:
        return f"{text[:LIMIT]} [cut]"
    try:
        return json.loads(text)
    except ValueError:
        return text


def _lenient(value: Any, schema: Any) -> Any:
    """Small models put numbers in quotes, and leave out those that belong there."""
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "string" and is_number:
        return str(value)
    if kind in ("integer", "number", "boolean") and isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
