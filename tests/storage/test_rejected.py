import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from agent.calls.facts import CallBegan, TurnTaken
from agent.calls.transcript import Speaker, Turn
from agent.storage.journal import encode
from agent.storage.rejected import REJECTED, Rejected, call_of, rejection
from agent.storage.segments import Entry

from .kept import CALL, CANARY, NOON

TURN = TurnTaken("17.5", Turn(Speaker.CALLER, CANARY, NOON, NOON))
DAY = timedelta(days=1)


def of(fact, at=NOON, why="the database's no"):
    return rejection(Entry(1, encode(fact)), why, at)


@pytest.fixture
def rejected(tmp_path):
    return Rejected(tmp_path)


def lines(folder):
    path = folder / REJECTED
    return path.read_text().splitlines() if path.exists() else []


def test_what_is_added_can_be_read_again_and_only_by_its_owner(rejected, tmp_path):
    rejected.add([of(CallBegan(CALL))])
    rejected.add([of(TURN), rejection(Entry(None, b"\xff"), "no fact", NOON)])
    read = [json.loads(line) for line in lines(tmp_path)]
    assert [call_of(each) for each in read] == ["17.5", "17.5", ""]
    assert read[1]["fact"]["turn"]["text"] == CANARY
    assert (tmp_path / REJECTED).stat().st_mode & 0o077 == 0
    assert rejected.barred() == {"17.5"}


def test_of_an_erased_call_not_a_word_is_left(rejected, tmp_path):
    other = of(TurnTaken("17.50", TURN.turn))
    rejected.add([of(CallBegan(CALL)), of(TURN, why=CANARY), other])
    rejected.forget("17.5")
    *ours, last = (json.loads(line) for line in lines(tmp_path))
    assert last == other
    assert CANARY not in json.dumps(ours) and CALL.caller not in json.dumps(ours)
    assert {(each["kind"], each["at"], call_of(each)) for each in ours} == {
        ("CallBegan", NOON.isoformat(), "17.5"),
        ("TurnTaken", NOON.isoformat(), "17.5"),
    }
    # What comes of it later is still not for a call that had its id before.
    assert rejected.barred() == {"17.5"}


def test_what_is_old_goes(rejected, tmp_path):
    rejected.add([of(CallBegan(CALL)), of(TURN, NOON + DAY)])
    rejected.forget_before(NOON + DAY)
    (left,) = lines(tmp_path)
    assert json.loads(left)["kind"] == "TurnTaken"
    rejected.forget_before(NOON + 2 * DAY)
    assert not (tmp_path / REJECTED).exists()


@pytest.mark.parametrize(
    ("before", "there"), [(NOON, True), (NOON + timedelta(seconds=1), False)]
)
@pytest.mark.parametrize("broken", ['{"at": "20', "[]", '{"at": 5}'])
def test_half_a_line_is_as_old_as_the_one_before(
    rejected, tmp_path, broken, before, there
):
    """A power cut leaves it."""
    rejected.add([of(TURN)])
    with (tmp_path / REJECTED).open("a") as file:
        file.write(f"{broken}\n")
    rejected.forget("17.6")
    assert lines(tmp_path)[-1] == broken
    rejected.forget_before(before)
    assert (broken in lines(tmp_path)) == there


def test_where_nothing_was_rejected_nothing_is_made(rejected, tmp_path):
    rejected.forget("17.5")
    rejected.forget_before(NOON)
    assert rejected.barred() == set()
    assert list(tmp_path.iterdir()) == []


def test_what_is_added_meanwhile_is_not_lost(tmp_path):
    """By another process, for which another object stands here."""
    young = datetime(2100, 1, 1, tzinfo=UTC)

    def add(rejected):
        for _ in range(50):
            rejected.add([of(TURN, young)])

    adding = threading.Thread(target=add, args=[Rejected(tmp_path)])
    adding.start()
    rejected = Rejected(tmp_path)
    while adding.is_alive():
        rejected.add([of(TURN)])
        rejected.forget_before(NOON + DAY)
    adding.join()
    assert len(lines(tmp_path)) == 50
