import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.observe import metrics
from agent.web import health


async def well():
    pass


async def ill():
    raise RuntimeError("it is not loaded yet")


async def silent():
    raise ConnectionRefusedError


async def stuck():
    await asyncio.Event().wait()


async def test_alive(client):
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_ready(app, client):
    app.state.checks = {"database": app.state.database.check, "llm": well}
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (ill, "it is not loaded yet"),
        (silent, "ConnectionRefusedError"),
        (stuck, "no answer within 0.01 s"),
    ],
)
async def test_not_ready_says_what_and_why(app, client, monkeypatch, check, reason):
    monkeypatch.setattr(health, "_DEADLINE", 0.01)
    app.state.checks = {"database": well, "models": check}
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "code": "not_ready",
        "detail": f"models: {reason}",
        "not_ready": {"models": reason},
    }


async def test_all_that_is_not_ready_is_named(app, client):
    await app.state.database.close()
    app.state.checks = {"database": app.state.database.check, "tts": ill, "llm": well}
    answer = await client.get("/readyz")
    assert answer.json()["not_ready"] == {
        "database": "could not ask the database: the database is not open",
        "tts": "it is not loaded yet",
    }


async def test_checks_are_asked_at_the_same_time(app, client):
    both = asyncio.Barrier(2)
    app.state.checks = {"llm": both.wait, "tts": both.wait}
    assert (await client.get("/readyz")).status_code == 200


async def test_metrics_are_what_prometheus_reads(client):
    before = metrics.barge_in._value.get()
    metrics.barge_in.inc()
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["offhook_barge_in_total"] == before + 1
