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
    MetaData,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

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

    __table_args__ = (
        Index(None, "started_at", "id"),
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
    source_sha256: Mapped[str] = mapped_column(server_default=text("''"))
    closed_at: Mapped[datetime | None]
    stored_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    last_error: Mapped[str] = mapped_column(server_default=text("''"))
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

    __table_args__ = ({"sqlite_autoincrement": True},)
