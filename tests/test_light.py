"""What every verb needs is quick to import: no room that is not used is entered."""

import subprocess
import sys

import pytest

HEAVY = {
    *("pipecat", "openai", "mcp", "sqlalchemy", "alembic", "psycopg", "numpy"),
    *("fastapi", "pydantic", "boto3", "dbos", "faster_whisper", "onnxruntime"),
}


@pytest.mark.parametrize(
    "statement",
    [
        "import agent.settings",
        "from agent.settings import read_settings; read_settings({}, look_only=True)",
        "import agent.doctor.checks, agent.doctor.site",
        "import agent.explain.command",
        "from agent.__main__ import main; sys.argv[1:] = ['--version']; main()",
        "from agent.__main__ import main; sys.argv[1:] = ['config']; main()",
    ],
)
def test_what_every_verb_needs_is_light(statement, tmp_path):
    script = f"""
import atexit, sys
def tell():
    sys.stderr.write(" ".join({{name.partition(".")[0] for name in sys.modules}}))
atexit.register(tell)
{statement}
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    entered = done.stderr.split()
    assert "agent" in entered
    assert not HEAVY.intersection(entered)
