"""What logs have of the recording of one call, of all that stands in them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from .lines import Line, Source, named, read

_REJECTED = " is moved to rejected: "
# It runs on after that, and so does its command.
_CANNOT = r"^(?:WARNING|ERROR) (?:Cannot open|Unable to add|MixMonitor requires)"
_UNABLE = r"^WARNING Unable to open file (?P<file>\S+): (?P<why>.*)$"
# Of a call whose name is known only once all has been read.
_TELLS = re.compile(
    r"^app_mixmonitor\.c: |^bridge_channel\.c: .* joined '|^app_dial\.c: .* answered "
    r"|^pbx\.c: (?:Executing .*\] MixMonitor\(|Spawn )|no agent: |Websocket connection"
)
# The worker's last word: it is at it, or it is not.
_WORKER = re.compile(
    r"^\[WORK\] (?:(?P<up>working)|cannot|ending|trying)|^\[work\] (?:ended|hangs)"
)


@dataclass(frozen=True, slots=True)
class Asterisk:
    """Its lines of the call; each of the steps is one, or None if there is none."""

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
    def of(cls, lines: Sequence[Line], *, died: bool) -> "Asterisk":
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
            complaint=first(_UNABLE, "file.c") or first(_CANNOT, monitor),
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


@dataclass(frozen=True, slots=True)
class Recorded:
    asterisk: Asterisk
    hook: Sequence[Line]
    """What the upload script said."""
    agent: Sequence[Line]
    agent_seen: bool
    """Whether there is any line of the agent's, of this call or of others."""
    no_worker: Line | None
    """Why there is none, by its last word."""

    @classmethod
    def of(cls, call: str, texts: Iterable[Iterable[str]]) -> "Recorded":
        """`texts` are the lines of the files, one after the other."""
        logs = _Logs(call)
        for text in texts:
            logs.read(text)
        mine, died = _of_call(logs.runs, call)
        commands = (command for line in mine if (command := _command(line)))
        names = {call} | {command[1] for command in commands if command[2] == call}
        return cls(
            Asterisk.of(mine, died=died),
            [line for line in logs.hook if named(call).search(line.said)],
            [line for line in logs.agent if _about(line, call, names)],
            logs.agent_seen,
            logs.no_worker,
        )


class _Logs:
    """What of all files may matter, by who wrote it, in its order.

    Asterisk's log may be gigabytes: what no verdict rests on is not kept."""

    def __init__(self, call: str) -> None:
        self._call = call
        self.runs: list[list[Line]] = []
        """Asterisk's, from start to start."""
        self.agent: list[Line] = []
        self.hook: list[Line] = []
        self.agent_seen = False
        self.no_worker: Line | None = None
        """Why there is none, by its last word."""

    def read(self, texts: Iterable[str]) -> None:
        # A file begins where nobody knows how the one before it went on.
        self.runs.append([])
        for line in read(texts):
            match line.source:
                case Source.ASTERISK:
                    self._asterisk(line)
                case Source.AGENT:
                    self.agent_seen = True
                    if match := _WORKER.search(line.said):
                        self.no_worker = None if match["up"] else line
                    if self._call in line.text or _REJECTED in line.said:
                        self.agent.append(line)
                case Source.HOOK:
                    if self._call in line.said:
                        self.hook.append(line)

    def _asterisk(self, line: Line) -> None:
        if line.begins:
            self.runs.append([line])
        elif self._call in line.text or (
            line.call and _TELLS.search(f"{line.file}: {line.said}")
        ):
            said = f"{line.level} {line.said}"
            self.runs[-1].append(replace(line, said=said, more=()))


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


def _command(line: Line) -> re.Match[str] | None:
    """MixMonitor's command: the name of the recording, and of the call."""
    if line.file != "app_mixmonitor.c":
        return None
    return re.search(r"Executing \[\S+ (\S+) (\S+).*\]$", line.said)


def _about(line: Line, call: str, names: set[str]) -> bool:
    if line.call:
        return line.call == call
    if _REJECTED in line.said:
        job = re.match(r"\[REC\] (?:\S*/)?(\S+)\.job is moved", line.said)
        return job is not None and job[1] in names
    return named(call).search(line.said) is not None
