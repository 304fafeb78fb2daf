"""The two servers that `offhook serve` starts when no provider is named by URL."""

import sys
from dataclasses import dataclass
from pathlib import Path

from .process import LocalServer

# Measured with Qwen2.5-Coder 0.5B and Piper's medium voices.
_LLM_OVERHEAD_MIB = 250
_SPEECH_MIB = 400


@dataclass(frozen=True, slots=True)
class LlmServerConfig:
    model: Path
    """A GGUF file."""
    threads: int = 2
    context: int = 4096
    """Tokens that one call may hold."""
    parallel: int = 2
    """Calls that may be answered at once; further ones wait."""
    chat_template: Path | None = None
    """Jinja. None: ours for Qwen2.5-Coder, else the one inside the model."""


@dataclass(frozen=True, slots=True)
class SpeechServerConfig:
    voice: Path
    """Piper's .onnx, with its .onnx.json beside it."""
    workers: int | None = None
    """Sentences made at once. None: one for each core."""


def llm_server(config: LlmServerConfig, port: int) -> LocalServer:
    argv = _module("agent.local.llm")
    argv += ("--model", str(config.model), "--threads", str(config.threads))
    argv += ("--context", str(config.context), "--parallel", str(config.parallel))
    if config.chat_template is not None:
        argv += ("--chat-template", str(config.chat_template))
    size = config.model.stat().st_size // 2**20
    # A model of many GB is read from the disk for minutes, on a slow one.
    return LocalServer(
        "llm", argv, port, start_deadline=180, memory_mib=size + _LLM_OVERHEAD_MIB
    )


def speech_server(config: SpeechServerConfig, port: int) -> LocalServer:
    argv = (*_module("agent.local.speech"), "--voice", str(config.voice))
    if config.workers is not None:
        argv += ("--workers", str(config.workers))
    return LocalServer("speech", argv, port, memory_mib=_SPEECH_MIB)


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, "--port", "{port}")
