"""One Asterisk for all tests here, and phones that call it.

The first run fetches Asterisk and SIPp into the cache (scripts/asterisk, tool-sipp).
"""

import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.phone.sip import SipConfig, SipPhone

from .asterisk import ROOT, TRUNK, Asterisk, place
from .stub_agent import StubAgent


@pytest.fixture(scope="session")
def sipp() -> Path:
    done = subprocess.run(
        [ROOT / "scripts" / "tool-sipp"], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="session")
def asterisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asterisk]:
    with place() as number:
        ours = Asterisk.at(number, tmp_path_factory.mktemp("asterisk"))
        ours.up()
        yield ours
        ours.down()


@pytest.fixture
async def agent(asterisk: Asterisk) -> AsyncIterator[StubAgent]:
    """Takes Asterisk's calls until the test is over."""
    stub = StubAgent("asterisk", asterisk.agent_password)
    async with stub.listening(asterisk.agent_port):
        yield stub


@pytest.fixture
def phone(sipp: Path) -> Callable[..., SipPhone]:
    """phone() calls from the trunk; other things of SipConfig by name."""

    def make(**config: Any) -> SipPhone:
        return SipPhone(SipConfig(sipp=sipp, **{"local_address": TRUNK, **config}))

    return make
