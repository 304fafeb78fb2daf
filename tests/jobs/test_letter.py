from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from agent.calls.event import Event, EventType, KeptEvent
from agent.jobs import letter

from .webhooks import OLD_SECRET, SECRET

EVENT = KeptEvent(
    7,
    "evt_7",
    Event(
        EventType.CALL_CREATED,
        "default",
        datetime(2026, 11, 21, 8, 5, 1, 250000, tzinfo=UTC),
        {"b": "Gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n", "a": [1, None]},
    ),
)
CONTENT = letter.content(EVENT)


@pytest.fixture
def now() -> datetime:
    """Of this test: the library takes nothing that is older than five minutes, and a
    whole run takes longer."""
    return datetime.now(UTC)


def test_the_body_is_that_of_standard_webhooks():
    assert CONTENT.decode() == (
        '{"data":{"a":[1,null],"b":"Grün"},'
        '"timestamp":"2026-11-21T08:05:01.250000Z","type":"call_created"}'
    )


def test_its_bytes_do_not_depend_on_the_order_of_keys():
    turned = Event(
        EVENT.event.type, "default", EVENT.event.at, {"a": [1, None], "b": "Grün"}
    )
    assert letter.content(KeptEvent(7, "evt_7", turned)) == CONTENT


@pytest.mark.parametrize(
    ("secrets", "verifies"),
    [
        ([SECRET], [SECRET]),
        ([SECRET, OLD_SECRET], [SECRET, OLD_SECRET]),
        ([OLD_SECRET], [OLD_SECRET]),
    ],
)
def test_the_public_library_verifies_it(secrets, verifies, now):
    headers = dict(letter.headers(EVENT, CONTENT, secrets, now))
    assert headers["webhook-id"] == "evt_7"
    assert headers["webhook-timestamp"] == str(int(now.timestamp()))
    for secret in (SECRET, OLD_SECRET):
        if secret in verifies:
            said = Webhook(secret).verify(CONTENT, headers)
            assert said["type"] == "call_created"
        else:
            with pytest.raises(WebhookVerificationError):
                Webhook(secret).verify(CONTENT, headers)


def test_a_changed_body_is_not_verified(now):
    headers = dict(letter.headers(EVENT, CONTENT, [SECRET], now))
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(
            CONTENT.replace(b"call_created", b"call_hungup"), headers
        )


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_x"])
def test_a_secret_that_is_none(secret, now):
    with pytest.raises(ValueError, match="."):
        letter.headers(EVENT, CONTENT, [secret], now)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0),
        ("9" * 40, 10**9),
        *[(nonsense, 0) for nonsense in ("", "soon", "-5", "1.5", "²", "Sat, 99")],
    ],
)
def test_retry_after(value, seconds):
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert letter.retry_after(value, noon) == timedelta(seconds=seconds)
