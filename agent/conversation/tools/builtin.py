"""The tools that every AI can have: a function each, and its words for the model.

Adding one is a function, an entry in TOOLS, a test and a line in docs/tools.md.
"""

import re
from collections.abc import Mapping
from typing import Any

from .tool import Reach, Tool, ToolError

TURNS, WORDS = 40, 300
"""How much of a conversation is told: the last turns, characters of each."""
PASSAGE = 1200
VARIABLES, VALUE = 50, 1000

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


async def connect_call(
    reach: Reach, /, destination: str, announcement: str = ""
) -> str:
    await reach.control.connect(destination, announcement)
    return "the call is handed over"


async def send_email(reach: Reach, /, to: str, subject: str, text: str) -> str:
    assert reach.emails is not None
    await reach.emails.send(to, subject, text)
    return f"sent to {to}"


async def send_message(reach: Reach, /, text: str, to: str) -> str:
    assert reach.messages is not None
    await reach.messages.send(to, text)
    return f"sent to {to}"


async def stop_media(reach: Reach, /) -> str:
    await reach.control.stop_media()
    return "stopped"


async def stop_service(reach: Reach, /, farewell: str = "") -> str:
    await reach.control.leave(farewell)
    return "your part of the call is over"


async def stop_flow(reach: Reach, /) -> str:
    await reach.control.hang_up("")
    return "the call ends"


async def end_call(reach: Reach, /, farewell: str = "") -> str:
    await reach.control.hang_up(farewell)
    return "the call ends"


async def record_stop(reach: Reach, /) -> str:
    await reach.control.record_stop()
    return "the call is not recorded any more"


async def record_start(reach: Reach, /) -> str:
    await reach.control.record_start()
    return "the call is recorded again"


async def pause_recording(reach: Reach, /) -> str:
    await reach.control.record_pause()
    return "the caller was asked to type; wait until you are told what came of it"


async def set_variables(reach: Reach, /, variables: Mapping[str, Any]) -> str:
    known = reach.control.variables
    for name in variables:
        if not _VARIABLE.fullmatch(name):
            raise ToolError(f"{name[:64]!r} is no name: letters, digits and _ only")
    if len({*known, *variables}) > VARIABLES:
        raise ToolError(f"there may be {VARIABLES} variables at most")
    for name, value in variables.items():
        known[name] = str(value)[:VALUE]
    return "noted"


async def get_variables(reach: Reach, /) -> dict[str, str]:
    return dict(reach.control.variables)


async def get_aicall_messages(reach: Reach, /) -> list[dict[str, str]]:
    return [
        {"speaker": turn.speaker.value, "text": turn.text[:WORDS]}
        for turn in reach.control.turns[-TURNS:]
    ]


async def search_knowledge(reach: Reach, /, query: str) -> object:
    assert reach.knowledge is not None
    passages = await reach.knowledge.search(reach.collections, query)
    return [
        {"document": passage.document, "text": passage.text[:PASSAGE]}
        for passage in passages
    ] or "nothing found"


def _text(description: str) -> dict[str, str]:
    return {"type": "string", "description": description}


_FAREWELL = {"farewell": _text("What to say before hanging up")}

TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "connect_call",
            "Transfer the caller to a person or another number.",
            connect_call,
            {
                "destination": _text("Extension or phone number"),
                "announcement": _text("What to say before the transfer"),
            },
            ("destination",),
            voice_only=True,
            quiet=True,
        ),
        Tool(
            "send_email",
            "Send an e-mail.",
            send_email,
            {
                "to": _text("E-mail address"),
                "subject": _text("Subject"),
                "text": _text("The e-mail itself"),
            },
            ("to", "subject", "text"),
        ),
        Tool(
            "send_message",
            "Send a text message (SMS).",
            send_message,
            {
                "text": _text("The message"),
                "to": _text("Phone number; leave out to write to the caller"),
            },
            ("text",),
        ),
        Tool(
            "stop_media",
            "Be silent at once: stop what is being said or played.",
            stop_media,
            voice_only=True,
            quiet=True,
        ),
        Tool(
            "stop_service",
            "End your part of the call. The caller stays and is taken care of.",
            stop_service,
            {"farewell": _text("What to say before leaving")},
            quiet=True,
        ),
        Tool(
            "stop_flow",
            "Hang up at once, without a goodbye.",
            stop_flow,
            voice_only=True,
            quiet=True,
        ),
        Tool(
            "record_stop",
            "Stop recording, when the caller does not want to be recorded.",
            record_stop,
            voice_only=True,
        ),
        Tool(
            "record_start",
            "Record the call again.",
            record_start,
            voice_only=True,
        ),
        Tool(
            "pause_recording",
            "Let the caller type a card or other secret number, which nobody "
            "hears, records or tells you. Never ask for it yourself.",
            pause_recording,
            voice_only=True,
            quiet=True,
        ),
        Tool(
            "set_variables",
            "Remember facts of this call, e.g. the caller's name.",
            set_variables,
            {
                "variables": {
                    "type": "object",
                    "description": "Names and values",
                    "additionalProperties": {
                        "type": ["string", "number", "boolean"],
                    },
                }
            },
            ("variables",),
        ),
        Tool("get_variables", "Read all facts known in this call.", get_variables),
        Tool(
            "get_aicall_messages",
            "Read what was said in this call so far.",
            get_aicall_messages,
        ),
        Tool(
            "search_knowledge",
            "Look something up in our documents.",
            search_knowledge,
            {"query": _text("What to look for")},
            ("query",),
        ),
        Tool(
            "end_call",
            "End the phone call. Only when the caller has said goodbye or asked to "
            "hang up; never to answer a question.",
            end_call,
            _FAREWELL,
            ("farewell",),
            voice_only=True,
            quiet=True,
        ),
    )
}
