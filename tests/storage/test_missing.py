import json
from datetime import timedelta

import pytest

from agent.calls.facts import ToolUsed
from agent.calls.record import Track
from agent.calls.transcript import ToolUse
from agent.observe.missing import Cause
from agent.storage.config import S3Config
from agent.storage.listening import Listening
from agent.storage.missing import Missing
from agent.storage.retention import Retention
from agent.storage.shelves import Shelves
from agent.storage.stores import StoreError

from .facts import keep
from .kept import NOON, days, keep_call, keep_recording, key


class Site:
    def __init__(self, root, database):
        self.database = database
        self.folder, self.monitor = root / "recordings", root / "monitor"
        self.spool = root / "spool"
        self.rejected = self.spool / "rejected"
        for folder in (self.folder, self.monitor, self.rejected):
            folder.mkdir(parents=True)
        self.shelves = Shelves(self.folder, S3Config("b", "http://127.0.0.1:9", "x"))
        self.missing = Missing(
            database, Listening(database, self.shelves), self.monitor, self.spool
        )

    async def why(self, *logs, **options):
        return await self.missing.why("17.5", logs or None, **options)

    async def keep(self, **columns):
        await keep_call(self.database)
        await keep_recording(self.database, self.folder, **columns)

    async def bury(self, days_of_retention=0.0, now=NOON, store=None):
        retention = Retention(self.database, store or self.shelves, days_of_retention)
        if not days_of_retention:
            await retention.condemn("17.5", who="me", why="he asked", now=now)
            await retention.finish("17.5", now)
        await retention.sweep(now)

    def leave_job(self, **more):
        job = {"recording": "17.5", "call": "17.5", "closed_at": NOON.isoformat()}
        (self.spool / "17.5.job").write_text(json.dumps(job | more))

    def record(self):
        (self.monitor / "17.5-user.wav").write_bytes(b"RIFF")


class Away:
    def holding(self, store):
        raise StoreError("the store is away")


@pytest.fixture
def site(tmp_path, database):
    return Site(tmp_path, database)


async def kept(site):
    await site.keep()


async def gone_from_the_store(site):
    await site.keep()
    (site.folder / key("17.5", "mix")).unlink()


async def waiting(site):
    await site.keep(state="waiting")


async def failing(site):
    due = NOON + timedelta(minutes=5)
    await site.keep(
        state="failing", attempts=7, last_error="503 Slow Down", next_try=due
    )


async def credentials_expired(site):
    await site.keep(state="failing", last_error="An error occurred (ExpiredToken)")


async def the_disk_is_full(site):
    await site.keep(state="failing", last_error="[Errno 28] No space left on device")


async def rejected(site):
    await site.keep(state="rejected", last_error="nothing was recorded")


async def erased(site):
    await site.keep()
    await site.bury()


async def half_erased(site):
    await site.keep()
    await site.bury(store=Away())


async def expired(site):
    await site.keep()
    await site.bury(30, NOON + days(31))


async def erased_elsewhere(site):
    """A row without a tombstone here."""
    await site.keep(state="erased", removed_at=NOON)


async def expired_elsewhere(site):
    await site.keep(state="expired", removed_at=NOON)


async def a_job(site):
    site.leave_job()


async def a_job_of_an_earlier_version(site):
    due = (NOON + timedelta(minutes=1)).isoformat()
    site.leave_job(attempts=3, last_error="mix: Access Denied", not_before=due)


async def a_rejected_file(site):
    await keep_call(site.database)
    (site.rejected / "17.5.wav.reason").write_text("it is a link\n")


async def files_without_a_job(site):
    await keep_call(site.database)
    site.record()


async def files_of_a_call_that_is_up(site):
    await keep_call(site.database, ended_at=None)
    site.record()


async def up(site):
    await keep_call(site.database, ended_at=None)


async def nothing_at_all(site):
    await keep_call(site.database)


async def nobody_knows_it(site):
    pass


@pytest.mark.parametrize(
    ("happened", "cause", "says"),
    [
        (kept, Cause.KEPT, "it is there: folder/2026-11-21/17.5/mix.wav, 2.0 s"),
        (gone_from_the_store, Cause.GONE_FROM_STORE, "is not there any more"),
        (waiting, Cause.WAITING, "on its way to the store since 2026-11-21T12:00"),
        (
            failing,
            Cause.UPLOAD_FAILING,
            "storing it fails, and it waits since 2026-11-21T12:00:00+00:00: 503 Slow"
            " Down; next try at 2026-11-21T12:05:00+00:00",
        ),
        (credentials_expired, Cause.CREDENTIALS, "the bucket refuses our credentials"),
        (the_disk_is_full, Cause.UPLOAD_FAILING, "No space left on device"),
        (rejected, Cause.REJECTED, "it was rejected: nothing was recorded"),
        (erased, Cause.ERASED, "erased at 2026-11-21T12:00:00+00:00 by me: he asked"),
        (half_erased, Cause.ERASED, "has not deleted all of it yet: the store is away"),
        (expired, Cause.EXPIRED, "retention deleted it at 2026-12-22T12:00:00+00:00"),
        (erased_elsewhere, Cause.ERASED, "it was erased on request at 2026"),
        (expired_elsewhere, Cause.EXPIRED, "it was deleted by retention at 2026"),
        (a_job, Cause.WAITING, "its job lies in the spool since 2026-11-21T12:00"),
        (a_job_of_an_earlier_version, Cause.WAITING, "its job lies in the spool since"),
        (a_rejected_file, Cause.REJECTED, "it was rejected: it is a link"),
        (files_without_a_job, Cause.HOOK_FAILED, "left no job in the spool"),
        (files_of_a_call_that_is_up, Cause.CALL_UP, "the call is not over"),
        (up, Cause.CALL_UP, "the call is not over"),
        (nothing_at_all, Cause.CANNOT_TELL, "neither a file nor a job"),
        (nobody_knows_it, Cause.UNKNOWN_CALL, "never heard of this call"),
    ],
)
async def test_each_cause(site, happened, cause, says):
    await happened(site)
    verdict = await site.why()
    assert verdict.cause is cause
    assert says in verdict.sentence
    assert verdict.evidence or happened is nobody_knows_it


async def test_who_erased_it_is_the_evidence(site):
    await erased(site)
    assert (await site.why()).evidence == (
        "audit: 2026-11-21T12:00:00+00:00 erase by me: he asked",
        "audit: 2026-11-21T12:00:00+00:00 erased by me: he asked",
    )


async def test_a_bucket_that_does_not_answer(site, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    await site.keep(store="s3://b")
    verdict = await site.why()
    assert verdict.cause is Cause.UPLOAD_FAILING
    assert "Could not connect" in verdict.sentence
    assert "it is stored as s3://b/2026-11-21/17.5/mix.wav, and" in verdict.sentence


async def test_where_it_is_silent_is_told(site):
    await site.keep()
    use = ToolUse("pause_recording", "{}", "", NOON, 5.0)
    await keep(site.database, ToolUsed("17.5", use))
    assert (await site.why()).evidence == (
        "database: mix is stored",
        "silent: pause_recording at 2026-11-21T12:00:00+00:00",
    )


async def test_of_one_track(site):
    await site.keep(tracks=(Track.MIX,))
    await keep_recording(
        site.database, None, tracks=(Track.USER,), state="rejected", last_error="short"
    )
    assert (await site.why()).cause is Cause.KEPT
    assert (await site.why(track=Track.USER)).cause is Cause.REJECTED
    assert (await site.why(track=Track.ASSISTANT)).cause is Cause.KEPT


TAG = "[2026-11-21 12:00:00.000] VERBOSE[1][C-00000001]"
NEVER_BRIDGED = [
    f'{TAG} pbx.c: Executing [1000@agent:8] MixMonitor("PJSIP/a-00000000", "17.5.wav")',
    f"{TAG} app_verbose.c: Call 17.5 over: from 1 to 2",
]


@pytest.mark.parametrize(
    ("happened", "lines", "cause"),
    [
        (nothing_at_all, NEVER_BRIDGED, Cause.NEVER_BRIDGED),
        (nobody_knows_it, NEVER_BRIDGED, Cause.NEVER_BRIDGED),
        (rejected, NEVER_BRIDGED, Cause.NEVER_BRIDGED),
        (files_without_a_job, NEVER_BRIDGED, Cause.NEVER_BRIDGED),
        # The database knows better than an old log.
        (erased, NEVER_BRIDGED, Cause.ERASED),
        (kept, NEVER_BRIDGED, Cause.KEPT),
        (nobody_knows_it, [], Cause.UNKNOWN_CALL),
    ],
)
async def test_logs_tell_what_nobody_here_knows(site, happened, lines, cause):
    await happened(site)
    assert (await site.why(lines)).cause is cause


@pytest.mark.parametrize("call", ["../../etc/passwd", "*", "\0", "", "é" * 400])
async def test_ids_that_are_none(site, call):
    site.leave_job()
    assert (await site.missing.why(call)).cause is Cause.UNKNOWN_CALL


async def test_a_spool_that_is_full_of_nonsense(site):
    for name, text in {
        "a": "{",
        "b": "[]",
        "17.5": "\0",
        "c": '{"call": "17.5"}',
    }.items():
        (site.spool / f"{name}.job").write_text(text)
    (site.spool / "d.job").symlink_to("/etc/passwd")
    (site.spool / "e.job").mkdir()
    assert (await site.why()).cause is Cause.UNKNOWN_CALL
