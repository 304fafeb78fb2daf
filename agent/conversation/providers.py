"""Who hears, thinks and speaks for an AI, and who does when they fail.

`stt`, `engine_model` and `tts` of an AI are `<provider>.<model>`. Connections are
opened once for the process and shared. The environment is read in settings.py only.
"""

from dataclasses import replace

from agent.calls.ai import AI

from . import catalogue
from .answers import shared_client
from .catalogue import (
    LOCAL_EARS,
    LOCAL_VOICE,
    Api,
    KnownVoice,
    SpeechEndpoint,
    parted,
)
from .config import ProvidersConfig
from .minds import Minds
from .realtime_api import RealtimeConfig
from .recognisers import DeepgramRecogniser, OpenAIRecogniser
from .seams import Mind, Recogniser, Voice
from .suitable import check
from .voices import ElevenLabsVoice, OpenAIVoice


class Providers:
    def __init__(
        self, config: ProvidersConfig, whisper: Recogniser | None = None
    ) -> None:
        self._config = config
        self._whisper = whisper
        self._minds = Minds(config.minds)
        self._http = shared_client()

    async def close(self) -> None:
        await self._minds.close()
        await self._http.aclose()

    def minds(self, ai: AI, system: str) -> list[Mind]:
        """In the order in which they are to be asked."""
        models = (ai.engine_model or self._config.engine_model, *ai.fallback_models)
        return [self._minds.mind(*parted(model), system) for model in models]

    def recognisers(self, ai: AI) -> list[Recogniser]:
        """The chosen one; when it fails, this machine's, and never another cloud's."""
        provider, model = parted(ai.stt or self._config.stt or LOCAL_EARS)
        local = [self._whisper] if self._whisper is not None else []
        if provider == LOCAL_EARS:
            return local
        endpoint = self._config.ears[provider]
        chosen: Recogniser
        if endpoint.api is Api.DEEPGRAM:
            chosen = DeepgramRecogniser(self._http, endpoint, provider, model)
        else:
            chosen = OpenAIRecogniser(self._http, endpoint, provider, model)
        return [chosen, *local]

    def voices(self, ai: AI) -> list[Voice]:
        """The chosen one; when it fails, this machine's."""
        chosen = ai.tts or self._config.tts
        voices = [self._voice(ai, chosen)]
        provider, _ = parted(chosen)
        if provider != LOCAL_VOICE and LOCAL_VOICE in self._config.voices:
            # A voice's id means nothing to another provider.
            anyone = replace(ai, voice="")
            voices.append(self._voice(anyone, f"{LOCAL_VOICE}.{LOCAL_VOICE}"))
        return voices

    def realtime(self, ai: AI) -> RealtimeConfig:
        """The one model that hears and speaks."""
        provider, model = parted(ai.engine_model or self._config.engine_model)
        endpoint = self._config.minds[provider]
        return RealtimeConfig(
            provider,
            model,
            f"{endpoint.base_url.rstrip('/')}/realtime",
            endpoint.key,
            voice=ai.voice,
        )

    def check(self, ai: AI) -> None:
        """An AIError, with what there is, if this AI cannot hear, think or speak."""
        whisper = self._whisper.name if self._whisper is not None else ""
        check(ai, self._config, whisper)

    def _voice(self, ai: AI, chosen: str) -> Voice:
        provider, model = parted(chosen)
        endpoint = self._config.voices[provider]
        voice = _voice_id(endpoint, model, ai)
        if endpoint.api is Api.ELEVENLABS:
            return ElevenLabsVoice(
                self._http, endpoint, provider, model, voice, ai.language
            )
        return OpenAIVoice(self._http, endpoint, provider, model, voice)


def _voice_id(endpoint: SpeechEndpoint, model: str, ai: AI) -> str:
    if ai.voice:
        return ai.voice
    voices = endpoint.voices or catalogue.voices_for(endpoint.api, model)
    best = catalogue.choose_voice(voices, ai.language, ai.gender)
    if best is None or (endpoint.voice and not ai.gender):
        known = next((voice for voice in voices if voice.id == endpoint.voice), None)
        # Of a voice that is not in the list the operator knows more than we do.
        if best is None or known is None or _as_close(known, best, ai.language):
            return endpoint.voice or "default"
    return best.id


def _as_close(voice: KnownVoice, other: KnownVoice, language: str) -> bool:
    closeness = catalogue.closeness
    return closeness(voice, language) >= closeness(other, language)
