"""The SIP messages of one call, in their order, as a ladder.

From Asterisk's log with its SIP logger on (`pjsip set logger on`).
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .findings import Finding, Report, State, nothing_of
from .lines import Line
from .onecall import OneCall

SWITCH_ON = (
    "Asterisk's SIP logger was off: on its console `pjsip set logger on`, then call"
    " again"
)
_HEAD = re.compile(r"<--- (Received|Transmitting) SIP \w+ \(.*?\) (?:from|to) (\S+)")
_STATUS = re.compile(r"SIP/2\.0 (\d{3}) ?(.*)")
_REQUEST = re.compile(r"([A-Z]+) (\S+) SIP/2\.0")


@dataclass(frozen=True, slots=True)
class SipMessage:
    line: Line
    sent: bool
    """By Asterisk."""
    peer: str
    """address:port"""
    method: str
    """Of the request, or of the one that is answered."""
    status: int
    """0: a request."""
    reason: str
    """What the answer says; where the request goes to."""
    call_id: str
    sequence: int
    branch: str
    contact: str
    sound: str
    """address:port that the SDP wants it sent to; empty without SDP."""
    codecs: str
    direction: str
    """sendrecv, sendonly, recvonly, inactive; empty when it does not say."""
    ended_because: str
    """The Reason header."""
    again: bool = False
    """The same was said before: it, or its answer, was lost."""

    @property
    def title(self) -> str:
        return f"{self.status} {self.reason}" if self.status else self.method

    @property
    def host(self) -> str:
        return self.peer.rpartition(":")[0]


def messages(lines: Iterable[Line]) -> list[SipMessage]:
    found: list[SipMessage] = []
    seen = set()
    for line in lines:
        head = _HEAD.search(line.said) if line.file == "res_pjsip_logger.c" else None
        if head is None or not line.more:
            continue
        first, *rest = (text.strip() for text in line.more)
        status, request = _STATUS.match(first), _REQUEST.match(first)
        if not status and not request:
            continue
        headers = _headers(rest)
        number, _, method = headers.get("cseq", "0 ").partition(" ")
        sound, codecs, direction = _sdp(rest)
        sent = head[1] == "Transmitting"
        branch = re.search(r"branch=([^;,\s]+)", headers.get("via", ""))
        call_id = headers.get("call-id", "")
        key = (sent, first, call_id, headers.get("cseq"), branch and branch[1], sound)
        found.append(
            SipMessage(
                line,
                sent,
                head[2].partition(":")[2],
                request[1] if request else method.strip(),
                int(status[1]) if status else 0,
                status[2] if status else request[2] if request else "",
                call_id,
                int(number) if number.isdigit() else 0,
                branch[1] if branch else "",
                headers.get("contact", ""),
                sound,
                codecs,
                direction,
                headers.get("reason", ""),
                again=key in seen,
            )
        )
        seen.add(key)
    return found


_SHORT = {"i": "call-id", "v": "via", "m": "contact", "f": "from", "t": "to"}


def _headers(lines: Sequence[str]) -> dict[str, str]:
    """The first of each name."""
    found: dict[str, str] = {}
    for text in lines:
        if not text:
            break
        name, colon, value = text.partition(":")
        if colon:
            name = name.strip().lower()
            found.setdefault(_SHORT.get(name, name), value.strip())
    return found


def _sdp(lines: Sequence[str]) -> tuple[str, str, str]:
    text = "\n".join(lines)
    media = re.search(r"^m=audio (\d+) \S+ ([\d ]+)", text, re.MULTILINE)
    if media is None:
        return "", "", ""
    # One after m= holds for the sound alone and comes before the one for all.
    own = re.search(r"^c=IN IP[46] (\S+)", text[media.start() :], re.MULTILINE)
    address = own or re.search(r"^c=IN IP[46] (\S+)", text, re.MULTILINE)
    names = re.findall(r"^a=rtpmap:\d+ ([\w-]+)", text, re.MULTILINE)
    codecs = "/".join(name for name in names if name != "telephone-event")
    way = re.search(r"^a=(sendrecv|sendonly|recvonly|inactive)", text, re.MULTILINE)
    sound = f"{address[1]}:{media[1]}" if address else ""
    return sound, codecs or media[2], way[1] if way else ""


@dataclass(frozen=True, slots=True)
class Dialog:
    """What became of the INVITE that the call began with."""

    invite: SipMessage | None = None
    trying: SipMessage | None = None
    ok: SipMessage | None = None
    ack: SipMessage | None = None
    refused: SipMessage | None = None
    """The last answer, when it was no 200 and no challenge."""
    cancel: SipMessage | None = None
    bye: SipMessage | None = None
    ok_again: int = 0
    """Times that the 200 OK was sent in vain."""

    @classmethod
    def of(cls, said: Sequence[SipMessage]) -> "Dialog":
        invites = (e for e in said if e.method == "INVITE" and not e.status)
        invite = next(invites, None)
        if invite is None:
            return cls()
        mine = [each for each in said if each.call_id == invite.call_id]
        answers = [
            each
            for each in mine
            if each.method == "INVITE" and each.status and each.sent is not invite.sent
        ]
        oks = [each for each in answers if each.status == 200]
        first_ok = oks[0] if oks else None

        def after_ok(method: str) -> SipMessage | None:
            for each in mine:
                if each.method == method and not each.status:
                    return each
            return None

        # A refusal is acknowledged, too; only what follows a 200 completes a call.
        acks = [
            each
            for each in mine
            if each.method == "ACK"
            and each.sent is invite.sent
            and first_ok is not None
            and each.sequence == first_ok.sequence
            and mine.index(each) > mine.index(first_ok)
        ]
        final = [
            each
            for each in answers
            if each.status >= 300 and each.status not in (401, 407)
        ]
        challenged = [each for each in answers if each.status in (401, 407)]
        if not final and not oks and len(challenged) > 1:
            final = challenged[-1:]
        elif not final and not oks and challenged:
            last_invite = [each for each in mine if each.method == "INVITE"][-1]
            final = challenged if last_invite in challenged else []
        return cls(
            invite,
            next((each for each in answers if each.status == 100), None),
            first_ok,
            acks[0] if acks else None,
            final[-1] if final and not oks else None,
            after_ok("CANCEL"),
            after_ok("BYE"),
            sum(
                each.again
                for each in oks
                if first_ok and each.sequence == first_ok.sequence
            ),
        )


_WIDTH = 34


def draw(said: Sequence[SipMessage]) -> list[str]:
    peers = list(dict.fromkeys(each.peer for each in said))
    rows = []
    for peer in peers:
        rows.append(f"{'':12}  {peer:<{_WIDTH - 8}}Asterisk")
        for each in said:
            if each.peer != peer:
                continue
            title = f" {each.title}{' again' if each.again else ''} "
            arrow = f"{title:-^{_WIDTH - 2}}"
            arrow = f"<{arrow}-" if each.sent else f"-{arrow}>"
            rows.append(f"{_clock(each.line)}  |{arrow}|  {_beside(each)}".rstrip())
    return rows


def _clock(line: Line) -> str:
    match = re.search(r"\d\d:\d\d:\d\d(?:\.\d{1,3})?", line.when)
    return f"{match[0] if match else '':12}"


def _beside(message: SipMessage) -> str:
    parts = []
    if message.sound:
        way = f" {message.direction}" if message.direction else ""
        parts.append(f"sound to {message.sound} {message.codecs}{way}")
    if not message.status and message.method in ("INVITE", "REFER"):
        parts.append(message.reason)
    if message.ended_because:
        parts.append(message.ended_because)
    return ", ".join(parts)


def is_private(host: str) -> bool:
    """An address that nobody outside can send to."""
    try:
        return not ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        return False


def wrong_address(said: Sequence[SipMessage]) -> SipMessage | None:
    """Who speaks from a public address and wants sound sent to a private one; or from
    one machine for another, for which there may be a reason."""
    for each in said:
        if each.sound and not each.sent:
            host = each.sound.rpartition(":")[0]
            if is_private(host) and not is_private(each.host):
                return each
    return None


def ours_wrong(said: Sequence[SipMessage]) -> SipMessage | None:
    """We tell a peer outside to send sound to an address of the house."""
    for each in said:
        if each.sound and each.sent:
            host = each.sound.rpartition(":")[0]
            if is_private(host) and not is_private(each.host):
                return each
    return None


def report(call: OneCall) -> Report:
    said = messages(call.lines)
    if not call.lines:
        return nothing_of(call.asked)
    if not said:
        return Report(call.asked, "no_sip", f"no SIP message is there. {SWITCH_ON}", 2)
    dialog = Dialog.of(said)
    cause, sentence = _verdict(dialog, said)
    more = {
        "messages": [
            {
                "when": each.line.when,
                "from": each.peer if not each.sent else "asterisk",
                "to": "asterisk" if not each.sent else each.peer,
                "message": each.title,
                "again": each.again,
                "sound": each.sound,
                "call_id": each.call_id,
            }
            for each in said
        ]
    }
    again = [each for each in said if each.again]
    findings: tuple[Finding, ...] = ()
    if again:
        titles = ", ".join(dict.fromkeys(each.title for each in again))
        findings = (
            Finding("said again", State.BROKEN, f"{len(again)} times: {titles}"),
        )
    status = 0 if cause == "well" else 1
    return Report(
        call.asked, cause, sentence, status, findings, tuple(draw(said)), more
    )


def _verdict(dialog: Dialog, said: Sequence[SipMessage]) -> tuple[str, str]:
    if dialog.invite is None:
        return "no_invite", "its INVITE is not in the logs: they begin too late"
    if dialog.ok and not dialog.ack:
        told = no_ack(dialog)
        return "no_ack", told
    if dialog.cancel and not dialog.ok:
        return "cancelled", "the caller gave up before anybody answered"
    if dialog.refused:
        who = "Asterisk" if dialog.refused.sent else "the other side"
        return "refused", f"{who} refused it: {dialog.refused.title}"
    if not dialog.ok:
        if not dialog.trying and dialog.invite.sent:
            return "no_answer", "nobody answered the INVITE: wrong address, or firewall"
        return "not_answered", "it was never answered"
    if wrong := wrong_address(said):
        host = wrong.sound.rpartition(":")[0]
        return "wrong_address", (
            f"answered, but the peer at {wrong.host} wants its sound sent to {host}, a"
            " private address: NAT without rtp_symmetric, or a SIP ALG"
        )
    if not dialog.bye:
        return "still_up", "answered and acknowledged; no BYE yet: it is up, or the log"
    who = "Asterisk" if dialog.bye.sent else "the other side"
    why = f" ({dialog.bye.ended_because})" if dialog.bye.ended_because else ""
    return "well", f"answered, acknowledged, ended by {who}{why}"


def no_ack(dialog: Dialog) -> str:
    assert dialog.ok is not None
    times = dialog.ok_again + 1
    contact = re.search(r"sips?:([^>;]+)", dialog.ok.contact)
    where = f" at its Contact {contact[1]}" if contact else ""
    return (
        f"the 200 OK was sent {times} times and never acknowledged: such a call drops"
        f" after 32 s. The other side cannot reach us{where}: behind NAT set"
        " external_signaling_address in pjsip.conf; or a firewall"
        " takes the ACK"
    )
