"""The bucket is moto's: it knows the protocol and takes any key for a good one."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from moto.server import ThreadedMotoServer

from agent.calls.record import Track
from agent.storage.bucket import BucketStore
from agent.storage.recordings import Recordings, RecordingsConfig
from agent.storage.stores import S3Config, StoreError
from agent.storage.wav import Measured

from .sound import wav

KEY = "2026-11-21/abc/mix.wav"
SOUND = wav(2)
MEASURED = Measured(len(SOUND), 2.0, "5" * 64)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def moto_url():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(moto_url, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return boto3.client("s3", endpoint_url=moto_url, region_name="us-east-1")


@pytest.fixture
def config(moto_url, s3, request) -> S3Config:
    bucket = request.node.name.replace("_", "-")[:63].rstrip("-")
    s3.create_bucket(Bucket=bucket)
    return S3Config(bucket, moto_url, "us-east-1", "/site-1/")


def objects(s3, config):
    listed = s3.list_objects_v2(Bucket=config.bucket).get("Contents", [])
    return [each["Key"] for each in listed]


def test_a_bucket_keeps_it(s3, config):
    store = BucketStore(config)
    for _ in range(2):
        assert store.put(io.BytesIO(SOUND), KEY, MEASURED) == f"site-1/{KEY}"
    assert store.name == f"s3://{config.bucket}"
    assert objects(s3, config) == [f"site-1/{KEY}"]
    found = s3.get_object(Bucket=config.bucket, Key=f"site-1/{KEY}")
    assert found["Body"].read() == SOUND
    assert found["ContentType"] == "audio/wav"
    assert found["Metadata"] == {"sha256": MEASURED.sha256}


def test_a_bucket_without_a_prefix(s3, config):
    store = BucketStore(replace(config, prefix=""))
    assert store.put(io.BytesIO(SOUND), KEY, MEASURED) == KEY


def test_a_bucket_that_has_something_else_is_found_out(config):
    with pytest.raises(StoreError, match="has 100 bytes, not 32044"):
        BucketStore(config).put(io.BytesIO(SOUND[:100]), KEY, MEASURED)


def test_a_server_that_is_away_is_named(s3, config):
    away = replace(config, endpoint_url="http://127.0.0.1:9")
    with pytest.raises(StoreError, match=r"of http://127\.0\.0\.1:9: .*connect"):
        BucketStore(away).put(io.BytesIO(SOUND), KEY, MEASURED)


async def test_from_the_spool_into_a_bucket_once_it_is_back(
    tmp_path, database, s3, config
):
    monitor, spool = tmp_path / "monitor", tmp_path / "spool"
    monitor.mkdir()
    spool.mkdir()
    for suffix in ("", "-user", "-assistant"):
        (monitor / f"17.5{suffix}.wav").write_bytes(SOUND)
    job = spool / "17.5.job"
    job.write_text(
        f'{{"recording": "17.5", "call": "abc", "closed_at": "{NOON.isoformat()}"}}'
    )
    folders = RecordingsConfig(monitor, spool, tmp_path / "unused")
    missing = replace(config, bucket="no-such-bucket")
    await Recordings(replace(folders, s3=missing), database).collect(NOON)
    assert f"s3://no-such-bucket of {config.endpoint_url}: " in job.read_text()
    assert len(list(monitor.iterdir())) == 3

    later = NOON + timedelta(minutes=1)
    await Recordings(replace(folders, s3=config), database).collect(later)
    assert not job.exists() and list(monitor.iterdir()) == []
    assert objects(s3, config) == [
        f"site-1/2026-11-21/abc/{track}.wav"
        for track in sorted(each.value for each in Track)
    ]
    assert not (tmp_path / "unused").exists()
