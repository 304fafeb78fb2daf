"""Whether an AI can hear, think and speak with the providers that there are.

Pure: nobody is asked, and nothing is opened.
"""

from collections.abc import Iterable, Mapping, Sequence

from agent.calls.ai import AI, AIError

from . import catalogue
from .catalogue import LOCAL_EARS, LOCAL_MIND, LOCAL_VOICE, Known, parted
from .config import ProvidersConfig


def check(ai: AI, config: ProvidersConfig, whisper: str = "") -> None:
    """An AIError, with what there is, if it cannot. `whisper`: the recogniser of this
    machine, as `<provider>.<model>`."""
    minds = (
        ("engine_model", ai.engine_model or config.engine_model),
        *(("fallback_models", model) for model in ai.fallback_models),
    )
    for key, model in minds:
        _check_mind(ai, config, key, model)
    if ai.mode == "realtime":
        provider, _ = parted(ai.engine_model or config.engine_model)
        if provider not in catalogue.REALTIME:
            having = ", ".join(catalogue.REALTIME)
            raise AIError(
                f"AI {ai.name!r}: mode is 'realtime', and {provider!r} has none;"
                f" these have: {having}"
            )
        return
    _check_ears(ai, config, whisper, ai.stt or config.stt or LOCAL_EARS)
    _check_voice(ai, config, ai.tts or config.tts or LOCAL_VOICE)


def missing(chosen: str, there: Iterable[str], table: Mapping[str, Known]) -> str:
    """Why nobody could be asked for `<provider>.<model>`; empty: somebody could, or
    nothing was chosen."""
    provider, _ = parted(chosen)
    if not chosen or provider in there or provider == LOCAL_EARS:
        return ""
    if provider in table:
        return f"{table[provider].required} is not set"
    names = ", ".join(sorted({*there, *table}))
    return f"there is no provider {provider!r}: there are {names}"


def _check_mind(ai: AI, config: ProvidersConfig, key: str, chosen: str) -> None:
    provider, model = parted(chosen or LOCAL_MIND)
    _check_there(ai, key, chosen, provider, config.minds, catalogue.MINDS)
    _check_among(ai, key, chosen, model, config.minds[provider].models)


def _check_ears(ai: AI, config: ProvidersConfig, whisper: str, chosen: str) -> None:
    provider, model = parted(chosen)
    there: dict[str, tuple[str, ...]] = {
        name: endpoint.models for name, endpoint in config.ears.items()
    }
    if whisper:
        there[LOCAL_EARS] = (parted(whisper)[1],)
    _check_there(ai, "stt", chosen, provider, there, catalogue.EARS)
    if model:
        _check_among(ai, "stt", chosen, model, there[provider])


def _check_voice(ai: AI, config: ProvidersConfig, chosen: str) -> None:
    provider, model = parted(chosen)
    _check_there(ai, "tts", chosen, provider, config.voices, catalogue.VOICES)
    if provider == LOCAL_VOICE and model:
        _check_among(ai, "tts", chosen, model, (LOCAL_VOICE,))
    voices = config.voices[provider].voices
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
