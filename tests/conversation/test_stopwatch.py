from agent.conversation.stopwatch import Stopwatch


def test_a_reply_is_taken_apart_once():
    watch = Stopwatch()
    watch.caller_stopped(0.5)
    watch.transcribed(0.3)
    watch.asked()
    watch.first_token()
    watch.first_token()
    watch.first_audio(0.1)
    watch.first_audio(0.9)
    watch.replied()
    parts = watch.take()
    assert set(parts) == {"silence", "stt", "llm", "tts", "reply"}
    assert parts["tts"] == 0.1
    assert parts["reply"] >= 0.5
    assert watch.take() == {}


def test_a_greeting_answers_nobody():
    watch = Stopwatch()
    watch.first_token()
    watch.first_audio(0.1)
    watch.replied()
    assert watch.take() == {"tts": 0.1}
