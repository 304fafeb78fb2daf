"""The test call, to an agent that is no more than a socket, a tone and a record."""

import asyncio
import json

import pytest
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse, Response

from agent.doctor.finding import Severity
from agent.doctor.site import look
from agent.doctor.trial_call import call
from agent.phone.ulaw import from_pcm, loudness
from tests.fakes.provider import Running, tone

TONE = from_pcm(tone(2.0, 8000))


class Agent:
    """Says a tone; stops while somebody speaks, then says it once more; again for a
    key."""

    def __init__(self, words: str = "What are your opening hours?") -> None:
        self.words = words
        self.key = False
        self.over = False

    def app(self) -> FastAPI:
        app = FastAPI()
        app.add_api_websocket_route("/telephony/ws", self.talk)
        app.add_api_route("/calls/{call_id}", self.record)
        return app

    async def talk(self, socket: WebSocket) -> None:
        await socket.accept("media")
        saying = asyncio.create_task(self._say(socket))
        heard = False
        try:
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    break
                sound, text = message.get("bytes"), message.get("text") or ""
                if sound and loudness(sound) > 200 and not heard:
                    heard = True
                    saying.cancel()
                    await socket.send_text(json.dumps({"command": "FLUSH_MEDIA"}))
                    saying = asyncio.create_task(self._say(socket, after=2.0))
                if "DTMF" in text:
                    self.key = True
                    saying = asyncio.create_task(self._say(socket))
        except WebSocketDisconnect:
            pass
        finally:
            saying.cancel()
            self.over = True

    async def _say(self, socket: WebSocket, after: float = 0.0) -> None:
        await asyncio.sleep(after)
        for at in range(0, len(TONE), 160):
            await socket.send_bytes(TONE[at : at + 160])

    async def record(self, call_id: str) -> Response:
        if not self.over:
            return JSONResponse({}, 404)
        caller = {"speaker": "caller", "interrupted": False}
        turns = [{"speaker": "agent", "text": "Hello,", "interrupted": True}]
        if self.words:
            turns.append(caller | {"text": self.words})
        if self.key:
            turns.append(caller | {"text": "The caller pressed 5."})
        record = {"id": call_id, "ended_at": "now", "turns": turns, "recordings": []}
        return JSONResponse(record)


async def findings(tmp_path, agent):
    async with Running(agent.app()) as url:
        port = url.rpartition(":")[2]
        given = {"OFFHOOK_DATA": str(tmp_path), "OFFHOOK_PORT": port}
        return await call(look(given), "", tmp_path / "sipp")


async def test_a_call_that_goes_well(tmp_path):
    found = await findings(tmp_path, Agent())
    assert {each.severity for each in found} == {Severity.OK}
    said = "\n".join(each.what for each in found)
    for part in ("took it", "is heard", "falls silent", "answers", "opening", "key 5"):
        assert part in said


async def test_an_agent_that_understands_nothing(tmp_path):
    found = await findings(tmp_path, Agent(words=""))
    (wrong,) = [each for each in found if each.severity is not Severity.OK]
    assert "not a word" in wrong.what


@pytest.mark.parametrize("status", [401, 503])
async def test_an_agent_that_refuses(tmp_path, status):
    app = FastAPI()

    @app.websocket("/telephony/ws")
    async def refuse(socket: WebSocket) -> None:
        await socket.send_denial_response(Response(status_code=status))

    async with Running(app) as url:
        port = url.rpartition(":")[2]
        given = {"OFFHOOK_DATA": str(tmp_path), "OFFHOOK_PORT": port}
        (wrong,) = await call(look(given), "", tmp_path / "sipp")
    assert wrong.severity is Severity.ERROR
    assert str(status) in wrong.what
    assert ("OFFHOOK_MAX_CALLS" in wrong.fix) == (status == 503)
