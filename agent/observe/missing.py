"""Why is the recording of a call missing? One sentence, and what it rests on.

From logs alone, Asterisk's and the agent's: scripts/missing-recording uses this on a
machine that has nothing but Python. agent/storage/missing.py asks the database and the
spool first.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from .lines import Line, printable
from .recorded import Asterisk, Recorded
from .store_errors import meaning, refused

# The uploader has nothing to store yet, and nothing is wrong with the store.
_NOT_YET = re.compile("(?:is not there|is still open in Asterisk)(?:;|$)")
# What the agent says when it has Asterisk record silence.
_SILENCED = re.compile(r"^(?:stopped|paused)\b")


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


def failing(error: str) -> Cause:
    return Cause.CREDENTIALS if refused(error) else Cause.UPLOAD_FAILING


def from_logs(call: str, texts: Iterable[Iterable[str]]) -> Verdict:
    """`texts` are the lines of the files, one after the other."""
    told = Recorded.of(call, texts)
    asterisk, seen = told.asterisk, told.agent_seen
    recordings = [line for line in told.agent if line.said.startswith("[REC] ")]
    verdict = (
        _by_uploader(call, recordings, asterisk)
        or _by_hook(call, told.hook, agent_seen=seen)
        or _by_asterisk(call, asterisk, agent_seen=seen)
    )
    if verdict is None and told.agent:
        return Verdict(
            call,
            Cause.CANNOT_TELL,
            "the agent had the call and says nothing of its recording;"
            " Asterisk's full log tells whether one was made",
            (told.agent[0].text,),
        )
    if verdict is None:
        said = "cannot tell: no line of this call is in the logs"
        return Verdict(call, Cause.CANNOT_TELL, said)
    failed = verdict.cause is Cause.HOOK_FAILED
    if failed and asterisk.hook and told.no_worker:
        return Verdict(
            call,
            Cause.WAITING,
            "the worker, `offhook work`, is not up, so nobody takes its job:"
            f" {told.no_worker.said}",
            (told.no_worker.text, asterisk.hook.text),
        )
    return verdict


def _by_uploader(
    call: str, lines: Sequence[Line], asterisk: Asterisk
) -> Verdict | None:
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
        elif match := re.search(r"^(\w+) is kept as ([^\s,]+)", said):
            kept[match[1]] = f"{match[1]} as {match[2]}"
            since = None
            verdict = Verdict(
                call,
                Cause.KEPT,
                f"it is there since {line.when}: {', '.join(kept.values())}",
                (line.text,),
            )
        elif match := re.search(r"^(erased, .*)$", said):
            verdict = Verdict(call, Cause.ERASED, f"it was {match[1]}", (line.text,))
        elif match := re.search(r"^(expired, .*)$", said):
            verdict = Verdict(call, Cause.EXPIRED, f"it {match[1]}", (line.text,))
        elif "mix" in kept:
            # Of another track: the recording is there nevertheless.
            beside.append(line)
        elif match := re.search(r"^(.*); again at (.*)$", said):
            since = since or line
            verdict = _trying(call, match[1], match[2], since, line)
            if verdict.cause is Cause.WAITING:
                verdict = _blamed(verdict, match[1], asterisk)
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
        f"{what} since {since.when}: {meaning(error)}{error}; next try at {again}",
        tuple(dict.fromkeys((since.text, last.text))),
    )


def _blamed(verdict: Verdict, error: str, asterisk: Asterisk) -> Verdict:
    """Why the file is not there, if Asterisk's log tells."""
    if asterisk.complaint:
        return _cannot(verdict.call, asterisk.complaint, verdict.evidence)
    if not asterisk.asked:
        return verdict
    written = re.search(r'\", \"([^",]+)/[^/",]+\.wav', asterisk.asked.said)
    looked = re.search(r"(\S+)/[^/ ]+\.wav is not there", error)
    if not written or not looked or written[1] == looked[1]:
        return verdict
    return replace(
        verdict,
        sentence=f"Asterisk writes to {written[1]} and the agent looks into"
        f" {looked[1]}: its OFFHOOK_MONITOR must be Asterisk's RECORDINGS, if these"
        " are not two names of one folder",
        evidence=(asterisk.asked.text, *verdict.evidence),
    )


def _by_hook(call: str, lines: Sequence[Line], *, agent_seen: bool) -> Verdict | None:
    if not lines:
        return None
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


def _by_asterisk(call: str, seen: Asterisk, *, agent_seen: bool) -> Verdict | None:
    if not seen.lines:
        return None
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
    command = re.search(r"Executing \[(/\S+) ", seen.hook.said)
    # Only where Asterisk runs can it be looked at.
    if command and Path(command[1]).is_file() and not os.access(command[1], os.X_OK):
        return verdict(
            Cause.HOOK_FAILED,
            f"Asterisk could not run the upload hook: {command[1]} is not executable"
            " (chmod +x)",
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
    call: str, seen: Asterisk, evidence: tuple[str, ...] = ()
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
