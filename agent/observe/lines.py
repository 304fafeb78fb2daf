"""What a line of a log says, and who wrote it: Asterisk, the agent or the upload hook.

One reader for all that looks into logs. Whose line it is shows in the line, so files
may come in any order and mixed, and with what docker, compose and the journal put
before each line. Standard library only: scripts/ use it where nothing but Python is.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

_DATE = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*"
_SHORT_DATE = r"[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d(?:\.\d+)?"
# [2026-11-21 08:51:02.123] VERBOSE[9726][C-0000000d] pbx.c: Executing ...
# [Nov 21 08:51:02] WARNING[9726][C-0000000d]: func_curl.c:1005 acf_curl: ...  (console)
_ASTERISK = re.compile(
    rf"\[(?P<at>{_DATE}|{_SHORT_DATE})\] (?:"
    r"(?P<level>\w+)\[\d+\](?:\[(?P<call>C-[0-9a-f]{8})\])?:? "
    r"(?P<file>[\w./-]+|Ext\. \S+?)(?::\d+ \w+)?: ?(?: *(?:--|==) )?"
    r"|(?P<start>Asterisk \S+ built by ))"
)
# 2026-11-21T08:51:02.123+00:00 INFO call=1795245062.0 agent.session: [STT] ...
_AGENT = re.compile(
    rf"(?P<at>{_DATE}) (?P<level>[A-Z]\w*) (?:call=(?P<call>\S+) )?"
    r"(?P<file>[\w.]+): (?P<said>.*)"
)
# What the agent puts before most of what it says of a call: its end of the socket.
_TAG = "[WS] "
_HOOK = re.compile(r"upload-recording(?:\[\d+\])?: (?P<said>.*)")
_HOOK_DATE = re.compile(rf"(?:<\d+>)?(?P<at>{_DATE}|{_SHORT_DATE}) ")

# docker compose logs, docker logs -t, journalctl; any of them, in this order.
_COMPOSE = re.compile(r"(?P<name>[\w.-]+) +\| ?")
_DOCKER = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ")
_JOURNAL = re.compile(rf"(?:{_DATE}|{_SHORT_DATE}) \S+ (?P<name>[\w.@/-]+)\[\d+\]: ")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Source(StrEnum):
    ASTERISK = "asterisk"
    AGENT = "agent"
    HOOK = "hook"


@dataclass(frozen=True, slots=True)
class Line:
    source: Source
    text: str
    """As it stands in the log."""
    said: str
    """Without what stands before it, the agent's tag [WS] included."""
    when: str
    """As it stands there; empty when it has no time."""
    call: str = ""
    """Asterisk's name of the call, C-0000000d; the agent's call id."""
    level: str = ""
    file: str = ""
    """Of Asterisk's source; the agent's logger. Asterisk's first words have none."""
    more: tuple[str, ...] = ()
    """Lines that continue it: a SIP message."""
    at: datetime | None = None
    """In UTC, when the reader was told the date."""

    @property
    def begins(self) -> bool:
        """Asterisk was started here: its names of calls and channels begin anew."""
        return self.source is Source.ASTERISK and not self.file

    @property
    def whole(self) -> str:
        return "\n".join((self.text, *self.more))


def read(texts: Iterable[str], now: datetime | None = None) -> Iterator[Line]:
    """Lines whose writer is known. `now` gives those without a year theirs."""
    open_: dict[str, tuple[Line, list[str]]] = {}
    """Asterisk's last line by container: others may have written in between."""
    last: datetime | None = None
    for text in texts:
        container, stripped, unit = _bare(text.rstrip("\r\n"))
        line = _line(stripped, unit)
        if line is None:
            if container in open_:
                open_[container][1].append(stripped)
            continue
        if container in open_:
            yield _closed(*open_.pop(container))
        if now is not None:
            last = moment(line.when, now) or last
            line = replace(line, at=last)
        if line.source is Source.ASTERISK:
            open_[container] = line, []
        else:
            yield line
    for each in open_.values():
        yield _closed(*each)


def _closed(line: Line, more: list[str]) -> Line:
    return replace(line, more=tuple(more)) if more else line


def moment(when: str, now: datetime) -> datetime | None:
    """In UTC. Asterisk writes local time: where it runs in another zone, set TZ."""
    try:
        return datetime.fromisoformat(when).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    form = "%Y %b %d %H:%M:%S.%f" if "." in when else "%Y %b %d %H:%M:%S"
    try:
        at = datetime.strptime(f"{now.year} {when}", form).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at.replace(year=now.year - 1) if at > now + timedelta(days=1) else at


def named(call: str) -> re.Pattern[str]:
    """The id, and not one that begins or ends with it; names of its files count."""
    name = re.escape(call) or "(?!)"
    return re.compile(rf"(?<![\w.@-]){name}(?![\w@])(?!\.\d)(?!-(?!user|assistant)\w)")


def printable(text: str) -> str:
    """A caller's name may hold what moves the cursor, a dialplan's line a password."""
    text = re.sub(r"(CURLOPT\(userpwd\)=)[^\"]*", r"\1***", text)
    return "".join(each if each.isprintable() else "?" for each in text)


def _bare(text: str) -> tuple[str, str, str]:
    """The container that it is of, the line itself, and its unit in the journal."""
    container = unit = ""
    if "\x1b" in text:
        text = _COLOUR.sub("", text)
    if match := _COMPOSE.match(text):
        container, text = match["name"], text[match.end() :]
    if match := _DOCKER.match(text):
        text = text[match.end() :]
    if (match := _JOURNAL.match(text)) and match["name"] != "upload-recording":
        unit, text = match["name"], text[match.end() :]
    return container or unit, text, unit


def _line(text: str, unit: str) -> Line | None:
    if match := _ASTERISK.match(text):
        said = text[match.start("start") if match["start"] else match.end() :]
        return Line(
            Source.ASTERISK,
            text,
            said,
            match["at"],
            match["call"] or "",
            match["level"] or "",
            match["file"] or "",
        )
    if text.startswith("{"):
        return _of_json(text)
    if match := _AGENT.match(text):
        return Line(
            Source.AGENT,
            text,
            match["said"].removeprefix(_TAG),
            match["at"],
            match["call"] or "",
            match["level"],
            match["file"],
        )
    if match := _HOOK.search(text):
        dated = _HOOK_DATE.match(text)
        return Line(Source.HOOK, text, match["said"], dated["at"] if dated else "")
    return None


def _of_json(text: str) -> Line | None:
    try:
        event: dict[str, Any] = json.loads(text)
        inner = event.get("log", event.get("MESSAGE"))
        if isinstance(inner, str) and "message" not in event:
            # As docker and the journal keep lines.
            return None if inner.startswith("{") else _line(inner.rstrip("\n"), "")
        said = str(event["message"]).removeprefix(_TAG)
        when = str(event["time"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    call, level, file = (str(event.get(key, "")) for key in ("call", "level", "logger"))
    if raised := str(event.get("exception", "")).strip():
        said = f"{said} | {raised.splitlines()[-1]}"
    return Line(Source.AGENT, text, said, when, call, level, file)
