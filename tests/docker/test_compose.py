"""compose.yaml: what it says, and whether the real Docker Compose takes it."""

import json
import re
import tomllib

import pytest

import agent

from .files import (
    PROFILES,
    ROOT,
    SECRETS,
    compose,
    environment,
    explained,
    interpolated,
    secrets_of,
    services,
)

ONCE = {"bucket"}
"""Services that do their work and end."""
OURS = {"asterisk", "voice-agent", "nc-service", "bucket"}
"""Run from images that we build, which have a user and a check of their own."""


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
        assert "mem_limit" in service, name
        if name not in ONCE:
            bound = re.match(r"\$\{([A-Z_]+)_MEMORY:-\d+[mg]\}$", service["mem_limit"])
            assert bound, name
            # More cores than there are is an error, so unlimited unless asked for.
            assert service["cpus"] == f"${{{bound[1]}_CPUS:-0}}", name


def test_no_container_has_privileges():
    for name, service in services().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service.get("cap_add", []) == (
            ["NET_BIND_SERVICE"] if name == "turn" else []
        ), name
        assert "privileged" not in service and "devices" not in service, name


def test_no_container_runs_as_root():
    for name, service in services().items():
        if name in OURS or name == "object-store":
            # Of their images; RustFS's has the user rustfs.
            assert "user" not in service, name
        else:
            assert service["user"].split(":")[0] not in ("root", "0"), name


def test_every_long_running_service_is_looked_after():
    """Those of our own images in their Dockerfiles, see test_dockerfiles.py."""
    for name, service in services().items():
        if name in ("asterisk", "voice-agent"):
            assert "healthcheck" not in service, name
        elif name in ONCE:
            assert service["healthcheck"] == {"disable": True}, name
        else:
            assert service["healthcheck"]["test"][0] == "CMD", name
            assert "127.0.0.1" in str(service["healthcheck"]["test"]), name


def test_each_secret_is_a_file_of_the_operator_or_nothing():
    for name, secret in compose()["secrets"].items():
        assert secret == {"file": f"${{{name}_FILE:-/dev/null}}"}, name
    used = set().union(*(secrets_of(name) for name in services()))
    assert used == set(compose()["secrets"])


def test_a_container_is_given_the_files_that_its_variables_name():
    for service in services():
        named = set(re.findall(r"/run/secrets/([A-Z0-9_]+)", str(environment(service))))
        by_program = {"turn": {"TURN_SECRET"}, "prometheus": {"OFFHOOK_TOKEN"}}
        assert named | by_program.get(service, set()) == secrets_of(service), service


def test_who_names_a_file_of_a_secret_gets_its_path_in_the_container():
    for service in ("asterisk", "voice-agent", "bucket", "postgres"):
        given = environment(service)
        for name, value in given.items():
            if not name.endswith("_FILE"):
                continue
            there = re.fullmatch(
                r"\$\{([A-Z0-9_]+)_FILE:\+/run/secrets/([A-Z0-9_]+)\}", str(value)
            )
            assert there and there[1] == there[2], f"{service}: {name}"
            # The plain variable goes on working.
            plain = given[name.removesuffix("_FILE")]
            assert plain in (None, f"${{{there[1]}:-}}"), f"{service}: {name}"


def test_profiles_are_those_that_are_explained():
    used = {
        each for service in services().values() for each in service.get("profiles", ())
    }
    assert used == set(PROFILES)
    example = (ROOT / ".env.example").read_text()
    page = (ROOT / "docs" / "docker.md").read_text()
    for profile in PROFILES:
        assert re.search(rf"\b{profile}\b", example), profile
        assert f"`{profile}`" in page, profile


def test_only_the_agent_and_asterisk_start_unless_asked():
    default = {name for name, each in services().items() if "profiles" not in each}
    assert default == {"asterisk", "voice-agent"}


def test_everything_listens_on_loopback_until_told_otherwise():
    given = interpolated()
    for name in ("SIP_ADDRESS", "OFFHOOK_HOST"):
        assert given[name] == ":-127.0.0.1"
    assert given["TURN_ADDRESS"] == ":-127.0.0.1"
    store = environment("object-store")
    assert store["RUSTFS_ADDRESS"].startswith("127.0.0.1:")
    assert "HTTP_ADDRESS" not in environment("asterisk"), "ARI stays home"
    assert environment("grafana")["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    commands = {name: str(each.get("command")) for name, each in services().items()}
    assert "listen_addresses=127.0.0.1" in commands["postgres"]
    assert "--web.listen-address=127.0.0.1:" in commands["prometheus"]
    assert "'--host', '127.0.0.1'" in commands["llm"]


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
        else:
            # A tag may be moved; what stands behind a digest never changes.
            assert re.search(r"@sha256:[0-9a-f]{64}$", default[1]), name


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
    told = {name.removesuffix("_FILE") for name in environment("asterisk")}
    assert told <= known


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


def test_files_that_are_mounted_are_there():
    for name, service in services().items():
        for volume in service.get("volumes", []):
            if isinstance(volume, str) and volume.startswith("./"):
                assert (ROOT / volume.split(":")[0]).exists(), f"{name}: {volume}"


def test_what_prometheus_reads_is_what_it_is_given():
    """docker/observability/prometheus.yml names files as they are in its container."""
    text = (ROOT / "docker" / "observability" / "prometheus.yml").read_text()
    key = re.search(r"credentials_file: /run/secrets/(\S+)", text)
    assert key
    assert services()["prometheus"]["secrets"] == [
        {"source": "OFFHOOK_TOKEN", "target": key[1]}
    ]
    assert "rule_files: [rules/*.yml]" in text
    for port in (explained()["OFFHOOK_PORT"], "7861"):
        assert f'"127.0.0.1:{port}"' in text


def test_the_model_of_the_server_is_one_that_the_first_start_fetches():
    lock = tomllib.loads((ROOT / "agent" / "models" / "models.lock").read_text())
    folder, _, file = interpolated()["LLM_MODEL"].removeprefix(":-").partition("/")
    assert folder in lock["sets"]["default"]
    assert file in {each["name"] for each in lock["models"][folder]["files"]}


@pytest.mark.containers
@pytest.mark.parametrize("profile", ["", *PROFILES, "*"])
def test_docker_compose_takes_it(config, profile):
    done = config(ROOT / "compose.yaml", SECRETS, "--profile", profile, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.containers
@pytest.mark.parametrize("form", ["NAME", "NAME_FILE"])
def test_a_secret_comes_in_either_form(config, form):
    """Never in both: an agent, Asterisk or PostgreSQL with both does not start."""
    plain = form == "NAME"
    names = compose()["secrets"]
    given = {
        name if plain else f"{name}_FILE": "hush" if plain else "./hush/x"
        for name in names
    }
    done = config(ROOT / "compose.yaml", given, "--profile", "*", "--format=json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    for name, service in made["services"].items():
        if name == "nc-service":
            continue
        values = {
            variable: value
            for variable, value in service.get("environment", {}).items()
            if value in ("hush", *(f"/run/secrets/{each}" for each in names))
        }
        for variable, value in values.items():
            assert variable.endswith("_FILE") is not plain, f"{name}: {variable}"
            assert (value == "hush") is plain, f"{name}: {variable}"
    files = {secret["file"] for secret in made["secrets"].values()}
    assert files == ({"/dev/null"} if plain else {str(ROOT / "hush" / "x")})


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
    given |= {"ASTERISK_MEMORY": "0", "VOICE_AGENT_CPUS": "1.5"}
    done = config(ROOT / "compose.yaml", given, "--format=json")
    assert '"OFFHOOK_MAX_CALLS": "7"' in done.stdout
    assert '"SIP_PORT": "5070"' in done.stdout
    assert '"OFFHOOK_DRAIN_SECONDS": null' in done.stdout, "the agent's default holds"
    made = json.loads(done.stdout)["services"]
    assert "mem_limit" not in made["asterisk"], "0: no limit"
    assert made["voice-agent"]["cpus"] == 1.5
