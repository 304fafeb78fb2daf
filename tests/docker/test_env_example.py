""".env.example and docker/new-env: every variable explained, every password made up."""

import ast
import re
import shutil
import subprocess

import pytest

from .files import ROOT, explained, interpolated, passed_on, services


def settings() -> set[str]:
    """What agent/settings.py reads: values.text("NAME", ...) and so on."""
    tree = ast.parse((ROOT / "agent" / "settings.py").read_text())
    return {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("values", "environment")
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


OF_THE_IMAGE = {
    # Folders, which are volumes; the operator chooses the volumes.
    "OFFHOOK_CACHE",
    "OFFHOOK_DATA",
    "OFFHOOK_MODELS",
    "OFFHOOK_MONITOR",
    "OFFHOOK_RECORDINGS",
    "OFFHOOK_SPOOL",
    "XDG_CACHE_HOME",
    # A file: AIS_FILE on this side.
    "OFFHOOK_AIS",
    # Of `offhook upload`, which runs where there is no agent.
    "OFFHOOK_AGENT_URL",
}
OF_BOTO3 = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
OF_COMPOSE_ITSELF = {"COMPOSE_PROFILES"}


def test_settings_are_found():
    assert {"OFFHOOK_PORT", "OPENAI_MODEL", "XDG_CACHE_HOME"} <= settings()


def test_every_variable_is_explained_and_used():
    used = set(interpolated()) | passed_on() | OF_COMPOSE_ITSELF
    assert used == set(explained())


def test_every_default_or_demand_is_said():
    for name, rest in interpolated().items():
        assert rest.startswith((":-", ":?")), f"{name} has neither default nor error"


def test_the_same_defaults_in_both_files():
    for name, value in explained().items():
        default = interpolated().get(name, "")
        if value:
            assert default == f":-{value}", name


def test_the_agent_knows_what_it_is_given():
    environment = set(services()["voice-agent"]["environment"])
    ours = {name for name in environment if name.startswith("OFFHOOK_")}
    assert ours <= settings()
    assert environment - settings() == OF_BOTO3 | {"MODELS_FETCH"}


def test_every_setting_can_be_set():
    environment = set(services()["voice-agent"]["environment"])
    assert settings() - OF_THE_IMAGE <= environment


def test_the_groups_have_a_comment_on_every_variable_that_is_not_plain():
    """A variable follows a comment, or another variable that follows one."""
    after_blank = re.findall(r"\n\n([^#\n].*)", (ROOT / ".env.example").read_text())
    assert after_blank == []


def new_env(folder):
    return subprocess.run(
        [folder / "docker" / "new-env"], capture_output=True, text=True, timeout=30
    )


def site(folder):
    (folder / "docker").mkdir(parents=True)
    shutil.copy(ROOT / "docker" / "new-env", folder / "docker")
    shutil.copy(ROOT / ".env.example", folder)
    return folder


def values(path):
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and line[0] != "#")


def test_new_env_makes_up_every_secret(tmp_path):
    folder = site(tmp_path / "one")
    done = new_env(folder)
    assert (done.returncode, done.stderr) == (0, "")
    made = values(folder / ".env")
    secret = {name for name, value in made.items() if value != explained()[name]}
    assert secret == {
        "OFFHOOK_MEDIA_PASSWORD",
        "EXTENSION_100_PASSWORD",
        "EXTENSION_101_PASSWORD",
        "ARI_PASSWORD",
        "AMI_PASSWORD",
        *OF_BOTO3,
    }
    assert all(re.fullmatch("[0-9a-f]{32}", made[name]) for name in secret)
    assert len({made[name] for name in secret}) == len(secret)
    assert (folder / ".env").stat().st_mode & 0o077 == 0
    other = site(tmp_path / "two")
    new_env(other)
    assert values(other / ".env").keys() == made.keys()
    assert values(other / ".env")["ARI_PASSWORD"] != made["ARI_PASSWORD"]


@pytest.mark.containers
def test_what_new_env_makes_is_all_that_compose_needs(config, tmp_path):
    folder = site(tmp_path / "site")
    new_env(folder)
    made = values(folder / ".env")
    done = config(ROOT / "compose.yaml", made, "--profile", "s3", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_new_env_leaves_what_is_there(tmp_path):
    folder = site(tmp_path)
    (folder / ".env").write_text("ours\n")
    done = new_env(folder)
    assert done.returncode == 1
    assert ".env is there already" in done.stderr
    assert (folder / ".env").read_text() == "ours\n"
    assert {each.name for each in folder.iterdir()} == {
        ".env",
        ".env.example",
        "docker",
    }
