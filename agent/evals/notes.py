"""What the AI does, noted turn by turn while the call is made."""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field

from agent.calls.transcript import ToolUse

from .judge import Reply
from .outside import Outside
from .scenario import CallerTurn


@dataclass(slots=True)
class Notes:
    """What the AI does about the caller's turn that is on."""

    now: Callable[[], float]
    outside: Outside
    variables: MutableMapping[str, str]
    replies: list[Reply] = field(default_factory=list)
    _caller: str = ""
    _turn: int | None = None
    _began: float = 0.0
    _first: float | None = None
    _said: list[str] = field(default_factory=list)
    _uses: list[ToolUse] = field(default_factory=list)
    _sent: int = 0

    def begin(self, number: int, turn: CallerTurn) -> None:
        self.end()
        self._caller, self._turn, self._began = str(turn), number, self.now()

    def said(self, text: str, begins: bool) -> None:
        if self._first is None and self._turn is not None:
            self._first = self.now() - self._began
        if begins or not self._said:
            self._said.append(text)
        else:
            self._said[-1] += f" {text}"

    def used(self, use: ToolUse) -> None:
        self._uses.append(use)

    def end(self) -> None:
        """What came until here was about the turn that is on."""
        sent = self.outside.sent
        reply = Reply(
            self._caller,
            self._turn,
            tuple(self._said),
            tuple(self._uses),
            self._first,
            dict(self.variables),
            tuple(sent[self._sent :]),
        )
        if reply.turn is not None or reply.said or reply.tool_uses:
            self.replies.append(reply)
        self._caller, self._turn, self._first = "", None, None
        self._said, self._uses, self._sent = [], [], len(sent)

    @property
    def last_words(self) -> str:
        return " ".join(self._said)
