"""How long a search in documents takes, on SQLite.

    python -m bench.knowledge [--passages 10000] [--searches 1000] [--vectors 384]

Passages are made of words as common and as rare as in a language (Zipf), queries of
what callers say around two to six of them. With --vectors there is a server for
meaning, which answers at once: what is measured is our own share.
"""

import argparse
import asyncio
import hashlib
import json
import random
import statistics
import tempfile
import time
from datetime import UTC, datetime
from itertools import accumulate

import httpx
import numpy as np

from agent.storage.config import EmbeddingsConfig
from agent.storage.database import Database
from agent.storage.documents import Document
from agent.storage.embeddings import Embeddings
from agent.storage.knowledge import Knowledge

PER_DOCUMENT = 100
SYLLABLES = "ba de fi go ku la me ni po ru sa te vi wo zu ran tel mon gar pis".split()


class Language:
    def __init__(self, chance: random.Random, words: int = 20_000) -> None:
        self._chance = chance
        made: dict[str, None] = {}
        while len(made) < words:
            made["".join(chance.choices(SYLLABLES, k=chance.randint(2, 4)))] = None
        self._words = list(made)
        self._weights = list(accumulate(1 / rank for rank in range(1, words + 1)))

    def say(self, count: int) -> str:
        return " ".join(
            self._chance.choices(self._words, cum_weights=self._weights, k=count)
        )


def server(dimensions: int) -> httpx.MockTransport:
    """Answers with vectors of no meaning."""
    chance = np.random.default_rng(1)

    def answer(request: httpx.Request) -> httpx.Response:
        texts = json.loads(request.content)["input"]
        vectors = chance.standard_normal((len(texts), dimensions)).round(4)
        rows = [{"index": n, "embedding": v.tolist()} for n, v in enumerate(vectors)]
        return httpx.Response(200, json={"data": rows})

    return httpx.MockTransport(answer)


async def measure(arguments: argparse.Namespace) -> None:
    chance = random.Random(1)
    language = Language(chance)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/offhook.db")
        await database.open()
        async with httpx.AsyncClient(transport=server(arguments.vectors)) as http:
            config = EmbeddingsConfig("http://127.0.0.1/v1", "none")
            embeddings = Embeddings(config, http) if arguments.vectors else None
            knowledge = Knowledge(database, embeddings)
            began = time.perf_counter()
            for number in range(0, arguments.passages, PER_DOCUMENT):
                passages = [
                    language.say(chance.randint(60, 120)) for _ in range(PER_DOCUMENT)
                ]
                sha256 = hashlib.sha256("".join(passages).encode()).hexdigest()
                document = Document(f"{number}.txt", sha256, tuple(passages))
                await knowledge.add("bench", document, datetime.now(UTC))
            print(f"added in {time.perf_counter() - began:.1f} s")
            await search(knowledge, language, chance, arguments.searches)
        await database.close()


async def search(
    knowledge: Knowledge, language: Language, chance: random.Random, count: int
) -> None:
    milliseconds = []
    found = 0
    for _ in range(count + 1):
        query = f"hello can you tell me about {language.say(chance.randint(2, 6))}"
        began = time.perf_counter()
        found += len(await knowledge.search(["bench"], query))
        milliseconds.append((time.perf_counter() - began) * 1000)
    first, *rest = milliseconds
    cuts = statistics.quantiles(rest, n=100)
    print(
        f"searches: {count}, found: {found}, first: {first:.1f} ms\n"
        f"ms p50 {cuts[49]:.1f}  p95 {cuts[94]:.1f}  p99 {cuts[98]:.1f}"
        f"  max {max(rest):.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=10_000)
    parser.add_argument("--searches", type=int, default=1000)
    parser.add_argument("--vectors", type=int, default=0, metavar="DIMENSIONS")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
