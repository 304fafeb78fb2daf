"""The steps that a call goes, from its INVITE to its recording."""

import re
from dataclasses import dataclass

from .ladder import Dialog, messages
from .lines import Line, Source
from .onecall import OneCall

_AGENT_LEG = r"(?:WebSocket|AudioSocket)/"
HANDSHAKE = re.compile(
    r"Websocket connection to (?P<url>\S+) failed after (?P<tries>\d+) tries: "
    r"(?P<error>[^(.]*[^(. ])"
)


@dataclass(frozen=True, slots=True)
class Steps:
    """What the sequence is made of; each is a line, or None where there is none."""

    dialog: Dialog
    caller_joined: Line | None
    agent_joined: Line | None
    agent_left: Line | None
    caller_left: Line | None
    recording_begun: Line | None
    recording_ended: Line | None
    hook: Line | None
    hook_said: Line | None
    answered: Line | None
    over: Line | None
    no_agent: Line | None
    handshake: Line | None
    dialled: Line | None
    began: Line | None
    """The agent's."""
    ended: Line | None
    """The agent's."""

    @classmethod
    def of(cls, call: OneCall) -> "Steps":
        bridge, monitor = "bridge_channel.c", "app_mixmonitor.c"
        agent = Source.AGENT
        return cls(
            Dialog.of(messages(call.lines)),
            caller_joined=call.first(rf"^Channel (?!{_AGENT_LEG})\S+ joined '", bridge),
            agent_joined=call.first(rf"^Channel {_AGENT_LEG}\S+ joined '", bridge),
            agent_left=call.last(rf"^Channel {_AGENT_LEG}\S+ left '", bridge),
            caller_left=call.last(rf"^Channel (?!{_AGENT_LEG})\S+ left '", bridge),
            recording_begun=call.first("^Begin MixMonitor Recording", monitor),
            recording_ended=call.last("^End MixMonitor Recording", monitor),
            hook=call.last(r"^Executing \[", monitor),
            hook_said=call.last("", source=Source.HOOK),
            answered=call.first(r" answered ", "app_dial.c"),
            over=call.last(r"^Call \S+ over: ", "app_verbose.c")
            or call.last(r"^Spawn extension", "pbx.c"),
            no_agent=call.first(r"^Call \S+: no agent: "),
            handshake=call.last(HANDSHAKE.pattern),
            dialled=call.last(rf"^Executing \[\S+\] Dial\(\"[^\"]*\", \"{_AGENT_LEG}"),
            began=call.first(r"^\[CALL\] began", source=agent),
            ended=call.last(r"^\[CALL\] ended: ", source=agent),
        )
