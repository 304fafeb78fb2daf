"""Where a call's sound stops: which-hop, with the agent's count of it and without."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.observe import hops

from .logs_of_calls import (
    AGENT,
    ANSWERED,
    ASTERISK,
    BEGAN,
    CALL,
    DIALLED,
    ENDED,
    INVITED,
    LEFT,
    MEDIA,
    RECORDED,
    SOCKET,
    SOUND,
    TALKED,
    agent,
    asterisk,
    id_of,
    one,
    real,
    without,
)

HOPS = ("RTP in", "WebSocket", "STT", "LLM", "TTS", "RTP out")


def states(*lines):
    report = hops.report(one(CALL, lines))
    assert tuple(each.what for each in report.findings) == HOPS
    letters = {"ok": "+", "broken": "!", "cannot tell": "?"}
    return "".join(letters[each.state] for each in report.findings), report


def counted(**figures):
    text = MEDIA
    for name, value in figures.items():
        before, _, after = text.partition(f"{name} ")
        text = (
            f"{before}{name} {value}{after[after.index(after.lstrip('0123456789.')) :]}"
        )
    return text


GREETED = [BEGAN, *TALKED[:1]]
NO_SOUND_LINE = without(ASTERISK, " sound: ")
DEAF = [line.replace("rxcount=1000", "rxcount=0") for line in ASTERISK]
MUTE = [line.replace("txcount=990", "txcount=0") for line in ASTERISK]
FAILED = [
    *INVITED,
    *DIALLED,
    asterisk(
        0.2,
        "res_websocket_client.c",
        f"{SOCKET}: Websocket connection to ws://a:1/x failed after 2 tries: Client"
        " start error (x).  Hanging up after exhausting retries.",
        "WARNING",
    ),
]
BROKE = asterisk(9, "res_http_websocket.c", "Web socket closed abruptly", "WARNING")

# Lines, + ok, ! broken or ? cannot tell for each hop, and words of the sentence.
CASES = {
    "all is well": ([*ASTERISK, *AGENT], "++++++", "all hops let sound through"),
    "well, of an agent that does not count": (
        [*ASTERISK, *without(AGENT, "media:")],
        "++++++",
        "all hops",
    ),
    "well, of a dialplan that does not count": (
        [*NO_SOUND_LINE, *AGENT],
        "+++++?",
        "of RTP out they do not tell",
    ),
    "neither counts": (
        [*NO_SOUND_LINE, *without(AGENT, "media:")],
        "+++++?",
        "of RTP out",
    ),
    "Asterisk's log alone": (ASTERISK, "++???+", "of STT, LLM, TTS they do not tell"),
    "no RTP came": (
        [*DEAF, *GREETED, counted(**{"in": 0, "loud": 0, "voiced": 0}), ENDED],
        "!+??++",
        "broken at RTP in: one-way",
    ),
    "no RTP came, and nobody counts packets": (
        [*NO_SOUND_LINE, *GREETED, counted(**{"in": 0, "loud": 0, "voiced": 0}), ENDED],
        "!+??+?",
        "no frame reached the agent",
    ),
    "the agent is down": (FAILED, "?!????", "broken at WebSocket: no agent's leg"),
    "the socket breaks": (
        [*INVITED, *DIALLED, *ANSWERED, BROKE, *LEFT, *RECORDED, *GREETED],
        "+!??++",
        "in mid-call",
    ),
    "RTP came to Asterisk and no frame to the agent": (
        [*ASTERISK, *GREETED, counted(**{"in": 0, "loud": 0, "voiced": 0}), ENDED],
        "+!??++",
        "no frame to the agent: a codec",
    ),
    "all that came is garbage": (
        [*ASTERISK, *GREETED, counted(**{"in": 0, "garbage": 1000}), ENDED],
        "+!!?++",
        "made no sense",
    ),
    "the recogniser fails": (
        [*ASTERISK, *GREETED, agent(9, "[STT] whisper timeout: 10 s", "ERROR")],
        "++!?++",
        "broken at STT: STT: whisper: timeout",
    ),
    "sound, and no words": (
        [*ASTERISK, *GREETED, agent(9, "[STT] 0.30 s: 0 words"), MEDIA],
        "++!?++",
        "no word in it: noise",
    ),
    "a voice, and no recogniser": (
        [*ASTERISK, *GREETED, MEDIA],
        "++!?++",
        "5.1 s of a voice, and the recogniser said nothing",
    ),
    "sound, and no voice": (
        [*ASTERISK, *GREETED, counted(voiced=0)],
        "++!?++",
        "none taken for a voice",
    ),
    "the caller is silent": (
        [*ASTERISK, *GREETED, counted(voiced=0, loud=0)],
        "++??++",
        "of STT, LLM they do not tell",
    ),
    "the model fails": (
        [*ASTERISK, BEGAN, *TALKED[:2], agent(9, "[LLM] x refused: key", "ERROR")],
        "+++!++",
        "broken at LLM: LLM: x: refused: key",
    ),
    "the model is silent": (
        [*ASTERISK, BEGAN, *TALKED[:2], ENDED],
        "+++!++",
        "understood and never answered",
    ),
    "hung up before the answer": (
        [*ASTERISK, BEGAN, *TALKED[:2], agent(6, "[CALL] ended: caller_hung_up")],
        "+++?++",
        "of LLM they do not tell",
    ),
    "the voice fails": (
        [
            *ASTERISK,
            BEGAN,
            *TALKED[1:2],
            agent(9, "[TTS] x cut: y", "ERROR"),
            TALKED[2],
        ],
        "++++!+",
        "broken at TTS: TTS: x: cut: y",
    ),
    "no RTP went out": (
        [*MUTE, *AGENT],
        "+++++!",
        "the agent gave 12.8 s, and Asterisk sent none",
    ),
    "the AI has nothing to say": (
        [*ASTERISK, BEGAN, counted(voiced=0, loud=0, out=0).replace("12.8", "0")],
        "++???+",
        "of STT, LLM, TTS",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_hop(case):
    lines, wanted, says = CASES[case]
    found, report = states(*lines)
    assert found == wanted, report
    assert says in report.sentence
    assert report.status == (1 if "!" in wanted else 2 if "?" in wanted else 0)


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("rtcp", "cannot_tell"),
        ("good-rtp", "cannot_tell"),
        ("oneway", "rtp_in"),
        ("agent-down", "websocket"),
        ("dns", "websocket"),
        ("wrong-password", "websocket"),
        ("bad-codec", "websocket"),
        ("agent-killed", "websocket"),
    ],
)
def test_real_calls(name, cause):
    lines = real(name)
    report = hops.report(one(id_of(lines), lines))
    assert report.cause == cause, report.sentence


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (["[CALLER] When are you open?", "[AGENT] From nine."], "+++++?"),
        (["[STT] 0.31 s: 4 words", "[TTS] 0.30 s: 4 words"], "+++?+?"),
        (["[CALLER] 4 words, 1.6 s", "[TOOL] end_call 3 ms: done"], "++++"),
        (["[CALLER] 0 words, 0.4 s", "[STT] 0.30 s: 0 words"], "++!?"),
    ],
)
def test_with_more_than_the_turns(said, wanted):
    lines = [agent(9 + n, each) for n, each in enumerate(said)]
    found = states(*NO_SOUND_LINE, BEGAN, counted(), *lines)[0]
    assert found.startswith(wanted), found


def test_a_call_that_nobody_knows():
    assert hops.report(one("17.1", ASTERISK)).status == 2


@given(st.lists(st.text() | st.sampled_from([*ASTERISK, *AGENT, SOUND]), max_size=40))
def test_whatever_stands_in_a_log_there_is_an_answer(lines):
    report = hops.report(one(CALL, lines))
    assert report.status in (0, 1, 2)
    assert json.loads(report.json())["cause"] == report.cause
