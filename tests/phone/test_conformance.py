"""The runner: verdicts, what is printed, the exit status. The cases are tried in
tests/conformance/."""

import argparse

import pytest

from agent.phone import conformance
from agent.phone.cases.case import Case, Failed, Skipped, Target
from agent.phone.conformance import Bystander, Moment, run
from tests.conformance.little import PASSWORD, little_server


async def passes(target: Target) -> str:
    return "as it should"


async def fails(target: Target) -> str:
    raise Failed("wrong")


async def cannot(target: Target) -> str:
    raise Skipped("not here")


CASES = [
    Case("one", "why one", passes),
    Case("two", "why two", fails),
    Case("three", "why three", cannot),
    Case("four", "why four", fails, "should"),
]


async def test_each_case_has_its_verdict():
    seen = []
    with little_server() as url:
        results = await run(
            url, password=PASSWORD, cases=CASES, listen=0, on_result=seen.append
        )
    assert results == seen
    assert [(r.name, r.verdict, r.detail) for r in results] == [
        ("one", "passed", "as it should"),
        ("two", "failed", "wrong"),
        ("three", "skipped", "not here"),
        ("four", "failed", "wrong"),
    ]


@pytest.mark.parametrize(
    ("only", "status", "summary"),
    [
        ("one", 0, "1 passed, 0 failed"),
        ("two", 1, "0 passed, 1 failed"),
        ("three", 0, "0 passed, 0 failed, 1 skipped"),
        ("four", 0, "0 passed, 1 failed"),
        ("nothing", 1, "0 passed, 0 failed"),
        ("", 1, "1 passed, 2 failed, 1 skipped"),
    ],
)
async def test_the_exit_status_is_of_what_must_be(
    only, status, summary, monkeypatch, capsys
):
    monkeypatch.setattr(conformance, "CASES", CASES)
    monkeypatch.setattr(conformance, "LISTENED", 0)
    with little_server() as url:
        assert await conformance.command(asked(url, "--only", only)) == status
    assert capsys.readouterr().out.splitlines()[-1] == summary


async def test_without_a_server_nothing_is_tried(capsys):
    assert await conformance.command(asked("ws://127.0.0.1:9/")) == 2
    assert "no case was tried: no connection to 127.0.0.1:9" in capsys.readouterr().out


async def test_a_server_that_lets_nobody_in(capsys):
    with little_server() as url:
        arguments = asked(url, "--password", "wrong")
        assert await conformance.command(arguments) == 2
    assert "no case was tried: refused with 401" in capsys.readouterr().out


def asked(url: str, *more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    conformance.add_arguments(parser)
    return parser.parse_args(["--url", url, "--password", PASSWORD, *more])


class OtherCall:
    """As the bystander sees it."""

    def __init__(self, *, played: list[bytes | None], now: float, over: bool = False):
        self.played, self.now = played, now
        self.wire = type("Wire", (), {"over": over, "close_code": 1011})


SOUND: list[bytes | None] = [b"x"]


@pytest.mark.parametrize(
    ("call", "pings", "pongs", "complaint"),
    [
        (OtherCall(played=SOUND * 500, now=10), [1, 5], [1.1, 5.1], None),
        (OtherCall(played=SOUND * 500, now=10, over=True), [], [], "was ended.* 1011"),
        (OtherCall(played=SOUND * 500, now=10), [5], [7], "ping waited 2.00 s"),
        (OtherCall(played=SOUND * 500, now=10), [7], [], "ping waited 3.00 s"),
        # before the case began
        (OtherCall(played=SOUND * 500, now=10), [1], [3], None),
        (
            OtherCall(played=SOUND * 400 + [None] * 60 + SOUND, now=10),
            [],
            [],
            "a gap of 1.20 s",
        ),
        (OtherCall(played=[None] * 60 + SOUND * 440, now=10), [], [], None),
        # a server that is silent most of the time has no gaps
        (OtherCall(played=SOUND * 100 + [None] * 400, now=10), [], [], None),
    ],
)
def test_the_bystander_notices(call, pings, pongs, complaint):
    bystander = Bystander(call, limit=1.0)
    bystander._pings, bystander._pongs = pings, pongs
    since = Moment(at=4.0, tick=100)
    if complaint is None:
        bystander.check(since)
    else:
        with pytest.raises(Failed, match=complaint):
            bystander.check(since)
