import asyncio

import pytest

from agent.phone.sipmessage import parse, read

OK = (
    "SIP/2.0 200 OK\r\n"
    "Via: SIP/2.0/UDP 127.0.0.1:5061\r\n"
    "CSeq: 1 INVITE\r\n"
    "reason : Q.850;cause=16\r\n"
    "Reason: SIP;cause=200\r\n"
    "\r\n"
    "v=0\r\nc=IN IP4 127.0.0.9\r\nm=audio 30002 RTP/AVP 0 101\r\n"
)
BYE = "BYE sip:x@127.0.0.1 SIP/2.0\r\nCSeq: 7 BYE\r\n\r\n"


def test_a_response():
    message = parse(OK, sent=False)
    assert (message.method, message.status) == ("INVITE", 200)
    assert message.headers["reason"] == "Q.850;cause=16"
    assert message.sound_goes_to() == ("127.0.0.9", 30002)


def test_a_request():
    message = parse(BYE, sent=True)
    assert (message.method, message.status, message.sent) == ("BYE", 0, True)
    with pytest.raises(ValueError, match="no audio in the SDP"):
        message.sound_goes_to()


@pytest.mark.parametrize(
    ("received", "sent"),
    [
        ("UDP message received [{}] bytes :", "UDP message sent ({} bytes):"),  # 3.6
        ("UDP message received [{}] bytes:", "UDP message sent [{}] bytes:"),  # 3.8
    ],
)
async def test_a_trace_of_sipp(received, sent):
    trace = asyncio.StreamReader()
    for head, text in ((received, OK), (sent, BYE)):
        trace.feed_data(
            f"----------------------- 2026-11-21 09:00:00.123456\n"
            f"{head.format(len(text))}\n\n{text}\n".encode()
        )
    trace.feed_eof()
    messages = [message async for message in read(trace)]
    assert messages == [parse(OK, sent=False), parse(BYE, sent=True)]


async def test_a_trace_that_breaks_off():
    trace = asyncio.StreamReader()
    trace.feed_data(b"---\nUDP message sent (500 bytes):\n\nINVITE sip:")
    trace.feed_eof()
    assert [message async for message in read(trace)] == []
