"""Log lines: one line per event, whatever a caller or a model put into it.

    2026-11-21T08:51:02.123+00:00 INFO call=1795245062.0
        channel=WebSocket/ai_media/0x7f599c005e90 agent.session: [CALLER] 5 words, 1.4 s

scripts/follow-call reads this, and the JSON form. docs/logs.md has the tags.
"""

import json
import logging
import sys
import traceback
from datetime import UTC
from typing import TYPE_CHECKING, Any, TextIO

from loguru import logger

if TYPE_CHECKING:
    from loguru import Message, Record

# What these say below a warning is about themselves, many times a call; websockets
# even words each frame.
_QUIET = (
    *("aiosqlite", "alembic", "asyncio", "boto3", "botocore"),
    *("httpcore", "httpcore2", "httpx", "httpx2", "openai", "s3transfer"),
    *("sqlalchemy", "urllib3", "uvicorn.error", "websockets"),
)

_CONTROLS = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
} | {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}

_FRAMES_SHOWN = 6

_words = "DEBUG"


def words() -> str:
    """The level at which it is logged what people and models say."""
    return _words


def set_up(
    level: str, *, as_json: bool, with_words: bool = False, to: TextIO = sys.stderr
) -> None:
    """All logging of the process goes to `to`, the standard library's included.
    `with_words`: what is said is no matter of DEBUG alone."""
    global _words
    _words = "INFO" if with_words else "DEBUG"
    line = _json_line if as_json else _text_line
    least = logger.level(level).no

    def write(message: "Message") -> None:
        to.write(line(message.record) + "\n")
        to.flush()

    logger.remove()
    logger.add(
        write,
        level=least,
        format="{message}",
        # At DEBUG pipecat writes down every frame and what was said, at INFO it says
        # hello and how it links its processors.
        filter={"pipecat": logger.level(_pipecats(level)).no},
        backtrace=False,
        diagnose=False,
    )
    logging.basicConfig(handlers=[_ToLoguru()], level=least, force=True)
    logging.getLogger("uvicorn.error").addFilter(_no_refusals)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
        logging.getLogger(name).setLevel(logging.NOTSET)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(least, logging.WARNING))
    logging.captureWarnings(True)


def _pipecats(level: str) -> str:
    return {"DEBUG": "INFO", "INFO": "WARNING"}.get(level, level)


def _no_refusals(record: logging.LogRecord) -> bool:
    """uvicorn takes a socket that we refused for an application that forgot it."""
    return "without completing handshake" not in record.getMessage()


def _text_line(record: "Record") -> str:
    extra = dict(record["extra"])
    call, channel = extra.pop("call", ""), extra.pop("channel", "")
    parts = [
        record["time"].astimezone(UTC).isoformat(timespec="milliseconds"),
        record["level"].name,
        *([f"call={_word(call)}"] if call else []),
        *([f"channel={_word(channel)}"] if channel else []),
        f"{record['name']}:",
        _one_line(record["message"]),
        *(f"{key}={_one_line(value)}" for key, value in extra.items()),
    ]
    if record["exception"] is not None and record["exception"].value is not None:
        parts.append(f"| {_one_line(_short(record['exception'].value))}")
    return " ".join(parts)


def _json_line(record: "Record") -> str:
    head: dict[str, Any] = {
        "time": record["time"].astimezone(UTC).isoformat(timespec="milliseconds"),
        "level": record["level"].name,
        "logger": record["name"],
        "message": record["message"],
    }
    if record["exception"] is not None and record["exception"].value is not None:
        head["exception"] = "".join(
            traceback.format_exception(record["exception"].value)
        )
    return json.dumps(head | record["extra"] | head, default=str)


def _one_line(value: object) -> str:
    return str(value).translate(_CONTROLS)


def _word(value: object) -> str:
    return _one_line(value).replace(" ", "_")


def _short(error: BaseException) -> str:
    """Class, message and innermost places, then the same of what caused it."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES_SHOWN:]
    places = " < ".join(
        f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames)
    )
    said = f"{type(error).__name__}: {error}" + (f" ({places})" if places else "")
    if isinstance(error, BaseExceptionGroup):
        said += f" of [{'; '.join(_short(each) for each in error.exceptions)}]"
    hidden = error.__suppress_context__
    cause = error.__cause__ or (None if hidden else error.__context__)
    return said if cause is None else f"{said} from {_short(cause)}"


class _ToLoguru(logging.Handler):
    """Hands the standard library's records on, under the name of their logger."""

    def emit(self, record: logging.LogRecord) -> None:
        level: str | int = record.levelname
        try:
            logger.level(record.levelname)
        except ValueError:
            level = record.levelno

        def rename(event: "Record") -> None:
            event["name"] = record.name

        logger.patch(rename).opt(exception=record.exc_info).log(
            level, "{}", record.getMessage()
        )
