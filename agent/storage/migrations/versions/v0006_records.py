"""Customers and their keys, AIs with versions, numbers, webhooks, events, usage."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    long = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "agents",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("seen_at", moment, nullable=False),
        sa.Column("applied", long, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_agents"),
    )
    op.create_table(
        "ai_versions",
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("customer", "name", "version", name="pk_ai_versions"),
    )
    op.create_table(
        "customers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_customers"),
    )
    op.create_table(
        "events",
        sa.Column("number", long, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_events"),
        sa.UniqueConstraint("id", name="uq_events_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_at", "events", ["at"])
    op.create_index("ix_events_call_id", "events", ["call_id"])
    op.create_index("ix_events_customer_number", "events", ["customer", "number"])

    op.create_table(
        "posted",
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("customer", "key", name="pk_posted"),
    )
    op.create_index("ix_posted_at", "posted", ["at"])

    op.create_table(
        "ais",
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.Column("deleted_at", moment, nullable=True),
        sa.ForeignKeyConstraint(["customer"], ["customers.id"], name="fk_ais_customer"),
        sa.PrimaryKeyConstraint("customer", "name", name="pk_ais"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=True),
        sa.Column("revoked_at", moment, nullable=True),
        sa.ForeignKeyConstraint(
            ["customer"], ["customers.id"], name="fk_api_keys_customer"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("sha256", name="uq_api_keys_sha256"),
    )
    op.create_table(
        "numbers",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("ai", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["customer"], ["customers.id"], name="fk_numbers_customer"
        ),
        sa.PrimaryKeyConstraint("number", name="pk_numbers"),
    )
    op.create_index("ix_numbers_customer", "numbers", ["customer"])

    op.create_table(
        "usage",
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("amount", sa.Double(), nullable=False),
        sa.Column("cost", sa.Double(), nullable=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("ai", sa.Text(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name="fk_usage_call_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("call_id", "meter", "model", name="pk_usage"),
    )
    op.create_index("ix_usage_ai_at", "usage", ["ai", "at"])
    op.create_index("ix_usage_customer_at", "usage", ["customer", "at"])

    op.create_table(
        "webhooks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("old_secret", sa.Text(), nullable=False),
        sa.Column("old_secret_until", moment, nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_because", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["customer"], ["customers.id"], name="fk_webhooks_customer"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
    )
    op.create_index("ix_webhooks_customer", "webhooks", ["customer"])

    op.create_table(
        "deliveries",
        sa.Column("id", long, nullable=False),
        sa.Column("webhook", sa.Text(), nullable=False),
        sa.Column("event", long, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("last_try", moment, nullable=True),
        sa.Column("next_try", moment, nullable=True),
        sa.Column("finished_at", moment, nullable=True),
        sa.ForeignKeyConstraint(
            ["event"], ["events.number"], name="fk_deliveries_event", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["webhook"],
            ["webhooks.id"],
            name="fk_deliveries_webhook",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_event", "deliveries", ["event"])
    op.create_index("ix_deliveries_state_webhook", "deliveries", ["state", "webhook"])
    op.create_index(
        "ix_deliveries_webhook_state_id", "deliveries", ["webhook", "state", "id"]
    )

    with op.batch_alter_table("audit") as batch:
        batch.add_column(
            sa.Column("customer", sa.Text(), server_default="default", nullable=False)
        )
        batch.add_column(
            sa.Column(
                "subject", sa.Text(), server_default=sa.text("''"), nullable=False
            )
        )

    with op.batch_alter_table("calls") as batch:
        batch.add_column(
            sa.Column("customer", sa.Text(), server_default="default", nullable=False)
        )
        batch.add_column(
            sa.Column("ai_version", sa.Integer(), server_default="0", nullable=False)
        )
        batch.add_column(
            sa.Column("agent", sa.Text(), server_default=sa.text("''"), nullable=False)
        )
        batch.add_column(sa.Column("answered_at", moment, nullable=True))
        batch.add_column(sa.Column("q850", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("sip", sa.Integer(), nullable=True))
        batch.add_column(
            sa.Column("cost", sa.Double(), server_default="0", nullable=True)
        )
        batch.drop_index("ix_calls_started_at_id")
        batch.create_index(
            "ix_calls_customer_started_at_id", ["customer", "started_at", "id"]
        )

    with op.batch_alter_table("turns") as batch:
        batch.add_column(
            sa.Column("spoken", sa.Text(), server_default=sa.text("''"), nullable=False)
        )
    op.execute("UPDATE calls SET answered_at = started_at")
    customers = sa.table(
        "customers",
        sa.column("id", sa.Text()),
        sa.column("name", sa.Text()),
        sa.column("created_at", moment),
    )
    op.bulk_insert(
        customers,
        [{"id": "default", "name": "Default", "created_at": datetime.now(UTC)}],
    )
