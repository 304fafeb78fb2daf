"""AIs and their versions, on both databases."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from agent.calls.ai import AI, AIError, AIs, read, read_ai
from agent.calls.customer import DEFAULT, Customer
from agent.calls.toolbox import HttpTool, McpServer
from agent.storage.ais import (
    MOST_BYTES,
    AiBook,
    AiExists,
    AiInUse,
    KeptInFile,
    NoSuchAi,
    Source,
)
from agent.storage.customers import Customers
from agent.storage.numbers import Entry, Numbers
from agent.storage.tables import AuditRow, EventRow

from .kept import NOON

DESK = AI("desk", "You answer.")
LATER = NOON + timedelta(minutes=5)
WHO = "key key_17"


@pytest.fixture
def book(database):
    return AiBook(database)


async def told(database):
    async with database.session("look", read_only=True) as session:
        events = await session.scalars(select(EventRow).order_by(EventRow.number))
        return [(each.customer, each.type, each.data) for each in events]


async def audited(database):
    async with database.session("look", read_only=True) as session:
        rows = await session.scalars(select(AuditRow).order_by(AuditRow.id))
        return [(each.deed, each.subject, each.why, each.who) for each in rows]


def said(prompt):
    return lambda before: replace(before.ai, prompt=prompt)


async def test_each_edit_is_a_version_an_event_and_a_line_of_the_audit(book, database):
    made = await book.create(DEFAULT, DESK, WHO, NOON)
    edited = await book.edit(DEFAULT, "desk", said("You sell."), "key key_2", LATER)
    await book.delete(DEFAULT, "desk", lambda before: None, WHO, LATER)
    assert (made.version, made.ai, made.source) == (1, DESK, Source.API)
    assert (edited.version, edited.ai.prompt) == (2, "You sell.")
    assert (edited.created_at, edited.updated_at) == (NOON, LATER)
    changes = [("created", 1), ("updated", 2), ("deleted", 2)]
    assert await told(database) == [
        (DEFAULT, "ai_changed", {"ai": "desk", "version": version, "change": change})
        for change, version in changes
    ]
    assert await audited(database) == [
        ("ai_changed", "ai/desk", "created, version 1", WHO),
        ("ai_changed", "ai/desk", "updated, version 2", "key key_2"),
        ("ai_deleted", "ai/desk", "deleted, version 2", WHO),
    ]


async def test_a_name_goes_on_counting(book):
    await book.create(DEFAULT, DESK, WHO, NOON)
    await book.delete(DEFAULT, "desk", lambda before: None, WHO, NOON)
    assert await book.get(DEFAULT, "desk") is None
    assert await book.page(DEFAULT, 10) == ()
    again = await book.create(DEFAULT, DESK, WHO, LATER)
    assert (again.version, again.created_at) == (2, LATER)
    assert [each.version for each in await book.versions(DEFAULT, "desk", 9)] == [2, 1]


async def test_versions_never_change(book):
    await book.create(DEFAULT, DESK, WHO, NOON)
    for number in range(4):
        await book.edit(DEFAULT, "desk", said(f"Say {number}."), WHO, LATER)
    first = await book.version(DEFAULT, "desk", 1)
    assert (first.ai, first.who, first.created_at) == (DESK, WHO, NOON)
    newer = await book.versions(DEFAULT, "desk", 2)
    older = await book.versions(DEFAULT, "desk", 9, before=newer[-1].version)
    assert [each.version for each in (*newer, *older)] == [5, 4, 3, 2, 1]
    assert await book.version(DEFAULT, "desk", 6) is None
    assert await book.versions(DEFAULT, "nobody", 9) == ()


async def test_what_stays_as_it_is_makes_no_version(book, database):
    await book.create(DEFAULT, DESK, WHO, NOON)
    same = await book.edit(DEFAULT, "desk", lambda before: before.ai, WHO, LATER)
    assert (same.version, same.updated_at) == (1, NOON)
    assert len(await told(database)) == 1


async def test_an_edit_that_is_refused_changes_nothing(book, database):
    await book.create(DEFAULT, DESK, WHO, NOON)

    def refuse(before):
        raise PermissionError(before.version)

    with pytest.raises(PermissionError, match="1"):
        await book.edit(DEFAULT, "desk", refuse, WHO, LATER)
    with pytest.raises(PermissionError, match="1"):
        await book.delete(DEFAULT, "desk", refuse, WHO, LATER)
    assert (await book.get(DEFAULT, "desk")).version == 1
    assert len(await told(database)) == 1


async def test_no_two_of_a_name(book, database):
    await Customers(database).add(Customer("acme", "Acme", NOON), "a test")
    await book.create(DEFAULT, DESK, WHO, NOON)
    with pytest.raises(AiExists):
        await book.create(DEFAULT, DESK, WHO, NOON)
    theirs = await book.create("acme", replace(DESK, prompt="Acme!"), WHO, NOON)
    assert theirs.version == 1
    assert (await book.get(DEFAULT, "desk")).ai == DESK
    with pytest.raises(NoSuchAi):
        await book.edit("acme", "sales", said("x"), WHO, NOON)


async def test_many_at_once_are_done_one_by_one(book):
    async def make():
        try:
            await book.create(DEFAULT, DESK, WHO, NOON)
        except AiExists:
            return "exists"
        return "made"

    assert sorted(await asyncio.gather(*(make() for _ in range(6)))) == (
        ["exists"] * 5 + ["made"]
    )

    def longer(before):
        return replace(before.ai, prompt=before.ai.prompt + "!")

    await asyncio.gather(
        *(book.edit(DEFAULT, "desk", longer, WHO, LATER) for _ in range(6))
    )
    assert (await book.get(DEFAULT, "desk")).ai.prompt == "You answer.!!!!!!"


async def test_pages_by_name(book):
    for name in ("c", "a", "b"):
        await book.create(DEFAULT, replace(DESK, name=name), WHO, NOON)
    first = await book.page(DEFAULT, 2)
    rest = await book.page(DEFAULT, 2, after=first[-1].ai.name)
    assert [each.ai.name for each in (*first, *rest)] == ["a", "b", "c"]


async def test_one_that_answers_under_numbers_stays(book, database):
    await book.create(DEFAULT, DESK, WHO, NOON)
    await Numbers(database).put(DEFAULT, "100", lambda _: Entry("desk"), WHO, NOON)
    with pytest.raises(AiInUse) as error:
        await book.delete(DEFAULT, "desk", lambda before: None, WHO, NOON)
    assert error.value.numbers == ("100",)
    await Numbers(database).delete(DEFAULT, "100", lambda before: None, WHO, NOON)
    await book.delete(DEFAULT, "desk", lambda before: None, WHO, NOON)
    assert await book.get(DEFAULT, "desk") is None


async def test_all_that_can_be_said_comes_back(book):
    whole = replace(
        DESK,
        prompt="Grüezi \N{TELEPHONE RECEIVER}",
        http_tools=(HttpTool("x", "", "https://x", parameters={"a": [1, None]}),),
        mcp_servers=(McpServer("y", command=("y", "-v")),),
        variables={"shop": "Berlin"},
        max_minutes=0.1,
        outside_only=True,
    )
    await book.create(DEFAULT, whole, WHO, NOON)
    assert (await book.get(DEFAULT, "desk")).ai == whole


@pytest.mark.parametrize("half", ["\ud800", "a\0b"])
async def test_what_is_no_text_is_replaced(book, half):
    made = await book.create(DEFAULT, replace(DESK, variables={half: half}), WHO, NOON)
    ((key, value),) = made.ai.variables.items()
    assert key == value == half.replace("\ud800", "\ufffd").replace("\0", "\ufffd")
    assert (await book.get(DEFAULT, "desk")).ai == made.ai


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("prompt", "x" * MOST_BYTES, "more than 256 KiB"),
        ("policy", {"spend": float("inf")}, "written as JSON"),
    ],
)
async def test_what_cannot_be_kept(book, key, value, says):
    ai = read_ai("desk", {"prompt": "x", key: value})
    with pytest.raises(AIError, match=says):
        await book.create(DEFAULT, ai, WHO, NOON)


FILE = read("[ai.desk]\nprompt = 'You answer.'\n[ai.sales]\nprompt = 'You sell.'")


async def test_the_file_twice_is_one_version(book, database):
    await book.import_file(FILE, NOON)
    await book.import_file(FILE, LATER)
    kept = await book.page(DEFAULT, 9)
    assert [(each.ai.name, each.version, each.source) for each in kept] == [
        ("desk", 1, Source.FILE),
        ("sales", 1, Source.FILE),
    ]
    assert {each.updated_at for each in kept} == {NOON}
    assert len(await told(database)) == 2


async def test_what_changed_in_the_file_is_a_version(book, database):
    await book.import_file(FILE, NOON)
    desk = replace(FILE.by_name["desk"], greeting="Hello.")
    await book.import_file(AIs("desk", {"desk": desk}), LATER)
    (kept,) = await book.page(DEFAULT, 9)
    assert (kept.ai, kept.version, kept.updated_at) == (desk, 2, LATER)
    assert [(data["ai"], data["change"]) for _, _, data in await told(database)] == [
        ("desk", "created"),
        ("sales", "created"),
        ("desk", "updated"),
        ("sales", "deleted"),
    ]
    await book.import_file(FILE, LATER)
    assert [(each.version, each.ai.prompt) for each in await book.page(DEFAULT, 9)] == [
        (3, "You answer."),
        (1, "You sell."),
    ]


async def test_the_file_has_its_own_ais_only(book):
    await book.create(DEFAULT, replace(DESK, name="ours"), WHO, NOON)
    await book.create(DEFAULT, replace(DESK, prompt="Made here."), WHO, NOON)
    await book.import_file(FILE, LATER)
    kept = {each.ai.name: each for each in await book.page(DEFAULT, 9)}
    assert kept["ours"].source is Source.API
    assert (kept["desk"].source, kept["desk"].version) == (Source.FILE, 2)
    with pytest.raises(KeptInFile):
        await book.edit(DEFAULT, "desk", said("x"), WHO, LATER)
    with pytest.raises(KeptInFile):
        await book.delete(DEFAULT, "desk", lambda before: None, WHO, LATER)
