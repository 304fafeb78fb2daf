"""When to begin, to break a silence, to wait, and to end: the clock of one call.

Told what happens, with its time; asked when to look next (`due`) and what to do then
(`look`). No clock of its own and no I/O, so an hour on the phone tests in a
millisecond. What an action says and does is the business of who asks.
"""

from dataclasses import dataclass
from enum import Enum
from math import inf

from agent.calls.ai import AI

FILLER_EVERY = 4.0
"""Seconds between two fillers at least."""
FILLERS = 3
"""In one wait; more of them soothe nobody."""
FAREWELL_SILENCE = 2.5
"""Seconds after both have said goodbye."""
ANSWER_LOST = 30.0
"""Seconds after which an answer that nobody reported as over counts as over, so that a
forgotten report cannot silence the call for ever."""
LINE_SOUNDS = 1.0
"""Seconds within which a line of ours begins to sound: it is no answer."""
SAME_WAIT = 1.0
"""Seconds between a tool's end and the next question to the model at most; the caller
takes both for one wait."""

CEASED = 0.6
"""Seconds without a frame that are a gap: more than jitter, and more than the 0.4 s
between two frames of Opus while it is silent."""
HOLD_HINT = 1.5
"""Seconds of a gap that may mean a hold."""
POLL = 0.1
"""Seconds in which the end of a gap is noticed."""
PROOF = 3.0
"""Seconds of silence that a phone must have sent before a gap of it says anything."""
VOICE_WITHIN = 0.6
"""Seconds after a gap in which a voice has ended it: the detector needs 0.2 of them."""
STRIKES = 2


@dataclass(frozen=True, slots=True)
class Start:
    """The caller is there and hears us: greeting, or start instruction."""


@dataclass(frozen=True, slots=True)
class Filler:
    """The answer is slow: say that it is coming."""

    number: int
    """In this wait, from 1: let the words alternate."""


@dataclass(frozen=True, slots=True)
class Reprompt:
    """Nobody says anything: ask whether the caller is there."""

    number: int
    """Since the caller was last heard, from 1."""


@dataclass(frozen=True, slots=True)
class Goodbye:
    """He did not answer the last reprompt either: say goodbye, end the call."""


@dataclass(frozen=True, slots=True)
class Farewell:
    """Both have said goodbye and are silent: the call may end without a word."""


@dataclass(frozen=True, slots=True)
class EndingSoon:
    """`warn_seconds` before the end, or as soon as the caller can be told."""


@dataclass(frozen=True, slots=True)
class TooLong:
    """End the call. The last action of a watch."""


@dataclass(frozen=True, slots=True)
class HoldHint:
    """We seem to be on hold. The watch waits from now on; do not tell it `hold`."""


@dataclass(frozen=True, slots=True)
class HoldOver:
    """That hold is over. The watch goes on; do not tell it `resume`."""


Action = (
    Start
    | Filler
    | Reprompt
    | Goodbye
    | Farewell
    | EndingSoon
    | TooLong
    | HoldHint
    | HoldOver
)


class Watch:
    def __init__(self, ai: AI) -> None:
        self._silence = ai.silence
        self._filler_seconds = ai.filler_seconds
        self._longest = ai.max_minutes * 60
        self._warn_seconds = ai.warn_seconds
        self._flow = _Flow()

        self._answered = inf
        self._media_ready = inf
        self._started = self._warned = self._over = False
        self._held = False
        """By an operator or an event of Asterisk; never by the hint."""
        self._away = False
        """By the hint."""

        self._agent_speaks = self._caller_speaks = False
        self._silent_since = 0.0
        self._asked: float | None = None
        """An answer is being prepared; when its model was last asked, or came back
        from a tool."""
        self._tools = 0
        self._quiet_since: float | None = None
        """Since when it has been the caller's turn to say something."""

        self._reprompts = 0
        self._gave_up = False
        self._waiting_since: float | None = None
        """When the caller's wait began, be it for one answer or for tools, too."""
        self._fillers = 0
        self._line_at = -inf
        """When a line of ours was last asked for."""
        self._line_expected = False
        self._agent_parts = self._caller_parts = self._parted = False

    @property
    def on_hold(self) -> bool:
        return self._held or self._away

    def answered(self, now: float) -> None:
        """The call's length counts from here."""
        self._answered = min(self._answered, now)

    def media_ready(self, now: float) -> None:
        """Sound goes both ways."""
        self._media_ready = min(self._media_ready, now)
        self._flow.opened(now)

    def frames(self, now: float) -> None:
        """Sound of the caller arrived. Called 50 times a second."""
        self._flow.last = now

    def agent_started(self, now: float) -> None:
        if self._line_expected and now <= self._line_at + LINE_SOUNDS:
            self._line_expected = False
        else:
            self._asked = None
            self._forget_wait()
            if self._tools:
                self._waiting_since = now
        self._agent_speaks = True
        self._settle(now)

    def agent_stopped(self, now: float) -> None:
        self._agent_speaks = False
        self._silent_since = now
        self._settle(now)

    def caller_started(self, now: float) -> None:
        self._flow.voice(now)
        self._caller_speaks = True
        self._caller_is_there(now)

    def caller_stopped(self, now: float) -> None:
        self._flow.hush(now)
        self._caller_speaks = False
        self._silent_since = now
        self._settle(now)

    def caller_typed(self, now: float) -> None:
        """A key: also a sign of life."""
        if self._quiet_since is not None:
            self._quiet_since = now
        self._caller_is_there(now)

    def asked(self, now: float) -> None:
        """A model was asked for an answer, the first or the next one."""
        self._begin_wait(now)
        self._asked = now
        self._settle(now)

    def answer_over(self, now: float) -> None:
        """It was heard, interrupted, failed for good, or empty."""
        self._asked = None
        self._settle(now)

    def tool_started(self, now: float) -> None:
        self._begin_wait(now)
        self._tools += 1
        self._settle(now)

    def tool_finished(self, now: float) -> None:
        """However it ended: told once for each `tool_started`."""
        self._tools = max(0, self._tools - 1)
        if self._asked is not None:
            self._asked = now
        self._settle(now)

    def agent_said(self, *, goodbye: bool) -> None:
        self._agent_parts = goodbye

    def caller_said(self, *, goodbye: bool) -> None:
        self._caller_parts = goodbye

    def hold(self, now: float) -> None:
        self._held, self._away = True, False
        self._asked = None
        self._settle(now)

    def resume(self, now: float) -> None:
        if self.on_hold:
            self._come_back(now)

    def due(self) -> float | None:
        """When to look next, if nothing else happens; frames are nothing else. A time
        that is over: now."""
        if self._over:
            return None
        at = min(
            self._flow.due(),
            self._start_due(),
            self._too_long_due(),
            self._ending_soon_due(),
            self._answer_lost_due(),
            self._farewell_due(),
            self._silence_due(),
            self._filler_due(),
        )
        return None if at == inf else at

    def look(self, now: float) -> list[Action]:
        """What to do now, in this order. Only one of them says something."""
        if self._over:
            return []
        if now >= self._too_long_due():
            self._over = True
            return [TooLong()]
        actions = self._look_at_frames(now)
        if now >= self._answer_lost_due():
            self.answer_over(now)
        if (line := self._line(now)) is not None:
            actions.append(line)
        return actions

    def _look_at_frames(self, now: float) -> list[Action]:
        match self._flow.look(now, held=self._held):
            case _News.CEASED:
                if self._caller_speaks:
                    # The detector hears no silence where no frames come.
                    self._caller_speaks = False
                    self._silent_since = now
                hint = self._started and not self._held and self._flow.means_hold
                if hint:
                    self._away = True
                    self._asked = None
                self._settle(now)
                return [HoldHint()] if hint else []
            case _News.BACK if self._away:
                self._come_back(now)
                return [HoldOver()]
        return []

    def _line(self, now: float) -> Action | None:
        """The one thing to say now; the rest waits until it was heard."""
        line: Action
        if now >= self._start_due():
            self._started = True
            self._silent_since = now
            self._settle(now)
            return Start()
        if now >= self._ending_soon_due():
            self._warned = True
            line = EndingSoon()
        elif now >= self._farewell_due():
            self._parted = True
            line = Farewell()
        elif now >= self._silence_due():
            if self._reprompts < self._silence.reprompts:
                self._reprompts += 1
                line = Reprompt(self._reprompts)
            else:
                self._gave_up = True
                line = Goodbye()
        elif now >= self._filler_due():
            self._fillers += 1
            line = Filler(self._fillers)
        else:
            return None
        self._line_at, self._line_expected = now, True
        if self._quiet_since is not None:
            self._quiet_since = now
        return line

    def _start_due(self) -> float:
        if self._started or self.on_hold:
            return inf
        return max(self._answered, self._media_ready)

    def _too_long_due(self) -> float:
        return self._answered + self._longest

    def _ending_soon_due(self) -> float:
        """Nothing for a call that is shorter than the warning is early."""
        wanted = 0 < self._warn_seconds < self._longest and not self._warned
        if not wanted or not self._started or self._caller_speaks or self.on_hold:
            return inf
        return self._too_long_due() - self._warn_seconds

    def _answer_lost_due(self) -> float:
        if self._asked is None or self._tools:
            return inf
        return self._asked + ANSWER_LOST

    def _farewell_due(self) -> float:
        parting = self._agent_parts and self._caller_parts and not self._parted
        if self._quiet_since is None or not parting:
            return inf
        return self._quiet_since + FAREWELL_SILENCE

    def _silence_due(self) -> float:
        parting = self._agent_parts and self._caller_parts
        if self._quiet_since is None or self._gave_up or parting:
            return inf
        return self._quiet_since + (self._silence.seconds or inf)

    def _filler_due(self) -> float:
        waits = self._waiting_since is not None and self._busy and self._nobody_speaks
        if not waits or self._fillers == FILLERS or not self._filler_seconds:
            return inf
        assert self._waiting_since is not None
        since = max(self._waiting_since, self._silent_since)
        return max(since + self._filler_seconds, self._line_at + FILLER_EVERY)

    @property
    def _busy(self) -> bool:
        return self._asked is not None or self._tools > 0

    @property
    def _nobody_speaks(self) -> bool:
        """In a call that has begun and is not on hold."""
        speaking = self._agent_speaks or self._caller_speaks
        return self._started and not speaking and not self.on_hold

    def _settle(self, now: float) -> None:
        """After anything that may begin or end a quiet time."""
        if self._busy or not self._nobody_speaks:
            self._quiet_since = None
        elif self._quiet_since is None:
            self._quiet_since = now

    def _begin_wait(self, now: float) -> None:
        quiet = self._quiet_since is not None and now > self._quiet_since + SAME_WAIT
        if self._waiting_since is None or quiet:
            self._forget_wait()
            self._waiting_since = now

    def _forget_wait(self) -> None:
        self._waiting_since = None
        self._fillers = 0

    def _caller_is_there(self, now: float) -> None:
        self._reprompts = 0
        self._gave_up = self._parted = False
        if self._busy:
            self._fillers = 0
        else:
            self._forget_wait()
        self._settle(now)

    def _come_back(self, now: float) -> None:
        self._held = self._away = False
        self._silent_since = now
        self._caller_is_there(now)


class _News(Enum):
    CEASED = "ceased"
    """No frames for HOLD_HINT seconds."""
    BACK = "back"


class _Flow:
    """Whether the caller's frames flow, and whether a gap in them means a hold.

    A phone on hold may stop sending, and then a gap is all that we see of it. But a
    phone that suppresses silence also stops sending, each time its owner listens to
    us, and to take that for a hold would cut off our every sentence. A hold that we
    miss costs a reprompt that nobody hears; and Asterisk knows of it by other ways. So
    the doubt is the phone's, by these rules:

    - A gap is a hint only if the phone has proved, since the gap before, that it sends
      silence: frames for PROOF seconds in a row in which the caller said nothing. A
      phone that suppresses silence gives up far sooner, unless its surroundings are
      loud: we hear no voice there, and it hears no silence.
    - For those: a gap shorter than HOLD_HINT, or one that the caller's voice ended
      (sound comes back because he speaks) is a strike. After two strikes no gap of
      this call is a hint. Somebody who says "I'm back" at once may earn one, too; it
      takes two such holds, and then only the hint is lost.
    - Gaps while we are known to be on hold count for nothing.

    No frame at all, from the beginning: no proof, no hint.
    """

    def __init__(self) -> None:
        self.last = -inf
        """When the last frame came. Before the first: when media was ready."""
        self._gap: float | None = None
        """The last frame before the gap that is open."""
        self._looked = -inf
        self._judged = False
        self._excused = False
        """Of this gap, or the last: we were known to be on hold."""
        self._back = -inf
        """The end of a gap that the caller's voice may yet prove to be silence."""
        self._speaking = False
        self._voice = -inf
        """When the caller last began to speak."""
        self._hush: float | None = None
        """Since when frames have come, and none of them with a voice."""
        self._proved = False
        self._strikes = 0

    @property
    def means_hold(self) -> bool:
        return self._proved and self._strikes < STRIKES

    def opened(self, now: float) -> None:
        self.last = max(self.last, now)
        self._hush = now

    def voice(self, now: float) -> None:
        self._weigh_hush()
        self._speaking, self._voice = True, now
        if self._gap is None and now <= self._back + VOICE_WITHIN:
            self._strike()

    def hush(self, now: float) -> None:
        self._speaking = False
        self._hush = now

    def due(self) -> float:
        if self.last == -inf:
            return inf
        next_look = self._looked + POLL
        if self._gap is None:
            return max(next_look, self.last + CEASED)
        return next_look if self._judged else min(next_look, self._gap + HOLD_HINT)

    def look(self, now: float, *, held: bool) -> _News | None:
        if self.last == -inf:
            return None
        if self._gap is None:
            if now < self.last + CEASED:
                return None
            self._weigh_hush()
            self._gap, self._judged, self._excused = self.last, False, False
        self._looked = now
        self._excused = self._excused or held
        if self.last > self._gap:
            self._close(self._gap)
            return _News.BACK
        if not self._judged and now >= self._gap + HOLD_HINT:
            self._judged, self._speaking = True, False
            return _News.CEASED
        return None

    def _close(self, gap: float) -> None:
        self._gap = None
        self._back = self.last
        self._proved = False
        self._hush = None if self._speaking else self.last
        # It may have been told that he speaks before this look.
        if self.last < gap + HOLD_HINT or self._voice > gap + CEASED:
            self._strike()

    def _strike(self) -> None:
        """Once for each gap."""
        self._back = -inf
        if not self._excused:
            self._strikes += 1

    def _weigh_hush(self) -> None:
        if self._hush is not None and self._gap is None:
            self._proved = self._proved or self.last >= self._hush + PROOF
        self._hush = None
