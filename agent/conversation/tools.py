"""What an AI can do besides speaking: one function each.

A tool gets the call's control and returns a short value for the model; it never
raises into the pipeline. Adding one is a function, a line in TOOLS and a test.
"""

import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import FunctionCallResultProperties
from pipecat.services.llm_service import FunctionCallParams, LLMService

from agent.calls.ai import AI, AIError
from agent.calls.control import CallControl
from agent.calls.transcript import ToolUse


@dataclass(frozen=True, slots=True)
class Tool:
    description: str
    properties: Mapping[str, Any]
    required: Sequence[str]
    run: Callable[[CallControl, Mapping[str, Any]], Awaitable[Any]]
    ends_turn: bool = False
    """The model need not say anything about the result."""


async def _end_call(control: CallControl, arguments: Mapping[str, Any]) -> str:
    await control.hang_up(str(arguments.get("farewell") or ""))
    return "the call ends"


TOOLS: Mapping[str, Tool] = {
    "end_call": Tool(
        description=(
            "End the phone call. Only when the caller has said goodbye or asked to "
            "hang up; never to answer a question."
        ),
        properties={
            "farewell": {
                "type": "string",
                "description": "What to say before hanging up",
            }
        },
        required=["farewell"],
        run=_end_call,
        ends_turn=True,
    ),
}


def offer(
    llm: LLMService[Any],
    names: Sequence[str],
    control: CallControl,
    on_use: Callable[[ToolUse], None],
) -> ToolsSchema | None:
    """Makes the tools of those names known to the model; None when there are none."""
    if not names:
        return None
    for name in names:
        llm.register_function(name, _handler(name, TOOLS[name], control, on_use))
    return ToolsSchema(standard_tools=[_schema(name) for name in names])


def check(ai: AI) -> None:
    for name in ai.tool_names:
        if name not in TOOLS:
            raise AIError(
                f"AI {ai.name!r}: no tool is called {name!r}; there are: "
                + ", ".join(TOOLS)
            )


def described(names: Sequence[str]) -> list[dict[str, Any]]:
    """The tools of those names, as OpenAI's API has them."""
    return [
        {"type": "function", "function": _schema(name).to_default_dict()}
        for name in names
    ]


def _schema(name: str) -> FunctionSchema:
    tool = TOOLS[name]
    return FunctionSchema(
        name=name,
        description=tool.description,
        properties=dict(tool.properties),
        required=list(tool.required),
    )


def _handler(
    name: str, tool: Tool, control: CallControl, on_use: Callable[[ToolUse], None]
) -> Callable[[FunctionCallParams], Awaitable[None]]:
    async def handle(params: FunctionCallParams) -> None:
        began, at = time.monotonic(), datetime.now(UTC)
        failed = False
        try:
            result = await tool.run(control, params.arguments)
        except Exception as error:  # noqa: BLE001 - the model is told, the call goes on
            logger.exception("[TOOL] {} failed", name)
            result, failed = f"{name} failed: {error}", True
        use = ToolUse(
            name,
            json.dumps(dict(params.arguments), ensure_ascii=False),
            str(result),
            at,
            (time.monotonic() - began) * 1000,
            failed,
        )
        logger.info("[TOOL] {} {:.0f} ms: {}", name, use.milliseconds, use.result)
        on_use(use)
        quiet = tool.ends_turn and not failed
        await params.result_callback(
            result,
            properties=FunctionCallResultProperties(run_llm=False) if quiet else None,
        )

    return handle
