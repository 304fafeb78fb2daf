"""The command line as an operator meets it."""

import argparse
from datetime import UTC, datetime

import pytest

from agent.storage import command
from agent.storage.errors import StorageError
from agent.storage.knowledge import Knowledge

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def offhook(database, tmp_path):
    knowledge = Knowledge(database)
    (tmp_path / "hours.md").write_text("# Hours\nOpen from nine to five.")
    (tmp_path / "prices.csv").write_text("article,price\nX-200,49.90\nX-300,59.90")

    async def run(*words):
        parser = argparse.ArgumentParser("offhook knowledge")
        command.add_arguments(parser)
        arguments = parser.parse_args([str(word) for word in words])
        return [line async for line in command.run(arguments, knowledge, NOON)]

    return run


async def test_from_adding_to_removing(offhook, tmp_path):
    files = [tmp_path / "hours.md", tmp_path / "prices.csv"]
    assert await offhook("add", "shop", *files, "--language", "en") == [
        "hours.md: added, passages: 1",
        "prices.csv: added, passages: 2",
    ]
    assert await offhook("add", "shop", files[0], "--language", "en") == [
        "hours.md: unchanged, passages: 1"
    ]
    assert await offhook("list") == [
        "shop  hours.md  en  2026-11-21 12:00  passages: 1",
        "shop  prices.csv  en  2026-11-21 12:00  passages: 2",
    ]
    (found,) = await offhook("search", "shop", "When", "do", "you", "open?")
    assert found == "hours.md  (0.0164)\nHours\nOpen from nine to five.\n"
    assert await offhook("remove", "shop", "hours.md") == ["removed"]
    assert await offhook("remove", "shop") == ["removed"]
    assert await offhook("list") == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["add", "shop", "a/x.md", "b/x.md"], "x.md is there twice"),
        (["add", "shop", "missing.md"], "cannot read missing.md"),
        (["remove", "shop"], "there is no 'shop'"),
        (["remove", "shop", "a.md"], "there is no 'a.md' in 'shop'"),
        (["search", "shop", "anything"], "nothing was found"),
    ],
)
async def test_what_goes_wrong(offhook, words, says):
    with pytest.raises(StorageError, match=says):
        await offhook(*words)


async def test_what_was_added_before_a_bad_file_stays(offhook, tmp_path):
    with pytest.raises(StorageError, match="not known"):
        await offhook("add", "shop", tmp_path / "hours.md", tmp_path / "a.pdf")
    assert len(await offhook("list")) == 1
