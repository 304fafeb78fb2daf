"""Faults of real life, as they show in logs, and whether follow-call names them.

Numbers are those of the project's catalogue of 50 faults; those that leave no trace in
a log of a call (they are met before it, or in the database) are not here.
"""

import re
from pathlib import Path

import pytest

from agent.observe import following, rtp, troubles

from .logs_of_calls import (
    AGENT,
    ANSWERED,
    ASTERISK,
    BEGAN,
    CALL,
    DIALLED,
    ENDED,
    INVITED,
    MEDIA,
    PHONE,
    SOCKET,
    TALKED,
    agent,
    asterisk,
    hook,
    id_of,
    one,
    real,
    without,
)

ROOT = Path(__file__).parents[2]
REFUSED = [
    *INVITED,
    *DIALLED,
    asterisk(
        0.2,
        "res_websocket_client.c",
        f"{SOCKET}: Websocket connection to ws://a:1/x failed after 2 tries: Invalid"
        " response code (x).  Hanging up after exhausting retries.",
        "WARNING",
    ),
]
UNRECORDED = without(AGENT, " is kept as ")


def well(*said, level="WARNING", call=CALL):
    return [*ASTERISK, *AGENT, *(agent(9, each, level, call) for each in said)]


def refused(status, reason):
    said = f"[WS] refused with {status}: {reason}"
    return [*REFUSED, agent(0.1, said, "WARNING")]


TWICE = "refused with 409: duplicate_call_id"
STILL = "[SERVE] the agent stood still for 3.0 s"
ASTERISK_ = "asterisk_stood_still"


def accounted(oddities, frames=1000, seconds=20.0):
    """The agent's account of the call's sound, with that behind it."""
    line = MEDIA.replace("in 1000 frames, 20.0 s", f"in {frames} frames, {seconds} s")
    line = f"{line}; {oddities}" if oddities else line
    return [*ASTERISK, *without(AGENT, " media: "), line]


def uploading(said):
    return [*ASTERISK, *UNRECORDED, agent(25, f"[REC] mix{said}", "WARNING")]


def sound(old, new):
    return [line.replace(old, new) for line in ASTERISK] + AGENT


# Of the catalogue: number, what it is, lines, and the cause or trouble that is named.
FAULTS = [
    (
        2,
        "no MEDIA_START",
        well("[WS] no call came of this socket: no start in 2 s"),
        "no_start",
    ),
    (4, "not JSON", well("[WS] garbage no. 1 on the wire: not JSON: 'x'"), "garbage"),
    (5, "unknown event", well("[WS] unknown event 'X', ignored"), "unknown_event"),
    (
        5,
        "unknown command",
        well("[WS] Asterisk refused a command: X"),
        "command_refused",
    ),
    (
        6,
        "frame that is none",
        [
            *well(),
            asterisk(9, "res_http_websocket.c", "Cannot fit huge websocket frame"),
        ],
        "frame_too_big",
    ),
    (7, "Asterisk stops", well("[WS] Asterisk is 2.31 s behind; flushed"), "backlog"),
    (
        8,
        "the agent stalls",
        well("[SERVE] the event loop is stuck; ending the process", call=""),
        "agent_stuck",
    ),
    (9, "XOFF", well("[WS] Asterisk's queue is nearly full (XOFF)"), "xoff"),
    (10, "the agent is killed", real("agent-killed"), "agent_died"),
    (
        10,
        "the agent is killed, its next life",
        well("[CALL] its agent 7 died; it is ended"),
        "agent_died",
    ),
    (
        11,
        "hung up at once",
        [line.replace("09:00:20", "09:00:00") for line in [*ASTERISK, BEGAN, ENDED]],
        "well",
    ),
    (12, "hung up in the middle", [*ASTERISK, BEGAN, *TALKED[:2], ENDED], "well"),
    (
        13,
        "Asterisk is killed",
        [
            *INVITED,
            *DIALLED,
            *ANSWERED,
            BEGAN,
            "[2026-11-21 09:00:30.000] Asterisk 22.10.1 built by x",
        ],
        "asterisk_died",
    ),
    (
        15,
        "the AMI refuses",
        well("[REC] still silent: Asterisk's AMI on h:1 refused the login"),
        "not_silenced",
    ),
    (
        18,
        "the clock is set back",
        [*ASTERISK[:-1], ASTERISK[-1].replace("09:00:20", "08:00:20")],
        "clock",
    ),
    (
        19,
        "the colleague does not take it",
        well("[CALL] no human takes it: nobody answered in 30 s"),
        "no_human",
    ),
    (
        20,
        "no S3",
        uploading(": s3://b: Could not connect; again at 9"),
        "recording_upload_failing",
    ),
    (
        21,
        "S3 refuses us",
        uploading(": s3://b: (SignatureDoesNotMatch); again at 9"),
        "recording_credentials",
    ),
    (
        22,
        "disk full for Asterisk",
        [
            *ASTERISK,
            asterisk(0.03, "app_mixmonitor.c", f"Cannot open /m/{CALL}.wav", "ERROR"),
        ],
        "recording_not_started",
    ),
    (
        22,
        "disk full for the hook",
        [*ASTERISK, hook(20, f"recording {CALL}: cannot write to /spool")],
        "recording_hook_failed",
    ),
    (
        22,
        "disk full for the agent",
        well("[FACTS] cannot be written to /d, and are kept in memory: full", call=""),
        "facts_disk",
    ),
    (
        23,
        "a file with a header only",
        uploading(" is rejected: /m/x.wav: nothing was recorded"),
        "recording_rejected",
    ),
    (
        25,
        "the database is away",
        well("[FACTS] wait in /d and are not lost: refused", call=""),
        "facts_database",
    ),
    (
        26,
        "SQLite is locked",
        well("[FACTS] wait in /d and are not lost: database is locked", call=""),
        "facts_database",
    ),
    (
        22,
        "disk full during a recording",
        well("[REC] mix may lack its end: the disk of /m is full"),
        "recording_cut",
    ),
    (
        24,
        "the worker is killed",
        well("[work] ended (killed by SIGKILL): restarting in 0.5 s", call=""),
        "worker",
    ),
    (
        34,
        "the worker's port is taken",
        well("[WORK] cannot listen on 127.0.0.1:7861: Address in use", call=""),
        "worker",
    ),
    (28, "STT hangs", well("[STT] whisper timeout: nothing for 10 s"), "provider"),
    (28, "STT is slow", well("[STT] 10.21 s: 1 words"), "slow_stt"),
    (29, "LLM stalls", well("[LLM] openai stalled: after 3 tokens"), "provider"),
    (31, "TTS speaks nonsense", well("[TTS] piper nonsense: stereo"), "provider"),
    (31, "no voice", well("[TTS] no voice says 1 words"), "mute"),
    (36, "no token", refused(401, "unauthorised"), "refused_unauthorised"),
    (
        38,
        "the same id twice",
        refused(409, "duplicate_call_id"),
        "refused_duplicate_call_id",
    ),
    (1, "audio too early", accounted("early 25"), "early_audio"),
    (3, "odd sizes", accounted("odd 192; late 8.2 s"), "odd_audio"),
    (6, "pings", well("[WS] 3000 pings came"), "pings"),
    (6, "a broken socket", well("[WS] the socket broke: no"), "connection_lost"),
    (9, "no XON", well("[WS] no XON for 3 s: we may not speak"), "no_xon"),
    (
        37,
        "half-open",
        well("[SERVE] 990 connections said nothing for 5 s; closed", call=""),
        "silent_connections",
    ),
    (38, "a second socket", well(f"[WS] {TWICE}"), "second_socket"),
    (
        38,
        "the id of another call",
        [*REFUSED, agent(0.1, f"[WS] {TWICE}", "WARNING", call="17.99")],
        "refused_duplicate_call_id",
    ),
    (
        7,
        "Asterisk stands still",
        well("[WS] Asterisk stood still for 3.0 s"),
        ASTERISK_,
    ),
    (8, "we stand still", well(f"{STILL}: its process", call=""), "agent_stood_still"),
    (50, "bursts", accounted("late 1.0 s"), "late_audio"),
    (50, "doubled packets", sound("rxcount=1000", "rxcount=1200"), "doubled"),
    (50, "deaf", accounted("", frames=0, seconds=0.0), "not_heard"),
    (50, "mute", sound("txjitter=0.002;txcount=990", "txcount=9"), "not_sent_on"),
    (39, "a scanner", real("stranger"), "unknown_caller"),
    (
        40,
        "an injected transfer",
        well("[TOOL] connect_call 2 ms: refused"),
        "tool_refused",
    ),
    (
        42,
        "a number that is none",
        [*ASTERISK, asterisk(9, "Ext. i", f"Call {CALL}: no way to connect it to 8x")],
        "no_way",
    ),
    (44, "the budget", refused(402, "budget_spent"), "refused_budget_spent"),
    (
        46,
        "erased",
        [
            *ASTERISK,
            *AGENT,
            agent(26, "[REC] erased, by an operator: asked"),
        ],
        "well",
    ),
    (47, "no processor left", refused(503, "loop_lag"), "refused_loop_lag"),
    (
        47,
        "no memory left",
        well("[speech] ended (killed by SIGKILL): restarting in 0.5 s", call=""),
        "local_server",
    ),
    (48, "too many calls", refused(503, "at_capacity"), "refused_at_capacity"),
    (49, "SIGTERM", refused(503, "shutting_down"), "refused_shutting_down"),
    (49, "SIGTERM in a call", well("[CALL] ended: shutdown after 9.0 s"), "shutdown"),
    (50, "packets are lost", sound("lp=0;rx", "lp=90;rx"), "loss"),
    (50, "jitter", sound("txjitter=0.002", "txjitter=0.08"), "jitter"),
    (50, "silence", well("[WS] the caller's audio has ceased: on hold"), "hold"),
]


@pytest.mark.parametrize(
    ("lines", "cause"),
    [each[2:] for each in FAULTS],
    ids=[f"{number}: {what}" for number, what, *_ in FAULTS],
)
def test_the_fault_is_named(lines, cause):
    call = CALL if any(CALL in line for line in lines) else id_of(lines)
    report = following.report(one(call, lines))
    named = {report.cause, *(each["cause"] for each in report.more["troubles"])}
    assert cause in named, report.sentence
    if cause == "well":
        assert report.status == 0


def test_whoever_stands_still_finds_everybody_else_late():
    lines = [
        *well("[WS] Asterisk stood still for 3.0 s", "[WS] Asterisk is 2.9 s behind"),
        agent(9.1, f"{STILL}: its process was stopped", "WARNING", call=""),
    ]
    named = [each.cause for each in troubles.known(one(CALL, lines))]
    assert named == ["agent_stood_still"]


def test_a_socket_that_breaks_in_a_hang_up_is_no_trouble():
    lines = [*ASTERISK, *AGENT, agent(20.02, "[WS] the socket broke: no", "WARNING")]
    agent_first = [
        *without(lines, f"Channel {re.escape(PHONE)} left"),
        asterisk(20.3, "bridge_channel.c", f"Channel {PHONE} left 'simple_bridge' x"),
    ]
    assert troubles.known(one(CALL, lines)) != troubles.known(one(CALL, agent_first))
    assert troubles.known(one(CALL, lines)) == []


def test_no_trouble_in_a_good_call():
    assert troubles.known(one(CALL, ASTERISK, AGENT)) == []
    assert rtp.report(one(CALL, ASTERISK, AGENT)).status == 0


@pytest.mark.parametrize(
    "words",
    [
        '"[WS] Asterisk stood still for {:.1f} s"',
        '"[SERVE] the agent stood still for {:.1f} s: {}"',
        '"garbage no. {} on the wire: {}"',
        '"[WS] the socket broke: {}"',
        '"[WS] MEDIA_START says {}, whose',
        '"[WS] no XON for {:g} s: we may not speak"',
        '"[WS] {} pings came"',
        '"[SERVE] {} connections said nothing for {:g} s; closed"',
        '"Asterisk\'s queue is nearly full (XOFF)"',
        '"Asterisk refused a command: {}"',
        '"unknown event {!r}, ignored"',
        '"no call came of this socket: {}"',
        '"cannot speak with this Asterisk: {}"',
        '"[CALL] began: {}',
        '"[CALL] ended: {} after {:.1f} s"',
        '"[CALL] failed"',
        '"[WS] refused with {}: {}"',
        '"[WS] refused: {}"',
        '"[WS] AudioSocket refused: {}"',
        '"Asterisk is {:.2f} s behind; flushed"',
        '"[SERVE] the event loop is stuck; ending the process"',
        '"[SERVE] a part of the agent has died: {!r}"',
        '"[STT] {:.2f} s: {} words"',
        '"[TTS] {:.2f} s: {} words"',
        '"[TTS] no voice says {} words"',
        '"[TOOL] {} {:.0f} ms: {}"',
        '"the caller\'s audio has ceased: on hold"',
        '"[CALL] no human takes it: {}"',
        '"[FACTS] wait in {} and are not lost: {}"',
        '"[FACTS] cannot be written to {}, and are kept in memory: {}"',
        "[CALL] its agent {} died; it is ended",
        '"[REC] still silent: {}"',
    ],
)
def test_the_agent_still_says_it_so(words):
    """Whoever words it anew must do so in agent/observe, too."""
    sources = (ROOT / "agent").rglob("*.py")
    text = "".join(
        path.read_text() for path in sources if path.parent.name != "observe"
    )
    text += (ROOT / "agent/observe/watchdog.py").read_text()
    assert words.lstrip('"') in text  # a tag may stand before it
