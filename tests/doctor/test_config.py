import argparse
import json

import pytest

from agent.doctor import config
from agent.variables import MASK


@pytest.fixture
def run(tmp_path, capsys):
    async def run(*arguments, **environment):
        parser = argparse.ArgumentParser()
        config.add_arguments(parser)
        (tmp_path / "data").mkdir(exist_ok=True)
        given = {"OFFHOOK_DATA": str(tmp_path / "data"), **environment}
        status = await config.run(parser.parse_args(arguments), given)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


async def test_values_with_their_sources(run, tmp_path):
    file = tmp_path / "token"
    file.write_text("hush-hush")
    status, out, _ = await run(
        "--json",
        OFFHOOK_PORT="8080",
        OFFHOOK_TOKEN_FILE=str(file),
        DATABASE_URL="postgresql://me:hush@db/calls",
        OFFHOOK_SECRET_SHOP="hush",
    )
    told = json.loads(out)
    settings = {
        each["name"]: (each["value"], each["source"]) for each in told["settings"]
    }
    assert status == 0
    assert settings["OFFHOOK_PORT"] == ("8080", "environment")
    assert settings["OFFHOOK_TOKEN"] == (MASK, "OFFHOOK_TOKEN_FILE")
    assert settings["DATABASE_URL"] == (
        f"postgresql://me:{MASK}@db/calls",
        "environment",
    )
    assert settings["OFFHOOK_SECRET_SHOP"] == (MASK, "environment")
    assert settings["OFFHOOK_HOST"][1] == "default"
    assert "hush" not in out
    assert (told["unknown"], told["refused"]) == ([], None)


async def test_only_what_is_set(run):
    _, out, _ = await run("--set", OFFHOOK_PORT="8080")
    names = [line.split()[0] for line in out.splitlines()]
    assert names == ["OFFHOOK_DATA", "OFFHOOK_PORT"]


async def test_a_typing_error_is_named(run):
    status, _, err = await run(OFFHOOK_MAX_CALS="3")
    assert status == 1
    assert "OFFHOOK_MAX_CALS; did you mean OFFHOOK_MAX_CALLS?" in err


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"OFFHOOK_PORT": "abc"}, "OFFHOOK_PORT is 'abc', not a number"),
        ({"OFFHOOK_TOKEN": "a", "OFFHOOK_TOKEN_FILE": "/b"}, "are both set"),
        ({"OPENAI_BASE_URL": "http://gpu/v1"}, "OPENAI_MODEL"),
    ],
)
async def test_what_is_refused_is_said(run, environment, named):
    status, _, err = await run(**environment)
    assert status == 2
    assert named in err
