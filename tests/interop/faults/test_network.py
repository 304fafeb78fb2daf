"""Between the phone and Asterisk, and between Asterisk and the agent: what the network,
the carrier, strangers and hands in the configuration do."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from agent.phone.line import CallFailed, CallOver
from tests.interop.asterisk import STRANGER, TRUNK, Asterisk, eventually, place

from .rawsip import RawCaller, sdp
from .stage import AIS as DESK
from .stage import QUESTION, Stage, Staged, Verdict

pytestmark = [
    pytest.mark.asterisk,
    pytest.mark.models,
    pytest.mark.asyncio(loop_scope="module"),
]

AIS = (
    DESK
    + """
[ai.impatient]
greeting = "Hello."
prompt = "You are the receptionist."
silence = {seconds = 1.5, reprompts = 1}
[ai.brief]
greeting = "Hello."
prompt = "You are the receptionist."
max_minutes = 0.05
warn_seconds = 0
"""
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(staged: Staged) -> AsyncIterator[Stage]:
    async with staged(ais=AIS) as stage:
        yield stage


@pytest.fixture(scope="module")
def own(
    asterisk: Asterisk, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asterisk]:
    """One whose configuration may be spoilt, in front of the same agent."""
    with place() as number:
        folder = tmp_path_factory.mktemp("own")
        ours = replace(Asterisk.at(number, folder), agent_port=asterisk.agent_port)
        ours.up()
        yield ours
        ours.down()


@contextmanager
def answered_by(asterisk: Asterisk, ai: str) -> Iterator[None]:
    asterisk.cli(f"dialplan set global AI {ai}")
    try:
        yield
    finally:
        asterisk.cli('dialplan set global AI ""')


@contextmanager
def spoilt(
    asterisk: Asterisk, file: str, old: str, new: str, reload: str
) -> Iterator[None]:
    """A line of a configuration file is another for a while."""
    path = asterisk.folder / "etc" / file
    was = path.read_text()
    path.write_text(re.sub(old, new, was, flags=re.MULTILINE))
    assert path.read_text() != was
    asterisk.cli(reload)
    try:
        yield
    finally:
        path.write_text(was)
        asterisk.cli(reload)


def said(verdict: Verdict) -> str:
    return " | ".join((verdict.sentence, *verdict.besides))


def newest(asterisk: Asterisk, caller: RawCaller) -> str:
    found = re.findall(r"app_verbose\.c: Call (\S+): SIP Call-ID (\S+)", asterisk.log)
    return next(unique for unique, sip in found if sip == caller.call_id)


async def gone(asterisk: Asterisk) -> None:
    await eventually(lambda: not asterisk.channels())


async def explained(stage: Stage, own: Asterisk, call: str) -> Verdict:
    """With the log of the Asterisk that may be spoilt."""
    return await stage.explain(call, "--log", str(own.folder / "log" / "full"))


# Sound.


@pytest.mark.fault("50", "a fifth of the caller's packets is lost")
async def test_packets_are_lost(stage: Stage):
    chance = random.Random(50)
    journey = lambda: () if chance.random() < 0.2 else (0.0,)  # noqa: E731
    async with stage.call(journey=journey) as (line, call):
        await line.play(QUESTION)
        await line.press("5")
        await line.hear_silence(1, within=20)
    await stage.over(call)
    verdict = await stage.explain(call)
    assert re.search(
        r"\d+\.\d% of the packets from the phone were lost", said(verdict)
    ), verdict


@pytest.mark.fault("50", "the caller's packets come 0 to 240 ms late")
async def test_packets_come_unevenly(stage: Stage):
    chance = random.Random(50)
    async with stage.call(journey=lambda: (chance.uniform(0.0, 0.24),)) as (line, call):
        await line.play(QUESTION)
        await line.press("5")
        # Asterisk counts anew every five seconds.
        await asyncio.sleep(3)
    await stage.over(call)
    verdict = await stage.explain(call)
    assert re.search(r"packets from the phone are \d+ ms uneven", said(verdict))


@pytest.mark.fault("50", "a tenth of the caller's packets comes twice")
async def test_packets_come_twice(stage: Stage):
    chance = random.Random(50)

    def journey() -> tuple[float, ...]:
        dice = chance.random()
        return (0.0, 0.0) if dice < 0.1 else (0.03,) if dice < 0.3 else (0.0,)

    async with stage.call(journey=journey) as (line, call):
        await line.play(QUESTION)
        await line.press("5")
    await stage.over(call)
    verdict = await stage.explain(call)
    log = stage.offhook.log.read_text()
    keys = [x for x in log.splitlines() if f"call={call} " in x and "[DTMF]" in x]
    assert len(keys) == 1
    assert re.search(r"\d+% of the packets from the phone came twice", said(verdict))


@pytest.mark.fault("50", "no sound comes from the phone: a firewall, or NAT")
async def test_no_sound_comes(stage: Stage):
    async with RawCaller(stage.asterisk.sip_port) as caller:
        assert await caller.answered() == 200
        await asyncio.sleep(2)
    await gone(stage.asterisk)
    call = newest(stage.asterisk, caller)
    await stage.over(call)
    verdict = await stage.explain(call)
    assert "one-way: nothing came from the phone" in verdict.sentence, verdict
    assert "firewall" in verdict.sentence or "NAT" in verdict.sentence, verdict


@pytest.mark.fault(
    "50", "the phone asks for its sound at an address that is not its own"
)
async def test_a_wrong_address(stage: Stage):
    offer = sdp("192.168.77.5", 4000)
    async with RawCaller(stage.asterisk.sip_port, offer=offer) as caller:
        assert await caller.answered() == 200
        await asyncio.sleep(2)
    await gone(stage.asterisk)
    call = newest(stage.asterisk, caller)
    await stage.over(call)
    verdict = await stage.explain(call)
    assert "192.168.77.5" in verdict.sentence, verdict
    assert "NAT" in verdict.sentence, verdict


@pytest.mark.fault("50", "the caller is silent")
async def test_the_caller_is_silent(stage: Stage):
    with answered_by(stage.asterisk, "impatient"):
        async with await stage.phone().dial(stage.asterisk.uri()) as line:
            await line.ended(within=40)
    call = stage.newest_in_asterisk()
    await stage.over(call)
    verdict = await stage.explain(call)
    assert "the caller said nothing more" in verdict.sentence, verdict
    assert "packets came from the phone" in verdict.sentence, verdict
    assert "the caller was silent, or muted" in verdict.sentence, verdict


@pytest.mark.fault("50", "the phone vanishes without a goodbye")
async def test_the_phone_vanishes(stage: Stage, own: Asterisk):
    patient, here = "^rtp_timeout = 60 ", "rtp_timeout = 3 "
    with spoilt(own, "pjsip.conf", patient, here, "module reload res_pjsip.so"):
        async with RawCaller(own.sip_port) as caller:
            assert await caller.answered() == 200
            caller.vanish()
            await gone(own)
    call = newest(own, caller)
    await stage.over(call)
    verdict = await explained(stage, own, call)
    assert "no sound came from the phone for 3 s" in verdict.sentence, verdict


# Signalling.


@pytest.mark.fault("19", "the phone never acknowledges")
async def test_no_ack(stage: Stage, own: Asterisk):
    async with RawCaller(own.sip_port, acknowledges=False) as caller:
        assert await caller.answered() == 200
        await eventually(lambda: caller.oks > 2)
    await gone(own)
    call = newest(own, caller)
    await stage.over(call)
    verdict = await explained(stage, own, call)
    assert "never acknowledged" in verdict.sentence, verdict
    assert "external_signaling_address" in verdict.sentence, verdict


@pytest.mark.fault("19", "the phone speaks no codec of ours")
async def test_no_codec_in_common(stage: Stage):
    offer = sdp(TRUNK, 9, "9 18", ("a=rtpmap:9 G722/8000", "a=rtpmap:18 G729/8000"))
    async with RawCaller(stage.asterisk.sip_port, offer=offer) as caller:
        assert await caller.answered() == 488
    verdict = await stage.explain(caller.call_id)
    assert "no codec in common" in verdict.sentence, verdict
    assert "G722" in verdict.sentence and "allow" in verdict.sentence, verdict


@pytest.mark.fault("39", "a stranger tries numbers")
async def test_a_stranger(stage: Stage):
    async with stage.call() as (line, call):
        for number in range(30):
            caller = f"<sip:{1000 + number}@{STRANGER}>"
            async with RawCaller(
                stage.asterisk.sip_port, f"00{number}", address=STRANGER, caller=caller
            ) as stranger:
                assert await stranger.answered() == 401
        assert stage.asterisk.channels() == 2  # the caller's and the agent's
        await line.play(QUESTION)
        await line.hear_sound(within=20)
        await line.hear_silence(1, within=20)
    verdict = await stage.explain(stranger.call_id)
    assert f"the caller's address ({STRANGER}:" in verdict.sentence, verdict
    assert "is not TRUNK_ADDRESS" in verdict.sentence, verdict
    assert (await stage.newest()) == call


@pytest.mark.fault("36", "an extension's password is wrong")
async def test_a_wrong_password(stage: Stage):
    desk = stage.phone(local_address="127.0.0.1", caller="100", password="wrong")
    with pytest.raises(CallFailed):
        await desk.dial(stage.asterisk.uri())
    sip = re.findall(r"^Call-ID: (\S+)", stage.asterisk.log, re.MULTILINE)[-1]
    verdict = await stage.explain(sip)
    assert "the phone's password is wrong (EXTENSION_" in verdict.sentence, verdict


@pytest.mark.fault("19", "nobody has the number")
async def test_nobody_has_the_number(stage: Stage):
    desk = stage.phone(
        local_address="127.0.0.1",
        caller="100",
        password=stage.asterisk.extension_password,
    )
    with pytest.raises(CallFailed):
        await desk.dial(stage.asterisk.uri("1999"))
    sip = re.findall(r"^Call-ID: (\S+)", stage.asterisk.log, re.MULTILINE)[-1]
    verdict = await stage.explain(sip)
    assert "its dialplan has no number 1999" in verdict.sentence, verdict


TOUCHED = "/tmp/offhook-was-here"
NASTY = {
    "a shell": f'"${{SHELL(touch {TOUCHED})}}" <sip:%24%7BSHELL(id)%7D@127.0.0.2>',
    "a line": '"x" <sip:1%0A2%0D%0A3@127.0.0.2>',
    "4 KB": f'"{"y" * 2048}" <sip:{"9" * 2048}@127.0.0.2>',
    "controls": '"\x1b[2J\x07\x9b\u2028" <sip:15%1B%5B2J55@127.0.0.2>',
}


@pytest.mark.fault("43", "the caller's number is an attack")
@pytest.mark.parametrize("caller", NASTY.values(), ids=NASTY.keys())
async def test_a_nasty_number(stage: Stage, caller: str):
    async with RawCaller(stage.asterisk.sip_port, caller=caller) as raw:
        assert await raw.answered() == 200
        await asyncio.sleep(0.3)
    await gone(stage.asterisk)
    call = newest(stage.asterisk, raw)
    await stage.over(call)
    record = await stage.record(call)
    assert re.fullmatch(r"[+0-9A-Za-z]{0,64}", record["caller"])
    assert not Path(TOUCHED).exists()
    for line in stage.offhook.log.read_text().splitlines():
        assert line.isprintable()
    verdict = await stage.explain(call)
    assert verdict.cause in ("well", "left_early", "one_way_in", "unpriced"), verdict
    told = await stage.followed(call)
    assert all(line.isprintable() for line in told.split("\n"))


# The way to the agent.

AGENT = "websocket_client.conf"


@pytest.mark.parametrize(
    ("file", "old", "new", "reload", "words"),
    [
        pytest.param(
            AGENT,
            "^password = .*$",
            "password = wrong",
            "module reload res_websocket_client.so",
            "Asterisk's AGENT_PASSWORD is not the agent's OFFHOOK_MEDIA_PASSWORD",
            marks=pytest.mark.fault("36", "Asterisk has another password"),
            id="password",
        ),
        pytest.param(
            AGENT,
            r"127\.0\.0\.1:\d+/",
            "127.0.0.1:9/",
            "module reload res_websocket_client.so",
            "nobody listens at ws://127.0.0.1:9/telephony/ws: the agent is down, or"
            " AGENT_URL is wrong",
            marks=pytest.mark.fault("36", "the agent listens on another port"),
            id="port",
        ),
        pytest.param(
            AGENT,
            "/telephony/ws",
            "/telefony/ws",
            "module reload res_websocket_client.so",
            "this is not the agent's address: it ends in /telephony/ws",
            marks=pytest.mark.fault("36", "the agent's address has a wrong path"),
            id="path",
        ),
        pytest.param(
            "extensions.conf",
            r"^ same => n,Dial\(WebSocket/.*$",
            " same => n,Set(DIALSTATUS=)",
            "dialplan reload",
            "the dialplan never came to Dial(WebSocket/...)",
            marks=pytest.mark.fault("36", "the dialplan has no leg to the agent"),
            id="leg",
        ),
        pytest.param(
            "extensions.conf",
            r"c\(ulaw\)f\(json\)",
            "c(g722)f(json)",
            "dialplan reload",
            "must be one of ulaw, alaw, slin, slin16",
            marks=pytest.mark.fault("36", "the dialplan asks for a codec of no use"),
            id="codec",
        ),
        pytest.param(
            "extensions.conf",
            r"^.*,MixMonitor\(.*$",
            "",
            "dialplan reload",
            "no recording was begun: the dialplan has no MixMonitor before Dial",
            marks=pytest.mark.fault("23", "the dialplan records nothing"),
            id="recording",
        ),
    ],
)
async def test_a_spoilt_configuration(
    stage: Stage,
    own: Asterisk,
    file: str,
    old: str,
    new: str,
    reload: str,
    words: str,
):
    with spoilt(own, file, old, new, reload):
        phone = stage.phone()
        try:
            async with await phone.dial(own.uri()) as line:
                await line.hear_sound(within=10)
                await asyncio.sleep(1)
        except (CallFailed, CallOver, TimeoutError):
            pass
        await gone(own)
    found = re.findall(r"app_verbose\.c: Call (\S+): SIP Call-ID", own.log)
    verdict = await explained(stage, own, found[-1])
    assert words in said(verdict), verdict


@pytest.mark.fault("36", "chan_websocket is not loaded")
async def test_a_module_is_missing(stage: Stage, own: Asterisk):
    own.cli("module unload chan_websocket.so")
    try:
        async with RawCaller(own.sip_port) as caller:
            await caller.answered()
        await gone(own)
    finally:
        own.cli("module load chan_websocket.so")
    verdict = await explained(stage, own, newest(own, caller))
    assert "chan_websocket is not loaded" in verdict.sentence, verdict


@pytest.mark.fault("12", "the AI's max_minutes are over")
async def test_it_lasts_too_long(stage: Stage):
    with answered_by(stage.asterisk, "brief"):
        async with await stage.phone().dial(stage.asterisk.uri()) as line:
            await line.ended(within=40)
    call = stage.newest_in_asterisk()
    await stage.over(call)
    verdict = await stage.explain(call)
    assert "cut at the AI's max_minutes" in verdict.sentence, verdict
