"""Who takes which call; that the directory stays fresh, and outlives the database."""

import asyncio
from dataclasses import replace

import pytest
from loguru import logger
from sqlalchemy import delete

from agent.calls.ai import AI, AIError, AIs
from agent.calls.customer import DEFAULT, Customer
from agent.storage import directory as module
from agent.storage.ais import AiBook
from agent.storage.customers import Customers
from agent.storage.directory import Answering, Directory
from agent.storage.errors import StorageError
from agent.storage.numbers import Entry, Numbers
from agent.storage.tables import AiVersionRow

from .kept import NOON

WHO = "key key_17"
DESK, SALES = AI("desk", "You answer."), AI("sales", "You sell.")
FILE = AIs("desk", {"desk": DESK, "sales": SALES})
ACME = AI("bot", "You are Acme's.")


@pytest.fixture
def logs():
    lines = []
    sink = logger.add(lines.append, level="ERROR", format="{message}")
    yield lines
    logger.remove(sink)


class House:
    """A directory and those who edit what it knows."""

    def __init__(self, database):
        self.database = database
        self.book = AiBook(database)
        self.numbers = Numbers(database)
        self.directory = Directory(FILE, database, "DE")

    async def add(self, ai, customer=DEFAULT):
        await self.book.create(customer, ai, WHO, NOON)

    async def number(self, number, ai, customer=DEFAULT):
        await self.numbers.put(customer, number, lambda _: Entry(ai), WHO, NOON)

    async def edit(self, name, prompt, customer=DEFAULT):
        await self.book.edit(
            customer, name, lambda before: replace(before.ai, prompt=prompt), WHO, NOON
        )

    def asked(self, customer="", to="", ai=""):
        who = self.directory.answering(customer, to, ai)
        return who.customer, who.ai.name, who.version

    def prompt(self, name, customer=""):
        return self.directory.answering(customer, "", name).ai.prompt


@pytest.fixture
async def house(database):
    house = House(database)
    await Customers(database).add(Customer("acme", "Acme", NOON), "a test")
    await house.book.import_file(FILE, NOON)
    await house.add(ACME, "acme")
    await house.add(replace(ACME, name="desk"), "acme")
    await house.number("100", "sales")
    await house.number("+49301234567", "sales")
    await house.number("+49309876543", "bot", "acme")
    await house.number("shop", "bot", "acme")
    await house.directory.load()
    return house


@pytest.mark.parametrize(
    ("asked", "who"),
    [
        ({}, (DEFAULT, "desk", 1)),
        ({"to": "999"}, (DEFAULT, "desk", 1)),
        ({"to": "100"}, (DEFAULT, "sales", 1)),
        ({"to": "+49301234567"}, (DEFAULT, "sales", 1)),
        ({"to": "0301234567"}, (DEFAULT, "sales", 1)),
        ({"to": "004930 123 45 67"}, (DEFAULT, "sales", 1)),
        ({"to": "49301234567"}, (DEFAULT, "sales", 1)),
        ({"to": "+49309876543"}, ("acme", "bot", 1)),
        ({"to": "shop"}, ("acme", "bot", 1)),
        ({"customer": "acme", "to": "shop"}, ("acme", "bot", 1)),
        ({"ai": "sales"}, (DEFAULT, "sales", 1)),
        ({"ai": "desk", "to": "shop"}, (DEFAULT, "desk", 1)),
        ({"ai": "desk", "to": "100"}, (DEFAULT, "desk", 1)),
        ({"ai": "desk", "customer": "acme"}, ("acme", "desk", 1)),
        ({"ai": "desk", "customer": "acme", "to": "100"}, ("acme", "desk", 1)),
        ({"customer": DEFAULT}, (DEFAULT, "desk", 1)),
        ({"customer": DEFAULT, "to": "shop"}, (DEFAULT, "desk", 1)),
    ],
)
async def test_who_takes_the_call(house, asked, who):
    assert house.asked(**asked) == who


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"ai": "bot"}, "no AI is called 'bot'; there are: desk, sales"),
        (
            {"ai": "sales", "customer": "acme"},
            "no AI of customer 'acme' is called 'sales'; there are: bot, desk",
        ),
        (
            {"ai": "x", "customer": "nobody"},
            "no AI of customer 'nobody' is called 'x'; there are: none",
        ),
        ({"customer": "acme"}, "names customer 'acme' and no AI"),
        ({"customer": "acme", "to": "100"}, "'100' is no number of this customer"),
    ],
)
async def test_nobody_takes_the_call(house, asked, says):
    with pytest.raises(AIError, match=says):
        house.asked(**asked)


async def test_without_a_database_there_is_the_file():
    directory = Directory(FILE)
    assert directory.answering("", "100", "") == Answering(DESK, 0, DEFAULT)
    assert directory.ais() == (DESK, SALES)
    with pytest.raises(StorageError):
        await directory.load()
    await directory.look()
    assert directory.answering("", "", "sales").ai == SALES


async def test_edits_are_known_after_a_look(house):
    await house.edit("bot", "Newer.", "acme")
    await house.add(replace(DESK, name="new"))
    await house.number("100", "new")
    await house.numbers.delete("acme", "shop", lambda before: None, WHO, NOON)
    assert house.asked(to="100") == (DEFAULT, "sales", 1)
    await house.directory.look()
    assert house.asked(to="100") == (DEFAULT, "new", 1)
    assert house.asked(to="shop") == (DEFAULT, "desk", 1)
    assert house.asked("acme", ai="bot") == ("acme", "bot", 2)
    assert house.prompt("bot", "acme") == "Newer."


async def test_a_number_that_was_given_away_within_a_look(house):
    await house.numbers.delete("acme", "shop", lambda before: None, WHO, NOON)
    await house.number("shop", "sales")
    await house.directory.look()
    assert house.asked(to="shop") == (DEFAULT, "sales", 1)


async def test_what_is_deleted_takes_no_calls(house):
    await house.book.delete("acme", "desk", lambda before: None, WHO, NOON)
    await house.directory.look()
    with pytest.raises(AIError, match="there are: bot"):
        house.asked("acme", ai="desk")


async def test_a_look_reads_nothing_that_is_known(house, database):
    async with database.session("break it") as session:
        await session.execute(delete(AiVersionRow))
    known = house.directory.ais()
    await house.directory.look()
    await house.directory.load()
    assert house.directory.ais() == known


async def test_the_database_is_away(house, logs):
    await house.edit("bot", "Newer.", "acme")
    await house.database.close()
    for _ in range(3):
        await house.directory.look()
    await house.directory.refresh()
    with pytest.raises(StorageError):
        await house.directory.load()
    assert house.asked(to="shop") == ("acme", "bot", 1)
    assert sum("calls go on with what was known" in each for each in logs) == 1
    await house.database.open()
    await house.directory.look()
    assert house.asked(to="shop") == ("acme", "bot", 2)


async def test_what_this_machine_cannot_serve_keeps_its_version_before(house, logs):
    def check(ai):
        if "deepgram" in ai.stt or ai.name == "sales":
            raise AIError(f"AI {ai.name!r}: no deepgram here")

    async def prepare(ai): ...

    house.directory.admit(check, prepare)
    with pytest.raises(AIError):
        house.asked(ai="sales")
    await house.book.edit(
        "acme", "bot", lambda kept: replace(kept.ai, stt="deepgram.x"), WHO, NOON
    )
    await house.directory.refresh()
    assert house.asked(to="shop") == ("acme", "bot", 1)
    assert any(
        "AI 'bot' of 'acme' 2 is not used: AI 'bot': no" in each for each in logs
    )
    await house.book.edit("acme", "bot", lambda kept: ACME, WHO, NOON)
    await house.directory.refresh()
    assert house.asked(to="shop") == ("acme", "bot", 3)


async def test_a_version_of_a_newer_offhook(house, database):
    async with database.session("write") as session:
        row = await session.get(AiVersionRow, ("acme", "bot", 1))
        row.config = {**row.config, "telepathy": True}
    other = Directory(FILE, database)
    await other.load()
    with pytest.raises(AIError, match="no AI of customer 'acme' is called 'bot'"):
        other.answering("", "shop", "")
    assert other.answering("", "", "").version == 1


class Preparing:
    """Takes as long as it is told to."""

    def __init__(self):
        self.asked = []
        self.done = asyncio.Event()

    async def __call__(self, ai):
        self.asked.append(ai.prompt)
        await self.done.wait()


async def test_a_version_is_prepared_before_it_is_used(house):
    preparing = Preparing()
    house.directory.admit(lambda ai: None, preparing)
    await house.edit("bot", "Newer.", "acme")
    await house.number("100", "desk")
    refreshing = [asyncio.create_task(house.directory.refresh()) for _ in range(2)]
    async with asyncio.timeout(5):
        while not preparing.asked or house.asked(to="100")[1] != "desk":
            await asyncio.sleep(0)
    assert house.prompt("bot", "acme") == ACME.prompt
    refreshing[0].cancel()
    preparing.done.set()
    await refreshing[1]
    assert house.prompt("bot", "acme") == "Newer."
    assert preparing.asked == ["Newer."]


async def test_newer_than_what_is_being_prepared(house):
    preparing = Preparing()
    house.directory.admit(lambda ai: None, preparing)
    await house.edit("bot", "Second.", "acme")
    first = asyncio.create_task(house.directory.refresh())
    async with asyncio.timeout(5):
        while not preparing.asked:
            await asyncio.sleep(0)
        await house.edit("bot", "Third.", "acme")
        second = asyncio.create_task(house.directory.refresh())
        while len(preparing.asked) < 2:
            await asyncio.sleep(0)
    preparing.done.set()
    await asyncio.gather(first, second)
    assert house.prompt("bot", "acme") == "Third."


async def test_deleted_while_it_is_prepared(house):
    preparing = Preparing()
    house.directory.admit(lambda ai: None, preparing)
    await house.add(replace(DESK, name="new"))
    first = asyncio.create_task(house.directory.refresh())
    async with asyncio.timeout(5):
        while not preparing.asked:
            await asyncio.sleep(0)
    await house.book.delete(DEFAULT, "new", lambda before: None, WHO, NOON)
    await house.directory.refresh()
    preparing.done.set()
    await first
    with pytest.raises(AIError):
        house.asked(ai="new")


@pytest.mark.parametrize("how", ["fails", "takes too long"])
async def test_what_could_not_be_prepared_is_used_all_the_same(
    house, how, monkeypatch, logs
):
    async def prepare(ai):
        if how == "fails":
            raise RuntimeError("no sound")
        await asyncio.Event().wait()

    monkeypatch.setattr(module, "PREPARE_DEADLINE", 0.01)
    house.directory.admit(lambda ai: None, prepare)
    await house.edit("bot", "Newer.", "acme")
    await house.directory.refresh()
    assert house.prompt("bot", "acme") == "Newer."
    assert any("AI 'bot' of 'acme' was not prepared" in each for each in logs)


async def test_it_runs_until_it_is_cancelled(house, monkeypatch):
    monkeypatch.setattr(module, "LOOK_EVERY", 0.0)
    running = asyncio.create_task(house.directory.run())
    await house.edit("bot", "Newer.", "acme")
    async with asyncio.timeout(5):
        while house.prompt("bot", "acme") != "Newer.":
            await asyncio.sleep(0.001)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
