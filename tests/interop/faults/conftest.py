"""One agent for a file of faults; the table of them all at the end of a run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.fakes.faulty import FaultyProvider
from tests.fakes.provider import Running
from tests.interop.asterisk import Asterisk

from .stage import Stage, Staged


@pytest.fixture(scope="module")
def staged(
    asterisk: Asterisk, sipp: Path, tmp_path_factory: pytest.TempPathFactory
) -> Staged:
    """staged(...) is a stage whose agent is up until the block is left, and whose
    provider does well until told otherwise. It takes what Stage does."""

    @asynccontextmanager
    async def up(folder: Path | None = None, **options: Any) -> AsyncIterator[Stage]:
        provider = FaultyProvider()
        folder = folder or tmp_path_factory.mktemp("stage")
        async with Running(provider.app()) as url:
            stage = Stage(folder, asterisk, sipp, provider, url, **options)
            await stage.up()
            try:
                yield stage
            finally:
                await stage.down()

    return up


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(staged: Staged) -> AsyncIterator[Stage]:
    async with staged() as stage:
        yield stage


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
