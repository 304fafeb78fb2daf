"""What the agent writes into its log, and the process's logging as it was before."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from loguru import logger

from agent.observe import logs


@contextmanager
def written(
    level: str = "INFO", *, as_json: bool = False, with_words: bool = False
) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, before = root.handlers[:], root.level
    to = io.StringIO()
    logs.set_up(level, as_json=as_json, with_words=with_words, to=to)
    try:
        yield to
    finally:
        logs.set_up("DEBUG", as_json=False)  # and words at DEBUG again
        logger.remove()
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        root.setLevel(before)
