""".env.example and docker/new-env: every variable explained, every password made up."""

import ast
import re
import shutil
import stat
import subprocess

import pytest

from agent.secret_files import with_files

from .files import ROOT, compose, environment, explained, interpolated, passed_on


def settings() -> set[str]:
    """What the agent reads: values.text("NAME", ...) and so on."""
    rooms = ("settings.py", "environment.py")
    trees = [ast.parse((ROOT / "agent" / room).read_text()) for room in rooms]
    return {
        node.args[0].value
        for tree in trees
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
    # Files: AIS_FILE and PRICES_FILE on this side.
    "OFFHOOK_AIS",
    "OFFHOOK_PRICES",
    # Of `offhook upload`, which runs where there is no agent.
    "OFFHOOK_AGENT_URL",
}
OF_BOTO3 = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
MADE_UP = {
    "OFFHOOK_MEDIA_PASSWORD",
    "EXTENSION_100_PASSWORD",
    "EXTENSION_101_PASSWORD",
    "ARI_PASSWORD",
    "AMI_PASSWORD",
    "POSTGRES_PASSWORD",
    "GRAFANA_PASSWORD",
    "TURN_SECRET",
    *OF_BOTO3,
}
OF_COMPOSE_ITSELF = {"COMPOSE_PROFILES"}


def test_settings_are_found():
    assert {"OFFHOOK_PORT", "OPENAI_MODEL", "XDG_CACHE_HOME"} <= settings()


def secrets() -> set[str]:
    return set(compose()["secrets"])


def in_files() -> set[str]:
    return {f"{name}_FILE" for name in secrets()}


def test_every_variable_is_explained_and_used():
    """A secret as NAME, or as NAME_FILE where it is made up; the other follows."""
    used = set(interpolated()) | passed_on() | OF_COMPOSE_ITSELF
    said = set(explained())
    assert said <= used
    assert used - in_files() - MADE_UP == said - in_files()
    assert in_files() & said == {f"{name}_FILE" for name in MADE_UP}
    assert in_files() <= used
    assert secrets() <= used


def test_every_secret_can_be_a_file():
    """By its name; and those that have a key within an address."""
    used = set(interpolated()) | passed_on()
    words = ("_PASSWORD", "_SECRET", "_TOKEN", "_KEY", "_KEY_ID")
    named = {name for name in used if name.endswith(words)}
    with_keys = {"DATABASE_URL", "OFFHOOK_ENDPOINTS", "OTEL_EXPORTER_OTLP_HEADERS"}
    assert named | with_keys == secrets()


def test_the_agent_takes_files_of_its_secrets(tmp_path):
    given = {name for name in environment("voice-agent") if name.endswith("_FILE")}
    file = tmp_path / "secret"
    file.write_text("hush\n")
    read = with_files(dict.fromkeys(given, str(file)))
    assert read == {name.removesuffix("_FILE"): "hush" for name in given}


def test_every_default_or_demand_is_said():
    for name, rest in interpolated().items():
        assert rest.startswith((":-", ":?")), f"{name} has neither default nor error"


def test_the_same_defaults_in_both_files():
    for name, value in explained().items():
        default = interpolated().get(name, "")
        if value and name not in in_files():
            assert default == f":-{value}", name


def agents_files() -> set[str]:
    """Of the agent; the password of AMI has another name on its side."""
    return in_files() | {"OFFHOOK_AMI_PASSWORD_FILE"}


def test_the_agent_knows_what_it_is_given():
    given = set(environment("voice-agent")) - agents_files()
    ours = {name for name in given if name.startswith("OFFHOOK_")}
    assert ours <= settings()
    assert given - settings() - OF_BOTO3 == {"MODELS_FETCH"}


def test_every_setting_can_be_set():
    assert settings() - OF_THE_IMAGE <= set(environment("voice-agent"))


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


def made(folder):
    """The secrets of a site."""
    return {
        path.name: path.read_text()
        for path in (folder / "secrets").iterdir()
        if path.name != "DATABASE_URL"
    }


def test_new_env_makes_up_every_secret(tmp_path):
    folder = site(tmp_path / "one")
    done = new_env(folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert values(folder / ".env") == explained()
    secret = made(folder)
    assert set(secret) == MADE_UP
    assert all(re.fullmatch("[0-9a-f]{32}", text) for text in secret.values())
    assert len(set(secret.values())) == len(secret)
    url = (folder / "secrets" / "DATABASE_URL").read_text()
    password = secret["POSTGRES_PASSWORD"]
    assert url == f"postgresql://offhook:{password}@127.0.0.1:5432/offhook\n"
    other = site(tmp_path / "two")
    new_env(other)
    assert made(other).keys() == secret.keys()
    assert made(other)["ARI_PASSWORD"] != secret["ARI_PASSWORD"]


def test_secrets_are_closed_to_other_users_and_open_to_containers(tmp_path):
    """A container's user reads the one file that it is given, and has another number
    than the operator; the folder around it lets nobody else in."""
    folder = site(tmp_path)
    new_env(folder)
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o700
    for path in (folder / "secrets").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o444, path


def test_the_url_of_the_database_has_the_port_of_the_server(tmp_path):
    folder = site(tmp_path)
    example = folder / ".env.example"
    given = example.read_text().replace("POSTGRES_PORT=5432", "POSTGRES_PORT=5433")
    (folder / ".env").write_text(given)
    new_env(folder)
    assert "@127.0.0.1:5433/" in (folder / "secrets" / "DATABASE_URL").read_text()


@pytest.mark.containers
def test_what_new_env_makes_is_all_that_compose_needs(config, tmp_path):
    folder = site(tmp_path / "site")
    new_env(folder)
    given = values(folder / ".env")
    done = config(ROOT / "compose.yaml", given, "--profile", "*", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_new_env_leaves_what_is_there(tmp_path):
    folder = site(tmp_path)
    ours = "ARI_PASSWORD=plain\nAMI_PASSWORD_FILE=./secrets/AMI_PASSWORD\n"
    ours += "OPENAI_API_KEY_FILE=./secrets/OPENAI_API_KEY\n"
    (folder / ".env").write_text(ours)
    (folder / "secrets").mkdir()
    new_env(folder)
    assert (folder / ".env").read_text() == ours
    # What is not ours to make up is not; what is there in another form is not made.
    (secret,) = made(folder).items()
    assert secret[0] == "AMI_PASSWORD"
    done = new_env(folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert made(folder) == dict([secret])
