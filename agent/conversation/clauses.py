"""A streaming answer, cut for the voice: the first part as early as it can be said.

The first part may be a clause, for the caller waits for it; the later ones are
sentences, for a voice needs a whole one to find its melody. What no one hears
(thoughts, code, JSON) is never cut, so that it can be recognised and left out. Pure.
"""

import re
from collections.abc import Iterator

from .spoken import abbreviations
from .words import conjunctions

LONG = 200
"""Characters. Sentences are joined up to here, and cut at commas beyond."""
ENDLESS = 320
"""Characters. Beyond, any space will do."""
FEW_WORDS = 3
"""Before a comma that ends the first part."""
MANY_WORDS = 7
"""Before a conjunction that begins the second part."""

_STOP = re.compile(r"(?:[.!?…]+[\"'”’»)\]*_]*(?=\s)|[。！？]+[」』”]*|\n)")
_PAUSE = re.compile(
    r"(?:[,;:][\"'”’»)\]*_]*(?=\s+\S)|(?<=\s)[-–—]+(?=\s+\S)|—|[、，；：])"
)
_SPACE = re.compile(r"\s+(?=\S)")
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_WORD = re.compile(r"[^\W_]+(?:[.,:'’@/-]+[^\W_]+)*")
_FIGURE_END = re.compile(r"\d\.$")
_ITEM = re.compile(r"(?:^|\n)\s*\d{1,2}[.)]$")
_INITIAL = re.compile(r"(?:^|[\s.(\"“„])[^\W\d_]\.$")
_HIDING = re.compile(r"<(think|thinking|tool_call|function_call)\b", re.IGNORECASE)
_DOTTED_ORDINALS = frozenset("de da nb nn no cs sk pl hu fi sl hr sr lv et tr".split())


class Clauses:
    def __init__(self, language: str) -> None:
        """`language` is BCP-47."""
        self._dotted_ordinals = language.partition("-")[0].lower() in _DOTTED_ORDINALS
        self._short = abbreviations(language)
        joined = "|".join(map(re.escape, conjunctions(language)))
        self._conjunction = re.compile(rf"\s(?=(?:{joined})\s)", re.IGNORECASE)
        self._pending = ""
        self._first = True

    def feed(self, piece: str) -> list[str]:
        """Parts that are ready to be said, as they were written."""
        self._pending += piece
        parts = []
        while end := self._end():
            parts.append(self._pending[:end].strip())
            self._pending = self._pending[end:].lstrip()
            self._first = False
        return parts

    def rest(self) -> str:
        """What is left at the end of the answer; may be empty."""
        left, self._pending, self._first = self._pending.strip(), "", True
        return left

    def _end(self) -> int:
        """Where the next part ends; 0: not yet."""
        if _all_hidden(self._pending):
            return 0
        if self._first:
            return min(self._first_ends(), default=0)
        stops = list(self._stops())
        if stops and stops[0] <= LONG:
            return max(stop for stop in stops if stop <= LONG)
        if len(self._pending) > LONG:
            return self._cut_of_a_long_one(stops[0] if stops else 0)
        return 0

    def _first_ends(self) -> Iterator[int]:
        text = self._pending
        yield from self._stops()
        yield from (end for end in self._pauses() if _words(text[:end]) >= FEW_WORDS)
        for found in self._conjunction.finditer(text):
            before = text[: found.start()]
            if _words(before) >= MANY_WORDS and self._may_end(before):
                yield found.start()
                break
        if len(text) > LONG and (end := self._cut_of_a_long_one(0)):
            yield end

    def _cut_of_a_long_one(self, stop: int) -> int:
        text = self._pending
        pauses = [end for end in self._pauses() if end <= LONG]
        if pauses:
            return pauses[-1]
        for pattern in (self._conjunction, _SPACE):
            if pattern is _SPACE and len(text) < ENDLESS:
                return stop
            ends = [
                found.start()
                for found in pattern.finditer(text, 0, LONG)
                if self._may_end(text[: found.start()])
                and not _between_digits(text, found.start(), found.end())
            ]
            if ends:
                return ends[-1]
        return stop

    def _stops(self) -> Iterator[int]:
        text = self._pending
        for found in _STOP.finditer(text):
            end = found.end()
            if self._may_end(text[:end]) and not self._is_short(text, found):
                yield end

    def _pauses(self) -> Iterator[int]:
        text = self._pending
        for found in _PAUSE.finditer(text):
            end = found.end()
            rest = text[end:].lstrip()
            if found.start() and rest and not _between_digits(text, found.start(), end):
                if self._may_end(text[:end]):
                    yield end

    def _is_short(self, text: str, found: re.Match[str]) -> bool:
        """The stop belongs to an abbreviation, a figure or an initial."""
        before = text[: found.start() + 1]
        if found[0][0] != "." or found[0].startswith(".."):
            return False
        if _ITEM.search(before) or _INITIAL.search(before):
            return True
        if self._dotted_ordinals and _FIGURE_END.search(before):
            return True
        word = re.split(r"[\s(\"'“„]", before)[-1]
        if word.lower() in ("no.", "nr.", "n."):
            # "No. 5" or "No. I cannot."
            rest = text[found.end() :].lstrip()
            return not rest or rest[0].isdecimal()
        return word in self._short

    def _may_end(self, part: str) -> bool:
        # A bracket that is not closed for so long is none.
        whole = len(self._pending) > LONG or not _open_bracket(part)
        return whole and _says_something(part) and not _hides(part)


def _words(text: str) -> int:
    wide = len(_WIDE.findall(text))
    return wide // 2 if wide else len(_WORD.findall(text))


def _says_something(part: str) -> bool:
    return any(map(str.isalnum, part))


def _all_hidden(text: str) -> bool:
    """Cheap, for thoughts are long and come in small pieces."""
    if text.startswith(("<", "```", "{")) and _hides(text):
        return True
    return not _says_something(text)


def _hides(part: str) -> bool:
    """It ends within something that is not said."""
    if "<" in part:
        begun = list(_HIDING.finditer(part))
        if begun and f"</{begun[-1][1]}" not in part[begun[-1].end() :]:
            return True
        if part.rfind("<") > part.rfind(">") and re.search(
            r"</?[A-Za-z|][^<>]*$", part
        ):
            return True
    if part.count("```") % 2:
        return True
    json = re.search(r"\{\s*[\"']", part)
    return bool(json) and part.count("{") > part.count("}")


def _open_bracket(part: str) -> bool:
    return any(part.count(a) > part.count(b) for a, b in ("()", "[]"))


def _between_digits(text: str, start: int, end: int) -> bool:
    after = text[end:].lstrip()
    return text[:start].rstrip()[-1:].isdecimal() and after[:1].isdecimal()
