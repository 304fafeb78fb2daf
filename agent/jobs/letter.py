"""One event on its way to one webhook, as Standard Webhooks has it: bytes and headers.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from agent import __version__
from agent.calls.event import KeptEvent, body


def content(event: KeptEvent) -> bytes:
    """The same bytes each time, whatever the database does to the order of keys."""
    return json.dumps(
        body(event), ensure_ascii=False, separators=(",", ":"), sort_keys=True
    ).encode()


def headers(
    event: KeptEvent, sent: bytes, secrets: Sequence[str], now: datetime
) -> Mapping[str, str]:
    """Raises ValueError if a secret is none."""
    whole = now.astimezone(UTC).replace(microsecond=0)
    try:
        signatures = [
            Webhook(secret).sign(event.id, whole, sent.decode()) for secret in secrets
        ]
    except EmptyWebhookSecretError as error:
        raise ValueError("the secret is empty") from error
    return {
        "content-type": "application/json",
        "user-agent": f"Offhook/{__version__}",
        "accept-encoding": "identity",
        "webhook-id": event.id,
        "webhook-timestamp": str(int(whole.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def retry_after(value: str, now: datetime) -> timedelta:
    """Of the header of that name, seconds or a date; zero if it makes no sense."""
    try:
        if value.strip().isdecimal():
            return timedelta(seconds=min(int(value), 10**9))
        then = parsedate_to_datetime(value)
        then = then if then.tzinfo else then.replace(tzinfo=UTC)
        return max(then - now, timedelta())
    except (ValueError, OverflowError):
        return timedelta()
