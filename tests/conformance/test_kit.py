"""The kit can fail: each fault of a little server is found by the case for it."""

from typing import Any

import pytest

from agent.phone import conformance
from agent.phone.conformance import CASES, run
from tests.conformance.little import PASSWORD, little_server

FAULTS = [
    # what is wrong, and the case that must find it
    ("fragments", "frames: whole"),
    ("giant frames", "frames: under 65,500 bytes"),
    ("odd sizes", "spoken: whole frames"),
    ("deaf", "interrupted: silence"),
    ("stale", "interrupted: nothing stale"),
    ("pauses", "interrupted: no pause is left"),
    ("no pongs", "ping: answered"),
    ("open door", "login: no password"),
    ("open door", "login: wrong password"),
    ("slow handshake", "handshake: at once"),
    ("no sub-protocol", "handshake: media is echoed"),
    ("waits", "start: never"),
    ("ignores XOFF", "xoff: in mid-speech"),
    ("floods", "spoken: never to XOFF"),
    ("long commands", "commands: 128 bytes"),
    ("unknown commands", "commands: known"),
    ("strict", "garbage: wrong types"),
    ("stalls", "garbage: nested 20,000 deep"),
]


async def verdicts(
    fault: str, only: str = "", **options: Any
) -> dict[str, conformance.Result]:
    with little_server(fault) as url:
        results = await run(
            url, password=PASSWORD, only=only, **{"patience": 1.0} | options
        )
    return {result.name: result for result in results}


@pytest.mark.parametrize(("fault", "case"), FAULTS)
async def test_the_fault_is_found(fault, case):
    result = (await verdicts(fault, case, listen=1.0))[case]
    assert result.verdict == "failed", result.detail


async def test_a_server_that_is_not_ours_passes():
    results = await verdicts("", at_once=8, listen=1.0, patience=4.0)
    assert len(results) == len(CASES)
    assert [
        f"{result.name}: {result.detail}"
        for result in results.values()
        if result.verdict == "failed"
    ] == []
