"""compose.yaml: what it says, and whether the real Docker Compose takes it."""

import re

import pytest

import agent

from .files import ROOT, SECRETS, compose, interpolated, services


def test_every_service_is_on_the_host_network_and_publishes_nothing():
    for name, service in services().items():
        assert service["network_mode"] == "host", name
        assert "ports" not in service and "networks" not in service, name


def test_every_service_is_bounded():
    for name, service in services().items():
        # With nofile alone, engines that may not raise limits do not start it.
        assert set(service["ulimits"]) == {"nofile", "nproc"}, name
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}, name
        assert "restart" in service, name


def test_our_own_containers_have_no_privileges():
    for name in ("asterisk", "voice-agent", "bucket"):
        service = services()[name]
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_only_the_agent_and_asterisk_start_unless_asked():
    default = {name for name, each in services().items() if "profiles" not in each}
    assert default == {"asterisk", "voice-agent"}


def test_everything_listens_on_loopback_until_told_otherwise():
    given = interpolated()
    for name in ("SIP_ADDRESS", "OFFHOOK_HOST"):
        assert given[name] == ":-127.0.0.1"
    store = services()["object-store"]["environment"]
    assert store["RUSTFS_ADDRESS"].startswith("127.0.0.1:")
    assert "HTTP_ADDRESS" not in services()["asterisk"]["environment"], "ARI stays home"


def test_images_are_pinned_and_still_exist():
    version = agent.__version__
    for name, service in services().items():
        image = service["image"]
        default = re.fullmatch(r"\$\{[A-Z_]+:-([^}]+)\}", image)
        assert default, f"{name}: {image} cannot be replaced in .env"
        repository, _, tag = default[1].partition("@")[0].rpartition(":")
        assert tag not in ("", "latest"), name
        # Gone from Docker Hub since September 2026, and from quay.io soon after.
        assert not repository.endswith("minio/minio"), name
        if repository.startswith("offhook-"):
            assert tag == version, f"{name}: {tag} is not this version, {version}"


def test_both_sides_share_folders_password_and_port():
    asterisk, voice_agent = services()["asterisk"], services()["voice-agent"]
    shared = {"monitor:/var/spool/asterisk/monitor", "spool:/var/spool/offhook"}
    for service in (asterisk, voice_agent):
        assert shared <= {each for each in service["volumes"] if isinstance(each, str)}
    theirs, ours = asterisk["environment"], voice_agent["environment"]
    assert theirs["AGENT_PASSWORD"] == ours["OFFHOOK_MEDIA_PASSWORD"]
    assert theirs["AGENT_USER"] == ours["OFFHOOK_MEDIA_USERNAME"]
    assert f"127.0.0.1:{ours['OFFHOOK_PORT']}/telephony/ws" in theirs["AGENT_URL"]


def test_asterisk_is_told_nothing_that_its_files_do_not_know():
    site = (ROOT / "asterisk-conf" / "site.conf.example").read_text()
    known = set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", site, re.MULTILINE))
    assert set(services()["asterisk"]["environment"]) <= known


def test_the_agent_has_time_to_drain():
    grace = interpolated()["STOP_GRACE_PERIOD"]
    drain = re.search(
        r'"OFFHOOK_DRAIN_SECONDS", (\d+)', (ROOT / "agent" / "settings.py").read_text()
    )
    assert drain
    assert int(grace.removeprefix(":-").removesuffix("s")) > int(drain[1])


def test_every_volume_is_used():
    mounts = re.findall(r"^ +- ([a-z]+):/", (ROOT / "compose.yaml").read_text(), re.M)
    assert set(compose()["volumes"]) == {*mounts, "models"}


@pytest.mark.containers
@pytest.mark.parametrize("profile", ["", "s3"])
def test_docker_compose_takes_it(config, profile):
    done = config(ROOT / "compose.yaml", SECRETS, "--profile", profile, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.containers
@pytest.mark.parametrize("name", SECRETS)
def test_a_missing_password_is_named(config, name):
    given = {**SECRETS, name: ""}
    done = config(ROOT / "compose.yaml", given, "--quiet")
    assert done.returncode != 0
    assert (
        f"{name} is missing a value: not set, docker/new-env makes one" in done.stderr
    )


@pytest.mark.containers
@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("    image:", "    imagex:", "imagex"),
        (
            "      voice-agent:\n        condition",
            "      who:\n        condition",
            "who",
        ),
        ("condition: service_started", "condition: soon", "condition"),
        ("- spool:/var", "- nowhere:/var", "nowhere"),
        ("network_mode: host", "network_mode: [host]", "network_mode"),
    ],
)
def test_docker_compose_would_have_noticed(config, tmp_path, right, wrong, says):
    """The check above can fail: each of these is refused, and for its own reason."""
    text = (ROOT / "compose.yaml").read_text()
    assert right in text
    broken = tmp_path / "compose.yaml"
    broken.write_text(text.replace(right, wrong, 1))
    done = config(broken, SECRETS, "--quiet")
    assert done.returncode != 0
    assert says in done.stderr


@pytest.mark.containers
def test_what_is_set_reaches_the_containers(config):
    given = {**SECRETS, "OFFHOOK_MAX_CALLS": "7", "SIP_PORT": "5070"}
    done = config(ROOT / "compose.yaml", given, "--format=json")
    assert '"OFFHOOK_MAX_CALLS": "7"' in done.stdout
    assert '"SIP_PORT": "5070"' in done.stdout
    assert '"OFFHOOK_DRAIN_SECONDS": null' in done.stdout, "the agent's default holds"
