"""Both images really built, and looked into, where buildah can do it."""

import os
import re
import shutil
import subprocess

import pytest

import agent

from .files import DOCKERFILES, ROOT

pytestmark = pytest.mark.containers


def buildah(*arguments, seconds=600):
    return subprocess.run(
        ["buildah", *arguments], capture_output=True, text=True, timeout=seconds
    )


@pytest.fixture(scope="module", params=[each.parent.name for each in DOCKERFILES])
def image(request):
    """The name of an image that scripts/build-images has just built."""
    if shutil.which("buildah") is None:
        pytest.skip("buildah is not installed: images are not built")
    dockerfile = ROOT / "docker" / request.param / "Dockerfile"
    base = re.search(r"^ARG BASE=(\S+)", dockerfile.read_text(), re.MULTILINE)[1]
    pulled = buildah("pull", "--policy", "missing", f"docker.io/library/{base}")
    if pulled.returncode:
        why = pulled.stderr.strip().splitlines()[-1]
        pytest.skip(f"buildah cannot get {base}: images are not built ({why})")
    done = subprocess.run(
        [ROOT / "scripts" / "build-images", request.param],
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return f"offhook-{request.param}:{agent.__version__}"


@pytest.fixture
def run(image):
    """Runs a program in the image, as the image's own user."""
    made = buildah("from", "--pull-never", f"localhost/{image}")
    assert made.returncode == 0, made.stderr
    container = made.stdout.strip()
    isolation = ["--isolation", os.environ.get("BUILDAH_ISOLATION", "chroot")]
    yield lambda *command: buildah("run", *isolation, container, "--", *command)
    buildah("rm", container)


def test_it_runs(image, run):
    if image.startswith("offhook-asterisk"):
        said = run("asterisk", "-V")
        assert re.match(r"Asterisk (2[2-9]|[3-9]\d)\.", said.stdout), said.stderr
        refused = run("asterisk-entrypoint")
        assert refused.returncode == 1
        assert "AGENT_PASSWORD has no value" in refused.stderr
    else:
        said = run("voice-agent-entrypoint", "--version")
        assert agent.__version__ in said.stdout, said.stderr
        assert "whisper-base" in run("voice-agent-entrypoint", "models", "list").stdout
    assert run("id", "-u").stdout.strip() == "560"


def test_it_owns_what_it_writes(image, run):
    folders = ["/var/spool/asterisk/monitor", "/var/spool/offhook"]
    folders += ["/var/lib/asterisk"] if "asterisk" in image else ["/var/lib/offhook"]
    for folder in folders:
        assert run("touch", f"{folder}/x").returncode == 0, folder
    assert run("touch", "/opt/offhook/x").returncode != 0
