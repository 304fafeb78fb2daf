import argparse
import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from agent.calls.customer import DEFAULT, Customer, Scope
from agent.storage import customers as customers_module
from agent.storage import keys_command
from agent.storage.customers import (
    CustomerExists,
    Customers,
    Keys,
    UnknownCustomer,
    UnknownKey,
)
from agent.storage.errors import StorageError
from agent.storage.tables import ApiKeyRow, AuditRow

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ACME = Customer("acme", "Acme Ltd", NOON)


@pytest.fixture
def customers(database):
    return Customers(database)


async def audited(database):
    async with database.session("read the audit", read_only=True) as session:
        rows = await session.scalars(select(AuditRow).order_by(AuditRow.id))
        return [(row.deed, row.who, row.customer, row.subject) for row in rows]


async def create(customers, customer=DEFAULT, scope=Scope.READ, **options):
    return await customers.create_key(
        customer, scope, "Ada", who="a test", now=NOON, **options
    )


async def test_customers_are_added_once(customers, database):
    await customers.add(ACME, "a test")
    with pytest.raises(CustomerExists, match="'acme' already"):
        await customers.add(ACME, "a test")
    assert [each.id for each in await customers.all()] == ["acme", DEFAULT]
    assert ACME in await customers.all()
    assert await audited(database) == [
        ("customer_added", "a test", "acme", "customer/acme")
    ]


@pytest.mark.parametrize("id", ["", "a b", "a/b", "ä", "a\n", "a" * 65])
async def test_an_id_stands_in_addresses(customers, id):
    with pytest.raises(StorageError, match="no id of a customer"):
        await customers.add(Customer(id, "", NOON), "a test")


async def test_of_a_key_only_its_hash_is_kept(customers, database):
    key, secret = await create(customers)
    assert secret.startswith("ok_") and len(secret) >= 3 + 43
    assert secret.startswith(key.hint) and len(key.hint) == 8
    async with database.session("look", read_only=True) as session:
        (row,) = await session.scalars(select(ApiKeyRow))
        kept = {column.name: getattr(row, column.name) for column in row.__table__.c}
    assert not any(secret in str(value) for value in kept.values())
    assert await customers.keys() == (key,)
    assert await audited(database) == [
        ("key_created", "a test", DEFAULT, f"key/{key.id}")
    ]


async def test_a_key_belongs_to_somebody(customers):
    with pytest.raises(UnknownCustomer, match="no customer 'acme'"):
        await create(customers, "acme")
    assert await customers.keys() == ()


async def test_a_key_is_revoked_once(customers, database):
    key, _ = await create(customers)
    revoked = await customers.revoke(key.id, who="Bob", now=NOON)
    later = NOON + timedelta(days=1)
    assert await customers.revoke(key.id, who="Eve", now=later) == revoked
    assert revoked.revoked_at == NOON
    assert [each[:2] for each in await audited(database)] == [
        ("key_created", "a test"),
        ("key_revoked", "Bob"),
    ]
    with pytest.raises(UnknownKey, match="'key_0'"):
        await customers.revoke("key_0", who="Eve", now=later)


async def test_keys_in_memory(customers):
    keys = Keys(customers)
    assert (keys.known, keys.any, keys.has_customer(DEFAULT)) == (False, False, False)
    await keys.refresh()
    assert (keys.known, keys.any, keys.has_customer(DEFAULT)) == (True, False, True)
    key, secret = await create(customers)
    old, its_secret = await create(customers, expires_at=NOON)
    assert keys.find(secret, NOON) is None
    await keys.refresh()
    assert keys.any
    assert keys.find(secret, NOON) == key
    assert keys.find(its_secret, NOON - timedelta(seconds=1)) == old
    for wrong in (its_secret, secret[:-1], f"{secret}x", "", key.id, "\ud7ff"):
        assert keys.find(wrong, NOON) is None
    await customers.revoke(key.id, who="a test", now=NOON)
    await keys.refresh()
    assert keys.any and keys.find(secret, NOON) is None


async def test_a_database_that_is_away_leaves_what_is_known(
    customers, database, monkeypatch
):
    _, secret = await create(customers)
    keys, rounds, may_go_on = Keys(customers), asyncio.Queue(), asyncio.Queue()

    async def until_told(seconds):
        rounds.put_nowait(seconds)
        await may_go_on.get()

    monkeypatch.setattr(customers_module.asyncio, "sleep", until_told)
    task = asyncio.create_task(keys.run())
    assert await rounds.get() == 5.0
    assert keys.find(secret, NOON) is not None
    await database.close()
    for _ in range(3):
        may_go_on.put_nowait(None)
        await rounds.get()
    assert keys.find(secret, NOON) is not None
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


def parsed(verb, *arguments):
    parser = argparse.ArgumentParser()
    if verb == "keys":
        keys_command.add_keys_arguments(parser)
    else:
        keys_command.add_customers_arguments(parser)
    return parser.parse_args(arguments)


async def offhook(customers, verb, *arguments):
    run = {
        "keys": keys_command.run_keys,
        "customers": keys_command.run_customers,
    }[verb]
    return [line async for line in run(parsed(verb, *arguments), customers, NOON)]


async def test_the_command_line(customers, database):
    assert await offhook(customers, "customers", "add", "acme", "--name", "A") == [
        "added acme"
    ]
    assert "acme  2026-11-21 12:00  A" in await offhook(customers, "customers", "list")
    (nothing,) = await offhook(customers, "keys", "list")
    assert nothing.startswith("there are no keys")
    told, secret = await offhook(
        customers,
        *("keys", "create", "--customer", "acme", "--scope", "read"),
        *("--name", "Ada's phone", "--days", "1"),
    )
    (key,) = await customers.keys()
    assert key.expires_at == NOON + timedelta(days=1)
    keys = Keys(customers)
    await keys.refresh()
    assert keys.find(secret, NOON) == key
    assert await offhook(customers, "keys", "list") == [told]
    assert told.split("  ")[2:] == [
        "read",
        f"{key.hint}...",
        "until 2026-11-22 12:00",
        "Ada's phone",
    ]
    (revoked,) = await offhook(customers, "keys", "revoke", key.id)
    assert "revoked 2026-11-21 12:00" in revoked
    assert all(who.endswith("command line") for _, who, _, _ in await audited(database))
    with pytest.raises(UnknownKey):
        await offhook(customers, "keys", "revoke", "key_0")
    with pytest.raises(UnknownCustomer):
        await offhook(customers, "keys", "create", "--customer", "nobody")


@pytest.mark.parametrize(
    "arguments",
    [["create", "--days", "0"], ["create", "--scope", "god"], ["revoke"], []],
)
def test_the_command_line_refuses(arguments, capsys):
    with pytest.raises(SystemExit):
        parsed("keys", *arguments)
    assert "usage:" in capsys.readouterr().err
