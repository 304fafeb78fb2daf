"""A real Asterisk records, a real S3 server keeps (moto's where there is no Ceph), and
both, and the uploader between them, have a bad day."""

import hashlib
import io
import os
import signal
import time
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from agent.storage.spool import SUFFIXES
from bench.ceph import Gateway, NoCeph, gateway
from bench.recordings import Uploader, age, bucket_client, environment, objects, rows
from bench.troubled_store import Mood, TroubledStore

from .asterisk import Asterisk, eventually, place
from .stub_agent import StubAgent
from .tones import strength, tone

pytestmark = pytest.mark.asterisk

ENDED, CUT_OFF = 8, 3
"""Calls that end, and calls that are up when Asterisk is killed."""


@pytest.fixture
def store() -> Iterator[Gateway]:
    try:
        with gateway() as ceph:
            yield ceph
    except NoCeph:
        moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        moto.start()
        yield Gateway(moto.get_host_and_port()[1], "moto")
        moto.stop()


@pytest.fixture
def trouble(store: Gateway) -> Iterator[TroubledStore]:
    trouble = TroubledStore(store.url)
    yield trouble
    trouble.close()


@pytest.fixture
def doomed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asterisk]:
    """An Asterisk of its own, since it will be killed."""
    with place() as number:
        ours = Asterisk.at(number, tmp_path_factory.mktemp("doomed"))
        ours.up()
        yield ours
        ours.down()


@pytest.fixture
async def its_agent(doomed: Asterisk) -> AsyncIterator[StubAgent]:
    stub = StubAgent("asterisk", doomed.agent_password)
    async with stub.listening(doomed.agent_port):
        yield stub


@pytest.fixture
def uploader(
    doomed: Asterisk, store: Gateway, trouble: TroubledStore, tmp_path: Path
) -> Iterator[Uploader]:
    folders = {
        "OFFHOOK_MONITOR": str(doomed.recordings),
        "OFFHOOK_SPOOL": str(doomed.spool),
    }
    ours = Uploader(tmp_path, environment(store, trouble.url) | folders)
    yield ours
    ours.kill()


@dataclass(frozen=True, slots=True)
class Written:
    """What Asterisk has on disk of a track."""

    call: str
    track: str
    samples: int


async def test_no_recording_is_lost(
    doomed, its_agent, phone, store, trouble, uploader, tmp_path
):
    trouble.mood = Mood.DOWN
    uploader.start()
    expected = []
    for mood in (Mood.DOWN, Mood.UNAVAILABLE, Mood.RESETS, Mood.FULL):
        trouble.mood = mood
        for _ in range(ENDED // 4):
            expected += await _whole_call(doomed, its_agent, phone)
            uploader.tend()
    expected += await _cut_off_calls(doomed, its_agent, phone)
    uploader.kill()
    uploader.start()
    trouble.mood = Mood.WELL

    def all_stored() -> bool:
        return len([row for row in rows(tmp_path) if row["state"] == "stored"]) == len(
            expected
        )

    await eventually(all_stored, within=120)
    await eventually(lambda: not list(doomed.recordings.iterdir()))
    await eventually(lambda: not list(doomed.spool.glob("*.job")))
    assert not (doomed.spool / "rejected").exists()
    client = bucket_client(store)
    assert len(objects(client)) == len(expected) == 3 * (ENDED + CUT_OFF)
    told = {(row["call_id"], row["track"]): row for row in rows(tmp_path)}
    for written in expected:
        row = told[written.call, written.track]
        body = client.get_object(Bucket="recordings", Key=row["key"])["Body"].read()
        assert hashlib.sha256(body).hexdigest() == row["sha256"]
        with wave.open(io.BytesIO(body)) as sound:
            assert sound.getnframes() == row["samples"] == written.samples
            pcm = sound.readframes(written.samples)
        if written.track == "user":
            assert strength(pcm, 440) > 0.9
        if written.track == "assistant":
            assert strength(pcm, 880) > 0.9


async def _whole_call(asterisk, agent, phone) -> list[Written]:
    async with await phone().dial(asterisk.uri()) as line:
        call = await agent.next_call()
        await call.say(tone(0.5, 880))
        await line.play(tone(1.0, 440))
    await eventually(
        lambda: call.id in [told.arguments[0] for told in asterisk.hook_calls()]
    )
    (told,) = [each for each in asterisk.hook_calls() if each.arguments[0] == call.id]
    return [
        Written(call.id, track.value, size // 2)
        for track, size in zip(SUFFIXES, told.data_bytes, strict=True)
    ]


async def _cut_off_calls(asterisk, agent, phone) -> list[Written]:
    calls = []
    async with AsyncExitStack() as lines:
        for _ in range(CUT_OFF):
            dialled = await phone().dial(asterisk.uri())
            line = await lines.enter_async_context(dialled)
            calls.append(await agent.next_call())
            await calls[-1].say(tone(5, 880))
            # Asterisk keeps up to 2.05 s to itself before it writes.
            await line.play(tone(2.5, 440))
        _kill(asterisk)
    expected = []
    for call in calls:
        for track, suffix in SUFFIXES.items():
            path = asterisk.recordings / f"{call.id}{suffix}"
            content = path.read_bytes()
            assert content[40:44] == bytes(4), "it was closed"
            expected.append(Written(call.id, track.value, (len(content) - 44) // 2))
            age(path)
    return expected


def _kill(asterisk: Asterisk) -> None:
    pid = int((asterisk.folder / "pid").read_text())
    os.kill(pid, signal.SIGKILL)
    while Path(f"/proc/{pid}/stat").exists() and _state(pid) != "Z":
        time.sleep(0.01)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
