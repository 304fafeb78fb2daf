"""What runs: the agent, its worker, Asterisk and its version."""

import asyncio
import os
import re
import shutil
from collections.abc import Sequence
from urllib.parse import urlsplit

import httpx

from agent.observe.config import TracesConfig
from agent.storage.config import EmbeddingsConfig
from agent.telephony.ami import Ami, AmiError

from . import mail
from .finding import Finding, Severity, error, ok, warning
from .ports import holder
from .site import Site

_SECONDS = 3.0
_OLDEST = (22, 8)
"""JSON control messages, and no crash on a key that is let go (1555, 1587, 1604)."""
_KNOWN_BAD: Sequence[tuple[tuple[int, int], str]] = (
    ((22, 9), "loud noise when sound is converted (issue 1785)"),
    ((22, 10), "a deadlock at hang-up (issue 1928)"),
    ((22, 11), "a slow handshake stops all calls (issue 1979)"),
)
"""Fixed in that version."""


async def agent(site: Site) -> list[Finding]:
    settings = site.settings
    if settings is None or site.before_start:
        return []
    host = settings.host if settings.host not in ("0.0.0.0", "::") else "127.0.0.1"
    host = f"[{host}]" if ":" in host else host
    url = f"http://{host}:{settings.port}"
    headers = {}
    if settings.operator_token:
        headers["Authorization"] = f"Bearer {settings.operator_token}"
    async with httpx.AsyncClient(timeout=_SECONDS, trust_env=False) as http:
        try:
            answer = await http.get(f"{url}/readyz")
            told = await http.get(f"{url}/metrics", headers=headers)
        except httpx.HTTPError as failure:
            who = await asyncio.to_thread(holder, settings.port, udp=False)
            return [
                error(
                    f"no agent answers at {url}"
                    + (f"; {who} has the port" if who else f": {_said(failure)}"),
                    "OFFHOOK_PORT",
                    "Start the agent with offhook serve, and look at its log.",
                )
            ]
    if answer.status_code not in (200, 503) or not _is_ours(answer):
        who = await asyncio.to_thread(holder, settings.port, udp=False)
        return [
            error(
                f"what answers at {url} is not the agent: {who or answer.status_code}",
                "OFFHOOK_PORT",
                "Stop that program, or choose another OFFHOOK_PORT.",
            )
        ]
    if answer.status_code == 503:
        return [
            error(
                f"the agent is not ready: {answer.json().get('detail', '')}",
                url,
                "Mend the part that it names, and look at its log.",
            )
        ]
    found = [ok(f"the agent is ready at {url}")]
    behind = re.search(r"^offhook_facts_behind (\S+)", told.text, re.MULTILINE)
    if behind and float(behind[1]) > 1000:
        found.append(
            warning(
                f"{float(behind[1]):.0f} facts of calls are not in the database yet",
                url,
                "Look at the database, and at the agent's log for why.",
            )
        )
    return found


def _is_ours(answer: httpx.Response) -> bool:
    try:
        told = answer.json()
    except ValueError:
        return False
    return isinstance(told, dict) and (
        told.get("status") == "ready" or "not_ready" in answer.text
    )


async def worker(site: Site) -> list[Finding]:
    settings = site.settings
    if settings is None or site.before_start or not settings.work.config.port:
        return []
    url = f"http://127.0.0.1:{settings.work.config.port}/healthz"
    async with httpx.AsyncClient(timeout=_SECONDS, trust_env=False) as http:
        try:
            answer = await http.get(url)
        except httpx.HTTPError as failure:
            if not settings.work.inside and settings.database_url.startswith("sqlite"):
                return [
                    warning(
                        f"nobody runs offhook work: OFFHOOK_WORK is off, and at {url}"
                        " there is none; with SQLite it has to be on this machine",
                        "OFFHOOK_WORK",
                        "Start offhook work, or set OFFHOOK_WORK=inside.",
                    )
                ]
            if not settings.work.inside:
                return [ok("offhook work runs elsewhere, if at all: OFFHOOK_WORK=off")]
            return [
                error(
                    f"the worker does not answer at {url}: {_said(failure)}: neither"
                    " webhooks nor recordings get on",
                    "OFFHOOK_WORK_PORT",
                    "Look for [work] in the agent's log.",
                )
            ]
    if "waiting" in answer.text:
        return [
            warning(
                "the worker waits for the database",
                "DATABASE_URL",
                "Start the database.",
            )
        ]
    return [ok(f"the worker is {answer.text.strip()[:60]}")]


async def asterisk(site: Site) -> list[Finding]:
    """It answers at AMI, and its version has none of the faults that we know."""
    settings = site.settings
    if settings is None or site.before_start:
        return []
    version, found = "", []
    if settings.ami is not None:
        ami = Ami(settings.ami)
        try:
            told = await ami.act("CoreSettings")
            version = told.get("AsteriskVersion", "")
        except AmiError as failure:
            text = str(failure)
            if "refuses CoreSettings" not in text:
                return [_no_ami(site, text)]
            if "uthentication" in text:
                return [
                    error(
                        f"{text}: recordings cannot be paused",
                        "OFFHOOK_AMI_PASSWORD",
                        "Make it Asterisk's AMI_PASSWORD.",
                    )
                ]
        found.append(ok(f"Asterisk answers at AMI on port {settings.ami.port}"))
    version = version or await _of_program()
    if not version:
        return [*found, ok("Asterisk's version is not known: see docs/doctor.md")]
    return [*found, *judged(version)]


def _no_ami(site: Site, text: str) -> Finding:
    return error(
        f"{text}: Asterisk does not run, or AMI is off",
        "OFFHOOK_AMI_PORT",
        "Start Asterisk, and compare manager.conf with OFFHOOK_AMI_PORT.",
    )


async def _of_program() -> str:
    """What the program of this machine says, if there is one."""
    program = shutil.which("asterisk", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        return ""
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "-V",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(_SECONDS):
            said, _ = await process.communicate()
    except (OSError, TimeoutError):
        return ""
    return said.decode(errors="replace").removeprefix("Asterisk").strip()


def judged(version: str) -> list[Finding]:
    found = re.search(r"(\d+)\.(\d+)", version)
    if found is None:
        return [ok(f"Asterisk's version is {version!r}")]
    number = (int(found[1]), int(found[2]))
    if number < _OLDEST:
        return [
            error(
                f"Asterisk {version} is older than 22.8: its driver knows no JSON, and"
                " crashes (issues 1555, 1587, 1604, 1643)",
                "Asterisk",
                "Install Asterisk 22.8 or later, or use AudioSocket.",
            )
        ]
    # What nobody can mend by a newer package of a distribution is not a warning.
    faults = [what for fixed, what in _KNOWN_BAD if number < fixed]
    serious = [what for fixed, what in _KNOWN_BAD if number < fixed <= (22, 10)]
    if serious:
        return [
            warning(
                f"Asterisk {version} has {'; '.join(faults)}",
                "Asterisk",
                "Install Asterisk 22.10 or later.",
            )
        ]
    return [ok(f"Asterisk {version}" + (f": {faults[0]}" if faults else ""))]


async def neighbours(site: Site) -> list[Finding]:
    """Servers that some calls need, for noise, mail, embeddings: do they listen?"""
    settings = site.settings
    if settings is None:
        return []
    wanted = []
    if any(ai.noise == "service" for ai in settings.ais.by_name.values()):
        wanted.append(("OFFHOOK_NC_URL", "the noise service", settings.noise.url, 8005))
    if settings.sender is not None:
        url = settings.sender.url
        wanted.append(("OFFHOOK_MESSAGE_URL", "who sends messages", url, 80))
    asked = [_listens(*each) for each in wanted]
    if settings.embeddings is not None:
        asked.append(_embeds(settings.embeddings))
    if settings.traces is not None:
        asked.append(_collects(settings.traces))
    answers: list[Finding] = await asyncio.gather(*asked)
    if settings.smtp is not None:
        answers.append(await asyncio.to_thread(mail.tried, settings.smtp))
    return answers


async def _embeds(config: EmbeddingsConfig) -> Finding:
    """One word, as a query is asked."""
    variable = "OFFHOOK_EMBEDDINGS_URL"
    listens = await _listens(variable, "the server of embeddings", config.url, 80)
    if listens.severity is not Severity.OK:
        return listens
    asked = {"model": config.model, "input": ["hello"], "encoding_format": "float"}
    headers = {"Authorization": f"Bearer {config.key}"} if config.key else {}
    said = f"{config.url}/embeddings with the model {config.model}"
    try:
        async with httpx.AsyncClient(timeout=_SECONDS) as http:
            answer = await http.post(
                f"{config.url}/embeddings", json=asked, headers=headers
            )
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        return error(
            f"{said}: {_said(failure)}: documents are not found by meaning",
            variable,
            "Look at this server's log.",
        )
    if answer.status_code in (401, 403):
        variable = "OFFHOOK_EMBEDDINGS_API_KEY"
    if not answer.is_success or b'"embedding"' not in answer.content:
        return error(
            f"{said}: {answer.status_code} {answer.text[:100]}: documents are not found"
            " by meaning",
            variable,
            "Name a server that has /embeddings, and a model of its own in"
            " OFFHOOK_EMBEDDINGS_MODEL.",
        )
    return ok(f"the server of embeddings answers for {config.model}")


async def _collects(config: TracesConfig) -> Finding:
    """It takes a message without traces."""
    variable = "OTEL_EXPORTER_OTLP_ENDPOINT"
    listens = await _listens(variable, "the collector", config.url, 80)
    if listens.severity is not Severity.OK:
        return listens
    try:
        async with httpx.AsyncClient(timeout=_SECONDS) as http:
            answer = await http.post(
                config.url, json={"resourceSpans": []}, headers=dict(config.headers)
            )
    except (httpx.RemoteProtocolError, httpx.ReadError):
        return error(
            f"the collector at {config.url} does not speak HTTP, gRPC as it seems: no"
            " trace arrives",
            variable,
            "Write its port of OTLP over HTTP, 4318 as a rule, not 4317.",
        )
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        return error(
            f"the collector at {config.url}: {_said(failure)}",
            variable,
            "Look at its log.",
        )
    if answer.status_code in (401, 403):
        return error(
            f"the collector refuses us with {answer.status_code}: no trace arrives",
            "OTEL_EXPORTER_OTLP_HEADERS",
            "Write the headers that it wants.",
        )
    if answer.status_code in (404, 405):
        return error(
            f"{config.url} is answered with {answer.status_code}: no trace arrives",
            variable,
            "Write the address before /v1/traces.",
        )
    return ok(f"the collector takes traces at {config.url}")


async def _listens(variable: str, what: str, url: str, port: int) -> Finding:
    parts = urlsplit(url)
    usual = {"https": 443, "http": 80, "wss": 443}.get(parts.scheme, port)
    host, number = parts.hostname or "", parts.port or usual
    try:
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(host, number)
        writer.close()
    except (OSError, TimeoutError) as failure:
        return error(
            f"{what} at {host}:{number} does not answer: {_said(failure)}",
            variable,
            "Start it, or correct its address.",
        )
    return ok(f"{what} listens at {host}:{number}")


def _said(failure: Exception) -> str:
    return str(failure) or type(failure).__name__
