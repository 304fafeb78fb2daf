"""A colleague at extension 100, who registers, picks up and talks.

The little of SIP that it takes to be rung by our own Asterisk, and no more.
"""

import asyncio
import hashlib
import re
from collections.abc import Iterable

from agent.phone import rtp
from agent.phone.ulaw import FRAME, SILENCE

_QUIET = SILENCE * FRAME


class Human(asyncio.DatagramProtocol):
    def __init__(self, password: str, sip_port: int, rings: float = 0.5) -> None:
        self._password = password
        self._peer = ("127.0.0.1", sip_port)
        self._rings = rings
        """Seconds until it picks up."""
        self._sound = _Sound()
        self.registered = asyncio.Event()
        self.answered = asyncio.Event()

    async def __aenter__(self) -> "Human":
        loop = asyncio.get_running_loop()
        any_port = ("127.0.0.1", 0)
        await loop.create_datagram_endpoint(lambda: self, local_addr=any_port)
        await loop.create_datagram_endpoint(lambda: self._sound, local_addr=any_port)
        self._register("")
        async with asyncio.timeout(5):
            await self.registered.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._sound.close()
        self._transport.close()

    def say(self, ulaw: bytes) -> None:
        self._sound.say(ulaw)

    @property
    def silent(self) -> bool:
        """Sends nothing at all, as on hold."""
        return self._sound.silent

    @silent.setter
    def silent(self, silent: bool) -> None:
        self._sound.silent = silent

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        self._port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, _: object) -> None:
        message = data.decode()
        first = message.split("\r\n", 1)[0]
        if first.startswith("SIP/2.0 401"):
            self._register(_header(message, "WWW-Authenticate"))
        elif first.startswith("SIP/2.0 200") and "REGISTER" in message:
            self.registered.set()
        elif first.startswith("INVITE"):
            self._send(_reply(message, "180 Ringing", self._port))
            loop = asyncio.get_running_loop()
            loop.call_later(self._rings, self._pick_up, message)
        elif first.startswith(("BYE", "OPTIONS", "NOTIFY")):
            self._send(_reply(message, "200 OK", self._port))
            if first.startswith("BYE"):
                self._sound.close()

    def _pick_up(self, invite: str) -> None:
        (port,) = re.findall(r"^m=audio (\d+)", invite, re.MULTILINE)
        self._sound.begin(("127.0.0.1", int(port)))
        sdp = (
            "v=0\r\no=h 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self._sound.port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        )
        self._send(_reply(invite, "200 OK", self._port, sdp))
        self.answered.set()

    def _register(self, challenge: str) -> None:
        uri = f"sip:127.0.0.1:{self._peer[1]}"
        lines = [
            f"REGISTER {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self._port};branch=z9hG4bK{len(challenge)}",
            f"From: <sip:100@127.0.0.1>;tag={self._port}",
            "To: <sip:100@127.0.0.1>",
            f"Call-ID: human-{self._port}",
            f"CSeq: {2 if challenge else 1} REGISTER",
            f"Contact: <sip:100@127.0.0.1:{self._port}>",
            "Expires: 300",
            "Max-Forwards: 70",
        ]
        if challenge:
            lines.append(f"Authorization: {self._authorized(challenge, uri)}")
        self._send("\r\n".join([*lines, "Content-Length: 0", "", ""]))

    def _authorized(self, challenge: str, uri: str) -> str:
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
        who = _md5(f"100:{given['realm']}:{self._password}")
        what = _md5(f"REGISTER:{uri}")
        answer = _md5(f"{who}:{given['nonce']}:00000001:c:auth:{what}")
        opaque = f', opaque="{given["opaque"]}"' if "opaque" in given else ""
        return (
            f'Digest username="100", realm="{given["realm"]}", '
            f'nonce="{given["nonce"]}", uri="{uri}", response="{answer}", '
            f'qop=auth, cnonce="c", nc=00000001, algorithm=MD5{opaque}'
        )

    def _send(self, message: str) -> None:
        self._transport.sendto(message.encode(), self._peer)


class _Sound(asyncio.DatagramProtocol):
    """Sends 20 ms every 20 ms, silence too, as a telephone does."""

    def __init__(self) -> None:
        self.silent = False
        self._frames: list[bytes] = []
        self._speaking: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def say(self, ulaw: bytes) -> None:
        self._frames += _frames(ulaw)

    def begin(self, peer: tuple[str, int]) -> None:
        self._speaking = asyncio.create_task(self._speak(peer))

    def close(self) -> None:
        if self._speaking is not None:
            self._speaking.cancel()
        self._transport.close()

    async def _speak(self, peer: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        number = 0
        while True:
            sound = self._frames.pop(0) if self._frames else _QUIET
            packet = rtp.Packet(rtp.PCMU, number, number * FRAME, 7, sound)
            if not self.silent:
                self._transport.sendto(packet.encode(), peer)
            number += 1
            due += 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))


def _frames(ulaw: bytes) -> Iterable[bytes]:
    for at in range(0, len(ulaw), FRAME):
        yield ulaw[at : at + FRAME].ljust(FRAME, SILENCE)


def _reply(request: str, status: str, port: int, sdp: str = "") -> str:
    kept = [
        line
        for line in request.split("\r\n\r\n")[0].split("\r\n")[1:]
        if line.split(":")[0] in ("Via", "From", "Call-ID", "CSeq")
    ]
    lines = [
        f"SIP/2.0 {status}",
        *kept,
        f"To: {_header(request, 'To').partition(';tag')[0]};tag=h{port}",
        f"Contact: <sip:100@127.0.0.1:{port}>",
        *(["Content-Type: application/sdp"] if sdp else []),
        f"Content-Length: {len(sdp)}",
    ]
    return "\r\n".join([*lines, "", sdp])


def _header(message: str, name: str) -> str:
    (value,) = re.findall(rf"^{name}: (.*)\r$", message, re.MULTILINE | re.IGNORECASE)
    return str(value)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
