import io

import pytest

from agent.models.progress import Lines


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def run(stream: io.StringIO, seconds: float, *, resumed: int = 0) -> str:
    """A download of 10 MB at 1 MB a second, looked at every `seconds`."""
    clock = Clock()
    lines = Lines(stream, clock)
    done = float(resumed)
    while done < 10e6:
        lines.at("ear/ear.bin", int(done), 10_000_000)
        clock.now += seconds
        done += seconds * 1e6
    lines.at("ear/ear.bin", 10_000_000, 10_000_000)
    lines.said("ear: fetched")
    return stream.getvalue()


def test_plain_lines_every_five_seconds() -> None:
    assert run(io.StringIO(), 1.0) == (
        "ear/ear.bin: 5.0/10.0 MB 1.0 MB/s ETA 0:05\n"
        "ear/ear.bin: 10.0/10.0 MB 1.0 MB/s\n"
        "ear: fetched\n"
    )


def test_resumed_bytes_do_not_count_as_speed() -> None:
    assert run(io.StringIO(), 1.0, resumed=4_000_000) == (
        "ear/ear.bin: 9.0/10.0 MB 1.0 MB/s ETA 0:01\n"
        "ear/ear.bin: 10.0/10.0 MB 1.0 MB/s\n"
        "ear: fetched\n"
    )


def test_a_bar_is_written_over_itself_and_taken_away() -> None:
    written = run(Screen(), 5.0)
    bar = "[############            ] 5.0/10.0 MB 1.0 MB/s ETA 0:05 ear/ear.bin"
    assert written == f"\r{bar}\x1b[K\r\x1b[Kear: fetched\n"


def test_a_bar_never_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    bar = run(Screen(), 5.0).removeprefix("\r").partition("\x1b[K")[0]
    assert len(bar) == 39


def test_a_short_matter_leaves_no_line() -> None:
    assert run(io.StringIO(), 11.0) != run(io.StringIO(), 1.0)
    stream = io.StringIO()
    Lines(stream, Clock()).at("config.json", 10, 10)
    assert stream.getvalue() == ""


def test_a_new_label_begins_anew() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, clock)
    lines.at("one", 0, 100_000_000)
    clock.now += 5
    lines.at("two", 0, 10_000_000)
    clock.now += 5
    lines.at("two", 5_000_000, 10_000_000)
    assert stream.getvalue() == "two: 5.0/10.0 MB 1.0 MB/s ETA 0:05\n"
