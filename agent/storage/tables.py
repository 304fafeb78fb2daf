"""The tables, private to this room: everybody else sees the values of agent.calls.

They say nothing that only SQLite understands. Whoever changes them adds a
revision to migrations/versions; a test compares the two.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from agent.calls.customer import DEFAULT

_Long = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite counts by itself only in a column that is an INTEGER by name."""
_EMPTY = text("''")
Blob = bytes
"""For tables with a column of the name `bytes`."""


class UtcDateTime(TypeDecorator[datetime]):
    """An instant. SQLite forgets the zone, so everything is kept in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        return value.astimezone(UTC)


def storable(words: str) -> str:
    """Half surrogate pairs, which no database takes, and NUL, which PostgreSQL
    does not, become U+FFFD."""
    whole = words.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\0", "\N{REPLACEMENT CHARACTER}")


class Words(TypeDecorator[str]):
    """Text from callers and models."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


class Table(DeclarativeBase):
    metadata = MetaData(
        # Names that a later revision can drop by.
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map = {
        str: Words,
        float: Double,
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
    }


class CallRow(Table):
    __tablename__ = "calls"

    id: Mapped[str] = mapped_column(primary_key=True)
    caller: Mapped[str]
    called: Mapped[str]
    direction: Mapped[str]
    ai: Mapped[str]
    started_at: Mapped[datetime]
    channel_id: Mapped[str]
    codec: Mapped[str]
    dialect: Mapped[str]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]
    end_detail: Mapped[str]
    variables: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    customer: Mapped[str] = mapped_column(server_default=DEFAULT)
    ai_version: Mapped[int] = mapped_column(server_default="0")
    agent: Mapped[str] = mapped_column(server_default=_EMPTY)
    """Which agent has, or had, the call."""
    answered_at: Mapped[datetime | None]
    q850: Mapped[int | None]
    sip: Mapped[int | None]
    cost: Mapped[float | None] = mapped_column(server_default="0")
    """Null: something was used that has no price."""

    __table_args__ = (
        Index(None, "customer", "started_at", "id"),
        Index(None, "ai", "started_at", "id"),
        Index(None, "ended_at"),
    )


class TurnRow(Table):
    __tablename__ = "turns"

    call_id: Mapped[str] = mapped_column(
        ForeignKey(CallRow.id, ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Counts from 1 within the call."""
    speaker: Mapped[str]
    text: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    interrupted: Mapped[bool]
    latency: Mapped[dict[str, Any]]
    spoken: Mapped[str] = mapped_column(server_default=_EMPTY)


class ToolUseRow(Table):
    __tablename__ = "tool_uses"

    call_id: Mapped[str] = mapped_column(
        ForeignKey(CallRow.id, ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Counts from 1 within the call."""
    name: Mapped[str]
    arguments: Mapped[str]
    result: Mapped[str]
    started_at: Mapped[datetime]
    milliseconds: Mapped[float]
    failed: Mapped[bool]
    refused: Mapped[bool] = mapped_column(server_default=false())


class TroubleRow(Table):
    __tablename__ = "troubles"

    call_id: Mapped[str] = mapped_column(
        ForeignKey(CallRow.id, ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Counts from 1 within the call."""
    stage: Mapped[str]
    provider: Mapped[str]
    cause: Mapped[str]
    detail: Mapped[str]
    at: Mapped[datetime]
    remedy: Mapped[str]


class RecordingRow(Table):
    """One track of one call. Not bound to `calls`: Asterisk records a call
    whether or not the agent ever heard of it."""

    __tablename__ = "recordings"

    call_id: Mapped[str] = mapped_column(primary_key=True)
    track: Mapped[str] = mapped_column(primary_key=True)
    store: Mapped[str]
    key: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float]
    sha256: Mapped[str]
    created_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(server_default="stored")
    format: Mapped[str] = mapped_column(server_default="wav")
    rate: Mapped[int] = mapped_column(server_default="8000")
    samples: Mapped[int] = mapped_column(BigInteger, server_default="0")
    source_sha256: Mapped[str] = mapped_column(server_default=_EMPTY)
    closed_at: Mapped[datetime | None]
    stored_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    last_error: Mapped[str] = mapped_column(server_default=_EMPTY)
    next_try: Mapped[datetime | None]
    gaps: Mapped[list[Any]] = mapped_column(JSON, server_default="[]")
    """Pairs of seconds: see Gap."""
    removed_at: Mapped[datetime | None]
    peaks: Mapped[Blob | None]
    """The waveform, once it was asked for; last, so that nobody reads past it."""

    __table_args__ = (Index(None, "state", "stored_at"),)


class DocumentRow(Table):
    """A document in a collection that AIs search."""

    __tablename__ = "knowledge_documents"

    id: Mapped[int] = mapped_column(primary_key=True)
    collection: Mapped[str]
    name: Mapped[str]
    sha256: Mapped[str]
    language: Mapped[str]
    added_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("collection", "name"),
        # No number comes back: what is kept in memory is known by them.
        {"sqlite_autoincrement": True},
    )


class PassageRow(Table):
    """Beside it each database keeps its own index of `words`: see words_index.py."""

    __tablename__ = "knowledge_passages"

    id: Mapped[int] = mapped_column(primary_key=True)
    document_id: Mapped[int] = mapped_column(
        ForeignKey(DocumentRow.id, ondelete="CASCADE"), index=True
    )
    number: Mapped[int]
    """Counts from 1 within the document."""
    text: Mapped[str]
    words: Mapped[str]
    """The text as it is searched (words.py)."""
    vector_model: Mapped[str | None]
    vector: Mapped[bytes | None]
    """32-bit floats, little-endian; last, so that nobody reads past it."""

    __table_args__ = ({"sqlite_autoincrement": True},)


class TombstoneRow(Table):
    """A call whose words and recordings were deleted, and may never come back."""

    __tablename__ = "tombstones"

    call_id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    """`erased` or `expired`."""
    at: Mapped[datetime]
    who: Mapped[str]
    why: Mapped[str]
    finished_at: Mapped[datetime | None] = mapped_column(index=True)
    """None: the store has not deleted everything yet."""
    last_error: Mapped[str]


class AuditRow(Table):
    """Who did what that cannot be undone. Rows are only ever added."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    who: Mapped[str]
    deed: Mapped[str]
    call_id: Mapped[str] = mapped_column(index=True)
    why: Mapped[str]
    customer: Mapped[str] = mapped_column(server_default=DEFAULT)
    subject: Mapped[str] = mapped_column(server_default=_EMPTY)
    """What else but a call it was done to: `ai/desk`, `key/key_17`."""

    __table_args__ = ({"sqlite_autoincrement": True},)


class UsageRow(Table):
    """What a call used, summed up."""

    __tablename__ = "usage"

    call_id: Mapped[str] = mapped_column(
        ForeignKey(CallRow.id, ondelete="CASCADE"), primary_key=True
    )
    meter: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[float]
    cost: Mapped[float | None]
    customer: Mapped[str]
    ai: Mapped[str]
    at: Mapped[datetime]
    """When the call began."""

    __table_args__ = (Index(None, "customer", "at"), Index(None, "ai", "at"))


class CustomerRow(Table):
    __tablename__ = "customers"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    created_at: Mapped[datetime]


class ApiKeyRow(Table):
    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    customer: Mapped[str] = mapped_column(ForeignKey(CustomerRow.id))
    scope: Mapped[str]
    name: Mapped[str]
    hint: Mapped[str]
    sha256: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class AiRow(Table):
    __tablename__ = "ais"

    customer: Mapped[str] = mapped_column(ForeignKey(CustomerRow.id), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    """The newest one; what it says stands in ai_versions."""
    source: Mapped[str]
    """`api`, or `file`: OFFHOOK_AIS, where it is edited."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    """Its versions stay, for the calls that had them; its name may be used again."""


class AiVersionRow(Table):
    """Never changed, never deleted."""

    __tablename__ = "ai_versions"

    customer: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    config: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    who: Mapped[str]


class NumberRow(Table):
    """Which AI answers under a number; each number belongs to one customer."""

    __tablename__ = "numbers"

    number: Mapped[str] = mapped_column(primary_key=True)
    """E.164, or an extension as the dialplan has it."""
    customer: Mapped[str] = mapped_column(ForeignKey(CustomerRow.id), index=True)
    ai: Mapped[str]
    label: Mapped[str]
    revision: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class WebhookRow(Table):
    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(primary_key=True)
    customer: Mapped[str] = mapped_column(ForeignKey(CustomerRow.id), index=True)
    url: Mapped[str]
    events: Mapped[list[Any]] = mapped_column(JSON)
    """Types of events; empty: all."""
    label: Mapped[str]
    secret: Mapped[str]
    """As Standard Webhooks writes it, `whsec_...`."""
    old_secret: Mapped[str]
    """Signs as well, until `old_secret_until`."""
    old_secret_until: Mapped[datetime | None]
    enabled: Mapped[bool]
    disabled_because: Mapped[str]
    revision: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class EventRow(Table):
    """Written in the transaction of what it tells, one transaction after the other:
    who has read up to a number has seen all below it."""

    __tablename__ = "events"

    number: Mapped[int] = mapped_column(_Long, primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    customer: Mapped[str]
    type: Mapped[str]
    call_id: Mapped[str] = mapped_column(index=True)
    at: Mapped[datetime] = mapped_column(index=True)
    data: Mapped[dict[str, Any]]

    __table_args__ = (
        Index(None, "customer", "number"),
        {"sqlite_autoincrement": True},
    )


class DeliveryRow(Table):
    """An event that a webhook is to be told; a webhook's are sent in their order."""

    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(_Long, primary_key=True)
    webhook: Mapped[str] = mapped_column(ForeignKey(WebhookRow.id, ondelete="CASCADE"))
    event: Mapped[int] = mapped_column(
        _Long, ForeignKey(EventRow.number, ondelete="CASCADE"), index=True
    )
    state: Mapped[str]
    """`waiting`, `delivered` or `dead`."""
    attempts: Mapped[int]
    status: Mapped[int | None]
    """Of the last answer."""
    last_error: Mapped[str]
    created_at: Mapped[datetime]
    last_try: Mapped[datetime | None]
    next_try: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        Index(None, "webhook", "state", "id"),
        Index(None, "state", "webhook"),
        {"sqlite_autoincrement": True},
    )


class AgentRow(Table):
    """An agent's last sign of life, and how far its journal is in the database."""

    __tablename__ = "agents"

    id: Mapped[str] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    applied: Mapped[int] = mapped_column(_Long)


class PostedRow(Table):
    """An answer to a POST with an Idempotency-Key, to be given again."""

    __tablename__ = "posted"

    customer: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request: Mapped[str]
    """SHA-256 of method, path and body."""
    at: Mapped[datetime] = mapped_column(index=True)
    status: Mapped[int | None]
    """Null: it is being worked on."""
    body: Mapped[str]
    headers: Mapped[dict[str, Any]]
