"""What the AI says: an answer in clauses, each made into sound as soon as it stands.

The first clause does not wait for its sentence. What was spoken before comes from
memory, what is likely to be spoken is made ahead, and a voice that fails is followed by
the next.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing

from loguru import logger
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    Frame,
    LLMTextFrame,
    TTSAudioRawFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService
from pipecat.utils.text.base_text_aggregator import (
    Aggregation,
    BaseTextAggregator,
    TextType,
)

from agent.observe.logs import words

from .clauses import Clauses
from .errors import Cause, ProviderError
from .phrases import Phrases
from .seams import Voice
from .spoken import spoken
from .standing import Standing
from .stopwatch import SLOW, Stopwatch

FIRST_SOUND = 2.5
"""Seconds until a voice must have begun."""
STALL = 3.0
"""Seconds that it may then be silent."""
TOO_LATE = 8000
"""Bytes of sound after which another voice does not begin the clause again."""


class Speaking(TTSService):
    def __init__(
        self,
        voices: Sequence[Voice],
        standing: Standing,
        phrases: Phrases,
        language: str,
        stopwatch: Stopwatch,
        *,
        on_trouble: Callable[[str, str, ProviderError], None] = lambda *_: None,
        on_mute: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_mute`: no voice is left that speaks."""
        super().__init__(
            sample_rate=voices[0].rate,
            push_start_frame=True,
            push_stop_frames=True,
            text_transforms=[("*", self._for_the_ear)],
            settings=TTSSettings(model="", voice=voices[0].name, language=None),
            # Voices that fail are our business: this would end the service.
            max_consecutive_zero_audio_contexts=0,
        )
        self._text_aggregator = _ClauseAggregator(language)  # type: ignore[assignment]
        self._voices = voices
        self._standing = standing
        self._phrases = phrases
        self._spoken_in = language
        self._stopwatch = stopwatch
        self._on_trouble = on_trouble
        self._on_mute = on_mute
        self._ahead: dict[str, _Making] = {}

    def prepare(self, text: str) -> None:
        """Begin to make what will probably be said next."""
        self.forget()
        heard = spoken(text, self._spoken_in)
        voice = self._standing.order(self._voices)[0]
        if heard and self._phrases.get(voice.name, heard) is None:
            self._ahead[heard] = _Making(voice, heard)

    def forget(self) -> None:
        """It will not be said."""
        for making in self._ahead.values():
            making.cancel()
        self._ahead.clear()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        match frame:
            case LLMTextFrame():
                self._stopwatch.first_token()
            case BotStartedSpeakingFrame():
                self._stopwatch.replied()
        await super().process_frame(frame, direction)

    async def cleanup(self) -> None:
        await super().cleanup()  # type: ignore[no-untyped-call]
        self.forget()

    async def run_tts(
        self, text: str, context_id: str
    ) -> AsyncGenerator[Frame | None, None]:
        asked = time.monotonic()
        first = True
        async with aclosing(self._sound(text)) as pieces:
            async for rate, pcm in pieces:
                if first:
                    first = False
                    seconds = time.monotonic() - asked
                    self._stopwatch.first_audio(seconds)
                    logger.log(
                        "WARNING" if seconds >= SLOW else "DEBUG",
                        "[TTS] {:.2f} s: {} words",
                        *(seconds, len(text.split())),
                    )
                    logger.log(words(), "[TTS] {}", text)
                yield TTSAudioRawFrame(pcm, rate, 1, context_id=context_id)

    async def _for_the_ear(self, text: str, _: str) -> str:
        return spoken(text, self._spoken_in)

    async def _sound(self, text: str) -> AsyncGenerator[tuple[int, bytes], None]:
        """The text from the first voice that has it, with its rate."""
        for voice in self._voices:
            known = self._phrases.get(voice.name, text)
            if known is not None:
                yield voice.rate, known
                return
        for voice in self._standing.order(self._voices):
            made = bytearray()
            try:
                async with aclosing(self._made(voice, text)) as pieces:
                    async for pcm in pieces:
                        made += pcm
                        yield voice.rate, pcm
            except ProviderError as error:
                self._standing.failed(voice.name, error.cause)
                self._on_trouble("tts", voice.name, error)
                if len(made) > TOO_LATE:
                    return
                continue
            self._standing.worked(voice.name)
            self._phrases.remember(voice.name, text, bytes(made))
            return
        logger.error("[TTS] no voice says {} words", len(text.split()))
        logger.log(words(), "[TTS] unsaid: {}", text)
        self._on_mute()

    async def _made(self, voice: Voice, text: str) -> AsyncGenerator[bytes, None]:
        making = self._ahead.pop(text, None)
        if making is None or making.voice is not voice:
            making = _Making(voice, text)
        try:
            async for pcm in making.pieces():
                yield pcm
        finally:
            making.cancel()


class _Making:
    """A text on its way to sound, whether or not anybody listens already."""

    def __init__(self, voice: Voice, text: str) -> None:
        self.voice = voice
        self._pieces: asyncio.Queue[bytes | ProviderError | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._make(text))

    def cancel(self) -> None:
        self._task.cancel()

    async def pieces(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            if isinstance(piece, ProviderError):
                raise piece
            yield piece

    async def _make(self, text: str) -> None:
        silent = True
        limit = FIRST_SOUND
        try:
            async with aclosing(self.voice.speak(text)) as pieces:  # type: ignore[type-var]
                while True:
                    async with asyncio.timeout(limit):
                        pcm = await anext(pieces, None)
                    if pcm is None:
                        break
                    silent, limit = silent and not pcm, STALL
                    self._pieces.put_nowait(pcm)
            if silent:
                raise ProviderError(Cause.NONSENSE, f"no sound: {text!r}")
        except TimeoutError:
            cause = Cause.TIMEOUT if silent else Cause.STALLED
            self._pieces.put_nowait(ProviderError(cause, f"{limit:g} s for {text!r}"))
        except ProviderError as error:
            self._pieces.put_nowait(error)
        else:
            self._pieces.put_nowait(None)


class _ClauseAggregator(BaseTextAggregator):
    """Pipecat's way of asking for parts of a streaming text."""

    def __init__(self, language: str) -> None:
        super().__init__(aggregation_type=TextType.SENTENCE)
        self._in = language
        self._clauses = Clauses(language)

    @property
    def text(self) -> Aggregation:
        return Aggregation("", TextType.SENTENCE)

    async def aggregate(self, text: str) -> AsyncIterator[Aggregation]:
        for part in self._clauses.feed(text):
            yield Aggregation(part, TextType.SENTENCE)

    async def flush(self) -> Aggregation | None:
        rest = self._clauses.rest()
        await self.reset()
        return Aggregation(rest, TextType.SENTENCE) if rest.strip() else None

    async def handle_interruption(self) -> None:
        await self.reset()

    async def reset(self) -> None:
        self._clauses = Clauses(self._in)
