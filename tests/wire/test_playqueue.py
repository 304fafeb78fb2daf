import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.wire import events
from agent.wire.commands import (
    Answer,
    Continue,
    Flush,
    GetStatus,
    Hangup,
    Ignored,
    Mark,
    Pause,
    ReportQueueDrained,
    SetDirection,
    StartBuffering,
    StopBuffering,
)
from agent.wire.events import (
    BufferingCompleted,
    Dtmf,
    Event,
    MarkReached,
    MediaStart,
    QueueDrained,
    Refused,
    Status,
    Xoff,
    Xon,
)
from agent.wire.mirror import DriverMirror, mirror
from agent.wire.playqueue import PlayQueue
from tests.wire.trace import Trace, traces

TICK = 0.02


def play(queue: PlayQueue, ticks: int) -> bytes:
    return b"".join(queue.tick() or b"" for _ in range(ticks))


def test_a_tail_is_never_heard_outside_of_buffering():
    queue = PlayQueue(frame_size=4)
    queue.audio(b"aaaabb")
    queue.audio(b"bbcccc")
    assert play(queue, 9) == b"aaaabbcc"


def test_buffering_loses_nothing_and_ends_with_a_short_frame():
    queue = PlayQueue(frame_size=4)
    queue.obey(StartBuffering())
    queue.audio(b"aaaab")
    queue.audio(b"b")
    queue.audio(b"bbcc")
    assert [queue.tick() for _ in range(3)] == [b"aaaa", b"bbbb", None]
    queue.obey(StopBuffering("s"))
    assert [queue.tick() for _ in range(2)] == [b"cc", None]
    assert queue.said == [BufferingCompleted("s")]


def test_a_mark_is_answered_on_the_tick_after_its_audio_and_takes_no_slot():
    queue = PlayQueue(frame_size=4)
    queue.obey(Mark("before"))
    queue.audio(b"aaaa")
    queue.obey(Mark("between"))
    queue.audio(b"bbbb")
    assert queue.tick() == b"aaaa"
    assert queue.said == [MarkReached("before")]
    assert queue.tick() == b"bbbb"
    assert queue.said == [MarkReached("before"), MarkReached("between")]


def test_a_flush_takes_audio_marks_and_buffering_but_no_pause_and_no_report():
    queue = PlayQueue(frame_size=4)
    for command in (StartBuffering(), Pause(), ReportQueueDrained()):
        queue.obey(command)
    queue.audio(b"aaaabb")
    queue.obey(Mark("lost"))
    queue.obey(Flush())
    assert queue.status() == Status(0, media_paused=True)
    queue.audio(b"cccc")
    assert play(queue, 3) == b""
    queue.obey(Continue())
    assert play(queue, 3) == b"cccc"
    assert queue.said == [QueueDrained()]


def test_xoff_xon_and_the_limit():
    queue = PlayQueue(frame_size=4)
    queue.audio(b"aaaa" * 899)
    assert queue.said == []
    queue.audio(b"aaaa" * 100)
    assert queue.said == [Xoff()]
    queue.audio(b"aaaa" * 300)
    assert len(queue) == 1299, "the limit is looked at before a message, not within"
    queue.audio(b"aaaa")
    assert len(queue) == 1299
    play(queue, 500)
    assert queue.said == [Xoff()]
    play(queue, 1)
    assert queue.said == [Xoff(), Xon()]


def test_the_tail_of_stop_buffering_passes_the_limit():
    queue = PlayQueue(frame_size=4)
    queue.obey(StartBuffering())
    queue.audio(b"aaaa" * 1000 + b"b")
    queue.obey(StopBuffering())
    assert len(queue) == 1001


def test_drained_is_said_once_and_not_while_paused():
    queue = PlayQueue()
    queue.obey(Pause())
    queue.obey(ReportQueueDrained())
    queue.obey(ReportQueueDrained())
    play(queue, 3)
    assert queue.said == []
    queue.obey(Continue())
    play(queue, 3)
    assert queue.said == [QueueDrained()]


def test_direction_in_drops_our_audio_and_refuses_what_needs_it():
    queue = PlayQueue(frame_size=4)
    queue.audio(b"aaaa")
    queue.obey(SetDirection("in"))
    queue.audio(b"bbbb")
    queue.obey(Mark("m"))
    assert play(queue, 2) == b""
    assert queue.said == [
        Refused("MARK_MEDIA not supported while media direction is 'in'")
    ]
    queue.obey(SetDirection("both"))
    assert play(queue, 2) == b"aaaa"


def test_hangup_throws_away_what_is_queued():
    queue = PlayQueue(frame_size=4)
    queue.audio(b"aaaa")
    assert queue.command('{"command":"HANGUP"}') == Hangup()
    assert queue.hung_up
    assert queue.tick() is None


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ('{"command":"ANSWER"}', Answer()),
        ('{"command":"NOPE"}', Ignored("command unknown: 'NOPE'")),
        ('{"command":"GET_STATUS","x":"' + "y" * 99 + '"}', None),
        ("GET_STATUS", Refused("Unable to parse JSON command")),
    ],
)
def test_silence_and_refusals(text, understood):
    queue = PlayQueue()
    result = queue.command(text)
    if understood is None:
        assert result == Ignored("130 bytes, not 1 to 128")
    else:
        assert result == understood
    assert queue.said == [result] * isinstance(result, Refused)
    assert queue.answered == (result == Answer())


def test_a_callback_gets_every_event_at_once():
    said: list[Event] = []
    queue = PlayQueue(say=said.append)
    queue.obey(GetStatus())
    assert said == [Status(0)]
    assert queue.said == []


# Real time jitters, ours does not. The driver's timer runs at exactly 50 a second, so
# an event of the replay may come one tick early or late, and a STATUS may count one
# frame more or less, where a command met a tick. Order and all else are exact.
JITTER = TICK + 0.002


@pytest.mark.parametrize("call", traces(), ids=lambda call: call.name)
def test_the_queue_says_what_asterisk_said(call: Trace):
    real = [(at, e) for at, e in heard(call) if not isinstance(e, MediaStart | Dtmf)]
    ours, hung_up = replay(call)
    assert [_uncounted(e) for _, e in ours] == [_uncounted(e) for _, e in real]
    for (at, event), (real_at, real_event) in zip(ours, real, strict=True):
        assert at == pytest.approx(real_at, abs=JITTER), event
        if isinstance(event, Status):
            assert abs(event.queue_length - real_event.queue_length) <= 1, at
    assert hung_up == any("HANGUP" in text for text in call.texts("to")[-1:])


def heard(call: Trace) -> list[tuple[float, Event]]:
    return [
        (line.at, events.parse(line.message))
        for line in call.lines
        if line.way == "from" and isinstance(line.message, str)
    ]


def replay(call: Trace) -> tuple[list[tuple[float, Event]], bool]:
    said: list[tuple[float, Event]] = []
    now, next_tick = 0.0, first_tick(call)
    queue = PlayQueue(
        call.start.frame_size,
        DriverMirror(call.format),
        lambda event: said.append((now, event)),
    )
    for line in call.lines:
        while next_tick <= line.at:
            now = next_tick
            queue.tick()
            next_tick += TICK
        now = line.at
        if line.way == "to":
            idle = queue.direction == "in"
            for _ in range(line.times):
                if isinstance(line.message, str):
                    queue.command(line.message)
                else:
                    queue.audio(line.message)
            if idle and queue.direction != "in":
                next_tick = now + TICK  # the driver makes a new timer
    return said, queue.hung_up


def first_tick(call: Trace) -> float:
    """Told by the promptest of the events that come on a tick.

    Of the first ones: a change of direction, later on, makes a new timer.
    """
    ticks = [
        at
        for at, event in heard(call)
        if isinstance(event, MarkReached | BufferingCompleted | QueueDrained | Xon)
    ]
    if not ticks:
        return TICK / 2
    late = min((at - ticks[0] + TICK / 2) % TICK for at in ticks[:4]) - TICK / 2
    return (ticks[0] + late - 0.0003) % TICK


def _uncounted(event: Event) -> Event:
    if not isinstance(event, Status):
        return event
    return Status(0, 800, 900, event.queue_full, event.bulk_media, event.media_paused)


ACTIONS = st.one_of(
    st.binary(max_size=50),
    st.integers(0, 30),
    st.sampled_from(
        [StartBuffering(), StopBuffering("s"), Mark("m"), Flush(), Pause(), Continue()]
    ),
)


@settings(deadline=None)
@given(st.lists(ACTIONS, max_size=40))
def test_nothing_is_heard_that_was_not_sent_and_no_mark_comes_twice(actions):
    queue = PlayQueue(frame_size=4)
    sent, heard, asked = b"", b"", 0
    for action in actions:
        match action:
            case bytes():
                sent += action
                queue.audio(action)
            case int():
                heard += play(queue, action)
            case command:
                asked += isinstance(command, Mark | StopBuffering)
                queue.obey(command)
        assert len(queue) >= 0
    heard += play(queue, 600)
    rest = iter(sent)
    assert all(byte in rest for byte in heard), "in order, with gaps at most"
    assert len(queue.said) <= asked


@settings(deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=20))
def test_buffering_is_lossless(messages):
    queue = PlayQueue(frame_size=7)
    queue.obey(StartBuffering())
    for message in messages:
        queue.audio(message)
    queue.obey(StopBuffering())
    assert play(queue, 200) == b"".join(messages)


@settings(deadline=None)
@given(
    st.text(max_size=140) | st.binary(max_size=140).map(lambda b: b.decode("latin-1"))
)
def test_no_text_breaks_the_queue(text):
    for name in ("json", "plain-text", "envelope"):
        PlayQueue(mirror=mirror(name)).command(text)
