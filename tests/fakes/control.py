"""A call as tools see it: it writes down what is done to it."""

from dataclasses import dataclass, field

from agent.calls.control import CallControlError
from agent.calls.passage import Passage
from agent.calls.transcript import Turn


@dataclass
class FakeControl:
    """`done` has what happened, in order."""

    caller: str = "+4915123456789"
    customer: str = "default"
    variables: dict[str, str] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)
    cannot: str = ""
    """The sentence with which everything fails."""
    done: list[tuple[str, ...]] = field(default_factory=list)

    async def hang_up(self, farewell: str) -> None:
        self._do("hang_up", farewell)

    async def leave(self, farewell: str) -> None:
        self._do("leave", farewell)

    async def connect(self, destination: str, announcement: str) -> None:
        self._do("connect", destination, announcement)

    async def stop_media(self) -> None:
        self._do("stop_media")

    async def record_stop(self) -> None:
        self._do("record_stop")

    async def record_start(self) -> None:
        self._do("record_start")

    async def record_pause(self) -> None:
        self._do("record_pause")

    async def record_resume(self) -> None:
        self._do("record_resume")

    def _do(self, *what: str) -> None:
        if self.cannot:
            raise CallControlError(self.cannot)
        self.done.append(what)


@dataclass
class FakeEmails:
    sent: list[tuple[str, str, str]] = field(default_factory=list)

    async def send(self, to: str, subject: str, text: str) -> None:
        self.sent.append((to, subject, text))


@dataclass
class FakeMessages:
    sent: list[tuple[str, str]] = field(default_factory=list)

    async def send(self, to: str, text: str) -> None:
        self.sent.append((to, text))


@dataclass
class FakeKnowledge:
    passages: tuple[Passage, ...] = ()
    asked: list[tuple[tuple[str, ...], str]] = field(default_factory=list)

    async def search(self, collections, query, *, limit=3):
        self.asked.append((tuple(collections), query))
        return self.passages[:limit]
