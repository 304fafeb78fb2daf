"""docker/voice-agent/*, outside of a container."""

import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import boto3
import pytest
from moto.server import ThreadedMotoServer

from .files import ROOT

FOLDER = ROOT / "docker" / "voice-agent"
KEYS = {"AWS_ACCESS_KEY_ID": "us", "AWS_SECRET_ACCESS_KEY": "our secret"}


@pytest.fixture
def start(tmp_path):
    """Runs the entrypoint; `offhook` only notes what it is asked."""

    def run(*arguments, offhook="exit 0", **variables):
        program = tmp_path / "offhook"
        program.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/asked\n{offhook}\n')
        program.chmod(0o755)
        done = subprocess.run(
            ["/bin/sh", FOLDER / "voice-agent-entrypoint", *arguments],
            timeout=30,
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **variables},
        )
        return done.returncode, (tmp_path / "asked").read_text().splitlines()

    return run


@pytest.mark.parametrize(
    ("arguments", "variables", "asked"),
    [
        (["serve"], {}, ["models fetch default", "serve"]),
        (["serve"], {"MODELS_FETCH": ""}, ["models fetch default", "serve"]),
        (
            ["serve"],
            {"MODELS_FETCH": "small smart-turn-v3.2"},
            ["models fetch small smart-turn-v3.2", "serve"],
        ),
        (["serve"], {"MODELS_FETCH": "none"}, ["serve"]),
        (["models", "list"], {}, ["models list"]),
        (["--version"], {}, ["--version"]),
    ],
)
def test_models_come_before_calls(start, arguments, variables, asked):
    assert start(*arguments, **variables) == (0, asked)


def test_without_its_models_it_does_not_start(start):
    assert start("serve", offhook="exit 1") == (1, ["models fetch default"])


@pytest.fixture
def answering():
    """A server on loopback that answers with this status, and notes the paths."""
    servers = []

    def serve(status):
        paths = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                paths.append(self.path)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        Thread(target=server.serve_forever, daemon=True).start()
        return server.server_port, paths

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def python(program, **variables):
    return subprocess.run(
        [sys.executable, FOLDER / program],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"], **variables},
    )


@pytest.mark.parametrize("host", ["", "127.0.0.1", "0.0.0.0"])
def test_it_is_healthy_when_it_answers(answering, host):
    port, paths = answering(200)
    done = python("voice-agent-healthy", OFFHOOK_PORT=str(port), OFFHOOK_HOST=host)
    assert (done.returncode, done.stderr) == (0, "")
    assert paths == ["/healthz"]


def test_a_proxy_is_not_asked(answering):
    port, paths = answering(200)
    nowhere = "http://127.0.0.1:9"
    done = python("voice-agent-healthy", OFFHOOK_PORT=str(port), http_proxy=nowhere)
    assert done.returncode == 0


def test_it_is_not_healthy_when_it_answers_otherwise(answering):
    port, _ = answering(503)
    done = python("voice-agent-healthy", OFFHOOK_PORT=str(port))
    assert (done.returncode, done.stderr) == (1, "/healthz answered 503\n")


def test_it_is_not_healthy_when_nobody_answers(answering):
    done = python("voice-agent-healthy", OFFHOOK_PORT="9")
    assert done.returncode == 1
    assert done.stderr.startswith("127.0.0.1:9: ")


@pytest.fixture(scope="module")
def store():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_the_bucket_is_made_once(store):
    given = {"S3_BUCKET": "recordings", "S3_ENDPOINT_URL": store, **KEYS}
    for _ in range(2):
        done = python("make-bucket", **given)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"bucket recordings is at {store}\n"
    client = boto3.client(
        "s3",
        endpoint_url=store,
        region_name="us-east-1",
        aws_access_key_id="us",
        aws_secret_access_key="our secret",
    )
    buckets = [each["Name"] for each in client.list_buckets()["Buckets"]]
    assert "recordings" in buckets  # beside those of other tests in this process


def test_the_keys_of_the_bucket_may_be_in_files(store, tmp_path):
    given = {"S3_BUCKET": "by-files", "S3_ENDPOINT_URL": store}
    for name, key in KEYS.items():
        (tmp_path / name).write_text(f"{key}\n")
        given[f"{name}_FILE"] = str(tmp_path / name)
        # Compose makes it of one that is not set.
        given[name] = ""
    done = python("make-bucket", **given)
    assert (done.returncode, done.stderr) == (0, "")
    done = python("make-bucket", **{**given, **KEYS})
    assert done.returncode == 1
    assert done.stderr == (
        "make-bucket: AWS_ACCESS_KEY_ID and AWS_ACCESS_KEY_ID_FILE are both set:"
        " keep one\n"
    )


def test_a_bucket_that_is_refused_is_not_waited_for(store):
    given = {"S3_BUCKET": "No_Such_Name!", "S3_ENDPOINT_URL": store, **KEYS}
    done = python("make-bucket", **given)
    assert done.returncode == 1
    assert "make-bucket: No_Such_Name! at http://127.0.0.1" in done.stderr


@pytest.mark.parametrize(
    "missing", ["S3_BUCKET", "S3_ENDPOINT_URL", "AWS_ACCESS_KEY_ID"]
)
def test_what_the_bucket_needs_is_named(store, missing):
    given = {"S3_BUCKET": "recordings", "S3_ENDPOINT_URL": store, **KEYS, missing: ""}
    done = python("make-bucket", **given)
    assert done.returncode == 1
    assert done.stderr == (
        f"make-bucket: {missing} is not set, and the profile s3 needs it\n"
    )
