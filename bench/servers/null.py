"""The floor: an echo on uvicorn and nothing else. What it costs is the sockets' and
the load's own."""

import sys

from bench.servers.telling import Receive, Scope, Send, serve


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        if payload := message.get("bytes"):
            await send({"type": "websocket.send", "bytes": payload})


if __name__ == "__main__":
    serve(echo, int(sys.argv[1]))
