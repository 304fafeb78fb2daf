"""/webhooks: who is told of events, and what became of each telling.

Sending them is jobs/' business; here they are kept, tried and asked for.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from agent.net.addresses import Network, allowed, public
from agent.storage.outbox import DeliveryState
from agent.storage.webhooks import (
    MOST,
    Changes,
    Draft,
    NoDelivery,
    NoWebhook,
    TooManyWebhooks,
    WebhookDisabled,
    Webhooks,
    WrongState,
)

from .auth import Operator, Reader
from .etags import IfMatch, etag, matches
from .idempotency import IdempotentRoute
from .problems import Refusal, documented
from .schemas_events import (
    DeliveryList,
    DeliveryShape,
    NewWebhookShape,
    Redelivered,
    Redelivery,
    WebhookChanges,
    WebhookDraft,
    WebhookList,
    WebhookShape,
)

_LARGEST = 2**63 - 1


def _webhooks(request: Request) -> Webhooks:
    webhooks: Webhooks = request.app.state.webhooks
    return webhooks


Kept = Annotated[Webhooks, Depends(_webhooks)]
Number = Annotated[int, Path(ge=1, le=_LARGEST)]

router = APIRouter(prefix="/webhooks", tags=["webhooks"], route_class=IdempotentRoute)


@router.post("", status_code=201, responses=documented(409))
async def create_webhook(
    who: Operator,
    draft: WebhookDraft,
    request: Request,
    response: Response,
    webhooks: Kept,
) -> NewWebhookShape:
    """Its secret is in the answer, and nowhere else ever after."""
    _check(draft.url, request)
    made = Draft(draft.url, tuple(draft.events), draft.label, draft.enabled)
    with _in_our_words():
        webhook, secret = await webhooks.create(
            who.customer, made, who=who.who, now=_now()
        )
    response.headers["ETag"] = etag(webhook.revision)
    response.headers["Location"] = f"/webhooks/{webhook.id}"
    return NewWebhookShape.made(webhook, secret)


@router.get("")
async def list_webhooks(who: Reader, webhooks: Kept) -> WebhookList:
    there = await webhooks.all(who.customer)
    return WebhookList(webhooks=[WebhookShape.of(each) for each in there])


@router.get("/{webhook_id}", responses=documented(404))
async def get_webhook(
    who: Reader, webhook_id: str, response: Response, webhooks: Kept
) -> WebhookShape:
    with _in_our_words(webhook_id):
        webhook = await webhooks.get(who.customer, webhook_id)
    response.headers["ETag"] = etag(webhook.revision)
    return WebhookShape.of(webhook)


@router.patch("/{webhook_id}", responses=documented(404))
async def change_webhook(
    who: Operator,
    webhook_id: str,
    changes: WebhookChanges,
    request: Request,
    response: Response,
    webhooks: Kept,
    if_match: IfMatch = None,
) -> WebhookShape:
    """Enabled again, it is sent what has waited meanwhile."""
    if changes.url is not None:
        _check(changes.url, request)
    wanted = Changes(
        changes.url,
        None if changes.events is None else tuple(changes.events),
        changes.label,
        changes.enabled,
    )
    with _in_our_words(webhook_id):
        webhook = await webhooks.change(
            who.customer,
            webhook_id,
            wanted,
            seen=_seen(if_match),
            who=who.who,
            now=_now(),
        )
    response.headers["ETag"] = etag(webhook.revision)
    return WebhookShape.of(webhook)


@router.delete("/{webhook_id}", status_code=204, responses=documented(404))
async def delete_webhook(
    who: Operator, webhook_id: str, webhooks: Kept, if_match: IfMatch = None
) -> None:
    """With its deliveries, those that wait among them."""
    with _in_our_words(webhook_id):
        await webhooks.delete(
            who.customer, webhook_id, seen=_seen(if_match), who=who.who, now=_now()
        )


@router.post("/{webhook_id}/secret/rotate", responses=documented(404))
async def rotate_secret(
    who: Operator, webhook_id: str, response: Response, webhooks: Kept
) -> NewWebhookShape:
    """A new secret. The one before it signs along for 24 hours, the one before that
    no more."""
    with _in_our_words(webhook_id):
        webhook, secret = await webhooks.rotate(
            who.customer, webhook_id, who=who.who, now=_now()
        )
    response.headers["ETag"] = etag(webhook.revision)
    return NewWebhookShape.made(webhook, secret)


@router.post("/{webhook_id}/test", status_code=202, responses=documented(404, 409))
async def test_webhook(who: Operator, webhook_id: str, webhooks: Kept) -> DeliveryShape:
    """An event `webhook_test` for this webhook alone, whatever it asked for."""
    with _in_our_words(webhook_id):
        return DeliveryShape.of(
            await webhooks.test(who.customer, webhook_id, who=who.who, now=_now())
        )


@router.get("/{webhook_id}/deliveries", responses=documented(404))
async def list_deliveries(
    who: Reader,
    webhook_id: str,
    webhooks: Kept,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[
        int | None, Query(ge=1, le=_LARGEST, description="`next` of a page.")
    ] = None,
    state: DeliveryState | None = None,
) -> DeliveryList:
    """Newest first."""
    with _in_our_words(webhook_id):
        page = await webhooks.deliveries(
            who.customer, webhook_id, limit, before=before, state=state
        )
    return DeliveryList.of(page)


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/redeliver",
    status_code=202,
    responses=documented(404, 409),
)
async def redeliver(
    who: Operator, webhook_id: str, delivery_id: Number, webhooks: Kept
) -> DeliveryShape:
    """The same event once more, behind all that wait. Its id is the same, so that a
    receiver who has seen it can tell."""
    with _in_our_words(webhook_id, delivery_id):
        return DeliveryShape.of(
            await webhooks.redeliver(who.customer, webhook_id, delivery_id, _now())
        )


@router.post("/{webhook_id}/redeliver", status_code=202, responses=documented(404))
async def redeliver_dead(
    who: Operator, webhook_id: str, asked: Redelivery, webhooks: Kept
) -> Redelivered:
    """All events from an instant on that are dead here and were not delivered since,
    in their order. Again: nothing more."""
    with _in_our_words(webhook_id):
        count = await webhooks.redeliver_dead(
            who.customer, webhook_id, asked.since, _now()
        )
    return Redelivered(deliveries=count)


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/give-up", responses=documented(404, 409)
)
async def give_up(
    who: Operator, webhook_id: str, delivery_id: Number, webhooks: Kept
) -> DeliveryShape:
    """A waiting delivery is dead, and what waits behind it is next."""
    with _in_our_words(webhook_id, delivery_id):
        return DeliveryShape.of(
            await webhooks.give_up(
                who.customer, webhook_id, delivery_id, who=who.who, now=_now()
            )
        )


def wrong_with(url: str) -> str | None:
    """Why nothing can be sent there; None: something can."""
    # urlsplit drops these without a word; and what is sent would not be what was said.
    if any(ord(letter) <= 0x20 or ord(letter) == 0x7F for letter in url):
        return "it has spaces or control characters"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in ("http", "https"):
        return "it must begin with http:// or https://"
    if not parts.hostname:
        return "it names no host"
    if "@" in parts.netloc:
        return "it must not have a user or password"
    if "#" in url:
        return "it must not have a fragment"
    if "\\" in parts.netloc or "%" in parts.netloc:
        return "its host is no name and no address"
    if port == 0:
        return "there is no port 0"
    return None


def inside(url: str, allow: tuple[Network, ...]) -> bool:
    """An address that is not public. A name is looked at when something is sent."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        host = "127.0.0.1"
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return not public(address) and not allowed(address, allow)


def _check(url: str, request: Request) -> None:
    if (wrong := wrong_with(url)) is not None:
        raise Refusal(422, "bad_url", f"url: {wrong}")
    # Not public, and may be called all the same.
    allow: tuple[Network, ...] = request.app.state.webhook_networks
    if inside(url, allow):
        raise Refusal(
            422,
            "private_address",
            "url: this address is not a public one, and the operator does not allow it",
        )


def _seen(if_match: str | None) -> Callable[[int], None]:
    return functools.partial(matches, if_match)


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def _in_our_words(webhook: str = "", delivery: int = 0) -> Iterator[None]:
    try:
        yield
    except NoWebhook as error:
        raise Refusal(404, "no_webhook", f"there is no webhook {webhook!r}") from error
    except NoDelivery as error:
        raise Refusal(
            404, "no_delivery", f"webhook {webhook!r} has no delivery {delivery}"
        ) from error
    except TooManyWebhooks as error:
        raise Refusal(
            409,
            "too_many_webhooks",
            f"there are {MOST} webhooks, the most there can be",
        ) from error
    except WebhookDisabled as error:
        raise Refusal(
            409, "webhook_disabled", "it is disabled: enable it first"
        ) from error
    except WrongState as error:
        raise Refusal(409, "wrong_state", f"delivery {delivery}: {error}") from error
