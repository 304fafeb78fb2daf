"""A language model as a process of its own: llama.cpp's server, with OpenAI's HTTP.

    python -m agent.local.llm --model qwen2.5-coder-0.5b.gguf --port 18081

Only this file imports xllamacpp. It keeps nothing: SIGTERM ends it at once, in the
middle of an answer if need be. Started by `process.Supervised` it dies with the agent.
"""

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from loguru import logger

# OpenMP reads these when xllamacpp loads it. By default a thread spins while its fellow
# waits for a core. Two threads on two cores, tokens a second on an idle machine and
# beside one busy program: spinning 44 and 0.4, sleeping at once 30 and 28, spinning a
# little and then sleeping 41 and 20. Calls are heard and spoken meanwhile: the last.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
import xllamacpp  # noqa: E402 - see above

QWEN_TOOLS = Path(__file__).with_name("qwen-tools.jinja")

# Tokens of a prompt that are read in one go; no other call gets a token meanwhile.
BATCH = 128
# A call goes on where its prompt was read before. One with less than this in common is
# a call to another AI, and takes what was kept of that AI's; by llama.cpp's default of
# 0.1 it would write over this one's, the description of the tools being the same.
SAME_CALL = 0.7
LOG_WARNINGS = 2


def template_for(model: Path, chosen: Path | None) -> Path | None:
    """None: the template inside the model file."""
    if chosen is None and "qwen2.5-coder" in model.name.lower():
        return QWEN_TOOLS
    return chosen


def parameters(options: argparse.Namespace) -> xllamacpp.CommonParams:
    params = xllamacpp.CommonParams()
    params.model.path = str(options.model)
    params.model_alias = {options.model.stem}
    params.hostnames = ["127.0.0.1"]
    params.port = options.port
    params.cors_origins = "http://127.0.0.1"
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = LOG_WARNINGS
    params.cpuparams.n_threads = options.threads
    params.cpuparams_batch.n_threads = options.threads
    params.n_parallel = options.parallel
    params.n_ctx = options.context * options.parallel
    params.n_batch = params.n_ubatch = BATCH
    params.cache_prompt = True
    params.cache_ram_mib = options.cache_mib
    params.slot_prompt_similarity = SAME_CALL
    params.use_jinja = True
    template = template_for(options.model, options.chat_template)
    if template is not None:
        params.chat_template = template.read_text(encoding="utf-8")
    return params


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m agent.local.llm")
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--context", type=int, default=4096, help="tokens that one call may hold"
    )
    parser.add_argument(
        "--parallel", type=int, default=2, help="calls that may be answered at once"
    )
    parser.add_argument(
        "--chat-template",
        type=Path,
        help="a Jinja file; default: ours for Qwen2.5-Coder, else that of the model",
    )
    parser.add_argument(
        "--cache-mib", type=int, default=256, help="memory for prompts of calls not up"
    )
    options = parser.parse_args()
    if not options.model.is_file():
        parser.error(f"--model: there is no file {options.model}")
    return options


def _leave(signal_number: int, frame: FrameType | None) -> None:
    # Not sys.exit: the server's destructor waits for the answers that are under way.
    os._exit(0)


def main() -> None:
    options = _options()
    logger.remove()
    logger.add(sys.stderr, format="{level}: {message}")
    try:
        server = xllamacpp.Server(parameters(options))
    except RuntimeError as error:
        sys.exit(f"ERROR: cannot serve {options.model} on {options.port}: {error}")
    # After the server, which sets handlers of its own that leave this process behind.
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    logger.info("{} on {}", options.model.name, server.listening_address)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
