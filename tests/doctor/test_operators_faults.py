"""Faults that operators make, thought of by people who had not seen the checks: in
files of an Asterisk of their own, in .env, between the two. One at a time, each named.
"""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI, Response

from agent.doctor.finding import Severity
from tests.fakes.provider import Running

from .setup import SetUp
from .table import Fault, ais, both, edit, env, examine, fault, site

pytestmark = pytest.mark.models

W = Severity.WARNING
TO_AGENT = "exten => 1000,1,Goto(agent,${EXTEN},1)"
RING = "exten => _10[01],1,Dial(PJSIP/${EXTEN},30)\n same => n,Hangup()"
FROM_LINE = (
    "[agent]\nexten => _[+0-9s]!,1,Set(FROM=${FILTER(+0-9A-Za-z,${CALLERID(num)})})"
)
CALL = "${URIENCODE(${UNIQUEID})}"
HOOK = ",@HOOK@ ${UNIQUEID} ${UNIQUEID} prod)"


def dialplan(old: str, new: str) -> Callable[[SetUp], None]:
    return edit("extensions.conf", old, new)


def trunk(old: str, new: str) -> Callable[[SetUp], None]:
    return edit("pjsip-trunk.conf", old, new)


def phones(old: str, new: str) -> Callable[[SetUp], None]:
    return edit("pjsip-extensions.conf", old, new)


def socket_conf(old: str, new: str) -> Callable[[SetUp], None]:
    return edit("websocket_client.conf", old, new)


def without(line: str) -> Callable[[SetUp], None]:
    return dialplan(f"{line}\n", "")


def password_with_semicolons(setup: SetUp) -> None:
    setup.environment["OFFHOOK_MEDIA_PASSWORD"] = "rain;and;sun"
    setup.edit("websocket_client.conf", "a password of the media", "rain;and;sun")
    setup.edit("extensions.conf", "a password of the media", "rain\\;and\\;sun")


def no_hook(setup: SetUp) -> None:
    hook = HOOK.replace("@HOOK@", setup.site["UPLOAD_HOOK"])
    setup.edit("extensions.conf", hook, ")")


def hook_without_names(setup: SetUp) -> None:
    hook = HOOK.replace("@HOOK@", setup.site["UPLOAD_HOOK"])
    setup.edit("extensions.conf", hook, f",{setup.site['UPLOAD_HOOK']})")


def recorded_elsewhere(setup: SetUp) -> None:
    other = setup.folder / "calls"
    other.mkdir()
    setup.edit("extensions.conf", "${RECORDINGS}/${UNIQUEID}", f"{other}/${{UNIQUEID}}")


def other_monitor(setup: SetUp) -> None:
    other = setup.folder / "other"
    other.mkdir()
    setup.environment["OFFHOOK_MONITOR"] = str(other)


def without_v1(setup: SetUp) -> None:
    setup.environment["OPENAI_BASE_URL"] = setup.provider


def whole_address(setup: SetUp) -> None:
    setup.environment["OPENAI_BASE_URL"] += "/chat/completions"


def https_for_http(setup: SetUp) -> None:
    url = setup.environment["OPENAI_BASE_URL"]
    setup.environment["OPENAI_BASE_URL"] = url.replace("http:", "https:")


def quoted(setup: SetUp) -> None:
    url = setup.environment["OPENAI_BASE_URL"]
    setup.environment["OPENAI_BASE_URL"] = f'"{url}"'


def unknown_host(setup: SetUp) -> None:
    setup.environment["OPENAI_BASE_URL"] = "http://gpu.invalid:8000/v1"


def model_not_served(setup: SetUp) -> None:
    setup.environment["OPENAI_MODEL"] = "fake-14b"
    setup.beside.chat_status = 404


def commented(setup: SetUp) -> None:
    setup.environment["OPENAI_MODEL"] = "fake   # the big one"
    setup.beside.chat_status = 404


def ears_not_named(setup: SetUp) -> None:
    del setup.environment["OFFHOOK_STT"]


def english_ears(setup: SetUp) -> None:
    for name in ("OFFHOOK_STT", "OFFHOOK_STT_BASE_URL"):
        del setup.environment[name]
    setup.environment["OFFHOOK_STT_MODEL"] = "whisper-tiny.en"
    ais('[ai.desk]\nprompt = "Du hilfst."\nlanguage = "de"\n')(setup)


def other_name_of_the_address(setup: SetUp) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_MODEL"):
        del setup.environment[name]
    setup.environment["OPENAI_API_BASE"] = f"{setup.provider}/v1"


def agent_is_somebody_else(setup: SetUp) -> None:
    setup.site["AGENT_URL"] = setup.provider.replace("http", "ws") + "/telephony/ws"


def two_spools(setup: SetUp) -> None:
    """The one of Asterisk's hook is another than the agent's."""
    setup.spool_of_asterisk = ""


def not_loaded_ulaw_twin(setup: SetUp) -> None:
    setup.edit("pjsip.conf", "allow = ulaw,alaw", "allow = alaw")
    setup.edit("modules.conf", "load=codec_alaw.so\n", "")


def second_transport(setup: SetUp) -> None:
    port = setup.site["SIP_PORT"]
    setup.edit(
        "pjsip.conf",
        "[line](!)",
        f"[two]\ntype = transport\nprotocol = udp\nbind = 127.0.0.1:{port}\n[line](!)",
    )


def hook_not_executable(setup: SetUp) -> None:
    hook = setup.folder / "upload-recording.sh"
    hook.write_bytes(Path(setup.site["UPLOAD_HOOK"]).read_bytes())
    hook.chmod(0o644)
    setup.site["UPLOAD_HOOK"] = str(hook)


def slash_behind_the_address(setup: SetUp) -> None:
    setup.site["AGENT_URL"] += "/"


def one_external_address(setup: SetUp) -> None:
    setup.site |= {"SIP_ADDRESS": "0.0.0.0", "TRUNK_ADDRESS": "8.8.4.4"}
    setup.edit(
        "pjsip.conf",
        ";external_signaling_address = 203.0.113.7",
        "external_signaling_address = 8.8.8.8",
    )
    setup.edit("pjsip.conf", ";local_net", "local_net")


def key_with_a_slash(setup: SetUp) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_MODEL"):
        del setup.environment[name]
    there = setup.provider.removeprefix("http://")
    setup.environment |= {
        "OFFHOOK_ENDPOINTS": f"far=http://sk/live+1@{there}/v1",
        "OFFHOOK_ENGINE_MODEL": "far.fake",
    }


def key_in_quotes(setup: SetUp) -> None:
    setup.environment["OPENAI_API_KEY"] = '"sk-abcdefghijklmnop"'
    setup.beside.chat_status = 401


def no_embeddings_there(setup: SetUp) -> None:
    setup.environment |= {
        "OFFHOOK_EMBEDDINGS_URL": f"{setup.provider}/v1",
        "OFFHOOK_EMBEDDINGS_MODEL": "bge-m3",
    }


FAULTS = [
    # Asterisk's files
    fault(
        "g729 only",
        "pjsip-trunk.conf:",
        "nothing here converts",
        trunk(
            "context = from-trunk",
            "context = from-trunk\ndisallow = all\nallow = g729",
        ),
    ),
    fault(
        "alaw, and nothing that converts it",
        "pjsip.conf:",
        "nothing here converts",
        not_loaded_ulaw_twin,
    ),
    fault(
        "no codec of that name",
        "pjsip.conf:",
        "there is ulaw",
        lambda setup: setup.edit("pjsip.conf", "allow = ulaw,", "allow = ulwa,"),
    ),
    fault(
        "func_uri",
        "modules.conf:",
        "func_uri is not loaded",
        edit("modules.conf", "load=func_uri.so\n", ""),
    ),
    fault(
        "noload in a sample file",
        "modules.conf:",
        "chan_websocket is not loaded",
        both(
            edit(
                "modules.conf",
                "autoload=no",
                "autoload=yes\nnoload => chan_websocket.so",
            ),
            edit("modules.conf", "require=chan_websocket.so\n", ""),
        ),
    ),
    fault(
        "a ; in a password",
        "websocket_client.conf:",
        "a ; begins a comment",
        password_with_semicolons,
    ),
    fault(
        "a ; in an address",
        "pjsip-trunk.conf:",
        "what follows the ;",
        trunk("contact = sip:203.0.113.1", "contact = sip:203.0.113.1;transport=tcp"),
        W,
    ),
    fault(
        "no type",
        "websocket_client.conf:",
        "[ai_media] has no type",
        socket_conf("type = ", ";type = "),
    ),
    fault(
        "no such type",
        "pjsip.conf:",
        "there is endpoint",
        edit("pjsip.conf", "type = endpoint", "type = endpont"),
    ),
    fault(
        "no such option",
        "pjsip.conf:",
        "there is rewrite_contact",
        edit("pjsip.conf", "rewrite_contact", "rewrite_contacts"),
    ),
    fault(
        "an option of chan_sip",
        "pjsip-trunk.conf:",
        "no option 'nat'",
        trunk(
            "context = from-trunk", "context = from-trunk\nnat = force_rport,comedia"
        ),
        W,
    ),
    fault(
        "neither yes nor no",
        "pjsip.conf:",
        "not yes or no",
        edit("pjsip.conf", "direct_media = no ", "direct_media = nope "),
    ),
    fault(
        "no number",
        "pjsip.conf:",
        "not a whole number",
        edit("pjsip.conf", "rtp_timeout = 60 ", "rtp_timeout = 60s "),
    ),
    fault(
        "written twice",
        "rtp.conf:",
        "rtpstart is '10000'",
        edit("rtp.conf", "rtpend", "rtpstart = 20000\nrtpend"),
        W,
    ),
    fault(
        "[general] twice",
        "rtp.conf:",
        "there is a [general] already",
        edit("rtp.conf", "rtpend", "[general]\nrtpend"),
        W,
    ),
    fault(
        "no hangup handler",
        "extensions.conf:",
        "no hangup handler",
        without(" same => n,Set(CHANNEL(hangup_handler_push)=call-over,s,1)"),
        W,
    ),
    fault(
        "no g",
        "extensions.conf:",
        "Dial has no g",
        dialplan("v(${QUERY}),,g)", "v(${QUERY}))"),
        W,
    ),
    fault(
        "& for a comma",
        "extensions.conf:",
        "divided by &",
        dialplan(f"{CALL},from=", f"{CALL}&from="),
    ),
    fault(
        "not encoded",
        "extensions.conf:",
        "from is not encoded",
        dialplan("from=${URIENCODE(${FROM})}", "from=${CALLERID(num)}"),
        W,
    ),
    fault(
        "recorded elsewhere",
        "extensions.conf:",
        "OFFHOOK_MONITOR is",
        recorded_elsewhere,
    ),
    fault("another monitor", "extensions.conf:", "OFFHOOK_MONITOR is", other_monitor),
    fault("no hook", "extensions.conf:", "runs no script", no_hook),
    fault(
        "hook without names", "extensions.conf:", "is told nothing", hook_without_names
    ),
    fault(
        "tracks the wrong way round",
        "extensions.conf:",
        "the track user",
        dialplan(
            "r(${RECORDING}-user.wav)t(${RECORDING}-assistant.wav)",
            "r(${RECORDING}-assistant.wav)t(${RECORDING}-user.wav)",
        ),
        W,
    ),
    fault(
        "recorded as gsm",
        "extensions.conf:",
        "the agent takes .wav",
        dialplan("MixMonitor(${RECORDING}.wav", "MixMonitor(${RECORDING}.gsm"),
    ),
    fault(
        "named after the caller",
        "extensions.conf:",
        "the agent knows the call as",
        dialplan(
            "RECORDING=${RECORDINGS}/${UNIQUEID}", "RECORDING=${RECORDINGS}/${FROM}"
        ),
    ),
    fault(
        "no such context",
        "pjsip-trunk.conf:",
        "from-pstn",
        trunk("from-trunk", "from-pstn"),
    ),
    fault(
        "no underscore",
        "extensions.conf:",
        "underscore",
        dialplan("exten => _[+0-9]!,1,Goto", "exten => [+0-9]!,1,Goto"),
    ),
    fault(
        "no priority 1",
        "extensions.conf:",
        "no priority 1",
        dialplan("[agent]\nexten => _[+0-9s]!,1,", "[agent]\nexten => _[+0-9s]!,n,"),
    ),
    fault(
        "begins at 2",
        "extensions.conf:",
        "begins with priority 2",
        dialplan("exten => 1000,1,", "exten => 1000,2,"),
    ),
    fault(
        "a gap",
        "extensions.conf:",
        "a call ends there",
        dialplan(" same => n,Set(TO=", " same => 5,Set(TO="),
    ),
    fault(
        "1000 was there before",
        "extensions.conf:",
        "Asterisk ignores this line",
        dialplan(
            "[from-internal]\n",
            "[from-internal]\nexten => 1000,1,Dial(PJSIP/100)\n same => n,Hangup()\n",
        ),
    ),
    fault(
        "a bracket is missing",
        "extensions.conf:",
        "closing ] is missing",
        dialplan("[agent]\n", "[agent\n"),
    ),
    fault(
        "a parenthesis is missing",
        "extensions.conf:",
        "as many ( as )",
        dialplan(
            TO_AGENT,
            "exten => 1000,1,Goto(agent,${EXTEN},1",
        ),
    ),
    fault(
        "a variable misspelt",
        "extensions.conf:",
        "there is QUERY",
        dialplan("v(${QUERY})", "v(${QEURY})"),
    ),
    fault(
        "a function misspelt",
        "extensions.conf:",
        "there is URIENCODE",
        dialplan("ai=${URIENCODE(", "ai=${URLENCODE("),
    ),
    fault(
        "Macro",
        "extensions.conf:",
        "no application Macro any more",
        dialplan(
            TO_AGENT,
            "exten => 1000,1,Macro(agent)\n same => n,Goto(agent,${EXTEN},1)",
        ),
    ),
    fault(
        "no such label",
        "extensions.conf:",
        "leads to 'ovr'",
        dialplan('!= "connect "]?over)', '!= "connect "]?ovr)'),
    ),
    fault(
        "no such include",
        "extensions.conf:",
        "includes the context 'night'",
        dialplan("[from-trunk]\n", "[from-trunk]\ninclude => night\n"),
    ),
    fault(
        "nobody comes to the agent",
        "pjsip-trunk.conf:",
        "never come to the agent",
        dialplan(
            "exten => s,1,Goto(agent,s,1)\nexten => _[+0-9]!,1,Goto(agent,${EXTEN},1)",
            "exten => s,1,Dial(PJSIP/100)\nexten => _[+0-9]!,1,Dial(PJSIP/100)",
        ),
    ),
    fault(
        "options before a section",
        "rtp.conf:",
        "before the first [section]",
        edit("rtp.conf", "[general]\n", ""),
    ),
    fault(
        "no such template",
        "pjsip-extensions.conf:",
        "there is no template 'phones'",
        phones("[101](phone)", "[101](phones)"),
    ),
    fault(
        "a long comment",
        "pjsip.conf:",
        "a comment of several lines",
        edit("pjsip.conf", "[line](!)", ";-- of all lines\n[line](!)"),
    ),
    fault(
        "max_contacts",
        "pjsip-extensions.conf:",
        "max_contacts of 100 is 0",
        phones("max_contacts = 1\n", ""),
    ),
    fault(
        "no aors", "pjsip-extensions.conf:", "has no aors", phones("aors = 101\n", "")
    ),
    fault(
        "one username for two",
        "pjsip-extensions.conf:",
        "the same username 100",
        phones("username = 101", "username = 100"),
    ),
    fault(
        "auth for a carrier",
        "pjsip-trunk.conf:",
        "asked for a password",
        both(
            trunk("identify_by = ip", "auth = trunk\nidentify_by = ip"),
            trunk(
                "[trunk]\ntype = aor",
                "[trunk]\ntype = auth\nusername = me\npassword = long enough 4 us\n"
                "[trunk]\ntype = aor",
            ),
        ),
        W,
    ),
    fault(
        "known by name only",
        "pjsip-trunk.conf:",
        "does not count",
        trunk("identify_by = ip", "identify_by = username"),
    ),
    fault(
        "no match",
        "pjsip-trunk.conf:",
        "has no match",
        trunk("match = 203.0.113.1", ""),
    ),
    fault("two transports", "pjsip.conf:", "already: this one", second_transport),
    fault(
        "TLS without a certificate",
        "pjsip.conf:",
        "without a certificate",
        edit("pjsip.conf", "protocol = udp", "protocol = tls"),
    ),
    fault(
        "a fallback that is not there",
        "extensions.conf:",
        "no endpoint '102'",
        site(FALLBACK="PJSIP/102"),
    ),
    fault("SIP for PJSIP", "extensions.conf:", "not SIP", site(FALLBACK="SIP/100")),
    fault(
        "AMI permits others",
        "manager.conf:",
        "not permitted",
        edit(
            "manager.conf",
            "permit = 127.0.0.1/255.255.255.255",
            "permit = 192.168.1.0/255.255.255.0",
        ),
    ),
    fault(
        "maxcalls",
        "asterisk.conf:",
        "maxcalls is 2",
        edit("asterisk.conf", "[options]", "[options]\nmaxcalls = 2"),
    ),
    fault(
        "keys in the log",
        "logger.conf:",
        "every key",
        edit("logger.conf", "verbose,", "verbose,dtmf,"),
        W,
    ),
    fault(
        "nothing to follow a call by",
        "logger.conf:",
        "verbose",
        edit("logger.conf", "verbose,", ""),
        W,
    ),
    fault(
        "the dialplan's login",
        "extensions.conf:",
        "the dialplan's login",
        dialplan("CURLOPT(userpwd) = asterisk:", "CURLOPT(userpwd) = somebody:"),
    ),
    # found by mutants of our files, called through a real Asterisk
    fault(
        "two arguments for Goto",
        "extensions.conf:",
        "leads to 'agent'",
        dialplan(TO_AGENT, "exten => 1000,1,Goto(agent,${EXTEN}1)"),
    ),
    fault(
        "one comma before g",
        "extensions.conf:",
        "second argument",
        dialplan("v(${QUERY}),,g)", "v(${QUERY}),g)"),
    ),
    fault(
        "parameters run together",
        "extensions.conf:",
        "a comma is missing after to",
        dialplan(",ai=${URI", "ai=${URI"),
    ),
    fault(
        "FILTER without a comma",
        "extensions.conf:",
        "FILTER is given 1",
        dialplan("Set(TO=${FILTER(+0-9A-Za-z,", "Set(TO=${FILTER(+0-9A-Za-z"),
    ),
    fault(
        "over run together",
        "extensions.conf:",
        "/over,q850",
        dialplan("/over,q850", "/overq850"),
        W,
    ),
    fault(
        "UNIQUEI",
        "extensions.conf:",
        "there is UNIQUEID",
        dialplan("${UNIQUEID}/next", "${UNIQUEI}/next"),
    ),
    fault(
        "TO is not set",
        "extensions.conf:",
        "nobody sets TO",
        dialplan(
            f"{FROM_LINE}\n same => n,Set(TO=",
            f"{FROM_LINE}\n same => n,Set(TOO=",
        ),
    ),
    fault(
        "trunk not included",
        "pjsip-trunk.conf",
        "does not include it",
        edit("pjsip.conf", '#include "pjsip-trunk.conf"\n', ""),
        W,
    ),
    fault(
        "no such kind of password",
        "pjsip-extensions.conf:",
        "not one of userpass",
        phones("auth_type = userpass", "auth_type = plain"),
    ),
    fault(
        "not a network",
        "manager.conf:",
        "not a network",
        edit("manager.conf", "deny = 0.0.0.0/0.0.0.0", "deny = 0.0.0.0/0.0.0.O"),
    ),
    fault(
        "not a port",
        "pjsip.conf:",
        "not ADDRESS:PORT",
        edit("pjsip.conf", "protocol = udp\nbind = ", "protocol = udp\nbind = o"),
    ),
    fault(
        "no section for the log",
        "logger.conf",
        "no section [logfiles]",
        edit("logger.conf", "[logfiles]", "[logfile]"),
    ),
    fault(
        "a quiet log",
        "asterisk.conf:",
        "verbose is 0",
        edit("asterisk.conf", "verbose = 3", "verbose = 0"),
        W,
    ),
    fault(
        "what is under SIP",
        "modules.conf:",
        "res_pjsip_pubsub is not loaded",
        edit("modules.conf", "load=res_pjsip_pubsub.so\n", ""),
    ),
    fault(
        "nobody knows the caller",
        "modules.conf:",
        "res_pjsip_caller_id is not loaded",
        edit("modules.conf", "load=res_pjsip_caller_id.so\n", ""),
    ),
    fault(
        "an endpoint and its aor",
        "pjsip-extensions.conf:",
        "registers at desk",
        phones("[101](phone)", "[desk](phone)"),
        W,
    ),
    fault(
        "phones that are not there",
        "extensions.conf:",
        "rings the phones _20X",
        dialplan(RING, RING.replace("_10[01]", "_20X")),
    ),
    fault(
        "CALL_ID is not set",
        "extensions.conf:",
        "nobody sets CALL_ID",
        dialplan("Set(CALL_ID=${UNIQUEID})", "NoOp()"),
    ),
    fault(
        "known by nothing that there is",
        "pjsip-extensions.conf:",
        "not one of username",
        phones("identify_by = username", "identify_by = user"),
    ),
    fault(
        "disallow = al",
        "pjsip.conf:",
        "there is all",
        edit("pjsip.conf", "disallow = all", "disallow = al"),
    ),
    fault(
        "only calls without a number",
        "pjsip-trunk.conf:",
        "no number of [from-trunk]",
        dialplan("exten => _[+0-9]!,1,Goto(agent,${EXTEN},1)\n", ""),
    ),
    # numbers and AIs
    fault(
        "human nobody knows",
        "OFFHOOK_AIS",
        "200 (human)",
        ais('[ai.desk]\nprompt = "x"\nhuman = "200"\n'),
    ),
    fault(
        "extension nobody knows",
        "OFFHOOK_AIS",
        "300 (policy.extensions)",
        ais(
            '[ai.desk]\nprompt = "x"\ntool_names = ["connect_call"]\n'
            '[ai.desk.policy]\nextensions = ["300"]\n'
        ),
    ),
    fault(
        "AI misspelt",
        "extensions.conf:",
        "sets the AI 'salse'",
        dialplan(
            ";exten => 1001,1,Set(AI=sales)\n; same",
            "exten => 1001,1,Set(AI=salse)\n same",
        ),
    ),
    fault(
        "nothing after Dial",
        "extensions.conf:",
        "hands calls on",
        both(
            ais('[ai.desk]\nprompt = "x"\nhuman = "100"\n'),
            dialplan(
                "Set(ANSWER=${CURL(http${AGENT:2}/${UNIQUEID}/next)})", "Set(ANSWER=)"
            ),
        ),
    ),
    # the environment
    fault("no /v1", "OPENAI_BASE_URL", "there is one at http", without_v1),
    fault(
        "all of the address", "OPENAI_BASE_URL", "there is one at http", whole_address
    ),
    fault("https", "OPENAI_BASE_URL", "speaks http, not https", https_for_http),
    fault("quotes", "OPENAI_BASE_URL", "quotes", quoted),
    fault(
        "name of a host",
        "OPENAI_BASE_URL",
        "nobody knows the name gpu.invalid",
        unknown_host,
    ),
    fault("model not served", "OPENAI_MODEL", "it has ears, fake", model_not_served),
    fault("a comment", "OPENAI_MODEL", "the comment is part of it", commented),
    fault(
        "never filled in",
        "OPENAI_API_KEY",
        "never filled in",
        env(OPENAI_API_KEY="${MY_KEY}"),
    ),
    fault("unseen", "OFFHOOK_TTS_VOICE", "U+200B", env(OFFHOOK_TTS_VOICE="nova\u200b")),
    fault(
        "ears without effect", "OFFHOOK_STT_BASE_URL", "no effect", ears_not_named, W
    ),
    fault("English ears", "OFFHOOK_STT_MODEL", "English only", english_ears),
    fault(
        "name of another program",
        "OPENAI_API_BASE",
        "there is OPENAI_BASE_URL",
        other_name_of_the_address,
        W,
    ),
    fault(
        "a path from here",
        "DATABASE_URL",
        "three slashes",
        env(DATABASE_URL="sqlite:///srv/nowhere/offhook.db"),
        W,
    ),
    fault(
        "@ in a password",
        "DATABASE_URL",
        "the password has an @",
        env(DATABASE_URL="postgresql://offhook:p/w@rd@127.0.0.1:5432/offhook"),
    ),
    fault(
        "no worker",
        "OFFHOOK_WORK",
        "nobody runs offhook work",
        env(OFFHOOK_WORK="off", OFFHOOK_WORK_PORT="9"),
        W,
    ),
    fault(
        "a proxy",
        "http_proxy",
        "through the proxy",
        both(
            env(http_proxy="http://127.0.0.1:9"),
            env(OPENAI_BASE_URL="http://127.0.0.1:9/v1"),
        ),
    ),
    fault(
        "somebody else's port",
        "websocket_client.conf:",
        "OFFHOOK_PORT is",
        agent_is_somebody_else,
    ),
    fault(
        "nobody is loud enough",
        "OFFHOOK_VAD_FLOOR_DBFS",
        "shouts",
        env(OFFHOOK_VAD_FLOOR_DBFS="-5"),
        W,
    ),
    fault(
        "no collector",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "does not answer",
        env(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9"),
    ),
    fault("two spools", "OFFHOOK_SPOOL", "/var/spool/offhook", two_spools),
    # a second round, by somebody else
    fault(
        "third part of a phone",
        "pjsip-extensions.conf:",
        "101 names aors '101'",
        phones("[101](phone-aor)", ""),
    ),
    fault(
        "a pattern without +",
        "extensions.conf:",
        "a call to +5550100 ends here",
        dialplan(
            "[agent]\nexten => _[+0-9s]!,1",
            "[agent]\nexten => s,1,NoOp()\nexten => _X.,1",
        ),
    ),
    fault(
        "a slash lost",
        "extensions.conf:",
        "no slash stands between",
        dialplan("${RECORDINGS}/${UNIQUEID}", "${RECORDINGS}${UNIQUEID}"),
    ),
    fault(
        "AMI for others",
        "manager.conf:",
        "this machine is not permitted",
        edit(
            "manager.conf",
            "permit = 127.0.0.1/255.255.255.255",
            "permit = 192.168.0.0/255.255.0.0",
        ),
    ),
    fault(
        "AMI that may only tell",
        "manager.conf:",
        "may not write 'call'",
        edit("manager.conf", "write = call,reporting", "write = reporting"),
    ),
    fault(
        "five seconds of silence",
        "pjsip.conf:",
        "rtp_timeout is 5",
        edit("pjsip.conf", "rtp_timeout = 60", "rtp_timeout = 5 "),
        W,
    ),
    fault(
        "opus only",
        "pjsip.conf:",
        "101 speaks opus only",
        edit("pjsip.conf", "allow = ulaw,alaw", "allow = opus"),
    ),
    fault(
        "a slash behind the address",
        "websocket_client.conf:",
        "the path of uri is '/telephony/ws/'",
        slash_behind_the_address,
    ),
    fault(
        "the old agent",
        "extensions.conf:",
        "AGENT is 'ws://192.0.2.7:",
        dialplan("AGENT = ws://127.0.0.1:", "AGENT = ws://192.0.2.7:"),
    ),
    fault(
        "a hook that cannot be run",
        "extensions.conf:",
        "is not executable",
        hook_not_executable,
    ),
    fault(
        "Dial without g",
        "extensions.conf:",
        "Dial has no g",
        dialplan("v(${QUERY}),,g)", "v(${QUERY}))"),
        W,
    ),
    fault(
        "all levels in the log",
        "logger.conf:",
        "every key that callers press",
        edit("logger.conf", "notice,warning,error,verbose,security", "*"),
        W,
    ),
    fault(
        "few calls",
        "asterisk.conf:",
        "maxcalls is 5",
        edit("asterisk.conf", "[options]", "[options]\nmaxcalls = 5"),
    ),
    fault(
        "half an external address",
        "pjsip.conf:",
        "its twin is not",
        one_external_address,
    ),
    fault(
        "a copied username",
        "pjsip-extensions.conf:",
        "have the same username 100",
        phones("username = 101", "username = 100"),
    ),
    fault(
        "a file included by another name",
        "pjsip.conf:",
        "there is no such file",
        edit("pjsip.conf", "pjsip-trunk.conf", "pjsip-trunks.conf"),
    ),
    fault(
        "one connection for all",
        "websocket_client.conf:",
        "a connection of its own",
        socket_conf("= per_call_config", "= persistent"),
    ),
    fault(
        "a mailbox after hours",
        "modules.conf:",
        "app_voicemail is not loaded",
        dialplan(
            "exten => _[+0-9]!,1,Goto(agent,${EXTEN},1)",
            "exten => _[+0-9]!,1,GotoIfTime(8:00-18:00,*,*,*?agent,${EXTEN},1)\n"
            " same => n,VoiceMail(100@house,u)",
        ),
    ),
    fault(
        "blanks in Set",
        "extensions.conf:",
        "the blank before = belongs to the name",
        both(
            ais('[ai.desk]\nprompt = "x"\n[ai.sales]\nprompt = "y"\n'),
            dialplan(
                ";exten => 1001,1,Set(AI=sales)\n; same",
                "exten => 1001,1,Set(AI = sales)\n same",
            ),
        ),
    ),
    fault(
        "a blank before the name",
        "extensions.conf:",
        "sets the AI ' sales'",
        both(
            ais('[ai.desk]\nprompt = "x"\n[ai.sales]\nprompt = "y"\n'),
            dialplan(
                ";exten => 1001,1,Set(AI=sales)\n; same",
                "exten => 1001,1,Set(AI= sales)\n same",
            ),
        ),
    ),
    fault(
        "the telephone's rate",
        "OFFHOOK_TTS_RATE",
        "which is the telephone's",
        env(OFFHOOK_TTS_RATE="8000"),
        W,
    ),
    fault("a key in quotes", "OPENAI_API_KEY", "the quotes around", key_in_quotes),
    fault(
        "an address of another machine",
        "websocket_client.conf:",
        "the agent listens on 10.0.0.5 only",
        env(OFFHOOK_HOST="10.0.0.5", OFFHOOK_TOKEN="t" * 32),
    ),
    fault(
        "no embeddings there",
        "OFFHOOK_EMBEDDINGS_URL",
        "not found by meaning",
        no_embeddings_there,
    ),
    fault(
        "bits behind the mask",
        "OFFHOOK_WEBHOOK_ALLOW",
        "host bits",
        env(OFFHOOK_WEBHOOK_ALLOW="10.20.0.1/16"),
    ),
    fault(
        "/ in a key",
        "OFFHOOK_ENDPOINTS",
        "the key of far has a /",
        key_with_a_slash,
    ),
    fault("UK", "OFFHOOK_COUNTRY", "not ISO 3166", env(OFFHOOK_COUNTRY="UK")),
    fault(
        "e-mails without a server",
        "OFFHOOK_AIS",
        "send_email needs OFFHOOK_SMTP_HOST",
        ais('[ai.desk]\nprompt = "x"\ntool_names = ["send_email"]\n'),
    ),
    fault(
        "a secret that is not set",
        "OFFHOOK_AIS",
        "no OFFHOOK_SECRET_* that is set",
        ais(
            '[ai.desk]\nprompt = "x"\n[[ai.desk.http_tools]]\nname = "stock"\n'
            'description = "How many."\nurl = "https://shop.example/stock"\n'
            'secret = "OFFHOOK_SECRET_SHOP"\n'
        ),
    ),
    fault(
        "default below a table",
        "OFFHOOK_AIS",
        "unknown key 'default'",
        ais('[ai.desk]\nprompt = "x"\n\ndefault = "desk"\n'),
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_is_named(fault, setup, tally):
    fault.break_it(setup)
    await examine(setup, fault, tally)


async def test_a_bucket_named_twice_is_named(setup, tally, moto_url):
    url = f"{moto_url}/kept-twice"
    setup.environment |= {"S3_BUCKET": "kept-twice", "S3_ENDPOINT_URL": url}
    wanted = Fault("twice", lambda _: None, "S3_ENDPOINT_URL", "in the address", W)
    await examine(setup, wanted, tally)


async def test_a_mail_server_that_waits_for_tls_is_named(setup, tally):
    """It takes the connection and says nothing, as port 465 does."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        setup.environment |= {
            "OFFHOOK_SMTP_HOST": "127.0.0.1",
            "OFFHOOK_SMTP_PORT": str(silent.getsockname()[1]),
            "OFFHOOK_SMTP_FROM": "a@example.com",
        }
        wanted = Fault("mail", lambda _: None, "OFFHOOK_SMTP_SECURITY", "first byte")
        await examine(setup, wanted, tally)


async def test_a_server_without_our_api_is_named(setup, tally):
    """A page of somebody else's, and nothing below /v1 either."""
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def page(path: str) -> Response:
        return Response("<html>welcome</html>", media_type="text/html")

    async with Running(app) as url:
        setup.environment["OPENAI_BASE_URL"] = f"{url}/v1"
        wanted = Fault("page", lambda _: None, "OPENAI_BASE_URL", "nonsense")
        await examine(setup, wanted, tally)


async def test_a_console_in_place_of_s3_is_named(setup, tally):
    """It has a page for whoever reads, and takes nothing."""
    app = FastAPI()

    @app.get("/{path:path}")
    async def page(path: str) -> Response:
        return Response("<html>Console</html>", media_type="text/html")

    async with Running(app) as url:
        setup.environment |= {"S3_BUCKET": "recordings", "S3_ENDPOINT_URL": url}
        wanted = Fault("console", lambda _: None, "S3_ENDPOINT_URL", "not S3")
        await examine(setup, wanted, tally)


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server of HTTP/2 alone says what it can do, and goes."""
    writer.write(bytes.fromhex("000000040000000000"))
    await writer.drain()
    writer.close()


async def test_a_collector_of_grpc_is_named(setup, tally):
    async with await asyncio.start_server(hangs_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        variable = "OTEL_EXPORTER_OTLP_ENDPOINT"
        setup.environment[variable] = f"http://127.0.0.1:{port}"
        wanted = Fault("gRPC", lambda _: None, variable, "does not speak HTTP")
        await examine(setup, wanted, tally)
