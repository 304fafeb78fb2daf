from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from agent.calls.customer import Scope
from agent.calls.record import Recording, Track
from agent.storage.audit import deeds
from agent.storage.listening import Listening
from agent.storage.missing import Missing
from agent.storage.peaks import Peaks
from agent.storage.retention import Retention
from agent.storage.shelves import NotThere, Shelves
from agent.storage.stores import StoreError
from agent.web import signing
from agent.web.config import SigningConfig
from agent.web.problems import Refusal
from agent.web.recordings import in_parts
from agent.web.signing import Link
from tests.storage.kept import NOON, keep_call, keep_recording, key
from tests.storage.sound import wav

from .conftest import browse

SOUND = wav(2)
RECORDING = "/calls/17.5/recording"


class Bucket:
    """A store with a web server of its own."""

    def __init__(self):
        self.error = None

    def link(self, key, seconds, media_type, name):
        if self.error is not None:
            raise self.error
        return f"http://bucket/{key}?for={seconds}&type={media_type}&name={name}"

    def delete(self, key):
        if self.error is not None:
            raise self.error


class Stores(Shelves):
    def __init__(self, folder):
        super().__init__(folder, None)
        self.bucket = Bucket()

    def holding(self, store):
        return self.bucket if store == "s3://b" else super().holding(store)


class Site:
    def __init__(self, app, root):
        self.app, self.database = app, app.state.database
        self.folder = root / "recordings"
        self.folder.mkdir()
        self.spool = root / "spool"
        self.spool.mkdir()
        stores = Stores(self.folder)
        self.bucket = stores.bucket
        app.state.listening = Listening(self.database, stores)
        app.state.peaks = Peaks(self.database, app.state.listening)
        app.state.retention = Retention(self.database, stores, 0)
        app.state.missing = Missing(
            self.database, app.state.listening, root / "monitor", self.spool
        )
        app.state.signing = SigningConfig("key", 3600)

    async def keep(self, **columns):
        await keep_call(self.database)
        await keep_recording(self.database, self.folder, content=SOUND, **columns)

    def path(self, track="mix"):
        return self.folder / key("17.5", track)


@pytest.fixture
def site(app, tmp_path):
    return Site(app, tmp_path)


async def link_of(client, track="mix"):
    answer = await client.get(RECORDING, params={"track": track})
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def link(expires_at=None, call_id="17.5", track=Track.MIX, signed_by="key"):
    expires_at = expires_at or datetime.now(UTC) + timedelta(days=1)
    return f"/recordings/{signing.sign(signed_by, Link(call_id, track, expires_at))}"


@pytest.mark.parametrize("track", ["mix", "user", "assistant"])
async def test_it_is_listened_to_behind_a_link(site, client, track):
    await site.keep()
    site.path("user").write_bytes(b"the caller")
    site.path("assistant").write_bytes(b"the assistant")
    place = await link_of(client, track)
    assert place.startswith("/recordings/") and "17.5" not in place
    # Not even an operator.
    with browse(site.app, "192.0.2.7") as stranger:
        answer = await stranger.get(place)
    assert answer.status_code == 200
    assert answer.content == site.path(track).read_bytes()
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["cache-control"] == "private, no-store"
    assert (
        answer.headers["content-disposition"] == f'inline; filename="17-5-{track}.wav"'
    )


async def test_the_mix_is_meant_when_no_track_is_named(site, client):
    await site.keep(tracks=(Track.MIX,))
    assert (await client.get(RECORDING)).status_code == 302


async def test_a_bucket_serves_its_own_links(site, client):
    await site.keep(store="s3://b", format="opus")
    assert await link_of(client, "user") == (
        f"http://bucket/{key('17.5', 'user')}?for=3600&type=audio/ogg"
        "&name=17-5-user.opus"
    )


@pytest.mark.parametrize(
    ("error", "status"), [(NotThere("gone"), 404), (StoreError("away: secret"), 503)]
)
async def test_a_bucket_that_fails(site, client, error, status):
    await site.keep(store="s3://b")
    site.bucket.error = error
    answer = await client.get(RECORDING)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("header", "status", "content", "content_range"),
    [
        ("bytes=0-9", 206, SOUND[:10], f"bytes 0-9/{len(SOUND)}"),
        ("bytes=-5", 206, SOUND[-5:], f"bytes {len(SOUND) - 5}-"),
        ("bytes=100-", 206, SOUND[100:], f"bytes 100-{len(SOUND) - 1}/{len(SOUND)}"),
        ("bytes=0-1,4-5", 200, SOUND, None),
        ("nonsense", 200, SOUND, None),
        (f"bytes={len(SOUND)}-", 416, None, f"bytes */{len(SOUND)}"),
    ],
)
async def test_players_ask_for_parts(
    site, client, header, status, content, content_range
):
    await site.keep()
    answer = await client.get(await link_of(client), headers={"Range": header})
    assert answer.status_code == status
    assert answer.headers.get("content-range", "").startswith(content_range or "")
    assert ("content-range" in answer.headers) is (content_range is not None)
    if content is not None:
        assert answer.content == content
        assert answer.headers["content-length"] == str(len(content))


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        (f'"{"5" * 64}"', 206),
        ('"another"', 200),
        ("Sat, 21 Nov 2026 12:00:00 GMT", 200),
    ],
)
async def test_a_part_only_of_the_file_that_is_meant(site, client, if_range, status):
    await site.keep()
    headers = {"Range": "bytes=0-9", "If-Range": if_range}
    answer = await client.get(await link_of(client), headers=headers)
    assert answer.status_code == status


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.from_regex(r"bytes=[0-9]*-[0-9]*", fullmatch=True)
    | st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)
)
def test_no_range_breaks_anything(tmp_path, header):
    """Of an answer, without a server around it."""
    path = tmp_path / "mix.wav"
    path.write_bytes(SOUND)
    raw = [(b"range", header.encode("latin-1"))]
    request = Request({"type": "http", "method": "GET", "headers": raw})
    recording = Recording("17.5", Track.MIX, "folder", "k", 1, 1.0, "5", NOON)
    with path.open("rb") as file:
        try:
            status = in_parts(request, recording, file).status_code
        except Refusal as refusal:
            assert (status := refusal.status_code) == 416
        assert file.closed is (status == 416)


async def test_head_tells_without_giving(site, client):
    await site.keep()
    answer = await client.head(await link_of(client), headers={"Range": "bytes=0-9"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(SOUND))


@pytest.mark.parametrize(
    ("place", "status", "says"),
    [
        (link(signed_by="another"), 403, "not made here"),
        ("/recordings/nonsense", 403, "not made here"),
        ("/recordings/..%2f..%2fetc%2fpasswd", 404, ""),
        (link(NOON - timedelta(days=365)), 410, "expired at 2025-11-21T12:00:00"),
        (link(call_id="17.6"), 410, "deleted"),
    ],
    ids=("another key", "nonsense", "upwards", "expired", "deleted"),  # links vary
)
async def test_links_that_lead_nowhere(site, client, place, status, says):
    await site.keep()
    answer = await client.get(place)
    assert answer.status_code == status
    assert says in answer.text
    assert answer.headers["content-type"].endswith("json")


@pytest.mark.parametrize(
    "break_it",
    [
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["deleted", "link", "folder"],
)
async def test_a_file_that_is_not_what_was_kept(site, client, break_it):
    await site.keep()
    place = await link_of(client)
    break_it(site.path())
    for answer in (await client.get(place), await client.get(RECORDING)):
        assert answer.status_code in (404, 503)
        assert "root:" not in answer.text


async def test_a_key_that_leads_out_of_the_folder(site, client, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    await site.keep(tracks=(Track.MIX,), key="../secret", sha256="5")
    assert (await client.get(RECORDING)).status_code == 503
    assert (await client.get(link())).status_code == 503


@pytest.mark.parametrize(("format", "status"), [("wav", 302), ("flac", 406)])
async def test_in_the_format_in_which_it_is_kept(site, client, format, status):
    await site.keep()
    answer = await client.get(RECORDING, params={"format": format})
    assert answer.status_code == status
    if status == 406:
        assert answer.json()["available"] == ["wav"]


@pytest.mark.parametrize("params", [{"track": "both"}, {"format": "exe"}])
async def test_questions_that_make_no_sense(site, client, params):
    assert (await client.get(RECORDING, params=params)).status_code == 422


@pytest.mark.parametrize(
    ("columns", "cause", "retry", "says"),
    [
        ({"state": "waiting"}, "waiting", True, "on its way"),
        (
            {"state": "failing", "last_error": "503 Slow Down", "attempts": 3},
            "upload_failing",
            True,
            "503 Slow Down",
        ),
        (
            {"state": "failing", "last_error": "An error occurred (ExpiredToken)"},
            "credentials",
            True,
            "the bucket refuses our credentials",
        ),
        (
            {"state": "rejected", "last_error": "it is empty"},
            "rejected",
            False,
            "it is empty",
        ),
    ],
)
async def test_why_there_is_none(site, client, columns, cause, retry, says):
    await site.keep(**columns)
    for place in (RECORDING, f"{RECORDING}/peaks"):
        answer = await client.get(place)
        assert answer.status_code == 404
        assert answer.json()["cause"] == cause
        assert says in answer.json()["detail"]
        assert ("retry-after" in answer.headers) is retry


async def test_of_a_call_that_nobody_knows(site, client):
    answer = await client.get("/calls/nobody/recording")
    assert answer.status_code == 404
    assert answer.json()["cause"] == "unknown_call"


async def test_of_a_call_that_is_up(site, client):
    await keep_call(site.database, ended_at=None)
    answer = await client.get(RECORDING)
    assert (answer.status_code, answer.json()["cause"]) == (404, "call_up")


async def test_a_waveform(site, client):
    await site.keep()
    answer = await client.get(f"{RECORDING}/peaks", params={"track": "user"})
    assert answer.status_code == 200
    assert answer.json() == {
        "track": "user",
        "seconds": 2.0,
        "peaks": [[0, 0]] * 800,
    }


async def test_a_waveform_of_what_is_no_sound(site, client):
    await site.keep()
    site.path().write_bytes(b"no sound")
    assert (await client.get(f"{RECORDING}/peaks")).status_code == 503


async def test_it_is_erased(site, client):
    await site.keep()
    place = await link_of(client)
    answer = await client.delete(RECORDING, params={"reason": "he asked"})
    assert answer.status_code == 200
    assert answer.json()["state"] == "erased"
    assert answer.json()["who"] == "this machine at 127.0.0.1"
    assert answer.json()["finished_at"] is not None
    assert not site.path().exists()
    assert (await client.get("/calls/17.5")).json()["turns"] == []
    # Nor by a link that was good a moment ago.
    for gone in (place, RECORDING, f"{RECORDING}/peaks"):
        assert (await client.get(gone)).status_code == 410
    done = await deeds(site.database, "17.5")
    assert [(each.act, each.why) for each in done] == [
        ("erase", "he asked"),
        ("erased", "he asked"),
    ]
    assert (await client.delete(RECORDING)).status_code == 200


async def test_a_store_that_is_away_is_asked_again_later(site, client):
    await site.keep(store="s3://b")
    site.bucket.error = StoreError("away")
    answer = await client.delete(RECORDING)
    assert answer.status_code == 202
    assert answer.json()["finished_at"] is None
    assert (await client.get(RECORDING)).status_code == 410


@pytest.mark.parametrize(("ended_at", "status"), [(None, 409), (NOON, 200)])
async def test_a_call_that_is_up_is_not_erased(site, client, ended_at, status):
    await keep_call(site.database, ended_at=ended_at)
    assert (await client.delete(RECORDING)).status_code == status


async def test_nothing_to_erase(site, client):
    assert (await client.delete(RECORDING)).status_code == 404


@pytest.mark.parametrize(
    ("method", "place"),
    [("GET", RECORDING), ("GET", f"{RECORDING}/peaks"), ("DELETE", RECORDING)],
)
async def test_strangers_are_refused(site, client, method, place):
    await site.keep()
    site.app.state.operator_token = "s3cret"
    assert (await client.request(method, place)).status_code == 401
    assert site.path().exists()


async def test_what_expires_is_the_configured_time_away(site, client):
    await site.keep()
    site.app.state.signing = replace(site.app.state.signing, seconds=60)
    before = datetime.now(UTC)
    token = (await link_of(client)).removeprefix("/recordings/")
    ahead = signing.read("key", token, before).expires_at - before
    assert timedelta(seconds=58) < ahead < timedelta(seconds=70)


async def test_behind_a_proxy_with_a_path(site):
    await site.keep()
    transport = httpx.ASGITransport(
        site.app, client=("127.0.0.1", 5), root_path="/offhook"
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
        answer = await client.get(RECORDING)
    assert answer.headers["location"].startswith("/offhook/recordings/")


async def test_it_is_documented(site, client):
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert set(paths["/calls/{call_id}/recording"]) == {"get", "delete"}
    assert "get" in paths["/recordings/{token}"]


async def test_the_list_is_walked_page_by_page(site, client):
    await site.keep()
    seen, params = [], {"limit": 2}
    while params.get("before", "") is not None:
        page = (await client.get("/recordings", params=params)).json()
        seen += page["recordings"]
        params["before"] = page["next"]
    assert [each["track"] for each in seen] == ["user", "mix", "assistant"]
    assert {each["call_id"] for each in seen} == {"17.5"}
    filters = {"state": "stored", "call_id": "17.5", "since": "2026-11-21T12:00:00Z"}
    listed = await client.get("/recordings", params=filters)
    assert len(listed.json()["recordings"]) == 3
    for none in ({"state": "erased"}, {"call_id": "x"}, {"until": filters["since"]}):
        listed = await client.get("/recordings", params=none)
        assert listed.json() == {"recordings": [], "next": None}


@pytest.mark.parametrize("params", [{"state": "lost"}, {"before": "x"}, {"since": "x"}])
async def test_a_list_that_makes_no_sense(client, params):
    answer = await client.get("/recordings", params=params)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_recordings_of_another_customer_are_not_there(site, client, make_key):
    await site.keep()
    other = await make_key(Scope.OPERATOR, "other")
    listed = await client.get("/recordings", headers=other)
    assert listed.json()["recordings"] == []
    for method, place in [
        ("GET", RECORDING),
        ("GET", f"{RECORDING}/peaks"),
        ("DELETE", RECORDING),
    ]:
        answer = await client.request(method, place, headers=other)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_call")
    assert site.path().exists()


async def test_who_may_only_read_erases_nothing(site, client, make_key):
    await site.keep()
    reader = await make_key(Scope.READ)
    assert (await client.delete(RECORDING, headers=reader)).status_code == 403
    assert (await client.get(RECORDING, headers=reader)).status_code == 302
