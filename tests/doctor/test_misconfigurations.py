"""Deliberate faults, one at a time, in a set-up that is sound: the doctor names each.

A row is how the set-up is broken, and of the finding: a part of where it is, a part of
what it says, and how bad it is.
"""

import os
import socket
import time
from collections.abc import Callable

import psycopg
import pytest

from agent.doctor.checks import SECONDS
from agent.doctor.finding import Severity
from agent.doctor.running import judged
from agent.storage.database import Database

from .setup import SetUp, somebody
from .table import Fault, ais, beside, both, edit, env, examine, fault, site

pytestmark = pytest.mark.models


def without_module(name: str, verb: str = "load") -> Callable[[SetUp], None]:
    return edit("modules.conf", f"{verb}={name}.so\n", "")


def noload(setup: SetUp) -> None:
    setup.edit("modules.conf", "autoload=no", "autoload=yes")
    setup.edit("modules.conf", "require=codec_ulaw.so", "noload=codec_ulaw.so")


def no_module_file(setup: SetUp) -> None:
    modules = setup.folder / "modules"
    modules.mkdir()
    setup.site["ASTERISK_MODULES"] = str(modules)


def hook(mode: int | None) -> Callable[[SetUp], None]:
    def change(setup: SetUp) -> None:
        script = setup.folder / "hook.sh"
        if mode is not None:
            script.write_text("#!/bin/sh\n")
            script.chmod(mode)
        setup.site["UPLOAD_HOOK"] = str(script)

    return change


def monitor_is_a_file(setup: SetUp) -> None:
    path = setup.folder / "file"
    path.write_text("")
    setup.environment["OFFHOOK_SPOOL"] = str(path / "spool")


def recordings_elsewhere(setup: SetUp) -> None:
    other = setup.folder / "elsewhere"
    other.mkdir()
    setup.site["RECORDINGS"] = str(other)


def no_monitor(setup: SetUp) -> None:
    (setup.folder / "monitor").rmdir()


def broken_model(setup: SetUp) -> None:
    models = setup.folder / "models"
    real = setup.environment["OFFHOOK_MODELS"]
    for name in ("silero-vad", "smart-turn-v3.2"):
        (models / name).mkdir(parents=True)
        for file in os.listdir(f"{real}/{name}"):
            (models / name / file).symlink_to(f"{real}/{name}/{file}")
    broken = models / "silero-vad" / "silero_vad.onnx"
    content = bytearray(broken.read_bytes())
    content[1000] ^= 1
    broken.unlink()
    broken.write_bytes(content)
    setup.environment["OFFHOOK_MODELS"] = str(models)


def old_job(setup: SetUp) -> None:
    spool = setup.folder / "data" / "spool"
    spool.mkdir()
    (spool / "1.job").write_text("{}")
    an_hour_ago = time.time() - 3600
    os.utime(spool / "1.job", (an_hour_ago, an_hour_ago))


def rejected_recording(setup: SetUp) -> None:
    rejected = setup.folder / "data" / "spool" / "rejected"
    rejected.mkdir(parents=True)
    (rejected / "1.wav.reason").write_text("not a WAV")


def rejected_facts(setup: SetUp) -> None:
    journal = setup.folder / "data" / "journal"
    journal.mkdir()
    (journal / "rejected.jsonl").write_text("{}\n")


def damaged_database(setup: SetUp) -> None:
    path = setup.folder / "data" / "offhook.db"
    path.write_bytes(b"not a database" * 1000)


def agent_gone(setup: SetUp) -> None:
    port = _free_port()
    setup.environment["OFFHOOK_PORT"] = str(port)
    setup.site["AGENT_URL"] = f"ws://127.0.0.1:{port}/telephony/ws"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stranger_on_our_port(setup: SetUp) -> None:
    port = setup.provider.rpartition(":")[2]
    setup.environment["OFFHOOK_PORT"] = port
    setup.site["AGENT_URL"] = f"ws://127.0.0.1:{port}/telephony/ws"


def public_trunk(setup: SetUp) -> None:
    setup.site |= {"SIP_ADDRESS": "10.1.2.3", "TRUNK_ADDRESS": "8.8.4.4"}


def half_nat(setup: SetUp) -> None:
    setup.edit("pjsip.conf", ";external_media_address", "external_media_address")
    setup.edit("pjsip.conf", ";local_net", "local_net")


def nat_without_local(setup: SetUp) -> None:
    for name in ("external_signaling_address", "external_media_address"):
        setup.edit("pjsip.conf", f";{name}", name)


W = Severity.WARNING
FAULTS = [
    # the environment
    fault("typo", "OFFHOOK_MAX_CALS", "OFFHOOK_MAX_CALLS", env(OFFHOOK_MAX_CALS="5")),
    fault("not a number", "OFFHOOK_PORT", "not a number", env(OFFHOOK_PORT="abc")),
    fault(
        "provider without model",
        "OPENAI_MODEL",
        "not set",
        env(OPENAI_MODEL=""),
    ),
    fault(
        "unused",
        "OFFHOOK_SMTP_FROM",
        "no effect",
        env(OFFHOOK_SMTP_FROM="a@example.com"),
        W,
    ),
    fault(
        "weak password",
        "OFFHOOK_MEDIA_PASSWORD",
        "guessed",
        both(env(OFFHOOK_MEDIA_PASSWORD="1234"), site(AGENT_PASSWORD="1234")),
        W,
    ),
    fault(
        "open house", "OFFHOOK_TOKEN", "neither token", env(OFFHOOK_HOST="0.0.0.0"), W
    ),
    fault("short token", "OFFHOOK_TOKEN", "guessed", env(OFFHOOK_TOKEN="abc"), W),
    fault(
        "one port twice",
        "OFFHOOK_AUDIOSOCKET_PORT",
        "and so is OFFHOOK_PORT",
        lambda setup: setup.environment.update(
            OFFHOOK_AUDIOSOCKET_PORT=setup.environment["OFFHOOK_PORT"]
        ),
    ),
    fault(
        "AI without provider",
        "OFFHOOK_AIS",
        "groq",
        ais('[ai.a]\nprompt = "x"\nengine_model = "groq.llama"\n'),
    ),
    fault(
        "broken AIs", "OFFHOOK_AIS", "ais.toml", ais('[ai.a]\nprompt = "x"\nfoo = 1\n')
    ),
    # modules
    fault(
        "no chan_websocket",
        "modules.conf:",
        "chan_websocket is not loaded",
        without_module("chan_websocket", "require"),
    ),
    fault(
        "no websocket client",
        "modules.conf:",
        "res_websocket_client is not loaded",
        without_module("res_websocket_client", "require"),
    ),
    fault(
        "no mixmonitor",
        "modules.conf:",
        "app_mixmonitor is not loaded",
        without_module("app_mixmonitor", "require"),
    ),
    fault(
        "no curl",
        "modules.conf:",
        "func_curl is not loaded",
        without_module("func_curl"),
    ),
    fault(
        "no timing",
        "modules.conf:",
        "timing",
        without_module("res_timing_timerfd"),
    ),
    fault("noload ulaw", "modules.conf:", "codec_ulaw is not loaded", noload),
    fault("no wav", "modules.conf:", "format_wav", without_module("format_wav")),
    fault("modules not installed", "modules/", "not installed", no_module_file),
    # the way to the agent
    fault(
        "wrong password",
        "websocket_client.conf:",
        "OFFHOOK_MEDIA_PASSWORD",
        site(AGENT_PASSWORD="another one"),
    ),
    fault(
        "wrong user",
        "websocket_client.conf:",
        "OFFHOOK_MEDIA_USERNAME",
        site(AGENT_USER="somebody"),
    ),
    fault(
        "wrong port",
        "websocket_client.conf:",
        "OFFHOOK_PORT is",
        site(AGENT_URL="ws://127.0.0.1:7999/telephony/ws"),
    ),
    fault(
        "wrong path",
        "websocket_client.conf:",
        "/telephony/ws",
        lambda setup: setup.site.update(
            AGENT_URL=setup.site["AGENT_URL"].replace("/telephony/ws", "/media")
        ),
    ),
    fault(
        "http for ws",
        "websocket_client.conf:",
        "not ws://",
        lambda setup: setup.site.update(
            AGENT_URL=setup.site["AGENT_URL"].replace("ws://", "http://")
        ),
    ),
    fault(
        "wss without TLS",
        "websocket_client.conf:",
        "tls_enabled",
        site(AGENT_URL="wss://agent.example/telephony/ws"),
    ),
    fault(
        "agent on loopback, Asterisk elsewhere",
        "websocket_client.conf:",
        "listens on 127.0.0.1 only",
        site(AGENT_URL="ws://10.9.8.7:7860/telephony/ws"),
    ),
    fault(
        "no authority",
        "websocket_client.conf:",
        "there is no file",
        site(
            AGENT_URL="wss://agent.example/telephony/ws",
            AGENT_TLS="yes",
            AGENT_CA_FILE="/nowhere/ca.pem",
        ),
    ),
    fault(
        "section renamed",
        "extensions.conf:",
        "WebSocket/ai_media",
        edit("websocket_client.conf", "[ai_media]", "[media]"),
    ),
    fault(
        "wrong sub-protocol",
        "websocket_client.conf:",
        "protocols",
        edit("websocket_client.conf", "protocols = media", "protocols = audio"),
    ),
    fault(
        "one connection for all",
        "websocket_client.conf:",
        "of its own",
        edit("websocket_client.conf", "per_call_config", "persistent"),
    ),
    fault(
        "patient",
        "websocket_client.conf:",
        "connection_timeout",
        edit("websocket_client.conf", "= 500 ", "= 30000 "),
        W,
    ),
    fault(
        "other AGENT",
        "extensions.conf:",
        "AGENT is",
        edit("extensions.conf", "AGENT = ws://", "AGENT = ws://other"),
    ),
    # the dialplan
    fault(
        "no context",
        "pjsip-trunk.conf:",
        "from-carrier",
        edit("pjsip-trunk.conf", "context = from-trunk", "context = from-carrier"),
    ),
    fault(
        "Goto nowhere",
        "extensions.conf:",
        "agent-mising",
        edit("extensions.conf", "?agent-missing,s,1", "?over:agent-mising,s,1"),
    ),
    fault(
        "codec that we do not speak",
        "extensions.conf:",
        "opus",
        edit("extensions.conf", "c(ulaw)", "c(opus)"),
    ),
    fault(
        "no call id",
        "extensions.conf:",
        "call's id",
        edit("extensions.conf", "v(${QUERY})", ""),
    ),
    fault(
        "never rendered",
        "extensions.conf:",
        "@FALLBACK@",
        edit("extensions.conf", "FALLBACK = ", "FALLBACK = @FALLBACK@"),
    ),
    fault(
        "a line that is none",
        "rtp.conf:",
        "does not understand",
        edit("rtp.conf", "rtpstart = ", "rtpstart "),
        W,
    ),
    # recordings
    fault(
        "other folder", "extensions.conf:", "OFFHOOK_MONITOR is", recordings_elsewhere
    ),
    fault("no folder", "extensions.conf:", "there is no folder", no_monitor),
    fault("hook missing", "extensions.conf:", "no upload hook", hook(None)),
    fault("hook not executable", "extensions.conf:", "not executable", hook(0o644)),
    fault("spool is no folder", "OFFHOOK_SPOOL", "not a folder", monitor_is_a_file),
    fault("stuck", "spool", "wait in the spool", old_job, W),
    fault("rejected", "rejected", "were rejected", rejected_recording, W),
    fault("facts rejected", "rejected.jsonl", "rejected", rejected_facts, W),
    # SIP and sound
    fault(
        "no ulaw",
        "pjsip.conf:",
        "ulaw",
        edit("pjsip.conf", "allow = ulaw,alaw", "allow = alaw"),
        W,
    ),
    fault(
        "no codec",
        "pjsip.conf:",
        "no codec",
        edit("pjsip.conf", "allow = ulaw,alaw", ""),
    ),
    fault(
        "direct media",
        "pjsip.conf:",
        "past Asterisk",
        edit("pjsip.conf", "direct_media = no", "direct_media = yes"),
    ),
    fault(
        "guessable phone",
        "pjsip-extensions.conf:",
        "guessed",
        site(EXTENSION_100_PASSWORD="100"),
        W,
    ),
    fault(
        "the world is the trunk",
        "pjsip-trunk.conf:",
        "whole world",
        site(SIP_ADDRESS="0.0.0.0", TRUNK_ADDRESS="0.0.0.0/0"),
    ),
    fault(
        "auth is not there",
        "pjsip-extensions.conf:",
        "auth '100'",
        edit("pjsip-extensions.conf", "[100]\ntype = auth", "[1000]\ntype = auth"),
    ),
    fault(
        "loopback and a carrier",
        "pjsip.conf:",
        "listens on 127.0.0.1 only",
        site(TRUNK_ADDRESS="8.8.4.4"),
    ),
    fault("NAT unknown", "pjsip.conf:", "is public", public_trunk, W),
    fault("NAT by half", "pjsip.conf:", "twin", half_nat),
    fault("NAT without house", "pjsip.conf:", "local_net", nat_without_local, W),
    fault(
        "few RTP ports",
        "rtp.conf:",
        "enough for 10 calls",
        site(RTP_FIRST_PORT="20000", RTP_LAST_PORT="20019"),
    ),
    fault(
        "RTP backwards",
        "rtp.conf:",
        "no range",
        site(RTP_FIRST_PORT="20000", RTP_LAST_PORT="10000"),
    ),
    fault(
        "SIP among RTP",
        "pjsip.conf:",
        "lies among",
        site(SIP_PORT="15060"),
    ),
    # AMI and HTTP
    fault(
        "AMI's secret",
        "manager.conf:",
        "OFFHOOK_AMI_PASSWORD",
        site(AMI_PASSWORD="another"),
    ),
    fault(
        "AMI's port",
        "manager.conf:",
        "OFFHOOK_AMI_PORT",
        site(AMI_PORT="5999"),
    ),
    fault(
        "AMI for all",
        "manager.conf:",
        "in clear",
        site(AMI_ADDRESS="0.0.0.0"),
        W,
    ),
    fault(
        "AMI off",
        "manager.conf:",
        "AMI is off",
        edit("manager.conf", "enabled = yes", "enabled = no"),
    ),
    fault(
        "AMI may not",
        "manager.conf:",
        "may not write",
        edit("manager.conf", "write = call", "write = "),
    ),
    fault("ARI for all", "http.conf:", "ARI", site(HTTP_ADDRESS="0.0.0.0"), W),
    fault(
        "AMI refuses",
        "OFFHOOK_AMI_PASSWORD",
        "refuses",
        beside(ami_secret="changed since"),
    ),
    fault("Asterisk is old", "Asterisk", "older than 22.8", beside(version="20.5.0")),
    # models
    fault("model broken", "silero_vad.onnx", "SHA-256", broken_model),
    fault(
        "models elsewhere",
        "nowhere/silero-vad",
        "missing",
        lambda setup: setup.environment.update(
            OFFHOOK_MODELS=str(setup.folder / "nowhere")
        ),
    ),
    fault(
        "unknown model",
        "OFFHOOK_TURN_MODEL",
        "smart-torn",
        env(OFFHOOK_TURN_MODEL="smart-torn"),
    ),
    fault(
        "LLM not there",
        "OPENAI_BASE_URL",
        "unreachable",
        env(OPENAI_BASE_URL="http://127.0.0.1:9/v1"),
    ),
    fault("LLM's key", "OPENAI_API_KEY", "refused", beside(chat_status=401)),
    fault("LLM's name", "OPENAI_MODEL", "bad_request", beside(chat_status=404)),
    fault("no credit", "OPENAI_API_KEY", "no_credit", beside(chat_status=402)),
    fault(
        "LLM without /v1",
        "OPENAI_BASE_URL",
        "bad_request",
        lambda setup: setup.environment.update(OPENAI_BASE_URL=setup.provider),
    ),
    fault("voice fails", "OFFHOOK_TTS", "server_error", beside(speech_status=500)),
    fault("ears fail", "OFFHOOK_STT", "refused", beside(hearing_status=401)),
    fault(
        "no mail server",
        "OFFHOOK_SMTP_HOST",
        "does not answer",
        env(
            OFFHOOK_SMTP_HOST="127.0.0.1",
            OFFHOOK_SMTP_PORT="9",
            OFFHOOK_SMTP_FROM="a@example.com",
        ),
    ),
    # storage
    fault("database damaged", "DATABASE_URL", "not a database", damaged_database),
    fault(
        "database away",
        "DATABASE_URL",
        "does not answer",
        env(DATABASE_URL="postgresql://me:secret@127.0.0.1:9/calls"),
    ),
    fault(
        "database misspelt",
        "DATABASE_URL",
        "mysql",
        env(DATABASE_URL="mysql://me@127.0.0.1/calls"),
    ),
    fault(
        "bucket's server away",
        "S3_ENDPOINT_URL",
        "cannot write",
        env(S3_BUCKET="kept", S3_ENDPOINT_URL="http://127.0.0.1:9"),
    ),
    # this machine
    fault(
        "few files",
        "ulimit -n",
        "may be open",
        lambda setup: setattr(setup, "open_files", 256),
    ),
    fault(
        "disk full",
        "OFFHOOK_DATA",
        "are free",
        lambda setup: setattr(setup, "free_bytes", 2**20),
    ),
    fault(
        "disk nearly full",
        "OFFHOOK_MONITOR",
        "an hour",
        lambda setup: setattr(setup, "free_bytes", 2**30),
        W,
    ),
    # what runs
    fault("agent down", "OFFHOOK_PORT", "no agent answers", agent_gone),
    fault("a stranger", "OFFHOOK_PORT", "is not the agent", stranger_on_our_port),
    fault("not ready", "http://", "not ready", beside(ready=503)),
    fault("behind", "http://", "not in the database", beside(behind=5000), W),
    fault(
        "worker down",
        "OFFHOOK_WORK_PORT",
        "does not answer",
        env(OFFHOOK_WORK_PORT="9"),
    ),
    fault(
        "worker waits",
        "DATABASE_URL",
        "waits for the database",
        beside(working="waiting for the database"),
        W,
    ),
    fault("Asterisk down", "pjsip.conf:", "does not run", site(SIP_PORT="5099")),
]
LATER = [
    # Thought of after the checks were written, by reading the sites' files again.
    fault(
        "Dail",
        "extensions.conf:",
        "Dail",
        edit("extensions.conf", "Dial(Web", "Dail(Web"),
    ),
    fault(
        "no trunk file",
        "pjsip.conf:",
        "other-trunk.conf",
        edit("pjsip.conf", '"pjsip-trunk.conf"', '"other-trunk.conf"'),
    ),
    fault("not our address", "pjsip.conf:", "10.9.8.7", site(SIP_ADDRESS="10.9.8.7")),
    fault(
        "files for another folder",
        "asterisk.conf:",
        "astetcdir",
        site(ASTERISK_ETC="/x"),
        W,
    ),
    fault(
        "TCP only",
        "pjsip.conf:",
        "udp",
        edit("pjsip.conf", "protocol = udp", "protocol = upd"),
    ),
    fault(
        "bucket's server without http",
        "S3_ENDPOINT_URL",
        "127.0.0.1:9000",
        env(S3_BUCKET="kept", S3_ENDPOINT_URL="127.0.0.1:9000"),
    ),
    fault(
        "LLM without http",
        "OPENAI_BASE_URL",
        "unreachable",
        env(OPENAI_BASE_URL="127.0.0.1:8000/v1"),
    ),
    fault(
        "noise service away",
        "OFFHOOK_NC_URL",
        "does not answer",
        both(
            env(OFFHOOK_NC_URL="ws://127.0.0.1:9"),
            ais('[ai.a]\nprompt = "x"\nnoise = "service"\n'),
        ),
    ),
    fault(
        "nothing recorded",
        "extensions.conf",
        "records",
        edit("extensions.conf", "n,MixMonitor(", "n,NoOp("),
        W,
    ),
    fault("AMI elsewhere", "OFFHOOK_AMI_PORT", "AMI", env(OFFHOOK_AMI_PORT="9")),
    fault(
        "no pjsip.conf",
        "pjsip.conf",
        "is missing",
        lambda setup: setup.gone.append("pjsip.conf"),
    ),
    fault(
        "agent on an address that is not ours",
        "OFFHOOK_HOST",
        "10.9.8.7",
        env(OFFHOOK_HOST="10.9.8.7", OFFHOOK_TOKEN="t" * 32),
    ),
    fault(
        "bucket without a server",
        "S3_BUCKET",
        "Bucket",
        env(S3_BUCKET="My Bucket!", S3_ENDPOINT_URL="http://127.0.0.1:9"),
    ),
    fault(
        "phone without a context",
        "pjsip-extensions.conf:",
        "default",
        edit("pjsip-extensions.conf", "context = from-internal", ""),
    ),
    fault(
        "one password for all",
        "pjsip-extensions.conf:",
        "guessed",
        site(EXTENSION_101_PASSWORD="12345678"),
        W,
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_is_named(fault, setup, tally):
    fault.break_it(setup)
    await examine(setup, fault, tally)


@pytest.mark.parametrize("fault", LATER, ids=lambda fault: fault.name)
async def test_another_is_named(fault, setup, tally):
    fault.break_it(setup)
    await examine(setup, fault, tally)


def test_there_are_enough_of_them():
    names = {fault.name for fault in [*FAULTS, *LATER]}
    assert len(names) == len(FAULTS) + len(LATER) >= 40
    assert SECONDS < 10


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
async def test_a_taken_port_is_named_before_the_start(kind, setup, tally):
    setup.before_start = True
    setup.site["SIP_PORT"] = "5061"
    udp = kind is socket.SOCK_DGRAM
    with somebody(kind) as port:
        if udp:
            setup.site["SIP_PORT"] = str(port)
        else:
            setup.environment["OFFHOOK_PORT"] = str(port)
        what = f"{'UDP' if udp else 'TCP'} port {port} is taken by"
        where = "pjsip.conf:" if udp else "OFFHOOK_PORT"
        named = Fault(f"taken {kind}", lambda _: None, where, what)
        await examine(setup, named, tally)


async def test_a_newer_database_is_named(setup, tally, postgres_server):
    with postgres_server.copy_of("template1") as url:
        database = Database(url)
        await database.open()
        await database.close()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("UPDATE alembic_version SET version_num = 'v9999'")
        setup.environment["DATABASE_URL"] = url
        newer = Fault("newer", lambda _: None, "DATABASE_URL", "v9999")
        await examine(setup, newer, tally)


@pytest.mark.parametrize(
    ("code", "where"),
    [
        ("AccessDenied", "AWS_ACCESS_KEY_ID"),
        ("InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
        ("SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"),
        ("RequestTimeTooSkewed", "clock"),
        ("NoSuchBucket", "S3_BUCKET"),
    ],
)
async def test_what_a_bucket_answers_is_named(code, where, setup, tally):
    from fastapi import FastAPI, Response

    from tests.fakes.provider import Running

    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "PUT", "DELETE", "HEAD"])
    async def refuse(path: str) -> Response:
        body = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
        return Response(body, 403 if code != "NoSuchBucket" else 404)

    async with Running(app) as url:
        setup.environment |= {
            "S3_BUCKET": "kept",
            "S3_ENDPOINT_URL": url,
            "S3_CREATE_BUCKET": "no",
        }
        await examine(setup, Fault(code, lambda _: None, where, code), tally)


async def test_a_bucket_without_keys_is_named(setup, tally, moto_url, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(setup.folder))
    setup.environment |= {"S3_BUCKET": "kept", "S3_ENDPOINT_URL": moto_url}
    wanted = Fault("no keys", lambda _: None, "AWS_ACCESS_KEY_ID", "redentials")
    await examine(setup, wanted, tally)


@pytest.mark.parametrize(
    ("version", "severity", "what"),
    [
        ("20.5.0", Severity.ERROR, "older than 22.8"),
        ("22.7.0", Severity.ERROR, "1587"),
        ("22.8.0", Severity.WARNING, "1785"),
        ("22.9.1", Severity.WARNING, "1928"),
        ("22.10.1~dfsg", Severity.OK, "1979"),
        ("22.11.0", Severity.OK, "22.11.0"),
        ("23.1.0", Severity.OK, "23.1.0"),
        ("GIT-master", Severity.OK, "GIT-master"),
    ],
)
def test_versions_of_asterisk(version, severity, what):
    (finding,) = judged(version)
    assert finding.severity is severity
    assert what in finding.what
