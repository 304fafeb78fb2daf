"""Recordings in a bucket of any server that speaks S3."""

from typing import BinaryIO

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .stores import S3Config, StoreError
from .wav import Measured


class BucketStore:
    def __init__(self, config: S3Config) -> None:
        self.name = f"s3://{config.bucket}"
        self._bucket = config.bucket
        self._prefix = config.prefix.strip("/")
        self._server = config.endpoint_url or "Amazon"
        # Many S3-compatible servers know neither a bucket in the host's name nor
        # the checksums that boto3 adds since 1.36.
        compatible = bool(config.endpoint_url)
        checksums = "when_required" if compatible else "when_supported"
        self._client = boto3.client(
            "s3",
            endpoint_url=config.endpoint_url or None,
            region_name=config.region or None,
            config=Config(
                connect_timeout=5,
                read_timeout=30,
                retries={"mode": "standard", "max_attempts": 2},
                s3={"addressing_style": "path" if compatible else "auto"},
                request_checksum_calculation=checksums,
                response_checksum_validation=checksums,
            ),
        )

    def put(self, file: BinaryIO, key: str, measured: Measured) -> str:
        key = f"{self._prefix}/{key}".lstrip("/")
        try:
            self._client.upload_fileobj(
                file,
                self._bucket,
                key,
                ExtraArgs={
                    "ContentType": "audio/wav",
                    "Metadata": {"sha256": measured.sha256},
                },
            )
            head = self._client.head_object(Bucket=self._bucket, Key=key)
        except (Boto3Error, BotoCoreError, ClientError) as error:
            raise StoreError(f"{self.name} of {self._server}: {error}") from error
        if head["ContentLength"] != measured.bytes:
            raise StoreError(
                f"{self.name}/{key} has {head['ContentLength']} bytes,"
                f" not {measured.bytes}"
            )
        return key
