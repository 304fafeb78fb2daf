from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql, sqlite

from agent.storage.tables import UtcDateTime, Words

SQLITE, POSTGRESQL = sqlite.dialect(), postgresql.dialect()
BERLIN = timezone(timedelta(hours=1))
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize("instant", [NOON, NOON.astimezone(BERLIN)])
def test_an_instant_is_kept_in_utc(instant):
    kept = UtcDateTime().process_bind_param(instant, SQLITE)
    assert kept == NOON and kept.tzinfo is UTC


@pytest.mark.parametrize(
    "from_the_database", [NOON.replace(tzinfo=None), NOON, NOON.astimezone(BERLIN)]
)
def test_an_instant_comes_back_in_utc(from_the_database):
    found = UtcDateTime().process_result_value(from_the_database, POSTGRESQL)
    assert found == NOON and found.tzinfo is UTC


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="has no time zone"):
        UtcDateTime().process_bind_param(NOON.replace(tzinfo=None), SQLITE)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Grüß Gott \N{GRINNING FACE}", "Grüß Gott \N{GRINNING FACE}"),
        ("a\0b", "a\ufffdb"),
        ("half \ud83d", "half \ufffd"),
        ("two halves \ud83d\ude00", "two halves \N{GRINNING FACE}"),
        (None, None),
    ],
)
def test_words_become_storable(said, kept):
    assert Words().process_bind_param(said, SQLITE) == kept


@given(st.text(st.characters(codec=None)))
def test_any_words_become_storable(said):
    kept = Words().process_bind_param(said, SQLITE)
    assert kept is not None
    assert "\0" not in kept.encode().decode()
