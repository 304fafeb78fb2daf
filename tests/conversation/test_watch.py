"""Calls as text: what happens at which second, and what the watch makes of it."""

import re
from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.calls.ai import AI, Silence
from agent.conversation.watch import (
    FILLER_EVERY,
    Filler,
    HoldHint,
    HoldOver,
    Reprompt,
    TooLong,
    Watch,
)

DESK = AI("desk", "You answer the phone.", max_minutes=5)
CHATTY = AI("chatty", "p", silence=Silence(3, 1), filler_seconds=1, max_minutes=5)


def play(script, until, ai=DESK):
    """What a watch does by then, as text. `2-5 frames`: one each 20 ms."""
    watch = Watch(ai)
    done = []
    wake = None

    def look_until(now):
        nonlocal wake
        while wake is not None and wake <= now:
            for action in watch.look(wake):
                words = [type(action).__name__, *map(str, astuple(action))]
                done.append(f"{round(wake, 2):g} {' '.join(words)}")
            due = watch.due()
            assert due is None or due > wake
            wake = due

    for now, name, words in sorted(events(script), key=lambda event: event[0]):
        look_until(now)
        if name in ("agent_said", "caller_said"):
            getattr(watch, name)(goodbye=words == "goodbye")
        else:
            getattr(watch, name)(now)
        if name != "frames":  # nobody is woken for those
            due = watch.due()
            wake = None if due is None else max(due, now)
    look_until(until)
    return ", ".join(done)


def events(script):
    for event in filter(None, re.split(r",\s*", script.strip())):
        time, name, *words = event.split()
        begin, _, end = time.partition("-")
        if end:
            count = round((float(end) - float(begin)) / 0.02)
            for number in range(count + 1):
                yield float(begin) + 0.02 * number, name, ""
        else:
            yield float(time), name, " ".join(words)


UP = "0 answered, 0 media_ready"
GREETED = f"{UP}, 0 agent_started, 2 agent_stopped"


@pytest.mark.parametrize(
    ("script", "does"),
    [
        ("", ""),
        ("1 answered", ""),
        ("1 media_ready", ""),
        ("1 answered, 3 media_ready", "3 Start"),
        ("1 media_ready, 3 answered", "3 Start"),
        ("1 answered, 2 media_ready, 3 answered, 4 media_ready", "2 Start"),
        ("0 hold, 1 answered, 1 media_ready", ""),
        ("0 hold, 1 answered, 1 media_ready, 4 resume", "4 Start"),
        # Nobody is asked whether he is there before he is.
        ("0 caller_started, 1 caller_stopped, 2 asked", ""),
    ],
)
def test_start(script, does):
    assert play(script, 6) == does


@pytest.mark.parametrize(
    ("script", "does"),
    [
        # An AI without a greeting waits as long as one that has said something.
        (UP, "0 Start, 8 Reprompt 1, 16 Reprompt 2, 24 Goodbye"),
        (GREETED, "0 Start, 10 Reprompt 1, 18 Reprompt 2, 26 Goodbye"),
        # Between two reprompts the silence counts from the end of the first.
        (
            f"{GREETED}, 10.2 agent_started, 12 agent_stopped",
            "0 Start, 10 Reprompt 1, 20 Reprompt 2, 28 Goodbye",
        ),
        # Whoever answers a reprompt is asked as often again.
        (
            f"{GREETED}, 20 caller_started, 21 caller_stopped",
            "0 Start, 10 Reprompt 1, 18 Reprompt 2, 29 Reprompt 1",
        ),
        (f"{GREETED}, 9 caller_typed", "0 Start, 17 Reprompt 1, 25 Reprompt 2"),
        # While somebody speaks nobody is silent.
        (f"{GREETED}, 9 caller_started", "0 Start"),
        (f"{GREETED}, 9 agent_started", "0 Start"),
        # An answer on its way, a tool at work.
        (f"{GREETED}, 9 tool_started, 9 agent_started", "0 Start"),
        (
            f"{GREETED}, 8 asked, 8.5 answer_over",
            "0 Start, 16.5 Reprompt 1, 24.5 Reprompt 2",
        ),
    ],
)
def test_silence(script, does):
    assert play(script, 30) == does


@pytest.mark.parametrize(
    ("silence", "does"),
    [
        (Silence(0, 2), "0 Start"),
        (Silence(5, 0), "0 Start, 5 Goodbye"),
        (Silence(5, 1), "0 Start, 5 Reprompt 1, 10 Goodbye"),
    ],
)
def test_silence_as_the_ai_has_it(silence, does):
    assert play(UP, 60, AI("a", "p", silence=silence)) == does


def test_a_goodbye_that_the_caller_interrupts_is_taken_back():
    brief = AI("a", "p", silence=Silence(5, 0))
    script = f"{UP}, 12 caller_started, 13 caller_stopped"
    assert play(script, 60, brief) == "0 Start, 5 Goodbye, 18 Goodbye"


def test_an_answer_that_nobody_reports_as_over_does_not_silence_the_call():
    script = f"{GREETED}, 3 asked, 3.5 tool_started, 50 tool_finished"
    assert play(script, 89, AI("a", "p", filler_seconds=0)) == (
        "0 Start, 88 Reprompt 1"  # 50, and 30 for the answer, and 8
    )


# The caller is silent again after 4 seconds.
ASKS = f"{GREETED}, 3 caller_started, 4 caller_stopped"


@pytest.mark.parametrize(
    ("script", "does"),
    [
        (f"{ASKS}, 4.3 asked", "5.9 Filler 1, 9.9 Filler 2, 13.9 Filler 3"),
        (f"{ASKS}, 4.3 asked, 5.8 agent_started, 9 agent_stopped", ""),
        (f"{ASKS}, 4.3 asked, 5.8 answer_over", ""),
        (f"{ASKS}, 4.3 asked, 5.8 hold", ""),
        (f"{ASKS}, 4.3 asked, 5.8 caller_started", ""),
        # Filler and answer are told apart.
        (
            f"{ASKS}, 4.3 asked, 6 agent_started, 7 agent_stopped,"
            " 8 agent_started, 10 agent_stopped",
            "5.9 Filler 1",
        ),
        (
            f"{ASKS}, 4.3 asked, 6 agent_started, 7 agent_stopped",
            "5.9 Filler 1, 9.9 Filler 2, 13.9 Filler 3",
        ),
        # A filler that came to nothing.
        (f"{ASKS}, 4.3 asked, 8 agent_started, 9 agent_stopped", "5.9 Filler 1"),
        # Both in one breath.
        (
            f"{ASKS}, 4.3 asked, 6 agent_started, 9 answer_over, 9.1 agent_stopped",
            "5.9 Filler 1",
        ),
        # A slow tool; the model asked before and after it is one wait.
        (
            f"{ASKS}, 4 asked, 5 tool_started, 5 answer_over, 5.5 tool_finished,"
            " 5.51 asked, 6 agent_started",
            "5.6 Filler 1",
        ),
        (
            f"{ASKS}, 4 asked, 5 tool_started, 5 answer_over",
            "5.6 Filler 1, 9.6 Filler 2, 13.6 Filler 3",
        ),
        # "Let me see": the tool that runs on is waited for from there.
        (
            f"{ASKS}, 4 asked, 4.4 tool_started, 4.5 agent_started, 5.5 agent_stopped,"
            " 8 tool_finished, 8 asked, 8.5 agent_started",
            "7.1 Filler 1",
        ),
        # Somebody who speaks into the wait waits anew.
        (
            f"{ASKS}, 4.3 asked, 7 caller_started, 10 caller_stopped, 10.2 asked",
            "5.9 Filler 1, 11.6 Filler 1",
        ),
        # Another wait, with an empty answer between the two.
        (
            f"{ASKS}, 4.3 asked, 4.5 answer_over, 9 asked",
            "10.6 Filler 1, 14.6 Filler 2",
        ),
    ],
)
def test_fillers(script, does):
    fillers = [done for done in play(script, 15).split(", ") if "Filler" in done]
    assert ", ".join(fillers) == does


def test_an_ai_without_fillers():
    assert play(f"{ASKS}, 4 asked", 20, AI("a", "p", filler_seconds=0)) == "0 Start"


@pytest.mark.parametrize(
    ("script", "does"),
    [
        ("9 agent_said goodbye, 9 caller_said goodbye", "9 Farewell"),
        ("3 agent_said goodbye, 4 caller_said goodbye", "4.5 Farewell"),
        ("3 caller_said goodbye, 4 agent_said goodbye", "4.5 Farewell"),
        ("3 agent_said goodbye", "10 Reprompt 1"),
        ("3 caller_said goodbye", "10 Reprompt 1"),
        # One more thing ...
        (
            "3 agent_said goodbye, 3 caller_said goodbye, 4 caller_started,"
            " 5 caller_stopped, 5 caller_said",
            "",
        ),
        (
            "3 agent_said goodbye, 3 caller_said goodbye, 4 caller_started,"
            " 5 caller_stopped, 5 caller_said goodbye",
            "7.5 Farewell",
        ),
        ("3 agent_said goodbye, 3 caller_said goodbye, 4 asked, 4 agent_started", ""),
    ],
)
def test_farewell(script, does):
    done = play(f"{GREETED}, {script}", 12)
    assert done == f"0 Start, {does}" if does else done == "0 Start"


def test_nobody_is_asked_whether_he_is_there_after_goodbyes():
    goodbyes = "1 agent_said goodbye, 1 caller_said goodbye"
    impatient = AI("a", "p", silence=Silence(2, 1))
    assert play(f"{UP}, {goodbyes}", 60, impatient) == "0 Start, 2.5 Farewell"
    # Something is heard that is no word: he has not left yet.
    noise = "6 caller_started, 7 caller_stopped"
    assert play(f"{UP}, {goodbyes}, {noise}", 60, impatient) == (
        "0 Start, 2.5 Farewell, 9.5 Farewell"
    )


@pytest.mark.parametrize(
    ("script", "does"),
    [
        ("", "240 EndingSoon, 300 TooLong"),
        ("230 caller_started, 245 caller_stopped", "245 EndingSoon, 300 TooLong"),
        ("230 hold, 250 resume", "250 EndingSoon, 300 TooLong"),
        ("230 hold", "300 TooLong"),
        ("230 agent_started, 250 agent_stopped", "240 EndingSoon, 300 TooLong"),
    ],
)
def test_length(script, does):
    quiet = AI("a", "p", silence=Silence(0), max_minutes=5)
    assert play(f"{UP}, {script}", 400, quiet) == f"0 Start, {does}"


@pytest.mark.parametrize(
    ("minutes", "warn", "does"),
    [(1, 10, "50 EndingSoon, 60 TooLong"), (1, 0, "60 TooLong"), (1, 60, "60 TooLong")],
)
def test_length_as_the_ai_has_it(minutes, warn, does):
    ai = AI("a", "p", silence=Silence(0), max_minutes=minutes, warn_seconds=warn)
    assert play(UP, 400, ai) == f"0 Start, {does}"


def test_the_length_counts_from_the_answer():
    ai = AI("a", "p", silence=Silence(0), max_minutes=1, warn_seconds=0)
    assert (
        play("5 answered, 9 media_ready, 20 answered", 400, ai) == "9 Start, 65 TooLong"
    )
    warned = AI("a", "p", max_minutes=1, warn_seconds=20)
    assert play("5 answered", 400, warned) == "65 TooLong"


@pytest.mark.parametrize(
    ("script", "does"),
    [
        (f"{GREETED}, 5 hold", "0 Start"),
        (f"{GREETED}, 5 hold, 20 resume", "0 Start, 28 Reprompt 1"),
        (f"{GREETED}, 5 hold, 6 hold, 20 resume", "0 Start, 28 Reprompt 1"),
        (f"{GREETED}, 5 resume", "0 Start, 10 Reprompt 1, 18 Reprompt 2, 26 Goodbye"),
        # Reprompts count anew, too.
        (
            f"{UP}, 17 hold, 18 resume",
            "0 Start, 8 Reprompt 1, 16 Reprompt 2, 26 Reprompt 1",
        ),
        # A tool that works through it, and is not done when we are back.
        (
            f"{ASKS}, 4.3 tool_started, 4.5 hold, 20 resume",
            "0 Start, 21.6 Filler 1, 25.6 Filler 2",
        ),
        # An answer that was on its way was interrupted.
        (f"{ASKS}, 4.3 asked, 4.5 hold, 20 resume", "0 Start, 28 Reprompt 1"),
    ],
)
def test_hold(script, does):
    assert play(script, 28) == does


SENT = f"{UP}, 0-5 frames"


@pytest.mark.parametrize(
    ("script", "does"),
    [
        # A phone that sends silence, stops, and is back.
        (f"{SENT}, 9-20 frames", "6.5 HoldHint, 9.1 HoldOver, 17.1 Reprompt 1"),
        (SENT, "6.5 HoldHint"),
        # Each hint needs a proof of its own.
        (f"{SENT}, 9-10 frames", "6.5 HoldHint, 9.1 HoldOver, 17.1 Reprompt 1"),
        (f"{UP}, 0-20 frames", "8 Reprompt 1, 16 Reprompt 2"),
        # Our greeting, to a phone that suppresses silence: no proof, no hint.
        (f"{UP}, 0 agent_started, 0-0.4 frames", ""),
        (f"{UP}, 0 agent_started", ""),
        (f"{UP}, 0-2.9 frames, 0 agent_started", ""),
        # It proves nothing as long as he speaks.
        (
            f"{UP}, 0-6 frames, 1 caller_started, 4 caller_stopped",
            "12 Reprompt 1, 20 Reprompt 2",
        ),
        (f"{UP}, 0-1 frames, 0.8 caller_started, 1.9-6 frames", "15.5 Reprompt 1"),
        (f"{UP}, 0-2 frames, 1 caller_started, 6-10 frames", "11.5 HoldHint"),
        # The answer was interrupted with the rest.
        (
            f"{SENT}, 4.5 asked, 9-20 frames",
            "6.1 Filler 1, 6.5 HoldHint, 9.1 HoldOver, 17.1 Reprompt 1",
        ),
        # In the middle of a word: the hold is proved by what was before.
        (f"{SENT}, 4.5 caller_started", "6.5 HoldHint"),
        # A loud place, a phone that suppresses: his voice ends the gap. Two strikes.
        (
            f"{SENT}, 8-12 frames, 8.03 caller_started, 8.5 caller_stopped,"
            " 14-18 frames, 14.3 caller_started, 14.5 caller_stopped",
            "6.5 HoldHint, 8.1 HoldOver, 13.5 HoldHint, 14.1 HoldOver",
        ),
        # One short gap is forgiven; two: the line is bad, or silence is suppressed.
        (
            f"{UP}, 0-4 frames, 5-9 frames, 5.3 caller_started, 5.5 caller_stopped",
            "10.5 HoldHint",
        ),
        (
            f"{UP}, 0-2 frames, 3-5 frames, 6-12 frames, 12 caller_typed",
            "8 Reprompt 1, 20 Reprompt 1",
        ),
        # Known to be on hold, from elsewhere: nothing is to be guessed.
        (f"{SENT}, 5.5 hold", ""),
        (f"{SENT}, 5.5 hold, 9-10 frames", ""),
        (f"{SENT}, 6 hold, 9-20 frames, 10 resume", "18 Reprompt 1"),
        # The operator says more than the hint, and frames say nothing more then.
        (f"{SENT}, 7 hold, 9-20 frames", "6.5 HoldHint"),
        (f"{SENT}, 7 resume", "6.5 HoldHint, 15 Reprompt 1"),
        (f"{SENT}, 7 resume, 9-20 frames", "6.5 HoldHint, 15 Reprompt 1"),
    ],
)
def test_frames_that_cease(script, does):
    assert play(script, 20) == (f"0 Start, {does}" if does else "0 Start")


def test_a_phone_that_only_rings_is_not_on_hold():
    assert play("0 media_ready, 0-5 frames, 9 answered", 12) == "9 Start"


def test_gaps_of_known_holds_are_no_strikes():
    holds = "".join(
        f", {at + 4} hold, {at + 5} resume, {at}-{at + 3.9} frames"
        for at in (0, 5, 10, 15)
    )
    done = play(f"{UP}, {holds}, 20-25 frames", 28, AI("a", "p", silence=Silence(0)))
    assert done == "0 Start, 26.5 HoldHint"


def test_short_gaps_are_strikes():
    gaps = ", 0-3.9 frames, 5-8.9 frames, 10-13.9 frames, 15-25 frames"
    done = play(f"{UP} {gaps}", 40, AI("a", "p", silence=Silence(0)))
    assert done == "0 Start"


def test_opus_that_sends_every_400_ms_has_no_gaps():
    sparse = "".join(f", {4 * n / 10} frames" for n in range(50))
    quiet = AI("a", "p", silence=Silence(0))
    assert play(UP + sparse, 19, quiet) == "0 Start"
    assert play(UP + sparse, 30, quiet) == "0 Start, 21.1 HoldHint"


def test_a_caller_whose_frames_cease_while_he_speaks_has_fallen_silent():
    """The detector cannot hear that: it gets nothing to hear."""
    script = f"{UP}, 0-2 frames, 1 caller_started"
    assert play(script, 12) == "0 Start, 11.5 Reprompt 1"


def test_a_late_look_misses_a_gap_and_goes_on():
    watch = Watch(DESK)
    watch.answered(0)
    watch.media_ready(0)
    watch.look(1)
    watch.frames(2)
    watch.look(10)
    due = watch.due()
    assert due is not None and due > 10


def test_one_thing_is_said_at_a_time():
    watch = Watch(CHATTY)
    watch.answered(0)
    watch.media_ready(0)
    said = [watch.look(now) for now in (250.0, 250.0, 253.0, 299.0, 300.0, 400.0)]
    assert [[type(action).__name__ for action in actions] for actions in said] == [
        ["Start"],
        ["EndingSoon"],
        ["Reprompt"],
        ["Goodbye"],
        ["TooLong"],
        [],
    ]
    assert watch.due() is None


STEPS = st.sampled_from(
    "answered media_ready frames agent_started agent_stopped caller_started"
    " caller_stopped caller_typed asked answer_over tool_started tool_finished hold"
    " resume agent_said caller_said look".split()
)
CALLS = st.lists(
    st.tuples(STEPS, st.sampled_from([0, 0, 0.02, 0.5, 1, 2, 5, 40])), max_size=60
)


@given(CALLS, st.sampled_from([DESK, CHATTY]))
def test_whatever_happens(steps, ai):
    watch, now = Watch(ai), 0.0
    speaking, held, hinted, over = set(), False, False, False
    last_filler = -FILLER_EVERY
    reprompts = 0
    for step, seconds in [("answered", 0), ("media_ready", 0), *steps, ("look", 400)]:
        now += seconds
        match step:
            case "look":
                pass
            case "agent_said" | "caller_said":
                getattr(watch, step)(goodbye=seconds > 0)
            case _:
                getattr(watch, step)(now)
        who, _, what = step.partition("_")
        if what == "started" and who != "tool":
            speaking.add(who)
        elif what == "stopped":
            speaking.discard(who)
        if step in ("caller_started", "caller_typed", "resume"):
            reprompts = 0
        if step in ("hold", "resume"):
            held, hinted = step == "hold", False
        if step != "look":
            continue
        actions = watch.look(now)
        assert not over or actions == []
        for action in actions:
            match action:
                case HoldHint():
                    assert not held
                    hinted = True
                    speaking.discard("caller")
                case HoldOver():
                    assert hinted and not held
                    hinted, reprompts = False, 0
                case Filler(number):
                    assert not watch.on_hold and "agent" not in speaking
                    assert now >= last_filler + FILLER_EVERY
                    assert 1 <= number <= 3
                    last_filler = now
                case Reprompt(number):
                    assert not watch.on_hold and "agent" not in speaking
                    reprompts += 1
                    assert number == reprompts <= ai.silence.reprompts
                case TooLong():
                    assert actions == [TooLong()]
                    over = True
        assert watch.on_hold == (held or hinted)
        due = watch.due()
        assert due is None or due > now
    assert over


@given(CALLS)
def test_a_caller_who_speaks_is_not_spoken_to(steps):
    """As long as his frames flow."""
    watch, now, speaks = Watch(CHATTY), 0.0, False
    for step, seconds in [("answered", 0), ("media_ready", 0), *steps]:
        now += seconds
        watch.frames(now)
        if step == "look":
            spoken = [type(action).__name__ for action in watch.look(now)]
            if speaks:
                assert not {"Filler", "Reprompt", "Goodbye", "EndingSoon"} & {*spoken}
        elif step not in ("agent_said", "caller_said"):
            getattr(watch, step)(now)
        if step in ("caller_started", "caller_stopped"):
            speaks = step == "caller_started"


@given(st.lists(st.floats(-1e6, 1e6)), CALLS)
def test_looking_at_any_time_never_raises(times, steps):
    watch = Watch(DESK)
    for number, now in enumerate(times):
        for step, _ in steps[number : number + 3]:
            if step not in ("look", "agent_said", "caller_said"):
                getattr(watch, step)(now)
        watch.look(now)
        watch.due()
