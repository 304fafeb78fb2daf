"""The models fail: ears, minds and voices behind HTTP."""

import pytest

from tests.fakes.faulty import Slow, Status

from .stage import QUESTION, Stage

pytestmark = [
    pytest.mark.asterisk,
    pytest.mark.models,
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest.mark.fault("28", "the model answers 503")
async def test_the_model_fails(stage: Stage):
    async with stage.call() as (line, call):
        stage.provider.script += [Status(503)]
        await line.play(QUESTION)
        await stage.troubled(call)
        await line.hear_silence(1, within=20)
    await stage.over(call)
    verdict = await stage.explain(call)
    assert "openai.mock failed with an error of its own (5xx)" in verdict.sentence


@pytest.mark.fault("28", "the model is slow")
async def test_the_model_is_slow(stage: Stage):
    async with stage.call() as (line, call):
        stage.provider.script += [Slow(3.5)]
        await line.play(QUESTION)
        await line.hear_sound(within=20)
        await line.hear_silence(1, within=20)
    await stage.over(call)
    verdict = await stage.explain(call)
    assert verdict.cause == "slow_llm"
    assert "the model's first word took" in verdict.sentence
