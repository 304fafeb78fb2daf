"""The bucket is moto's: it knows the protocol and takes any key for a good one."""

import hashlib
import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from agent.calls.record import Track
from agent.storage import bucket as bucket_module
from agent.storage.bucket import BucketStore
from agent.storage.config import RecordingsConfig, S3Config
from agent.storage.encoding import Format
from agent.storage.ledger import DatabaseLedger
from agent.storage.recordings import Recordings
from agent.storage.stores import Kept, Sound, StoreError

from .sound import wav
from .test_stores import sound

KEY = "2026-11-21/abc/mix.wav"
CONTENT = wav(2)
SOUND = sound(CONTENT)
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
    bucket = re.sub("[^a-z0-9]+", "-", request.node.name)[-63:].strip("-")
    s3.create_bucket(Bucket=bucket)
    return S3Config(bucket, moto_url, "us-east-1", "/site-1/")


def objects(s3, config):
    listed = s3.list_objects_v2(Bucket=config.bucket).get("Contents", [])
    return [each["Key"] for each in listed]


def refusing(store, monkeypatch, operation, code, times=1, also=lambda: None):
    """The server refuses this operation so often, and `also` happens meanwhile."""
    works = getattr(store.client, operation)
    left = [times]

    def refuse(**arguments):
        if left[0]:
            left[0] -= 1
            also()
            raise ClientError({"Error": {"Code": code}}, operation)
        return works(**arguments)

    monkeypatch.setattr(store.client, operation, refuse)


def test_a_bucket_keeps_it_once(s3, config):
    store = BucketStore(config)
    for _ in range(2):
        kept = store.put(io.BytesIO(CONTENT), KEY, SOUND)
        assert kept == Kept(f"site-1/{KEY}", len(CONTENT), SOUND.sha256)
    assert store.name == f"s3://{config.bucket}"
    assert objects(s3, config) == [f"site-1/{KEY}"]
    found = s3.get_object(Bucket=config.bucket, Key=f"site-1/{KEY}")
    assert found["Body"].read() == CONTENT
    assert found["ContentType"] == "audio/wav"
    assert found["Metadata"] == {
        "sha256": SOUND.sha256,
        "source-sha256": SOUND.sha256,
    }
    with store.open(kept.key) as body:
        assert body.read() == CONTENT


def test_a_bucket_without_a_prefix(s3, config):
    store = BucketStore(replace(config, prefix=""))
    assert store.put(io.BytesIO(CONTENT), KEY, SOUND).key == KEY


def test_keys_begin_with_recordings_unless_told_otherwise():
    assert S3Config("a").prefix == "recordings"


@pytest.fixture
def small_parts(monkeypatch):
    """Of 5 MB, which is the least that servers take."""
    monkeypatch.setattr(bucket_module, "_PART_BYTES", 5 * 2**20)


LONG = wav(400)


def test_a_long_one_goes_in_parts_and_leaves_none_behind(s3, config, small_parts):
    store = BucketStore(config)
    key = f"site-1/{KEY}"
    s3.create_multipart_upload(Bucket=config.bucket, Key=key)
    store.put(io.BytesIO(LONG), KEY, sound(LONG))
    found = s3.get_object(Bucket=config.bucket, Key=key)
    assert found["Body"].read() == LONG
    assert found["ETag"].endswith('-2"')
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=config.bucket)


def test_parts_of_an_earlier_time_are_forgotten_when_it_is_there(
    s3, config, small_parts
):
    """It was complete, and the answer that said so never came."""
    store = BucketStore(config)
    key = f"site-1/{KEY}"
    store.put(io.BytesIO(LONG), KEY, sound(LONG))
    s3.create_multipart_upload(Bucket=config.bucket, Key=key)
    store.put(io.BytesIO(LONG), KEY, sound(LONG))
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=config.bucket)


def test_a_server_that_lists_no_parts_still_keeps(s3, config, small_parts, monkeypatch):
    store = BucketStore(config)
    refusing(store, monkeypatch, "list_multipart_uploads", "NotImplemented")
    assert store.put(io.BytesIO(LONG), KEY, sound(LONG)).bytes == len(LONG)


def test_parts_that_fail_are_taken_back(s3, config, small_parts, monkeypatch):
    store = BucketStore(config)
    refusing(store, monkeypatch, "upload_part", "SlowDown")
    with pytest.raises(StoreError, match="SlowDown"):
        store.put(io.BytesIO(LONG), KEY, sound(LONG))
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=config.bucket)
    assert objects(s3, config) == []


def test_nothing_is_replaced(s3, config):
    store = BucketStore(config)
    store.put(io.BytesIO(CONTENT), KEY, SOUND)
    other = wav(2, 9)
    with pytest.raises(StoreError, match="is there already, and is something else"):
        store.put(io.BytesIO(other), KEY, sound(other))
    with store.open(f"site-1/{KEY}") as body:
        assert body.read() == CONTENT


def test_an_object_of_somebody_else_is_not_ours(s3, config):
    s3.put_object(Bucket=config.bucket, Key=f"site-1/{KEY}", Body=CONTENT)
    with pytest.raises(StoreError, match="is something else"):
        BucketStore(config).put(io.BytesIO(CONTENT), KEY, SOUND)


def test_what_was_encoded_from_the_same_file_is_the_same(config):
    store = BucketStore(config)
    first, second = (
        Sound(4, digest(x), "5" * 64, Format.OPUS) for x in (b"once", b"more")
    )
    kept = store.put(io.BytesIO(b"once"), "a.opus", first)
    assert store.put(io.BytesIO(b"more"), "a.opus", second) == kept
    assert kept.sha256 == first.sha256


def digest(content):
    return hashlib.sha256(content).hexdigest()


def test_one_that_arrived_before_the_answer_did(s3, config, monkeypatch):
    store, earlier = BucketStore(config), BucketStore(config)
    refusing(
        *(store, monkeypatch, "put_object", "PreconditionFailed"),
        also=lambda: earlier.put(io.BytesIO(CONTENT), KEY, SOUND),
    )
    assert store.put(io.BytesIO(CONTENT), KEY, SOUND).sha256 == SOUND.sha256


def test_a_server_that_knows_no_conditions(s3, config, monkeypatch):
    store = BucketStore(config)
    refusing(store, monkeypatch, "put_object", "NotImplemented")
    store.put(io.BytesIO(CONTENT), KEY, SOUND)
    store.put(io.BytesIO(CONTENT), "b.wav", SOUND)
    assert objects(s3, config) == [f"site-1/{KEY}", "site-1/b.wav"]


@pytest.mark.parametrize(
    ("body", "says"),
    [(CONTENT[:100], "has 100 bytes, not 32044"), (CONTENT[:-1] + b"x", "reads back")],
    ids=["short", "other"],
)
def test_a_bucket_that_has_something_else_is_found_out(config, monkeypatch, body, says):
    store = BucketStore(config)
    put = store.client.put_object
    monkeypatch.setattr(
        store.client, "put_object", lambda **given: put(**given | {"Body": body})
    )
    with pytest.raises(StoreError, match=says):
        store.put(io.BytesIO(CONTENT), KEY, SOUND)
    # Or it would be there for ever: nothing is overwritten.
    monkeypatch.setattr(store.client, "put_object", put)
    assert store.put(io.BytesIO(CONTENT), KEY, SOUND).sha256 == SOUND.sha256


def test_an_answer_without_a_body_is_asked_for_its_words(config, monkeypatch):
    store = BucketStore(config)
    refusing(store, monkeypatch, "head_object", "403")
    refusing(store, monkeypatch, "get_object", "RequestTimeTooSkewed")
    with pytest.raises(StoreError, match="RequestTimeTooSkewed"):
        store.put(io.BytesIO(CONTENT), KEY, SOUND)


def test_a_server_whose_etags_are_no_md5_is_read_back(config, monkeypatch):
    store = BucketStore(config)
    head = store.client.head_object
    monkeypatch.setattr(
        store.client, "head_object", lambda **given: head(**given) | {"ETag": '"77"'}
    )
    assert store.put(io.BytesIO(CONTENT), KEY, SOUND).sha256 == SOUND.sha256


def test_a_bucket_is_made_if_that_is_allowed(s3, config):
    missing = replace(config, bucket="not-there-yet")
    with pytest.raises(StoreError, match="NoSuchBucket"):
        BucketStore(replace(missing, create=False)).put(io.BytesIO(CONTENT), KEY, SOUND)
    BucketStore(missing).put(io.BytesIO(CONTENT), KEY, SOUND)
    assert objects(s3, missing) == [f"site-1/{KEY}"]


def test_a_bucket_that_may_not_be_made(config, monkeypatch):
    store = BucketStore(replace(config, bucket="never-there"))
    refusing(store, monkeypatch, "create_bucket", "AccessDenied")
    with pytest.raises(StoreError, match="AccessDenied.* create_bucket"):
        store.put(io.BytesIO(CONTENT), KEY, SOUND)


def test_the_server_deletes_what_is_old(s3, config):
    theirs = {
        "ID": "logs",
        "Status": "Enabled",
        "Filter": {"Prefix": "logs/"},
        "Expiration": {"Days": 3},
    }
    s3.put_bucket_lifecycle_configuration(
        Bucket=config.bucket, LifecycleConfiguration={"Rules": [theirs]}
    )
    for days in (30, 60):
        store = BucketStore(replace(config, retention_days=days))
        store.put(io.BytesIO(CONTENT), KEY, SOUND)
    rules = s3.get_bucket_lifecycle_configuration(Bucket=config.bucket)["Rules"]
    assert {
        rule["ID"]: (rule["Filter"]["Prefix"], rule["Expiration"]["Days"])
        for rule in rules
    } == {"logs": ("logs/", 3), "offhook-recordings": ("site-1/", 61)}


def test_a_server_that_deletes_nothing_by_itself_still_keeps(config, monkeypatch):
    store = BucketStore(replace(config, retention_days=30))
    refusing(
        *(store, monkeypatch, "put_bucket_lifecycle_configuration", "NotImplemented")
    )
    assert store.put(io.BytesIO(CONTENT), KEY, SOUND)


def test_without_retention_the_buckets_rules_are_not_touched(s3, config):
    BucketStore(config).put(io.BytesIO(CONTENT), KEY, SOUND)
    with pytest.raises(ClientError, match="NoSuchLifecycleConfiguration"):
        s3.get_bucket_lifecycle_configuration(Bucket=config.bucket)


def test_what_is_deleted_is_gone(s3, config):
    store = BucketStore(config)
    kept = store.put(io.BytesIO(CONTENT), KEY, SOUND)
    for _ in range(2):
        store.delete(kept.key)
    assert objects(s3, config) == []
    with pytest.raises(StoreError, match="NoSuchKey"):
        store.open(kept.key)


def test_a_server_that_is_away_is_named(s3, config):
    away = replace(config, endpoint_url="http://127.0.0.1:9")
    store = BucketStore(away)
    with pytest.raises(StoreError, match=r"of http://127\.0\.0\.1:9: .*connect"):
        store.put(io.BytesIO(CONTENT), KEY, SOUND)


async def test_from_the_spool_into_a_bucket_once_it_is_back(
    tmp_path, database, s3, config
):
    monitor, spool = tmp_path / "monitor", tmp_path / "spool"
    monitor.mkdir()
    spool.mkdir()
    for suffix in ("", "-user", "-assistant"):
        (monitor / f"17.5{suffix}.wav").write_bytes(CONTENT)
    job = spool / "17.5.job"
    job.write_text(
        f'{{"recording": "17.5", "call": "abc", "closed_at": "{NOON.isoformat()}"}}'
    )
    folders = RecordingsConfig(monitor, spool, tmp_path / "unused")
    missing = replace(config, bucket="no-such-bucket", create=False)
    ledger = DatabaseLedger(database)
    await Recordings(replace(folders, s3=missing), ledger).collect(NOON)
    known = await ledger.look_up("abc", Track.MIX)
    assert f"s3://no-such-bucket of {config.endpoint_url}: " in known.last_error
    assert len(list(monitor.iterdir())) == 3

    later = NOON + timedelta(minutes=1)
    await Recordings(replace(folders, s3=config), ledger).collect(later)
    assert not job.exists() and list(monitor.iterdir()) == []
    assert objects(s3, config) == [
        f"site-1/2026-11-21/abc/{track}.wav"
        for track in sorted(each.value for each in Track)
    ]
    assert not (tmp_path / "unused").exists()
