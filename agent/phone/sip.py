"""A phone that calls by SIP. SIPp does the signalling, in a process of its own; the
sound goes through a socket of ours, so that every packet's arrival is known exactly.
"""

import asyncio
import os
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import randrange
from typing import IO, Self

from . import rtp, sipmessage
from .ear import Ear, Heard
from .line import CallFailed, Line, Side
from .mouth import Press
from .sipmessage import SipMessage
from .ulaw import FRAME

_SCENARIO = Path(__file__).with_name("caller.xml")
_SO_TIMESTAMPNS = 35
"""Linux; the socket module does not name it."""
_TIMESPEC = struct.Struct("@ll")
_LONGEST_CALL = 2 * 3600
"""Seconds after which SIPp gives up, should we have died without telling it."""


def _at_once() -> Sequence[float]:
    return (0.0,)


@dataclass(frozen=True, slots=True)
class SipConfig:
    sipp: Path = Path("sipp")
    caller: str = "15550100"
    """The number that is shown; with a password the extension's name, too."""
    password: str = ""
    local_address: str = ""
    """Empty: the one that the machine uses towards the number dialled."""
    answer_within: float = 30.0
    """Seconds."""
    journey: Callable[[], Sequence[float]] = _at_once
    """Of each packet of sound: after how many seconds its copies leave, to play a bad
    network. None of them: it is lost."""


class SipPhone:
    def __init__(self, config: SipConfig) -> None:
        self._config = config

    async def dial(self, uri: str) -> Line:
        """`sip:1000@127.0.0.1:5060`. CallFailed when it is refused or not answered."""
        number, name, port = _parts(uri)
        host = await _address_of(name)
        local_address = self._config.local_address or _address_towards(host, port)
        async with AsyncExitStack() as held:
            sound = held.enter_context(_SoundPort(local_address, self._config.journey))
            signalling = await _Signalling.start(
                self._config, number, (host, port), local_address, sound.port
            )
            held.push_async_callback(signalling.close)
            answer = await signalling.answer(self._config.answer_within)
            try:
                sound.talk_to(answer.sound_goes_to())
            except ValueError as error:
                await signalling.hang_up()
                raise CallFailed(f"{uri} answered with {error}", 200) from error
            ear = Ear()
            sound.listen(ear)
            line = Line(
                _SipCarrier(signalling, sound), ear, asyncio.get_running_loop().time()
            )
            signalling.tell(line)
            held.pop_all()
            return line


class _SipCarrier:
    def __init__(self, signalling: "_Signalling", sound: "_SoundPort") -> None:
        self._signalling = signalling
        self._sound = sound

    def send(self, said: bytes | Press) -> None:
        self._sound.send(said)

    async def hang_up(self) -> None:
        await self._signalling.hang_up()

    async def close(self) -> None:
        self._sound.close()
        await self._signalling.close()


class _SoundPort:
    """The UDP socket of one call's sound."""

    def __init__(self, address: str, journey: Callable[[], Sequence[float]]) -> None:
        self._journey = journey
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind((address, 0))
        self.port: int = self._socket.getsockname()[1]
        self._peer: tuple[str, int] | None = None
        self._ear: Ear | None = None
        self._answered_at = 0
        self._sequence = randrange(1 << 16)
        self._timestamp = randrange(1 << 32)
        self._ssrc = randrange(1 << 32)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._ear:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._ear = None
        self._peer = None  # what is still on its way stays there
        self._socket.close()

    def talk_to(self, peer: tuple[str, int]) -> None:
        self._peer = peer

    def listen(self, ear: Ear) -> None:
        """Called in the moment of the answer."""
        self._ear = ear
        self._answered_at = time.time_ns()
        asyncio.get_running_loop().add_reader(self._socket, self._arrived)

    def send(self, said: bytes | Press) -> None:
        match said:
            case bytes():
                self._send(rtp.PCMU, said, self._timestamp, marker=False)
            case Press(key, ticks, released):
                # All packets of one key carry the time of its beginning; the last
                # one is said three times, for it must not get lost.
                begun = self._timestamp - (ticks - 1) * FRAME
                event = rtp.key_event(key, ticks * FRAME, released=released)
                for _ in range(3 if released else 1):
                    self._send(rtp.TELEPHONE_EVENT, event, begun, marker=ticks == 1)
        self._timestamp += FRAME

    def _send(
        self, payload_type: int, payload: bytes, timestamp: int, *, marker: bool
    ) -> None:
        if self._peer is None:
            return
        packet = rtp.Packet(
            payload_type, self._sequence, timestamp, self._ssrc, payload, marker
        )
        self._sequence += 1
        for seconds in self._journey():
            if seconds > 0:
                loop = asyncio.get_running_loop()
                loop.call_later(seconds, self._leave, packet.encode())
            else:
                self._leave(packet.encode())

    def _leave(self, datagram: bytes) -> None:
        if self._peer is None:
            return
        try:
            self._socket.sendto(datagram, self._peer)
        except (BlockingIOError, ConnectionRefusedError):
            pass  # lost, like any packet may be; a dead peer shows in its BYE

    def _arrived(self) -> None:
        while True:
            try:
                datagram, control, _, _ = self._socket.recvmsg(4096, 64)
                packet = rtp.parse(datagram)
            except (BlockingIOError, ConnectionRefusedError):
                return
            except ValueError:
                continue
            if packet.payload_type != rtp.PCMU or self._ear is None:
                continue
            at = (_arrival(control) - self._answered_at) / 1e9
            self._ear.hear(Heard(at, packet.payload, packet.timestamp, packet.marker))


def _arrival(control: list[tuple[int, int, bytes]]) -> int:
    """Nanoseconds of the wall clock, by the kernel: our own delay is not in it."""
    for _, kind, stamp in control:
        if kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(stamp)
            return int(seconds * 10**9 + nanoseconds)
    return time.time_ns()


@dataclass(slots=True)
class _Signalling:
    """SIPp at work on one call, followed through its own trace of messages."""

    process: asyncio.subprocess.Process
    stderr: IO[bytes]
    _answered: asyncio.Future[SipMessage] = field(init=False)
    _followed: asyncio.Task[None] = field(init=False)
    _invite: SipMessage | None = None
    _refused: SipMessage | None = None
    _bye: SipMessage | None = None
    _line: Line | None = None

    @classmethod
    async def start(
        cls,
        config: SipConfig,
        number: str,
        peer: tuple[str, int],
        local_address: str,
        sound_port: int,
    ) -> Self:
        host, port = peer
        readable, writable = os.pipe()
        stderr = tempfile.TemporaryFile()
        try:
            process = await asyncio.create_subprocess_exec(
                *(config.sipp, f"{host}:{port}"),
                *("-sf", _SCENARIO, "-m", "1", "-nostdin"),
                *("-i", local_address, "-s", number),
                *("-key", "caller", config.caller, "-key", "rtp_port", str(sound_port)),
                *("-au", config.caller, "-ap", config.password),
                *("-timeout", f"{_LONGEST_CALL}s"),
                *("-trace_msg", "-message_file", f"/dev/fd/{writable}"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=stderr,
                pass_fds=[writable],
            )
        except OSError as error:
            os.close(readable)
            stderr.close()
            raise CallFailed(f"cannot start {config.sipp}: {error}") from error
        finally:
            os.close(writable)
        self = cls(process, stderr)
        self._answered = asyncio.get_running_loop().create_future()
        self._followed = asyncio.create_task(self._follow(readable))
        return self

    async def answer(self, within: float) -> SipMessage:
        try:
            async with asyncio.timeout(within):
                return await asyncio.shield(self._answered)
        except TimeoutError:
            await self.hang_up()
            raise CallFailed(f"not answered within {within} s") from None

    def tell(self, line: Line) -> None:
        """Who is to know when the call is over; it may be over by now."""
        self._line = line
        if self._followed.done():
            self._over()

    async def hang_up(self) -> None:
        """SIPp waits for an INFO of this call, and then says BYE (or CANCEL)."""
        if self._invite is None:
            return
        via = self._invite.headers["via"].split()[1].partition(";")[0]
        host, _, port = via.rpartition(":")
        info = (
            f"INFO sip:caller@{via} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {via};branch=z9hG4bK-hang-up\r\n"
            f"From: {self._invite.headers['from']}\r\n"
            f"To: {self._invite.headers['to']}\r\n"
            f"Call-ID: {self._invite.headers['call-id']}\r\n"
            "CSeq: 1 INFO\r\nContent-Length: 0\r\n\r\n"
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as to_sipp:
            to_sipp.sendto(info.encode(), (host, int(port)))
        _, alive = await asyncio.wait({self._followed}, timeout=5.0)
        if alive:  # nobody answers our BYE
            self.process.kill()
            await asyncio.wait(alive)

    async def close(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._followed
        self.stderr.close()

    async def _follow(self, readable: int) -> None:
        trace = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(trace), os.fdopen(readable, "rb")
        )
        try:
            async for message in sipmessage.read(trace):
                self._saw(message)
        finally:
            transport.close()
        await self.process.wait()
        self._over()

    def _saw(self, message: SipMessage) -> None:
        match message.method, message.status:
            case "INVITE", 0 if message.sent:
                self._invite = message
            case "INVITE", 200:
                if not self._answered.done():
                    self._answered.set_result(message)
            case "INVITE", status if status >= 300:
                self._refused = message
            case "BYE", 0:
                self._bye = self._bye or message

    def _over(self) -> None:
        if not self._answered.done():
            self._answered.set_exception(self._failure())
            self._answered.exception()  # nobody may be left to hear it
        if self._line is not None:
            theirs = self._bye is not None and not self._bye.sent
            reason = self._bye.headers.get("reason", "") if self._bye else ""
            self._line.over(Side.CALLED if theirs else Side.CALLER, reason)

    def _failure(self) -> CallFailed:
        if self._refused is not None:
            line = self._refused.first_line.removeprefix("SIP/2.0 ")
            return CallFailed(f"refused: {line}", self._refused.status)
        self.stderr.seek(0)
        said = self.stderr.read().decode(errors="replace").strip()
        return CallFailed(
            f"SIPp ended with {self.process.returncode} and no answer. {said[-500:]}"
        )


def _parts(uri: str) -> tuple[str, str, int]:
    scheme, _, address = uri.partition(":")
    number, _, place = address.rpartition("@")
    host, _, port = place.partition(":")
    if scheme != "sip" or not number or not host or not (port or "5060").isdecimal():
        raise ValueError(f"{uri!r} is not sip:NUMBER@HOST[:PORT]")
    return number, host, int(port or 5060)


async def _address_of(name: str) -> str:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            name, None, family=socket.AF_INET, type=socket.SOCK_DGRAM
        )
    except OSError as error:
        raise CallFailed(f"no address of {name!r}: {error}") from error
    return str(found[0][4][0])


def _address_towards(host: str, port: int) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, port))
        address: str = probe.getsockname()[0]
    return address
