import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.calls.usage import Meter
from agent.conversation.errors import Cause
from agent.conversation.realtime_api import (
    RealtimeConfig,
    read_event,
    session,
    trouble_of,
    uses_of,
)


@pytest.mark.parametrize(
    ("config", "address"),
    [
        (RealtimeConfig("openai", "m"), "wss://api.openai.com/v1/realtime?model=m"),
        (
            RealtimeConfig("x", "a/b c", url="http://h:8000/v1/realtime"),
            "ws://h:8000/v1/realtime?model=a%2Fb%20c",
        ),
        (
            RealtimeConfig("x", "m", url="https://h/realtime?api-version=1"),
            "wss://h/realtime?api-version=1&model=m",
        ),
    ],
)
def test_addresses(config, address):
    assert config.address == address


@pytest.mark.parametrize(
    ("options", "headers"),
    [
        ({}, {}),
        ({"key": "k"}, {"Authorization": "Bearer k"}),
        ({"key": "k", "key_header": "api-key"}, {"api-key": "k"}),
    ],
)
def test_keys(options, headers):
    assert RealtimeConfig("x", "m", **options).headers() == headers


def test_a_server_of_the_beta_is_asked_in_its_words():
    config = RealtimeConfig("x", "m", voice="ash", beta=True, transcription="whisper-1")
    assert session(config, "ulaw", "de-AT", "Be Ada.", [{"name": "f"}]) == {
        "instructions": "Be Ada.",
        "voice": "ash",
        "modalities": ["audio", "text"],
        "turn_detection": {
            "type": "server_vad",
            "create_response": True,
            "interrupt_response": True,
            "silence_duration_ms": 500,
        },
        "input_audio_transcription": {"model": "whisper-1", "language": "de"},
        "input_audio_format": "g711_ulaw",
        "output_audio_format": "g711_ulaw",
        "tools": [{"type": "function", "name": "f"}],
        "tool_choice": "auto",
    }


def test_a_server_that_knows_only_samples_is_not_asked_for_a_format_by_the_beta():
    config = RealtimeConfig("x", "m", beta=True, g711=False, transcription="")
    wanted = session(config, "ulaw", "auto", "Be Ada.", [])
    assert wanted.keys() == {"instructions", "modalities", "turn_detection"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("response.audio.delta", "response.output_audio.delta"),
        (
            "response.audio_transcript.done",
            "response.output_audio_transcript.done",
        ),
        ("response.done", "response.done"),
        ("response.output_audio.delta", "response.output_audio.delta"),
    ],
)
def test_events_of_the_beta_are_read_as_todays(old, new):
    assert read_event(f'{{"type": "{old}", "delta": "x"}}') == {
        "type": new,
        "delta": "x",
    }


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        ({"type": "invalid_request_error", "code": "x"}, Cause.BAD_REQUEST),
        (
            {"type": "invalid_request_error", "code": "invalid_api_key"},
            Cause.REFUSED,
        ),
        ({"type": "authentication_error"}, Cause.REFUSED),
        ({"type": "insufficient_quota"}, Cause.NO_CREDIT),
        ({"type": "requests", "code": "rate_limit_exceeded"}, Cause.THROTTLED),
        (
            {"type": "invalid_request_error", "code": "session_expired"},
            Cause.CUT,
        ),
        ({"type": "server_error", "code": None}, Cause.SERVER_ERROR),
        (None, Cause.BAD_REQUEST),
        ("no", Cause.BAD_REQUEST),
    ],
)
def test_errors(error, cause):
    assert trouble_of(error).cause is cause


@given(st.text() | st.binary())
def test_garbage_is_a_value_error_or_an_event(message):
    try:
        event = read_event(message)
    except ValueError:
        return
    assert isinstance(event["type"], str)


def test_nested_garbage_is_a_value_error():
    with pytest.raises(ValueError, match="nested too deep"):
        read_event("[" * 100_000)


def counted(usage):
    return {use.meter: use.amount for use in uses_of(usage, "x.m")}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, {Meter.UNREPORTED_REQUESTS: 1}),
        ([], {Meter.UNREPORTED_REQUESTS: 1}),
        ({}, {}),
        ({"type": "duration", "seconds": 1.5}, {Meter.STT_SECONDS: 1.5}),
        (
            {"input_tokens": 10, "output_tokens": 5},
            {Meter.LLM_INPUT_TOKENS: 10, Meter.LLM_OUTPUT_TOKENS: 5},
        ),
        (
            {
                "type": "tokens",
                "input_tokens": 14,
                "output_tokens": 8,
                "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
            },
            {
                Meter.LLM_INPUT_TOKENS: 4,
                Meter.LLM_AUDIO_INPUT_TOKENS: 10,
                Meter.LLM_OUTPUT_TOKENS: 8,
            },
        ),
        ({"input_tokens": "many", "output_tokens": float("nan")}, {}),
        ({"input_tokens": -5, "output_tokens": 1e300}, {}),
    ],
)
def test_what_an_answer_took(usage, expected):
    assert counted(usage) == expected


def _details(draw):
    counts = st.dictionaries(
        st.sampled_from(["audio_tokens", "text_tokens", "cached_tokens"]), _ANYTHING
    )
    cached = draw(counts)
    return draw(counts) | {"cached_tokens_details": cached}


_ANYTHING = st.integers(-5, 200) | st.none() | st.text() | st.floats()


@given(st.integers(0, 100), st.integers(0, 100), st.data())
def test_every_token_is_counted_once(read, written, data):
    """Whatever the details say."""
    usage = {
        "input_tokens": read,
        "output_tokens": written,
        "input_token_details": _details(data.draw),
        "output_token_details": _details(data.draw),
    }
    uses = uses_of(usage, "x.m")
    assert sum(use.amount for use in uses) == pytest.approx(read + written)
    assert all(use.amount > 0 for use in uses)
