"""Meaning as numbers, from any server that speaks OpenAI's `/embeddings`."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt

from .config import EmbeddingsConfig
from .errors import StorageError

Vectors = npt.NDArray[np.float32]
"""A row for each text, of length 1: the product of two says how alike they are."""

_BATCH = 64


class Embeddings:
    def __init__(self, config: EmbeddingsConfig, http: httpx.AsyncClient) -> None:
        self.model = config.model
        self._config = config
        self._http = http

    async def of_passages(self, texts: Sequence[str]) -> Vectors:
        batches = [
            await self._ask(texts[start : start + _BATCH], self._config.batch_deadline)
            for start in range(0, len(texts), _BATCH)
        ]
        if len({batch.shape[1] for batch in batches}) > 1:
            raise self._error("its vectors are not all of one length")
        return np.concatenate(batches)

    async def of_query(self, text: str) -> npt.NDArray[np.float32]:
        (vector,) = await self._ask([text], self._config.query_deadline)
        return np.asarray(vector)

    async def _ask(self, texts: Sequence[str], deadline: float) -> Vectors:
        key = self._config.key
        try:
            async with asyncio.timeout(deadline):
                answer = await self._http.post(
                    f"{self._config.url}/embeddings",
                    json={
                        "model": self.model,
                        "input": list(texts),
                        "encoding_format": "float",
                    },
                    headers={"Authorization": f"Bearer {key}"} if key else {},
                    timeout=deadline,
                )
        except (TimeoutError, httpx.TimeoutException) as error:
            raise self._error(f"no answer within {deadline:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._error(str(error) or type(error).__name__) from error
        if not answer.is_success:
            raise self._error(f"HTTP {answer.status_code}: {answer.text[:200]}")
        return await asyncio.to_thread(self._read, answer, len(texts))

    def _read(self, answer: httpx.Response, count: int) -> Vectors:
        try:
            rows: list[Any] = sorted(
                answer.json()["data"], key=lambda row: row["index"]
            )
            vectors: Vectors = np.array([row["embedding"] for row in rows], np.float32)
        except (ValueError, KeyError, TypeError) as error:
            raise self._error("its answer is not in OpenAI's format") from error
        if vectors.ndim != 2 or len(vectors) != count or not vectors.shape[1]:
            raise self._error(f"it sent {len(vectors)} vectors for {count} texts")
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(lengths).all():
            raise self._error("its vectors are not all of finite numbers")
        unit: Vectors = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
        return unit

    def _error(self, cause: str) -> StorageError:
        return StorageError(
            f"embeddings of {self.model} at {self._config.url}: {cause}"
        )
