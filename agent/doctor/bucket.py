"""A trial of the bucket. Apart, because boto3 takes its time to import."""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from agent.storage.config import S3Config

from .clocks import offset
from .finding import Finding, error, ok, warning

_CONTENT = b"offhook doctor was here\n"
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


def tried(s3: S3Config) -> list[Finding]:
    """Writes, reads, links to and deletes an object of its own."""
    return [*_address(s3), *_tried(s3)]


def _tried(s3: S3Config) -> list[Finding]:
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


def _address(s3: S3Config) -> Iterator[Finding]:
    """The bucket is named once, in S3_BUCKET."""
    url = urlsplit(s3.endpoint_url or "")
    in_path = url.path.rstrip("/").endswith(f"/{s3.bucket}")
    if in_path or (url.hostname or "").startswith(f"{s3.bucket}."):
        better = url._replace(path=url.path.rstrip("/").removesuffix(f"/{s3.bucket}"))
        host = url.netloc.removeprefix(f"{s3.bucket}.")
        yield warning(
            f"the bucket {s3.bucket} is in the address of the server, too: objects"
            " lie elsewhere than others look for them",
            "S3_ENDPOINT_URL",
            f"Write {better._replace(netloc=host).geturl()}.",
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
    if code not in _CAUSES and _is_page(s3.endpoint_url or ""):
        return error(
            f"{what}: a page for people is there, not S3",
            "S3_ENDPOINT_URL",
            "Write the port of S3, not that of the console: with MinIO 9000, not 9001.",
        )
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


def _is_page(url: str) -> bool:
    try:
        answer = httpx.get(url, timeout=3.0, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    return "html" in answer.headers.get("content-type", "")


def _clock(answer: Any, place: str) -> list[Finding]:
    said = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    with suppress(ValueError):
        return list(offset(parsedate_to_datetime(said), place))
    return []
