"""What the AI is about to say: so that of a turn that is interrupted not only is known
what was heard."""

from .clauses import Clauses
from .spoken import spoken


class Script:
    """Told what is written for the voice, and which turns come of it. Pure."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._parts: list[str] = []
        """Answers and lines of which no turn has come yet."""
        self._cut: list[str] = []
        """Those that an interruption ended; their turn is still to be told of."""

    def begin(self, text: str = "") -> None:
        """An answer, of which more follows, or a whole line."""
        self._parts.append(text)

    def add(self, text: str) -> None:
        if not self._parts:
            self.begin()
        self._parts[-1] += text

    def cut(self) -> None:
        """The caller interrupts."""
        self._cut += self._parts
        self._parts = []

    def heard(self, text: str) -> None:
        """A turn of these words is over, and was not interrupted."""
        waiting = self._cut or self._parts
        del waiting[: _found(waiting, text) + 1]

    def interrupted(self, text: str) -> str:
        """A turn is over of which only these words were heard: what it was to be, as
        far as it was written. Empty: just this."""
        if not self._cut:
            self.cut()
        parts, self._cut = self._cut, []
        whole = self._said(" ".join(parts[_found(parts, text) :]))
        return "" if whole.split() == text.split() else whole

    def _said(self, written: str) -> str:
        """Without what no one hears."""
        clauses = Clauses(self._language)
        parts = [*clauses.feed(written), clauses.rest()]
        return " ".join(part for part in parts if spoken(part, self._language))


def _found(parts: list[str], text: str) -> int:
    """Which of them begins with these words; the first, if none does."""
    words = text.split()
    for number, part in enumerate(parts):
        if part.split()[: len(words)] == words:
            return number
    return 0
