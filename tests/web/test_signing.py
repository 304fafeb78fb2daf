from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.calls.record import Track
from agent.web.config import SigningConfig
from agent.web.signing import BadLink, Link, LinkExpired, expiring, read, sign

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CONFIG = SigningConfig("key", 3600)
LINK = Link("17.5", Track.USER, NOON + timedelta(hours=1))
TOKEN = sign("key", LINK)


def test_a_link_leads_back_to_what_was_signed():
    link = expiring(CONFIG, "17.5", Track.USER, NOON + timedelta(milliseconds=1))
    assert link == LINK
    assert read("key", TOKEN, NOON) == LINK


def test_the_key_is_not_shown():
    assert "sesame" not in repr(SigningConfig("sesame", 60))


@pytest.mark.parametrize(
    ("seconds", "good"), [(-1, True), (0, False), (1, False), (10**9, False)]
)
def test_it_is_good_until_it_expires(seconds, good):
    now = LINK.expires_at + timedelta(seconds=seconds)
    if good:
        assert read("key", TOKEN, now) == LINK
    else:
        with pytest.raises(LinkExpired, match="2026-11-21T13:00:00"):
            read("key", TOKEN, now)


def test_another_key_does_not_fit():
    with pytest.raises(BadLink):
        read("another", TOKEN, NOON)


@given(st.text(max_size=64), st.sampled_from(Track), st.integers(0, 2**33))
def test_any_call_can_be_linked_to(call_id, track, seconds):
    link = Link(call_id, track, datetime.fromtimestamp(seconds, UTC))
    token = sign("key", link)
    assert set(token) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    )
    if link.expires_at > NOON:
        assert read("key", token, NOON) == link


def changed(token):
    """One letter put in, taken out or turned into another one; also the last, whose
    spare bits base64 lets anybody choose."""
    place = st.integers(0, len(token) - 1)
    letter = st.characters(min_codepoint=32, max_codepoint=255)
    return st.one_of(
        st.builds(lambda at, c: token[:at] + c + token[at + 1 :], place, letter),
        st.builds(lambda at, c: token[:at] + c + token[at:], place, letter),
        st.builds(lambda at: token[:at] + token[at + 1 :], place),
        st.builds(lambda end: token + end, st.text(min_size=1, max_size=4)),
        st.builds(lambda c: token[:-1] + c, st.sampled_from("ABCDEFGHxyz0123-_=")),
    ).filter(lambda other: other != token)


@given(changed(TOKEN))
def test_a_link_that_was_changed_is_none(token):
    with pytest.raises(BadLink):
        read("key", token, NOON)


@given(st.text() | st.text("AZaz09-_=. \x00", max_size=600))
def test_garbage_is_no_link(token):
    with pytest.raises(BadLink):
        read("key", token, NOON)


def test_of_another_call_with_the_same_proof():
    claim, proof = TOKEN.split(".")
    other = sign("key", Link("17.6", Track.USER, LINK.expires_at)).split(".")[0]
    assert other != claim
    with pytest.raises(BadLink):
        read("key", f"{other}.{proof}", NOON)
