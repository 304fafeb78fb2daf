"""The bucket, the database, the clock. Nothing is migrated, nothing left behind."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import boto3
import httpx
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from agent.storage.database import Database, work_url
from agent.storage.errors import StorageError
from agent.storage.stores import S3Config

from .addresses import is_loopback
from .finding import Finding, error, ok, warning
from .site import Site

_CONTENT = b"offhook doctor was here\n"
_LATE, _TOO_LATE = 5.0, 600.0
"""Seconds that clocks may differ; servers of S3 refuse from 900 on."""
_CAUSES = {
    "AccessDenied": ("AWS_ACCESS_KEY_ID", "Let this key read, write and delete there."),
    "403": ("AWS_ACCESS_KEY_ID", "Let this key read, write and delete there."),
    "InvalidAccessKeyId": ("AWS_ACCESS_KEY_ID", "Write the key that the server knows."),
    "SignatureDoesNotMatch": ("AWS_SECRET_ACCESS_KEY", "Write the secret of this key."),
    "AuthorizationHeaderMalformed": ("AWS_REGION", "Write the region of the bucket."),
    "PermanentRedirect": ("AWS_REGION", "Write the region of the bucket."),
    "RequestTimeTooSkewed": ("the clock", "Set the clock: timedatectl set-ntp true."),
    "InvalidBucketName": ("S3_BUCKET", "Write a name as S3 allows: a-z, 0-9 and -."),
}


async def bucket(site: Site) -> list[Finding]:
    """Writes, reads, links to and deletes an object of its own."""
    settings = site.settings
    if settings is None or settings.recordings.s3 is None:
        return []
    return await asyncio.to_thread(_try_bucket, settings.recordings.s3)


def _try_bucket(s3: S3Config) -> list[Finding]:
    place = f"s3://{s3.bucket} of {s3.endpoint_url or 'Amazon'}"
    key = f"{s3.prefix.strip('/')}/offhook-doctor-{secrets.token_hex(4)}".lstrip("/")
    at = {"Bucket": s3.bucket, "Key": key}
    step = "reach"
    try:
        client = _client(s3)
        step = "write to"
        put = client.put_object(**at, Body=_CONTENT)
        try:
            step = "read from"
            if client.get_object(**at)["Body"].read() != _CONTENT:
                return [
                    error(
                        f"{place} reads back as something else",
                        "S3_ENDPOINT_URL",
                        "Look at this server: it does not keep what it is given.",
                    )
                ]
            step = "link into"
            link = client.generate_presigned_url("get_object", at, ExpiresIn=60)
            found = _linked(place, httpx.get(link, timeout=3.0))
        finally:
            step = "delete from"
            client.delete_object(**at)
    except ClientError as failure:
        return [_refused(s3, place, step, failure)]
    except (BotoCoreError, ValueError, httpx.HTTPError) as failure:
        return [_unreachable(place, step, failure)]
    found += _clock(put, place)
    return found or [ok(f"{place} takes, gives, links to and deletes objects")]


def _client(s3: S3Config) -> Any:
    # As bucket.py has it, and less patient.
    compatible = bool(s3.endpoint_url)
    checksums = "when_required" if compatible else "when_supported"
    return boto3.Session().client(
        "s3",
        endpoint_url=s3.endpoint_url or None,
        region_name=s3.region or None,
        config=Config(
            connect_timeout=2,
            read_timeout=3,
            retries={"mode": "standard", "total_max_attempts": 1},
            signature_version="s3v4",
            s3={"addressing_style": "path" if compatible else "auto"},
            request_checksum_calculation=checksums,
            response_checksum_validation=checksums,
        ),
    )


def _linked(place: str, answer: httpx.Response) -> list[Finding]:
    if answer.status_code == 200 and answer.content == _CONTENT:
        return []
    return [
        error(
            f"a link into {place} is answered with {answer.status_code}: recordings"
            " cannot be listened to",
            "S3_ENDPOINT_URL",
            "Let nothing between us and the server change hosts or paths.",
        )
    ]


def _refused(s3: S3Config, place: str, step: str, failure: ClientError) -> Finding:
    said = failure.response.get("Error", {})
    code = str(said.get("Code", ""))
    what = f"cannot {step} {place}: {code} {said.get('Message', '')}".strip()
    if code in ("NoSuchBucket", "404"):
        if s3.create:
            return ok(f"{place} is not there yet and will be made")
        return error(what, "S3_BUCKET", "Make the bucket, or set S3_CREATE_BUCKET=yes.")
    variable, fix = _CAUSES.get(code, ("S3_ENDPOINT_URL", "Look at the server's log."))
    return error(what, variable, fix)


def _unreachable(place: str, step: str, failure: Exception) -> Finding:
    kind = type(failure).__name__
    if "Credential" in kind:
        return error(
            f"cannot {step} {place}: {failure}",
            "AWS_ACCESS_KEY_ID",
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        )
    if "Validation" in kind or "BucketName" in kind:
        return error(
            f"cannot {step} {place}: {failure}",
            "S3_BUCKET",
            "Write a name as S3 allows: a-z, 0-9 and -.",
        )
    return error(
        f"cannot {step} {place}: {failure}",
        "S3_ENDPOINT_URL",
        "Start the server, or correct its address.",
    )


def _clock(answer: Any, place: str) -> list[Finding]:
    said = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    with suppress(ValueError):
        return list(_offset(parsedate_to_datetime(said), place))
    return []


def _offset(theirs: datetime, place: str) -> Iterator[Finding]:
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    offset = (theirs - datetime.now(UTC)).total_seconds()
    if abs(offset) < _LATE:
        return
    what = f"our clock and that of {place} differ by {abs(offset):.0f} s"
    fix = "Set the clock: timedatectl set-ntp true."
    make = error if abs(offset) > _TOO_LATE else warning
    yield make(what, "the clock", fix)


async def database(site: Site) -> list[Finding]:
    """It answers, it is whole, and its schema is one that this version knows."""
    if site.settings is None:
        return []
    url = site.settings.database_url
    try:
        dialect = Database(url).dialect
    except StorageError as failure:
        return [error(str(failure), "DATABASE_URL", "Correct the address.")]
    if dialect == "sqlite":
        return await asyncio.to_thread(_try_sqlite, Path(make_url(url).database or ""))
    return await asyncio.to_thread(_try_database, work_url(url), {"connect_timeout": 3})


def _try_sqlite(path: Path) -> list[Finding]:
    if not path.exists():
        return [ok(f"the database {path} is not there yet and will be made")]
    return _try_database(f"sqlite:///{path}", {"timeout": 2})


def _try_database(url: str, patience: dict[str, Any]) -> list[Finding]:
    name = make_url(url).render_as_string(hide_password=True)
    engine = create_engine(url, connect_args=patience)
    try:
        with engine.connect() as connection:
            return _looked_at(connection, name) or [ok(f"{name} answers")]
    except SQLAlchemyError as failure:
        cause = " ".join(str(getattr(failure, "orig", failure)).split())
        return [
            error(
                f"the database does not answer: {cause}",
                "DATABASE_URL",
                "Start the database, or correct its address, user or password.",
            )
        ]
    finally:
        engine.dispose()


def _looked_at(connection: Connection, name: str) -> list[Finding]:
    found: list[Finding] = []
    if connection.dialect.name == "sqlite":
        said = connection.execute(text("PRAGMA quick_check(1)")).scalar()
        if said != "ok":
            return [
                error(
                    f"{name} is damaged: {said}",
                    "DATABASE_URL",
                    "Restore a copy of the database.",
                )
            ]
    else:
        now = connection.execute(text("SELECT clock_timestamp()")).scalar()
        if isinstance(now, datetime):
            found += _offset(now, "the database")
    config = AlembicConfig()
    config.set_main_option("script_location", "agent.storage:migrations")
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    known = {revision.revision for revision in scripts.walk_revisions()}
    current = MigrationContext.configure(connection).get_current_heads()
    for revision in current:
        if revision not in known:
            found.append(
                error(
                    f"the database has the schema {revision}, which a newer Offhook"
                    " wrote",
                    "DATABASE_URL",
                    "Run that version of Offhook, or restore an older copy.",
                )
            )
    if current and set(current) <= known and set(current) != set(scripts.get_heads()):
        found.append(ok(f"{name} will be brought up to this version at the next start"))
    return found


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
    try:
        if Database(url).dialect == "sqlite":
            path = Path(make_url(url).database or "")
            if not path.exists():
                return False
            url, patience = f"sqlite:///{path}", {"timeout": 2}
        else:
            url, patience = work_url(url), {"connect_timeout": 3}
        engine = create_engine(url, connect_args=patience)
        try:
            with engine.connect() as connection:
                query = "SELECT count(*) FROM api_keys WHERE revoked_at IS NULL"
                return bool(connection.execute(text(query)).scalar())
        finally:
            engine.dispose()
    except (SQLAlchemyError, StorageError):
        return False
