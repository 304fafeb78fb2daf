"""Numbers, on both databases."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from agent.calls.ai import AI
from agent.calls.customer import DEFAULT, Customer
from agent.storage.ais import AiBook
from agent.storage.customers import Customers
from agent.storage.numbers import (
    BadNumber,
    Entry,
    NoAi,
    NoSuchNumber,
    Numbers,
    NumberTaken,
    e164,
    normalised,
)
from agent.storage.tables import AuditRow, EventRow

from .kept import NOON

WHO = "key key_17"


@pytest.mark.parametrize(
    ("text", "region", "kept"),
    [
        ("+49301234567", "", "+49301234567"),
        ("+49 30 1234", "", "+49301234"),
        ("+49 (30) 123-45.67", "", "+49301234567"),
        (" 0049 30 1234567", "", "+49301234567"),
        ("030 1234567", "DE", "+49301234567"),
        ("03012345678", "DE", "+493012345678"),
        ("(020) 7946 0000", "GB", "+442079460000"),
        ("100", "DE", "100"),
        ("0301234567", "DE", "0301234567"),  # ten digits: as the dialplan has it
        ("*98", "", "*98"),
        ("#1", "", "#1"),
        ("sales", "", "sales"),
        ("front-desk.2", "", "front-desk.2"),
    ],
)
def test_as_it_is_kept(text, region, kept):
    assert normalised(text, region) == kept
    assert normalised(kept, region) == kept


@pytest.mark.parametrize(
    ("text", "region", "says"),
    [
        ("", "", "no telephone number"),
        ("03012345678", "", "with [+] and its country code"),
        ("+49", "DE", "no telephone number of DE"),
        ("+999 123456", "", "no telephone number"),
        ("+4930123456789012345678", "", "no telephone number"),
        ("a b", "", "no telephone number"),
        ("sales&200", "", "no telephone number"),
        ("../x", "", "no telephone number"),
        ("+49 30 1234;ext=5", "", "no telephone number"),
        ("٣٤٥٦", "DE", "no telephone number"),
        ("x" * 41, "", "no telephone number"),
    ],
)
def test_what_is_no_number(text, region, says):
    with pytest.raises(BadNumber, match=says):
        normalised(text, region)


@given(st.text(max_size=40), st.sampled_from(["", "DE", "US"]))
def test_anything_is_a_number_that_stays_or_none(text, region):
    try:
        kept = normalised(text, region)
    except BadNumber:
        return
    assert normalised(kept, region) == kept
    assert e164(kept, region) in (kept, None) or not kept.startswith("+")


@pytest.fixture
async def numbers(database):
    await Customers(database).add(Customer("acme", "Acme", NOON), "a test")
    for customer in (DEFAULT, "acme"):
        for name in ("desk", "sales"):
            await AiBook(database).create(customer, AI(name, "You answer."), WHO, NOON)
    return Numbers(database)


def to(ai, label=""):
    return lambda before: Entry(ai, label)


async def noted(database):
    async with database.session("look", read_only=True) as session:
        events = await session.scalars(
            select(EventRow.data)
            .where(EventRow.type == "number_changed")
            .order_by(EventRow.number)
        )
        audit = await session.scalars(
            select(AuditRow.why)
            .where(AuditRow.subject.like("number/%"))
            .order_by(AuditRow.id)
        )
        return [
            (data["change"], data["target"]["ai"], data["revision"]) for data in events
        ], list(audit)


async def test_each_edit_is_a_revision_an_event_and_a_line_of_the_audit(
    numbers, database
):
    made, is_new = await numbers.put(DEFAULT, "100", to("desk", "Desk"), WHO, NOON)
    assert is_new
    edited, is_new = await numbers.put(DEFAULT, "100", to("sales"), WHO, NOON)
    assert not is_new
    same, _ = await numbers.put(DEFAULT, "100", to("sales"), WHO, NOON)
    await numbers.delete(DEFAULT, "100", lambda before: None, WHO, NOON)
    assert (made.revision, made.entry) == (1, Entry("desk", "Desk"))
    assert (edited.revision, edited.entry) == (2, Entry("sales", ""))
    assert same == edited
    assert await numbers.get(DEFAULT, "100") is None
    assert await noted(database) == (
        [("created", "desk", 1), ("updated", "sales", 2), ("deleted", "sales", 2)],
        [
            "created, revision 1, ai desk",
            "updated, revision 2, ai sales",
            "deleted, revision 2, ai sales",
        ],
    )


async def test_another_customers_number(numbers):
    await numbers.put("acme", "100", to("desk"), WHO, NOON)
    assert await numbers.get(DEFAULT, "100") is None
    assert await numbers.page(DEFAULT, 9) == ()
    with pytest.raises(NumberTaken):
        await numbers.put(DEFAULT, "100", to("desk"), WHO, NOON)
    with pytest.raises(NoSuchNumber):
        await numbers.delete(DEFAULT, "100", lambda before: None, WHO, NOON)
    assert (await numbers.get("acme", "100")).revision == 1


async def test_somebody_must_be_there_to_answer(numbers, database):
    with pytest.raises(NoAi):
        await numbers.put(DEFAULT, "100", to("nobody"), WHO, NOON)
    await AiBook(database).delete(DEFAULT, "sales", lambda before: None, WHO, NOON)
    with pytest.raises(NoAi):
        await numbers.put(DEFAULT, "100", to("sales"), WHO, NOON)
    assert await noted(database) == ([], [])


async def test_an_edit_that_is_refused_changes_nothing(numbers):
    await numbers.put(DEFAULT, "100", to("desk"), WHO, NOON)

    def refuse(before):
        raise PermissionError(before.revision)

    with pytest.raises(PermissionError):
        await numbers.put(DEFAULT, "100", refuse, WHO, NOON)
    with pytest.raises(PermissionError):
        await numbers.delete(DEFAULT, "100", refuse, WHO, NOON)
    assert (await numbers.get(DEFAULT, "100")).entry == Entry("desk")


async def test_pages_in_their_order(numbers):
    for number in ("300", "100", "200"):
        await numbers.put(DEFAULT, number, to("desk"), WHO, NOON)
    await numbers.put(DEFAULT, "150", to("sales"), WHO, NOON)
    first = await numbers.page(DEFAULT, 2)
    rest = await numbers.page(DEFAULT, 9, after=first[-1].number)
    assert [each.number for each in (*first, *rest)] == ["100", "150", "200", "300"]
    assert [each.number for each in await numbers.page(DEFAULT, 9, ai="sales")] == [
        "150"
    ]


async def test_one_number_wanted_by_two_at_once(numbers):
    async def take(customer):
        try:
            await numbers.put(customer, "+49301234567", to("desk"), WHO, NOON)
        except NumberTaken:
            return "taken"
        return "had"

    got = await asyncio.gather(*(take(each) for each in (DEFAULT, "acme")))
    assert sorted(got) == ["had", "taken"]


@pytest.mark.parametrize("label", ["\ud800", "a\0b"])
async def test_what_is_no_text_is_replaced(numbers, label):
    kept, _ = await numbers.put(DEFAULT, "100", to("desk", label), WHO, NOON)
    assert "\ufffd" in kept.entry.label
    assert await numbers.get(DEFAULT, "100") == kept
