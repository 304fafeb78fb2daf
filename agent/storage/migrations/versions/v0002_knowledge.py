"""Documents and their passages, found by their words.

A later revision that copies knowledge_passages in a batch keeps the ids, and thereby
the index.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "knowledge_documents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_knowledge_documents"),
        sa.UniqueConstraint(
            "collection", "name", name="uq_knowledge_documents_collection_name"
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "knowledge_passages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("document_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("vector_model", sa.Text(), nullable=True),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_knowledge_passages"),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["knowledge_documents.id"],
            name="fk_knowledge_passages_document_id",
            ondelete="CASCADE",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_knowledge_passages_document_id", "knowledge_passages", ["document_id"]
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE knowledge_passages ADD COLUMN lexemes tsvector")
        op.execute(
            "CREATE INDEX ix_knowledge_passages_lexemes"
            " ON knowledge_passages USING gin (lexemes)"
        )
    else:
        op.execute(
            "CREATE VIRTUAL TABLE knowledge_index USING fts5 (words,"
            " content = 'knowledge_passages', content_rowid = 'id',"
            " tokenize = 'unicode61 remove_diacritics 2')"
        )
