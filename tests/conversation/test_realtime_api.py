import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.conversation.errors import Cause
from agent.conversation.realtime_api import (
    RealtimeConfig,
    read_event,
    session,
    trouble_of,
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
