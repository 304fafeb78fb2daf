"""The bucket, the database, the clock. Nothing is migrated, nothing left behind."""

import asyncio

from agent.storage.config import S3Config

from .addresses import is_loopback
from .finding import Finding, warning
from .site import Site


async def bucket(site: Site) -> list[Finding]:
    """Writes, reads, links to and deletes an object of its own."""
    settings = site.settings
    if settings is None or settings.recordings.s3 is None:
        return []
    return await asyncio.to_thread(_try_bucket, settings.recordings.s3)


def _try_bucket(s3: S3Config) -> list[Finding]:
    from .bucket import tried

    return tried(s3)


async def database(site: Site) -> list[Finding]:
    """It answers, it is whole, and its schema is one that this version knows."""
    if site.settings is None:
        return []
    return await asyncio.to_thread(_try_database, site.settings.database_url)


def _try_database(url: str) -> list[Finding]:
    from .database import tried

    return tried(url)


async def open_house(site: Site) -> list[Finding]:
    """Who listens to the network wants a token or keys."""
    settings = site.settings
    if settings is None:
        return []
    token = settings.operator_token
    if token and len(token) < 16:
        return [
            warning(
                "the operators' token is short enough to be guessed",
                "OFFHOOK_TOKEN",
                "Make one with openssl rand -hex 24.",
            )
        ]
    if token or is_loopback(settings.host):
        return []
    if await asyncio.to_thread(_has_keys, settings.database_url):
        return []
    return [
        warning(
            f"the agent listens on {settings.host} and has neither token nor keys:"
            " operators on other machines are refused",
            "OFFHOOK_TOKEN",
            "Set OFFHOOK_TOKEN, or make a key with offhook keys create.",
        )
    ]


def _has_keys(url: str) -> bool:
    from .database import has_keys

    return has_keys(url)


def ais_of_database(site: Site) -> set[str]:
    """Those of the API among them."""
    from .database import ais

    return set(ais(site.settings.database_url)) if site.settings is not None else set()
