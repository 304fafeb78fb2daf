"""Why the caller and the agent never came together: he was refused, or the agent was
not to be had. Each says one word and one sentence, or nothing.
"""

import re
from collections.abc import Sequence

from .ladder import Dialog
from .lines import Line, Source
from .onecall import OneCall
from .steps import HANDSHAKE, Steps
from .troubles import Trouble

_AUDIOSOCKET = re.compile(
    r"^Connecting to '(?P<where>[^']*)' failed for url '[^']*': (?P<error>.*)$"
)
_SLOW = 0.45
"""Seconds for one try, from which on nobody refused: nobody answered."""


def refused(call: OneCall, steps: Steps) -> tuple[str, str] | None:
    if stranger := call.first(r"No matching endpoint found"):
        match = re.search(r" failed for '([^']*)'", stranger.said)
        where = f" ({match[1]})" if match else ""
        return "unknown_caller", (
            f"Asterisk refused it: the caller's address{where} is not TRUNK_ADDRESS,"
            " and its name is not an extension's; a scan, if you expect nobody there"
        )
    if call.first(r"Failed to authenticate") and not steps.dialog.ok:
        return "sip_password", (
            "Asterisk refused it: the phone's password is wrong"
            " (EXTENSION_..._PASSWORD)"
        )
    if missed := call.first(r"rejected because extension not found"):
        match = re.search(r"extension '([^']*)'", missed.said)
        number = match[1] if match else "dialled"
        return "unknown_number", (
            f"Asterisk refused it: its dialplan has no number {number} in that context"
        )
    dialog = steps.dialog
    if dialog.refused and not steps.dialled and not dialog.cancel:
        if dialog.refused.sent and (told := _sip_refusal(dialog)):
            return told
        who = "Asterisk" if dialog.refused.sent else "the other side"
        return "refused", f"{who} refused it: {dialog.refused.title}"
    return None


def _sip_refusal(dialog: Dialog) -> tuple[str, str] | None:
    """What Asterisk means by its status, where it says no more."""
    invite, refused = dialog.invite, dialog.refused
    if invite is None or refused is None:
        return None
    if refused.status == 404:
        number = re.match(r"sips?:([^@;>]*)", invite.reason)
        return "unknown_number", (
            f"Asterisk refused it: its dialplan has no number"
            f" {number[1] if number else 'of that kind'} for this caller"
        )
    if refused.status == 488:
        return "no_codec", (
            "Asterisk refused it (488): no codec in common. The phone offers"
            f" {_codecs(invite.codecs)}, and `allow` of its endpoint in pjsip.conf"
            " has none of them, or it wants encryption that the endpoint has not"
        )
    return None


# Whose numbers are fixed, so that no name need be told.
_STATIC = {"0": "PCMU", "3": "GSM", "8": "PCMA", "9": "G722", "18": "G729"}


def _codecs(offered: str) -> str:
    names = [_STATIC.get(each, each) for each in re.split(r"[/ ]", offered) if each]
    return ", ".join(dict.fromkeys(names)) or "none"


def no_agent_leg(
    call: OneCall, steps: Steps, met: Sequence[Trouble]
) -> tuple[str, str] | None:
    if steps.agent_joined and steps.no_agent:
        return _left_alone(call, steps, met)
    if steps.agent_joined or not any(
        line.source is Source.ASTERISK for line in call.lines
    ):
        return None
    failed = steps.handshake or steps.no_agent
    cancel = steps.dialog.cancel
    if cancel and not (
        failed and failed.at and cancel.line.at and failed.at < cancel.line.at
    ):
        return "cancelled", (
            "the caller gave up before anybody answered; first missing: 200 OK"
        )
    if not failed and call.restarted:
        return "asterisk_died", "Asterisk ended before the agent was on the line"
    if not steps.dialled and (not failed or _at_all(call)) and not steps.handshake:
        return "not_dialled", (
            "no agent's leg: the dialplan never came to Dial(WebSocket/...): look at"
            " its last Executing line"
        )
    if not failed and not steps.over:
        return "connecting", (
            "Asterisk is still connecting to the agent, as far as the log goes;"
            " later calls wait for that (asterisk issue 1979)"
        )
    cause, why = _handshake(call, steps, met)
    return cause, f"no agent's leg: {why}"


def _left_alone(call: OneCall, steps: Steps, met: Sequence[Trouble]) -> tuple[str, str]:
    """The agent was on the line, and then nobody."""
    assert steps.no_agent is not None
    told = re.search(r"no agent: (\w+)", steps.no_agent.said)
    if handed := call.last(r"^Executing \[[^@]*@connect:\d+\] Dial\("):
        number = re.search(r"\[([^@]*)@", handed.said)
        return "no_human", (
            f"the AI handed it to {number[1] if number else 'somebody'}, who did not"
            f" take it: {told[1] if told else 'no answer'}"
        )
    for each in met:
        if each.cause in ("refused", "no_start", "unsupported_format", "no_way"):
            return each.cause, each.said
    return "agent_refused", (
        "the agent hung up at once, which is how it refuses by AudioSocket: its log"
        " says why"
    )


def _at_all(call: OneCall) -> bool:
    """Whether the dialplan's steps are in the log."""
    return call.first(r"^Executing \[", "pbx.c") is not None


def _handshake(call: OneCall, steps: Steps, met: Sequence[Trouble]) -> tuple[str, str]:
    """Why the agent never was on the line."""
    for each in met:
        if each.cause in ("codec", "unsupported_format"):
            return each.cause, each.said
    refusals = [each for each in met if each.cause in ("refused", "second_socket")]
    for each in refusals:
        if match := re.search(r"refused(?: with \d+)?: (\w+)$", each.line.said):
            return f"refused_{match[1]}", each.said
    match = HANDSHAKE.search(steps.handshake.said) if steps.handshake else None
    if match is None:
        if socket := call.first(_AUDIOSOCKET.pattern):
            return _audiosocket(socket)
        if made := call.first(r"^Unable to create channel of type '(\w+)'"):
            return "no_channel", (
                f"{made.said}: chan_websocket is not loaded, or websocket_client.conf"
                " has no such connection"
            )
        if started := next((each for each in met if each.cause == "no_start"), None):
            return "no_start", started.said
        said = "Dial ended"
        if steps.no_agent:
            told = re.search(r"no agent: (\w*) with cause (\w*)", steps.no_agent.said)
            if told:
                said = f"Dial says {told[1] or 'nothing'}, cause {told[2] or 'unknown'}"
        return "no_agent", f"{said}; no line says why"
    url, error, tries = match["url"], match["error"].strip(), int(match["tries"])
    if error == "Client start error":
        if _lasted(steps) > _SLOW * tries:
            return "agent_timeout", (
                f"{url} does not answer: a firewall, or the wrong host in AGENT_URL"
            )
        return "agent_down", (
            f"nobody listens at {url}: the agent is down, or AGENT_URL is wrong"
        )
    if error == "URI resolve error":
        return "agent_dns", f"the name in {url} is not known to DNS: AGENT_URL"
    if error == "Unauthorized":
        return "refused_unauthorised", (
            "the agent refused the password (401): Asterisk's AGENT_PASSWORD is not"
            " the agent's OFFHOOK_MEDIA_PASSWORD"
        )
    if refusals:
        return "refused", refusals[-1].said
    if error == "URL not found":
        return "agent_not_found", (
            f"404 from {url}: the dialplan asks for an AI that there is not, or this"
            " is not the agent's address: it ends in /telephony/ws"
        )
    if error == "Bad request":
        return "refused_bad_call_id", "the agent does not take the call's id (400)"
    if error == "Invalid response code" and call.agent_seen:
        # It has written down nothing of it, and it does so with each refusal.
        return "agent_not_found", (
            f"what answers at {url} is another agent, or this is not the agent's"
            " address: it ends in /telephony/ws"
        )
    if error == "Invalid response code":
        return "agent_refused", (
            "the agent refused it (402, 409, 503 or another): its log says why"
        )
    return "no_websocket", f"what answers at {url} is not the agent: {error}"


def _audiosocket(line: Line) -> tuple[str, str]:
    match = _AUDIOSOCKET.search(line.said)
    where, error = (match["where"], match["error"]) if match else ("", line.said)
    if "refused" in error:
        return "agent_down", (
            f"nobody listens at {where}: the agent is down, or OFFHOOK_AUDIOSOCKET_PORT"
            " is not set"
        )
    return "agent_timeout", f"{where} does not answer: {error}"


def _lasted(steps: Steps) -> float:
    first, last = steps.dialled, steps.handshake
    if first and last and first.at and last.at:
        return (last.at - first.at).total_seconds()
    return 0.0
