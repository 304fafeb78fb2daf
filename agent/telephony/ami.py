"""Asterisk's Manager Interface (AMI): one action, one answer.

Each action has a connection of its own: there are a few in a call at most, a login
takes a millisecond, and nothing is stale when Asterisk was restarted.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

LONGEST = 65_536
"""Bytes of a line."""


class AmiError(Exception):
    """Asterisk refused it, did not answer in time or is not there."""


@dataclass(frozen=True, slots=True)
class AmiConfig:
    password: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 5038
    username: str = "offhook"
    deadline: float = 3.0
    """Seconds for one action, with its connection and its login."""


class Ami:
    def __init__(self, config: AmiConfig) -> None:
        self._config = config

    @property
    def port(self) -> int:
        return self._config.port

    async def act(self, action: str, **fields: str) -> Mapping[str, str]:
        """The answer; an AmiError when it is not a success."""
        config = self._config
        place = f"Asterisk's AMI on {config.host}:{config.port}"
        try:
            async with asyncio.timeout(config.deadline):
                answer = await self._asked(_message(action, fields))
        except TimeoutError as error:
            raise AmiError(f"{place}: no answer in {config.deadline:g} s") from error
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            raise AmiError(f"{place}: {error or type(error).__name__}") from error
        if answer.get("Response") != "Success":
            said = answer.get("Message", "no reason given")
            raise AmiError(f"{place} refuses {action}: {said}")
        return answer

    async def _asked(self, message: bytes) -> Mapping[str, str]:
        config = self._config
        reader, writer = await asyncio.open_connection(
            config.host, config.port, limit=LONGEST
        )
        try:
            await reader.readuntil(b"\n")  # "Asterisk Call Manager/11.0.0"
            writer.write(
                _message(
                    "Login", {"Username": config.username, "Secret": config.password}
                )
            )
            welcome = await _answer(reader)
            if welcome.get("Response") != "Success":
                return welcome
            writer.write(message)
            return await _answer(reader)
        finally:
            writer.close()


def _message(action: str, fields: Mapping[str, str]) -> bytes:
    for name, value in fields.items():
        if any(ord(character) < 32 or character == "\x7f" for character in value):
            raise ValueError(f"{name} is {value!r}: a line break would be a command")
    lines = [f"Action: {action}", *(f"{name}: {fields[name]}" for name in fields)]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


async def _answer(reader: asyncio.StreamReader) -> Mapping[str, str]:
    """The next message that answers; events, which nobody asked for, are passed by."""
    while True:
        message: dict[str, str] = {}
        while line := (await reader.readuntil(b"\n")).decode(errors="replace").strip():
            name, _, value = line.partition(":")
            message[name.strip()] = value.strip()
        if "Response" in message:
            return message
