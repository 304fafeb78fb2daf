"""The whole call, pipecat's pipeline included; its models are never asked.

The AI has no greeting and the callers of the bench say nothing that is speech.
"""

import sys
from pathlib import Path

from loguru import logger

from agent.echo import create_app
from agent.web.config import TelephonyConfig
from agent.web.media_protocol import MediaProtocol
from bench.servers.telling import serve

if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    login = TelephonyConfig("asterisk", "bench")
    app = create_app(Path(sys.argv[2]), login, talker=None)
    serve(app, int(sys.argv[1]), ws=MediaProtocol)
