"""What `offhook bench` measures is the real media plane: a call, heard and repeated."""

import asyncio
from dataclasses import replace

import pytest

from agent.calls.call import EndReason
from agent.echo import CUSHION, Echo, create_app
from agent.phone import stamp
from agent.session import Session
from agent.web.config import TelephonyConfig
from tests.fakes.asterisk import FakeAsterisk

FRAMES = [stamp.write(number, 4).ljust(160, b"\xf0") for number in range(20)]


@pytest.fixture
def session(agent):
    parts = replace(agent.parts, instead_of_ai=Echo)
    return Session(agent.call(), agent.ai, FakeAsterisk(), parts)


async def test_each_frame_comes_back_after_a_cushion_of_silence(agent, session):
    asterisk = session._socket
    running = asyncio.create_task(session.run())
    asterisk.start()
    heard = b""
    for frame in FRAMES:
        asterisk.speak(frame)
        await asyncio.sleep(0.02)
        heard += asterisk.advance()
    for _ in range(10):
        await asyncio.sleep(0.02)
        heard += asterisk.advance()
    asterisk.hang_up()
    async with asyncio.timeout(2):
        await running
    assert agent.records.ends[0].reason is EndReason.CALLER_HUNG_UP
    assert agent.provider.chats == []
    begin = heard.index(FRAMES[0])
    assert heard[begin:].startswith(b"".join(FRAMES))
    assert begin >= CUSHION * 8000


async def test_the_app_takes_calls_only_with_the_password(models_folder):
    app = create_app(
        models_folder / "silero-vad" / "silero_vad.onnx",
        TelephonyConfig("asterisk", "secret"),
    )
    async with app.router.lifespan_context(app):
        assert app.state.parts.instead_of_ai is Echo
        assert app.state.live.refusal("any") is None
