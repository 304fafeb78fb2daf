import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.storage.spool import Job, JobError, Spool

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
JOB = Job("17.5", "abc", NOON, "prod")
TEXT = (
    '{"recording": "17.5", "call": "abc", "environment": "prod",'
    ' "closed_at": "2026-11-21T12:00:00Z"}\n'
)


def test_a_job_as_the_script_writes_it():
    assert Job.read(TEXT) == JOB


def test_a_job_that_failed_before():
    failed = replace(JOB, attempts=3, not_before=NOON, last_error="no room")
    assert Job.read(failed.text()) == failed


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a job"),
        ("[]", "not a job"),
        ("[" * 10_000, "not a job"),
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
        (TEXT.replace('"2026-11-21T12:00:00Z"', "null"), "make no sense"),
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


def test_only_jobs_are_waiting(tmp_path):
    for name in ("2.1.job", "1.1.job", ".3.1.99.tmp", "4.1.wav"):
        (tmp_path / name).write_text("")
    Spool(tmp_path).reject(tmp_path / "2.1.job", "so")
    assert [path.name for path in Spool(tmp_path).waiting()] == ["1.1.job"]


def test_a_job_under_a_wrong_name(tmp_path):
    (tmp_path / "9.9.job").write_text(TEXT)
    with pytest.raises(JobError, match=r"it is for '17\.5'"):
        Spool(tmp_path).read(tmp_path / "9.9.job")


def test_a_job_that_is_a_link(tmp_path):
    (tmp_path / "secret").write_text(TEXT)
    (tmp_path / "17.5.job").symlink_to("secret")
    with pytest.raises(JobError, match="symbolic link"):
        Spool(tmp_path).read(tmp_path / "17.5.job")


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(0, 1), (1, 2), (5, 32), (9, 300), (10_000, 300)]
)
def test_pauses_grow_to_five_minutes(tmp_path, attempts, seconds):
    spool = Spool(tmp_path)
    spool.postpone(replace(JOB, attempts=attempts), "no room", NOON)
    assert spool.read(tmp_path / "17.5.job") == replace(
        JOB,
        attempts=attempts + 1,
        not_before=NOON + timedelta(seconds=seconds),
        last_error="no room",
    )


def test_a_rejected_job_has_its_reason_beside_it(tmp_path):
    path = tmp_path / "17.5.job"
    path.write_text(TEXT)
    Spool(tmp_path).reject(path, "no such \ud800 file")
    assert not path.exists()
    assert (tmp_path / "rejected/17.5.job").read_text() == TEXT
    assert (tmp_path / "rejected/17.5.reason").read_text() == "no such ? file\n"


def test_one_agent_at_a_time(tmp_path):
    first, second = Spool(tmp_path / "spool"), Spool(tmp_path / "spool")
    lock = first.lock()
    assert lock is not None and second.lock() is None
    os.close(lock)
    lock = second.lock()
    assert lock is not None
    os.close(lock)
