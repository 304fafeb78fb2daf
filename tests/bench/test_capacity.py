import pytest

from bench.capacity import PERCENTILES, Point, mb_per_call, row
from bench.server import Lag


def point(calls: int, pss_mb: float = 100.0, **changes) -> Point:
    values = {
        "server": "ours",
        "calls": calls,
        "cpu": 50.0,
        "delay_ms": dict.fromkeys(PERCENTILES, 1.25),
        "lost": 0,
        "lost_percent": 0.0,
        "crossed": 0,
        "silent": 0,
        "closed": 0,
        "waiting": 5,
        "said": {},
        "pss_mb": pss_mb,
        "lag": Lag(0.1, 0.5, 2.5),
        "load_cpu": 20.0,
        "load_late_ms": 1.0,
        "machine_load": 0.5,
    }
    return Point(**values | changes)


@pytest.mark.parametrize(
    ("points", "slope"),
    [
        ([], None),
        ([point(10)], None),
        ([point(10, 110), point(100, 200)], 1.0),
        ([point(10, 100), point(20, 100), point(30, 100)], 0.0),
        ([point(0, 100), point(10, 106), point(20, 110)], 0.5),
    ],
)
def test_memory_of_each_further_call(points, slope):
    assert mb_per_call(points) == (None if slope is None else pytest.approx(slope))


def test_a_quiet_row_has_no_notes():
    assert row(point(200)).endswith("| " + " 0.50 ")
    assert "0.250" in row(point(200))


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"crossed": 3}, "crossed 3"),
        ({"closed": 2}, "closed 2"),
        ({"load_late_ms": 31.0}, "(the load was held up)"),
    ],
)
def test_what_spoils_a_row_is_said(changes, note):
    assert row(point(10, **changes)).endswith(note)
