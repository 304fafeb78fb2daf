"""One connection, without a socket and without waiting: the clock is virtual."""

import asyncio
import json
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from agent.media.audiosocket import AudioSocket, pace
from agent.media.link import NoStartError, introduce
from agent.wire import audiosocket as wire
from agent.wire.commands import Command, Continue, Flush, Hangup, Mark, Pause, encode
from agent.wire.dialect import detect
from agent.wire.events import Dtmf, MarkReached, MediaStart
from tests.virtual_time import run

ID = UUID("0549ec21-a181-4339-8ae7-f935be7bb040")
HELLO = b"\x01\x00\x10" + ID.bytes
CALLER = wire.sound(b"\x01\x02" * 160, 8000)
SILENCE = bytes(320)


@dataclass
class Written:
    """What asyncio's writer and its transport are to us."""

    messages: list[wire.Message] = field(default_factory=list)
    unsent: int = 0
    closed: str = ""

    @property
    def transport(self):
        return self

    def write(self, message):
        self.messages += wire.Messages().feed(message)

    def get_write_buffer_size(self):
        return self.unsent

    def get_extra_info(self, name):
        return {"peername": ("192.0.2.7", 40000)}[name]

    def is_closing(self):
        return bool(self.closed)

    def close(self):
        self.closed = "closed"

    def abort(self):
        self.closed = "aborted"


class Scene:
    def __init__(self, *said: bytes):
        self.reader = asyncio.StreamReader()
        self.writer = Written()
        self.socket = AudioSocket(self.reader, self.writer)
        for message in said:
            self.reader.feed_data(message)

    async def __aenter__(self):
        await self.socket.identity()
        return self

    async def __aexit__(self, *_):
        await self.socket.close()

    async def event(self):
        message = await self.socket.receive()
        return detect('{"event":"MEDIA_START"}').read(message)

    async def begin(self) -> MediaStart:
        return (await introduce(self.socket)).start

    async def do(self, command: Command):
        await self.socket.send(encode(command, "json"))

    @property
    def heard(self) -> list[bytes]:
        """Frames that were not silence."""
        return [m.pcm for m in self.writer.messages if any(m.pcm)]


def test_the_call_is_named_and_begins_with_the_callers_first_frame():
    async def main():
        async with Scene(HELLO, CALLER) as scene:
            start = await scene.begin()
            assert start == MediaStart(
                channel_id=str(ID),
                format="slin",
                frame_size=320,
                ptime=20,
                channel="AudioSocket/192.0.2.7:40000",
            )
            assert await scene.socket.receive() == b"\x01\x02" * 160

    run(main())


@pytest.mark.parametrize(
    ("rate", "format", "frame_size"),
    [(16000, "slin16", 640), (24000, "slin24", 960), (44100, "slin44", 1764)],
)
def test_the_first_frame_tells_the_rate(rate, format, frame_size):
    async def main():
        async with Scene(HELLO, wire.sound(b"ab" * 160, rate)) as scene:
            start = await scene.begin()
            assert (start.format, start.frame_size) == (format, frame_size)
            await scene.socket.send(b"cd" * (frame_size // 2))
            await asyncio.sleep(0.1)
            assert wire.Sound(rate, b"cd" * (frame_size // 2)) in scene.writer.messages

    run(main())


def test_a_silent_caller_is_a_call_as_well():
    async def main():
        async with Scene(HELLO) as scene:
            assert (await scene.begin()).format == "slin"
            assert asyncio.get_running_loop().time() == pytest.approx(0.5, abs=0.05)

    run(main())


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (CALLER, "begins with its UUID, not Sound"),
        (b"\x01\x00\x02ab", "begins with its UUID, not Garbage"),
        (b"GET / HTTP/1.1\r\n\r\n", "no UUID in 2 s"),
        (b"", "no UUID in 2 s"),
    ],
)
def test_what_is_no_call(said, why):
    async def main():
        with pytest.raises(NoStartError, match=why):
            await Scene(said).socket.identity()

    run(main())


def test_closed_before_it_began():
    async def main():
        scene = Scene()
        scene.reader.feed_eof()
        with pytest.raises(NoStartError, match="closed before it began"):
            await scene.socket.identity()

    run(main())


def test_silence_flows_from_the_first_moment():
    """Asterisk may wait for us before it lets the caller's first frame through."""

    async def main():
        async with Scene(HELLO) as scene:
            await asyncio.sleep(0.2)
            assert len(scene.writer.messages) in (10, 11)
            assert set(scene.writer.messages) == {wire.Sound(8000, SILENCE)}

    run(main())


def test_sound_goes_out_frame_by_frame_and_its_mark_is_answered():
    async def main():
        async with Scene(HELLO, CALLER) as scene:
            await scene.begin()
            await scene.socket.receive()
            before = len(scene.writer.messages)
            await scene.socket.send(b"ab" * 160 * 5)
            await scene.do(Mark("m1"))
            assert await scene.event() == MarkReached("m1")
            assert scene.heard == [b"ab" * 160] * 5
            assert len(scene.writer.messages) - before in (5, 6)

    run(main())


def test_a_flush_takes_what_was_not_sent_yet():
    async def main():
        async with Scene(HELLO, CALLER) as scene:
            await scene.begin()
            await scene.socket.send(b"ab" * 160 * 50)
            await asyncio.sleep(0.1)
            await scene.do(Flush())
            await asyncio.sleep(1)
            assert 4 <= len(scene.heard) <= 6

    run(main())


def test_a_pause_keeps_it():
    async def main():
        async with Scene(HELLO, CALLER) as scene:
            await scene.begin()
            await scene.socket.send(b"ab" * 160 * 10)
            await scene.do(Pause())
            await asyncio.sleep(0.5)
            assert scene.heard == []
            await scene.do(Continue())
            await asyncio.sleep(0.5)
            assert len(scene.heard) == 10

    run(main())


def test_keys_are_news():
    async def main():
        async with Scene(HELLO, CALLER, b"\x03\x00\x01#") as scene:
            await scene.begin()
            await scene.socket.receive()
            assert await scene.event() == Dtmf("#")

    run(main())


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x03\x00\x02ab",
        b"\x77\x00\x03abc",
        b"\xff\x00\x01\x02",
        b"\x10\x00\x00",
        HELLO,
        wire.sound(b"ab" * 320, 16000),
    ],
)
def test_garbage_is_not_heard_and_ends_nothing(garbage):
    async def main():
        async with Scene(HELLO, CALLER, garbage, CALLER, CALLER) as scene:
            await scene.begin()
            for _ in range(3):
                assert await scene.socket.receive() == b"\x01\x02" * 160

    run(main())


def test_we_hang_up():
    async def main():
        async with Scene(HELLO, CALLER) as scene:
            await scene.begin()
            await scene.do(Hangup())
            await asyncio.sleep(0.2)
            assert scene.writer.messages[-1] == wire.HungUp()
        assert scene.writer.closed == "closed"

    run(main())


@pytest.mark.parametrize("end", [b"\x00\x00\x00", None])
def test_the_caller_hangs_up(end):
    async def main():
        async with Scene(HELLO, CALLER) as scene:
            await scene.begin()
            if end:
                scene.reader.feed_data(end)
            else:
                scene.reader.feed_eof()
            assert await scene.socket.receive() == b"\x01\x02" * 160
            assert await scene.socket.receive() is None

    run(main())


def test_a_peer_that_does_not_read_costs_no_memory():
    async def main():
        async with Scene(HELLO, CALLER) as scene:
            scene.writer.unsent = 100_000
            await asyncio.sleep(1)
            assert len(scene.writer.messages) <= 1
        assert scene.writer.closed == "aborted"

    run(main())


def test_a_session_that_does_not_read_costs_no_memory():
    async def main():
        async with Scene(HELLO, CALLER * 1000) as scene:
            await scene.begin()
            assert scene.socket._inbox.qsize() <= 250
            for _ in range(1000):
                assert isinstance(await scene.socket.receive(), bytes)

    run(main())


@pytest.mark.parametrize(
    ("stall", "frames"), [(0.06, 50), (0.5, 26)], ids=["made up for", "missed"]
)
def test_a_stall_of_ours(stall, frames):
    """Short: the frames follow at once. Long: the caller is not sent a burst."""

    async def main():
        loop = asyncio.get_running_loop()
        ticks = []

        def tick():
            ticks.append(loop.time())
            if len(ticks) == 10:
                loop._jump.jumped += stall

        pacing = asyncio.create_task(pace(tick))
        await asyncio.sleep(0.99)
        pacing.cancel()
        assert len(ticks) == pytest.approx(frames, abs=1)
        gaps = [late - early for early, late in zip(ticks, ticks[1:], strict=False)]
        assert sorted(gaps)[-2] == pytest.approx(0.02)

    run(main())


def test_json_is_what_the_session_reads():
    async def main():
        async with Scene(HELLO, CALLER) as scene:
            assert json.loads(await scene.socket.receive())["event"] == "MEDIA_START"

    run(main())
