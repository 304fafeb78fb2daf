import asyncio
import errno
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loguru import logger
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from agent.calls.call import CallEnd, EndReason, HangupCause
from agent.calls.facts import (
    CallAnswered,
    CallBegan,
    CallEnded,
    CauseTold,
    ToolUsed,
    TroubleMet,
    TurnTaken,
    Used,
    VariablesKept,
)
from agent.calls.transcript import Speaker, ToolUse, Trouble, Turn
from agent.calls.usage import Meter, Use
from agent.storage.calls import Calls, call_of
from agent.storage.database import Database
from agent.storage.errors import StorageError
from agent.storage.events import Events
from agent.storage.journal import AGAIN, Journal, decode, encode
from agent.storage.rejected import REJECTED
from agent.storage.segments import Entry
from tests.storage.facts import BEGAN, CALL, NOON, keep, turn
from tests.storage.lives import PATIENT, QUICK, Flaky, life, noted
from tests.storage.postgres import programs, server

ENDED = CallEnded("17.5", CallEnd(EndReason.CALLER_HUNG_UP, NOON, "bye"))
ALL = (
    BEGAN,
    CallAnswered("17.5", NOON, "17.6", "ulaw", "json"),
    TurnTaken("17.5", Turn(Speaker.CALLER, "Grüß\nGott", NOON, NOON, True, {"a": 0.1})),
    ToolUsed("17.5", ToolUse("end_call", "{}", "done", NOON, 12.5, failed=True)),
    TroubleMet("17.5", Trouble("llm", "a.b", "throttled", "429", NOON, "a line")),
    VariablesKept("17.5", {"name": "Żółć"}),
    Used("17.5", (Use(Meter.CALL_SECONDS, "", 4.0), Use(Meter.STT_SECONDS, "a.b", 1))),
    Used("17.5", (Use(Meter.TTS_CHARACTERS, "a.b", 1.0, None),)),
    ENDED,
    CauseTold("17.5", HangupCause(16, 200)),
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "journal"


@pytest.fixture
def log():
    """What is logged from WARNING on."""
    lines = []
    sink = logger.add(lines.append, format="{level} {message}", level="WARNING")
    yield lines
    logger.remove(sink)


async def texts(database, call_id="17.5"):
    record = await Calls(database).get(call_id)
    return [] if record is None else [turn.text for turn in record.turns]


async def told(database):
    kept = await Events(database).after(0, 100_000)
    return [(each.event.type.value, each.event.data) for each in kept]


def rejected(folder):
    path = folder / REJECTED
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def files(folder):
    return sorted(folder.glob("*.facts"))


@pytest.mark.parametrize("fact", ALL, ids=lambda fact: type(fact).__name__)
def test_a_fact_is_the_same_when_it_is_read(fact):
    line = encode(fact)
    assert b"\n" not in line
    assert decode(Entry(1, line)) == fact


@given(st.text(st.characters(), max_size=20))
def test_any_words_can_be_written(words):
    fact = TurnTaken("17.5", Turn(Speaker.AGENT, words, NOON, NOON, False, {words: 1}))
    read = decode(Entry(1, encode(fact)))
    whole = words.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert read.turn.text == whole


async def test_what_was_noted_is_in_the_database(database, folder, tmp_path):
    news = []
    async with life(database, folder, on_applied=lambda: news.append(1)) as journal:
        for fact in ALL:
            journal.note(fact)
        assert journal.behind == len(ALL)
        assert REGISTRY.get_sample_value("offhook_facts_behind") == len(ALL)
        assert await journal.flush(PATIENT)
        assert journal.behind == REGISTRY.get_sample_value("offhook_facts_behind") == 0
    assert news
    shown = await Calls(database).get("17.5"), await told(database)
    async with database.session("start again") as session:
        for table in ("events", "usage", "calls"):
            await session.execute(text(f"DELETE FROM {table}"))
    await keep(database, *ALL)
    assert shown == (await Calls(database).get("17.5"), await told(database))


async def test_what_a_killed_process_noted_is_applied_by_the_next(database, folder):
    await noted(database, folder, *ALL[:3])
    async with life(database, folder) as journal:
        assert journal.behind == 3
        journal.note(turn("new"))
        assert await journal.flush(PATIENT)
        await asyncio.wait_for(journal.replayed.wait(), PATIENT)
    assert await texts(database) == ["Grüß\nGott", "new"]


async def test_nothing_is_applied_twice(database, folder, tmp_path):
    """Killed between the commit and the deletion of its file."""
    await noted(database, folder, BEGAN, turn(1))
    shutil.copytree(folder, tmp_path / "before")
    for _ in range(2):
        async with life(database, folder) as journal:
            assert await journal.flush(PATIENT)
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "before", folder)
    assert await texts(database) == ["1"]
    assert len(await told(database)) == 3


@pytest.mark.parametrize("how", ["before", "inside", "after"])
@pytest.mark.parametrize("times", [1, 4])
async def test_a_database_that_fails(database, folder, log, how, times):
    flaky = Flaky(database, "never", *[how] * times)
    async with life(flaky, folder) as journal:
        for fact in (BEGAN, turn(1), turn(2)):
            journal.note(fact)
        assert await journal.flush(PATIENT)
    assert await texts(database) == ["1", "2"]
    assert len(await told(database)) == 4
    assert [line.split()[0] for line in log] == ["WARNING"]
    assert "it is away" in log[0]


async def test_facts_wait_for_the_database_and_come_in_their_order(database, folder):
    flaky = Flaky(database)
    config = replace(QUICK, at_once=7)
    async with life(flaky, folder, config) as journal:
        journal.note(BEGAN)
        assert await journal.flush(PATIENT)
        flaky.away = True
        for number in range(50):
            journal.note(turn(number))
        tried = flaky.tried
        while flaky.tried < tried + 3:
            await asyncio.sleep(0)
        assert not await journal.flush(0.001)
        assert journal.behind == 50
        flaky.away = False
        assert await journal.flush(PATIENT)
    assert await texts(database) == [str(number) for number in range(50)]
    numbers = [data["turn"] for type, data in await told(database) if "turn" in data]
    assert numbers == list(range(1, 51))


async def test_the_disk_has_them_while_the_database_is_away(
    database, folder, monkeypatch
):
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(file) or real(file))
    flaky = Flaky(database, "before")
    async with life(flaky, folder) as journal:
        journal.note(BEGAN)
        assert await journal.flush(PATIENT)
    assert synced


async def test_an_agent_that_starts_without_a_database(database, folder):
    flaky = Flaky(database)
    flaky.away = True
    await noted(database, folder, BEGAN)
    async with life(flaky, folder) as journal:
        journal.note(turn(1))
        while flaky.tried < 3:
            await asyncio.sleep(0)
        assert not journal.replayed.is_set()
        flaky.away = False
        await asyncio.wait_for(journal.replayed.wait(), PATIENT)
        assert await journal.flush(PATIENT)
    assert await texts(database) == ["1"]


class Refusal(Exception):
    def __init__(self, sqlstate):
        super().__init__("no, said the database")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("cause", "kept"),
    [
        (IntegrityError("", {}, Refusal("23503")), False),
        (DataError("", {}, Refusal("22003")), False),
        (OperationalError("", {}, Refusal("54000")), False),
        (OperationalError("", {}, Refusal("57P01")), True),
        (OperationalError("", {}, Refusal("40P01")), True),
        (OperationalError("", {}, Refusal("53100")), True),
        (None, True),
    ],
)
async def test_what_the_database_does_not_take_is_rejected(
    database, folder, cause, kept
):
    """Once all facts together, then three times the first alone."""
    flaky = Flaky(database, "never", *["inside"] * 4, cause=cause)
    await noted(database, folder, BEGAN, CallBegan(replace(CALL, id="17.6")))
    async with life(flaky, folder) as journal:
        assert await journal.flush(PATIENT)
    assert (await Calls(database).get("17.5") is not None) == kept
    assert await Calls(database).get("17.6") is not None
    assert len(rejected(folder)) == (not kept)


async def test_a_race_that_is_lost_is_run_again(database, folder):
    cause = IntegrityError("", {}, Refusal("23503"))
    flaky = Flaky(database, "never", *["inside"] * 3, cause=cause)
    async with life(flaky, folder) as journal:
        journal.note(BEGAN)
        assert await journal.flush(PATIENT)
    assert await Calls(database).get("17.5") is not None
    assert rejected(folder) == []


NAIVE = NOON.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("fact", "reason"),
    [
        (TurnTaken("17.5", replace(turn(2).turn, ended_at=NAIVE)), "can't subtract"),
        (CallBegan(replace(CALL, id="2", answered_at=NAIVE)), "has no time zone"),
    ],
    ids=["our fault", "the database's no"],
)
async def test_a_poisoned_fact_does_not_keep_the_others_waiting(
    database, folder, log, fact, reason
):
    kind = {"kind": "rejected"}
    before = REGISTRY.get_sample_value("offhook_journal_errors_total", kind)
    async with life(database, folder) as journal:
        for each in (BEGAN, turn(1), fact, turn(3)):
            journal.note(each)
        assert await journal.flush(PATIENT)
    assert await texts(database) == ["1", "3"]
    (line,) = rejected(folder)
    assert line["kind"] == type(fact).__name__
    assert line["fact"] == json.loads(encode(fact).partition(b" ")[2])
    assert reason in line["reason"]
    (logged,) = [line for line in log if "rejected" in line]
    assert logged.startswith("ERROR [FACTS] rejected: ")
    assert logged.record["extra"]["call"] == call_of(fact)
    after = REGISTRY.get_sample_value("offhook_journal_errors_total", kind)
    assert after == before + 1


async def test_why_it_is_rejected_does_not_quote_it(database, folder, log, monkeypatch):
    line = b'TurnTaken {"call_id": "17.5", "turn": "4111 1111"}'
    monkeypatch.setattr("agent.storage.journal.encode", lambda fact: line)
    async with life(database, folder) as journal:
        journal.note(BEGAN)
        assert await journal.flush(PATIENT)
    (logged,) = log
    assert logged.startswith("ERROR [FACTS] rejected: TurnTaken: ('turn',): ")
    assert "4111" not in logged
    assert rejected(folder)[0]["fact"]["turn"] == "4111 1111"


@pytest.mark.parametrize(
    "line",
    [b"CallBegan {}", b"CallWasted {}", b"CallBegan {", b"\xff \xff", b""],
    ids=["no call", "no such fact", "no JSON", "no text", "nothing"],
)
async def test_a_line_that_is_no_fact(database, folder, line, monkeypatch):
    journal = Journal(database, folder, "agent-1")
    await journal.open(NOON)
    monkeypatch.setattr("agent.storage.journal.encode", lambda fact: line)
    journal.note(BEGAN)
    monkeypatch.undo()
    journal.note(BEGAN)
    journal.close()
    async with life(database, folder) as journal:
        assert await journal.flush(PATIENT)
    assert await Calls(database).get("17.5") is not None
    assert len(rejected(folder)) == 1


async def test_a_torn_last_line(database, folder):
    await noted(database, folder, BEGAN, turn(1), turn(2))
    (path,) = files(folder)
    path.write_bytes(path.read_bytes()[:-9])
    async with life(database, folder) as journal:
        journal.note(turn(3))
        assert await journal.flush(PATIENT)
    assert await texts(database) == ["1", "3"]
    (line,) = rejected(folder)
    assert line["reason"] == "the line is broken" and "TurnTaken" in line["line"]


async def test_facts_of_a_call_that_never_began(database, folder):
    async with life(database, folder) as journal:
        for fact in (*ALL[1:], BEGAN, turn(1)):
            journal.note(fact)
        assert await journal.flush(PATIENT)
    assert [line["kind"] for line in rejected(folder)] == [
        type(fact).__name__ for fact in ALL[1:] if not isinstance(fact, CauseTold)
    ]
    assert await texts(database) == ["1"]


@pytest.mark.parametrize("killed_before", [0, 1, 2])
async def test_an_id_that_comes_again_leaves_the_old_record_alone(
    database, folder, log, killed_before
):
    """Asterisk's clock was set back. Nothing is mixed, and nothing is lost."""
    async with life(database, folder) as journal:
        for fact in ALL:
            journal.note(fact)
        assert await journal.flush(PATIENT)
    record, events = await Calls(database).get("17.5"), await told(database)
    second = [CallBegan(replace(CALL, caller="somebody else")), turn(1), ENDED]
    for facts in (second[:killed_before], second[killed_before:]):
        async with life(database, folder) as journal:
            for fact in facts:
                journal.note(fact)
            assert await journal.flush(PATIENT)
    assert await Calls(database).get("17.5") == record
    assert await told(database) == events
    assert [line["kind"] for line in rejected(folder)] == [
        *("CallBegan", "TurnTaken", "CallEnded"),
    ]
    assert "ERROR [FACTS] rejected: there is a call '17.5' alr" in log[0]
    # An operator gives it another name, and it is kept as well.
    lines = (folder / REJECTED).read_text().replace('"17.5"', '"17.5-2"')
    (folder / REJECTED).unlink()
    (folder / AGAIN).write_text(lines)
    async with life(database, folder) as journal:
        assert await journal.flush(PATIENT)
    found = await Calls(database).get("17.5-2")
    assert (found.call.caller, found.end) == ("somebody else", ENDED.end)
    assert await texts(database, "17.5-2") == ["1"]
    assert await Calls(database).get("17.5") == record
    assert not (folder / AGAIN).exists() and rejected(folder) == []


async def test_lines_that_cannot_be_noted_again_stay(database, folder, log):
    folder.mkdir()
    (folder / AGAIN).write_text('{"kind": "CallBegan", "fact": {}}\n')
    async with life(database, folder) as journal:
        journal.note(BEGAN)
        assert await journal.flush(PATIENT)
    assert (folder / AGAIN).exists()
    assert "nothing of" in log[0]


async def test_a_full_disk_disturbs_nobody(database, folder, log, monkeypatch):
    def full(file, line):
        raise OSError(errno.ENOSPC, "No space left on device")

    flaky = Flaky(database)
    async with life(flaky, folder) as journal:
        journal.note(BEGAN)
        assert await journal.flush(PATIENT)
        flaky.away = True
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            for number in range(250):
                journal.note(turn(number))
            flaky.away = False
            assert await journal.flush(PATIENT)
        journal.note(turn(250))
        assert await journal.flush(PATIENT)
    assert await texts(database) == [str(number) for number in range(251)]
    assert [line for line in log if "kept in memory" in line] == log[:1]


async def test_files_with_words_in_them_do_not_stay(database, folder):
    async with life(database, folder) as journal:
        for fact in ALL:
            journal.note(fact)
        assert await journal.flush(PATIENT)
        async with asyncio.timeout(PATIENT):
            while any(path.stat().st_size for path in files(folder)):
                await asyncio.sleep(0.001)
        assert len(files(folder)) == 1
        journal.note(turn("later"))
        assert await journal.flush(PATIENT)
    assert (await texts(database))[-1] == "later"


async def test_clock_set_back_and_files_gone(database, folder):
    """New facts must not pass for those that are in the database already."""
    async with life(database, folder) as journal:
        journal.note(BEGAN)
        assert await journal.flush(PATIENT)
    shutil.rmtree(folder)
    flaky = Flaky(database, "after", "after", "after")
    async with life(flaky, folder, now=NOON - timedelta(days=9)) as journal:
        journal.note(turn(1))
        journal.note(turn(2))
        assert await journal.flush(PATIENT)
    assert await texts(database) == ["1", "2"]


async def test_a_journal_has_one_process_and_one_agent(database, folder):
    async with life(database, folder):
        with pytest.raises(StorageError, match="which still runs"):
            await Journal(database, folder, "agent-1").open(NOON)
    with pytest.raises(StorageError, match="is that of agent 'agent-1'"):
        await Journal(database, folder, "agent-2").open(NOON)
    async with life(database, folder) as journal:
        journal.note(BEGAN)
        assert await journal.flush(PATIENT)


CALLS = st.sampled_from(["a", "b"])
FACTS = st.one_of(
    st.builds(lambda i: CallBegan(replace(CALL, id=i)), CALLS),
    st.builds(lambda i: CallAnswered(i, NOON, "", "", ""), CALLS),
    st.builds(turn, st.integers(0, 99), CALLS),
    st.builds(lambda i: ToolUsed(i, ToolUse("t", "{}", "", NOON, 1.0)), CALLS),
    st.builds(lambda i: Used(i, (Use(Meter.TTS_CHARACTERS, "a.b", 1.0),)), CALLS),
    st.builds(lambda i: CallEnded(i, ENDED.end), CALLS),
)
CRASH = object()
BEGINNINGS = [CallBegan(replace(CALL, id=call_id)) for call_id in "ab"]


@settings(max_examples=40)
@given(
    steps=st.lists(FACTS | st.just(CRASH), max_size=30),
    failures=st.lists(
        st.sampled_from(["never", "never", "before", "inside", "after"]), max_size=20
    ),
    at_once=st.integers(1, 10),
)
def test_crashes_change_nothing(
    migrated_database, tmp_path_factory, steps, failures, at_once
):
    """Neither of the process nor of the database: what is kept and told is what would
    be without them."""
    empty = migrated_database("sqlite").removeprefix("sqlite:///")
    facts = BEGINNINGS + [step for step in steps if step is not CRASH]
    config = replace(QUICK, at_once=at_once)

    async def smooth(database, folder):
        async with life(database, folder) as journal:
            for fact in facts:
                journal.note(fact)
            assert await journal.flush(PATIENT)

    async def rough(database, folder):
        flaky, left = Flaky(database, *failures), [*BEGINNINGS, *steps]
        while left:
            async with life(flaky, folder, config) as journal:
                while left and (step := left.pop(0)) is not CRASH:
                    journal.note(step)
                    await asyncio.sleep(0)
        async with life(flaky, folder, config) as journal:
            assert await journal.flush(PATIENT)

    async def outcome(live):
        here = tmp_path_factory.mktemp("crash")
        shutil.copy(empty, here / "offhook.db")
        database = Database(f"sqlite:///{here}/offhook.db")
        await database.open()
        try:
            await live(database, here / "journal")
            calls = [await Calls(database).get(call_id) for call_id in "ab"]
            refused = {
                (line["number"], line["kind"], json.dumps(line["fact"]))
                for line in rejected(here / "journal")
            }
            kinds = [(kind, fact) for _, kind, fact in sorted(refused)]
            return calls, await told(database), kinds
        finally:
            await database.close()

    assert asyncio.run(outcome(rough)) == asyncio.run(outcome(smooth))


CHILD = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from agent.storage.database import Database
from agent.storage.journal import Journal
from tests.storage.facts import BEGAN, turn

async def main(url, folder):
    database = Database(url)
    await database.open()
    journal = Journal(database, Path(folder), "agent-1")
    await journal.open(datetime.now(UTC))
    running = asyncio.create_task(journal.run(lambda: datetime.now(UTC)))
    journal.note(BEGAN)
    number = 0
    while True:
        number += 1
        journal.note(turn(number))
        print(number, flush=True)
        if number % 20 == 0:
            await asyncio.sleep(0.001)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_kill_9_costs_nothing_that_was_noted(database, database_url, folder):
    last = 0
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, database_url, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with child:
        try:
            for line in child.stdout:
                last = int(line)
                if last >= 300:
                    child.kill()
        finally:
            child.kill()
    assert last >= 300
    async with life(database, folder, now=datetime.now(UTC)) as journal:
        assert await journal.flush(PATIENT)
    found = [int(words) for words in await texts(database)]
    assert found == list(range(1, len(found) + 1))
    # It may have been killed between the two lines that note a turn and say so.
    assert len(found) in (last, last + 1)
    turns = [data["turn"] for type, data in await told(database) if "turn" in data]
    assert turns == found


@pytest.mark.skipif(programs() is None, reason="PostgreSQL is not here")
async def test_a_postgresql_that_is_stopped_and_started(folder):
    with server(programs()) as running:
        database = Database(running.url)
        await database.open()
        async with life(database, folder) as journal:
            journal.note(BEGAN)
            assert await journal.flush(PATIENT)
            for number in range(60):
                if number == 20:
                    await asyncio.to_thread(running.stop)
                if number == 40:
                    assert journal.behind >= 20
                    await asyncio.to_thread(running.start)
                journal.note(turn(number))
                await asyncio.sleep(0)
            assert await journal.flush(PATIENT)
        assert await texts(database) == [str(number) for number in range(60)]
        assert len(await told(database)) == 62
        await database.close()
