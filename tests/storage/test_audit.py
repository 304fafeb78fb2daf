import pytest

from agent.storage import audit
from agent.storage.audit import Act, Deed
from agent.storage.errors import StorageError

from .kept import NOON

DEED = Deed(NOON, "an operator", Act.ERASE, "17.5", "asked for \x00 by mail")


async def test_deeds_of_a_call_in_their_order(database):
    other = Deed(NOON, "retention", Act.EXPIRE, "17.6", "")
    done = Deed(NOON, "an operator", Act.ERASED, "17.5", "")
    async with database.session("note") as session:
        for deed in (DEED, other, done):
            audit.note(session, deed)
    first, second = await audit.deeds(database, "17.5")
    assert (first.act, first.why) == (Act.ERASE, "asked for \ufffd by mail")
    assert second == done
    assert await audit.deeds(database, "nobody's") == ()


async def test_whose_it_was_and_what_else_it_was_done_to(database):
    deed = Deed(NOON, "key_1", Act.AI_CHANGED, "17.5", "", "acme", "ai/desk")
    async with database.session("note") as session:
        audit.note(session, deed)
    assert await audit.deeds(database, "17.5") == (deed,)
    assert (DEED.customer, DEED.subject) == ("default", "")


async def test_a_deed_that_was_not_done_is_not_noted(database):
    with pytest.raises(StorageError):
        async with database.session("fail") as session:
            audit.note(session, DEED)
            raise StorageError
    assert await audit.deeds(database, "17.5") == ()
