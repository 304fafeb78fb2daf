"""`offhook customers` and `offhook keys`: who may call the API. Yields what is to be
printed. A running agent knows within seconds.
"""

import argparse
import getpass
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from agent.calls.customer import DEFAULT, ApiKey, Customer, Scope

if TYPE_CHECKING:  # SQLAlchemy takes its time, and `offhook --help` needs none
    from .customers import Customers


def add_customers_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="customers_verb", metavar="VERB", required=True)
    add = verbs.add_parser("add", help="one more, to whom calls and AIs can belong")
    add.add_argument("id", metavar="ID", help="letters, digits, - and _")
    add.add_argument("--name", default="", help="as people write it")
    verbs.add_parser("list", help="all of them")


def add_keys_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="keys_verb", metavar="VERB", required=True)
    create = verbs.add_parser("create", help="make one; it is printed once")
    create.add_argument("--customer", default=DEFAULT, help="(%(default)s)")
    create.add_argument(
        "--scope",
        type=Scope,
        choices=tuple(Scope),
        default=Scope.OPERATOR,
        metavar="SCOPE",
        help=f"{', '.join(Scope)} (%(default)s)",
    )
    create.add_argument("--name", default="", help="who has it, and what for")
    create.add_argument("--days", type=_days, help="it is good for; otherwise for ever")
    verbs.add_parser("list", help="all, without the keys themselves")
    revoke = verbs.add_parser("revoke", help="make one good for nothing")
    revoke.add_argument("id", metavar="ID", help="as in `offhook keys list`")


async def run_customers(
    arguments: argparse.Namespace, customers: "Customers", now: datetime
) -> AsyncIterator[str]:
    """Raises StorageError when something is missing or wrong."""
    match arguments.customers_verb:
        case "add":
            new = Customer(arguments.id, arguments.name, now)
            await customers.add(new, _who())
            yield f"added {new.id}"
        case "list":
            for each in await customers.all():
                yield f"{each.id}  {each.created_at:%Y-%m-%d %H:%M}  {each.name}"
        case verb:
            raise AssertionError(f"argparse let {verb!r} pass")


async def run_keys(
    arguments: argparse.Namespace, customers: "Customers", now: datetime
) -> AsyncIterator[str]:
    """Raises StorageError when something is missing or wrong."""
    match arguments.keys_verb:
        case "create":
            days: float | None = arguments.days
            key, secret = await customers.create_key(
                arguments.customer,
                arguments.scope,
                arguments.name,
                who=_who(),
                now=now,
                expires_at=None if days is None else now + timedelta(days=days),
            )
            yield _line(key, now)
            yield secret
        case "list":
            keys = await customers.keys()
            for key in keys:
                yield _line(key, now)
            if not keys:
                yield "there are no keys: offhook keys create makes one"
        case "revoke":
            key = await customers.revoke(arguments.id, who=_who(), now=now)
            yield _line(key, now)
        case verb:
            raise AssertionError(f"argparse let {verb!r} pass")


def _days(text: str) -> float:
    days = float(text)
    if not 0 < days <= 36500:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 36500")
    return days


def _line(key: ApiKey, now: datetime) -> str:
    state = "good"
    if key.revoked_at is not None:
        state = f"revoked {key.revoked_at:%Y-%m-%d %H:%M}"
    elif key.expires_at is not None:
        past = now >= key.expires_at
        state = f"{'expired' if past else 'until'} {key.expires_at:%Y-%m-%d %H:%M}"
    return f"{key.id}  {key.customer}  {key.scope}  {key.hint}...  {state}  {key.name}"


def _who() -> str:
    try:
        return f"{getpass.getuser()}, by the command line"
    except (KeyError, OSError):  # a container's user may have no name
        return "the command line"
