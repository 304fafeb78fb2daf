"""The lines of one call, of all that stand in the logs.

Asterisk marks most lines of a call with a name of its own, C-0000000d. Those without
it are found by the channels and SIP messages of the marked ones. The agent marks its
lines with the call's id, which the dialplan tells Asterisk's log, too.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from .lines import Line, Source, named, read

# Numbered on from Asterisk's start: within one run such a name is never used again.
_NUMBERED = re.compile(r"\b[A-Z][A-Za-z0-9]+/[^\s,;'\"()<>]+-[0-9a-f]{8}\b")
# An address in memory, and the next call may well get the same.
_SOCKET = re.compile(r"\bWebSocket/[^\s,;'\"()<>/]+/0x[0-9a-f]+\b")
_SIP_CALL = re.compile(r"^\s*(?:Call-ID|i): *(\S+)", re.MULTILINE | re.IGNORECASE)
_IDS = re.compile(
    r"^Call (?P<unique>\S+?)(?:: SIP Call-ID (?P<sip>\S+)"
    r"| is (?P<uuid>\S+) for the agent)$"
)
_RTP = re.compile(r"RTC?P [\w ]*(?:to|from) +(\S+?:\d+)(?: |$|:)")
_SDP = re.compile(r"^\s*c=IN IP[46] (\S+)[\s\S]*?^\s*m=audio (\d+)", re.MULTILINE)

# What the agent says of no call and of all that are up.
_OF_ALL = re.compile(
    r"^no call came of this |^AudioSocket"
    r"|^\[(?:speech|llm|SERVE|FACTS|NC)\] "
)
# What is said once, of no call, and holds until its end is said.
_HOLDS = tuple(
    (re.compile(begins), re.compile(ends))
    for begins, ends in (
        (r"^\[FACTS\] wait in ", r"^\[FACTS\] go on"),
        (r"^\[FACTS\] cannot be written ", r"^\[FACTS\] are written "),
        (
            r"^\[work\] (?:ended|hangs|trying)|^\[WORK\] (?:cannot|ending|trying)",
            r"^\[WORK\] working",
        ),
    )
)
_NOTED = timedelta(seconds=15)
"""After its last line, for its facts and its recording to be kept, or not."""
_TWIN = re.compile(r"^refused with 409: duplicate_call_id")
LINGER = timedelta(seconds=2)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class OneCall:
    asked: str
    """The id that it was asked for by."""
    ids: frozenset[str]
    """Its ids: Asterisk's, the agent's, SIP's."""
    lines: tuple[Line, ...]
    """By time."""
    asterisk_seen: bool
    agent_seen: bool
    """Whether there is any line of theirs, of this call or of others."""
    hook_seen: bool
    sip_seen: bool
    """Whether Asterisk's SIP logger was on."""
    agent_until: datetime | None = None
    """When the agent's log ends."""
    restarted: Line | None = None
    """Asterisk began anew behind the call's last line."""
    jumped: float = 0.0
    """Seconds that Asterisk's clock was set back during the call."""
    now: datetime | None = None
    """When it was asked for."""

    def all(self, pattern: str, file: str = "", source: str = "") -> list[Line]:
        wanted = re.compile(pattern)
        return [
            line
            for line in self.lines
            if (not file or line.file == file)
            and (not source or line.source == source)
            and wanted.search(line.said)
        ]

    def first(self, pattern: str, file: str = "", source: str = "") -> Line | None:
        found = self.all(pattern, file, source)
        return found[0] if found else None

    def last(self, pattern: str, file: str = "", source: str = "") -> Line | None:
        found = self.all(pattern, file, source)
        return found[-1] if found else None

    @property
    def caller_left_first(self) -> datetime | None:
        """When he hung up, whatever the agent made of the end of its socket: Asterisk
        may close that without a word in a hang-up."""
        left = self.first(r"^Channel \S+ left '", "bridge_channel.c")
        if left is None or re.match(r"Channel (?:Web|Audio)Socket/", left.said):
            return None
        return left.at

    @property
    def agent(self) -> list[Line]:
        """Of the call itself."""
        return [
            line
            for line in self.lines
            if line.source is Source.AGENT and not _OF_ALL.search(line.said)
        ]


def gather(call: str, texts: Iterable[Iterable[str]], now: datetime) -> OneCall:
    """`texts` are the lines of the files, one after the other."""
    runs: list[list[Line]] = []
    agent: list[Line] = []
    hook: list[Line] = []
    for text in texts:
        # A file begins where nobody knows how the one before it went on.
        runs.append([])
        for line in read(text, now):
            if line.source is Source.AGENT:
                agent.append(line)
            elif line.source is Source.HOOK:
                hook.append(line)
            else:
                if line.begins:
                    runs.append([])
                runs[-1].append(line)
    ours: list[Line] = []
    restarted = None
    sip_seen = False
    jumped = 0.0
    for run in runs:
        if ours and not restarted and run and run[0].begins:
            restarted = run[0]
        sip_seen = sip_seen or any(line.file == _LOGGER for line in run)
        mine = _of_run(run, call)
        jumped = max(jumped, _set_back(mine))
        ours += mine
    ids = frozenset({call}) | {name for line in ours for name in _ids(line)}
    sockets = _sockets(ours)
    theirs = list(_of_agent(agent, ids, sockets, ours))
    told = [line for line in hook if any(named(x).search(line.said) for x in ids)]
    lines = sorted(ours + theirs + told, key=lambda line: line.at or _LONG_AGO)
    if restarted and ours and (ours[-1].at or _LONG_AGO) > (restarted.at or _LONG_AGO):
        restarted = None
    return OneCall(
        call,
        ids,
        tuple(lines),
        asterisk_seen=any(runs),
        agent_seen=bool(agent),
        hook_seen=bool(hook),
        sip_seen=sip_seen,
        agent_until=max((line.at for line in agent if line.at), default=None),
        restarted=restarted,
        jumped=jumped,
        now=now,
    )


_LOGGER = "res_pjsip_logger.c"


def _ids(line: Line) -> Iterator[str]:
    if line.file == "app_verbose.c" and (match := _IDS.search(line.said)):
        yield from (name for name in match.groups() if name)


def _sockets(lines: Iterable[Line]) -> set[str]:
    return {name for line in lines for name in _SOCKET.findall(line.text)}


def _of_run(run: Sequence[Line], call: str) -> list[Line]:
    mine = _connected(run, call)
    if not mine:
        return []
    sockets = _sockets(mine)
    first, last = _window(mine)
    known = set(map(id, mine))
    words = {word for line in mine for word in re.split(r"[\s\"',;()]+", line.whole)}
    places = _places(line for line in run if id(line) in known or _sip(line, words))
    found: list[Line] = []
    in_rtcp = False
    for line in run:
        meanwhile = not line.call and first <= (line.at or _LONG_AGO) <= last
        if line.file == "res_rtp_asterisk.c" and not line.call:
            # RTCP's words come from a thread that knows no call, in many lines.
            if not line.said.startswith(" "):
                in_rtcp = meanwhile and _mentions(line.said, places)
            if in_rtcp:
                found.append(line)
        elif (
            id(line) in known
            or (meanwhile and _mentions(line.text, sockets))
            or _sip(line, words)
        ):
            found.append(line)
    return found


def _set_back(lines: Sequence[Line]) -> float:
    """Of lines in the order in which they were written."""
    times = [line.at for line in lines if line.at]
    steps = ((a - b).total_seconds() for a, b in pairwise(times))
    return max(steps, default=0.0)


def _sip(line: Line, words: set[str]) -> bool:
    match = _SIP_CALL.search("\n".join(line.more)) if line.more else None
    return match is not None and match[1] in words


def _places(lines: Iterable[Line]) -> set[str]:
    """Where the sound of the call goes to and comes from, RTCP one port above."""
    found = set()
    for line in lines:
        if match := _RTP.search(line.said):
            found.add(match[1])
        if match := _SDP.search("\n".join(line.more)):
            found.add(f"{match[1]}:{match[2]}")
    for place in tuple(found):
        address, _, port = place.rpartition(":")
        found.add(f"{address}:{int(port) + 1}")
    return found


def _window(lines: Sequence[Line]) -> tuple[datetime, datetime]:
    times = [line.at for line in lines if line.at] or [_LONG_AGO]
    return min(times), max(times) + LINGER


def _connected(run: Sequence[Line], call: str) -> list[Line]:
    """Lines with the id, and those that their tags and channels lead to."""
    wanted = named(call)
    tags: set[str] = set()
    channels: set[str] = set()
    mine = [line for line in run if wanted.search(line.whole)]
    if not mine:
        return []
    while True:
        found_tags = {line.call for line in mine if line.call}
        found = {name for line in mine for name in _NUMBERED.findall(line.text)}
        found_tags |= {
            line.call for line in run if line.call and _mentions(line.text, found)
        }
        if found_tags == tags and found == channels:
            return mine
        tags, channels = found_tags, found
        mine = [
            line
            for line in run
            if (line.call and line.call in tags)
            or (not line.call and _mentions(line.text, channels))
            or wanted.search(line.whole)
        ]


def _mentions(text: str, names: set[str]) -> bool:
    return any(name in text for name in names)


def _of_agent(
    lines: Iterable[Line], ids: frozenset[str], sockets: set[str], ours: Sequence[Line]
) -> Iterator[Line]:
    """Lines bound to the call, and others that name it, its channel or all calls."""
    patterns = [named(each) for each in ids]
    lines = list(lines)
    own = [
        line
        for line in lines
        if line.call in ids
        or (not line.call and any(each.search(line.said) for each in patterns))
    ]
    known = set(map(id, own))
    first, last = _window([*ours, *own])
    known |= {id(line) for line in _holding(lines, first, last + _NOTED)}
    for line in lines:
        meanwhile = not line.call and first <= (line.at or _LONG_AGO) <= last
        of_all = _mentions(line.text, sockets) or _OF_ALL.search(line.said)
        # Of the call that is up under the same id.
        twin = _TWIN.search(line.said) and first <= (line.at or _LONG_AGO) <= last
        if id(line) in known or (meanwhile and of_all) or twin:
            yield line


def _holding(lines: Iterable[Line], first: datetime, last: datetime) -> Iterator[Line]:
    """What held for a while between these times."""
    lines = list(lines)
    for begins, ends in _HOLDS:
        said: list[Line] = []
        for line in lines:
            if begins.search(line.said) and (line.at or _LONG_AGO) <= last:
                said.append(line)
            elif said and ends.search(line.said):
                if (line.at or _LONG_AGO) >= first:
                    yield from said
                    yield line
                said = []
        yield from said
