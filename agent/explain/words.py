"""What codes of a record mean, in words that a sentence can hold."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from agent.calls.call import EndReason
from agent.calls.transcript import Trouble

STAGES: Mapping[str, str] = {
    "stt": "the recogniser",
    "llm": "the model",
    "tts": "the voice",
    "tool": "the tool",
}

CAUSES: Mapping[str, str] = {
    "unreachable": "could not be reached",
    "timeout": "did not answer in time",
    "stalled": "began to answer and fell silent",
    "cut": "broke off in the middle of an answer",
    "throttled": "refused for too many requests (429)",
    "no_credit": "refused because the account's credit or quota is used up",
    "refused": "did not accept the key (401 or 403)",
    "bad_request": "did not accept the request: the model's name, or its length",
    "server_error": "failed with an error of its own (5xx)",
    "nonsense": "answered with something that cannot be used",
}

MENDS: Mapping[str, str] = {
    "unreachable": "check its address and that it runs: /readyz says",
    "timeout": "it is too slow or overloaded: a faster model, or fewer calls",
    "stalled": "it is overloaded or was stopped: look at its own log",
    "cut": "look at its own log; something between may close connections",
    "throttled": "raise the account's limit, or name a second provider",
    "no_credit": "pay, or name a second provider",
    "refused": "set the right key",
    "bad_request": "check the model's name and the length of the prompt",
    "server_error": "look at its own log or status page; name a second provider",
    "nonsense": "another model, or another version of it",
}

ENDS: Mapping[EndReason, str] = {
    EndReason.CALLER_HUNG_UP: "the caller hung up",
    EndReason.SOCKET_LOST: "the connection between Asterisk and the agent broke",
    EndReason.AGENT_HUNG_UP: "the AI said goodbye and hung up",
    EndReason.AGENT_LEFT: "the AI left, and the dialplan went on behind it",
    EndReason.CONNECTED: "the AI handed the call over",
    EndReason.CALLER_SILENT: "nobody answered the AI's questions whether he is there",
    EndReason.PROVIDER_FAILED: "no recogniser, model or voice was left to go on with",
    EndReason.OPERATOR_HUNG_UP: "an operator hung up by the API",
    EndReason.NO_MEDIA_START: "what opened the socket said nothing that begins a call",
    EndReason.UNSUPPORTED_FORMAT: "Asterisk offered a codec that the agent does not"
    " speak",
    EndReason.TOO_LONG: "the AI's max_minutes were over",
    EndReason.AGENT_FAILED: "the agent failed in this call: a fault of ours",
    EndReason.AGENT_DIED: "the agent's process died during the call",
    EndReason.SHUTDOWN: "the agent was stopped while the call was up",
}

Q850: Mapping[int, str] = {
    1: "the number is not assigned",
    2: "no route to that network",
    3: "no route to the destination",
    16: "normal clearing: somebody hung up",
    17: "busy",
    18: "no user responding",
    19: "no answer",
    20: "the phone is not registered",
    21: "the call was rejected",
    22: "the number has changed",
    26: "cleared as another phone answered",
    27: "the destination is out of order",
    28: "the number is incomplete",
    29: "the facility was rejected",
    31: "normal, without a reason",
    34: "no circuit is free",
    38: "the network is out of order",
    41: "a temporary failure",
    42: "congestion",
    44: "the channel that was asked for is not free",
    47: "no resources",
    50: "the facility is not subscribed to",
    57: "the bearer capability is not authorised",
    58: "the codec is not available now",
    65: "the bearer capability is not implemented",
    79: "the service is not implemented",
    88: "the destination does not fit: no codec in common",
    96: "a mandatory part of a message is missing",
    100: "a part of a message is invalid",
    102: "a timer ran out: the other side did not answer",
    111: "a protocol error",
    127: "interworking: the other network does not say why",
}
NORMAL = (0, 16, 17, 26, 31)
"""Causes with which a line is cleared and nothing failed."""


def q850(cause: int) -> str:
    return Q850.get(cause, "a cause that has no name here")


def failures(troubles: Sequence[Trouble]) -> str:
    """Each who failed, and how, once."""
    said = (
        f"{STAGES.get(one.stage, one.stage)} {one.provider}"
        f" {CAUSES.get(one.cause, one.cause)}{_nonsense(one)}"
        for one in troubles
    )
    return " and ".join(dict.fromkeys(said))


def _nonsense(one: Trouble) -> str:
    """Its kind; what stands behind a colon may quote what was said."""
    kind = one.detail.partition(":")[0]
    return f": {kind[:80]}" if one.cause == "nonsense" and kind else ""


def failure_lines(troubles: Sequence[Trouble]) -> tuple[str, ...]:
    """As evidence, the first ones, and how to mend each kind."""
    lines = [
        f"{clock(one.at)} [{one.stage.upper()}] {one.provider} {one.cause}:"
        f" {one.detail[:200]}" + (f" ({one.remedy})" if one.remedy else "")
        for one in troubles[:6]
    ]
    if len(troubles) > 6:
        lines.append(f"and {len(troubles) - 6} more")
    for cause in dict.fromkeys(one.cause for one in troubles):
        if cause in MENDS:
            lines.append(f"{cause}: {MENDS[cause]}")
    return tuple(lines)


def clock(at: datetime) -> str:
    return at.strftime("%H:%M:%S")
