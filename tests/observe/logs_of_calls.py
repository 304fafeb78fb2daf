"""Logs for tests: of real calls, and small ones as Asterisk and the agent write."""

import re
from datetime import UTC, datetime
from pathlib import Path

from agent.observe.onecall import gather

CALLS = Path(__file__).parents[1] / "data" / "calls"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
CALL = "1795280000.2"
TAG = "C-00000007"
PHONE, SOCKET = "PJSIP/trunk-00000007", "WebSocket/ai_media/0x7f599c005e90"
SIP = "abc@192.0.2.9"


def real(name):
    return (CALLS / f"{name}.txt").read_text().splitlines()


def id_of(lines):
    """Of the last call in a log; the SIP Call-ID where the dialplan saw none."""
    text = "\n".join(lines)
    ours = re.findall(r"Call (\S+): SIP Call-ID", text)
    return ours[-1] if ours else re.findall(r"^Call-ID: (\S+)", text, re.MULTILINE)[-1]


def one(call, *texts):
    return gather(call, texts, NOW)


def asterisk(second, file, said, level="VERBOSE", tag=TAG):
    tagged = f"[{tag}]" if tag else ""
    return f"[2026-11-21 09:00:{second:06.3f}] {level}[9]{tagged} {file}: {said}"


def agent(second, said, level="INFO", call=CALL, name="agent.session"):
    bound = f" call={call} channel={SOCKET}" if call else ""
    return f"2026-11-21T09:00:{second:06.3f}+00:00 {level}{bound} {name}: {said}"


def hook(second, said):
    return f"Nov 21 09:00:{second:02.0f} host upload-recording[77]: {said}"


def sip(second, first, *headers, sent=False, peer="203.0.113.5:5060", sound=""):
    way, word = ("Transmitting", "to") if sent else ("Received", "from")
    kind = "response" if first.startswith("SIP/") else "request"
    body = []
    if sound:
        address, _, port = sound.rpartition(":")
        body = ["", "v=0", f"c=IN IP4 {address}", f"m=audio {port} RTP/AVP 0"]
    head = f"<--- {way} SIP {kind} (9 bytes) {word} UDP:{peer} --->"
    return [
        asterisk(second, "res_pjsip_logger.c", head, tag=""),
        first,
        f"Call-ID: {SIP}",
        *headers,
        *body,
        "",
    ]


INVITED = [
    *sip(
        0, "INVITE sip:1000@192.0.2.1 SIP/2.0", "CSeq: 1 INVITE", sound="203.0.113.5:4"
    ),
    *sip(0.001, "SIP/2.0 100 Trying", "CSeq: 1 INVITE", sent=True),
    asterisk(0.01, "app_verbose.c", f"Call {CALL}: SIP Call-ID {SIP}"),
]
DIALLED = [
    asterisk(
        0.02,
        "pbx.c",
        f'Executing [1000@agent:8] MixMonitor("{PHONE}", "/m/{CALL}.wav")',
    ),
    asterisk(0.02, "app_mixmonitor.c", f"Begin MixMonitor Recording {PHONE}"),
    asterisk(
        0.03,
        "pbx.c",
        f'Executing [1000@agent:9] Dial("{PHONE}", "WebSocket/ai_media/c(ulaw)f(json)'
        f'v(call_id={CALL}),,g") in new stack',
    ),
]
ANSWERED = [
    asterisk(0.05, "app_dial.c", f"{SOCKET} answered {PHONE}"),
    *sip(0.06, "SIP/2.0 200 OK", "CSeq: 1 INVITE", sent=True, sound="192.0.2.1:10000"),
    *sip(0.07, "ACK sip:192.0.2.1 SIP/2.0", "CSeq: 1 ACK"),
    asterisk(
        0.08, "bridge_channel.c", f"Channel {SOCKET} joined 'simple_bridge' x <y>"
    ),
    asterisk(0.08, "bridge_channel.c", f"Channel {PHONE} joined 'simple_bridge' x <y>"),
]
SOUND = asterisk(
    20.05,
    "app_verbose.c",
    f"Call {CALL} sound: ssrc=1;themssrc=2;lp=0;rxjitter=0.001;rxcount=1000;"
    "txjitter=0.002;txcount=990;rlp=0;rtt=0.01",
)
LEFT = [
    *sip(20, "BYE sip:192.0.2.1 SIP/2.0", "CSeq: 2 BYE"),
    *sip(20.001, "SIP/2.0 200 OK", "CSeq: 2 BYE", sent=True),
    asterisk(20.01, "bridge_channel.c", f"Channel {PHONE} left 'simple_bridge' x <y>"),
    asterisk(20.01, "bridge_channel.c", f"Channel {SOCKET} left 'simple_bridge' x <y>"),
    asterisk(
        20.04,
        "app_verbose.c",
        f"Call {CALL} over: from 1 to 2 ai  dialstatus ANSWER cause 16 answered 19 s",
    ),
    SOUND,
]
RECORDED = [
    asterisk(20.1, "app_mixmonitor.c", f"Executing [/hook {CALL} {CALL} prod]"),
    asterisk(20.2, "app_mixmonitor.c", f"End MixMonitor Recording {PHONE}"),
]
JOB = hook(20, f"recording {CALL} of call {CALL}: left /spool/{CALL}.job")
BEGAN = agent(0.06, "[CALL] began: 1 -> 1000, AI desk, ulaw over json")
MEDIA = agent(
    20.02,
    "[WS] media: in 1000 frames, 20.0 s, loud 6.2 s, voiced 5.1 s; out 640 frames,"
    " 12.8 s, heard 12.6 s; xoff 0; flushes 1; garbage 0",
)
TALKED = [
    agent(2, "[AGENT] 1 words, 0.8 s"),
    agent(5, "[CALLER] 4 words, 1.6 s"),
    agent(8, "[AGENT] 4 words, 1.9 s; silence 0.50, stt 0.31, llm 0.40, reply 1.42"),
]
ENDED = agent(20.03, "[CALL] ended: caller_hung_up after 20.0 s")
KEPT = agent(21, "[REC] mix is kept as folder/x/mix.wav, 20.0 s")

ASTERISK = [*INVITED, *DIALLED, *ANSWERED, *LEFT, *RECORDED]
AGENT = [BEGAN, *TALKED, MEDIA, ENDED, KEPT]


def without(lines, *patterns):
    return [line for line in lines if not any(re.search(p, line) for p in patterns)]
