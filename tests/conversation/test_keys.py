import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.conversation.keys import KEYS, Keys, as_message


def typed(presses, *, dictation=False):
    """All entries of keys pressed at those times, as (when, entry): somebody looks at
    each time that is due."""
    keys = Keys()
    keys.dictation = dictation
    entries = []

    def look_until(now):
        while (due := keys.due()) is not None and due <= now:
            if (entry := keys.look(due)) is not None:
                entries.append((due, entry))

    for key, now in presses:
        look_until(now)
        keys.digit(key, now)
    look_until(1e9)
    assert keys.look(1e9) is None
    return entries


def at_half_a_second(keys):
    return [(key, 0.5 * number) for number, key in enumerate(keys)]


@pytest.mark.parametrize(
    ("keys", "entries", "in_dictation"),
    [
        ("1", [(2.0, "1")], [(4.0, "1")]),
        ("042", [(3.0, "042")], [(5.0, "042")]),
        ("042#", [(1.5, "042")], [(1.5, "042")]),
        ("#", [(0.0, "#")], [(0.0, "#")]),
        ("1#2#", [(0.5, "1"), (1.5, "2")], [(0.5, "1"), (1.5, "2")]),
        ("12*3", [(3.5, "12*3")], [(5.5, "13")]),
        ("*", [(2.0, "*")], []),
        ("1**2", [(3.5, "1**2")], [(5.5, "2")]),
        ("1*#", [(1.0, "1*")], [(1.0, "#")]),
        ("A", [(2.0, "A")], [(4.0, "A")]),
        ("x", [], []),
        ("12x", [(2.5, "12")], [(4.5, "12")]),
        ("", [], []),
    ],
)
def test_keys_become_entries(keys, entries, in_dictation):
    assert typed(at_half_a_second(keys)) == entries
    assert typed(at_half_a_second(keys), dictation=True) == in_dictation


@pytest.mark.parametrize(
    ("pause", "entries", "in_dictation"),
    [
        (1.9, ["12"], ["12"]),
        (2.1, ["1", "2"], ["12"]),
        (3.9, ["1", "2"], ["12"]),
        (4.1, ["1", "2"], ["1", "2"]),
    ],
)
def test_a_pause_ends_an_entry(pause, entries, in_dictation):
    presses = [("1", 0.0), ("2", pause)]
    assert [entry for _, entry in typed(presses)] == entries
    in_time = [entry for _, entry in typed(presses, dictation=True)]
    assert in_time == in_dictation


def test_an_endless_entry_is_cut():
    entries = [entry for _, entry in typed(at_half_a_second("7" * 130))]
    assert entries == ["7" * 64, "7" * 64, "77"]


def test_nothing_is_complete_too_early():
    keys = Keys()
    keys.digit("1", 10.0)
    assert keys.look(11.9) is None
    assert keys.due() == 12.0
    assert keys.look(12.0) == "1"
    assert keys.due() is None


def test_dictation_may_begin_in_the_middle():
    keys = Keys()
    keys.digit("1", 0.0)
    keys.dictation = True
    assert (keys.look(2.0), keys.due()) == (None, 4.0)
    keys.dictation = False
    assert keys.look(2.0) == "1"


PRESSES = st.lists(
    st.tuples(st.sampled_from(sorted(KEYS)), st.floats(0, 6)), max_size=200
)


@given(PRESSES, st.booleans())
def test_no_key_is_lost(steps, dictation):
    now, presses = 0.0, []
    for key, pause in steps:
        now += pause
        presses.append((key, now))
    entries = [entry for _, entry in typed(presses, dictation=dictation)]
    assert all(0 < len(entry) <= 64 for entry in entries)
    if not dictation:
        in_all = "".join(entries).replace("#", "")
        assert in_all == "".join(key for key, _ in presses).replace("#", "")


@pytest.mark.parametrize(
    ("entry", "dictation", "message"),
    [
        ("1", False, "The caller pressed 1."),
        ("#", False, "The caller pressed #."),
        ("1", True, "The caller typed 1 on the keypad."),
        ("204", False, "The caller typed 204 on the keypad."),
        ("0401234", True, "The caller typed 040 1234 on the keypad."),
        ("1234", True, "The caller typed 1234 on the keypad."),
        ("12345", True, "The caller typed 123 45 on the keypad."),
        ("123456", True, "The caller typed 123 456 on the keypad."),
        ("12345678", True, "The caller typed 123 456 78 on the keypad."),
        ("1234567890", False, "The caller typed 123 456 7890 on the keypad."),
        ("*21*204", False, "The caller typed *21*204 on the keypad."),
    ],
)
def test_what_the_model_is_told(entry, dictation, message):
    assert as_message(entry, dictation=dictation) == message


@given(st.text("0123456789", min_size=1, max_size=64), st.booleans())
def test_grouping_changes_no_digit(entry, dictation):
    said = as_message(entry, dictation=dictation)
    assert "".join(character for character in said if character.isdecimal()) == entry
