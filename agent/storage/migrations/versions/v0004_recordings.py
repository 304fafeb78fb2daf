"""Where each track of a recording is on its way, and what is known of it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    for column in (
        sa.Column("state", sa.Text(), nullable=False, server_default="stored"),
        sa.Column("format", sa.Text(), nullable=False, server_default="wav"),
        sa.Column("rate", sa.Integer(), nullable=False, server_default="8000"),
        sa.Column("samples", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("source_sha256", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("closed_at", moment),
        sa.Column("stored_at", moment),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("last_error", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("next_try", moment),
        sa.Column("gaps", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("removed_at", moment),
        sa.Column("peaks", sa.LargeBinary()),
    ):
        op.add_column("recordings", column)
    # All that was kept so far is WAV, as Asterisk wrote it.
    op.execute(
        "UPDATE recordings SET stored_at = created_at, source_sha256 = sha256,"
        " samples = CAST(seconds * 8000 + 0.5 AS BIGINT)"
    )
    op.create_index(
        "ix_recordings_state_stored_at", "recordings", ["state", "stored_at"]
    )
