"""Why a server cannot be reached, or has not what was asked for: name, port, TLS, path,
proxy. Blocking: for a thread of its own."""

import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx

_SECONDS = 2.0
_ENDS = ("/chat/completions", "/completions", "/responses", "/models", "/audio/speech")
"""What people leave behind the address of an API."""
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Reason:
    what: str
    fix: str
    model: bool = False
    """It is the model that is wrong, not the address."""
    variable: str = ""
    """Empty: that of the address."""


def why(
    address: str, environment: Mapping[str, str], key: str = "", model: str = ""
) -> Reason | None:
    """None: nothing that can be seen from here. `model` is one of OpenAI's API."""
    url = urlsplit(address)
    if url.scheme not in ("http", "https") or not url.hostname:
        return Reason(
            f"{address} is no address: it begins with http:// or https://",
            "Write http://HOST:PORT/v1.",
        )
    try:
        port = url.port or (443 if url.scheme == "https" else 80)
    except ValueError:
        return Reason(f"the port in {address} is no number", "Write a number.")
    if via := _proxy(url.scheme, url.hostname, environment):
        variable, proxy = via
        return Reason(
            f"it is asked through the proxy {proxy} of {variable}",
            f"Add {url.hostname} to NO_PROXY, or correct the proxy.",
            variable=variable,
        )
    return (
        _connection(url.hostname, port)
        or _tls(url.scheme, url.hostname, port)
        or (_path(address, key, model) if model else None)
    )


def tls_fault(host: str, port: int, authorities: str) -> str:
    """What is wrong with the certificate there; empty: nothing, or nobody is there."""
    try:
        _greet(host, port, authorities)
    except ssl.SSLError as failure:
        return getattr(failure, "verify_message", "") or failure.reason or str(failure)
    except OSError:
        return ""
    return ""


def _proxy(
    scheme: str, host: str, environment: Mapping[str, str]
) -> tuple[str, str] | None:
    for kind in (scheme, "all"):
        for name in (f"{kind}_proxy", f"{kind}_PROXY".upper()):
            proxy = environment.get(name, "").strip()
            if not proxy:
                continue
            spared = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
            if not _is_spared(host, spared):
                return name, proxy.rpartition("@")[2]
    return None


def _is_spared(host: str, spared: str) -> bool:
    names = [name.strip().lstrip("*.").lower() for name in spared.split(",")]
    return spared.strip() == "*" or any(
        name and (host.lower() == name or host.lower().endswith(f".{name}"))
        for name in names
    )


def _connection(host: str, port: int) -> Reason | None:
    try:
        with socket.create_connection((host, port), _SECONDS):
            return None
    except socket.gaierror:
        return Reason(f"nobody knows the name {host}", "Correct the host's name.")
    except TimeoutError:
        return Reason(
            f"{host}:{port} does not answer at all: wrong address, or a firewall",
            "Correct the address, or open the firewall.",
        )
    except ConnectionRefusedError:
        return Reason(
            f"nobody listens at {host}:{port}",
            "Start this server, or correct its port.",
        )
    except OSError as failure:
        return Reason(f"{host}:{port}: {failure}", "Correct the address.")


def _tls(scheme: str, host: str, port: int) -> Reason | None:
    """Is it spoken by one side only, and does the certificate hold?"""
    try:
        _greet(host, port, "")
    except ssl.SSLCertVerificationError as failure:
        if scheme == "http":
            return _other(host, port)
        return Reason(
            f"the certificate of {host}:{port}: {failure.verify_message}",
            "Name the host as its certificate does, or name its authority in"
            " SSL_CERT_FILE.",
        )
    except (ssl.SSLError, TimeoutError, ConnectionError):
        if scheme == "https":
            return Reason(
                f"{host}:{port} speaks http, not https", "Write http:// for https://."
            )
        return None
    except OSError:
        return None
    return _other(host, port) if scheme == "http" else None


def _other(host: str, port: int) -> Reason:
    return Reason(
        f"{host}:{port} speaks https, not http", "Write https:// for http://."
    )


def _greet(host: str, port: int, authorities: str) -> None:
    known = authorities if authorities and Path(authorities).is_file() else None
    context = ssl.create_default_context(cafile=known)
    with socket.create_connection((host, port), _SECONDS) as plain:
        context.wrap_socket(plain, server_hostname=host).close()


def _path(address: str, key: str, model: str) -> Reason | None:
    """What the server itself says that it has."""
    models = _models(address, key)
    if models is not None:
        if not models or model in models:
            return None
        shown = ", ".join(sorted(models)[:_SHOWN])
        return Reason(
            f"it has no model {model!r}; it has {shown}",
            f"Name one of these: {shown}.",
            model=True,
        )
    for better in _neighbours(address):
        if _models(better, key) is not None:
            return Reason(
                f"there is no API at {address}; there is one at {better}",
                f"Write {better}.",
            )
    return None


def _neighbours(address: str) -> Iterator[str]:
    url = urlsplit(address.rstrip("/"))
    path = url.path
    for end in _ENDS:
        path = path.removesuffix(end)
    for each in (path, f"{path}/v1", "/v1", "/openai/v1", "/api/v1"):
        better = urlunsplit((url.scheme, url.netloc, each, "", ""))
        if better != address.rstrip("/"):
            yield better


def _models(address: str, key: str) -> set[str] | None:
    """None: there is no such API."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.get(
            f"{address.rstrip('/')}/models",
            headers=headers,
            timeout=_SECONDS,
            trust_env=False,
        )
    except (httpx.HTTPError, ValueError):
        return None
    if answer.status_code in (401, 403):
        return set()
    try:
        told = answer.raise_for_status().json()["data"]
        return {str(each["id"]) for each in told}
    except (httpx.HTTPError, json.JSONDecodeError, KeyError, TypeError):
        return None
