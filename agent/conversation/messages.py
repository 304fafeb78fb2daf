"""What leaves the house in writing: e-mails by SMTP, messages by an HTTP request.

Both have one deadline for all of it and raise SendError, whose sentence is for the
model. Who may be written to is not asked here but in policy.py, before.
"""

import asyncio
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any, Protocol

import aiosmtplib
import httpx
from loguru import logger

from .config import SenderConfig, SmtpConfig

DEADLINE = 15.0
SUBJECT, TEXT, MESSAGE = 200, 10_000, 1_000
"""Characters at most; what is longer is cut."""


class SendError(Exception):
    """It was not sent, or nobody knows. The sentence is for the model."""


class Emails(Protocol):
    async def send(self, to: str, subject: str, text: str) -> None: ...


class Messages(Protocol):
    async def send(self, to: str, text: str) -> None:
        """`to` is a number, E.164."""


class Smtp:
    def __init__(self, config: SmtpConfig) -> None:
        self._config = config
        self._domain = config.sender.rpartition("@")[2]
        # Reads the system's certificates: once, not during a call.
        self._tls = ssl.create_default_context() if config.security != "none" else None

    async def send(self, to: str, subject: str, text: str) -> None:
        config = self._config
        try:
            message = self._message(to, subject, text)
            async with asyncio.timeout(DEADLINE):
                await aiosmtplib.send(
                    message,
                    hostname=config.host,
                    port=config.port,
                    local_hostname=self._domain,
                    username=config.username or None,
                    password=config.password or None,
                    use_tls=config.security == "tls",
                    start_tls=config.security == "starttls",
                    tls_context=self._tls,
                    timeout=DEADLINE,
                )
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            logger.warning("[TOOL] e-mail not sent by {}: {!r}", config.host, error)
            raise SendError("the e-mail could not be sent") from error

    def _message(self, to: str, subject: str, text: str) -> EmailMessage:
        """A ValueError where a header would have a line break."""
        message = EmailMessage()
        message["From"] = self._config.sender
        message["To"] = to
        message["Subject"] = subject[:SUBJECT]
        message["Date"] = formatdate()
        # Our own name is given here and above: looking it up would block on DNS.
        message["Message-ID"] = make_msgid(domain=self._domain)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text[:TEXT])
        return message


class HttpSender:
    def __init__(self, config: SenderConfig, http: httpx.AsyncClient) -> None:
        self._config = config
        self._http = http

    async def send(self, to: str, text: str) -> None:
        config = self._config
        body = _filled(config.body, {"{to}": to, "{text}": text[:MESSAGE]})
        headers = {"Authorization": f"Bearer {config.token}"} if config.token else {}
        try:
            async with asyncio.timeout(DEADLINE):
                response = await self._http.post(
                    config.url, json=body, headers=headers, follow_redirects=False
                )
        except (httpx.HTTPError, TimeoutError) as error:
            logger.warning("[TOOL] message not sent by {}: {!r}", config.url, error)
            raise SendError("the message could not be sent") from error
        if not response.is_success:
            logger.warning("[TOOL] message refused by {}: {}", config.url, response)
            raise SendError(f"the message was refused ({response.status_code})")


def _filled(template: Any, values: Mapping[str, str]) -> Any:
    """A copy in which whole strings and parts of strings are replaced, once."""
    match template:
        case str():
            return _replaced(template, values)
        case dict():
            return {key: _filled(value, values) for key, value in template.items()}
        case list():
            return [_filled(each, values) for each in template]
        case _:
            return template


def _replaced(text: str, values: Mapping[str, str]) -> str:
    # Not str.replace twice: a text that says {to} must stay what it is.
    for key, value in values.items():
        before, found, after = text.partition(key)
        if found:
            return _replaced(before, values) + value + _replaced(after, values)
    return text
