"""`python -m agent.nc --port 8005`. The agent's settings are not read: importing them
takes seconds and 80 MB that this small process can do without."""

import argparse
import os
from pathlib import Path

import uvicorn

from agent.media.gtcrn import Gtcrn
from agent.models.config import ModelsConfig
from agent.models.store import Store
from agent.observe import logs

from .service import ServiceConfig, create_service


def main() -> None:
    cache = os.environ.get("OFFHOOK_CACHE") or (
        os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")) + "/offhook"
    )
    models = os.environ.get("OFFHOOK_MODELS") or f"{cache}/models"
    asked = argparse.ArgumentParser(
        prog="python -m agent.nc",
        description="Noise cancellation: PCM frames in and out over a websocket.",
    )
    asked.add_argument("--host", default="127.0.0.1")
    asked.add_argument("--port", type=int, default=8005)
    asked.add_argument(
        "--models", type=Path, default=Path(models), help="folder with gtcrn/"
    )
    asked.add_argument(
        "--streams", type=int, default=10, help="at once; one more is refused"
    )
    asked.add_argument(
        "--report", type=float, default=10.0, help="seconds between two log lines"
    )
    arguments = asked.parse_args()
    logs.set_up("INFO", as_json=os.environ.get("OFFHOOK_LOG") == "json")
    model = Gtcrn(Store(ModelsConfig(arguments.models)).path("gtcrn"))
    model.stream(8000).clean(bytes(320))  # the first run allocates and is slow
    uvicorn.run(
        create_service(ServiceConfig(arguments.streams, arguments.report), model),
        host=arguments.host,
        port=arguments.port,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_max_size=1 << 16,
        log_config=None,
        access_log=False,
    )


if __name__ == "__main__":
    main()
