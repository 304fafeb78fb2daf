import pytest

from bench.reported import Pair, pair, summary

NOON = 1795262400.0
"""2026-11-21T12:00:00Z."""
RECORD = {
    "turns": [
        {
            "speaker": "caller",
            "started_at": "2026-11-21T12:00:00Z",
            "ended_at": "2026-11-21T12:00:20Z",
            "latency": {},
        },
        {
            "speaker": "agent",
            "started_at": "2026-11-21T12:00:05Z",
            "ended_at": "2026-11-21T12:00:08Z",
            "latency": {"heard": 0.75},
        },
        {
            "speaker": "agent",
            "started_at": "2026-11-21T12:00:12Z",
            "ended_at": "2026-11-21T12:00:15Z",
            "latency": {},
        },
    ]
}


@pytest.mark.parametrize(
    ("at", "reported", "off"),
    [(5.5, 750, 50), (8.01, 750, 50), (10, None, None), (13, None, None)],
    ids=["its turn", "a moment late", "between turns", "a turn without it"],
)
def test_a_pair(at, reported, off):
    found = pair("a", RECORD, NOON + at, measured=0.7)
    assert found.reported_ms == reported
    assert found.off_ms == off


def test_a_summary_leaves_out_what_was_disturbed():
    result = summary(
        [
            Pair("a", NOON, 700.0, 1.0, 705.0),
            Pair("a", NOON, 700.0, 1.0, 660.0),
            Pair("a", NOON, 700.0, 1.0, None),
            Pair("b", NOON, 700.0, 90.0, 1700.0),
        ]
    )
    assert (result["turns"], result["disturbed"]) == (3, 1)
    assert result["not_in_the_record"] == 1
    assert result["within_20_ms"] == 0.5
    assert result["off_at_most_ms"] == 40.0


def test_nothing_to_sum_up():
    assert summary([])["turns"] == 0
