"""What a call suffered from, what was known in it, and tools that were refused."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "troubles",
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", "number", name="pk_troubles"),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name="fk_troubles_call_id", ondelete="CASCADE"
        ),
    )
    op.add_column(
        "calls",
        sa.Column("variables", sa.JSON(), nullable=False, server_default="{}"),
    )
    op.add_column(
        "tool_uses",
        sa.Column("refused", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
