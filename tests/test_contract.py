"""The running server against its own OpenAPI document: schemathesis makes the requests.

    SCHEMATHESIS_EXAMPLES=200 pytest tests/test_contract.py     # more of them

Nothing may be answered with a 5xx, or with what the document does not say.
"""

import json
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.local.process import free_port
from bench.process import running
from tests.interop.offhook import Offhook

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "20"))
"""Of each operation, in each of the phases."""
TOKEN = "an-operators-token"
LEAST = 2_000
"""Requests in all."""


@pytest.fixture
def server(tmp_path, database_url):
    """`offhook serve`; its models are elsewhere, and answer at once."""
    models = free_port()
    with ExitStack() as held:
        held.enter_context(
            running(
                *("bench.servers.models", str(models), "0", "0"),
                ready=f"http://127.0.0.1:{models}/health",
                log=tmp_path / "models.log",
            )
        )
        elsewhere = f"http://127.0.0.1:{models}/v1"
        offhook = Offhook(
            tmp_path,
            free_port(),
            "password",
            DATABASE_URL=database_url,
            OPENAI_BASE_URL=elsewhere,
            OPENAI_MODEL="mock",
            OFFHOOK_STT_BASE_URL=elsewhere,
            OFFHOOK_STT="openai.ears",
            OFFHOOK_TTS_BASE_URL=elsewhere,
            OFFHOOK_API_RATE="100000",
            OFFHOOK_API_BURST="100000",
            OFFHOOK_API_WRONG_KEYS="100000",
            OFFHOOK_TOKEN=TOKEN,
            OFFHOOK_WORK_PORT=str(free_port()),
        )
        offhook.up()
        held.callback(offhook.down)
        yield offhook


def test_the_api_keeps_its_word(server, tmp_path):
    report = tmp_path / "report"
    run = subprocess.run(
        [
            Path(sys.executable).parent / "schemathesis",
            f"--config-file={Path(__file__).with_name('schemathesis.toml')}",
            "run",
            f"{server.url}/openapi.json",
            "--phases=examples,coverage,fuzzing,stateful",
            "--checks=all",
            f"--header=Authorization: Bearer {TOKEN}",
            "--exclude-path=/events/stream",  # it never ends
            f"--max-examples={EXAMPLES}",
            "--continue-on-failure",
            "--seed=6",
            "--workers=2",
            "--report=json",
            f"--report-dir={report}",
            "--no-color",
        ],
        capture_output=True,
        text=True,
        timeout=1500,
        cwd=tmp_path,
        env=os.environ | {"HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path / "hypothesis")},
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr
    tested = [int(n) for n in re.findall(r"(\d+) generated", run.stdout)]
    assert sum(tested) >= LEAST, run.stdout[-3000:]
    assert " 500 " not in server.log.read_text()
    (written,) = report.glob("*.json")
    json.loads(written.read_text())
