"""What an AI's tools are made of, and what they may do: settings of an operator.

The model proposes, the policy decides (conversation/policy.py): nothing that is said in
a call, stands in a document or comes in a caller's name changes what is allowed here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .reading import ReadingError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class HttpTool:
    """A tool that is an HTTP request to a server of the operator's."""

    name: str
    description: str
    url: str
    """{argument} in it is replaced, percent-encoded; so is {variable:NAME}."""
    method: str = "POST"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """JSON schema of the arguments, an object."""
    headers: Mapping[str, str] = field(default_factory=dict)
    secret: str = ""
    """Name of the environment's variable that holds the bearer token; it begins with
    OFFHOOK_SECRET_."""
    timeout: float = 5.0
    """Seconds."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ReadingError(f"name is {self.name!r}: letters, digits, _ and - only")
        if not self.url.startswith(("http://", "https://")):
            raise ReadingError(f"url is {self.url!r}, not http:// or https://")
        if self.method not in _METHODS:
            raise ReadingError(
                f"method is {self.method!r}, not one of {', '.join(_METHODS)}"
            )
        if not 0 < self.timeout <= 60:
            raise ReadingError(f"timeout is {self.timeout:g}, not in 0..60 seconds")


@dataclass(frozen=True, slots=True)
class McpServer:
    """A server of the Model Context Protocol whose tools the AI may use."""

    name: str
    url: str = ""
    """Streamable HTTP. Either this or `command`."""
    command: tuple[str, ...] = ()
    """A program that speaks MCP on its standard input and output."""
    tools: tuple[str, ...] = ()
    """Only these; empty: all that it has."""
    secret: str = ""
    """Name of the environment's variable that holds the bearer token; it begins with
    OFFHOOK_SECRET_."""
    timeout: float = 10.0

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ReadingError(f"name is {self.name!r}: letters, digits, _ and - only")
        if not 0 < self.timeout <= 60:
            raise ReadingError(f"timeout is {self.timeout:g}, not in 0..60 seconds")
        if bool(self.url) == bool(self.command):
            raise ReadingError(f"{self.name}: give either url or command")


@dataclass(frozen=True, slots=True)
class Policy:
    """What the tools of an AI may do, whatever its model wants. By default: little."""

    extensions: tuple[str, ...] = ()
    """Where calls may be connected to inside of the house: names as in the dialplan."""
    numbers: tuple[str, ...] = ()
    """Outside numbers that may be called or written to, E.164; "+49*" for a prefix."""
    countries: tuple[str, ...] = ()
    """Outside numbers of these countries are allowed, ISO 3166 ("DE")."""
    caller: bool = True
    """Messages may go to the number that calls."""
    emails: tuple[str, ...] = ()
    """Addresses that may be written to; "*@example.com" for all of a domain."""
    per_call: int = 5
    """Connections, e-mails and messages together, in one call."""
    per_hour: int = 60
    """The same, of all calls of this AI together."""
    spend: float = 0.0
    """Of `price` units in one call; 0: no limit."""
    prices: Mapping[str, float] = field(default_factory=dict)
    """What one use of a tool costs, by its name."""
    depth: int = 8
    """Uses of tools in one answer to the caller."""
