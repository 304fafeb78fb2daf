"""The models fail: ears, minds and voices behind HTTP."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.fakes.faulty import (
    Act,
    Cut,
    Empty,
    Endless,
    Heard,
    NotJson,
    Ok,
    Repeated,
    Slow,
    Stall,
    Status,
    Tool,
    WavFile,
    nobody,
)

from .stage import AIS, QUESTION, Stage, Staged

pytestmark = [
    pytest.mark.asterisk,
    pytest.mark.models,
    pytest.mark.asyncio(loop_scope="module"),
]

FOR_NOBODY = {"2001": "stt", "2002": "engine_model", "2003": "tts"}
"""Numbers whose AI has this at an address where nobody listens."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(staged: Staged) -> AsyncIterator[Stage]:
    """Ears, mind and voice are all the provider's, and there are no others."""
    ais = AIS + "".join(
        AIS.replace("desk", f"without-{key}") + f'{key} = "nobody.mock"\n'
        for key in FOR_NOBODY.values()
    )
    async with (
        nobody() as nowhere,
        staged(
            ais=ais, ears_too=True, OFFHOOK_ENDPOINTS=f"nobody={nowhere}/v1"
        ) as stage,
    ):
        for number, key in FOR_NOBODY.items():
            await stage.put(f"/numbers/{number}", target={"ai": f"without-{key}"})
        yield stage


async def asked(stage: Stage, number: str = "1000") -> str:
    """A call whose caller asks and waits until something has failed."""
    async with stage.call(number) as (line, call):
        await line.play(QUESTION)
        await stage.troubled(call)
        await line.hear_sound(within=20)
    await stage.over(call)
    return call


async def answered(stage: Stage) -> str:
    async with stage.call() as (line, call):
        await line.play(QUESTION)
        await line.hear_sound(within=20)
        await line.hear_silence(1, within=20)
    await stage.over(call)
    return call


KEPT_FAILING = 9
"""Times that it is asked at most: what is guessed may be asked again."""


@pytest.mark.parametrize(
    ("act", "named"),
    [
        pytest.param(act, named, marks=pytest.mark.fault("28", f"the ears {words}"))
        for act, words, named in (
            (Slow(10), "hang", "did not answer in time"),
            (Status(500), "answer 500", "failed with an error of its own (5xx)"),
            (Status(401), "refuse the key", "did not accept the key"),
            (Status(404), "do not know the model", "the model's name"),
            (Repeated(), "repeat themselves", "one phrase over and over"),
        )
    ],
)
async def test_the_ears_fail(stage: Stage, act: Act, named: str):
    stage.provider.hearing += [act] * KEPT_FAILING
    verdict = await stage.explain(await asked(stage))
    assert "the recogniser openai.mock" in verdict.sentence
    assert named in verdict.sentence


@pytest.mark.fault("28", "the ears are not reachable")
async def test_nobody_listens(stage: Stage):
    verdict = await stage.explain(await asked(stage, "2001"))
    assert "the recogniser nobody.mock could not be reached" in verdict.sentence


@pytest.mark.fault("28", "the ears are slow")
async def test_the_ears_are_slow(stage: Stage):
    stage.provider.hearing += [Slow(3.5)] * KEPT_FAILING
    verdict = await stage.explain(await answered(stage))
    assert verdict.cause == "slow_stt"
    assert "the recogniser took" in verdict.sentence


@pytest.mark.fault("28", "the ears understand nothing")
async def test_the_ears_understand_nothing(stage: Stage):
    stage.provider.hearing += [Empty()] * KEPT_FAILING
    async with stage.call() as (line, call):
        for _ in range(3):
            await line.play(QUESTION)
            await line.hear_silence(1.5, within=20)
    await stage.over(call)
    verdict = await stage.explain(call)
    assert "the recogniser openai.mock" in verdict.sentence
    assert "no words" in verdict.sentence


@pytest.mark.fault("28", "the ears hear another language")
async def test_the_ears_hear_another_language(stage: Stage):
    stage.provider.hearing += [Heard("Продолжение следует")] * KEPT_FAILING
    verdict = await stage.explain(await answered(stage))
    assert "Cyrillic" in verdict.sentence
    assert "language" in verdict.sentence


@pytest.mark.parametrize(
    ("act", "named"),
    [
        pytest.param(act, named, marks=pytest.mark.fault(number, f"the model {words}"))
        for number, act, words, named in (
            ("28", Status(503), "answers 503", "an error of its own (5xx)"),
            ("29", Stall(3), "stalls after three words", "and fell silent"),
            ("29", Endless(), "answers without end", "over 4000 characters"),
            ("29", Repeated(), "repeats itself", "one phrase over and over"),
            ("29", Cut(3), "breaks off", "broke off in the middle"),
            ("29", Empty(), "says nothing", "an empty answer"),
            ("29", NotJson(), "answers with a page", "no answer of a model"),
            ("29", Status(401), "refuses the key", "did not accept the key"),
            ("29", Status(402), "wants to be paid", "credit or quota is used up"),
            ("29", Status(404), "is not there", "the model's name"),
            ("29", Status(429), "is throttled", "too many requests (429)"),
            (
                *("29", Tool("end_call", '{"farewell": '), "wants a broken tool"),
                "broken arguments",
            ),
        )
    ],
)
async def test_the_model_fails(stage: Stage, act: Act, named: str):
    stage.provider.thinking += [act] * KEPT_FAILING
    verdict = await stage.explain(await asked(stage))
    assert "the model openai.mock" in verdict.sentence
    assert named in verdict.sentence


async def test_what_cannot_be_said_is_not_sent_to_the_voice(stage: Stage):
    written = "**Hours** \U0001f600: see https://example.com/hours, `4111111111111111`."
    stage.provider.thinking += [Ok(written)] * KEPT_FAILING
    before = len(stage.provider.spoken)
    await answered(stage)
    sent = " ".join(each["input"] for each in stage.provider.spoken[before:])
    assert "Hours" in sent and "four one one" in sent
    assert not re.search(r"[*`/\d\U0001f600]|http", sent)


@pytest.mark.fault("29", "the model is not reachable")
async def test_nobody_thinks(stage: Stage):
    verdict = await stage.explain(await asked(stage, "2002"))
    assert "the model nobody.mock could not be reached" in verdict.sentence


@pytest.mark.fault("28", "the model is slow")
async def test_the_model_is_slow(stage: Stage):
    stage.provider.thinking += [Slow(3.5)] * KEPT_FAILING
    verdict = await stage.explain(await answered(stage))
    assert verdict.cause == "slow_llm"
    assert "the model's first word took" in verdict.sentence


@pytest.mark.parametrize(
    ("act", "named"),
    [
        pytest.param(act, named, marks=pytest.mark.fault("31", f"the voice {words}"))
        for act, words, named in (
            (Empty(), "makes no sound", "no sound"),
            (Endless(), "makes sound without end", "without end"),
            (Status(500), "answers 500", "failed with an error of its own (5xx)"),
            (Slow(), "hangs", "did not answer in time"),
            (Stall(3), "stalls", "fell silent"),
            (WavFile(2), "sends a WAV file", "WAV"),
        )
    ],
)
async def test_the_voice_fails(stage: Stage, act: Act, named: str):
    stage.provider.thinking += [Ok(_never_said(named))] * KEPT_FAILING
    stage.provider.speaking += [act] * KEPT_FAILING
    async with stage.call() as (line, call):
        await line.play(QUESTION)
        await stage.troubled(call)
    await stage.over(call)
    verdict = await stage.explain(call)
    assert "the voice openai.tts-1/alloy" in verdict.sentence
    assert "went on" not in verdict.sentence
    assert named in verdict.sentence


@pytest.mark.fault("31", "the voice is not reachable")
async def test_nobody_speaks(stage: Stage):
    async with await stage.phone().dial(stage.asterisk.uri("2003")) as line:
        await line.ended()
    call = await stage.newest()
    await stage.over(call)
    verdict = await stage.explain(call)
    assert "the voice nobody.mock" in verdict.sentence
    assert "could not be reached" in verdict.sentence


@pytest.mark.fault("12", "the caller hangs up while the model thinks")
async def test_hung_up_while_it_thinks(stage: Stage):
    stage.provider.thinking += [Slow()] * KEPT_FAILING
    verdict = await stage.explain(await _hung_up(stage, lambda: stage.provider.chats))
    assert "the caller hung up" in verdict.sentence
    assert "the model" in verdict.sentence


@pytest.mark.fault("12", "the caller hangs up while the voice is made")
async def test_hung_up_while_it_speaks(stage: Stage):
    stage.provider.thinking += [Ok(_never_said("hang-up"))] * KEPT_FAILING
    stage.provider.speaking += [Slow()] * KEPT_FAILING
    verdict = await stage.explain(await _hung_up(stage, lambda: stage.provider.spoken))
    assert "the caller hung up" in verdict.sentence
    assert "the voice" in verdict.sentence


def _never_said(word: str) -> str:
    """What was said before is in memory, and no voice is asked."""
    return f"This answer is about {word}."


async def _hung_up(stage: Stage, requests: Callable[[], list[Any]]) -> str:
    """When there was one, and the caller has waited a little."""
    async with stage.call() as (line, call):
        before = len(requests())
        await line.play(QUESTION)
        async with asyncio.timeout(20):
            while len(requests()) == before:
                await asyncio.sleep(0.05)
        await asyncio.sleep(1.9)
    await stage.over(call)
    async with asyncio.timeout(5):
        while await stage.live():
            await asyncio.sleep(0.05)
    assert sum(" ended: " in line for line in stage.log_of(call)) == 1
    return call


@pytest.mark.fault("49", "the agent is told to stop while the model hangs")
async def test_told_to_stop_while_the_model_hangs(stage: Stage):
    stage.provider.thinking += [Slow()] * KEPT_FAILING
    async with stage.call() as (line, call):
        before = len(stage.provider.chats)
        await line.play(QUESTION)
        async with asyncio.timeout(20):
            while len(stage.provider.chats) == before:
                await asyncio.sleep(0.05)
        await stage.down()  # fails if it does not end
        await line.ended()
    await stage.up()
    verdict = await stage.explain(call)
    assert "stopped or restarted while the call was up" in verdict.sentence
