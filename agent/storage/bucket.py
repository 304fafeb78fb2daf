"""Recordings in a bucket of any server that speaks S3.

Every request carries the SHA-256 of its body, so what arrives broken is refused; and
`If-None-Match`, so what is there is not replaced.
"""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any, BinaryIO, cast

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from loguru import logger

from .config import S3Config
from .stores import Kept, Sound, StoreError

_PART_BYTES = 8 * 2**20
"""Longer ones go up in parts of so many bytes."""
_RULE = "offhook-recordings"
_THERE = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
_UNKNOWN = ("NotImplemented", "501")
_NO_BUCKET = ("NoSuchBucket",)
_NOT_THERE = ("404", "NoSuchKey", "NotFound")


class BucketStore:
    def __init__(self, config: S3Config) -> None:
        self.name = f"s3://{config.bucket}"
        self.bucket = config.bucket
        self._config = config
        self._prefix = config.prefix.strip("/")
        self._server = config.endpoint_url or "Amazon"
        self._conditional: dict[str, str] = {"IfNoneMatch": "*"}
        self._ruled = False
        # Many S3-compatible servers know neither a bucket in the host's name nor
        # the checksums that boto3 adds since 1.36.
        compatible = bool(config.endpoint_url)
        checksums = "when_required" if compatible else "when_supported"
        self.client = boto3.client(
            "s3",
            endpoint_url=config.endpoint_url or None,
            region_name=config.region or None,
            config=Config(
                connect_timeout=5,
                read_timeout=30,
                retries={"mode": "standard", "max_attempts": 2},
                s3={
                    "addressing_style": "path" if compatible else "auto",
                    "payload_signing_enabled": True,
                },
                request_checksum_calculation=checksums,
                response_checksum_validation=checksums,
            ),
        )

    def put(self, file: IO[bytes], key: str, sound: Sound) -> Kept:
        key = f"{self._prefix}/{key}".lstrip("/")
        try:
            etag = ""
            there = self._head(key)
            if there is None:
                etag = self._upload(file, key, sound)
                there = self._head(key)
            kept = self._compared(key, there, sound, etag)
            if sound.bytes > _PART_BYTES:
                self._forget_parts(key)
            if not self._ruled:
                self._rule()
        except (Boto3Error, BotoCoreError, ClientError) as error:
            raise self._error(error) from error
        return kept

    def open(self, key: str) -> BinaryIO:
        try:
            found = self.client.get_object(Bucket=self.bucket, Key=key)
        except (BotoCoreError, ClientError) as error:
            raise self._error(error) from error
        return cast(BinaryIO, found["Body"])

    def delete(self, key: str) -> None:
        try:
            self.client.delete_object(Bucket=self.bucket, Key=key)
        except (BotoCoreError, ClientError) as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> StoreError:
        return StoreError(f"{self.name} of {self._server}: {error}")

    def _head(self, key: str) -> Mapping[str, Any] | None:
        try:
            found = self.client.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if _code(error) in _NOT_THERE:
                return None
            if _code(error).isdecimal():
                # The answer to a HEAD has no body, and so no word of why.
                self.client.get_object(Bucket=self.bucket, Key=key, Range="bytes=0-0")
            raise
        return cast(Mapping[str, Any], found)

    def _upload(self, file: IO[bytes], key: str, sound: Sound) -> str:
        """Returns the ETag that the object should have."""
        upload = (
            self._upload_whole if sound.bytes <= _PART_BYTES else self._upload_parts
        )
        try:
            return upload(file, key, sound)
        except ClientError as error:
            code = _code(error)
            if code in _THERE:
                # Somebody was faster: perhaps we, before a connection broke.
                return ""
            if code in _UNKNOWN and self._conditional:
                self._conditional = {}
            elif code in _NO_BUCKET and self._config.create:
                self._create()
            else:
                raise
            return upload(file, key, sound)

    def _upload_whole(self, file: IO[bytes], key: str, sound: Sound) -> str:
        file.seek(0)
        body = file.read()
        self.client.put_object(
            Bucket=self.bucket,
            Key=key,
            Body=body,
            **_described(sound),
            **self._conditional,
        )
        return _md5(body).hex()

    def _upload_parts(self, file: IO[bytes], key: str, sound: Sound) -> str:
        to = {"Bucket": self.bucket, "Key": key}
        upload = self.client.create_multipart_upload(**to, **_described(sound))
        to["UploadId"] = upload["UploadId"]
        parts: list[dict[str, Any]] = []
        digests = b""
        file.seek(0)
        try:
            while body := file.read(_PART_BYTES):
                number = len(parts) + 1
                part = self.client.upload_part(**to, PartNumber=number, Body=body)
                parts.append({"PartNumber": number, "ETag": part["ETag"]})
                digests += _md5(body)
            self.client.complete_multipart_upload(
                **to, MultipartUpload={"Parts": parts}, **self._conditional
            )
        except (BotoCoreError, ClientError):
            with suppress(BotoCoreError, ClientError):
                self.client.abort_multipart_upload(**to)
            raise
        return f"{_md5(digests).hex()}-{len(parts)}"

    def _forget_parts(self, key: str) -> None:
        """Those of a process that was killed, or of an answer that never came; they
        are paid for and seen by nobody."""
        # Whoever may not list them has a rule of his own for them.
        with suppress(ClientError):
            begun = self.client.list_multipart_uploads(Bucket=self.bucket, Prefix=key)
            for upload in begun.get("Uploads", ()):
                if upload["Key"] == key:
                    self.client.abort_multipart_upload(
                        Bucket=self.bucket, Key=key, UploadId=upload["UploadId"]
                    )

    def _compared(
        self, key: str, there: Mapping[str, Any] | None, sound: Sound, etag: str
    ) -> Kept:
        where = f"{self.name}/{key} of {self._server}"
        if there is None:
            raise StoreError(f"{where} is not there after it was stored")
        size, told = there["ContentLength"], there["Metadata"]
        sha256 = told.get("sha256", "")
        if told.get("source-sha256", sha256) != sound.source_sha256:
            raise StoreError(f"{where} is there already, and is something else")
        if sha256 == sound.sha256 and size != sound.bytes:
            self._discard(key)
            raise StoreError(f"{where} has {size} bytes, not {sound.bytes}")
        # An ETag is not an MD5 on every server, nor with every kind of encryption.
        if there["ETag"].strip('"') != etag and self._hash(key) != sha256:
            self._discard(key)
            raise StoreError(f"{where} reads back as something else")
        return Kept(key, size, sha256)

    def _discard(self, key: str) -> None:
        """Our own upload, and it is spoiled: the next try would only find it there."""
        with suppress(BotoCoreError, ClientError):
            self.client.delete_object(Bucket=self.bucket, Key=key)

    def _hash(self, key: str) -> str:
        read = hashlib.sha256()
        with self.open(key) as body:
            while block := body.read(2**20):
                read.update(block)
        return read.hexdigest()

    def _create(self) -> None:
        where: dict[str, Any] = {}
        region = self._config.region
        # Amazon's oldest region is the one that must not be named.
        if not self._config.endpoint_url and region not in ("", "us-east-1"):
            where["CreateBucketConfiguration"] = {"LocationConstraint": region}
        self.client.create_bucket(Bucket=self.bucket, **where)
        logger.info("[REC] made the bucket {} of {}", self.bucket, self._server)

    def _rule(self) -> None:
        """Tells the server to delete what is old, even if we are not there to do it."""
        self._ruled = True
        days = self._config.retention_days
        if days == 0:
            return
        # We delete in time and note it; the server is a day behind.
        rule = {
            "ID": _RULE,
            "Status": "Enabled",
            "Filter": {"Prefix": f"{self._prefix}/".lstrip("/")},
            "Expiration": {"Days": days + 1},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        }
        try:
            rules = [each for each in self._rules() if each.get("ID") != _RULE]
            self.client.put_bucket_lifecycle_configuration(
                Bucket=self.bucket, LifecycleConfiguration={"Rules": [*rules, rule]}
            )
        except ClientError as error:
            logger.warning(
                "[REC] {} has no rule for old recordings: {}", self.name, error
            )

    def _rules(self) -> list[dict[str, Any]]:
        try:
            found = self.client.get_bucket_lifecycle_configuration(Bucket=self.bucket)
        except ClientError as error:
            if _code(error) == "NoSuchLifecycleConfiguration":
                return []
            raise
        return list(found["Rules"])


def _described(sound: Sound) -> dict[str, Any]:
    return {
        "ContentType": sound.format.content_type,
        "Metadata": {"sha256": sound.sha256, "source-sha256": sound.source_sha256},
    }


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _md5(body: bytes) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()
