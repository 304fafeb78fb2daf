import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.storage.spool import Inbox, Job, JobError, Spool

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
JOB = Job("17.5", "abc", NOON, "prod")
TEXT = (
    '{"recording": "17.5", "call": "abc", "environment": "prod",'
    ' "closed_at": "2026-11-21T12:00:00Z"}\n'
)


def test_a_job_as_the_script_writes_it():
    assert Job.read(TEXT) == JOB


def test_a_job_as_we_write_it():
    assert Job.read(JOB.text()) == JOB


def test_a_job_in_which_an_earlier_version_counted_its_tries():
    counted = TEXT.replace(
        "}", ', "attempts": 3, "not_before": "2026-11-21", "last_error": "no room"}'
    )
    assert Job.read(counted) == JOB


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a job"),
        ("[]", "not a job"),
        ("[" * 10_000, "not a job"),
        ('"text"', "not a job"),
        (TEXT.replace("prod", 'prod", "colour": "red'), "colour"),
        (TEXT.replace('"call": "abc", ', ""), "call"),
        (TEXT.replace("abc", "../../etc"), "'../../etc' is not fit"),
        (TEXT.replace("abc", ".abc"), "'.abc' is not fit"),
        (TEXT.replace("abc", "a..b"), "'a..b' is not fit"),
        (TEXT.replace("abc", "a\\nb"), "is not fit"),
        (TEXT.replace("abc", "a" * 65), "is not fit"),
        (TEXT.replace('"17.5"', "17.5"), "17.5 is not fit"),
        (TEXT.replace("12:00:00Z", "25:00:00Z"), "not a job"),
        (TEXT.replace("00Z", "00"), "has no zone"),
        (TEXT.replace("2026-11-21T12:00:00Z", "0001-01-01T00:00:00+14:00"), "job"),
        (TEXT.replace('"2026-11-21T12:00:00Z"', "null"), "not a time"),
    ],
)
def test_a_broken_job_is_named(text, says):
    with pytest.raises(JobError) as error:
        Job.read(text)
    assert says in str(error.value)


@given(st.text() | st.binary().map(lambda raw: TEXT + raw.decode("ascii", "replace")))
def test_garbage_is_a_job_or_a_job_error(text):
    try:
        assert isinstance(Job.read(text), Job)
    except JobError:
        pass


def test_only_jobs_are_in_the_inbox(tmp_path):
    spool = Spool(tmp_path)
    for name in (".3.1.99.tmp", ".job", ".1.1.job.tmp", "4.1.wav", ".work.db"):
        (tmp_path / name).write_text("")
    (tmp_path / "2.1.job").write_text("noise")
    (tmp_path / "17.5.job").write_text(TEXT)
    inbox = spool.inbox()
    assert inbox.jobs == (JOB,)
    assert [(path.name, reason[:9]) for path, reason in inbox.broken] == [
        ("2.1.job", "not a job")
    ]
    assert spool.inbox(busy={"17.5", "2.1"}) == Inbox((), ())


def test_the_oldest_come_first(tmp_path):
    spool = Spool(tmp_path)
    order = [
        Job("c", "c", NOON - timedelta(days=1)),
        Job("d", "d", NOON - timedelta(hours=1)),
        Job("a", "a", NOON),
        Job("b", "b", NOON),
    ]
    for job in reversed(order):
        assert spool.add(job)
    assert spool.inbox().jobs == tuple(order)


def test_a_job_is_added_once(tmp_path):
    spool = Spool(tmp_path)
    assert spool.add(JOB)
    assert not spool.add(replace(JOB, call="other"))
    assert spool.inbox().jobs == (JOB,)


def test_a_job_that_the_script_leaves_again_is_read_again(tmp_path):
    spool = Spool(tmp_path)
    path = tmp_path / "17.5.job"
    path.write_text(TEXT)
    assert spool.inbox().jobs == (JOB,)
    path.write_text(TEXT.replace("abc", "def"))
    os.utime(path, (1, 1))
    assert spool.inbox().jobs == (replace(JOB, call="def"),)


def test_a_job_is_found_by_its_recording(tmp_path):
    spool = Spool(tmp_path)
    assert spool.find("17.5") is None
    spool.add(JOB)
    assert spool.find("17.5") == JOB
    spool.done(JOB)
    assert spool.find("17.5") is None


def test_a_job_under_a_wrong_name(tmp_path):
    (tmp_path / "9.9.job").write_text(TEXT)
    with pytest.raises(JobError, match=r"it is for '17\.5'"):
        Spool(tmp_path).read(tmp_path / "9.9.job")


def test_a_job_that_is_a_link(tmp_path):
    (tmp_path / "secret").write_text(TEXT)
    (tmp_path / "17.5.job").symlink_to("secret")
    with pytest.raises(JobError, match="symbolic link"):
        Spool(tmp_path).read(tmp_path / "17.5.job")


def test_a_rejected_job_has_its_reason_beside_it(tmp_path):
    path = tmp_path / "17.5.job"
    path.write_text(TEXT)
    Spool(tmp_path).reject(path, "no such \ud800 file")
    assert not path.exists()
    assert (tmp_path / "rejected/17.5.job").read_text() == TEXT
    assert (tmp_path / "rejected/17.5.job.reason").read_text() == "no such ? file\n"


def test_what_was_rejected_before_stays(tmp_path):
    for text in ("first", "second"):
        (tmp_path / "17.5.wav").write_text(text)
        Spool(tmp_path).reject(tmp_path / "17.5.wav", f"so {text}")
    rejected = tmp_path / "rejected"
    assert (rejected / "17.5.wav").read_text() == "first"
    assert (rejected / "17.5.wav.2").read_text() == "second"
    assert (rejected / "17.5.wav.2.reason").read_text() == "so second\n"


def test_of_what_is_not_there_the_reason_stays(tmp_path):
    Spool(tmp_path).reject(tmp_path / "17.5.wav", "it never came")
    assert [path.name for path in (tmp_path / "rejected").iterdir()] == [
        "17.5.wav.reason"
    ]


def test_one_agent_at_a_time(tmp_path):
    first, second = Spool(tmp_path / "spool"), Spool(tmp_path / "spool")
    lock = first.lock()
    assert lock is not None and second.lock() is None
    os.close(lock)
    lock = second.lock()
    assert lock is not None
    os.close(lock)
