"""A caller who says in SIP what the test wants: odd names, odd SDP, no ACK, no BYE.

The phone of agent/phone behaves; this one need not. It sends no sound of its own.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

from tests.interop.asterisk import TRUNK

PCMU = "0"


def sdp(address: str, port: int, codecs: str = PCMU, lines: Sequence[str] = ()) -> str:
    text = [
        "v=0",
        f"o=x 1 1 IN IP4 {address}",
        "s=-",
        f"c=IN IP4 {address}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {codecs}",
        *lines,
    ]
    return "\r\n".join([*text, ""])


class RawCaller(asyncio.DatagramProtocol):
    def __init__(
        self,
        sip_port: int,
        number: str = "1000",
        *,
        address: str = TRUNK,
        caller: str = "<sip:15550100@127.0.0.2>",
        offer: str = "",
        acknowledges: bool = True,
        answers: bool = True,
    ) -> None:
        """`caller`: the From header, as it is sent. `offer`: the SDP. `answers`: what
        Asterisk asks of it later, a BYE or OPTIONS."""
        self._asterisk = ("127.0.0.1", sip_port)
        self._number, self._address, self._caller = number, address, caller
        self._offer = offer or sdp(address, 9)
        self._acknowledges, self._answers = acknowledges, answers
        self._tag = ""
        self._hung_up = False
        loop = asyncio.get_running_loop()
        self.final: asyncio.Future[int] = loop.create_future()
        """The status that the INVITE came to."""
        self.oks = 0
        """Times that it was told of its success."""
        self.ended = asyncio.Event()
        """Asterisk has said BYE."""

    @property
    def call_id(self) -> str:
        return f"raw-{self._port}-{self._address}"

    async def __aenter__(self) -> "RawCaller":
        await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=(self._address, 0)
        )
        self._say("INVITE", 1, self._offer)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.hang_up()
        self._transport.close()

    async def answered(self, within: float = 20.0) -> int:
        async with asyncio.timeout(within):
            return await asyncio.shield(self.final)

    def hang_up(self) -> None:
        up = self.final.done() and self.final.result() == 200
        if up and not self._hung_up and not self.ended.is_set():
            self._say("BYE", 2)
        self._hung_up = True

    def vanish(self) -> None:
        """Without a word: neither BYE nor any answer from here on."""
        self._hung_up, self._answers = True, False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, _: object) -> None:
        message = data.decode(errors="replace")
        first = message.partition("\r\n")[0]
        if not first.startswith("SIP/2.0"):
            if first.startswith("BYE"):
                self.ended.set()
            if self._answers:
                self._transport.sendto(_ok(message).encode(), self._asterisk)
            return
        status = int(first.split()[1])
        if "CSeq: 1 INVITE" not in message or status < 200:
            return
        if tag := re.search(r"^To: .*(;tag=[^\r]*)\r$", message, re.MULTILINE):
            self._tag = tag[1]
        self.oks += status == 200
        if self._acknowledges:
            self._say("ACK", 1)
        if not self.final.done():
            self.final.set_result(status)

    def _say(self, method: str, sequence: int, body: str = "") -> None:
        here = f"{self._address}:{self._port}"
        # The ACK of a refusal is of the INVITE's own transaction; that of a 200 may say
        # so, too.
        branch = "BYE" if method == "BYE" else "INVITE"
        lines = [
            f"{method} sip:{self._number}@127.0.0.1:{self._asterisk[1]} SIP/2.0",
            f"Via: SIP/2.0/UDP {here};rport;branch=z9hG4bK{branch}{self._port}",
            f"From: {self._caller};tag=raw{self._port}",
            f"To: <sip:{self._number}@127.0.0.1>{self._tag}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {sequence} {method}",
            f"Contact: <sip:raw@{here}>",
            "Max-Forwards: 70",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body.encode())}",
        ]
        self._transport.sendto("\r\n".join([*lines, "", body]).encode(), self._asterisk)


def _ok(request: str) -> str:
    kept = [
        line
        for line in request.partition("\r\n\r\n")[0].split("\r\n")[1:]
        if line.partition(":")[0] in ("Via", "From", "To", "Call-ID", "CSeq")
    ]
    return "\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""])
