"""One agent for a file of faults; the table of them all at the end of a run."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.fakes.faulty import FaultyProvider
from tests.fakes.provider import Running
from tests.interop.asterisk import Asterisk

from .stage import Stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(
    asterisk: Asterisk, sipp: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """Its agent is up, and the provider does well until told otherwise."""
    provider = FaultyProvider()
    async with Running(provider.app()) as url:
        folder = tmp_path_factory.mktemp("stage")
        stage = Stage(folder, asterisk, sipp, provider, url)
        await stage.up()
        yield stage
        await stage.down()


@pytest.fixture(autouse=True)
def nothing_planned(request: pytest.FixtureRequest) -> None:
    if "stage" in request.fixturenames:
        request.getfixturevalue("stage").provider.do_well()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "fault(number, words): one of docs/faults.md, by its number there; it passes if"
        " explain or follow-call named it",
    )
    config.stash[_TOLD] = []


_TOLD = pytest.StashKey[list[str]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    mark = item.get_closest_marker("fault")
    if mark and (report.when == "call" or report.failed):
        number, words = mark.args
        how = "named" if report.passed else "NOT NAMED"
        item.config.stash[_TOLD].append(f"{number:>4}  {how:<10} {words}")
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if told := config.stash[_TOLD]:
        terminalreporter.section("faults in real calls")
        for line in sorted(told):
            terminalreporter.write_line(line)
