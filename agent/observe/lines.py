"""What a line of a log says, and who wrote it: Asterisk, the agent or the upload hook.

One reader for all that looks into logs. Whose line it is shows in the line, so files
may come in any order and mixed, and with what docker, compose and the journal put
before each line. Standard library only: scripts/ use it where nothing but Python is.
"""

import json
import re
from collections import defaultdict
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
# 2026-11-21T08:51:02.123+00:00 INFO call=1795245062.0 channel=WebSocket/ai_media/0x7f59
#     agent.session: [CALLER] ...
_AGENT = re.compile(
    rf"(?P<at>{_DATE}) (?P<level>[A-Z]\w*) (?:call=(?P<call>\S+) )?"
    r"(?:channel=\S+ )?(?P<file>[\w.]+): (?P<said>.*)"
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
# What Asterisk's SIP logger puts before a message.
_SIP_FOLLOWS = re.compile(
    r"<--- (?:Received|Transmitting) SIP \w+ \((?P<bytes>\d{1,5}) bytes\)"
    r" (?:from|to) \S+ --->"
)


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
    logs: defaultdict[str, _Log] = defaultdict(_Log)
    """By container: others may write in between."""
    last: datetime | None = None
    for text in texts:
        text = text.removesuffix("\n")
        bare = _bare(text)
        log, said = logs[bare.container], bare.said.rstrip("\r")
        # In a file of Asterisk's alone a message may say what looks like a container.
        if logs[""].takes(text) or log.takes(text):
            continue
        line = _line(said, bare.unit)
        if line is None:
            log.goes_on(said, bare.before)
            continue
        if (before := log.closed()) is not None:
            yield before
        if now is not None:
            last = moment(line.when, now) or last
            line = replace(line, at=last)
        if line.source is Source.ASTERISK:
            log.begins(line, bare.before)
        else:
            yield line
    for log in logs.values():
        if (before := log.closed()) is not None:
            yield before


class _Log:
    """Asterisk's last line in a log, with what continues it.

    A SIP message is written as it came, and who sends it chooses its lines: they may
    look like the log's. So all that fits into the message's bytes is the message's. Of
    each line the least is counted that it can have been, as logs lose escape codes,
    carriage returns and what is not UTF-8: a message never ends too early. The log's
    own lines are taken for a message's only where some of it is not there (it was cut,
    or held a NUL), and no more of them than that.
    """

    def __init__(self) -> None:
        self._line: Line | None = None
        self._more: list[str] = []
        self._owed = 0
        """Bytes of a message that are still to come."""
        self._in_message = False
        self._before: frozenset[str] = frozenset()
        """What stands before each line of it."""

    def begins(self, line: Line, before: frozenset[str]) -> None:
        self._line = line
        if line.file == "res_pjsip_logger.c":
            self._expect(line.said, before)

    def goes_on(self, said: str, before: frozenset[str]) -> None:
        self._more.append(said)
        self._expect(said, before)  # consoles leave out what stands before it

    def closed(self) -> Line | None:
        line, more = self._line, tuple(self._more)
        self._line, self._more = None, []
        return line if line is None or not more else replace(line, more=more)

    def takes(self, text: str) -> bool:
        """Whether that is of a message."""
        if self._owed <= 0:
            return False
        text = _bare(text, self._before).said
        if not self._in_message:
            # Line ends before the first word are written, and are none of its bytes.
            text = text.lstrip("\r")
            if not text:
                return True
            self._in_message = True
        size = len(text.replace("\ufffd", "?").encode(errors="replace"))
        fits = size <= self._owed
        self._owed -= size + 1
        if fits:
            self._more.append(text.rstrip("\r"))
        else:
            self._owed = 0
        return fits

    def _expect(self, said: str, before: frozenset[str]) -> None:
        if head := _SIP_FOLLOWS.fullmatch(said):
            self._owed, self._in_message = int(head["bytes"]), False
            self._before = before


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


@dataclass(frozen=True, slots=True)
class _Bare:
    """A line without what docker, compose and the journal put before it."""

    said: str
    before: frozenset[str]
    """Which of them did."""
    container: str = ""
    """That it is of."""
    unit: str = ""
    """In the journal."""


_MAY_STAND_BEFORE = frozenset({"json", "compose", "docker", "journal"})


def _bare(text: str, may: frozenset[str] = _MAY_STAND_BEFORE) -> _Bare:
    if "json" in may and text.startswith("{") and (kept := _unwrapped(text)):
        whose, text = kept
        return _Bare(_COLOUR.sub("", text), frozenset({"json"}), whose)
    container = unit = ""
    before = set()
    if "\x1b" in text:
        text = _COLOUR.sub("", text)
    if "compose" in may and (match := _COMPOSE.match(text)):
        before.add("compose")
        container, text = match["name"], text[match.end() :]
    if "docker" in may and (match := _DOCKER.match(text)):
        before.add("docker")
        text = text[match.end() :]
    if (
        "journal" in may
        and (match := _JOURNAL.match(text))
        and match["name"] != "upload-recording"
    ):
        before.add("journal")
        unit, text = match["name"], text[match.end() :]
    return _Bare(text, frozenset(before), container or unit, unit)


def _unwrapped(text: str) -> tuple[str, str] | None:
    """As docker and the journal keep lines; whose it is, and the line."""
    try:
        event: dict[str, Any] = json.loads(text)
        inner = event.get("log", event.get("MESSAGE"))
        if isinstance(inner, str) and "message" not in event:
            whose = event.get("CONTAINER_NAME", event.get("_SYSTEMD_UNIT", ""))
            return str(whose), inner.removesuffix("\n")
    except (ValueError, AttributeError, RecursionError):
        pass
    return None


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
        said = str(event["message"]).removeprefix(_TAG)
        when = str(event["time"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    call, level, file = (str(event.get(key, "")) for key in ("call", "level", "logger"))
    if raised := str(event.get("exception", "")).strip():
        said = f"{said} | {raised.splitlines()[-1]}"
    return Line(Source.AGENT, text, said, when, call, level, file)
