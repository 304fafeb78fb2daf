"""The way back from a bucket: links that it serves itself, reading, deleting."""

import tempfile
from typing import IO, Any

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .config import S3Config
from .shelves import NotThere
from .stores import StoreError

_KEPT_IN_MEMORY = 8 << 20
"""Bytes of a recording that is read; a longer one goes to a file without a name."""


class BucketShelf:
    def __init__(self, config: S3Config) -> None:
        self._bucket = config.bucket
        self._server = config.endpoint_url or "Amazon"
        compatible = bool(config.endpoint_url)
        checksums = "when_required" if compatible else "when_supported"
        # A session of its own: boto3's shared one is not made for several threads.
        self._client = boto3.Session().client(
            "s3",
            endpoint_url=config.endpoint_url or None,
            region_name=config.region or None,
            config=Config(
                # Somebody waits for the answer.
                connect_timeout=3,
                read_timeout=10,
                retries={"mode": "standard", "max_attempts": 2},
                s3={"addressing_style": "path" if compatible else "auto"},
                # Else links are signed as before 2014, which newer servers refuse.
                signature_version="s3v4",
                request_checksum_calculation=checksums,
                response_checksum_validation=checksums,
            ),
        )

    def link(self, key: str, seconds: int, media_type: str, name: str) -> str:
        self._ask("head_object", key)
        place = {"Bucket": self._bucket, "Key": key}
        try:
            link: str = self._client.generate_presigned_url(
                "get_object",
                Params=place
                | {
                    "ResponseContentType": media_type,
                    "ResponseContentDisposition": f'inline; filename="{name}"',
                    "ResponseCacheControl": "private, no-store",
                },
                ExpiresIn=seconds,
            )
        except (Boto3Error, BotoCoreError, ClientError) as error:
            raise self._failed(error) from error
        return link

    def fetch(self, key: str) -> IO[bytes]:
        file = tempfile.SpooledTemporaryFile(max_size=_KEPT_IN_MEMORY)
        try:
            body = self._ask("get_object", key)["Body"]
            for piece in body.iter_chunks(1 << 16):
                file.write(piece)
        except (Boto3Error, BotoCoreError, ClientError) as error:
            file.close()
            raise self._failed(error) from error
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def delete(self, key: str) -> None:
        answer = self._ask("delete_object", key)
        if answer.get("VersionId") or answer.get("DeleteMarker"):
            # Of a bucket with versions that only hid it.
            self._delete_versions(key)

    def _delete_versions(self, key: str) -> None:
        try:
            pages = self._client.get_paginator("list_object_versions").paginate(
                Bucket=self._bucket, Prefix=key
            )
            for page in pages:
                for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                    if each["Key"] == key:
                        self._client.delete_object(
                            Bucket=self._bucket, Key=key, VersionId=each["VersionId"]
                        )
        except (Boto3Error, BotoCoreError, ClientError) as error:
            raise self._failed(error) from error

    def _ask(self, operation: str, key: str) -> Any:
        try:
            return getattr(self._client, operation)(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("404", "NoSuchKey"):
                raise NotThere(f"s3://{self._bucket}/{key} is not there") from error
            raise self._failed(error) from error
        except (Boto3Error, BotoCoreError) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> StoreError:
        return StoreError(f"s3://{self._bucket} of {self._server}: {error}")
