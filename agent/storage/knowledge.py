"""What AIs know from documents: collections of passages, found by words and by meaning.

Words always (words_index.py); meaning where there is a server for it (embeddings.py).
Both rankings are fused by reciprocal rank, which needs no common scale. A caller waits
for the answer: when the server for meaning is slow or gone, words must do.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from loguru import logger
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from agent.calls.passage import Passage

from .database import Database
from .documents import Document
from .embeddings import Embeddings, Vectors
from .errors import StorageError
from .tables import DocumentRow, PassageRow
from .words import Term, terms, words
from .words_index import index_of

_CANDIDATES = 20
"""Of each ranking; what stands below cannot come first any more."""
_RANK_OFFSET = 60
"""Of reciprocal rank fusion (Cormack, Clarke and Buettcher, 2009)."""
_COLLECTION = re.compile(r"[\w.-]{1,64}")


class Outcome(StrEnum):
    ADDED = "added"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class ListedDocument:
    collection: str
    name: str
    language: str
    passages: int
    embedded: int
    """Of these, with a vector of whatever model."""
    added_at: datetime


@dataclass(frozen=True, slots=True)
class _Space:
    """The vectors of a collection."""

    state: tuple[int, int]
    """How many documents, and the newest: a number is never given twice."""
    passages: npt.NDArray[np.int64]
    vectors: Vectors


class Knowledge:
    """Fulfils the seam of that name in agent/conversation/seams.py."""

    def __init__(
        self, database: Database, embeddings: Embeddings | None = None
    ) -> None:
        self._database = database
        self._embeddings = embeddings
        self._spaces: dict[str, _Space] = {}
        self._loading = asyncio.Lock()
        self._meaning_failed = False

    async def add(
        self, collection: str, document: Document, now: datetime, *, language: str = ""
    ) -> Outcome:
        """Replaces a document of that name. `language` is BCP-47, empty: not known."""
        if not _COLLECTION.fullmatch(collection):
            raise StorageError(
                f"the collection {collection!r} is not a name:"
                " letters, digits, '.', '_' and '-', at most 64"
            )
        if await self._is_there(collection, document, language):
            return Outcome.UNCHANGED
        vectors = model = None
        if self._embeddings is not None:
            model = self._embeddings.model
            vectors = await self._embeddings.of_passages(document.passages)
        rows = await asyncio.to_thread(_rows, document, model, vectors)
        async with self._database.session(f"add {document.name!r}") as session:
            replaced = await _remove(session, collection, document.name)
            row = DocumentRow(
                collection=collection,
                name=document.name,
                sha256=document.sha256,
                language=language,
                added_at=now,
            )
            session.add(row)
            await session.flush()
            for passage in rows:
                passage.document_id = row.id
            session.add_all(rows)
            await session.flush()
            await index_of(session).add(session, row.id, language)
        return Outcome.REPLACED if replaced else Outcome.ADDED

    async def remove(self, collection: str, name: str | None = None) -> int:
        """A document, or all of the collection. Returns how many there were."""
        async with self._database.session(f"remove from {collection!r}") as session:
            return await _remove(session, collection, name)

    async def documents(self) -> tuple[ListedDocument, ...]:
        async with self._database.session("list documents", read_only=True) as session:
            rows = await session.execute(
                select(
                    DocumentRow,
                    func.count(PassageRow.id),
                    func.count(PassageRow.vector_model),
                )
                .join(PassageRow, PassageRow.document_id == DocumentRow.id)
                .group_by(DocumentRow.id)
                .order_by(DocumentRow.collection, DocumentRow.name)
            )
            return tuple(
                ListedDocument(
                    collection=row.collection,
                    name=row.name,
                    language=row.language,
                    passages=passages,
                    embedded=embedded,
                    added_at=row.added_at,
                )
                for row, passages, embedded in rows
            )

    async def search(
        self, collections: Sequence[str], query: str, *, limit: int = 3
    ) -> tuple[Passage, ...]:
        if not collections or not query.strip() or limit < 1:
            return ()
        wanted = max(_CANDIDATES, 2 * limit)
        by_words = await self._by_words(collections, terms(query), wanted)
        by_meaning = await self._by_meaning(collections, query, wanted)
        scores: dict[int, float] = defaultdict(float)
        for ranking in (by_words, by_meaning):
            for rank, passage in enumerate(ranking, start=1):
                scores[passage] += 1 / (_RANK_OFFSET + rank)
        best = sorted(scores, key=lambda passage: -scores[passage])[:limit]
        if not best:
            return ()
        async with self._database.session("read passages", read_only=True) as session:
            rows = await session.execute(
                select(PassageRow.id, DocumentRow.name, PassageRow.text)
                .join(DocumentRow, PassageRow.document_id == DocumentRow.id)
                .where(PassageRow.id.in_(best))
            )
            read = {row.id: row for row in rows}
        # One that was replaced in this moment is missing.
        return tuple(
            Passage(read[passage].name, read[passage].text, scores[passage])
            for passage in best
            if passage in read
        )

    async def _is_there(
        self, collection: str, document: Document, language: str
    ) -> bool:
        """The same content, with vectors of today's model if there is one."""
        async with self._database.session("look it up", read_only=True) as session:
            there = await session.scalar(
                select(DocumentRow.id).where(
                    DocumentRow.collection == collection,
                    DocumentRow.name == document.name,
                    DocumentRow.sha256 == document.sha256,
                    DocumentRow.language == language,
                )
            )
            if there is None or self._embeddings is None:
                return there is not None
            other = await session.scalar(
                select(func.count()).where(
                    PassageRow.document_id == there,
                    PassageRow.vector_model.is_distinct_from(self._embeddings.model),
                )
            )
            return other == 0

    async def _by_words(
        self, collections: Sequence[str], wanted: Sequence[Term], limit: int
    ) -> list[int]:
        if not wanted:
            return []
        async with self._database.session("search", read_only=True) as session:
            return await index_of(session).search(session, collections, wanted, limit)

    async def _by_meaning(
        self, collections: Sequence[str], query: str, limit: int
    ) -> list[int]:
        if self._embeddings is None:
            return []
        try:
            asked = await self._embeddings.of_query(query)
            spaces = await self._loaded(collections, self._embeddings.model)
            found = await asyncio.to_thread(_nearest, spaces, asked, limit)
        except StorageError as error:
            if not self._meaning_failed:
                logger.warning("[TOOL] knowledge is searched by words alone: {}", error)
            self._meaning_failed = True
            return []
        if self._meaning_failed:
            logger.info("[TOOL] knowledge is searched by meaning again")
        self._meaning_failed = False
        return found

    async def _loaded(self, collections: Sequence[str], model: str) -> list[_Space]:
        """Vectors stay in memory until a document of their collection changes."""
        async with (
            self._loading,
            self._database.session("read vectors", read_only=True) as session,
        ):
            states = await session.execute(
                select(
                    DocumentRow.collection,
                    func.count(DocumentRow.id),
                    func.max(DocumentRow.id),
                )
                .where(DocumentRow.collection.in_(collections))
                .group_by(DocumentRow.collection)
            )
            now = {name: (count, newest) for name, count, newest in states}
            for name, state in now.items():
                known = self._spaces.get(name)
                if known is None or known.state != state:
                    self._spaces[name] = await _load(session, name, model, state)
        return [self._spaces[name] for name in now]


async def _load(
    session: AsyncSession, collection: str, model: str, state: tuple[int, int]
) -> _Space:
    found = await session.execute(
        select(PassageRow.id, PassageRow.vector)
        .join(DocumentRow, PassageRow.document_id == DocumentRow.id)
        .where(DocumentRow.collection == collection, PassageRow.vector_model == model)
        .order_by(PassageRow.id)
    )
    rows = [(passage, vector) for passage, vector in found if vector]
    # A server may put another model behind the same name.
    length = len(rows[-1][1]) if rows else 0
    rows = [row for row in rows if len(row[1]) == length]
    joined = b"".join(vector for _, vector in rows)
    return _Space(
        state,
        np.array([passage for passage, _ in rows], np.int64),
        np.frombuffer(joined, "<f4").reshape(len(rows), length // 4),
    )


def _nearest(
    spaces: Iterable[_Space], asked: npt.NDArray[np.float32], limit: int
) -> list[int]:
    likeness: list[tuple[float, int]] = []
    for space in spaces:
        if not len(space.passages):
            continue
        if space.vectors.shape[1] != len(asked):
            raise StorageError(
                f"passages have vectors of {space.vectors.shape[1]} numbers, the"
                f" query one of {len(asked)}: remove the documents and add them again"
            )
        alike = space.vectors @ asked
        best = np.argsort(-alike)[:limit]
        likeness += zip(
            alike[best].tolist(), space.passages[best].tolist(), strict=True
        )
    return [passage for _, passage in sorted(likeness, reverse=True)[:limit]]


def _rows(
    document: Document, model: str | None, vectors: Vectors | None
) -> list[PassageRow]:
    return [
        PassageRow(
            number=number,
            text=text,
            words=" ".join(words(text)),
            vector_model=model,
            vector=None
            if vectors is None
            else vectors[number - 1].astype("<f4").tobytes(),
        )
        for number, text in enumerate(document.passages, start=1)
    ]


async def _remove(session: AsyncSession, collection: str, name: str | None) -> int:
    chosen = select(DocumentRow.id).where(DocumentRow.collection == collection)
    if name is not None:
        chosen = chosen.where(DocumentRow.name == name)
    documents = (await session.scalars(chosen)).all()
    for document in documents:
        await index_of(session).remove(session, document)
        await session.execute(
            delete(PassageRow).where(PassageRow.document_id == document)
        )
        await session.execute(delete(DocumentRow).where(DocumentRow.id == document))
    return len(documents)
