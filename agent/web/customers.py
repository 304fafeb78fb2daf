"""/customers and /keys: to whom things belong, and who may call the API. For admins."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from agent.calls.customer import Customer
from agent.storage.customers import (
    CustomerExists,
    Customers,
    Keys,
    UnknownCustomer,
    UnknownKey,
)

from .auth import Admin
from .idempotency import IdempotentRoute
from .problems import Refusal, documented
from .schemas import (
    CustomerList,
    CustomerShape,
    KeyList,
    KeyShape,
    MadeKey,
    NewCustomer,
    NewKey,
)


def _customers(request: Request) -> Customers:
    customers: Customers = request.app.state.customers
    return customers


def _keys(request: Request) -> Keys:
    keys: Keys = request.app.state.keys
    return keys


router = APIRouter(tags=["customers"], route_class=IdempotentRoute)
# A key is shown once. An answer that is kept to be given again would keep it.
keys_router = APIRouter(prefix="/keys", tags=["customers"])

Kept = Annotated[Customers, Depends(_customers)]
InMemory = Annotated[Keys, Depends(_keys)]


@router.get("/customers")
async def list_customers(who: Admin, customers: Kept) -> CustomerList:
    """All, by their ids."""
    found = await customers.all()
    return CustomerList(customers=[CustomerShape.of(each) for each in found])


@router.post("/customers", status_code=201, responses=documented(409))
async def add_customer(
    who: Admin, new: NewCustomer, customers: Kept, keys: InMemory
) -> CustomerShape:
    customer = Customer(new.id, new.name, datetime.now(UTC))
    try:
        await customers.add(customer, who.who)
    except CustomerExists as error:
        raise Refusal(409, "customer_exists", str(error)) from error
    await keys.refresh()
    return CustomerShape.of(customer)


@keys_router.get("")
async def list_keys(who: Admin, customers: Kept) -> KeyList:
    """Of all customers, without the keys themselves; expired and revoked ones too."""
    return KeyList(keys=[KeyShape.of(each) for each in await customers.keys()])


@keys_router.post("", status_code=201, responses=documented(404))
async def create_key(
    who: Admin, new: NewKey, customers: Kept, keys: InMemory
) -> MadeKey:
    """The answer has the key itself, which nobody can find out later. So it is not kept
    either: an Idempotency-Key has no effect here."""
    customer = who.customer if new.customer is None else new.customer
    try:
        key, secret = await customers.create_key(
            customer,
            new.scope,
            new.name,
            who=who.who,
            now=datetime.now(UTC),
            expires_at=new.expires_at,
        )
    except UnknownCustomer as error:
        raise Refusal(404, "no_customer", str(error)) from error
    await keys.refresh()
    return MadeKey(**KeyShape.of(key).model_dump(), key=secret)


@keys_router.delete("/{key_id}", status_code=204, responses=documented(404))
async def revoke_key(
    who: Admin, key_id: str, customers: Kept, keys: InMemory
) -> Response:
    """At once here, within seconds in other agents. Again: nothing changes."""
    try:
        await customers.revoke(key_id, who=who.who, now=datetime.now(UTC))
    except UnknownKey as error:
        raise Refusal(404, "no_key", str(error)) from error
    await keys.refresh()
    return Response(status_code=204)
