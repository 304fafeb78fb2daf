"""Faults of real life, as they show in logs, and whether follow-call names them.

Numbers are those of the project's catalogue of 50 faults; those that leave no trace in
a log of a call (they are met before it, or in the database) are not here.
"""

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
    said = f"socket refused with {status}: {reason}"
    return [*REFUSED, agent(0.1, said, "WARNING", call="")]


def uploading(said):
    rest = f"[REC] call {CALL}: mix{said}"
    return [*ASTERISK, *UNRECORDED, agent(25, rest, "WARNING", call="")]


def sound(old, new):
    return [line.replace(old, new) for line in ASTERISK] + AGENT


# Of the catalogue: number, what it is, lines, and the cause or trouble that is named.
FAULTS = [
    (
        2,
        "no MEDIA_START",
        well("no call came of this socket: no start in 2 s"),
        "no_start",
    ),
    (4, "not JSON", well("garbage no. 1 on the wire: not JSON: 'x'"), "garbage"),
    (5, "unknown event", well("unknown event 'X', ignored"), "unknown_event"),
    (5, "unknown command", well("Asterisk refused a command: X"), "command_refused"),
    (
        6,
        "frame that is none",
        [
            *well(),
            asterisk(9, "res_http_websocket.c", "Cannot fit huge websocket frame"),
        ],
        "frame_too_big",
    ),
    (7, "Asterisk stops", well("Asterisk is 2.31 s behind; flushed"), "backlog"),
    (
        8,
        "the agent stalls",
        well("the event loop is stuck; ending the process", call=""),
        "agent_stuck",
    ),
    (9, "XOFF", well("Asterisk's queue is nearly full (XOFF)"), "xoff"),
    (10, "the agent is killed", real("agent-killed"), "agent_died"),
    (
        10,
        "the agent is killed, its next life",
        well(f"call {CALL}: its agent 7 died; it is ended", call=""),
        "agent_died",
    ),
    (
        11,
        "hung up at once",
        [line.replace("09:00:20", "09:00:00") for line in [*ASTERISK, BEGAN, ENDED]],
        "well",
    ),
    (12, "hung up in the middle", [*ASTERISK, BEGAN, *TALKED[:4], ENDED], "well"),
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
        well("no human takes the call: nobody answered in 30 s"),
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
    (28, "STT hangs", well("[STT] whisper timeout: nothing for 10 s"), "provider"),
    (28, "STT is slow", well("[STT] 10.21 s: hello"), "slow_stt"),
    (29, "LLM stalls", well("[LLM] openai stalled: after 3 tokens"), "provider"),
    (31, "TTS speaks nonsense", well("[TTS] piper nonsense: stereo"), "provider"),
    (31, "no voice", well("[TTS] no voice says 'Hello.'"), "mute"),
    (36, "no token", refused(401, "unauthorised"), "refused_unauthorised"),
    (
        38,
        "the same id twice",
        refused(409, "duplicate_call_id"),
        "refused_duplicate_call_id",
    ),
    (39, "a scanner", real("stranger"), "unknown_caller"),
    (
        40,
        "an injected transfer",
        well("[TOOL] connect_call 2 ms: '+882...' may not be called"),
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
            agent(26, f"[REC] call {CALL}: erased, by an operator: asked", call=""),
        ],
        "well",
    ),
    (
        44,
        "the budget, of an agent that names the call",
        [
            *REFUSED,
            agent(0.1, f"[WS] call {CALL} refused with 402: budget_spent", call=""),
        ],
        "refused_budget_spent",
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
    (49, "SIGTERM in a call", well("call ended: shutdown after 9.0 s"), "shutdown"),
    (50, "packets are lost", sound("lp=0;rx", "lp=90;rx"), "loss"),
    (50, "jitter", sound("txjitter=0.002", "txjitter=0.08"), "jitter"),
    (50, "silence", well("the caller's audio has ceased: on hold"), "hold"),
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


def test_no_trouble_in_a_good_call():
    assert troubles.known(one(CALL, ASTERISK, AGENT)) == []
    assert rtp.report(one(CALL, ASTERISK, AGENT)).status == 0


@pytest.mark.parametrize(
    "words",
    [
        '"garbage no. {} on the wire: {}"',
        '"Asterisk\'s queue is nearly full (XOFF)"',
        '"Asterisk refused a command: {}"',
        '"unknown event {!r}, ignored"',
        '"no call came of this socket: {}"',
        '"cannot speak with this Asterisk: {}"',
        '"call began: {}',
        '"call ended: {} after {:.1f} s"',
        '"the call failed"',
        'refused with {}: {}"',
        '"call {} refused: {}"',
        '"AudioSocket call {} refused: {}"',
        '"Asterisk is {:.2f} s behind; flushed"',
        '"the event loop is stuck; ending the process"',
        '"a part of the agent has died: {!r}"',
        '"[STT] {:.2f} s: {} words"',
        '"[TTS] {:.2f} s: {} words"',
        '"[TTS] no voice says {} words"',
        '"[TOOL] {} {:.0f} ms: {}"',
        '"the caller\'s audio has ceased: on hold"',
        '"no human takes the call: {}"',
        '"[FACTS] wait in {} and are not lost: {}"',
        '"[FACTS] cannot be written to {}, and are kept in memory: {}"',
        "its agent {} died; it is ended",
        '"[REC] still silent: {}"',
        "may not be called",
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
