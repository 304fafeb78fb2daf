"""What happened in a test call: who spoke when, how long each reply took."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .line import Ending, Side
from .recording import Recording, Talk, between, talks

Transcribe = Callable[[bytes], Awaitable[str]]
"""16-bit samples at 8 kHz to words."""


@dataclass(frozen=True, slots=True)
class Utterance:
    side: Side
    talk: Talk
    reply_after: float | None
    """Seconds since the other side fell silent; None when nobody was waiting."""
    words: str = ""


async def utterances(
    recording: Recording, transcribe: Transcribe | None = None
) -> list[Utterance]:
    """Both sides' utterances by the time at which they began."""
    found: list[Utterance] = []
    for side, pcm, others in (
        (Side.CALLER, recording.caller, talks(recording.agent)),
        (Side.CALLED, recording.agent, talks(recording.caller)),
    ):
        previous_end = 0.0
        for talk in talks(pcm):
            words = await transcribe(between(pcm, talk)) if transcribe else ""
            waited = _waited(talk, others, previous_end)
            found.append(Utterance(side, talk, waited, words))
            previous_end = talk.end
    return sorted(found, key=lambda utterance: utterance.talk.begin)


def _waited(talk: Talk, others: list[Talk], previous_end: float) -> float | None:
    ends = [o.end for o in others if previous_end <= o.end <= talk.begin]
    still_speaking = any(o.begin < talk.begin < o.end for o in others)
    return None if still_speaking or not ends else talk.begin - ends[-1]


def show(found: list[Utterance], ending: Ending) -> None:
    names = {Side.CALLER: "caller", Side.CALLED: "agent"}
    for utterance in found:
        talk, waited = utterance.talk, utterance.reply_after
        after = "" if waited is None else f"  (after {waited:.2f} s)"
        words = f"  {utterance.words}" if utterance.words else ""
        print(
            f"{talk.begin:7.2f} - {talk.end:6.2f}  "
            f"{names[utterance.side]:6}{words}{after}"
        )
    because = f" ({ending.reason})" if ending.reason else ""
    print(f"{ending.at:7.2f}           {names[ending.hung_up_by]} hung up{because}")


def say(text: str) -> None:
    print(text)
