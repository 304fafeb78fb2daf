import errno
import os

import pytest

from agent.storage.errors import StorageError
from agent.storage.segments import Place, Segments


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def make(folder):
    made = []

    def make(least=1, **options):
        log = Segments(folder, **options)
        log.lines = log.open(least)
        made.append(log)
        return log

    yield make
    for log in made:
        log.close()


def read(log, place=None, limit=1000):
    entries, place = log.read(place or Place(0, 0), log.end(limit), limit)
    return [(entry.number, entry.text) for entry in entries], place


def files(folder):
    return sorted(path.name for path in folder.glob("*.facts"))


@pytest.fixture
def full(monkeypatch):
    """How many bytes the disk still takes."""
    room = [0]
    write = os.write

    def limited(file, text):
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = write(file, text[: room[0]])
        room[0] -= done
        return done

    monkeypatch.setattr(os, "write", limited)
    return room


def test_what_was_added_is_read_in_its_order(make):
    log = make(7)
    assert [log.add(b"one"), log.add(b""), log.add("zwölf".encode())] == [7, 8, 9]
    everything = [(7, b"one"), (8, b""), (9, "zwölf".encode())]
    assert read(log)[0] == everything
    first, place = read(log, limit=2)
    rest, place = read(log, place)
    assert first + rest == everything
    assert read(log, place)[0] == []
    log.add(b"more")
    assert read(log, place)[0] == [(10, b"more")]


def test_it_is_there_in_the_next_life(make):
    log = make(7)
    for text in (b"a", b"b"):
        log.add(text)
    log.close()
    log = make(3)
    assert log.lines == 2
    assert log.first == log.add(b"c") == 9
    assert read(log)[0] == [(7, b"a"), (8, b"b"), (9, b"c")]


@pytest.mark.parametrize("least", [1, 100, 10**15])
def test_numbers_rise_from_life_to_life(make, least):
    numbers = []
    for _ in range(4):
        log = make(least)
        numbers += [log.add(b"x"), log.add(b"y")]
        log.close()
    assert numbers == sorted(set(numbers)) and numbers[0] == least


def test_files_are_cut_and_dropped(make, folder):
    log = make(1, cut_bytes=40)
    for number in range(10):
        log.add(b"%d" % number)
    assert len(files(folder)) > 2
    entries, place = read(log)
    assert [text for _, text in entries] == [b"%d" % number for number in range(10)]
    over = log.drop(10, place)
    assert [path.name for path in over] == files(folder)[:-1]
    assert log.drop(10, place) == []
    log.cut()
    _, place = read(log, place)
    assert [path.name for path in log.drop(10, place)] == [files(folder)[-2]]
    log.cut()
    assert files(folder)[-1] == f"{11:020}.facts"


@pytest.mark.parametrize(
    ("spoil", "left"),
    [
        (lambda text: text[:-4], [1, 2, None]),
        (lambda text: text[:-1], [1, 2, 3]),
        (lambda text: text + b"12345678 4 fo", [1, 2, 3, None]),
        (lambda text: text.replace(b"two", b"owt"), [1, None, 3]),
        (lambda text: text + b"\0" * 99, [1, 2, 3, None]),
        (lambda text: b"", []),
    ],
    ids=["torn", "without its end", "half a line", "bits turned", "zeros", "empty"],
)
def test_what_a_power_cut_left_is_known_for_what_it_is(make, folder, spoil, left):
    log = make(1)
    for text in (b"one", b"two", b"three"):
        log.add(text)
    log.close()
    path = folder / files(folder)[0]
    path.write_bytes(spoil(path.read_bytes()))
    log = make(1)
    log.add(b"new")
    entries, _ = read(log)
    assert log.lines == len(left)
    assert [number for number, _ in entries[:-1]] == left
    texts = {1: b"one", 2: b"two", 3: b"three"}
    for number, text in entries[:-1]:
        assert number is None or text == texts[number]
    assert entries[-1][0] > 1 and entries[-1][1] == b"new"


@pytest.mark.parametrize("room", [0, 10, 25])
def test_a_full_disk_costs_nothing(make, full, room):
    full[0] = 1000
    log = make(1)
    log.add(b"one")
    full[0] = room
    assert [log.add(b"two"), log.add(b"three")] == [2, 3]
    assert log.trouble.errno == errno.ENOSPC
    entries, place = read(log)
    entries += read(log, place)[0]
    assert [text for _, text in entries][:3] == [b"one", b"two", b"three"]
    log.drop(2, place)
    full[0] = 1000
    log.write_out()
    assert log.trouble is None
    log.add(b"four")
    log.close()
    assert [text for _, text in read(make(1))[0] if text != b"two"] == [
        *(b"one", b"three", b"four"),
    ]


def test_half_a_line_that_stays_is_the_last_of_its_file(
    make, folder, full, monkeypatch
):
    full[0] = 1000
    log = make(1)
    log.add(b"one")
    full[0] = 10

    def broken(file, length):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "ftruncate", broken)
    log.add(b"two")
    full[0] = 1000
    log.add(b"three")
    assert len(files(folder)) == 2
    numbers = [number for number, _ in read(log)[0]]
    assert numbers == [1, None, 2, 3]


def test_what_is_in_files_is_not_in_memory(make):
    log = make(1)
    for _ in range(5000):
        log.add(b"x" * 100)
    assert log.end(5000).unwritten == ()


def test_one_process_has_it(make, folder):
    make(1)
    with pytest.raises(StorageError, match="that of an agent which still runs"):
        Segments(folder).open(1)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot open the journal"):
        Segments(tmp_path / "file").open(1)


def test_the_disk_has_all_after_a_sync(make, folder, monkeypatch):
    synced = []
    real = os.fsync

    def watched(file):
        synced.append(os.readlink(f"/proc/self/fd/{file}").rsplit("/", 1)[-1])
        real(file)

    monkeypatch.setattr(os, "fsync", watched)
    log = make(1, cut_bytes=40)
    for number in range(4):
        log.add(b"%d" % number)
    log.sync(log.end(0))
    assert synced == [*files(folder), "log"]
    log.sync(log.end(0))
    assert synced[-2:] == [files(folder)[-1], "log"]
    assert len(synced) == len(files(folder)) + 3
