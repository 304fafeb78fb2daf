"""Why is the recording of a call missing? One sentence, and what it rests on.

From logs alone, Asterisk's and the agent's: scripts/missing-recording uses this on a
machine that has nothing but Python. agent/storage/missing.py asks the database and the
spool first.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from .lines import Line, Source, named, printable, read

_REJECTED = " is moved to rejected: "
# It runs on after that, and so does its command.
_CANNOT = r"^(?:WARNING|ERROR) (?:Cannot open|Unable to add|MixMonitor requires)"

# Of a call whose name is known only once all has been read.
_TELLS = re.compile(
    r"^app_mixmonitor\.c: |^bridge_channel\.c: .* joined '|^app_dial\.c: .* answered "
    r"|^pbx\.c: (?:Executing .*\] MixMonitor\(|Spawn )|no agent: |Websocket connection"
)
# The uploader has nothing to store yet, and nothing is wrong with the store.
_NOT_YET = re.compile("(?:is not there|is still open in Asterisk)(?:;|$)")

# What the agent says when it has Asterisk record silence.
_SILENCED = re.compile(r"^(?:stopped|paused)\b")

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
        yield printable(f"{self.call}: {self.sentence}")
        for each in self.evidence:
            yield f"    {printable(each)}"

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


class _Logs:
    """What of all files may matter, by who wrote it, in its order.

    Asterisk's log may be gigabytes: what no verdict rests on is not kept."""

    def __init__(self, call: str) -> None:
        self._call = call
        self.runs: list[list[Line]] = []
        """Asterisk's, from start to start."""
        self.agent: list[Line] = []
        self.script: list[Line] = []
        self.agent_seen = False

    def read(self, texts: Iterable[str]) -> None:
        # A file begins where nobody knows how the one before it went on.
        self.runs.append([])
        for line in read(texts):
            match line.source:
                case Source.ASTERISK:
                    self._asterisk(line)
                case Source.AGENT:
                    self.agent_seen = True
                    if self._call in line.text or _REJECTED in line.said:
                        self.agent.append(line)
                case Source.HOOK:
                    if self._call in line.said:
                        self.script.append(line)

    def _asterisk(self, line: Line) -> None:
        if line.begins:
            self.runs.append([line])
        elif self._call in line.text or (
            line.call and _TELLS.search(f"{line.file}: {line.said}")
        ):
            said = f"{line.level} {line.said}"
            self.runs[-1].append(replace(line, said=said, more=()))


def from_logs(call: str, texts: Iterable[Iterable[str]]) -> Verdict:
    """`texts` are the lines of the files, one after the other."""
    logs = _Logs(call)
    for text in texts:
        logs.read(text)
    mine, died = _of_call(logs.runs, call)
    hooks = (hook for line in mine if (hook := _hook(line)))
    names = {call} | {hook[1] for hook in hooks if hook[2] == call}
    asterisk = _Asterisk.of(mine, died=died)
    ours = [line for line in logs.agent if _about(line, call, names)]
    recordings = [line for line in ours if line.said.startswith("[REC] ")]
    script = [line for line in logs.script if named(call).search(line.said)]
    verdict = _uploader(call, recordings, asterisk)
    if verdict is None and script:
        verdict = _script(call, script, agent_seen=logs.agent_seen)
    if verdict is None and mine:
        verdict = _asterisk(call, asterisk, agent_seen=logs.agent_seen)
    if verdict is None and ours:
        verdict = Verdict(
            call,
            Cause.CANNOT_TELL,
            "the agent had the call and says nothing of its recording;"
            " Asterisk's full log tells whether one was made",
            (ours[0].text,),
        )
    return verdict or Verdict(
        call, Cause.CANNOT_TELL, "cannot tell: no line of this call is in the logs"
    )


def _of_call(runs: Iterable[Sequence[Line]], call: str) -> tuple[list[Line], bool]:
    """Asterisk's lines of the call; did Asterisk start anew behind them?"""
    wanted = named(call)
    found: list[Line] = []
    died = False
    for run in runs:
        restarted = bool(run) and run[0].begins
        died = died or (bool(found) and restarted)
        tags = {line.call for line in run if line.call and wanted.search(line.said)}
        found += [line for line in run if line.call in tags or wanted.search(line.said)]
    return found, died


def _about(line: Line, call: str, names: set[str]) -> bool:
    if line.call:
        return line.call == call
    if _REJECTED in line.said:
        job = re.match(r"\[REC\] (?:\S*/)?(\S+)\.job is moved", line.said)
        return job is not None and job[1] in names
    return named(call).search(line.said) is not None


def _hook(line: Line) -> re.Match[str] | None:
    """MixMonitor's command: the name of the recording, and of the call."""
    if line.file != "app_mixmonitor.c":
        return None
    return re.search(r"Executing \[\S+ (\S+) (\S+).*\]$", line.said)


@dataclass(frozen=True, slots=True)
class _Asterisk:
    """What one call's lines say; each is a line, or None if there is none."""

    lines: Sequence[Line]
    died: bool
    asked: Line | None
    complaint: Line | None
    began: Line | None
    ended: Line | None
    hook: Line | None
    joined: Line | None
    no_agent: Line | None
    socket: Line | None
    over: Line | None

    @classmethod
    def of(cls, lines: Sequence[Line], *, died: bool) -> "_Asterisk":
        def first(pattern: str, file: str = "") -> Line | None:
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
            complaint=first(_CANNOT, monitor),
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


def _uploader(call: str, lines: Sequence[Line], asterisk: _Asterisk) -> Verdict | None:
    """What the agent said of the recording; its last word counts."""
    verdict = None
    kept: dict[str, str] = {}
    beside: list[Line] = []
    silenced: list[Line] = []
    since: Line | None = None
    for line in lines:
        said = line.said.removeprefix("[REC] ")
        if _SILENCED.search(said):
            silenced.append(line)
        elif match := re.search(r": (\w+) is kept as ([^\s,]+)", said):
            kept[match[1]] = f"{match[1]} as {match[2]}"
            since = None
            verdict = Verdict(
                call,
                Cause.KEPT,
                f"it is there since {line.when}: {', '.join(kept.values())}",
                (line.text,),
            )
        elif match := re.search(r": (erased, .*)$", said):
            verdict = Verdict(call, Cause.ERASED, f"it was {match[1]}", (line.text,))
        elif match := re.search(r": (expired, .*)$", said):
            verdict = Verdict(call, Cause.EXPIRED, f"it {match[1]}", (line.text,))
        elif "mix" in kept:
            # Of another track: the recording is there nevertheless.
            beside.append(line)
        elif match := re.search(r"^call \S+?: (.*); again at (.*)$", said):
            since = since or line
            verdict = _trying(call, match[1], match[2], since, line)
            if asterisk.complaint and verdict.cause is Cause.WAITING:
                verdict = _cannot(call, asterisk.complaint, verdict.evidence)
        elif match := re.search(r" is (?:moved to )?rejected: (.*)$", said):
            if asterisk.never_bridged:
                verdict = _never_bridged(call, asterisk, (line.text,))
            elif asterisk.complaint:
                verdict = _cannot(call, asterisk.complaint, (line.text,))
            else:
                verdict = Verdict(
                    call,
                    Cause.REJECTED,
                    f"it was rejected at {line.when}: {match[1]}",
                    (line.text,),
                )
    if verdict is None:
        return None
    if silenced and verdict.cause is Cause.KEPT:
        said = f"{verdict.sentence}; it was made silent at {silenced[0].when}"
        verdict = replace(verdict, sentence=said)
        beside += silenced
    more = (*verdict.evidence, *(line.text for line in beside))
    return replace(verdict, evidence=tuple(dict.fromkeys(more)))


def _trying(call: str, error: str, again: str, since: Line, last: Line) -> Verdict:
    cause = Cause.WAITING if _NOT_YET.search(error) else failing(error)
    what = {
        Cause.WAITING: "it waits for Asterisk's file",
        Cause.CREDENTIALS: "the bucket refuses our credentials",
    }.get(cause, "storing it fails")
    return Verdict(
        call,
        cause,
        f"{what} since {since.when}: {error}; next try at {again}",
        tuple(dict.fromkeys((since.text, last.text))),
    )


def _script(call: str, lines: Sequence[Line], *, agent_seen: bool) -> Verdict:
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

    def verdict(cause: Cause, sentence: str, *evidence: Line | None) -> Verdict:
        said = tuple(line.text for line in evidence if line is not None)
        return Verdict(call, cause, sentence, said)

    if seen.never_bridged:
        return _never_bridged(call, seen)
    if seen.complaint:
        return _cannot(call, seen.complaint)
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
                Cause.CALL_UP,
                "the call is not over as far as the log goes, if Asterisk still lives",
                last,
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


def _cannot(call: str, complaint: Line, evidence: tuple[str, ...] = ()) -> Verdict:
    said = complaint.said.split(" ", 1)[1]
    return Verdict(
        call,
        Cause.NOT_STARTED,
        f"MixMonitor could not record: {said}",
        (complaint.text, *evidence),
    )
