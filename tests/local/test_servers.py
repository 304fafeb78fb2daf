import sys
from pathlib import Path

import pytest

from agent.local.servers import (
    LlmServerConfig,
    SpeechServerConfig,
    llm_server,
    speech_server,
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    file = tmp_path / "model.gguf"
    with file.open("wb") as sparse:
        sparse.truncate(500 * 2**20)
    return file


def test_the_language_model_is_started_as_configured(model):
    config = LlmServerConfig(model, threads=3, context=2048, parallel=4)
    server = llm_server(config, 18081)
    words = f"-m agent.local.llm --port 18081 --model {model}"
    words += " --threads 3 --context 2048 --parallel 4"
    assert server.command == (sys.executable, *words.split())
    assert server.health == "http://127.0.0.1:18081/health"
    assert server.url == "http://127.0.0.1:18081/v1"
    assert server.memory_mib > 500
    assert server.nice > 0


def test_a_chat_template_of_the_operator_is_passed_on(model, tmp_path):
    server = llm_server(LlmServerConfig(model, chat_template=tmp_path / "t.jinja"), 1)
    assert server.command[-2:] == ("--chat-template", str(tmp_path / "t.jinja"))


@pytest.mark.parametrize(
    ("workers", "words"), [(None, ()), (2, ("--workers", "2"))], ids=["default", "two"]
)
def test_the_voice_is_started_as_configured(workers, words):
    server = speech_server(SpeechServerConfig(Path("joe.onnx"), workers), 18082)
    start = "-m agent.local.speech --port 18082 --voice joe.onnx"
    assert server.command == (sys.executable, *start.split(), *words)
    assert server.url == "http://127.0.0.1:18082/v1"
    assert server.nice > 0
