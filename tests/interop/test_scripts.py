"""scripts/asterisk, and the files that scripts/render-asterisk-conf makes for it; what
the scripts that look into logs say of calls that a real Asterisk has just had."""

import asyncio
import json
import os
import re
import socket
import subprocess
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import pytest

from agent.phone.line import CallFailed

from .asterisk import ROOT, TRUNK, eventually
from .stub_agent import StubAgent
from .tones import tone

SECRETS = [
    f"{name}_PASSWORD=x"
    for name in ("EXTENSION_100", "EXTENSION_101", "AGENT", "ARI", "AMI")
]


def render(out, *values):
    return subprocess.run(
        [ROOT / "scripts" / "render-asterisk-conf", out, *values],
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_every_file_is_filled_in(tmp_path):
    site = tmp_path / "site.conf"
    site.write_text("# ours\nAGENT_PASSWORD=a;b \\1 &c\n\nSIP_PORT=5070\n")
    out = tmp_path / "etc"
    done = render(out, *SECRETS, site, "SIP_PORT=5080")
    assert (done.returncode, done.stderr) == (0, "")
    assert "password = a\\;b \\1 &c\n" in (out / "websocket_client.conf").read_text()
    assert "bind = 0.0.0.0:5080\n" in (out / "pjsip.conf").read_text()
    for template in (ROOT / "asterisk-conf").glob("*.conf"):
        assert "@" not in (out / template.name).read_text().replace("sip:@", "")
    assert (out / "pjsip.conf").stat().st_mode & 0o077 == 0, "passwords are in there"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (SECRETS[1:], "EXTENSION_100_PASSWORD has no value (pjsip-extensions.conf)"),
        ([*SECRETS, "ARI_PASSWORD="], "ARI_PASSWORD is empty"),
        ([*SECRETS, "COLOUR=red"], "no file uses COLOUR"),
        ([*SECRETS, "port=1"], "not NAME=value: 'port=1'"),
        ([*SECRETS, "nowhere.conf"], "no such site file: nowhere.conf"),
    ],
)
def test_a_mistake_is_named_and_nothing_written(tmp_path, values, says):
    done = render(tmp_path / "etc", *values)
    assert done.returncode == 1
    assert says in done.stderr
    assert not (tmp_path / "etc").exists()


@pytest.mark.asterisk
def test_one_folder_holds_one_asterisk(asterisk):
    with pytest.raises(AssertionError, match="is up already, with pid"):
        asterisk.up()
    assert "System uptime" in asterisk.cli("core show uptime")


@pytest.mark.asterisk
def test_a_port_in_use_is_an_error(asterisk, tmp_path):
    second = replace(asterisk, folder=tmp_path / "second", http_port=0)
    with pytest.raises(AssertionError, match="cannot listen on UDP 127.0.0.1:"):
        second.up()
    assert not (second.folder / "pid").exists()
    assert asterisk.channels() == 0, "the first one is still there"


@pytest.mark.asterisk
def test_without_the_driver_it_does_not_come_up(asterisk, tmp_path):
    """As with an Asterisk that is too old to have chan_websocket."""
    (path,) = re.findall(
        "^ASTERISK_MODULES=(.*)$",
        (asterisk.folder / "given.conf").read_text(),
        re.MULTILINE,
    )
    modules = tmp_path / "modules"
    modules.mkdir()
    for module in Path(path).glob("*.so"):
        if module.name != "chan_websocket.so":
            (modules / module.name).symlink_to(module)
    second = replace(asterisk, folder=tmp_path / "second", sip_port=15090, http_port=0)
    with pytest.raises(AssertionError, match="did not boot") as failed:
        second.up(f"ASTERISK_MODULES={modules}")
    assert "Failed to load module chan_websocket.so" in str(failed.value)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 15090))


@pytest.fixture
def logged(asterisk):
    """Asterisk writes down all SIP messages meanwhile."""
    asterisk.cli("pjsip set logger on")
    yield
    asterisk.cli("pjsip set logger off")


def look(asterisk, script, call):
    """What a script says of the call, of Asterisk's log alone."""
    done = subprocess.run(
        [ROOT / "scripts" / script, call, asterisk.folder / "log" / "full", "--json"],
        env={"PATH": os.environ["PATH"]},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert report["well"] is (done.returncode == 0)
    return report


def last_call(asterisk):
    """Asterisk's id and SIP's of the call that came last."""
    return re.findall(r"app_verbose\.c: Call (\S+): SIP Call-ID (\S+)", asterisk.log)[
        -1
    ]


async def over(asterisk):
    """All has been written."""
    await eventually(lambda: not asterisk.channels())
    begun = "Begin MixMonitor"
    await eventually(
        lambda: asterisk.log.count(begun) == asterisk.log.count("End MixMonitor")
    )


@asynccontextmanager
async def refusing(asterisk, status, after=0.0):
    """An agent that takes no call."""
    stub = StubAgent("asterisk", asterisk.agent_password)

    async def refuse(socket, request):
        await asyncio.sleep(after)
        return socket.respond(status, "no\n")

    stub._check = refuse
    async with stub.listening(asterisk.agent_port):
        yield


@pytest.mark.asterisk
async def test_a_good_call(asterisk, agent, phone, logged):
    async with await phone().dial(asterisk.uri()) as line:
        call = await agent.next_call()
        await call.say(tone(1.5))
        await line.play(tone(1.5))
        await line.hear_sound(within=5)
        await line.hear_silence(0.2, within=5)
    await over(asterisk)
    _, sip = last_call(asterisk)
    for name in (call.id, sip):
        report = look(asterisk, "follow-call", name)
        assert report["cause"] == "well", report["sentence"]
        steps = {each["what"]: each["state"] for each in report["findings"][:8]}
        assert len(steps) == 8 and set(steps.values()) == {"ok"}, steps
    assert look(asterisk, "sip-ladder", call.id)["cause"] == "well"
    sound = look(asterisk, "rtp-check", call.id)
    assert sound["cause"] == "well", sound["sentence"]
    assert sound["from_phone"]["packets"] > 50 < sound["to_phone"]["packets"]
    hops = look(asterisk, "which-hop", call.id)["findings"]
    states = {each["what"]: each["state"] for each in hops}
    assert states["RTP in"] == states["WebSocket"] == states["RTP out"] == "ok"


@pytest.mark.asterisk
async def test_the_agent_is_down(asterisk, phone, logged):
    async with await phone().dial(asterisk.uri()) as line:
        await line.hear_sound(within=5)
    await over(asterisk)
    call, _ = last_call(asterisk)
    assert look(asterisk, "follow-call", call)["cause"] == "agent_down"
    assert look(asterisk, "which-hop", call)["cause"] == "websocket"


@pytest.mark.asterisk
@pytest.mark.parametrize(
    ("status", "cause"),
    [(401, "refused_unauthorised"), (404, "agent_not_found"), (503, "agent_refused")],
)
async def test_the_agent_refuses(asterisk, phone, logged, status, cause):
    async with refusing(asterisk, HTTPStatus(status)):
        async with await phone().dial(asterisk.uri()) as line:
            await line.hear_sound(within=5)
        await over(asterisk)
    assert look(asterisk, "follow-call", last_call(asterisk)[0])["cause"] == cause


@pytest.mark.asterisk
async def test_the_caller_gives_up(asterisk, phone, logged):
    async with refusing(asterisk, HTTPStatus.SERVICE_UNAVAILABLE, after=1.0):
        with pytest.raises(CallFailed):
            await phone(answer_within=0.3).dial(asterisk.uri())
        await over(asterisk)
    call, _ = last_call(asterisk)
    assert look(asterisk, "follow-call", call)["cause"] == "cancelled"
    assert look(asterisk, "sip-ladder", call)["cause"] == "cancelled"


@pytest.mark.asterisk
async def test_the_agent_is_killed(asterisk, agent, phone, logged):
    async with await phone().dial(asterisk.uri()):
        call = await agent.next_call()
        call.socket.transport.abort()
        await over(asterisk)
    report = look(asterisk, "follow-call", call.id)
    assert report["cause"] == "agent_died", report["sentence"]


@pytest.mark.asterisk
async def test_the_dialplan_records_nothing(asterisk, agent, phone, logged):
    path = asterisk.folder / "etc" / "extensions.conf"
    was = path.read_text()
    path.write_text(re.sub(r".*,MixMonitor\(.*\n", "", was))
    asterisk.cli("dialplan reload")
    try:
        async with await phone().dial(asterisk.uri()):
            call = await agent.next_call()
        await over(asterisk)
    finally:
        path.write_text(was)
        asterisk.cli("dialplan reload")
    report = look(asterisk, "follow-call", call.id)
    assert report["cause"] == "not_recorded", report["sentence"]
    missing = [e["what"] for e in report["findings"] if e["state"] == "missing"]
    assert missing == ["End MixMonitor"]


SDP = (
    f"v=0\r\no=x 1 1 IN IP4 {TRUNK}\r\ns=-\r\nc=IN IP4 {TRUNK}\r\nt=0 0\r\n"
    "m=audio 9 RTP/AVP 0\r\n"
)


class Rude(asyncio.DatagramProtocol):
    """A phone that invites, says neither ACK nor anything else, and at last BYE."""

    def __init__(self, to):
        self._to = to
        self._tag = ""
        self.answers = []

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        address = (TRUNK, 0)
        await loop.create_datagram_endpoint(lambda: self, local_addr=address)
        self._say("INVITE")
        return self

    async def __aexit__(self, *_):
        self._say("BYE")
        self._transport.close()

    def connection_made(self, transport):
        self._transport = transport
        self._port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data, _):
        message = data.decode()
        self.answers.append(message.partition("\r\n")[0])
        if tag := re.search(r"^To: .*(;tag=.*)\r$", message, re.MULTILINE):
            self._tag = tag[1]

    def _say(self, method):
        invites = method == "INVITE"
        sdp = SDP if invites else ""
        lines = [
            f"{method} sip:1000@127.0.0.1:{self._to} SIP/2.0",
            f"Via: SIP/2.0/UDP {TRUNK}:{self._port};branch=z9hG4bK{method}",
            f"From: <sip:15550100@{TRUNK}>;tag=r",
            f"To: <sip:1000@127.0.0.1>{self._tag}",
            f"Call-ID: rude-{self._port}",
            f"CSeq: {1 if invites else 2} {method}",
            f"Contact: <sip:x@{TRUNK}:{self._port}>",
            "Max-Forwards: 70",
            *(["Content-Type: application/sdp"] if invites else []),
            f"Content-Length: {len(sdp)}",
        ]
        text = "\r\n".join([*lines, "", sdp])
        self._transport.sendto(text.encode(), ("127.0.0.1", self._to))


@pytest.mark.asterisk
async def test_a_phone_that_never_acknowledges(asterisk, agent, logged):
    async with Rude(asterisk.sip_port) as rude:
        call = await agent.next_call()
        await call.say(tone(2.0))
        await eventually(lambda: rude.answers.count("SIP/2.0 200 OK") > 2)
    await over(asterisk)
    report = look(asterisk, "follow-call", call.id)
    assert report["cause"] == "no_ack", report["sentence"]
    assert look(asterisk, "sip-ladder", call.id)["cause"] == "no_ack"
    sound = look(asterisk, "rtp-check", call.id)
    assert sound["cause"] == "one_way_in", sound["sentence"]
