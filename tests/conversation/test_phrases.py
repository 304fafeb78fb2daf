from agent.conversation.phrases import LONGEST, Phrases


def test_sound_is_remembered_by_voice_and_text():
    phrases = Phrases()
    phrases.remember("joe", "Hello.", b"12")
    assert phrases.get("joe", "Hello.") == b"12"
    assert phrases.get("amy", "Hello.") is None
    assert phrases.get("joe", "Hello!") is None


def test_what_was_not_said_for_longest_makes_room():
    phrases = Phrases(most_bytes=6)
    phrases.remember("joe", "a", b"12")
    phrases.remember("joe", "b", b"34")
    phrases.get("joe", "a")
    phrases.remember("joe", "c", b"567")
    assert phrases.get("joe", "a") == b"12"
    assert phrases.get("joe", "b") is None


def test_lines_stay():
    phrases = Phrases(most_bytes=1)
    phrases.keep("joe", "One moment, please.", b"1234")
    phrases.remember("joe", "x", b"56")
    assert phrases.get("joe", "One moment, please.") == b"1234"


def test_long_texts_are_not_worth_it():
    phrases = Phrases()
    phrases.remember("joe", "x" * (LONGEST + 1), b"1")
    assert phrases.get("joe", "x" * (LONGEST + 1)) is None
