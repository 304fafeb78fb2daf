import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.calls.customer import Scope
from agent.web.config import ApiLimits
from agent.web.limits import Buckets, Limits
from agent.web.problems import Refusal

from .conftest import browse


def test_a_bucket_empties_and_fills():
    buckets = Buckets(per_second=2, burst=3)
    assert [buckets.take("a", 0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("b", 0) == 0
    assert buckets.wait("a", 0.25) == 0.25
    assert [buckets.take("a", 0.5) for _ in range(2)] == [0, 0.5]
    # It does not run over.
    assert [buckets.take("a", 1000) for _ in range(4)] == [0, 0, 0, 0.5]


@given(st.lists(st.floats(0, 10), max_size=60))
def test_nobody_ever_gets_more_than_he_may(pauses):
    buckets = Buckets(per_second=2, burst=5)
    now, taken = 0.0, 0
    for pause in pauses:
        now += pause
        taken += buckets.take("a", now) == 0
    assert taken <= 5 + 2 * now + 1e-6


def test_a_flood_of_addresses_is_forgotten():
    buckets = Buckets(per_second=1, burst=1, most=2)
    for peer in "abc":
        assert buckets.take(peer, 0) == 0
    assert buckets.take("c", 0) > 0
    assert buckets.take("a", 0) == 0


@pytest.mark.parametrize(
    ("per_second", "seconds"), [(20.0, "1"), (1.0, "1"), (0.5, "2"), (0.3, "4")]
)
def test_who_is_refused_is_told_when_to_come_back(per_second, seconds):
    few = Limits(ApiLimits(per_second=per_second, burst=1))
    few.take("a", 0)
    with pytest.raises(Refusal) as refused:
        few.take("a", 0)
    assert refused.value.status_code == 429
    assert refused.value.headers == {"Retry-After": seconds}
    few.take("a", float(seconds))


@pytest.fixture
def few(app, monkeypatch):
    """Two requests each, and no time goes by."""
    monkeypatch.setattr("agent.web.auth.time.monotonic", lambda: 0.0)
    app.state.limits = Limits(ApiLimits(burst=2))
    return app


async def statuses(client, path, times, **options):
    return [(await client.get(path, **options)).status_code for _ in range(times)]


async def test_each_key_has_its_own(few, client, make_key):
    one, other = await make_key(Scope.READ), await make_key(Scope.READ)
    assert await statuses(client, "/calls", 3, headers=one) == [200, 200, 429]
    assert await statuses(client, "/calls", 3, headers=other) == [200, 200, 429]
    answer = await client.get("/calls", headers=one)
    assert answer.json()["code"] == "too_many_requests"
    assert answer.headers["retry-after"] == "1"


async def test_without_a_key_each_address_has(few, client):
    assert await statuses(client, "/calls", 3) == [200, 200, 429]
    with browse(few, "127.0.0.2") as neighbour:
        assert await statuses(neighbour, "/calls", 3) == [200, 200, 429]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_what_machines_ask_is_not_limited(few, client, path):
    assert await statuses(client, path, 5) == [200] * 5
