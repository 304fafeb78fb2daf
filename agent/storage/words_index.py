"""The full-text index over passages, which every database keeps in a way of its own.

Each method is part of a transaction that its caller began.
"""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from .words import Term


class WordsIndex(Protocol):
    async def add(self, session: AsyncSession, document: int, language: str) -> None:
        """Call it when the document's passages are in the table."""

    async def remove(self, session: AsyncSession, document: int) -> None:
        """Call it while they still are."""

    async def search(
        self,
        session: AsyncSession,
        collections: Sequence[str],
        terms: Sequence[Term],
        limit: int,
    ) -> list[int]:
        """Passages that hold any of the terms, the best first."""


def index_of(session: AsyncSession) -> WordsIndex:
    if session.get_bind().dialect.name == "postgresql":
        return _TextSearch()
    return _Fts5()


class _Fts5:
    """SQLite: ranked by bm25."""

    async def add(self, session: AsyncSession, document: int, language: str) -> None:
        await session.execute(
            text(
                "INSERT INTO knowledge_index (rowid, words)"
                " SELECT id, words FROM knowledge_passages"
                " WHERE document_id = :document"
            ),
            {"document": document},
        )

    async def remove(self, session: AsyncSession, document: int) -> None:
        await session.execute(
            text(
                "INSERT INTO knowledge_index (knowledge_index, rowid, words)"
                " SELECT 'delete', id, words FROM knowledge_passages"
                " WHERE document_id = :document"
            ),
            {"document": document},
        )

    async def search(
        self,
        session: AsyncSession,
        collections: Sequence[str],
        terms: Sequence[Term],
        limit: int,
    ) -> list[int]:
        # CROSS: from the index to the rows; the other way round takes seconds.
        found = await session.scalars(
            text(
                "SELECT p.id FROM knowledge_index i"
                " CROSS JOIN knowledge_passages p ON p.id = i.rowid"
                " CROSS JOIN knowledge_documents d ON d.id = p.document_id"
                " WHERE knowledge_index MATCH :query AND d.collection IN :collections"
                " ORDER BY i.rank, p.id LIMIT :limit"
            ).bindparams(bindparam("collections", expanding=True)),
            {
                "query": " OR ".join(
                    f'"{term.word}"*' if term.begins else f'"{term.word}"'
                    for term in terms
                ),
                "collections": list(collections),
                "limit": limit,
            },
        )
        return list(found)


class _TextSearch:
    """PostgreSQL: ranked by how often. Each word is there as it stands and, where the
    language of the document is known, by its stem."""

    async def add(self, session: AsyncSession, document: int, language: str) -> None:
        await session.execute(
            text(
                "UPDATE knowledge_passages SET lexemes ="
                " to_tsvector('simple', words)"
                " || to_tsvector(CAST(:stems AS text)::regconfig, words)"
                " WHERE document_id = :document"
            ),
            {"document": document, "stems": _STEMS.get(_primary(language), "simple")},
        )

    async def remove(self, session: AsyncSession, document: int) -> None:
        """The index is a column, and goes with its row."""

    async def search(
        self,
        session: AsyncSession,
        collections: Sequence[str],
        terms: Sequence[Term],
        limit: int,
    ) -> list[int]:
        languages = await session.scalars(
            text(
                "SELECT DISTINCT language FROM knowledge_documents"
                " WHERE collection IN :collections"
            ).bindparams(bindparam("collections", expanding=True)),
            {"collections": list(collections)},
        )
        asked = {
            "words": " | ".join(
                f"'{term.word}':*" if term.begins else f"'{term.word}'"
                for term in terms
            )
        }
        query = "to_tsquery('simple', :words)"
        whole = " | ".join(f"'{term.word}'" for term in terms if not term.begins)
        if whole:
            asked["whole"] = whole
            for stems in {_STEMS.get(_primary(language)) for language in languages}:
                if stems is not None:
                    query += f" || to_tsquery('{stems}', :whole)"
        found = await session.scalars(
            text(
                f"WITH asked AS MATERIALIZED (SELECT {query} AS query)"
                " SELECT p.id FROM asked, knowledge_passages p"
                " JOIN knowledge_documents d ON d.id = p.document_id"
                " WHERE p.lexemes @@ asked.query AND d.collection IN :collections"
                " ORDER BY ts_rank(p.lexemes, asked.query, 1) DESC, p.id LIMIT :limit"
            ).bindparams(bindparam("collections", expanding=True)),
            asked | {"collections": list(collections), "limit": limit},
        )
        return list(found)


def _primary(language: str) -> str:
    return language.partition("-")[0].lower()


# The text search configurations that PostgreSQL comes with, by BCP-47.
_STEMS = {
    "ar": "arabic",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "tr": "turkish",
}
