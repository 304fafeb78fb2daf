"""A toolbox of the house's own tools, with nothing outside of it."""

from typing import Any

import httpx

from agent.conversation.tools.toolbox import Toolbox


def _nowhere(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("there is no outside", request=request)


def no_toolbox(**more: Any) -> Toolbox:
    return Toolbox(httpx.AsyncClient(transport=httpx.MockTransport(_nowhere)), **more)
