"""Tools that are HTTP requests to a server of the operator's.

The operator wrote the address; a model fills in arguments and can change nothing else
about the request: not the path's segments, not the host, not a header.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx
from loguru import logger

from agent.calls.toolbox import HttpTool

from .tool import LIMIT, Reach, Tool, ToolError, schema_mistake, shortened

_PLACE = re.compile(r"\{(variable:)?([A-Za-z_][A-Za-z0-9_-]*)\}")
_LOOPBACK = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?(/|$)")
_WITHOUT_BODY = ("GET", "DELETE")


def http_tool(config: HttpTool, http: httpx.AsyncClient, token: str) -> Tool:
    headers = dict(config.headers)
    if token:
        headers["Authorization"] = f"Bearer {token}"

    async def run(reach: Reach, /, **arguments: Any) -> Any:
        url, rest = _filled(config.url, arguments, reach.control.variables)
        bodiless = config.method in _WITHOUT_BODY
        request = http.build_request(
            config.method,
            _with_query(url, rest) if bodiless else url,
            headers=headers,
            json=None if bodiless else rest,
        )
        try:
            async with asyncio.timeout(config.timeout):
                return await _asked(http, request)
        except TimeoutError as error:
            late = f"the other system did not answer within {config.timeout:g} s"
            logger.warning("[TOOL] {}: {}", config.name, late)
            raise ToolError(late) from error
        except httpx.ConnectError as error:
            logger.warning("[TOOL] {}: {!r}", config.name, error)
            raise ToolError("the other system could not be reached") from error
        except httpx.HTTPError as error:
            logger.warning("[TOOL] {}: {!r}", config.name, error)
            raise ToolError("the other system does not answer") from error

    return Tool(
        config.name,
        config.description,
        run,
        config.parameters.get("properties", {}),
        tuple(config.parameters.get("required", ())),
        schema={"type": "object", **config.parameters},
        deadline=config.timeout + 1,
    )


def variables(config: HttpTool) -> set[str]:
    """Of the call, those that its address depends on."""
    return {name for variable, name in _PLACE.findall(config.url) if variable}


def mistake(config: HttpTool) -> str:
    """What the operator wrote that cannot work; empty: nothing."""
    if why := schema_mistake(config.parameters):
        return f"parameters: {why}"
    if why := no_address(_PLACE.sub("x", config.url)):
        return f"url {why}"
    if _PLACE.search(urlsplit(config.url).netloc):
        return "url: who is asked cannot be an argument"
    for variable, name in _PLACE.findall(config.url):
        if not variable and name not in config.parameters.get("properties", {}):
            return f"url has {{{name}}}, and parameters.properties has no {name}"
    return ""


def no_address(url: str) -> str:
    """Why nobody can be asked there; empty: somebody may be."""
    try:
        urlsplit(url)
        return "" if httpx.URL(url).host else "names no host"
    except (httpx.InvalidURL, ValueError) as error:
        return f"is no address: {error}"


def keyless(config: HttpTool) -> str:
    """Why it cannot be given a number that nobody may know; empty: it can."""
    if "keys" not in config.parameters.get("properties", {}):
        return "parameters.properties has no keys"
    if config.method in _WITHOUT_BODY or "{keys}" in config.url:
        return "keys would be in its address, and addresses are in logs"
    if not config.url.startswith("https://") and not _LOOPBACK.match(config.url):
        return "its url is not https://"
    return ""


async def _asked(http: httpx.AsyncClient, request: httpx.Request) -> Any:
    # What one call was told to remember is not for the next one.
    request.headers.pop("Cookie", None)
    response = await http.send(request, stream=True, follow_redirects=False)
    try:
        read = bytearray()
        async for piece in response.aiter_bytes(LIMIT):
            read += piece
            if len(read) > LIMIT:
                break
    finally:
        await response.aclose()
    text = read.decode(response.encoding or "utf-8", errors="replace")
    if not response.is_success:
        logger.warning("[TOOL] {}: {}", request.url.host, response)
        raise ToolError(f"the other system says {response.status_code}: {text[:300]}")
    return shortened(text)


def _filled(
    url: str, arguments: Mapping[str, Any], variables: Mapping[str, str]
) -> tuple[str, dict[str, Any]]:
    """The address, and the arguments that are not in it."""
    used = set()

    def value(place: re.Match[str]) -> str:
        variable, name = place.groups()
        text = _text((variables if variable else arguments).get(name, ""))
        # These would name another resource than the operator's.
        if text.strip() in ("", ".", ".."):
            raise ToolError(f"{name} is {text!r}")
        if not variable:
            used.add(name)
        return quote(text, safe="")

    address = _PLACE.sub(value, url)
    return address, {key: arguments[key] for key in arguments if key not in used}


def _with_query(url: str, arguments: Mapping[str, Any]) -> str:
    query = urlencode({key: _text(arguments[key]) for key in arguments})
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
