"""Our media plane with an echo in the AI's place: agent/echo.py, and the lag probe."""

import sys
from pathlib import Path

from loguru import logger

from agent.echo import create_app
from agent.web.config import TelephonyConfig
from agent.web.media_protocol import MediaProtocol
from bench.servers.telling import serve

if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    login = TelephonyConfig("asterisk", "bench")
    serve(create_app(Path(sys.argv[2]), login), int(sys.argv[1]), ws=MediaProtocol)
