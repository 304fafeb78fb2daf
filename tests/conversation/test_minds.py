"""What a mind makes of its provider's stream, and the word for each way to fail."""

import asyncio
from contextlib import aclosing, asynccontextmanager

import pytest
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.processors.aggregators.llm_context import LLMContext

from agent.conversation.catalogue import Api, Endpoint, Patience
from agent.conversation.errors import Cause, ProviderError
from agent.conversation.minds import LONGEST_ANSWER, Minds
from agent.conversation.seams import Tokens
from tests.fakes import faulty
from tests.fakes.faulty import ANSWER, FaultyProvider
from tests.fakes.provider import Running

HURRIED = Patience(first=0.3, stall=0.2, whole=5)


@asynccontextmanager
async def mind_at(url, *, model="m", patience=HURRIED):
    minds = Minds({"faulty": Endpoint(Api.OPENAI, f"{url}/v1", patience=patience)})
    try:
        yield minds.mind("faulty", model, "You answer the phone.")
    finally:
        await minds.close()


@pytest.fixture
async def provider():
    provider = FaultyProvider()
    async with Running(provider.app()) as provider.url:
        yield provider


def asked():
    tools = ToolsSchema(
        [FunctionSchema("end_call", "Hang up", {"why": {"type": "string"}}, [])]
    )
    return LLMContext([{"role": "user", "content": "Are you open?"}], tools)


async def thoughts(mind):
    """The last word on the cost comes last; what was told before it does not count."""
    told = [thought async for thought in mind.think(asked())]
    costs = [thought for thought in told if isinstance(thought, Tokens)]
    return [thought for thought in told if thought not in costs] + costs[-1:]


async def test_text_comes_piece_by_piece_and_then_what_it_cost(provider):
    async with mind_at(provider.url) as mind:
        *words, tokens = await thoughts(mind)
    assert mind.name == "faulty.m"
    assert len(words) == len(ANSWER.split())
    assert "".join(words).strip() == ANSWER
    assert tokens == Tokens(12, 7)


async def test_what_is_asked(provider):
    async with mind_at(provider.url) as mind:
        await thoughts(mind)
    (asked,) = provider.chats
    assert asked["messages"] == [
        {"role": "system", "content": "You answer the phone."},
        {"role": "user", "content": "Are you open?"},
    ]
    assert asked["tools"][0]["function"]["name"] == "end_call"
    assert (asked["temperature"], asked["max_tokens"]) == (0.3, 300)


@pytest.mark.parametrize("model", ["gpt-5-mini", "openai/gpt-5.1", "o4-mini"])
async def test_models_that_reason_are_asked_in_their_own_way(provider, model):
    async with mind_at(provider.url, model=model) as mind:
        await thoughts(mind)
    assert {"temperature", "max_tokens"}.isdisjoint(provider.chats[0])
    assert provider.chats[0]["max_completion_tokens"] == 1000


async def test_without_a_key_no_other_providers_is_sent(provider, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    async with mind_at(provider.url) as mind:
        await thoughts(mind)
    assert "sk-secret" not in str(provider.headers)


async def test_tools_come_after_the_words(provider):
    provider.script = [faulty.Tool("end_call", '{"why": "he said goodbye"}')]
    async with mind_at(provider.url) as mind:
        calls, tokens = await thoughts(mind)
    (call,) = calls
    assert (call.function_name, call.tool_call_id) == ("end_call", "call_end_call")
    assert call.arguments == {"why": "he said goodbye"}
    assert tokens == Tokens(12, 7)


async def test_a_number_that_was_used_before_is_not_used_again(provider):
    used = {"id": "call_mute", "function": {"name": "mute", "arguments": "{}"}}
    context = LLMContext([{"role": "assistant", "tool_calls": [used]}])
    provider.script = [faulty.Tool("mute", "{}")]
    async with mind_at(provider.url) as mind:
        found = [each async for each in mind.think(context)]
    (call,) = found[-1]
    assert call.tool_call_id not in ("", "call_mute")


async def test_tools_with_the_same_number_are_told_apart(provider):
    both = faulty.Tool("mute", "{}"), faulty.Tool("end_call", "")
    provider.script = [faulty.Tools(both)]
    async with mind_at(provider.url) as mind:
        (calls,) = await thoughts(mind)
    assert [call.function_name for call in calls] == ["mute", "end_call"]
    assert [call.arguments for call in calls] == [{}, {}]


FAULTS = {
    "slow": (faulty.Slow(), Cause.TIMEOUT),
    "429": (faulty.Status(429), Cause.THROTTLED),
    "quota": (faulty.Status(429, "insufficient_quota"), Cause.NO_CREDIT),
    "401": (faulty.Status(401), Cause.REFUSED),
    "402": (faulty.Status(402), Cause.NO_CREDIT),
    "404": (faulty.Status(404), Cause.BAD_REQUEST),
    "500": (faulty.Status(500), Cause.SERVER_ERROR),
    "cut": (faulty.Cut(3), Cause.CUT),
    "no finish": (faulty.Unfinished(3), Cause.CUT),
    "broken chunk": (faulty.BrokenChunk(), Cause.CUT),
    "stall": (faulty.Stall(3), Cause.STALLED),
    "stall at once": (faulty.Stall(0), Cause.TIMEOUT),
    "endless": (faulty.Endless(), Cause.NONSENSE),
    "repeated": (faulty.Repeated(), Cause.NONSENSE),
    "broken arguments": (faulty.Tool("end_call", '{"why": "he'), Cause.NONSENSE),
    "no object": (faulty.Tool("end_call", '["goodbye"]'), Cause.NONSENSE),
    "no name": (faulty.Tool("", "{}"), Cause.NONSENSE),
    "page": (faulty.NotJson(), Cause.NONSENSE),
    "empty": (faulty.Empty(), Cause.NONSENSE),
    "error inside": (faulty.ErrorInside(), Cause.SERVER_ERROR),
    "throttled inside": (faulty.ErrorInside(429), Cause.THROTTLED),
}


@pytest.mark.parametrize(("act", "cause"), FAULTS.values(), ids=FAULTS)
async def test_each_fault_has_its_word(provider, act, cause):
    provider.script = [act]
    async with mind_at(provider.url) as mind:
        with pytest.raises(ProviderError) as failed:
            await thoughts(mind)
        assert failed.value.cause is cause
        assert failed.value.detail
        # It is as good as new.
        assert len(await thoughts(mind)) > 2


async def test_nobody_there():
    async with faulty.nobody() as url, mind_at(url) as mind:
        with pytest.raises(ProviderError) as failed:
            await thoughts(mind)
    assert failed.value.cause is Cause.UNREACHABLE


async def test_hung_up_at_once():
    async with faulty.hanging_up() as url, mind_at(url) as mind:
        with pytest.raises(ProviderError) as failed:
            await thoughts(mind)
    assert failed.value.cause is Cause.UNREACHABLE


async def test_an_endless_answer_is_heard_up_to_a_point(provider):
    provider.script = [faulty.Endless()]
    heard = ""
    async with mind_at(provider.url) as mind:
        with pytest.raises(ProviderError):
            async for thought in mind.think(asked()):
                heard += thought
    assert LONGEST_ANSWER - 100 < len(heard) <= LONGEST_ANSWER


async def test_an_endless_answer_ends_with_the_patience(provider):
    provider.script = [faulty.Stall(2)]
    async with mind_at(provider.url, patience=Patience(5, 5, 0.2)) as mind:
        with pytest.raises(ProviderError) as failed:
            await thoughts(mind)
    assert failed.value.cause is Cause.STALLED


async def test_closing_ends_the_request(provider):
    provider.script = [faulty.Stall(2)]
    async with mind_at(provider.url, patience=Patience()) as mind:
        async with aclosing(mind.think(asked())) as stream:
            assert await anext(stream) == "We "
        async with asyncio.timeout(10):
            while not provider.dropped:
                await asyncio.sleep(0)


async def test_minds_think_at_once(provider):
    async with mind_at(provider.url) as mind:
        answers = await asyncio.gather(*(thoughts(mind) for _ in range(5)))
    assert all("".join(words).strip() == ANSWER for *words, _ in answers)
