"""The wire between Asterisk and the agent: what comes on it, and what does not."""

import asyncio
import base64
import os
import re
import socket
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
import websockets
from websockets.frames import Frame, Opcode

from agent.local.process import free_port
from agent.phone.line import Line
from tests.interop.asterisk import Asterisk, eventually

from .stage import QUESTION, Stage, Staged, Verdict
from .wire import (
    Mischief,
    Wire,
    bursts,
    fragmented,
    held,
    reframed,
    rewritten,
    text,
    without,
)

pytestmark = [
    pytest.mark.asterisk,
    pytest.mark.models,
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(staged: Staged) -> AsyncIterator[Stage]:
    """Its agent is not where Asterisk looks for it: there is the wire."""
    async with staged(port=free_port()) as stage:
        yield stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(stage: Stage, asterisk: Asterisk) -> AsyncIterator[Wire]:
    port = int(stage.offhook.url.rpartition(":")[2])
    async with Wire(asterisk.agent_port, port).up() as wire:
        yield wire


@pytest.fixture
def wire(running: Wire) -> Wire:
    running.plan.clear()
    return running


async def answered(line: Line) -> None:
    """It hears a question, and answers it."""
    await line.play(QUESTION)
    await line.hear_sound(within=20)
    await line.hear_silence(0.5, within=20)


async def never_began(stage: Stage, wire: Wire, mischief: Mischief) -> str:
    """A call that the agent did not keep; its id in Asterisk."""
    wire.plan += [mischief, mischief]  # Asterisk tries twice
    before = stage.asterisk.log.count(" over: from ")
    async with await stage.phone().dial(stage.asterisk.uri()):
        pass
    await eventually(lambda: stage.asterisk.log.count(" over: from ") > before)
    return stage.newest_in_asterisk()


async def ended_at_once(stage: Stage) -> str:
    """A call that the agent had, for a moment."""
    async with await stage.phone().dial(stage.asterisk.uri()) as line:
        await line.ended()
    call = stage.newest_in_asterisk()
    async with asyncio.timeout(10):
        while await stage.newest() != call:
            await asyncio.sleep(0.1)
    await stage.over(call)
    return call


def noticed(verdict: Verdict, words: str) -> bool:
    """For faults that the caller hardly felt."""
    return any(words in each for each in (verdict.sentence, *verdict.besides))


# How it begins.


@pytest.mark.fault("1", "audio comes before MEDIA_START")
async def test_audio_before_the_start(stage: Stage, wire: Wire):
    wire.plan += [Mischief(to_agent=held(seconds_of_audio=0.5))]
    async with stage.call() as (line, call):
        await answered(line)
    await stage.over(call)
    verdict = await stage.explain(call)
    assert noticed(verdict, "before MEDIA_START")


@pytest.mark.fault("2", "MEDIA_START never comes")
async def test_no_start(stage: Stage, wire: Wire):
    wire.plan += [Mischief(to_agent=without(Opcode.TEXT, b"MEDIA_START"))]
    call = await ended_at_once(stage)
    verdict = await stage.explain(call)
    assert verdict.cause == "no_media_start"
    assert "no start in 2 s" in verdict.sentence


@pytest.mark.fault("-", "Asterisk offers a codec that the agent does not speak")
async def test_an_unknown_codec(stage: Stage, wire: Wire):
    wire.plan += [Mischief(to_agent=rewritten('"format":"ulaw"', '"format":"g722"'))]
    call = await ended_at_once(stage)
    verdict = await stage.explain(call)
    assert verdict.cause == "unsupported_format"
    assert "g722" in verdict.sentence
    assert "c(ulaw)" in verdict.sentence


@pytest.mark.fault("-", "MEDIA_START names another codec than the audio has")
async def test_the_wrong_codec(stage: Stage, wire: Wire):
    wire.plan += [Mischief(to_agent=rewritten('"format":"ulaw"', '"format":"slin"'))]
    async with await stage.phone().dial(stage.asterisk.uri()) as line:
        await line.play(QUESTION)
        call = await stage.newest()
    await stage.over(call)
    verdict = await stage.explain(call)
    assert "slin" in verdict.sentence
    assert "codec" in verdict.sentence


def authorised(with_header: str) -> Callable[[str], str]:
    return lambda head: re.sub(r"(?im)^authorization: .*\r\n", with_header, head)


@pytest.mark.fault("36", "Asterisk has the wrong password")
async def test_the_wrong_password(stage: Stage, wire: Wire):
    login = base64.b64encode(b"asterisk:wrong").decode()
    wrong = Mischief(request=authorised(f"Authorization: Basic {login}\r\n"))
    verdict = await stage.explain(await never_began(stage, wire, wrong))
    assert verdict.cause == "refused_unauthorised"
    assert "AGENT_PASSWORD is not the agent's OFFHOOK_MEDIA_PASS" in verdict.sentence


@pytest.mark.fault("36", "Asterisk has no password")
async def test_no_password(stage: Stage, wire: Wire):
    none = Mischief(request=authorised(""))
    verdict = await stage.explain(await never_began(stage, wire, none))
    assert verdict.cause == "refused_unauthorised"
    assert "AGENT_PASSWORD is not the agent's OFFHOOK_MEDIA_PASS" in verdict.sentence


# What comes meanwhile.


@pytest.mark.fault("3", "audio comes in odd sizes")
async def test_odd_sizes(stage: Stage, wire: Wire):
    odd = reframed(0, 1, 159, 161, 0, 800, 319)
    wire.plan += [Mischief(to_agent=odd)]
    async with stage.call() as (line, call):
        await answered(line)
        huge = b"\xff" * 65_500
        wire.newest.tell_agent(Frame(Opcode.BINARY, huge))
        await answered(line)
    await stage.over(call)
    assert [turn["speaker"] for turn in (await stage.record(call))["turns"]] == [
        *("agent", "caller", "agent", "caller", "agent")
    ]
    verdict = await stage.explain(call)
    assert noticed(verdict, "odd sizes")


GARBAGE = (
    "what?",
    "{",
    "NaN",
    '{"event":NaN}',
    '{"event":"DTMF_END","digit":7}',
    '{"event":["MEDIA_XOFF"]}',
    "[" * 60_000,
    '{"event":' * 7_000,
)


@pytest.mark.fault("4", "texts that make no sense")
async def test_garbage(stage: Stage, wire: Wire):
    async with stage.call() as (line, call):
        wire.newest.tell_agent(*map(text, GARBAGE))
        await answered(line)
    await stage.over(call)
    verdict = await stage.explain(call)
    assert noticed(verdict, "what came on the socket makes no sense")


@pytest.mark.fault("4", "a text of 10 MB")
async def test_a_giant_text(stage: Stage, wire: Wire):
    async with stage.call() as (line, call):
        wire.newest.tell_agent(text("x" * 10_000_000))
        await line.ended()
    await stage.over(call)
    verdict = await stage.explain(call)
    assert "longer than" in verdict.sentence


@pytest.mark.fault("5", "events that nobody knows")
async def test_unknown_events(stage: Stage, wire: Wire):
    async with stage.call() as (line, call):
        for number in range(200):
            wire.newest.tell_agent(text(f'{{"event":"SOLAR_FLARE","n":{number}}}'))
        wire.newest.tell_agent(text("MEDIA_LUNA"))
        await answered(line)
    await stage.over(call)
    verdict = await stage.explain(call)
    assert noticed(verdict, "does not know: SOLAR_FLARE")


@pytest.mark.fault("6", "1,000 pings a second")
async def test_a_flood_of_pings(stage: Stage, wire: Wire):
    async with stage.call() as (line, call):

        async def flood() -> None:
            for number in range(300):
                ping = Frame(Opcode.PING, str(number).encode())
                wire.newest.tell_agent(*[ping] * 10)
                await asyncio.sleep(0.01)

        await asyncio.gather(flood(), answered(line))
    await stage.over(call)
    verdict = await stage.explain(call)
    assert noticed(verdict, "pings")


@pytest.mark.fault("6", "a text that is not UTF-8")
async def test_bad_utf8(stage: Stage, wire: Wire):
    async with stage.call() as (line, call):
        wire.newest.tell_agent(text(b'{"event":"\xff\xfe"}'))
        await line.ended()
    await stage.over(call)
    verdict = await stage.explain(call)
    assert "UTF-8" in verdict.sentence


@pytest.mark.fault("6", "a frame that breaks the WebSocket protocol")
async def test_a_wrong_frame(stage: Stage, wire: Wire):
    async with stage.call() as (line, call):
        wire.newest.throw_at_agent(b"\x83\x80\x00\x00\x00\x00")  # a reserved opcode
        await line.ended()
    await stage.over(call)
    verdict = await stage.explain(call)
    assert "protocol" in verdict.sentence


@pytest.mark.fault("6", "something between cuts our audio into big fragments")
async def test_big_fragments(stage: Stage, wire: Wire):
    wire.plan += [Mischief(to_asterisk=fragmented(1200))]
    call = await ended_at_once(stage)
    verdict = await stage.explain(call)
    # A reset may swallow Asterisk's last word.
    said = ("Asterisk closed it with 1003", "it broke off without a close")
    assert any(each in verdict.sentence for each in said)
    assert noticed(verdict, "WebSocket frame that Asterisk does not take")


@pytest.mark.fault("6", "something between cuts our audio into small fragments")
async def test_small_fragments(stage: Stage, wire: Wire):
    wire.plan += [Mischief(to_asterisk=fragmented(400))]
    call = await hardly_heard(stage)
    verdict = await stage.explain(call)
    assert "between the agent and Asterisk" in verdict.sentence


async def hardly_heard(stage: Stage) -> str:
    async with await stage.phone().dial(stage.asterisk.uri()) as line:
        await asyncio.sleep(4)  # the agent would send 200 packets
        assert len(line.heard) < 60
        call = await stage.newest()
    await stage.over(call)
    return call


# The queue.


XOFF = '{"event":"MEDIA_XOFF","channel_id":"1"}'
XON = '{"event":"MEDIA_XON","channel_id":"1"}'


@pytest.mark.fault("9", "an XON is lost")
async def test_a_lost_xon(stage: Stage, wire: Wire):
    async with stage.call() as (line, call):
        wire.newest.tell_agent(text(XOFF))
        await answered(line)  # Asterisk's STATUS tells that there is room
    await stage.over(call)
    verdict = await stage.explain(call)
    assert noticed(verdict, "(XON)")


@pytest.mark.fault("9", "XOFF, and XON never comes")
async def test_no_xon(stage: Stage, wire: Wire):
    async with stage.call() as (line, call):
        wire.newest.to_agent = without(Opcode.TEXT, b"STATUS")
        wire.newest.tell_agent(text(XOFF))
        await line.play(QUESTION)
        with pytest.raises(TimeoutError):
            await line.hear_sound(within=5)
    await stage.over(call)
    verdict = await stage.explain(call)
    assert "XOFF" in verdict.sentence


@pytest.mark.fault("9", "XOFF and XON without end")
async def test_a_storm_of_xoffs(stage: Stage, wire: Wire):
    async with stage.call() as (line, call):

        async def storm() -> None:
            for _ in range(200):
                wire.newest.tell_agent(text(XOFF), text(XON))
                await asyncio.sleep(0.01)

        await asyncio.gather(storm(), answered(line))
    await stage.over(call)
    verdict = await stage.explain(call)
    assert noticed(verdict, "XOFF")
    assert stage.offhook.log.read_text().count("nearly full") < 20


# Two of one kind.


@pytest.mark.fault("38", "a second socket comes for one call")
async def test_a_second_socket(stage: Stage, wire: Wire):
    login = base64.b64encode(
        f"asterisk:{stage.asterisk.agent_password}".encode()
    ).decode()
    async with stage.call() as (line, call):
        url = f"{stage.offhook.url.replace('http', 'ws')}/telephony/ws?call_id={call}"
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with websockets.connect(
                url, additional_headers={"Authorization": f"Basic {login}"}
            ):
                pass
        assert refused.value.response.status_code == 409
        await answered(line)
    await stage.over(call)
    verdict = await stage.explain(call)
    assert noticed(verdict, "a second socket")


@pytest.mark.fault("38", "two calls of the same id")
async def test_two_calls_of_one_id(stage: Stage, wire: Wire):
    async with stage.call() as (line, call):

        def same(head: str) -> str:
            return re.sub(r"call_id=[^&]*", f"call_id={call}", head)

        other = await never_began(stage, wire, Mischief(request=same))
        assert other != call
        await answered(line)
    await stage.over(call)
    verdict = await stage.explain(other)
    assert "a call of that id is up" in verdict.sentence


# The connection.


@pytest.mark.fault("-", "the connection goes silent and is not closed")
async def test_half_dead(stage: Stage, wire: Wire):
    async with stage.call() as (line, call):
        wire.newest.dead = True
    async with asyncio.timeout(60):
        while (await stage.record(call))["end_reason"] is None:
            await asyncio.sleep(0.5)
    verdict = await stage.explain(call)
    assert "without a word" in verdict.sentence


@pytest.mark.fault("-", "the connection is reset during a call")
async def test_reset(stage: Stage, wire: Wire):
    async with stage.call() as (line, call):
        wire.newest.reset()
        await line.ended()
    await stage.over(call)
    assert (await stage.record(call))["end_reason"] == "socket_lost"
    verdict = await stage.explain(call)
    assert "the connection between Asterisk and the agent broke" in verdict.sentence


@pytest.mark.fault("-", "the caller hangs up, and Asterisk's close is lost")
async def test_close_is_lost(stage: Stage, wire: Wire):
    wire.plan += [Mischief(to_agent=without(Opcode.CLOSE))]
    async with stage.call() as (line, call):
        pass
    await stage.over(call)
    assert "no close came" in "".join(stage.log_of(call))
    assert (await stage.record(call))["end_reason"] == "caller_hung_up"
    verdict = await stage.explain(call)
    assert "the caller hung up" in verdict.sentence, verdict


@pytest.mark.fault("-", "no audio comes from Asterisk")
async def test_deaf(stage: Stage, wire: Wire):
    wire.plan += [Mischief(to_agent=without(Opcode.BINARY))]
    async with stage.call() as (line, call):
        await line.play(QUESTION)
    await stage.over(call)
    verdict = await stage.explain(call)
    assert "reached the agent" in verdict.sentence


@pytest.mark.fault("-", "no audio of ours comes to Asterisk")
async def test_mute(stage: Stage, wire: Wire):
    wire.plan += [Mischief(to_asterisk=without(Opcode.BINARY))]
    call = await hardly_heard(stage)
    verdict = await stage.explain(call)
    assert "between the agent and Asterisk" in verdict.sentence


@pytest.mark.fault("-", "audio comes in bursts of a second")
async def test_bursts(stage: Stage, wire: Wire):
    wire.plan += [Mischief(to_agent=bursts(frames=50))]
    async with stage.call() as (line, call):
        await answered(line)
    await stage.over(call)
    verdict = await stage.explain(call)
    assert noticed(verdict, "in bursts")


@pytest.mark.fault("37", "1,000 connections that say nothing")
async def test_half_open(stage: Stage, wire: Wire):
    port = int(stage.offhook.url.rpartition(":")[2])

    def files() -> int:
        return len(os.listdir(f"/proc/{stage.offhook.pid}/fd"))

    async with stage.call() as (line, call):
        before = files()
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(1000)]
        try:
            for each in idle[::2]:
                each.sendall(b"GET /telephony/ws HTTP/1.1\r\nHost: x\r\nUpg")
            await answered(line)
            await eventually(lambda: files() < before + 100, within=15)
            await stage.logged("connections said nothing")
        finally:
            for each in idle:
                each.close()
    await stage.over(call)
    verdict = await stage.explain(call)
    assert noticed(verdict, "connections that say nothing")
