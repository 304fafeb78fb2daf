"""The public JSON shapes of events, webhooks and deliveries, and nothing else."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.calls.event import EventType, KeptEvent
from agent.storage.outbox import DeliveryState
from agent.storage.webhooks import Delivery, DeliveryPage, Webhook

from .schemas import Instant

_Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2000,
        description="http or https, without user and fragment. Private addresses only"
        " if the operator allows them.",
    ),
]
_Events = Annotated[
    list[EventType],
    Field(
        max_length=len(EventType), description="Types of events; none: all that happen."
    ),
]
_Label = Annotated[str, Field(max_length=200)]


class EventShape(BaseModel):
    id: str = Field(description="The same for everybody who is told of it.")
    number: int = Field(description="Later events have higher ones.")
    type: EventType
    timestamp: datetime
    data: dict[str, Any] = Field(description="By type: docs/records.md.")

    @classmethod
    def of(cls, kept: KeptEvent) -> "EventShape":
        return cls(
            id=kept.id,
            number=kept.number,
            type=kept.event.type,
            timestamp=kept.event.at,
            data=dict(kept.event.data),
        )


class EventPage(BaseModel):
    events: list[EventShape]
    next: int = Field(description="Pass it as `after` for what follows, now or later.")
    more: bool = Field(description="There is more already.")
    gap: bool = Field(
        description="Between `after` and the first of these some may have been deleted"
        " because they were old."
    )


class WebhookDraft(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: _Url
    events: _Events = []
    label: _Label = ""
    enabled: bool = True


class WebhookChanges(BaseModel):
    """What is not named stays."""

    model_config = ConfigDict(extra="forbid")

    url: _Url | None = None
    events: _Events | None = None
    label: _Label | None = None
    enabled: bool | None = None


class WebhookShape(BaseModel):
    id: str
    url: str
    events: list[str] = Field(description="Types of events; none: all that happen.")
    label: str
    enabled: bool
    disabled_because: str = Field(description="Why we have disabled it, if we have.")
    created_at: datetime
    updated_at: datetime
    old_secret_until: datetime | None = Field(
        description="So long the secret before this one signs as well."
    )

    @classmethod
    def of(cls, webhook: Webhook) -> "WebhookShape":
        return cls(**_columns(webhook))


class NewWebhookShape(WebhookShape):
    secret: str = Field(
        description="As Standard Webhooks writes it. It is shown here and never again."
    )

    @classmethod
    def made(cls, webhook: Webhook, secret: str) -> "NewWebhookShape":
        return cls(**_columns(webhook), secret=secret)


class WebhookList(BaseModel):
    webhooks: list[WebhookShape] = Field(description="The oldest first.")


class DeliveryShape(BaseModel):
    id: int
    event_id: str = Field(description="The `webhook-id` that the receiver sees.")
    event_number: int
    event_type: str
    state: DeliveryState
    attempts: int
    status: int | None = Field(description="Of the last answer; null: there was none.")
    last_error: str
    created_at: datetime
    last_try: datetime | None
    next_try: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryShape":
        return cls(
            id=delivery.id,
            event_id=delivery.event_id,
            event_number=delivery.event_number,
            event_type=delivery.event_type,
            state=delivery.state,
            attempts=delivery.attempts,
            status=delivery.status,
            last_error=delivery.last_error,
            created_at=delivery.created_at,
            last_try=delivery.last_try,
            next_try=delivery.next_try,
            finished_at=delivery.finished_at,
        )


class DeliveryList(BaseModel):
    deliveries: list[DeliveryShape] = Field(description="The newest first.")
    next: int | None = Field(
        description="Pass it as `before` for the deliveries that follow; null: no more."
    )

    @classmethod
    def of(cls, page: DeliveryPage) -> "DeliveryList":
        return cls(
            deliveries=[DeliveryShape.of(each) for each in page.deliveries],
            next=page.next,
        )


class Redelivery(BaseModel):
    """All that were given up, from an instant on."""

    model_config = ConfigDict(extra="forbid")

    since: Instant = Field(description="Of the events.")
    state: Literal["dead"] = "dead"


class Redelivered(BaseModel):
    deliveries: int = Field(description="How many events wait once more.")


def _columns(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.draft.url,
        "events": list(webhook.draft.events),
        "label": webhook.draft.label,
        "enabled": webhook.draft.enabled,
        "disabled_because": webhook.disabled_because,
        "created_at": webhook.created_at,
        "updated_at": webhook.updated_at,
        "old_secret_until": webhook.old_secret_until,
    }
