"""What Asterisk itself keeps of a call in which a number is spoken and typed, and how
well its recordings keep time."""

import asyncio
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.server import Request, Response, ServerConnection

from agent.calls.alignment import TOLERANCE, call_time, gaps
from agent.phone.line import Line
from agent.phone.ulaw import FRAME, SILENCE
from agent.telephony.ami import Ami, AmiConfig
from agent.telephony.recording import Recorder

from .asterisk import Asterisk, eventually
from .human import Human
from .offhook import Offhook
from .stub_agent import StubAgent, StubCall
from .tones import strength, tone

pytestmark = pytest.mark.asterisk

TRACKS = ("", "-user", "-assistant")
NUMBER = "4929777712345678"


@pytest.fixture
def recorder(asterisk: Asterisk) -> Recorder:
    return Recorder(Ami(AmiConfig(asterisk.ami_password, port=asterisk.ami_port)))


def samples(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, dtype="<i2").astype(int)


async def test_all_tracks_are_silent_as_long_as_they_are_told_to(
    asterisk, agent, phone, recorder
):
    async with await phone().dial(asterisk.uri()) as line:
        call = await agent.next_call()
        await call.say(tone(6.0, 880))
        playing = asyncio.create_task(line.play(tone(6.0, 440)))
        await asyncio.sleep(2)
        # Our call's id is the channel's UNIQUEID, by which AMI knows it, too.
        await recorder.mute(call.id)
        muted = line.now
        await asyncio.sleep(2)
        unmuted = line.now
        await recorder.unmute(call.id)
        await playing
    await eventually(lambda: (asterisk.spool / f"{call.id}.job").exists())
    for track in TRACKS:
        sound = samples(asterisk.track(call.id, track))
        loud = np.abs(sound.reshape(-1, 160)).max(axis=1) > 0
        silent = 0.02 * np.flatnonzero(~loud & (np.cumsum(loud) > 0))
        # A frame of 20 ms is on its way through Asterisk, and the phone's clock began
        # with the answer.
        assert silent[0] == pytest.approx(muted, abs=0.1)
        assert silent[-1] == pytest.approx(unmuted, abs=0.1)
        assert len(silent) == pytest.approx((silent[-1] - silent[0]) / 0.02, abs=2)


class Connecting(StubAgent):
    """Tells the dialplan to go on with extension 100."""

    def _check(self, socket: ServerConnection, request: Request) -> Response | None:
        if request.path.endswith("/next"):
            return socket.respond(HTTPStatus.OK, "connect 100")
        return super()._check(socket, request)


class Talk:
    """Both sides click in the same moment, and it is known when."""

    def __init__(self, line: Line, call: StubCall, human: Human) -> None:
        self._line, self._call, self._human = line, call, human
        self._frames: list[bytes] = []
        self._send = line._carrier.send
        self.at: list[float] = []
        self.ai_until = float("inf")

    async def ai(self) -> None:
        """As our mouth does it: silence is sound, too."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            frame = self._frames.pop(0) if self._frames else SILENCE * FRAME
            await self._call.socket.send(frame)
            due += 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def clicks(self) -> None:
        for _ in range(3):
            self.at.append(self._line.now)
            click = tone(0.02, 1000)
            if self._line.now < self.ai_until:
                self._frames.append(click)
            else:
                self._human.say(click)
            await self._line.play(click)
            await asyncio.sleep(0.5)

    async def caller_on_hold(self, seconds: float) -> None:
        """His phone sends nothing at all."""
        self._line._carrier.send = lambda said: None  # type: ignore[method-assign]
        await asyncio.sleep(seconds)
        self._line._carrier.send = self._send  # type: ignore[method-assign]


@pytest.mark.alone
async def test_the_tracks_keep_time_through_hold_silence_and_a_transfer(
    asterisk, phone
):
    agent = Connecting("asterisk", asterisk.agent_password)
    async with (
        agent.listening(asterisk.agent_port),
        Human(asterisk.extension_password, asterisk.sip_port) as human,
        await phone().dial(asterisk.uri()) as line,
    ):
        call = await agent.next_call()
        talk = Talk(line, call, human)
        speaking = asyncio.create_task(talk.ai())
        await asyncio.sleep(0.3)
        await talk.clicks()
        await talk.caller_on_hold(2)
        await talk.clicks()
        await asyncio.sleep(2)
        await talk.clicks()
        talk.ai_until = line.now
        speaking.cancel()
        await call.hang_up()
        async with asyncio.timeout(10):
            await human.answered.wait()
        await asyncio.sleep(0.3)
        await talk.clicks()
        human.silent = True
        await talk.caller_on_hold(3)
        human.silent = False
        await talk.clicks()
        lasted = line.now
    await eventually(lambda: (asterisk.spool / f"{call.id}.job").exists())
    mix, user, assistant = (samples(asterisk.track(call.id, t)) for t in TRACKS)
    assert len(mix) == len(user) == len(assistant)
    assert np.array_equal(mix, user + assistant), "one clock, sample by sample"
    theirs, ours = clicks(user), clicks(assistant)
    assert len(theirs) == len(ours) == len(talk.at) == 15
    there = gaps(len(mix) / 8000, lasted, talk.ai_until)
    print()
    for at, one, other in zip(talk.at, theirs, ours, strict=True):
        apart = f"{(other - one) * 1000:+.0f} ms apart"
        print(f"call {at:6.2f} s: caller {one:6.2f}, agent {other:6.2f}, {apart}")
        earliest, latest = call_time(one, there)
        assert earliest - 0.3 <= at <= latest + 0.3
        if at < talk.ai_until:
            assert one == pytest.approx(at, abs=0.3)
    # Two frames that are sent at once may fall to both sides of a tick of 20 ms, and a
    # busy machine does not send two at once.
    assert np.median(np.abs(np.subtract(ours, theirs))) <= 0.0201
    (gap,) = there
    assert gap.seconds == pytest.approx(3, abs=TOLERANCE)
    assert gap.at == pytest.approx(talk.ai_until)


def clicks(sound: np.ndarray) -> list[float]:
    """Seconds."""
    loud = np.flatnonzero(np.abs(sound) > 2000)
    begin = np.flatnonzero(np.diff(loud, prepend=-8000) > 2000)
    return [float(at) / 8000 for at in loud[begin]]


AIS = """
[ai.desk]
greeting = "Hello."
consent = "This call is recorded."
prompt = "Answer in one word."
tool_names = []
silence = { seconds = 0 }
"""


@pytest.fixture
def offhook(asterisk: Asterisk, tmp_path) -> Iterator[Offhook]:
    (tmp_path / "ais.toml").write_text(AIS)
    running = Offhook(
        tmp_path,
        asterisk.agent_port,
        asterisk.agent_password,
        OFFHOOK_AIS=str(tmp_path / "ais.toml"),
        OFFHOOK_MONITOR=str(asterisk.recordings),
        OFFHOOK_SPOOL=str(asterisk.spool),
        OFFHOOK_AMI_PORT=str(asterisk.ami_port),
        OFFHOOK_AMI_PASSWORD=asterisk.ami_password,
        OFFHOOK_LOG_LEVEL="DEBUG",
    )
    running.up()
    yield running
    running.down()


def post(offhook: Offhook, path: str) -> int:
    request = urllib.request.Request(offhook.url + path, method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return int(answer.status)


@pytest.mark.models
async def test_the_whole_product_forgets_a_number(offhook, asterisk, phone):
    """A tone stands for a voice: it can be looked for in the recordings."""
    question = (Path(__file__).parents[1] / "data" / "question.ulaw").read_bytes()
    async with await phone().dial(asterisk.uri()) as line:
        await line.hear_sound(within=20)
        await line.hear_silence(1.0, within=20)
        (live,) = offhook.get("/calls?live=true")["calls"]
        path = f"/calls/{live['id']}"
        await line.play(tone(0.5, 440))
        assert await asyncio.to_thread(post, offhook, f"{path}/record/pause") == 202
        log_before = len(asterisk.log)
        await line.play(question)
        await line.press(NUMBER)
        await line.play(tone(0.5, 2000))
        await asyncio.sleep(0.5)
        log_after = len(asterisk.log)
        assert await asyncio.to_thread(post, offhook, f"{path}/record/resume") == 202
        await line.play(tone(0.5, 660))
    await eventually(lambda: len(offhook.get(path)["recordings"]) >= 3, within=20)
    record = offhook.get(path)
    assert record["variables"]["consent_said_at"]
    assert "opening hours" not in str(record).lower()
    said = offhook.log.read_text()
    assert " DEBUG " in said and said.count("[DTMF]") == len(NUMBER)
    database = b"".join(p.read_bytes() for p in offhook.log.parent.glob("offhook.db*"))
    for trace in ("opening", *(NUMBER[at : at + 6] for at in range(11))):
        assert trace not in said.replace(live["id"], ""), trace
        assert trace.encode() not in database.replace(live["id"].encode(), b""), trace
    # Asterisk's own log has not a word on any key.
    assert "DTMF" not in asterisk.log[log_before:log_after]
    for recording in record["recordings"]:
        sound = (offhook.log.parent / "recordings" / recording["key"]).read_bytes()[44:]
        assert present(sound, 2000) < 0.02, recording["track"]
        if recording["track"] != "assistant":
            assert present(sound, 440) > 0.3 and present(sound, 660) > 0.2


def present(pcm: bytes, hertz: float) -> float:
    """Seconds in which this tone, and nothing else, sounds."""
    frames = [pcm[at : at + 2 * FRAME] for at in range(0, len(pcm), 2 * FRAME)]
    return 0.02 * sum(strength(frame, hertz) > 0.9 for frame in frames)
