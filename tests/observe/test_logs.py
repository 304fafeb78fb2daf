import io
import json
import logging
import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from agent.observe import logs


@pytest.fixture(autouse=True)
def restored():
    """Logging belongs to the process; leave it to the other tests as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logger.remove()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def written(level="DEBUG", as_json=False):
    to = io.StringIO()
    logs.set_up(level, as_json=as_json, to=to)
    return to


def test_a_line_of_text():
    to = written()
    with logger.contextualize(call="17.5"):
        logger.info("[STT] {}", "Grüß Gott")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 INFO call=17\.5"
        r" \S*test_logs: \[STT\] Grüß Gott\n",
        to.getvalue(),
    )


def test_a_line_of_a_channel():
    to = written()
    with logger.contextualize(call="17 5", channel="WebSocket/ai media/0x7f"):
        logger.info("[CALL] began")
    assert re.fullmatch(
        r"\S+ INFO call=17_5 channel=WebSocket/ai_media/0x7f"
        r" \S*test_logs: \[CALL\] began\n",
        to.getvalue(),
    )


def test_a_line_of_json():
    to = written(as_json=True)
    with logger.contextualize(call="17.5", time="forged"):
        logger.bind(trunk="a").warning("it\nbroke")
    event = json.loads(to.getvalue())
    assert event.pop("time").endswith("+00:00")
    assert event.pop("logger").endswith("test_logs")
    assert event == {
        "level": "WARNING",
        "message": "it\nbroke",
        "call": "17.5",
        "trunk": "a",
    }


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a\nb", r"a\nb"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\0\x7f\x85", r"\x00\x7f\x85"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("{not} {a: format}", "{not} {a: format}"),
        ("<red>no markup</red>", "<red>no markup</red>"),
    ],
)
def test_nothing_breaks_a_line(said, shown):
    to = written()
    logger.bind(caller=said).info("from {}", said)
    assert to.getvalue().endswith(f": from {shown} caller={shown}\n")


@given(st.text())
def test_one_event_is_one_line(said):
    for as_json in (False, True):
        to = written(as_json=as_json)
        with logger.contextualize(call=said):
            logger.bind(caller=said).error("{}", said)
        assert to.getvalue().endswith("\n")
        assert len(to.getvalue().splitlines()) == 1


def fail():
    try:
        raise KeyError("inner\nmost")
    except KeyError as error:
        raise ValueError("outer") from error


def test_an_exception_is_one_line_with_its_places_and_its_cause():
    to = written()
    try:
        fail()
    except ValueError:
        logger.exception("the call failed")
    said = to.getvalue()
    assert said.count("\n") == 1
    assert "the call failed | ValueError: outer (" in said
    assert re.search(r"test_logs\.py:\d+ fail < \S+test_logs\.py:\d+ test_an", said)
    assert r"from KeyError: 'inner\nmost' (" in said


def test_an_exception_group_shows_what_is_in_it():
    to = written()
    try:
        raise ExceptionGroup("tasks", [ValueError("one"), OSError("two")])
    except* (ValueError, OSError):
        logger.exception("the call failed")
    assert "of [ValueError: one; OSError: two]" in to.getvalue()


def test_a_hidden_cause_stays_hidden():
    to = written()
    try:
        try:
            raise KeyError("secret")
        except KeyError:
            raise ValueError("plain") from None
    except ValueError:
        logger.exception("failed")
    assert "secret" not in to.getvalue()


def test_json_has_the_whole_traceback():
    to = written(as_json=True)
    try:
        fail()
    except ValueError:
        logger.exception("failed")
    whole = json.loads(to.getvalue())["exception"]
    assert "KeyError" in whole and "direct cause" in whole and "ValueError" in whole


@pytest.mark.parametrize("name", ["uvicorn.error", "alembic.runtime.migration", "any"])
def test_the_standard_library_logs_into_it(name):
    to = written()
    with logger.contextualize(call="17.5"):
        logging.getLogger(name).warning("%s went\n{wrong}", "it")
    assert to.getvalue().endswith(
        f"+00:00 WARNING call=17.5 {name}: it went\\n{{wrong}}\n"
    )


def test_uvicorns_own_handlers_are_taken_away():
    logging.getLogger("uvicorn.access").addHandler(logging.StreamHandler(io.StringIO()))
    to = written()
    logging.getLogger("uvicorn.access").info("GET /calls")
    assert logging.getLogger("uvicorn.access").handlers == []
    assert to.getvalue().count("GET /calls") == 1


def test_an_exception_of_the_standard_library():
    to = written()
    try:
        fail()
    except ValueError:
        logging.getLogger("uvicorn.error").exception("in the app")
    assert "uvicorn.error: in the app | ValueError: outer" in to.getvalue()


def test_a_level_that_loguru_does_not_know():
    to = written()
    logging.getLogger("any").log(33, "odd")
    assert "any: odd" in to.getvalue()


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("DEBUG", ["debug", "info", "warning"]),
        ("INFO", ["info", "warning"]),
        ("WARNING", ["warning"]),
    ],
)
def test_the_level_holds_for_both(level, shown):
    to = written(level)
    for name in ("debug", "info", "warning"):
        getattr(logger, name)("ours {}", name)
        getattr(logging.getLogger("theirs"), name)("theirs %s", name)
    said = to.getvalue()
    assert re.findall(r"ours (\w+)", said) == shown
    assert re.findall(r"theirs (\w+)", said) == shown


@pytest.mark.parametrize("name", ["botocore.auth", "websockets.server", "httpx"])
def test_chatter_is_not_even_made(name):
    written()
    assert not logging.getLogger(name).isEnabledFor(logging.INFO)
    assert logging.getLogger(name).isEnabledFor(logging.WARNING)


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("DEBUG", ["info", "warning", "error"]),
        ("INFO", ["warning", "error"]),
        ("WARNING", ["warning", "error"]),
        ("ERROR", ["error"]),
    ],
)
def test_pipecat_does_not_think_aloud(level, shown):
    to = written(level)
    pipecat = logger.patch(lambda record: record.update(name="pipecat.pipeline.task"))
    for each in ("debug", "info", "warning", "error"):
        getattr(pipecat, each)(each)
    assert re.findall(r": (\w+)$", to.getvalue(), re.MULTILINE) == shown


def test_warnings_are_lines_too():
    to = written()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old\nways", stacklevel=1)
    assert re.search(r"WARNING py\.warnings: .*old\\nways", to.getvalue())
