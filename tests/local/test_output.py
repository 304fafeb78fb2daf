import asyncio

import pytest
from loguru import logger

from agent.local.output import KEPT_LINES, Output, level_of


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("0.15.135.857 W common_chat_peg_parse: unparsed", "DEBUG"),
        ("0.00.004.533 E gguf_init_from_reader: invalid magic", "ERROR"),
        ("0.01.790.909 I srv          init: model loaded", "DEBUG"),
        ("INFO:     Uvicorn running", "INFO"),
        ("ERROR: cannot serve", "ERROR"),
        ("[WARNING] careful", "WARNING"),
        ("Traceback (most recent call last):", "ERROR"),
        ("INFORMATION is not a level", "the one before"),
        ("  File 'x.py', line 3", "the one before"),
    ],
)
def test_a_line_says_how_grave_it_is(line, level):
    assert level_of(line, "the one before") == level


async def read(*pieces: bytes) -> tuple[Output, list[tuple[str, str]]]:
    logged: list[tuple[str, str]] = []
    sink = logger.add(
        lambda message: logged.append(
            (message.record["level"].name, message.record["message"])
        ),
        level=0,
    )
    stream = asyncio.StreamReader(limit=1000)
    output = Output("llm")
    reading = asyncio.create_task(output.forward(stream))
    for piece in pieces:
        stream.feed_data(piece)
        await asyncio.sleep(0)
    stream.feed_eof()
    await reading
    logger.remove(sink)
    return output, logged


async def test_lines_reach_the_log_under_the_name_and_a_traceback_stays_together():
    _, logged = await read(b"up\nERROR: b", b"ad {x}\n  more\n\nINFO: fine\nlast")
    assert logged == [
        ("INFO", "[llm] up"),
        ("ERROR", "[llm] ERROR: bad {x}"),
        ("ERROR", "[llm]   more"),
        ("INFO", "[llm] INFO: fine"),
        ("INFO", "[llm] last"),
    ]


async def test_only_the_last_lines_are_kept():
    lines = [f"line {n}" for n in range(KEPT_LINES + 5)]
    output, _ = await read("\n".join(lines).encode())
    assert output.last_lines == "\n".join(lines[5:])


async def test_a_silent_server_is_said_to_be_silent():
    output, logged = await read()
    assert (output.last_lines, logged) == ("(it said nothing)", [])


async def test_an_endless_line_does_not_stop_the_reading():
    _, logged = await read(b"x" * 2000, b"\nafter\n")
    assert logged[-1] == ("INFO", "[llm] after")


async def test_our_own_worker_speaks_for_itself(capsys):
    text = b"2026-11-21T16:06:28.944+00:00 INFO agent.jobs.worker: [WORK] working\n"
    json = b'{"time": "2026-11-21T16:06:28.944+00:00", "message": "[WORK] working"}\n'
    _, logged = await read(text, json, b"2026-11-21 something else\n")
    assert capsys.readouterr().err == (text + json).decode()
    assert logged == [("INFO", "[llm] 2026-11-21 something else")]
