"""The whole product: a SIP phone, a real Asterisk, the agent with its real models.

Nothing here asserts a time; what was measured is printed (pytest -s) for the curious.
"""

import asyncio
import base64
import os
import re
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import websockets

from agent.conversation.config import WhisperConfig
from agent.conversation.whisper import Whisper
from agent.phone.line import Side
from agent.phone.recording import between, talks

from .asterisk import Asterisk, eventually
from .offhook import Offhook

pytestmark = [pytest.mark.asterisk, pytest.mark.models]

QUESTION = (Path(__file__).parents[1] / "data" / "question.ulaw").read_bytes()

# A greeting long enough to be interrupted, and an answer that can only be right.
AIS = """
[ai.desk]
greeting = "Hello, this is the front desk. How can I help you?"
prompt = '''You are the receptionist of a clinic. The clinic is open Monday to
Friday from nine to five. Answer every question with the opening hours.'''
tool_names = []
[ai.talker]
greeting = '''Good day and welcome. Let me tell you everything about our company, which
was founded a long time ago, in a small town by the sea, by two sisters who liked to
talk, and who never stopped talking to anybody who would listen to them for long
enough.'''
prompt = "You like to talk."
tool_names = []
"""


@pytest.fixture(scope="module")
def offhook(asterisk: Asterisk, tmp_path_factory) -> Iterator[Offhook]:
    folder = tmp_path_factory.mktemp("offhook")
    (folder / "ais.toml").write_text(AIS)
    running = Offhook(
        folder,
        asterisk.agent_port,
        asterisk.agent_password,
        OFFHOOK_AIS=str(folder / "ais.toml"),
        OFFHOOK_MONITOR=str(asterisk.recordings),
        OFFHOOK_SPOOL=str(asterisk.spool),
        # A machine that tests is busy; a call must survive that, not be quick.
        OFFHOOK_VAD_STOP_SECONDS="0.6",
    )
    running.up()
    yield running
    running.down()


@pytest.fixture(scope="module")
def whisper(models_folder) -> Iterator[Whisper]:
    whisper = Whisper(WhisperConfig(models_folder / "whisper-base"))
    yield whisper
    whisper.close()


@contextmanager
def answered_by(asterisk: Asterisk, ai: str) -> Iterator[None]:
    """Calls that are dialled meanwhile."""
    asterisk.cli(f"dialplan set global AI {ai}")
    try:
        yield
    finally:
        asterisk.cli('dialplan set global AI ""')


def words(whisper: Whisper, line) -> list[str]:
    """What the caller heard, utterance by utterance, from the RTP that came back."""
    heard = line.recording().agent
    return [
        whisper.decode(between(heard, talk), 8000, "en").text.lower()
        for talk in talks(heard)
    ]


async def finished(offhook: Offhook, calls: int) -> dict:
    """The newest call, once `calls` are over."""
    await eventually(
        lambda: len(offhook.get("/calls?live=false")["calls"]) >= calls, within=15
    )
    newest = offhook.get("/calls?limit=1")["calls"][0]["id"]
    return offhook.get(f"/calls/{newest}")


def over(offhook: Offhook) -> int:
    """Once none is up any more: the end of the last one may be on its way into the
    database."""
    while offhook.get("/calls?live=true")["calls"]:
        time.sleep(0.05)
    return len(offhook.get("/calls?live=false&limit=200")["calls"])


async def test_greets_hears_a_question_and_answers(offhook, asterisk, phone, whisper):
    before = over(offhook)
    async with await phone().dial(asterisk.uri()) as line:
        await line.hear_sound(within=20)
        await line.hear_silence(1.0, within=30)
        asked = line.now
        await line.play(QUESTION)
        answered = await line.hear_sound(within=60)
        await line.hear_silence(1.5, within=60)
        print(f"\nvoice to voice: {answered - asked - len(QUESTION) / 8000:.2f} s")
    greeting, *answer = words(whisper, line)
    assert "front desk" in greeting
    # On a busy machine a filler comes before it.
    assert re.search(r"nine|9|monday", " ".join(answer))
    call = await finished(offhook, before + 1)
    assert call["end_reason"] == "caller_hung_up"
    speakers = [turn["speaker"] for turn in call["turns"]]
    assert speakers[:3] == ["agent", "caller", "agent"]
    assert "opening hours" in call["turns"][1]["text"].lower()
    # Asterisk's recording has both, and it is in the store.
    await eventually(
        lambda: len(offhook.get(f"/calls/{call['id']}")["recordings"]) == 3, within=15
    )
    tracks = {r["track"]: r for r in offhook.get(f"/calls/{call['id']}")["recordings"]}
    assert set(tracks) == {"mix", "user", "assistant"}
    folder = offhook.log.parent / "recordings"
    with wave.open(str(folder / tracks["user"]["key"])) as file:
        user = file.readframes(file.getnframes())
    assert "opening hours" in whisper.decode(user, 8000, "en").text.lower()


async def test_an_interruption_silences_the_line(offhook, asterisk, phone):
    with answered_by(asterisk, "talker"):
        line = await phone().dial(asterisk.uri())
    async with line:
        await line.hear_sound(within=20)
        await asyncio.sleep(2)
        started = line.now
        await line.play(QUESTION)
        stopped = max(p.at for p in line.heard if p.loud and p.at < line.now)
        print(f"\nvoice onset to last sound: {(stopped - started) * 1000:.0f} ms")
        # The greeting lasts 15 s; it was broken off while the caller still spoke.
        assert stopped - started < len(QUESTION) / 8000 - 0.2
    call = await finished(offhook, 1)
    greeting = call["turns"][0]
    assert greeting["interrupted"]
    assert greeting["text"].startswith("Good day and welcome.")
    assert not greeting["text"].endswith("enough.")


async def test_keys_arrive(offhook, asterisk, phone):
    before = offhook.log.read_text().count("[DTMF]")
    async with await phone().dial(asterisk.uri()) as line:
        await line.hear_sound(within=20)
        await line.press("5#")
        await asyncio.sleep(0.5)
    assert offhook.log.read_text().count("[DTMF]") == before + 2


async def only_one(offhook):
    """That is up; the end of the one before may be on its way into the database."""

    def calls():
        return offhook.get("/calls?live=true")["calls"]

    await eventually(lambda: len(calls()) == 1)
    return calls()[0]


async def test_the_operator_hangs_up(offhook, asterisk, phone):
    before = over(offhook)
    async with await phone().dial(asterisk.uri()) as line:
        await line.hear_sound(within=20)
        live = await only_one(offhook)
        assert offhook.delete(f"/calls/{live['id']}") == 202
        ending = await line.ended()
    assert ending.hung_up_by is Side.CALLED
    call = await finished(offhook, before + 1)
    assert call["end_reason"] == "operator_hung_up"


async def test_calls_leave_nothing_behind(offhook, asterisk, phone):
    """Whoever hangs up: no channel, no call, no file handle, no task."""

    async def call(by_operator: bool) -> None:
        async with await phone().dial(asterisk.uri()) as line:
            await line.hear_sound(within=20)
            if by_operator:
                live = await only_one(offhook)
                offhook.delete(f"/calls/{live['id']}")
                await line.ended()
        await eventually(lambda: offhook.metric("offhook_calls_live") == 0, within=10)

    await call(False)
    files = offhook.files
    for by_operator in (True, False) * 3:
        await call(by_operator)
    await eventually(lambda: asterisk.channels() == 0)
    await eventually(lambda: offhook.files <= files + 2, within=10)
    assert "Traceback" not in offhook.log.read_text()
    assert " ERROR " not in offhook.log.read_text()


async def test_two_at_once_do_not_hear_each_other(offhook, asterisk, phone, whisper):
    one = await phone().dial(asterisk.uri())
    with answered_by(asterisk, "talker"):
        other = await phone().dial(asterisk.uri())
    async with one, other:
        await asyncio.gather(one.hear_sound(within=20), other.hear_sound(within=20))
        await asyncio.sleep(4)
    assert "front desk" in words(whisper, one)[0]
    assert "welcome" in words(whisper, other)[0]
    assert "front desk" not in " ".join(words(whisper, other))


START = (
    "MEDIA_START connection_id:ai_media channel:WebSocket/ai_media/0x1 "
    "channel_id:17.1 format:ulaw optimal_frame_size:160 ptime:20"
)
GARBAGE = {
    "nothing at all": [],
    "audio and no start": [b"\xff" * 160] * 20,
    "an empty frame": [START, b""],
    "one byte": [START, b"\x00"],
    "159 bytes": [START, b"\xff" * 159],
    "161 bytes": [START, b"\xff" * 161],
    "65500 bytes": [START, b"\xff" * 65500],
    "no JSON": [START, "{"],
    "an array": [START, "[1,2]"],
    "a number": [START, "42"],
    "nested deeply": [START, "[" * 100_000],
    "NaN": [START, '{"event":"STATUS","queue_length":NaN}'],
    "wrong types": [START, '{"event":{"a":1},"digit":[1]}'],
    "two starts": [START, START],
    "another dialect in mid-call": [START, '{"type":"media","audio":"!!!"}'],
    "an unknown event": [START, '{"event":"COFFEE_READY"}'],
    "control characters": [START, "DTMF_END digit:\x00\x1b[2J channel_id:1"],
    "a key that is none": [START, "DTMF_END digit:55 channel_id:1"],
    "a start without a codec": ["MEDIA_START channel_id:1"],
    "a codec that nobody has": [START.replace("ulaw", "opus")],
    "a frame of no length": [START.replace("160", "0")],
    "a frame without end": [START.replace("160", "99999999999")],
    "10 MB of text": [START, "x" * 10_000_000],
    "10 MB of sound": [START, b"\xff" * 10_000_000],
    "raw bytes on the socket": [START, "raw"],
}


async def test_garbage_never_disturbs_another_call(offhook, asterisk, phone, whisper):
    secret = base64.b64encode(f"asterisk:{asterisk.agent_password}".encode()).decode()
    url = f"ws://127.0.0.1:{asterisk.agent_port}/telephony/ws"

    async def throw(number: int, messages: list[str | bytes]) -> None:
        try:
            async with websockets.connect(
                f"{url}?call_id=garbage-{os.getpid()}-{number}",
                subprotocols=["media"],
                additional_headers={"Authorization": f"Basic {secret}"},
                compression=None,
                close_timeout=1,
            ) as socket:
                for message in messages:
                    if message == "raw":
                        socket.transport.write(b"\x8f\xff\xffgarbage" * 9)
                    else:
                        await socket.send(message)
                await asyncio.sleep(0.1)
                if number % 3 == 0:
                    socket.transport.abort()
        except (websockets.WebSocketException, OSError):
            pass  # it may well be shown the door

    with answered_by(asterisk, "talker"):
        line = await phone().dial(asterisk.uri())
    async with line:
        await line.hear_sound(within=20)
        for number, messages in enumerate(GARBAGE.values()):
            await throw(number, messages)
        await asyncio.sleep(0.5)
        heard = line.recording().agent
        # The greeting of 15 s goes on, without a hole in it.
        (talk,) = talks(heard)
        assert talk.end > line.now - 0.5
    await eventually(lambda: offhook.metric("offhook_calls_live") == 0, within=10)
    assert offhook.get("/healthz") == {"status": "alive"}
