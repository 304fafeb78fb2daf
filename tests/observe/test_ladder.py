"""The ladder of a call's SIP messages, and what it comes to."""

import pytest

from agent.observe import ladder

from .logs_of_calls import ANSWERED, ASTERISK, CALL, INVITED, id_of, one, real, sip


@pytest.mark.parametrize(
    ("name", "status", "cause", "says"),
    [
        ("good-rtp", 0, "well", "ended by the other side"),
        ("agent-hangs-up", 0, "well", "ended by Asterisk (Q.850;cause=16)"),
        ("no-ack", 1, "no_ack", "sent 11 times and never acknowledged"),
        ("cancel", 1, "cancelled", "gave up before anybody answered"),
        ("stranger", 1, "refused", "Asterisk refused it: 401 Unauthorized"),
        ("sip-password", 1, "refused", "401 Unauthorized"),
    ],
)
def test_real_calls(name, status, cause, says):
    lines = real(name)
    report = ladder.report(one(id_of(lines), lines))
    assert (report.status, report.cause) == (status, cause)
    assert says in report.sentence


def test_the_ladder_of_a_real_call():
    lines = real("cancel")
    rows = ladder.report(one(id_of(lines), lines)).body
    drawn = [row.split("|")[1].strip("- ") for row in rows[1:]]
    assert drawn == [
        "INVITE ------------>",
        "<---------- 100 Trying",
        "CANCEL ------------>",
        "<------------ 200 OK",
        "<---- 487 Request Terminated",
        "ACK -------------->",
    ]
    assert rows[1].startswith("16:22:") and "sound to 127.0.0.2:40000 PCMU" in rows[1]


def test_what_is_said_again_is_marked():
    lines = real("no-ack")
    report = ladder.report(one(id_of(lines), lines))
    assert sum(" 200 OK again " in row for row in report.body) == 10
    (finding,) = report.findings
    assert finding.said == "10 times: 200 OK"
    assert 'SIP ;cause=408 ;text="Request Timeout"' in "\n".join(report.body)


def test_without_the_sip_logger_it_says_how_to_switch_it_on():
    lines = [line for line in ASTERISK if line.startswith("[") and "logger" not in line]
    report = ladder.report(one(CALL, lines))
    assert (report.status, report.cause) == (2, "no_sip")
    assert "pjsip set logger on" in report.sentence


PRIVATE = sip(0, "INVITE sip:1@h SIP/2.0", "CSeq: 1 INVITE", sound="192.168.1.5:4")
HOME = sip(0, "INVITE sip:1@h SIP/2.0", "CSeq: 1 INVITE", sound="8.8.4.4:4")


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        (ASTERISK, "well"),
        (INVITED, "not_answered"),
        ([*INVITED, *ANSWERED], "still_up"),
        (ASTERISK[len(INVITED) :], "no_invite"),
    ],
)
def test_each_end(lines, cause):
    assert ladder.report(one(CALL, [*INVITED[-1:], *lines])).cause == cause


@pytest.mark.parametrize(
    ("peer", "sound", "wrong"),
    [
        ("8.8.8.8:5060", "192.168.1.5:4000", True),
        ("8.8.8.8:5060", "8.8.8.8:4000", False),
        ("8.8.8.8:5060", "8.8.4.4:4000", False),
        ("192.168.1.5:5060", "192.168.1.5:4000", False),
        ("8.8.8.8:5060", "sbc.example:4000", False),
    ],
)
def test_a_private_address_in_the_sdp_of_who_is_outside(peer, sound, wrong):
    first = "INVITE sip:1@h SIP/2.0"
    lines = sip(0, first, "CSeq: 1 INVITE", peer=peer, sound=sound)
    said = ladder.messages(one("abc@192.0.2.9", lines).lines)
    assert len(said) == 1
    assert bool(ladder.wrong_address(said)) is wrong


def test_the_short_names_of_headers():
    lines = sip(0, "INVITE sip:1@h SIP/2.0", "CSeq: 7 INVITE", "m: <sip:x@h>")
    lines = [line.replace("Call-ID:", "i:") for line in lines]
    (found,) = ladder.messages(one("abc@192.0.2.9", lines).lines)
    assert (found.call_id, found.sequence) == ("abc@192.0.2.9", 7)
    assert found.contact == "<sip:x@h>"


def test_a_message_within_a_message_is_none():
    inner = sip(0, "BYE sip:1@h SIP/2.0", "CSeq: 2 BYE")
    first = "INVITE sip:1@h SIP/2.0"
    head, *lines = sip(0, first, "CSeq: 1 INVITE", "", *inner)
    size = sum(len(line) + 1 for line in lines)
    lines = [head.replace("(9 bytes)", f"({size} bytes)"), *lines]
    (found,) = ladder.messages(one("abc@192.0.2.9", lines).lines)
    assert found.method == "INVITE"
