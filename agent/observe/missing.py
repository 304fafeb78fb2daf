"""Why is the recording of a call missing? One sentence, and what it rests on.

From logs alone, Asterisk's and the agent's; scripts/missing-recording is this module on
a machine that has nothing but Python. agent/storage/missing.py knows the database and
the spool as well.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*"
# [2026-11-21 08:51:02.123] VERBOSE[9726][C-0000000d] pbx.c: Executing ...
_ASTERISK = re.compile(
    r"\[(?P<at>[^\]]+)\] (?:(?P<level>\w+)\[\d+\](?:\[(?P<tag>C-[0-9a-f]{8})\])? "
    r"(?P<file>[\w.-]+): |Asterisk \S+ built by )"
)
_AGENT = re.compile(
    rf"(?P<at>{_TIME}) [A-Z]\w* (?:call=(?P<call>\S+) )?[\w.]+: (?P<said>.*)"
)
_SCRIPT = re.compile(r"upload-recording(?:\[\d+\])?: (?P<said>.*)")
# docker compose logs: `voice-agent-1  | 2026-11-21T...`
_COMPOSE = re.compile(r"^[\w.-]+ +\| ")

_REFUSED = re.compile(
    "InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|TokenRefreshRequired"
    "|InvalidToken|AccessDenied|Access Denied|Forbidden|Unauthorized|AllAccessDisabled"
    "|AuthorizationHeaderMalformed|RequestTimeTooSkewed|RequestExpired"
    r"|\((?:401|403)\)|[Cc]redentials"
)


class Cause(StrEnum):
    KEPT = "kept"
    CALL_UP = "call_up"
    NEVER_BRIDGED = "never_bridged"
    NOT_STARTED = "not_started"
    ASTERISK_DIED = "asterisk_died"
    HOOK_FAILED = "hook_failed"
    WAITING = "waiting"
    UPLOAD_FAILING = "upload_failing"
    CREDENTIALS = "credentials"
    REJECTED = "rejected"
    GONE_FROM_STORE = "gone_from_store"
    EXPIRED = "expired"
    ERASED = "erased"
    PAUSED = "paused"
    UNKNOWN_CALL = "unknown_call"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True)
class Verdict:
    call: str
    cause: Cause
    sentence: str
    evidence: tuple[str, ...] = ()

    @property
    def status(self) -> int:
        """For a shell: 0 it is there, 1 missing and we know why, 2 we cannot tell."""
        match self.cause:
            case Cause.KEPT:
                return 0
            case Cause.CANNOT_TELL | Cause.UNKNOWN_CALL:
                return 2
            case _:
                return 1

    def lines(self) -> Iterator[str]:
        yield f"{self.call}: {self.sentence}"
        for each in self.evidence:
            yield f"    {_printable(each)}"

    def json(self) -> str:
        return json.dumps(
            {
                "call": self.call,
                "found": self.cause is Cause.KEPT,
                "cause": self.cause.value,
                "sentence": self.sentence,
                "evidence": self.evidence,
            }
        )


def refused(error: str) -> bool:
    """Is it the bucket's word about who asks, rather than about the recording?"""
    return _REFUSED.search(error) is not None


def failing(error: str) -> Cause:
    return Cause.CREDENTIALS if refused(error) else Cause.UPLOAD_FAILING


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    """As it stands in the log."""
    said: str
    at: str
    tag: str = ""
    """Asterisk's name of the call, or the agent's."""
    file: str = ""
    """Of Asterisk's source."""


@dataclass(slots=True)
class _Logs:
    """The lines of all files by who wrote them, in their order."""

    runs: list[list[_Line]]
    """Asterisk's, from start to start."""
    agent: list[_Line]
    script: list[_Line]


def from_logs(call: str, texts: Iterable[Iterable[str]]) -> Verdict:
    """`texts` are the lines of the files, one after the other."""
    logs = _Logs([[]], [], [])
    for text in texts:
        # A file begins where nobody knows how the one before it went on.
        logs.runs.append([])
        for line in text:
            _sort(_COMPOSE.sub("", line.rstrip("\r\n")), logs)
    mine, died = _of_call(logs.runs, call)
    names = {call} | {
        name
        for line in mine
        if (hook := _hook(line)) and hook[2] == call
        for name in (hook[1],)
    }
    asterisk = _Asterisk.of(mine, died=died)
    ours = [line for line in logs.agent if _about(line, call, names)]
    recordings = [line for line in ours if line.said.startswith("[REC] ")]
    script = [line for line in logs.script if _named(call).search(line.said)]
    verdict = _uploader(call, recordings, asterisk)
    if verdict is None and script:
        verdict = _script(call, script, agent_seen=bool(logs.agent))
    if verdict is None and mine:
        verdict = _asterisk(call, asterisk, agent_seen=bool(logs.agent))
    if verdict is None and ours:
        verdict = Verdict(
            call,
            Cause.CANNOT_TELL,
            "the agent had the call and says nothing of its recording;"
            " Asterisk's full log tells whether one was made",
            (ours[0].text,),
        )
    return verdict or Verdict(
        call, Cause.CANNOT_TELL, "cannot tell: no line of this call is in these logs"
    )


def _sort(text: str, logs: _Logs) -> None:
    if match := _ASTERISK.match(text):
        if match["file"] is None:
            logs.runs.append([])
        said = text[match.end() :]
        file = match["file"] or ""
        level = match["level"] or ""
        if script := _SCRIPT.search(said):
            logs.script.append(_Line(text, script["said"], match["at"]))
        logs.runs[-1].append(
            _Line(text, f"{level} {said}", match["at"], match["tag"] or "", file)
        )
    elif text.startswith("{"):
        try:
            event = json.loads(text)
            logs.agent.append(
                _Line(
                    text,
                    str(event["message"]),
                    str(event["time"]),
                    str(event.get("call", "")),
                )
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return
    elif match := _AGENT.match(text):
        logs.agent.append(_Line(text, match["said"], match["at"], match["call"] or ""))
    elif match := _SCRIPT.search(text):
        logs.script.append(_Line(text, match["said"], text[: match.start()].strip()))


def _named(call: str) -> re.Pattern[str]:
    """The id, and not one that begins or ends with it."""
    return re.compile(
        rf"(?<![\w.-]){re.escape(call)}(?!\w)(?!\.\d)(?!-(?!user|assistant)\w)"
    )


def _of_call(runs: Iterable[Sequence[_Line]], call: str) -> tuple[list[_Line], bool]:
    """Asterisk's lines of the call; did Asterisk start anew behind them?"""
    named = _named(call)
    found: list[_Line] = []
    died = False
    for run in runs:
        restarted = bool(run) and not run[0].file
        died = died or (bool(found) and restarted)
        tags = {line.tag for line in run if line.tag and named.search(line.said)}
        found += [
            line for line in run if line.tag in tags or named.search(line.said)
        ]
    return found, died


def _about(line: _Line, call: str, names: set[str]) -> bool:
    if line.tag:
        return line.tag == call
    if " is moved to rejected: " in line.said:
        job = re.match(r"\[REC\] (?:\S*/)?(\S+)\.job is moved", line.said)
        return job is not None and job[1] in names
    return _named(call).search(line.said) is not None


def _hook(line: _Line) -> re.Match[str] | None:
    """MixMonitor's command: the name of the recording, and of the call."""
    if line.file != "app_mixmonitor.c":
        return None
    return re.search(r"Executing \[\S+ (\S+) (\S+).*\]$", line.said)


@dataclass(frozen=True, slots=True)
class _Asterisk:
    """What one call's lines say; each is a line, or None if there is none."""

    lines: Sequence[_Line]
    died: bool
    asked: _Line | None
    complaint: _Line | None
    began: _Line | None
    ended: _Line | None
    hook: _Line | None
    joined: _Line | None
    no_agent: _Line | None
    socket: _Line | None
    over: _Line | None

    @classmethod
    def of(cls, lines: Sequence[_Line], *, died: bool) -> "_Asterisk":
        def first(pattern: str, file: str = "") -> _Line | None:
            wanted = re.compile(pattern)
            for line in lines:
                if (not file or line.file == file) and wanted.search(line.said):
                    return line
            return None

        monitor = "app_mixmonitor.c"
        return cls(
            lines,
            died,
            asked=first(r"Executing \[.*\] MixMonitor\(", "pbx.c"),
            complaint=first(r"^(?:WARNING|ERROR) ", monitor),
            began=first("Begin MixMonitor Recording", monitor),
            ended=first("End MixMonitor Recording", monitor),
            hook=first(r"Executing \[", monitor),
            joined=first(r" joined '", "bridge_channel.c")
            or first(r" answered ", "app_dial.c"),
            no_agent=first(r"no agent: "),
            socket=first(r"Websocket connection to .* failed|Unable to connect"),
            over=first(r"^\w+ Call \S+ over: ", "app_verbose.c")
            or first("Spawn extension", "pbx.c"),
        )

    @property
    def never_bridged(self) -> bool:
        return (
            bool(self.lines) and self.joined is None and (self.over or self.no_agent)
        ) is not None and bool(self.lines) and self.joined is None
