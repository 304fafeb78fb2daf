"""Whether sound went both ways between the phone and Asterisk, and how well.

From the line that our dialplan writes at the end of a call (`sound: ...`), and, where
somebody switched them on, from `rtp set debug on` and `rtcp set debug on`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from .findings import Finding, Report, State, nothing_of
from .ladder import SipMessage, is_private, messages, ours_wrong, wrong_address
from .lines import Line
from .onecall import OneCall

SWITCH_ON = (
    "the dialplan's line `Call ID sound: ...` is missing; on Asterisk's console"
    " `rtp set debug on`, call again, `rtp set debug off`"
)
LOSS = 0.03
"""From this share of packets on, words are lost."""
JITTER = 0.03
"""Seconds on the average, from which on words get holes."""
TWICE = 1.05
"""Packets for each that 20 ms need. A phone that sends every 10 ms has two."""
_PACKETS_A_SECOND = 50

_PACKET = re.compile(
    r"(?P<way>Got|Sent) +RTP packet (?:from|to) +(?P<place>\S+:\d+) "
    r"\(type \d+, seq (?P<seq>\d+), ts \d+, len (?P<length>-?\d+)\)"
)
_SOUND = re.compile(r"^Call \S+ sound: (?P<figures>\S*=\S*)$")
_LOST = re.compile(r"^ +Cumulative loss: (\d+)")
_JITTER = re.compile(r"^ +IA jitter \(secs\): ([\d.]+)")
_RTCP = re.compile(r"^\* (Sent|Got|Received) RTCP")


@dataclass(slots=True)
class Way:
    """One direction, as Asterisk sees it; None: nothing tells."""

    packets: int | None = None
    lost: int | None = None
    jitter: float | None = None
    """Seconds; what the receiver of this direction reports."""
    failed: int = 0
    """Packets that the network did not take."""
    places: dict[str, int] = field(default_factory=dict)
    evidence: list[str] = field(default_factory=list)

    @property
    def loss(self) -> float:
        sent = (self.packets or 0) + (self.lost or 0)
        return (self.lost or 0) / sent if sent else 0.0


@dataclass(frozen=True, slots=True)
class Sound:
    came: Way
    went: Way
    seconds: float | None
    """From the bridge to the end."""

    @property
    def known(self) -> bool:
        return self.came.packets is not None or self.went.packets is not None


def heard(call: OneCall) -> Sound:
    came, went = Way(), Way()
    sequence: dict[str, list[int]] = {"Got": [], "Sent": []}
    debugged = False
    theirs = None
    for line in call.lines:
        if match := _SOUND.match(line.said):
            if line.file == "app_verbose.c":
                _figures(match["figures"], line, came, went)
        elif line.file != "res_rtp_asterisk.c":
            continue
        elif match := _PACKET.search(line.said):
            debugged = True
            way = came if match["way"] == "Got" else went
            way.places[match["place"]] = way.places.get(match["place"], 0) + 1
            # What sendto answered: an error is below 0.
            if int(match["length"]) < 0:
                way.failed += 1
            else:
                sequence[match["way"]].append(int(match["seq"]))
            if len(way.evidence) < 2:
                way.evidence.append(line.text)
        elif match := _RTCP.match(line.said):
            theirs = went if match[1] != "Sent" else came
            theirs.evidence.append(line.text)
        elif theirs is not None and (match := _LOST.match(line.said)):
            theirs.lost = max(theirs.lost or 0, int(match[1]))
        elif theirs is not None and (match := _JITTER.match(line.said)):
            theirs.jitter = max(theirs.jitter or 0.0, float(match[1]))
    if debugged:
        for way, name in ((came, "Got"), (went, "Sent")):
            if way.packets is None:
                way.packets = len(sequence[name])
        if came.lost is None:
            came.lost = _gaps(sequence["Got"])
    return Sound(came, went, _seconds(call))


def _figures(text: str, line: Line, came: Way, went: Way) -> None:
    figures = dict(part.split("=", 1) for part in text.split(";") if "=" in part)

    def number(name: str) -> float:
        try:
            return float(figures.get(name, "0"))
        except ValueError:
            return 0.0

    # Asterisk's rx is what it received; a jitter is what the receiver measured, and
    # txjitter is its own measurement, rxjitter what the phone reports.
    came.packets, went.packets = int(number("rxcount")), int(number("txcount"))
    came.lost, went.lost = int(number("lp")), int(number("rlp"))
    came.jitter, went.jitter = number("txjitter"), number("rxjitter")
    came.evidence.insert(0, line.text)
    went.evidence.insert(0, line.text)


def _gaps(numbers: Sequence[int]) -> int:
    """Of 16 bits that wrap around; late ones are not lost."""
    if not numbers:
        return 0
    seen = set(numbers)
    span = (numbers[-1] - numbers[0]) % 65536 + 1
    return max(0, span - len(seen)) if span < 32768 else 0


def _seconds(call: OneCall) -> float | None:
    joined = call.first(r"^Channel \S+ joined '", "bridge_channel.c")
    left = call.last(r"^Channel \S+ left '", "bridge_channel.c")
    if joined and left and joined.at and left.at:
        return (left.at - joined.at).total_seconds()
    return None


def report(call: OneCall) -> Report:
    if not call.lines:
        return nothing_of(call.asked)
    sound, said = heard(call), messages(call.lines)
    findings = (
        _finding("from the phone", sound.came, "came"),
        _finding("to the phone", sound.went, "were sent"),
        _addresses(said),
    )
    cause, sentence = verdict(call, sound, said)
    status = {"well": 0, "no_evidence": 2}.get(cause, 1)
    more = {
        name: {
            "packets": way.packets,
            "lost": way.lost,
            "jitter_seconds": way.jitter,
            "places": way.places,
        }
        for name, way in (("from_phone", sound.came), ("to_phone", sound.went))
    }
    return Report(call.asked, cause, sentence, status, findings, more=more)


def _finding(what: str, way: Way, verb: str) -> Finding:
    if way.packets is None:
        return Finding(what, State.UNKNOWN, "nothing in the logs counts packets")
    parts = [f"{way.packets} packets {verb}"]
    if way.places:
        parts.append("by " + " and ".join(way.places))
    if way.lost:
        parts.append(f"{way.lost} lost ({way.loss:.1%})")
    if way.jitter:
        parts.append(f"jitter {way.jitter * 1000:.0f} ms")
    bad = not way.packets or way.loss >= LOSS or (way.jitter or 0) >= JITTER
    state = State.BROKEN if bad else State.OK
    return Finding(what, state, ", ".join(parts), evidence=tuple(way.evidence[:2]))


def _addresses(said: Sequence[SipMessage]) -> Finding:
    what = "addresses"
    if not any(each.sound for each in said):
        return Finding(
            what,
            State.UNKNOWN,
            "no SDP is there: see sip-ladder",
        )
    for wrong in (wrong_address(said), ours_wrong(said)):
        if wrong:
            who = "we ask" if wrong.sent else "the phone asks"
            told = f"{who} for sound at {wrong.sound}, and signals with {wrong.peer}"
            return Finding(what, State.BROKEN, told, evidence=(wrong.line.text,))
    places = dict.fromkeys(each.sound for each in said if each.sound)
    return Finding(what, State.OK, "sound goes to " + " and ".join(places))


def verdict(call: OneCall, sound: Sound, said: Sequence[SipMessage]) -> tuple[str, str]:
    came, went = sound.came, sound.went
    timeout = call.first(r"for lack of (?:audio )?RTP activity")
    wrong, ours = wrong_address(said), ours_wrong(said)
    if not sound.known:
        if wrong or ours:
            return "wrong_address", _wrong(wrong, ours)
        return "no_evidence", f"cannot tell: {SWITCH_ON}"
    if went.failed and not went.packets:
        places = " and ".join(went.places)
        return "unreachable", (
            f"sound for the phone at {places} could not leave this machine: no route"
            f" there{_why(said) if not came.packets else ''}"
        )
    if went.packets and not came.packets:
        return "one_way_in", f"one-way: nothing came from the phone{_why(said)}"
    if came.packets and not went.packets:
        return "one_way_out", (
            "one-way: Asterisk sent the phone nothing; the agent gave it no sound"
            " (see which-hop)"
        )
    if not came.packets and not went.packets:
        return "silent", f"no packet went either way{_why(said)}"
    if ours and ours.sound:
        return "wrong_address", _wrong(wrong, ours)
    if bad := _bad_place(came, went):
        return "wrong_address", bad
    if timeout:
        return "stopped", "the phone's sound stopped, and Asterisk ended the call"
    for way, name in ((came, "from the phone"), (went, "to the phone")):
        if way.loss >= LOSS:
            return "loss", f"{way.loss:.1%} of the packets {name} were lost"
        if (way.jitter or 0) >= JITTER:
            jitter = (way.jitter or 0) * 1000
            return "jitter", f"packets {name} are {jitter:.0f} ms uneven"
    short = sound.seconds is not None and came.packets is not None
    if short and sound.seconds and sound.seconds > 2:
        share = (came.packets or 0) / (sound.seconds * _PACKETS_A_SECOND)
        if TWICE <= share < 2 * 0.9:
            return "doubled", (
                f"{share - 1:.0%} of the packets from the phone came twice, and the"
                " sound is garbled by them: something between doubles packets (a loop,"
                " two paths, a mirrored port)"
            )
        if share < 0.5:
            return "gaps", (
                f"sound went both ways, but only {share:.0%} of the phone's: it was on"
                " hold, suppresses silence, or packets were lost"
            )
    return "well", f"sound went both ways: {came.packets} in, {went.packets} out"


def _wrong(wrong: SipMessage | None, ours: SipMessage | None) -> str:
    if ours:
        return (
            f"we told {ours.host} to send sound to {ours.sound}, which is of this"
            " house: set external_media_address and local_net in pjsip.conf"
        )
    assert wrong is not None
    return (
        f"the phone at {wrong.host} wants its sound at {wrong.sound}, a private"
        " address: rtp_symmetric=yes for that endpoint, and no SIP ALG in its router"
    )


def _why(said: Sequence[SipMessage]) -> str:
    wrong, ours = wrong_address(said), ours_wrong(said)
    if ours:
        return f": {_wrong(None, ours)}"
    last = [each for each in said if each.direction and not each.sent]
    if last and last[-1].direction in ("sendonly", "inactive"):
        return ": it is on hold"
    asked = [each for each in said if each.sound and not each.sent]
    other = [each for each in asked if each.sound.rpartition(":")[0] != each.host]
    if wrong:
        return f": {_wrong(wrong, None)}"
    if other:
        return (
            f": it signals from {other[0].host} and has its sound at"
            f" {other[0].sound}: NAT or a firewall between"
        )
    return ": a firewall (RTP_FIRST_PORT to RTP_LAST_PORT, UDP), NAT, or it is muted"


def _bad_place(came: Way, went: Way) -> str:
    """Sound that came from a public address and was answered to a private one."""
    sources = {place.rpartition(":")[0] for place in came.places}
    for place in went.places:
        host = place.rpartition(":")[0]
        if sources and host not in sources and is_private(host):
            if not all(map(is_private, sources)):
                return (
                    f"sound came from {', '.join(sorted(sources))} and went to {place}:"
                    " rtp_symmetric=yes for that endpoint"
                )
    return ""
