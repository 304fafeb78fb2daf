"""The phone's own half. Real calls are in tests/interop."""

import sys

import pytest

from agent.phone.line import CallFailed
from agent.phone.sip import SipConfig, SipPhone

URI = "sip:1000@127.0.0.1:5060"


def sipp_that_sees(path, *messages, says=""):
    """A program that leaves SIPp's trace of a call, and ends."""
    program = path / "sipp"
    program.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        "with open(sys.argv[sys.argv.index('-message_file') + 1], 'w') as trace:\n"
        f"    for kind, text in {messages!r}:\n"
        "        trace.write(f'---\\nUDP message {kind} [{len(text)}] bytes:\\n\\n')\n"
        "        trace.write(f'{text}\\n')\n"
        f"sys.exit({says!r})\n"
    )
    program.chmod(0o755)
    return program


def message(first_line, *headers):
    return "\r\n".join([first_line, *headers, "", ""])


INVITE = ("sent", message("INVITE sip:1000@x SIP/2.0", "CSeq: 1 INVITE"))


@pytest.mark.parametrize(
    ("answer", "says", "status"),
    [
        ("SIP/2.0 486 Busy Here", "refused: 486 Busy Here", 486),
        ("SIP/2.0 603 Decline", "refused: 603 Decline", 603),
        ("SIP/2.0 183 Progress", "no answer. cannot bind", 0),
    ],
)
async def test_a_call_that_does_not_come_up(tmp_path, answer, says, status):
    received = ("received", message(answer, "CSeq: 1 INVITE"))
    sipp = sipp_that_sees(tmp_path, INVITE, received, says="cannot bind")
    with pytest.raises(CallFailed) as failed:
        await SipPhone(SipConfig(sipp=sipp)).dial(URI)
    assert says in str(failed.value)
    assert failed.value.status == status


async def test_an_answer_without_sound(tmp_path):
    answer = ("received", message("SIP/2.0 200 OK", "CSeq: 1 INVITE"))
    sipp = sipp_that_sees(tmp_path, answer)
    with pytest.raises(CallFailed, match="no audio in the SDP"):
        await SipPhone(SipConfig(sipp=sipp)).dial(URI)


async def test_no_sipp(tmp_path):
    with pytest.raises(CallFailed, match="cannot start .*nowhere"):
        await SipPhone(SipConfig(sipp=tmp_path / "nowhere")).dial(URI)


@pytest.mark.parametrize(
    "uri", ["", "1000@127.0.0.1", "sip:127.0.0.1", "sip:1000@", "sip:1@h:port"]
)
async def test_not_a_uri(uri):
    with pytest.raises(ValueError, match=r"is not sip:NUMBER@HOST\[:PORT\]"):
        await SipPhone(SipConfig()).dial(uri)
