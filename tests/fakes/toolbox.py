"""A toolbox of the house's own tools, with nothing outside of it."""

import httpx

from agent.conversation.tools.toolbox import Toolbox


def _nowhere(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("there is no outside", request=request)


def no_toolbox() -> Toolbox:
    return Toolbox(httpx.AsyncClient(transport=httpx.MockTransport(_nowhere)))
