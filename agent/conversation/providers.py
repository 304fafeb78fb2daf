"""Who hears, thinks and speaks for an AI, and who does when they fail.

`stt`, `engine_model` and `tts` of an AI are `<provider>.<model>`. Connections are
opened once for the process and shared. The environment is read in settings.py only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from agent.calls.ai import AI, AIError

from . import catalogue
from .answers import shared_client
from .catalogue import (
    LOCAL_EARS,
    LOCAL_MIND,
    LOCAL_VOICE,
    Api,
    Endpoint,
    Known,
    KnownVoice,
    Patience,
    SpeechEndpoint,
)
from .minds import Minds
from .realtime_api import RealtimeConfig
from .recognisers import DeepgramRecogniser, OpenAIRecogniser
from .seams import Mind, Recogniser, Voice
from .voices import TELEPHONE_RATE, ElevenLabsVoice, OpenAIVoice


@dataclass(frozen=True, slots=True)
class ProvidersConfig:
    """Endpoints by name, and for each kind what an AI has that names none."""

    minds: Mapping[str, Endpoint] = field(default_factory=dict)
    ears: Mapping[str, Endpoint] = field(default_factory=dict)
    voices: Mapping[str, SpeechEndpoint] = field(default_factory=dict)
    engine_model: str = ""
    """`<provider>.<model>`; empty: the model of this machine."""
    stt: str = ""
    """The same; empty: Whisper in this process."""
    tts: str = ""
    """The same; empty: Piper on this machine."""

    def used(self, ais: Iterable[AI]) -> frozenset[str]:
        """The providers that these AIs need, those of this machine among them."""
        return frozenset(
            model.partition(".")[0]
            for ai in ais
            for model in (
                ai.engine_model or self.engine_model or f"{LOCAL_MIND}.",
                ai.stt or self.stt or f"{LOCAL_EARS}.",
                ai.tts or self.tts or f"{LOCAL_VOICE}.",
                *ai.fallback_models,
            )
        )

    def with_local_mind(self, base_url: str, model: str) -> "ProvidersConfig":
        """llama.cpp's server on this machine, which closes after each answer."""
        local = Endpoint(
            Api.OPENAI,
            base_url,
            models=(model,),
            patience=Patience(first=15),
            keeps_connections=False,
        )
        return replace(
            self,
            minds={**self.minds, LOCAL_MIND: local},
            engine_model=self.engine_model or f"{LOCAL_MIND}.{model}",
        )

    def with_piper(self, base_url: str, voices: Sequence[str]) -> "ProvidersConfig":
        """Our own speech server; `voices` are the models that it has, with or without
        "piper-", the first for whom none fits."""
        files = [name.removeprefix("piper-") for name in voices]
        piper = SpeechEndpoint(
            Api.OPENAI,
            base_url,
            voice=files[0] if files else "",
            voices=tuple(catalogue.piper_voice(file) for file in files),
            rate=TELEPHONE_RATE,
            asks_rate=True,
        )
        return replace(
            self,
            voices={**self.voices, LOCAL_VOICE: piper},
            tts=self.tts or f"{LOCAL_VOICE}.{LOCAL_VOICE}",
        )


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
        return [self._minds.mind(*_parted(model), system) for model in models]

    def recognisers(self, ai: AI) -> list[Recogniser]:
        """The chosen one; when it fails, this machine's, and never another cloud's."""
        provider, model = _parted(ai.stt or self._config.stt or LOCAL_EARS)
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
        provider, _ = _parted(chosen)
        if provider != LOCAL_VOICE and LOCAL_VOICE in self._config.voices:
            # A voice's id means nothing to another provider.
            anyone = replace(ai, voice="")
            voices.append(self._voice(anyone, f"{LOCAL_VOICE}.{LOCAL_VOICE}"))
        return voices

    def realtime(self, ai: AI) -> RealtimeConfig:
        """The one model that hears and speaks."""
        provider, model = _parted(ai.engine_model or self._config.engine_model)
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
        config = self._config
        minds = (
            ("engine_model", ai.engine_model or config.engine_model),
            *(("fallback_models", model) for model in ai.fallback_models),
        )
        for key, model in minds:
            self._check_mind(ai, key, model)
        if ai.mode == "realtime":
            provider, _ = _parted(ai.engine_model or config.engine_model)
            if provider not in catalogue.REALTIME:
                having = ", ".join(catalogue.REALTIME)
                raise AIError(
                    f"AI {ai.name!r}: mode is 'realtime', and {provider!r} has none;"
                    f" these have: {having}"
                )
            return
        self._check_ears(ai, ai.stt or config.stt or LOCAL_EARS)
        self._check_voice(ai, ai.tts or config.tts or LOCAL_VOICE)

    def _check_mind(self, ai: AI, key: str, chosen: str) -> None:
        provider, model = _parted(chosen or LOCAL_MIND)
        _check_there(ai, key, chosen, provider, self._config.minds, catalogue.MINDS)
        _check_among(ai, key, chosen, model, self._config.minds[provider].models)

    def _check_ears(self, ai: AI, chosen: str) -> None:
        provider, model = _parted(chosen)
        there: dict[str, tuple[str, ...]] = {
            name: endpoint.models for name, endpoint in self._config.ears.items()
        }
        if self._whisper is not None:
            there[LOCAL_EARS] = (_parted(self._whisper.name)[1],)
        _check_there(ai, "stt", chosen, provider, there, catalogue.EARS)
        if model:
            _check_among(ai, "stt", chosen, model, there[provider])

    def _check_voice(self, ai: AI, chosen: str) -> None:
        provider, model = _parted(chosen)
        _check_there(ai, "tts", chosen, provider, self._config.voices, catalogue.VOICES)
        if provider == LOCAL_VOICE and model:
            _check_among(ai, "tts", chosen, model, (LOCAL_VOICE,))
        voices = self._config.voices[provider].voices
        known = ", ".join(
            " ".join(filter(None, (voice.id, voice.language, voice.gender)))
            for voice in voices
        )
        if ai.voice:
            if voices and ai.voice not in (voice.id for voice in voices):
                raise AIError(
                    f"AI {ai.name!r}: {provider} has no voice {ai.voice!r};"
                    f" there are: {known}"
                )
        elif voices and catalogue.choose_voice(voices, ai.language, "") is None:
            raise AIError(
                f"AI {ai.name!r}: no voice of {provider} speaks {ai.language!r};"
                f" there are: {known}"
            )

    def _voice(self, ai: AI, chosen: str) -> Voice:
        provider, model = _parted(chosen)
        endpoint = self._config.voices[provider]
        voice = _voice_id(endpoint, model, ai)
        if endpoint.api is Api.ELEVENLABS:
            return ElevenLabsVoice(
                self._http, endpoint, provider, model, voice, ai.language
            )
        return OpenAIVoice(self._http, endpoint, provider, model, voice)


def _parted(chosen: str) -> tuple[str, str]:
    provider, _, model = chosen.partition(".")
    return provider, model


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


def _check_there(
    ai: AI,
    key: str,
    chosen: str,
    provider: str,
    there: Iterable[str],
    table: Mapping[str, Known],
) -> None:
    if provider in there:
        return
    names = ", ".join(sorted(there)) or "none"
    if provider in table:
        raise AIError(
            f"AI {ai.name!r}: {key} is {chosen!r}, and {provider} is not set up:"
            f" {table[provider].required} not set; there are: {names}"
        )
    others = "; ".join(
        f"{name} ({known.required})"
        for name, known in sorted(table.items())
        if name not in there
    )
    raise AIError(
        f"AI {ai.name!r}: {key} is {chosen!r}, and there is no provider {provider!r};"
        f" there are: {names}; not set up: {others}"
    )


def _check_among(
    ai: AI, key: str, chosen: str, model: str, models: Sequence[str]
) -> None:
    if models and model not in models:
        raise AIError(
            f"AI {ai.name!r}: {key} is {chosen!r}, and there is no model {model!r};"
            f" there are: {', '.join(models)}"
        )
