from agent.phone import stamp, ulaw
from bench.servers.talking import DIGITS, frame
from bench.stalls import Asterisk, Drift


def heard(late_ms: int, monkeypatch) -> list[int]:
    """What Asterisk notes of a frame that is so late."""
    due = 5_000_000
    monkeypatch.setattr("time.monotonic", lambda: (due + late_ms) / 1000)
    asterisk = Asterisk(socket=None)
    asterisk._hear(ulaw.from_pcm(ulaw.to_pcm(frame(due))))
    return asterisk.late


def test_a_frame_tells_how_late_it_is(monkeypatch):
    for late in (-20, 0, 17, 250_000):
        assert heard(late, monkeypatch) == [late]


def test_silence_is_not_late():
    asterisk = Asterisk(socket=None)
    asterisk._hear(None)
    asterisk._hear(ulaw.SILENCE * ulaw.FRAME)
    assert asterisk.late == []


def test_a_frame_is_whole():
    assert len(frame(7)) == ulaw.FRAME
    assert stamp.read(frame(7)[:DIGITS]) == 7


def test_drift_is_counted_in_frames():
    assert Drift(1, 0.1, 10.0, 300.0, 50.0, 0.0).frames == 2.0
