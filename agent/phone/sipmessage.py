"""SIP as text: just what is needed to follow a call that SIPp places.

SIPp writes each message that it sends or receives into its trace; `read` takes that
trace apart again.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

_TRACE = re.compile(rb"message (sent|received) [\[(](\d+)[\] ]")


@dataclass(frozen=True, slots=True)
class SipMessage:
    sent: bool
    """By SIPp, that is by the caller."""
    first_line: str
    headers: Mapping[str, str]
    """By lower-case name; of several of one name, the first."""
    body: str

    @property
    def method(self) -> str:
        """Of a request; of a response, the method that it answers."""
        if self.first_line.startswith("SIP/2.0"):
            return self.headers.get("cseq", "").rpartition(" ")[2]
        return self.first_line.partition(" ")[0]

    @property
    def status(self) -> int:
        """Of a response; 0 for a request."""
        words = self.first_line.split(" ", 2)
        return int(words[1]) if words[0] == "SIP/2.0" else 0

    def sound_goes_to(self) -> tuple[str, int]:
        """Address and port that its SDP names. ValueError when it has none."""
        address = re.search(r"^c=IN IP4 (\S+)", self.body, re.MULTILINE)
        port = re.search(r"^m=audio (\d+) ", self.body, re.MULTILINE)
        if not address or not port:
            raise ValueError(f"no audio in the SDP: {self.body!r}")
        return address[1], int(port[1])


def parse(text: str, *, sent: bool) -> SipMessage:
    head, _, body = text.partition("\r\n\r\n")
    first_line, *lines = head.split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), value.strip())
    return SipMessage(sent, first_line, headers, body)


async def read(trace: asyncio.StreamReader) -> AsyncIterator[SipMessage]:
    """The messages in SIPp's `-trace_msg`, as they are written."""
    while line := await trace.readline():
        if found := _TRACE.search(line):
            await trace.readline()
            try:
                text = await trace.readexactly(int(found[2]))
            except asyncio.IncompleteReadError:
                return  # SIPp was killed in the middle of a word
            yield parse(text.decode(errors="replace"), sent=found[1] == b"sent")
