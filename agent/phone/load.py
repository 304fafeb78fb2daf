"""Many callers in one process, cheap enough to measure an agent with.

They speak as chan_websocket does, on plain sockets with ready-made messages, one epoll
and no event loop: some 20 us of CPU for a frame there and back. Each frame carries
whose it is and its number, in quiet bytes that survive µ-law to samples to µ-law, so
an agent that echoes what it hears tells how long it takes. With speech instead of an
echo nothing comes back, and only the agent's own figures speak.
"""

import base64
import random
import select
import socket
import time
from array import array
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlencode, urlsplit

from agent.wire.commands import (
    Continue,
    Flush,
    GetStatus,
    Hangup,
    Mark,
    Pause,
    parse,
)
from agent.wire.events import Event, MarkReached, MediaStart, Status, encode

from . import stamp
from .line import CallFailed
from .ulaw import FRAME, SILENCE

FRAME_SECONDS = 0.02
_HANDSHAKE_DEADLINE = 10.0
_TAG, _NUMBER = 2, 4
"""Digits: whose frame it is, and which."""
_REST = FRAME - _TAG - _NUMBER
_PHASES = 8
_RING = 4096
"""Frames of which the time of sending is remembered: 82 s."""
# A client's frames are masked, and a mask of zeros leaves the payload as it is.
_MASK = bytes(4)
_BINARY = b"\x82" + bytes([0x80 | 126]) + FRAME.to_bytes(2, "big") + _MASK
_CLOSE = b"\x88\x82" + _MASK + (1000).to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class LoadConfig:
    url: str
    """`ws://127.0.0.1:7860/telephony/ws`."""
    username: str = "asterisk"
    password: str = ""
    ai: str = ""
    """Empty: the agent's default one."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What came back of the frames that were sent while measuring."""

    calls: int
    expected: int
    returned: int
    crossed: int
    """Frames of another call. There must be none."""
    silent: int
    """Frames of silence, since the start."""
    closed: int
    """Calls that the agent ended."""
    waiting: int
    """Frames in the longest of the play queues, now."""
    delays: Sequence[float]
    """Seconds from sending a frame to its echo, in ascending order."""
    said: Counter[str]
    """Commands of the agent, by name."""
    worst_start: float
    """Seconds by which the load itself was late with a frame, at worst."""

    @property
    def lost(self) -> int:
        return self.expected - self.returned

    def delay(self, percent: float) -> float:
        """Seconds; infinite when nothing came back."""
        return percentile(self.delays, percent)


def percentile(ascending: Sequence[float], percent: float) -> float:
    """The value that so many percent do not exceed."""
    if not ascending:
        return float("inf")
    return ascending[min(len(ascending) - 1, int(len(ascending) * percent / 100))]


@dataclass(slots=True)
class _Caller:
    socket: socket.socket
    tag: bytes
    head: bytes
    """Of each of his frames."""
    first: int
    """Number of his first frame. Five windows of 32 ms are eight frames of 20 ms: if
    all began at once, all windows of all calls would be complete at once, too."""
    sent: "array[float]" = field(default_factory=lambda: array("d", bytes(8 * _RING)))
    buffer: bytes = b""
    """Of what came, the part of a message."""
    unsent: bytes = b""
    # The driver's play queue (wire/playqueue.py), in numbers only.
    came: int = 0
    """Frames queued since the start."""
    played: int = 0
    """Frames that have left the queue: played or flushed."""
    paused: bool = False
    marks: deque[tuple[int, str]] = field(default_factory=deque)
    closed: bool = False

    def tick(self) -> None:
        if self.played < self.came and not self.paused:
            self.played += 1


class Load:
    """So many calls, from the first handshake to the last hang-up.

    `feed` lets them speak for a while; what is sent while `measuring` is counted when
    it comes back, in that call or a later one.
    """

    def __init__(self, config: LoadConfig, calls: int) -> None:
        if not 0 < calls < stamp.BASE**_TAG:
            raise ValueError(f"{calls} calls, expected 1 to {stamp.BASE**_TAG - 1}")
        self._config = config
        self._count = calls
        self._callers: list[_Caller] = []
        self._by_fd: dict[int, _Caller] = {}
        self._poll = select.epoll()
        self._frames = _noise()
        self._numbers: dict[bytes, int] = {}
        self._delays: array[float] = array("d")
        self._measured = range(0)
        """Numbers of the frames that count."""
        self._tick = 0
        self._start = 0.0
        self._crossed = self._returned = self._silent = 0
        self._worst_start = 0.0
        self._said: Counter[str] = Counter()

    def __enter__(self) -> "Load":
        try:
            for index in range(self._count):
                self._connect(index)
        except BaseException:
            self.close()
            raise
        self._start = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        for caller in self._callers:
            if not caller.closed:
                try:
                    caller.socket.send(_CLOSE)
                except OSError:
                    pass
            caller.socket.close()
        self._poll.close()

    def feed(self, seconds: float, *, measuring: bool = False) -> None:
        ticks = max(1, round(seconds / FRAME_SECONDS))
        if measuring:
            self._measured = range(self._tick, self._tick + ticks)
            self._worst_start = 0.0
        for _ in range(ticks):
            self._speak()

    def measured(self) -> Measured:
        return Measured(
            calls=self._count,
            expected=sum(
                max(0, self._measured.stop - max(self._measured.start, caller.first))
                for caller in self._callers
            ),
            returned=self._returned,
            crossed=self._crossed,
            silent=self._silent,
            closed=sum(caller.closed for caller in self._callers),
            waiting=max(caller.came - caller.played for caller in self._callers),
            delays=sorted(self._delays),
            said=self._said,
            worst_start=self._worst_start,
        )

    def _speak(self) -> None:
        """One frame of each call, evenly over 20 ms; and what comes back meanwhile."""
        body = stamp.write(self._tick, _NUMBER)
        self._numbers[body] = self._tick
        body += self._frames[self._tick % len(self._frames)]
        slot = self._tick % _RING
        clock = time.perf_counter
        step = FRAME_SECONDS / self._count
        due = self._start + self._tick * FRAME_SECONDS
        for caller in self._callers:
            while (wait := due - clock()) > 0:
                self._hear(wait)
            if not caller.closed and caller.first <= self._tick:
                caller.tick()
                if caller.unsent:
                    self._retry(caller)
                if caller.marks and caller.marks[0][0] <= caller.played:
                    self._answer(caller)
                now = caller.sent[slot] = clock()
                self._send(caller, caller.head + body)
                if now - due > self._worst_start:
                    self._worst_start = now - due
            due += step
        self._hear(0)
        self._tick += 1

    def _hear(self, wait: float) -> None:
        for fd, _ in self._poll.poll(wait):
            self._receive(self._by_fd[fd])

    def _receive(self, caller: _Caller) -> None:
        try:
            came = caller.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            came = b""
        now = time.perf_counter()
        if not came:
            self._gone(caller)
            return
        # Nearly always one whole frame of sound: the two bytes of BINARY, its length.
        if len(came) == 4 + FRAME and not caller.buffer and came[0] == 0x82:
            self._came_back(caller, came[4:], now)
            return
        caller.buffer += came
        for opcode, payload in self._messages(caller):
            if opcode == 2:
                for at in range(0, len(payload), FRAME):
                    self._came_back(caller, payload[at : at + FRAME], now)
            elif opcode == 1:
                self._told(caller, payload.decode())
            elif opcode == 8:
                self._gone(caller)

    def _came_back(self, caller: _Caller, frame: bytes, now: float) -> None:
        caller.came += 1
        if frame[:_TAG] != caller.tag:
            if frame.count(SILENCE) == FRAME:
                self._silent += 1
            else:
                self._crossed += 1
            return
        number = self._numbers.get(frame[_TAG : _TAG + _NUMBER], -1)
        if number in self._measured:
            self._returned += 1
            self._delays.append(now - caller.sent[number % _RING])

    def _told(self, caller: _Caller, text: str) -> None:
        command = parse(text, "json")
        self._said[type(command).__name__] += 1
        match command:
            case Mark(mark):
                caller.marks.append((caller.came, mark))
            case Flush():
                caller.played = caller.came
                caller.marks.clear()
            case Pause():
                caller.paused = True
            case Continue():
                caller.paused = False
            case GetStatus():
                self._say(caller, Status(caller.came - caller.played))
            case Hangup():
                self._gone(caller)

    def _answer(self, caller: _Caller) -> None:
        while caller.marks and caller.marks[0][0] <= caller.played:
            self._say(caller, MarkReached(caller.marks.popleft()[1]))

    def _say(self, caller: _Caller, event: Event) -> None:
        self._send(caller, _text(encode(event, "json", channel_id="load.1")))

    def _retry(self, caller: _Caller) -> None:
        unsent, caller.unsent = caller.unsent, b""
        self._send(caller, unsent)

    def _send(self, caller: _Caller, message: bytes) -> None:
        if caller.unsent:
            caller.unsent += message
            return
        try:
            taken = caller.socket.send(message)
        except BlockingIOError:
            taken = 0
        except OSError:
            self._gone(caller)
            return
        caller.unsent = message[taken:]

    def _gone(self, caller: _Caller) -> None:
        if not caller.closed:
            caller.closed = True
            self._poll.unregister(caller.socket.fileno())

    @staticmethod
    def _messages(caller: _Caller) -> Iterator[tuple[int, bytes]]:
        """Opcode and payload of each whole message; a server's are not masked."""
        buffer = caller.buffer
        at = 0
        while len(buffer) >= at + 2:
            length, start = buffer[at + 1], at + 2
            if length >= 126:
                size = 2 if length == 126 else 8
                length = int.from_bytes(buffer[start : start + size], "big")
                start += size
            if len(buffer) < start + length:
                break
            yield buffer[at] & 0x0F, buffer[start : start + length]
            at = start + length
        caller.buffer = buffer[at:]

    def _connect(self, index: int) -> None:
        where = urlsplit(self._config.url)
        host, port = where.hostname or "127.0.0.1", where.port or 80
        tag = stamp.write(index, _TAG)
        call_id = f"load-{index}-{random.randrange(16**8):08x}"
        try:
            line = socket.create_connection((host, port), _HANDSHAKE_DEADLINE)
        except OSError as error:
            raise CallFailed(f"no answer from {self._config.url}: {error}") from error
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        caller = _Caller(line, tag, _BINARY + tag, index % _PHASES)
        self._callers.append(caller)
        try:
            self._shake_hands(caller, f"{host}:{port}", where.path, call_id)
        except OSError as error:
            raise CallFailed(f"call {index + 1} was not taken: {error}") from error
        line.setblocking(False)
        self._by_fd[line.fileno()] = caller
        self._poll.register(line.fileno(), select.EPOLLIN)

    def _shake_hands(self, caller: _Caller, host: str, path: str, call_id: str) -> None:
        config = self._config
        query = urlencode(
            {"call_id": call_id, "from": "15550100", "to": "1000", "ai": config.ai}
        )
        login = base64.b64encode(f"{config.username}:{config.password}".encode())
        key = base64.b64encode(random.randbytes(16)).decode()
        caller.socket.sendall(
            (
                f"GET {path}?{query} HTTP/1.1\r\n"
                f"Host: {host}\r\n"
                "Upgrade: websocket\r\n"
                "Connection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\n"
                "Sec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Protocol: media\r\n"
                f"Authorization: Basic {login.decode()}\r\n\r\n"
            ).encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            came = caller.socket.recv(4096)
            if not came:
                raise OSError(f"closed in the handshake: {answer[:200]!r}")
            answer += came
        head, _, caller.buffer = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            raise OSError(head.split(b"\r\n")[0].decode(errors="replace"))
        channel_id = f"{call_id}.1"
        start = MediaStart(
            channel_id=channel_id,
            format="ulaw",
            frame_size=FRAME,
            ptime=20,
            channel="WebSocket/ai_media/0x0",
            connection_id="ai_media",
        )
        caller.socket.sendall(_text(encode(start, "json", channel_id=channel_id)))


def _noise(distinct: int = 50) -> list[bytes]:
    """What a quiet line sounds like: nobody takes it for speech."""
    chance = random.Random(20)
    quiet = (*range(0xE8, 0xFF), *range(0x68, 0x7F))
    return [bytes(chance.choices(quiet, k=_REST)) for _ in range(distinct)]


def _text(text: str) -> bytes:
    payload = text.encode()
    if len(payload) < 126:
        return bytes([0x81, 0x80 | len(payload)]) + _MASK + payload
    return b"\x81\xfe" + len(payload).to_bytes(2, "big") + _MASK + payload
