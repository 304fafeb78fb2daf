"""Why is the recording of a call missing? One sentence, and what it rests on.

From logs alone, Asterisk's and the agent's: scripts/missing-recording uses this on a
machine that has nothing but Python. agent/storage/missing.py asks the database and the
spool first.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

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
        yield _printable(f"{self.call}: {self.sentence}")
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
    hooks = (hook for line in mine if (hook := _hook(line)))
    names = {call} | {hook[1] for hook in hooks if hook[2] == call}
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
        found += [line for line in run if line.tag in tags or named.search(line.said)]
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
        """It is over, and nobody was there whom the caller could have talked to."""
        return self.joined is None and bool(self.over or self.no_agent)


def _uploader(call: str, lines: Sequence[_Line], asterisk: _Asterisk) -> Verdict | None:
    """What the agent said of the recording; its last word counts."""
    verdict = None
    kept: dict[str, _Line] = {}
    since: _Line | None = None
    for line in lines:
        said = line.said.removeprefix("[REC] ")
        if match := re.search(r": (\w+) is kept as (\S+?),? ", said + " "):
            kept[match[1]] = line
            since = None
            verdict = Verdict(
                call,
                Cause.KEPT,
                f"it is there: {', '.join(sorted(kept))}; {match[2]} since {line.at}",
                tuple(each.text for each in kept.values()),
            )
        elif match := re.search(r": (.*); again at (.*)$", said):
            since = since or line
            cause = failing(match[1])
            why = (
                "the bucket refuses our credentials"
                if (cause is Cause.CREDENTIALS)
                else "storing it fails"
            )
            verdict = Verdict(
                call,
                cause,
                f"{why} since {since.at}: {match[1]}; next try at {match[2]}",
                tuple(dict.fromkeys((since.text, line.text))),
            )
        elif match := re.search(r" is moved to rejected: (.*)$", said):
            verdict = Verdict(
                call,
                Cause.REJECTED,
                f"it was rejected at {line.at}: {match[1]}",
                (line.text,),
            )
            if asterisk.never_bridged:
                verdict = _never_bridged(call, asterisk, (line.text,))
        elif match := re.search(r": (erased, .*)$", said):
            verdict = Verdict(call, Cause.ERASED, f"it was {match[1]}", (line.text,))
        elif match := re.search(r": (expired, .*)$", said):
            verdict = Verdict(call, Cause.EXPIRED, f"it {match[1]}", (line.text,))
    return verdict


def _script(call: str, lines: Sequence[_Line], *, agent_seen: bool) -> Verdict:
    last = lines[-1]
    if " left " not in last.said:
        return Verdict(
            call,
            Cause.HOOK_FAILED,
            f"Asterisk recorded it, and the upload hook failed: {last.said}",
            (last.text,),
        )
    if not agent_seen:
        return Verdict(
            call,
            Cause.CANNOT_TELL,
            "Asterisk recorded it and its job was left in the spool;"
            " the agent's log tells what became of it",
            (last.text,),
        )
    return Verdict(
        call,
        Cause.WAITING,
        "its job is in the spool and the agent has not taken it: the agent is down,"
        " or its OFFHOOK_SPOOL is another folder",
        (last.text,),
    )


def _asterisk(call: str, seen: _Asterisk, *, agent_seen: bool) -> Verdict:
    last = seen.lines[-1]

    def verdict(cause: Cause, sentence: str, *evidence: _Line | None) -> Verdict:
        said = tuple(line.text for line in evidence if line is not None)
        return Verdict(call, cause, sentence, said)

    if seen.never_bridged:
        return _never_bridged(call, seen)
    if seen.complaint and not seen.ended:
        return verdict(
            Cause.NOT_STARTED,
            f"MixMonitor could not record: {seen.complaint.said.split(' ', 1)[1]}",
            seen.complaint,
        )
    if not seen.began:
        where = (
            "MixMonitor was called and did not begin"
            if seen.asked
            else "the dialplan never came to MixMonitor"
        )
        return verdict(Cause.NOT_STARTED, where, seen.asked or seen.joined or last)
    if not seen.ended:
        if seen.died:
            return verdict(
                Cause.ASTERISK_DIED,
                "Asterisk ended during the call, so nobody said that the recording is"
                " complete; what it wrote is in its monitor folder",
                seen.began,
                last,
            )
        if not seen.over:
            return verdict(
                Cause.CALL_UP, "the call is not over as far as the log goes", last
            )
        return verdict(
            Cause.HOOK_FAILED, "the call is over and MixMonitor has not closed it", last
        )
    if not seen.hook:
        return verdict(
            Cause.HOOK_FAILED,
            "MixMonitor closed the files and ran no command: its third argument is"
            " missing in the dialplan",
            seen.asked,
            seen.ended,
        )
    if not agent_seen:
        return verdict(
            Cause.CANNOT_TELL,
            "Asterisk recorded it and ran the upload hook; the agent's log tells what"
            " became of it",
            seen.hook,
            seen.ended,
        )
    return verdict(
        Cause.HOOK_FAILED,
        "the upload hook ran and the agent never saw its job: the hook failed (syslog"
        " and Asterisk's console have its words), or OFFHOOK_SPOOL is another folder"
        " here than there",
        seen.hook,
        seen.ended,
    )


def _never_bridged(
    call: str, seen: _Asterisk, evidence: tuple[str, ...] = ()
) -> Verdict:
    why = ""
    if seen.no_agent and (
        match := re.search(r"no agent: (\w*) with cause (\w*)", seen.no_agent.said)
    ):
        why = f": Dial says {match[1] or 'nothing'}, cause {match[2] or 'unknown'}"
    lines = (seen.socket, seen.no_agent or seen.over)
    return Verdict(
        call,
        Cause.NEVER_BRIDGED,
        f"the caller was never connected, so there was nothing to record{why}",
        (*(line.text for line in lines if line), *evidence),
    )


def _printable(text: str) -> str:
    """A caller's name may hold what moves the cursor."""
    return "".join(each if each.isprintable() else "?" for each in text)
