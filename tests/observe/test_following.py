"""What follow-call says of a call: real ones that went wrong, and each reason alone."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.observe import following
from agent.observe.findings import State
from agent.observe.onecall import gather

from .logs_of_calls import (
    AGENT,
    ANSWERED,
    ASTERISK,
    BEGAN,
    CALL,
    DIALLED,
    ENDED,
    INVITED,
    JOB,
    LEFT,
    PHONE,
    RECORDED,
    SIP,
    SOCKET,
    TALKED,
    agent,
    asterisk,
    hook,
    id_of,
    one,
    real,
    sip,
    without,
)

# The log of a real Asterisk, the cause, words of the sentence, and the first missing.
REAL = {
    "good-rtp": ("well", "1.0 s long, hung up by the caller", None),
    "rtcp": ("well", "hung up by the caller", None),
    "agent-hangs-up": ("well", "hung up by Asterisk", None),
    "agent-killed": ("agent_died", "the agent went away in mid-call", None),
    "no-ack": ("no_ack", "was sent 11 times and never acknowledged", "ACK"),
    "no-folder": (
        "recording_not_started",
        "Unable to open file /dev/null/folder/",
        None,
    ),
    "no-mixmonitor": ("not_recorded", "no MixMonitor before Dial", "End MixMonitor"),
    "bad-codec": ("codec", "no codec joins", "caller's leg joined the bridge"),
    "wrong-password": (
        "refused_unauthorised",
        "AGENT_PASSWORD is not the agent's OFFHOOK_MEDIA_PASSWORD",
        "caller's leg joined the bridge",
    ),
    "refused-503": (
        "agent_refused",
        "402, 409, 503 or another): its log says why",
        "caller's leg joined the bridge",
    ),
    "refused-404": (
        "agent_not_found",
        "404 from ws://",
        "caller's leg joined the bridge",
    ),
    "cancel": ("cancelled", "gave up before anybody answered", "200 OK"),
    "agent-down": (
        "agent_down",
        "nobody listens at ws://127.0.0.1",
        "caller's leg joined the bridge",
    ),
    "dns": (
        "agent_dns",
        "no-such-host.invalid:7860/telephony/ws is not known to DNS",
        "caller's leg joined the bridge",
    ),
    "oneway": ("unreachable", "10.9.8.7:40000 could not leave this machine", None),
    "audiosocket": ("well", "hung up by the caller", None),
    "audiosocket-down": (
        "agent_down",
        "nobody listens at 127.0.0.1:19000",
        "caller's leg joined the bridge",
    ),
    "audiosocket-refused": ("agent_refused", "hung up at once", None),
    "stranger": ("unknown_caller", "is not TRUNK_ADDRESS", "100 Trying"),
    "sip-password": ("sip_password", "the phone's password is wrong", "100 Trying"),
}


@pytest.mark.parametrize("name", REAL)
def test_what_was_done_to_a_real_call_is_named(name):
    cause, says, first_missing = REAL[name]
    lines = real(name)
    report = following.report(one(id_of(lines), lines))
    assert report.cause == cause, report.sentence
    assert says in report.sentence
    assert report.status == (0 if cause == "well" else 1)
    missing = [each.what for each in report.findings if each.state is State.MISSING]
    assert (missing or [None])[0] == first_missing


def handshake(error, second=0.24):
    return [
        asterisk(
            second,
            "res_websocket_client.c",
            f"{SOCKET}: Websocket connection to ws://agent:7860/telephony/ws failed"
            f" after 2 tries: {error}.  Hanging up after exhausting retries.",
            "WARNING",
        ),
        asterisk(
            second,
            "Ext. s",
            f"Call {CALL}: no agent: CHANUNAVAIL with cause 3",
            "WARNING",
        ),
        asterisk(
            second + 4,
            "app_verbose.c",
            f"Call {CALL} over: from 1 to 1000 ai  dialstatus CHANUNAVAIL cause 3"
            " answered  s",
        ),
    ]


REFUSED = [*INVITED, *DIALLED, *handshake("Invalid response code (Success)")]
NO_ACK = without(ASTERISK, "^ACK ")


BEGAN_ANOTHER = agent(0.1, "[CALL] began: 1 -> 2", call="17.1")


def refused(status, reason):
    said = f"[WS] refused with {status}: {reason}"
    return agent(0.04, said, "WARNING", name="agent.web.telephony_ws")


def says(said, level="ERROR", second=9.0, call=CALL):
    return [*ASTERISK, *AGENT, agent(second, said, level, call)]


STARTED = "[2026-11-21 09:00:30.000] Asterisk 22.10.1 built by nobody"
FAILING = agent(
    25,
    "[REC] mix: s3://b of http://s3: Could not connect; again at 09:01",
    "WARNING",
)
NO_KEY = agent(
    25,
    "[REC] mix: s3://b of http://s3: (InvalidAccessKeyId); again at 9",
    "WARNING",
)
STORED = " mix is kept as "
# Lines, the cause, and words of the sentence.
CASES = {
    "all is well": ([*ASTERISK, *AGENT, JOB], "well", "19.9 s long, ended: caller_hu"),
    "Asterisk's log alone": (ASTERISK, "well", "hung up by the caller"),
    "no SIP logger": (
        without(ASTERISK, "pjsip_logger", "^[A-Z]", "^$", "^[vcm]="),
        "well",
        "`pjsip set logger on`",
    ),
    "the agent's log alone": (AGENT, "asterisk_unknown", "for the agent it went well"),
    "the agent's log alone, up": ([BEGAN], "still_up", "on the line"),
    "up": ([*INVITED, *DIALLED, *ANSWERED, BEGAN], "still_up", "none left"),
    "still connecting": ([*INVITED, *DIALLED], "connecting", "still connecting"),
    "no Dial": (INVITED + LEFT[-2:], "not_dialled", "never came to Dial"),
    "another Dial": (
        [*INVITED, asterisk(0.02, "pbx.c", "Executing [s@agent:8] Hangup()")]
        + [handshake("x")[1], *LEFT[-2:]],
        "not_dialled",
        "never came to Dial",
    ),
    "another path": (
        [*REFUSED, BEGAN_ANOTHER],
        "agent_not_found",
        "it ends in /telephony/ws",
    ),
    "no codec": (
        [
            *INVITED[:1],
            "INVITE sip:1000@192.0.2.1 SIP/2.0",
            f"Call-ID: {SIP}",
            "CSeq: 1 INVITE",
            "",
            "c=IN IP4 203.0.113.5",
            "m=audio 4 RTP/AVP 9 96",
            "a=rtpmap:9 G722/8000",
            "a=rtpmap:96 opus/48000",
            *sip(0.1, "SIP/2.0 488 Not Acceptable Here", "CSeq: 1 INVITE", sent=True),
        ],
        "no_codec",
        "The phone offers G722, opus, and",
    ),
    "no number": (
        [
            *sip(0, "INVITE sip:1999@192.0.2.1 SIP/2.0", "CSeq: 1 INVITE"),
            *sip(0.1, "SIP/2.0 404 Not Found", "CSeq: 1 INVITE", sent=True),
        ],
        "unknown_number",
        "no number 1999 for this caller",
    ),
    "a stranger": (
        [
            *sip(0, "INVITE sip:1999@192.0.2.1 SIP/2.0", "CSeq: 1 INVITE"),
            asterisk(
                0.1,
                "res_pjsip/pjsip_distributor.c",
                f"Request 'INVITE' from '<sip:9@x>' failed for '198.51.100.7:5060'"
                f" (callid: {SIP}) - No matching endpoint found",
                "NOTICE",
                tag="",
            ),
        ],
        "unknown_caller",
        "the caller's address (198.51.100.7:5060) is not TRUNK_ADDRESS",
    ),
    "no ACK": (NO_ACK + AGENT, "no_ack", "sent 1 times and never acknowledged"),
    "refused, 503": (
        [*REFUSED, refused(503, "at_capacity")],
        "refused_at_capacity",
        "503 at_capacity: OFFHOOK_MAX_CALLS calls are up",
    ),
    "refused, busy machine": (
        [*REFUSED, refused(503, "loop_lag")],
        "refused_loop_lag",
        "the agent's machine is late",
    ),
    "refused, stopping": (
        [*REFUSED, refused(503, "shutting_down")],
        "refused_shutting_down",
        "told to stop",
    ),
    "refused, 402": (
        [*REFUSED, refused(402, "budget_spent")],
        "refused_budget_spent",
        "the budget",
    ),
    "refused, 409": (
        [*REFUSED, refused(409, "duplicate_call_id")],
        "refused_duplicate_call_id",
        "a call of that id is up",
    ),
    "refused, 404": (
        [
            *[*INVITED, *DIALLED, *handshake("URL not found (Success)")],
            agent(0.04, f"call {CALL} refused: no AI is called 'x'", "ERROR", call=""),
            refused(404, "unknown_ai"),
        ],
        "refused_unknown_ai",
        "the dialplan asks for is not among",
    ),
    "refused, 401": (
        [*INVITED, *DIALLED, *handshake("Unauthorized (Success)")],
        "refused_unauthorised",
        "AGENT_PASSWORD",
    ),
    "refused, 400": (
        [*INVITED, *DIALLED, *handshake("Bad request (Success)")],
        "refused_bad_call_id",
        "the call's id (400)",
    ),
    "nobody listens": (
        [*INVITED, *DIALLED, *handshake("Client start error (Connection refused)")],
        "agent_down",
        "nobody listens at ws://agent:7860/telephony/ws",
    ),
    "nobody answers": (
        [*INVITED, *DIALLED, *handshake("Client start error (In progress)", 1.3)],
        "agent_timeout",
        "does not answer: a firewall",
    ),
    "another program answers": (
        [*INVITED, *DIALLED, *handshake("Header mismatch (Success)")],
        "no_websocket",
        "is not the agent: Header mismatch",
    ),
    "no such channel driver": (
        [
            *INVITED,
            *DIALLED,
            asterisk(
                0.04,
                "app_dial.c",
                "Unable to create channel of type 'WebSocket' (cause 66 - unknown)",
                "WARNING",
            ),
            handshake("x")[1],
        ],
        "no_channel",
        "chan_websocket is not loaded",
    ),
    "the socket stays silent": (
        [
            *INVITED,
            *DIALLED,
            agent(2, "no call came of this socket: no start in 2 s", "WARNING"),
            handshake("x")[1],
        ],
        "no_start",
        "no start in 2 s",
    ),
    "Asterisk dies": (
        [*INVITED, *DIALLED, *ANSWERED, BEGAN, STARTED],
        "asterisk_died",
        "ended during the call",
    ),
    "the agent dies": (
        [
            *INVITED,
            *DIALLED,
            *ANSWERED,
            asterisk(
                9, "res_http_websocket.c", "Web socket closed abruptly", "WARNING"
            ),
            *LEFT,
            *RECORDED,
            BEGAN,
        ],
        "agent_died",
        "went away in mid-call",
    ),
    "the agent is stuck": (
        says(
            "[SERVE] the event loop is stuck; ending the process", "CRITICAL", call=""
        ),
        "agent_stuck",
        "ended itself",
    ),
    "the agent fails": (says("[CALL] failed | KeyError: 'x'"), "agent_failed", "fai"),
    "the agent is stopped": (
        [*ASTERISK, BEGAN, agent(20.03, "[CALL] ended: shutdown after 20.0 s")],
        "shutdown",
        "OFFHOOK_DRAIN_SECONDS",
    ),
    "the recogniser fails": (
        says("[STT] whisper timeout: nothing for 10 s"),
        "provider",
        "STT: whisper: timeout: nothing for 10 s",
    ),
    "the model fails": (
        says("[LLM] openai unreachable: Connection error."),
        "provider",
        "LLM: openai: unreachable",
    ),
    "the voice fails": (says("[TTS] failed: no such voice"), "provider", "TTS failed"),
    "a local server dies": (
        says("[speech] ended (killed by SIGKILL): restarting in 0.5 s", call=""),
        "local_server",
        "speech died meanwhile",
    ),
    "no way to connect": (
        [
            *ASTERISK,
            asterisk(
                9, "Ext. i", f"Call {CALL}: no way to connect it to 882", "WARNING"
            ),
        ],
        "no_way",
        "to 882, which [connect]",
    ),
    "no RTP": (
        [
            *ASTERISK,
            asterisk(
                19,
                "res_pjsip_sdp_rtp.c",
                f"Disconnecting channel '{PHONE}' for lack of audio RTP activity in 30"
                " seconds",
                "NOTICE",
            ),
        ],
        "no_rtp",
        "no sound came from the phone for 30 s",
    ),
    "one-way": (
        [line.replace("rxcount=1000", "rxcount=0") for line in ASTERISK] + AGENT,
        "one_way_in",
        "nothing came from the phone",
    ),
    "packets are lost": (
        [line.replace("lp=0;rx", "lp=120;rx") for line in ASTERISK] + AGENT,
        "loss",
        "10.7% of the packets from the phone were lost",
    ),
    "MixMonitor cannot write": (
        [
            *ASTERISK,
            asterisk(0.03, "app_mixmonitor.c", f"Cannot open /m/{CALL}.wav", "ERROR"),
        ],
        "recording_not_started",
        "MixMonitor could not record",
    ),
    "MixMonitor never ends": (
        [*INVITED, *DIALLED, *ANSWERED, *LEFT],
        "recording_hook_failed",
        "MixMonitor has not closed it",
    ),
    "no hook": (
        without(ASTERISK, "Executing ./hook"),
        "recording_hook_failed",
        "ran no command",
    ),
    "the hook fails": (
        [*ASTERISK, hook(20, f"recording {CALL}: cannot write to /spool")],
        "recording_hook_failed",
        "cannot write to /spool",
    ),
    "the bucket is away": (
        [*ASTERISK, *without(AGENT, STORED), FAILING],
        "recording_upload_failing",
        "Could not connect",
    ),
    "the bucket refuses us": (
        [*ASTERISK, *without(AGENT, STORED), NO_KEY],
        "recording_credentials",
        "refuses our credentials",
    ),
    "another time zone": (
        [*ASTERISK, *(line.replace("T09:", "T08:") for line in AGENT)],
        "clock",
        "3600 s apart: set TZ",
    ),
    "the clock jumps": (
        [*ASTERISK[:-1], ASTERISK[-1].replace("09:00:20", "08:00:20")],
        "clock",
        "set back by 3600 s",
    ),
    "the colleague is busy": (
        [
            *ASTERISK,
            *AGENT,
            asterisk(
                15, "pbx.c", f'Executing [100@connect:1] Dial("{PHONE}", "PJSIP/")'
            ),
            asterisk(16, "Ext. s", f"Call {CALL}: no agent: BUSY with cause 17"),
        ],
        "no_human",
        "handed it to 100, who did not take it: BUSY",
    ),
    "unknown number": (
        [
            *sip(0, "INVITE sip:9@192.0.2.1 SIP/2.0", "CSeq: 1 INVITE"),
            *sip(0, "SIP/2.0 404 Not Found", "CSeq: 1 INVITE", sent=True),
            asterisk(
                0,
                "res_pjsip_session.c",
                f"{PHONE}: Call (UDP:203.0.113.5:5060) to extension '9' rejected"
                f" because extension not found in context 'from-trunk'. {SIP} {CALL}",
                "NOTICE",
                tag="",
            ),
        ],
        "unknown_number",
        "has no number 9",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_reason(case):
    lines, cause, words = CASES[case]
    call = CALL if any(CALL in line for line in lines) else SIP
    report = following.report(one(call, lines))
    assert report.cause == cause, report.sentence
    assert words in report.sentence
    assert report.status == (0 if cause == "well" else 1)


@pytest.mark.parametrize("case", CASES)
def test_in_files_of_their_own_and_in_json(case):
    """The agent's as JSON, Asterisk's as compose prints it."""
    lines, cause, _ = CASES[case]
    theirs = [line for line in lines if line.startswith(("2026", "Nov"))]
    rest = [f"asterisk-1  | {line}" for line in lines if line not in theirs]
    as_json = []
    for line in theirs:
        at, level, *_ = line.split(" ")
        bound, _, said = line.partition(": ")
        call = {"call": CALL} if f"call={CALL}" in bound else {}
        event = {"time": at, "level": level, "logger": "x", "message": said, **call}
        as_json.append(line if line.startswith("Nov") else json.dumps(event))
    call = CALL if any(CALL in line for line in lines) else SIP
    assert following.report(one(call, as_json, rest)).cause == cause


@pytest.mark.parametrize(("second", "cause"), [(25, "well"), (59, "recording_open")])
def test_a_recording_may_end_a_moment_after_the_call(second, cause):
    lines = [*INVITED, *DIALLED, *ANSWERED, *LEFT, *AGENT]
    now = datetime(2026, 11, 21, 9, 0, second, tzinfo=UTC)
    assert following.report(gather(CALL, [lines], now)).cause == cause


def test_every_step_has_its_time():
    report = following.report(one(CALL, [*ASTERISK, *AGENT, JOB]))
    steps = {each.what: (each.state.value, each.when[11:]) for each in report.findings}
    assert steps == {
        "100 Trying": ("ok", "09:00:00.001"),
        "200 OK": ("ok", "09:00:00.060"),
        "ACK": ("ok", "09:00:00.070"),
        "caller's leg joined the bridge": ("ok", "09:00:00.080"),
        "agent's leg joined the bridge": ("ok", "09:00:00.080"),
        "agent's leg left": ("ok", "09:00:20.010"),
        "caller's leg left": ("ok", "09:00:20.010"),
        "End MixMonitor": ("ok", "09:00:20.200"),
        "upload hook left its job": ("ok", "0:20"),
        "recording": ("ok", ""),
    }


UUID = "0e2f6a52-0000-4000-8000-00000000a5ce"


@pytest.mark.parametrize("asked", [CALL, UUID, SIP])
def test_a_call_is_found_by_each_of_its_names(asked):
    told = asterisk(0.015, "app_verbose.c", f"Call {CALL} is {UUID} for the agent")
    ours = agent(0.06, "[CALL] began: AudioSocket", call=UUID)
    report = following.report(one(asked, [*ASTERISK, told], [ours]))
    assert report.more["ids"] == sorted([CALL, UUID, SIP])
    texts = [line["text"] for line in report.more["lines"]]
    assert ours in texts and any(text.startswith(ASTERISK[0]) for text in texts)


def test_a_call_that_nobody_knows():
    report = following.report(one("17.1", ASTERISK, AGENT))
    assert (report.status, report.cause) == (2, "unknown_call")


def test_the_agents_password_is_not_shown():
    line = asterisk(
        20.1,
        "pbx.c",
        f'Executing [s@over:2] Set("{PHONE}", "CURLOPT(userpwd)=us:secret") in',
    )
    text = "\n".join(following.report(one(CALL, [*ASTERISK, line])).lines())
    assert "secret" not in text and "CURLOPT(userpwd)=***" in text


def test_a_hang_up_in_the_middle_of_anything_is_well():
    """Nothing is broken when a caller does not wait for the answer."""
    lines = [*ASTERISK, BEGAN, *TALKED[:2], ENDED]
    assert following.report(one(CALL, lines)).cause == "well"


def test_what_the_agent_refused_meanwhile_is_another_call():
    other = agent(9, "[WS] refused with 503: at_capacity", "WARNING", call="17.1")
    report = following.report(one(CALL, [*ASTERISK, *AGENT, other]))
    assert report.cause == "well", report.sentence
    assert report.more["troubles"] == []


def test_the_agents_log_goes_on_and_says_nothing_of_the_recording():
    lines = [*ASTERISK, BEGAN, ENDED, agent(40, "ready", call="")]
    report = following.report(one(CALL, lines))
    assert report.cause == "recording_hook_failed"
    assert "the agent never saw its job" in report.sentence


@given(st.lists(st.text() | st.sampled_from(ASTERISK + AGENT), max_size=40))
def test_whatever_stands_in_a_log_there_is_an_answer(lines):
    report = following.report(one(CALL, lines))
    assert report.status in (0, 1, 2)
    assert json.loads(report.json())["cause"] == report.cause
    assert all(line.isprintable() for line in report.lines())
