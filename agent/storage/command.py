"""`offhook knowledge`: add, list, remove, search. Yields what is to be printed.

A running agent sees each change in its next search.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .documents import read
from .errors import StorageError

if TYPE_CHECKING:  # it takes a second to import, and `offhook serve --help` needs none
    from .knowledge import Knowledge


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="knowledge_verb", metavar="VERB", required=True)

    add = verbs.add_parser(
        "add", help="put documents into a collection, or replace them"
    )
    add.add_argument("collection", metavar="COLLECTION")
    add.add_argument("files", nargs="+", type=Path, metavar="FILE")
    add.add_argument(
        "--language", default="", help="of these documents, BCP-47 (de, en-GB)"
    )

    verbs.add_parser("list", help="every document of every collection")

    remove = verbs.add_parser("remove", help="a document, or a whole collection")
    remove.add_argument("collection", metavar="COLLECTION")
    remove.add_argument("file", nargs="?", metavar="FILE", help="its name")

    search = verbs.add_parser("search", help="what an AI would find")
    search.add_argument("collection", metavar="COLLECTION")
    search.add_argument("query", nargs="+", metavar="QUERY")
    search.add_argument("--limit", type=int, default=3, help="passages (%(default)s)")


async def run(
    arguments: argparse.Namespace, knowledge: "Knowledge", now: datetime
) -> AsyncIterator[str]:
    """Raises StorageError when something is missing or wrong."""
    match arguments.knowledge_verb:
        case "add":
            names = [path.name for path in arguments.files]
            for name in names:
                if names.count(name) > 1:
                    raise StorageError(
                        f"{name} is there twice; a collection holds one of each name"
                    )
            for path in arguments.files:
                document = await asyncio.to_thread(read, path)
                outcome = await knowledge.add(
                    arguments.collection, document, now, language=arguments.language
                )
                yield f"{path.name}: {outcome}, passages: {len(document.passages)}"
        case "list":
            for listed in await knowledge.documents():
                meaning = (
                    f", with vectors: {listed.embedded}" if listed.embedded else ""
                )
                yield (
                    f"{listed.collection}  {listed.name}  {listed.language or '-'}"
                    f"  {listed.added_at:%Y-%m-%d %H:%M}"
                    f"  passages: {listed.passages}{meaning}"
                )
        case "remove":
            if not await knowledge.remove(arguments.collection, arguments.file):
                what = f"{arguments.file!r} in " if arguments.file else ""
                raise StorageError(f"there is no {what}{arguments.collection!r}")
            yield "removed"
        case "search":
            found = await knowledge.search(
                [arguments.collection],
                " ".join(arguments.query),
                limit=arguments.limit,
            )
            if not found:
                raise StorageError("nothing was found")
            for passage in found:
                yield f"{passage.document}  ({passage.score:.4f})\n{passage.text}\n"
        case verb:
            raise AssertionError(f"argparse let {verb!r} pass")
