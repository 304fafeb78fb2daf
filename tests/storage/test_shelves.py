"""The bucket is moto's: it knows the protocol and takes any key for a good one."""

import os

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from agent.storage.bucket_shelf import BucketShelf
from agent.storage.config import S3Config
from agent.storage.shelves import FolderShelf, NotThere, Shelves
from agent.storage.stores import StoreError

KEY = "2026-11-21/abc/mix.wav"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "recordings/2026-11-21/abc").mkdir(parents=True)
    (tmp_path / "recordings" / KEY).write_bytes(b"sound")
    (tmp_path / "secret").write_bytes(b"secret")
    return tmp_path / "recordings"


def test_a_folder_gives_back_what_it_has(folder):
    with FolderShelf(folder).fetch(KEY) as file:
        assert file.read() == b"sound"


def test_a_folder_may_be_a_link_itself(folder):
    link = folder.parent / "link"
    link.symlink_to(folder)
    with FolderShelf(link).fetch(KEY) as file:
        assert file.read() == b"sound"


@pytest.mark.parametrize(
    "key",
    [
        *("../secret", "2026-11-21/../../secret", "..", ".", "", "/", "a//b", "a/"),
        *("/etc/passwd", "2026-11-21/./abc/mix.wav", "a\0b", "2026-11-21/abc/.."),
    ],
)
@pytest.mark.parametrize("deed", ["fetch", "delete"])
def test_a_key_never_leads_out_of_the_folder(folder, key, deed):
    with pytest.raises(StoreError, match="is not the key of a recording"):
        getattr(FolderShelf(folder), deed)(key)
    assert (folder.parent / "secret").exists()


@pytest.mark.parametrize("link", ["2026-11-21", "2026-11-21/abc", KEY])
def test_links_in_the_folder_are_not_followed(folder, link):
    path = folder / link
    elsewhere = folder.parent / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(StoreError):
        FolderShelf(folder).fetch(KEY)
    rest = {"2026-11-21": "abc/mix.wav", "2026-11-21/abc": "mix.wav", KEY: ""}[link]
    if rest:
        with pytest.raises(StoreError):
            FolderShelf(folder).delete(KEY)
        assert (elsewhere / rest).read_bytes() == b"sound"
    else:
        # The link goes, and not what it leads to.
        FolderShelf(folder).delete(KEY)
        assert elsewhere.read_bytes() == b"sound" and not path.is_symlink()


def test_what_is_not_a_file_is_not_sound(folder):
    os.mkfifo(folder / "pipe")
    with pytest.raises(StoreError, match="not a regular file"):
        FolderShelf(folder).fetch("pipe")
    with pytest.raises(StoreError, match="not a regular file"):
        FolderShelf(folder).fetch("2026-11-21/abc")


@pytest.mark.parametrize("key", [KEY, "2026-11-22/x/mix.wav"])
def test_deleting_twice_is_deleting_once(folder, key):
    for _ in range(2):
        FolderShelf(folder).delete(key)
    assert not (folder / key).exists()
    with pytest.raises(NotThere):
        FolderShelf(folder).fetch(key)


def test_empty_folders_go_with_the_last_of_a_day(folder):
    (folder / "2026-11-21/abc/user.wav").write_bytes(b"more")
    FolderShelf(folder).delete(KEY)
    assert (folder / "2026-11-21/abc/user.wav").exists()
    FolderShelf(folder).delete("2026-11-21/abc/user.wav")
    assert list(folder.iterdir()) == []


def test_rows_of_a_store_that_is_not_configured_any_more(tmp_path):
    shelves = Shelves(tmp_path, None)
    assert isinstance(shelves.holding("folder"), FolderShelf)
    with pytest.raises(StoreError, match="s3://old is not configured any more"):
        shelves.holding("s3://old")
    with pytest.raises(StoreError, match="s3://old is not"):
        Shelves(tmp_path, S3Config("new")).holding("s3://old")


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
def bucket(moto_url, s3, request) -> S3Config:
    bucket = request.node.name.replace("_", "-")[:63].rstrip("-")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=KEY, Body=b"sound")
    return S3Config(bucket, moto_url, "us-east-1")


def test_a_bucket_gives_back_what_it_has(bucket):
    with BucketShelf(bucket).fetch(KEY) as file:
        assert file.read() == b"sound"
        file.seek(1)
        assert file.read(2) == b"ou"


def test_a_link_that_the_bucket_serves(bucket):
    link = BucketShelf(bucket).link(KEY, 300, "audio/wav", "abc-mix.wav")
    assert "X-Amz-Expires=300" in link and "X-Amz-Signature=" in link
    answer = httpx.get(link)
    assert answer.content == b"sound"
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["content-disposition"] == 'inline; filename="abc-mix.wav"'


def test_what_the_bucket_has_not(bucket):
    shelf = BucketShelf(bucket)
    with pytest.raises(NotThere):
        shelf.link("other", 300, "audio/wav", "x")
    with pytest.raises(NotThere):
        shelf.fetch("other")
    shelf.delete("other")


def test_a_bucket_forgets(s3, bucket):
    for _ in range(2):
        BucketShelf(bucket).delete(KEY)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket.bucket)


def test_a_bucket_with_versions_forgets_all_of_them(s3, bucket):
    s3.put_bucket_versioning(
        Bucket=bucket.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    for body in (b"first", b"second"):
        s3.put_object(Bucket=bucket.bucket, Key=KEY, Body=body)
    s3.put_object(Bucket=bucket.bucket, Key=KEY + ".other", Body=b"not this")
    BucketShelf(bucket).delete(KEY)
    left = s3.list_object_versions(Bucket=bucket.bucket)
    assert [each["Key"] for each in left["Versions"]] == [KEY + ".other"]
    assert "DeleteMarkers" not in left


def test_a_server_that_is_not_there(bucket):
    away = S3Config(bucket.bucket, "http://127.0.0.1:9", "us-east-1")
    for deed in ("fetch", "delete"):
        with pytest.raises(StoreError, match=r"127\.0\.0\.1:9.*Could not connect"):
            getattr(BucketShelf(away), deed)(KEY)
