"""`offhook doctor --call`: a real call to the agent, step by step.

Without Asterisk by the agent's socket; with --sip through Asterisk, and then its
recording is waited for, too.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from agent.phone.line import CallFailed, CallOver, Line
from agent.phone.sip import SipConfig, SipPhone
from agent.phone.websocket import WebSocketConfig, WebSocketPhone
from agent.settings import Settings

from .finding import Finding, error, ok, warning
from .site import Site

_QUESTION = Path(__file__).parent.parent / "phone" / "question.ulaw"
_GREETING_SECONDS = 10.0
_SILENT_SECONDS = 3.0
"""In which the agent must fall silent when it is spoken to."""
_REPLY_SECONDS = 25.0
_SLOW_SECONDS = 4.0
_INTO_GREETING_SECONDS = 1.0
_PAUSE_SECONDS = 0.5
"""Longer than between two words."""
_RECORD_SECONDS = 10.0
_STORED_SECONDS = 30.0
_KEY = "5"
_MEANINGS = {
    401: "Make OFFHOOK_MEDIA_PASSWORD and AGENT_PASSWORD the same.",
    402: "Raise the AI's budget_per_day, or wait for tomorrow.",
    403: "Let TRUNK_ADDRESS or an extension be who calls.",
    404: "Dial a number that the dialplan knows, and an AI that is there.",
    486: "Wait until the line is free.",
    503: "See /readyz and OFFHOOK_MAX_CALLS: the agent takes no call now.",
}


async def call(site: Site, uri: str, sipp: Path) -> list[Finding]:
    """`uri` is empty for the agent's socket."""
    settings = site.settings
    if settings is None:
        return [error("no test call: the settings are refused", "--call", "Mend them.")]
    found: list[Finding] = []
    # For a number of its own the call is found among others.
    number = f"1555{secrets.randbelow(10**7):07}"
    call_id = "" if uri else f"doctor-{secrets.token_hex(4)}"
    host = settings.host if settings.host not in ("0.0.0.0", "::") else "127.0.0.1"
    place = f"{host}:{settings.port}"
    try:
        if uri:
            line = await SipPhone(SipConfig(sipp=sipp, caller=number)).dial(uri)
        else:
            login = settings.telephony
            phone = WebSocketPhone(
                WebSocketConfig(login.username, login.password, caller=number)
            )
            line = await phone.dial(f"ws://{place}/telephony/ws", call_id=call_id)
    except (CallFailed, OSError, ValueError) as failure:
        status = getattr(failure, "status", 0)
        fix = _MEANINGS.get(status, "Start agent and Asterisk, and look at its log.")
        return [error(f"call: {failure}", uri or f"ws://{place}", fix)]
    found.append(ok("call: the agent took it", uri or f"ws://{place}"))
    async with line:
        try:
            async for finding in _converse(line):
                found.append(finding)
            await line.hang_up()
        except CallOver as over:
            found.append(
                error(f"call: {over}", "", "Look at the agent's log for this call.")
            )
    async with _asking(settings, f"http://{place}") as http:
        async for finding in _record(http, call_id, number, recorded=bool(uri)):
            found.append(finding)
    return found


async def _converse(line: Line) -> AsyncIterator[Finding]:
    question = _QUESTION.read_bytes()
    try:
        greeted = await line.hear_sound(_GREETING_SECONDS)
    except TimeoutError:
        yield warning(
            f"call: no greeting in {_GREETING_SECONDS:g} s",
            "the AI's greeting",
            "Give the AI a greeting, or look for [TTS] in the agent's log.",
        )
    else:
        yield ok(f"call: the agent is heard {greeted:.1f} s after its answer")
        await asyncio.sleep(_INTO_GREETING_SECONDS)
    began = line.now
    last = max((packet.at for packet in line.heard if packet.loud), default=-1.0)
    speaking = began - last < _PAUSE_SECONDS
    asking = asyncio.ensure_future(line.play(question))
    try:
        yield await _fallen_silent(line, speaking=speaking)
    finally:
        await asking
    asked = line.now
    try:
        heard = await line.hear_sound(_REPLY_SECONDS)
    except TimeoutError:
        yield error(
            f"call: no answer to a spoken question in {_REPLY_SECONDS:g} s",
            f"{began:.1f} s of the call",
            "Look for [STT] and errors of the model in the agent's log.",
        )
        return
    waited = heard - asked
    if waited > _SLOW_SECONDS:
        yield warning(
            f"call: the answer took {waited:.1f} s",
            "",
            "See the turn's latency in GET /calls/ID for which part is slow.",
        )
    else:
        yield ok(f"call: it answers a spoken question after {waited:.1f} s")
    await _quiet(line, 20.0)
    await line.press(_KEY)
    await asyncio.sleep(0.1)
    try:
        await line.hear_sound(10.0)
        await _quiet(line, 10.0)
    except TimeoutError:
        pass  # the record says whether the key arrived


async def _fallen_silent(line: Line, *, speaking: bool) -> Finding:
    """Interrupted, the agent must stop, and what it had queued must be dropped."""
    try:
        await line.hear_silence(_PAUSE_SECONDS, within=_SILENT_SECONDS)
    except TimeoutError:
        return error(
            f"call: it goes on speaking for {_SILENT_SECONDS:g} s when interrupted",
            "OFFHOOK_VAD_FLOOR_DBFS",
            "Lower OFFHOOK_VAD_FLOOR_DBFS or OFFHOOK_VAD_VOICED.",
        )
    if not speaking:
        return ok("call: the greeting was over before it could be interrupted")
    return ok("call: interrupted, it falls silent")


async def _quiet(line: Line, within: float) -> None:
    try:
        await line.hear_silence(1.2, within=within)
    except TimeoutError:
        pass  # it likes to talk


def _asking(settings: Settings, base_url: str) -> httpx.AsyncClient:
    headers = {}
    if settings.operator_token:
        headers["Authorization"] = f"Bearer {settings.operator_token}"
    return httpx.AsyncClient(
        base_url=base_url, headers=headers, timeout=5.0, trust_env=False
    )


async def _record(
    http: httpx.AsyncClient, call_id: str, number: str, *, recorded: bool
) -> AsyncIterator[Finding]:
    try:
        record = await _ended(http, call_id, number)
        if record is None:
            yield error(
                f"call: its record is not there after {_RECORD_SECONDS:g} s",
                "DATABASE_URL",
                "Look at the database, and at offhook_facts_behind.",
            )
            return
        where = f"call {record['id']}"
        for turn in record["turns"]:
            if turn["speaker"] == "agent" and turn["interrupted"]:
                heard = turn["text"][:60]
                yield ok(f"call: what it had yet to say after {heard!r} was dropped")
                break
        said = [turn["text"] for turn in record["turns"] if turn["speaker"] != "agent"]
        words = [text for text in said if _KEY not in text]
        if words:
            yield ok(f"call: it understood {words[0][:60]!r}", where)
        else:
            yield error(
                "call: not a word of the caller's was understood",
                where,
                "Look for [STT] in the agent's log of this call.",
            )
        if any(_KEY in text for text in said):
            yield ok(f"call: the key {_KEY} arrived", where)
        else:
            yield warning(
                f"call: the key {_KEY} did not arrive",
                where,
                "Set dtmf_mode = rfc4733 at the endpoint.",
            )
        if recorded:
            yield await _stored(http, record["id"])
    except httpx.HTTPError as failure:
        yield error(
            f"call: its record cannot be read: {failure or type(failure).__name__}",
            "OFFHOOK_TOKEN",
            "Set OFFHOOK_TOKEN as the agent has it.",
        )


async def _ended(
    http: httpx.AsyncClient, call_id: str, number: str
) -> dict[str, Any] | None:
    loop = asyncio.get_running_loop()
    until = loop.time() + _RECORD_SECONDS
    while loop.time() < until:
        if not call_id:
            listed = await http.get("/calls", params={"number": number, "limit": 1})
            calls = listed.raise_for_status().json()["calls"]
            call_id = calls[0]["id"] if calls else ""
        if call_id:
            answer = await http.get(f"/calls/{call_id}")
            if answer.status_code == 200 and answer.json()["ended_at"]:
                record: dict[str, Any] = answer.json()
                return record
            if answer.status_code not in (200, 404):
                answer.raise_for_status()
        await asyncio.sleep(0.3)
    return None


async def _stored(http: httpx.AsyncClient, call_id: str) -> Finding:
    loop = asyncio.get_running_loop()
    until = loop.time() + _STORED_SECONDS
    tracks: list[dict[str, Any]] = []
    while loop.time() < until:
        answer = await http.get(f"/calls/{call_id}")
        tracks = answer.raise_for_status().json()["recordings"]
        if tracks and all(track["state"] == "stored" for track in tracks):
            seconds = max(track["seconds"] for track in tracks)
            return ok(f"call: {len(tracks)} recordings are stored, {seconds:.1f} s")
        await asyncio.sleep(0.5)
    errors = {track["last_error"] for track in tracks if track["last_error"]}
    return error(
        "call: "
        + ("; ".join(sorted(errors)) or f"no recording in {_STORED_SECONDS:g} s"),
        f"call {call_id}",
        f"Run offhook recording why {call_id}.",
    )
