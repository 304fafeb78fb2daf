"""`offhook call`: a test call to an agent, by websocket or through Asterisk."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import report, sound, ulaw
from .line import CallFailed, CallOver, Line
from .report import Transcribe
from .sip import SipConfig, SipPhone
from .websocket import WebSocketConfig, WebSocketPhone

Speak = Callable[[str], Awaitable[bytes]]
"""Words to 16-bit samples at 8 kHz."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that the caller does when its turn comes."""

    kind: str
    """say, play or press."""
    what: str


class _AddStep(argparse.Action):
    """Keeps --say, --play and --press in the order in which they were given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        steps = [*getattr(namespace, self.dest), Step(str(self.const), str(values))]
        setattr(namespace, self.dest, steps)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--ws", metavar="URL", help="call without Asterisk")
    where.add_argument("--sip", metavar="URI", help="sip:1000@127.0.0.1:5060")
    for kind, metavar, help in (
        ("say", "TEXT", "say this; may be given several times"),
        ("play", "FILE.wav", "play this, as --say"),
        ("press", "KEYS", "press these keys, as --say"),
    ):
        parser.add_argument(
            f"--{kind}",
            action=_AddStep,
            const=kind,
            dest="steps",
            default=[],
            metavar=metavar,
            help=help,
        )
    parser.add_argument(
        "--interrupt-after",
        type=float,
        metavar="MS",
        help="break into each reply so many milliseconds after it began",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=1.2,
        metavar="SECONDS",
        help="of silence after which the agent has said what it wanted (1.2)",
    )
    parser.add_argument("--record", type=Path, metavar="FILE.wav")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="hang up at the latest (60)"
    )
    parser.add_argument("--caller", default="15550100", help="number or extension")
    parser.add_argument("--password", default="", help="of the extension or socket")
    parser.add_argument("--ai", default="", help="which AI is to answer (--ws)")
    parser.add_argument("--sipp", type=Path, default=Path("sipp"), help="the program")


async def run(
    arguments: argparse.Namespace,
    *,
    speak: Speak | None = None,
    transcribe: Transcribe | None = None,
) -> int:
    """The exit status: 0 when the agent was reached and heard."""
    try:
        clips = [await _clip(step, speak) for step in arguments.steps]
        line = await _dial(arguments)
    except (CallFailed, sound.SoundError, ValueError) as error:
        report.say(f"no call: {error}")
        return 1
    async with line:
        try:
            async with asyncio.timeout(arguments.seconds):
                await _converse(line, clips, arguments)
        except (TimeoutError, CallOver):
            pass  # the report tells how far it came
        ending = await line.hang_up()
        recording = line.recording()
    found = await report.utterances(recording, transcribe)
    report.show(found, ending)
    if arguments.record:
        recording.save(arguments.record)
        report.say(f"recorded in {arguments.record}: caller left, agent right")
    if not line.heard:
        report.say("the agent sent no sound at all")
    return 0 if any(packet.loud for packet in line.heard) else 1


async def _dial(arguments: argparse.Namespace) -> Line:
    if arguments.sip:
        phone = SipPhone(
            SipConfig(
                sipp=arguments.sipp,
                caller=arguments.caller,
                password=arguments.password,
            )
        )
        return await phone.dial(arguments.sip)
    socket = WebSocketPhone(
        WebSocketConfig(
            password=arguments.password, caller=arguments.caller, ai=arguments.ai
        )
    )
    return await socket.dial(arguments.ws)


async def _clip(step: Step, speak: Speak | None) -> Step | bytes:
    """What --say and --play sound like in µ-law; keys stay keys."""
    match step.kind:
        case "press":
            return step
        case "play":
            return ulaw.from_pcm(sound.read(Path(step.what)))
        case _:
            if speak is None:
                raise ValueError("--say needs a voice, and none is installed")
            return ulaw.from_pcm(await speak(step.what))


async def _converse(
    line: Line, clips: Sequence[Step | bytes], arguments: argparse.Namespace
) -> None:
    """The agent's greeting, then each clip and the reply to it."""
    await _hear_out(line, within=5.0, patience=arguments.patience)
    for index, clip in enumerate(clips):
        if isinstance(clip, Step):
            await line.press(clip.what)
        else:
            await line.play(clip)
        last = index == len(clips) - 1
        if arguments.interrupt_after is None or last:
            await _hear_out(line, within=20.0, patience=arguments.patience)
        else:
            await line.hear_sound(within=20.0)
            await asyncio.sleep(arguments.interrupt_after / 1000)


async def _hear_out(line: Line, within: float, patience: float) -> None:
    """Until the agent has said something and finished, or not even begun."""
    try:
        await line.hear_sound(within)
    except TimeoutError:
        return
    await line.hear_silence(patience, within=3600.0)
