"""Calls through a real Asterisk with our configuration, to an agent without a mind."""

import asyncio
import socket
import subprocess

import pytest

from agent.phone.line import CallFailed, Side
from agent.phone.recording import talks
from agent.phone.ulaw import FRAME
from agent.wire.commands import Flush
from agent.wire.events import MediaStart

from .asterisk import STRANGER, Asterisk, eventually, free_port, place
from .stub_agent import StubAgent
from .tones import strength, tone

pytestmark = pytest.mark.asterisk


async def test_a_call_reaches_the_agent(asterisk, agent, phone):
    async with await phone(caller="15550123").dial(asterisk.uri("+15550199")) as line:
        call = await agent.next_call()
        assert call.path == "/telephony/ws"
        assert call.query == {
            "call_id": call.id,
            "from": "15550123",
            "to": "+15550199",
            "ai": "",
        }
        (start,) = [event for event in call.events if isinstance(event, MediaStart)]
        assert (start.format, start.frame_size) == ("ulaw", FRAME)
        await line.play(tone(0.4))
        await call.say(tone(0.4, 880))
        await line.hear_sound(within=5)
        await line.hear_silence(0.2, within=5)
    assert agent.refused == []
    assert strength(line.recording().agent, 880) > 0.9


async def test_the_caller_hears_every_frame(asterisk, agent, phone):
    async with await phone().dial(asterisk.uri()) as line:
        call = await agent.next_call()
        await call.say(tone(1.0))
        await line.hear_sound(within=5)
        await line.hear_silence(0.3, within=5)
    timestamps = [packet.timestamp for packet in line.heard]
    assert timestamps == list(range(timestamps[0], timestamps[0] + 50 * FRAME, FRAME))


async def test_what_is_flushed_is_not_heard(asterisk, agent, phone):
    async with await phone().dial(asterisk.uri()) as line:
        call = await agent.next_call()
        await call.say(tone(5.0))
        await line.hear_sound(within=5)
        await call.do(Flush())
        await line.hear_silence(0.2, within=2)
    assert len(line.heard) < 50


async def test_the_dialplan_names_the_ai(asterisk, agent, phone):
    asterisk.cli("dialplan set global AI front-desk_2")
    try:
        async with await phone().dial(asterisk.uri()):
            call = await agent.next_call()
    finally:
        asterisk.cli('dialplan set global AI ""')
    assert call.query["ai"] == "front-desk_2"


async def test_keys_arrive_once_and_in_order(asterisk, agent, phone):
    async with await phone().dial(asterisk.uri()) as line:
        call = await agent.next_call()
        await line.press("15*#")
        await eventually(lambda: len(call.keys) >= 4)
    assert call.keys == "15*#"


async def test_the_agent_hangs_up(asterisk, agent, phone):
    async with await phone().dial(asterisk.uri()) as line:
        call = await agent.next_call()
        await call.hang_up()
        ending = await line.ended()
    assert ending.hung_up_by is Side.CALLED
    assert "cause=16" in ending.reason
    await eventually(lambda: asterisk.channels() == 0)


async def test_the_caller_hangs_up(asterisk, agent, phone):
    async with await phone().dial(asterisk.uri()) as line:
        call = await agent.next_call()
        ending = await line.hang_up()
        await asyncio.wait_for(call.over.wait(), 5)
    assert ending.hung_up_by is Side.CALLER
    await eventually(lambda: asterisk.channels() == 0)


async def test_an_agent_that_dies_takes_the_call_with_it(asterisk, agent, phone):
    async with await phone().dial(asterisk.uri()) as line:
        call = await agent.next_call()
        call.socket.transport.abort()
        ending = await line.ended()
    assert ending.hung_up_by is Side.CALLED
    await eventually(lambda: asterisk.channels() == 0)


async def test_the_recording_is_handed_over_when_it_is_complete(asterisk, agent, phone):
    async with await phone().dial(asterisk.uri()) as line:
        call = await agent.next_call()
        await call.say(tone(0.5, 880))
        await line.play(tone(1.0, 440))
    await eventually(lambda: (asterisk.spool / f"{call.id}.job").exists())
    (told,) = [c for c in asterisk.hook_calls() if c.arguments[0] == call.id]
    assert told.arguments == (call.id, call.id, "prod")
    user = asterisk.track(call.id, "-user")
    assistant = asterisk.track(call.id, "-assistant")
    mix = asterisk.track(call.id)
    assert told.data_bytes == (len(mix), len(user), len(assistant))
    assert len(mix) == len(user) == len(assistant)
    assert strength(user, 440) > 0.9 > 0.1 > strength(user, 880)
    assert strength(assistant, 880) > 0.9 > 0.1 > strength(assistant, 440)
    assert strength(mix, 440) > 0.5
    assert strength(mix, 880) > 0.1


async def test_without_an_agent_the_caller_hears_a_prompt(asterisk, phone):
    async with await phone().dial(asterisk.uri()) as line:
        await line.hear_sound(within=3)
        ending = await line.ended(within=15)
    assert ending.hung_up_by is Side.CALLED
    assert "cause=41" in ending.reason
    spoken = talks(line.recording().agent)
    assert sum(talk.end - talk.begin for talk in spoken) > 2
    await eventually(lambda: asterisk.channels() == 0)


async def test_a_wrong_password_is_not_dead_air(asterisk, phone):
    stub = StubAgent("asterisk", "another password")
    async with stub.listening(asterisk.agent_port):
        async with await phone().dial(asterisk.uri()) as line:
            await line.hear_sound(within=3)
    assert len(stub.refused) == 2, "once, and once again after reconnect_interval"
    assert stub.calls == []


async def test_without_an_agent_a_human_is_rung(asterisk, phone, sipp):
    port = free_port(range(15080, 15090), socket.SOCK_DGRAM)
    human = subprocess.Popen(
        [sipp, "-sn", "uas", "-i", "127.0.0.1", "-p", f"{port}", "-m", "1", "-nostdin"],
        stdout=subprocess.DEVNULL,
    )
    try:
        asterisk.cli(f"dialplan set global FALLBACK PJSIP/100/sip:100@127.0.0.1:{port}")
        async with await phone().dial(asterisk.uri()) as line:
            assert "PJSIP/100" in asterisk.cli("core show channels concise")
            ending = await line.hang_up()
        assert ending.hung_up_by is Side.CALLER
        assert human.wait(timeout=10) == 0
    finally:
        asterisk.cli('dialplan set global FALLBACK ""')
        human.kill()
        human.wait()


async def test_a_caller_who_gives_up_while_it_rings(asterisk, phone):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as human:
        human.bind(("127.0.0.1", 0))  # and never answers
        port = human.getsockname()[1]
        asterisk.cli(f"dialplan set global FALLBACK PJSIP/100/sip:100@127.0.0.1:{port}")
        try:
            with pytest.raises(CallFailed, match="not answered within 1"):
                await phone(answer_within=1).dial(asterisk.uri())
            await eventually(lambda: asterisk.channels() == 0)
        finally:
            asterisk.cli('dialplan set global FALLBACK ""')


@pytest.fixture
def unprompted(tmp_path):
    with place() as number:
        second = Asterisk.at(number, tmp_path / "second")
        second.up("PROMPTS=nowhere")
        yield second
        second.down()


async def test_without_prompts_the_caller_hears_a_tone(unprompted, phone):
    async with await phone().dial(unprompted.uri()) as line:
        await line.hear_sound(within=3)
        await line.hear_silence(0.2, within=3)
        await line.hear_sound(within=3)
    assert strength(line.recording().agent, 480) > 0.5


async def test_a_number_cannot_change_how_the_agent_is_called(asterisk, agent, phone):
    """Brackets would end v(...), and a p after them would be passthrough."""
    nasty = phone(caller="1),p(,x&y=z")
    async with await nasty.dial(asterisk.uri("1)p(22")):
        call = await agent.next_call()
        assert call.query["from"] == "1pxyz"
        assert call.query["to"] == "1p22"
        assert call.events[0].frame_size == FRAME


async def test_an_extension_calls_with_its_password(asterisk, agent, phone):
    desk = phone(
        local_address="127.0.0.1", caller="100", password=asterisk.extension_password
    )
    async with await desk.dial(asterisk.uri()):
        call = await agent.next_call()
    assert call.query["from"] == "100"


@pytest.mark.parametrize(
    ("address", "caller", "password"),
    [
        (STRANGER, "15550123", ""),
        (STRANGER, "trunk", ""),
        (STRANGER, "anonymous", ""),
        (STRANGER, "100", ""),
        (STRANGER, "100", "wrong"),
    ],
)
async def test_strangers_are_refused(asterisk, agent, phone, address, caller, password):
    stranger = phone(local_address=address, caller=caller, password=password)
    with pytest.raises(CallFailed) as failed:
        await stranger.dial(asterisk.uri())
    assert failed.value.status in {401, 403}
    assert agent.calls == []


async def test_a_number_that_nobody_has(asterisk, phone):
    desk = phone(
        local_address="127.0.0.1", caller="100", password=asterisk.extension_password
    )
    with pytest.raises(CallFailed, match="404") as failed:
        await desk.dial(asterisk.uri("1999"))
    assert failed.value.status == 404
