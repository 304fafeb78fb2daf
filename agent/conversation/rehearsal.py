"""Before the first call: the AI's own lines are made into sound and kept.

So they can be said when nothing else works any more, and a greeting begins at once.
"""

from loguru import logger

from agent.calls.ai import AI

from . import lines
from .errors import ProviderError
from .phrases import Phrases
from .seams import Voice
from .spoken import spoken


async def rehearse(ai: AI, voice: Voice, phrases: Phrases) -> None:
    for text in (ai.consent, ai.greeting, *lines.lines(ai).values()):
        heard = spoken(text, ai.language)
        if not heard or phrases.get(voice.name, heard) is not None:
            continue
        try:
            pcm = b"".join([piece async for piece in voice.speak(heard)])
        except ProviderError as error:
            logger.error("[TTS] {} cannot say {!r}: {}", voice.name, heard, error)
            return
        phrases.keep(voice.name, heard, pcm)
