"""What rtp-check says: of real calls, and of each fault of the sound."""

import pytest

from agent.observe import rtp

from .logs_of_calls import (
    ASTERISK,
    CALL,
    SOUND,
    asterisk,
    id_of,
    one,
    real,
    sip,
    without,
)


@pytest.mark.parametrize(
    ("name", "cause", "came", "went"),
    [
        ("good-rtp", "well", 50, 20),
        ("oneway", "unreachable", 0, 0),
        ("agent-hangs-up", "one_way_out", 16, 0),
        ("no-ack", "one_way_in", 0, 7),
        ("cancel", "no_evidence", None, None),
    ],
)
def test_real_calls(name, cause, came, went):
    lines = real(name)
    report = rtp.report(one(id_of(lines), lines))
    assert report.cause == cause, report.sentence
    assert report.more["from_phone"]["packets"] == came
    assert report.more["to_phone"]["packets"] == went
    assert report.status == {"well": 0, "no_evidence": 2}.get(cause, 1)


def test_rtcp_of_a_real_call():
    lines = without(real("rtcp"), " sound: ")
    came = rtp.heard(one(id_of(lines), lines)).came
    assert came.packets is None, "RTCP's counts are of the sender"
    assert came.lost == 0 and came.jitter is not None and 0 <= came.jitter < 0.1


def test_packets_alone_tell_it():
    lines = without(real("good-rtp"), " sound: ")
    report = rtp.report(one(id_of(lines), lines))
    assert (report.cause, report.more["from_phone"]["packets"]) == ("well", 50)


def counted(**figures):
    figures = {"lp": 0, "rxjitter": 0, "rxcount": 990, "txjitter": 0} | figures
    figures = {"txcount": 990, "rlp": 0} | figures
    text = ";".join(f"{name}={value}" for name, value in figures.items())
    said = f"Call {CALL} sound: ssrc=1;{text}"
    line = asterisk(20.05, "app_verbose.c", said)
    return [line if each == SOUND else each for each in ASTERISK]


def packet(second, way, place, sequence, length=160):
    word = "from" if way == "Got " else "to"
    said = (
        f"{way} RTP packet {word}    {place} (type 00, seq {sequence:06}, ts 1, len"
        f" {length:06})"
    )
    return asterisk(second, "res_rtp_asterisk.c", said)


def debugged(came="8.8.8.8:4", went="8.8.8.8:4", numbers=range(900)):
    lines = without(ASTERISK, " sound: ")
    lines += [packet(1, "Got ", came, each) for each in numbers]
    return lines + [packet(1, "Sent", went, each) for each in range(900)]


def invited(peer, sound, sent=False):
    return sip(0, "INVITE sip:1@h SIP/2.0", "CSeq: 1 INVITE", peer=peer, sound=sound)


LEAKED = sip(
    0.06,
    "SIP/2.0 200 OK",
    "CSeq: 1 INVITE",
    sent=True,
    peer="8.8.8.8:5060",
    sound="10.0.0.5:10000",
)
HELD = [
    *counted(rxcount=0),
    *sip(9, "INVITE x SIP/2.0", "CSeq: 2 INVITE", sound="1.1.1.1:4"),
]
HELD[-1:] = ["a=sendonly", ""]


@pytest.mark.parametrize(
    ("lines", "cause", "says"),
    [
        (counted(), "well", "990 in, 990 out"),
        (counted(rxcount=0), "one_way_in", "RTP_FIRST_PORT"),
        (counted(txcount=0), "one_way_out", "sent the phone nothing"),
        (counted(rxcount=0, txcount=0), "silent", "either way"),
        (counted(lp=50), "loss", "4.8% of the packets from the phone"),
        (counted(rlp=50), "loss", "4.8% of the packets to the phone"),
        (counted(txjitter=0.08), "jitter", "from the phone are 80 ms uneven"),
        (counted(rxjitter=0.08), "jitter", "to the phone are 80 ms uneven"),
        (counted(rxcount=300), "gaps", "only 30% of the phone's"),
        (counted(rxcount=1150), "doubled", "15% of the packets from the phone came tw"),
        (counted(rxcount=1990), "well", "1990 in"),  # every 10 ms
        (HELD, "one_way_in", "it is on hold"),
        (without(ASTERISK, " sound: "), "no_evidence", "rtp set debug on"),
        (debugged(), "well", "900 in"),
        (debugged(numbers=[*range(100), *range(200, 1000)]), "loss", "10.0%"),
        (debugged(numbers=[*range(65000, 65536), *range(364)]), "well", "900 in"),
        (debugged(numbers=[]), "one_way_in", "nothing came"),
        (
            debugged(went="192.168.1.5:4"),
            "wrong_address",
            "came from 8.8.8.8 and went to 192.168.1.5:4",
        ),
        (
            [*counted(rxcount=0), *invited("8.8.8.8:5060", "192.168.1.5:4")],
            "one_way_in",
            "the phone at 8.8.8.8 wants its sound at 192.168.1.5:4, a private",
        ),
        (
            [*counted(rxcount=0), *LEAKED],
            "one_way_in",
            "we told 8.8.8.8 to send sound to 10.0.0.5:10000",
        ),
        (
            [*without(ASTERISK, " sound: "), *LEAKED],
            "wrong_address",
            "external_media_address",
        ),
        (["nobody's"], "unknown_call", "no line"),
    ],
)
def test_each_fault(lines, cause, says):
    report = rtp.report(one(CALL, lines))
    assert report.cause == cause, report.sentence
    assert says in report.sentence
