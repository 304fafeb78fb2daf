import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agent
from agent.calls.prices import LOCAL, Prices, PricesError, read
from agent.calls.usage import Meter, Use
from agent.conversation.catalogue import LOCAL_EARS, LOCAL_MIND, LOCAL_VOICE

TABLE = """
currency = "CHF"

[call]
per_minute = 0.03

[llm."openai.gpt-4o-mini"]
input = 0.15
cached = 0.075
output = 0.60

[llm."openai.gpt-realtime"]
input = 4
output = 16
audio_input = 32
audio_cached = 0.4
audio_output = 64

[llm."groq.*"]
input = 1
output = 2

[llm."groq.llama"]
input = 3
output = 4

[stt."groq.*"]
per_minute = 0.006

[tts."openai.tts-1"]
per_million_characters = 15
"""
PRICES = read(TABLE)


@pytest.mark.parametrize(
    ("meter", "model", "amount", "cost"),
    [
        (Meter.CALL_SECONDS, "", 120, 0.06),
        (Meter.LLM_INPUT_TOKENS, "openai.gpt-4o-mini", 1e6, 0.15),
        (Meter.LLM_CACHED_TOKENS, "openai.gpt-4o-mini", 1e6, 0.075),
        (Meter.LLM_OUTPUT_TOKENS, "openai.gpt-4o-mini", 2e6, 1.2),
        (Meter.LLM_AUDIO_INPUT_TOKENS, "openai.gpt-4o-mini", 1, None),
        (Meter.LLM_AUDIO_INPUT_TOKENS, "openai.gpt-realtime", 1e6, 32),
        (Meter.LLM_AUDIO_CACHED_TOKENS, "openai.gpt-realtime", 1e6, 0.4),
        (Meter.LLM_AUDIO_OUTPUT_TOKENS, "openai.gpt-realtime", 1e6, 64),
        (Meter.LLM_CACHED_TOKENS, "openai.gpt-realtime", 1e6, 4),
        (Meter.LLM_INPUT_TOKENS, "groq.llama", 1e6, 3),
        (Meter.LLM_CACHED_TOKENS, "groq.llama", 1e6, 3),
        (Meter.LLM_INPUT_TOKENS, "groq.other", 1e6, 1),
        (Meter.LLM_INPUT_TOKENS, "groqqer.other", 1e6, None),
        (Meter.STT_SECONDS, "groq.whisper-large-v3", 90, 0.009),
        (Meter.STT_SECONDS, "openai.gpt-4o-mini", 90, None),
        (Meter.TTS_CHARACTERS, "openai.tts-1", 1000, 0.015),
        (Meter.TTS_CHARACTERS, "openai.tts-1-hd", 1000, None),
        (Meter.TTS_CHARACTERS, "piper.piper", 1000, 0),
        (Meter.STT_SECONDS, "whisper.base", 1000, 0),
        (Meter.LLM_OUTPUT_TOKENS, "local.llama-3.2-1b", 1000, 0),
        (Meter.LLM_OUTPUT_TOKENS, "ollama.llama3", 1000, None),
        (Meter.UNREPORTED_REQUESTS, "openai.gpt-4o-mini", 7, 0),
    ],
)
def test_what_a_use_costs(meter, model, amount, cost):
    use = PRICES.priced(Use(meter, model, amount))
    assert use.cost == (None if cost is None else pytest.approx(cost))
    assert (use.meter, use.model, use.amount) == (meter, model, amount)


@pytest.mark.parametrize("meter", sorted(set(Meter) - {Meter.UNREPORTED_REQUESTS}))
def test_without_a_table_only_calls_and_this_machine_have_a_cost(meter):
    assert Prices().cost(Use(meter, "local.m", 1)) == 0
    cost = Prices().cost(Use(meter, "openai.m", 1))
    assert cost == (0 if meter is Meter.CALL_SECONDS else None)


def test_the_models_of_this_machine_are_those_of_the_catalogue():
    assert LOCAL == {LOCAL_MIND, LOCAL_EARS, LOCAL_VOICE}


def test_the_table_that_comes_with_it_prices_no_cloud():
    text = (Path(agent.__file__).parent / "default-prices.toml").read_text()
    prices = read(text)
    assert prices.cost(Use(Meter.LLM_OUTPUT_TOKENS, "ollama.llama3", 1000)) == 0
    assert prices.cost(Use(Meter.LLM_OUTPUT_TOKENS, "openai.gpt-4o-mini", 1)) is None


def test_a_table_may_be_empty():
    assert read("") == Prices("EUR")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("= 3", "not TOML"),
        ("curency = 'EUR'", "unknown key 'curency'; known: currency, call, llm"),
        ("currency = 'euro'", "currency is 'euro', not ISO 4217 such as EUR"),
        ("currency = 7", "currency is 7"),
        ("call = 3", "call is 3, not a table"),
        ("call.per_hour = 3", "unknown key 'call.per_hour'; known: per_minute"),
        ("call.per_minute = -1", "call.per_minute is -1, not a price"),
        ("llm = 3", "llm is 3, not a table"),
        ("llm.x = 3", 'llm."x" is not <provider>.<model>, in quotes'),
        ("llm.openai.gpt.input = 3", 'llm."openai" is not <provider>.<model>'),
        ("llm.'*'.input = 3", 'llm."*" is not <provider>.<model>'),
        ("llm.'a.b*'.input = 3", 'llm."a.b*" is not <provider>.<model>'),
        ("llm.'a.b' = 3", 'llm."a.b" is 3, not a table'),
        ("llm.'a.b'.input = 3", 'no llm."a.b".output'),
        (
            "llm.'a.b' = {input=1, output='2'}",
            """llm."a.b".output is '2', not a price""",
        ),
        ("llm.'a.b' = {input=1, output=nan}", 'llm."a.b".output is nan'),
        ("llm.'a.b' = {input=1, output=inf}", 'llm."a.b".output is inf'),
        ("llm.'a.b' = {input=1, output=true}", 'llm."a.b".output is True'),
        ("stt.'a.b' = {}", 'no stt."a.b".per_minute'),
        ("tts.'a.b'.per_minute = 3", "per_minute'; known: per_million_characters"),
    ],
)
def test_every_mistake_is_named_with_its_place(table, said):
    with pytest.raises(PricesError) as refused:
        read(table)
    assert said in str(refused.value)


_MODELS = st.sampled_from(
    ["openai.gpt-4o-mini", "openai.gpt-realtime", "groq.x", "piper.piper", "own.x"]
)
_AMOUNTS = st.floats(0, 1e9)


@given(st.sampled_from(Meter), _MODELS, _AMOUNTS, _AMOUNTS)
def test_costs_add_up_and_are_never_negative(meter, model, one, other):
    def cost(amount):
        return PRICES.cost(Use(meter, model, amount))

    if cost(one) is None:
        assert cost(other) is cost(one + other) is None
    else:
        assert cost(one) >= 0
        assert cost(one) + cost(other) == pytest.approx(cost(one + other))


def test_the_example_in_the_docs_can_be_read():
    page = Path(agent.__file__).parent.parent / "docs" / "usage.md"
    (example,) = re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)
    prices = read(example)
    use = Use(Meter.LLM_OUTPUT_TOKENS, "openai.gpt-4o-mini", 1e6)
    assert prices.cost(use) == pytest.approx(0.6)
    assert prices.cost(Use(Meter.CALL_SECONDS, "", 60)) == pytest.approx(0.01)
