"""Every command that README.md and docs/ show does what they say: it is run, as it is
written there, in tests/documented/stage.py, whose table says what must come of it."""

import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.docker.files import compose, services
from tests.documented import reading, table
from tests.documented.stage import Act, Done, Scene, Stage, copy_of_the_tree, tool

ROOT = reading.ROOT
SCENES = (
    table.STARTS,
    table.FIRST_CALL,
    *table.BESIDE_THE_AGENT,
    table.AFTER_THE_OTHERS,
    *table.ALONE,
)
RUN_HERE = {act.command for scene in SCENES for act in scene.acts if act.documented}
LISTED = RUN_HERE | set(table.ELSEWHERE) | set(table.NEVER)
OF_THE_MACHINE = ("curl", "jq", "sqlite3", "openssl")
"""Programs that the docs use, and that Offhook does without."""
Results = Mapping[str, Sequence[tuple[Act, Done]]]


def test_each_command_of_the_docs_is_run_or_there_is_a_reason():
    missing = [each for each in reading.commands() if each.text not in LISTED]
    assert missing == []


def test_each_command_of_the_table_is_in_the_docs():
    documented = {each.text for each in reading.commands()} | reading.names()
    assert LISTED - documented == set()


def test_no_command_has_two_answers():
    assert len(LISTED) == len(RUN_HERE) + len(table.ELSEWHERE) + len(table.NEVER)


def test_no_command_hides_in_a_block_of_another_kind():
    assert list(reading.hidden()) == []


@pytest.mark.parametrize("page", reading.PAGES, ids=lambda page: page.name)
def test_every_block_says_what_it_is(page):
    for block in reading.blocks(page.read_text()):
        assert block.language in reading.SHELL + reading.OTHERS, block.line


@pytest.mark.parametrize("test", sorted(set(table.ELSEWHERE.values())))
def test_what_another_test_runs_is_there(test):
    file, _, name = test.partition("::")
    assert re.search(rf"^(?:async )?def {name}\(", (ROOT / file).read_text(), re.M)


@pytest.mark.parametrize("name", sorted(reading.names()))
def test_every_verb_that_is_named_exists(name):
    done = subprocess.run(
        [sys.executable, "-m", "agent", *name.split()[1:], "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: {name} "), done.stdout


# On the stage


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """All scenes, some side by side; what came of each command."""
    stage = Stage(tmp_path_factory.mktemp("stage"))
    came: dict[str, list[tuple[Act, Done]]] = defaultdict(list)

    def play(scene: Scene) -> None:
        for act, done in stage.play(scene):
            came[act.command].append((act, done))

    try:
        with ThreadPoolExecutor(2) as few, ThreadPoolExecutor(3) as more:
            alone = [few.submit(play, scene) for scene in table.ALONE]
            with stage.going_on(table.STARTS) as done:
                came[table.STARTS.acts[0].command] = done
                play(table.FIRST_CALL)
                beside = [more.submit(play, scene) for scene in table.BESIDE_THE_AGENT]
                for each in [*beside, *alone]:
                    each.result()
                play(table.AFTER_THE_OTHERS)
        yield came
    finally:
        stage.close()


@pytest.mark.asterisk
@pytest.mark.models
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_commands_do_what_the_docs_say(scene, results):
    absent = {name for name in OF_THE_MACHINE if shutil.which(name) is None}
    left_out = [act for act in scene.acts if absent & set(act.command.split())]
    faults = [
        fault
        for act in scene.acts
        for acted, done in results[act.command]
        if acted is act and act not in left_out and (fault := done.fault(act))
    ]
    assert not faults, "\n\n".join(faults)
    assert all(results[act.command] for act in scene.acts)
    if left_out:
        pytest.skip(f"not on this machine: {', '.join(sorted(absent))}")


# Settings for Compose


def settings_blocks() -> list[reading.Block]:
    page = (ROOT / "docs" / "docker.md").read_text()
    return [each for each in reading.blocks(page) if each.language == "dotenv"]


@pytest.mark.containers
@pytest.mark.parametrize(
    "block", settings_blocks(), ids=lambda block: f"line {block.line}"
)
def test_compose_takes_the_settings(block, tmp_path):
    copy_of_the_tree(tmp_path / "tree")
    clean = {name: os.environ[name] for name in ("PATH", "HOME")}
    subprocess.run([tmp_path / "tree/docker/new-env"], check=True, capture_output=True)
    with (tmp_path / "tree/.env").open("a") as file:
        file.write(block.text)
    done = subprocess.run(
        [tool("tool-compose"), "config", "--services"],
        cwd=tmp_path / "tree",
        env=clean,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for profile in re.findall(r"^COMPOSE_PROFILES=(.*)$", block.text, re.MULTILINE):
        added = {
            n for n, each in services().items() if profile in each.get("profiles", ())
        }
        assert added and added <= set(done.stdout.split())


def test_names_of_containers_are_those_of_compose():
    page = (ROOT / "docs" / "docker.md").read_text()
    named = set(re.findall(r"docker logs (\S+)", page))
    assert len(named) == 2
    assert named <= {f"{compose()['name']}-{service}-1" for service in services()}
