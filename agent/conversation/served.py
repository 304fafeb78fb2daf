"""Which AIs this machine can serve: what it has been given, and what runs on it.

Models of this machine are started with the agent, where an AI uses them then, and not
when somebody describes another AI.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from agent.calls.ai import AI, AIError, ModelError

from .catalogue import LOCAL_EARS, LOCAL_MIND, LOCAL_VOICE
from .config import ProvidersConfig
from .providers import Providers
from .tools.toolbox import Toolbox

Known = Mapping[str, Mapping[str, list[str]]]
"""By the key of an AI: providers, and their models; none named: all that it has."""

_LOCAL = {
    LOCAL_MIND: "language model",
    LOCAL_EARS: "speech recognition",
    LOCAL_VOICE: "voice",
}


@dataclass(frozen=True, slots=True)
class Served:
    config: ProvidersConfig
    """With what was started."""
    providers: Providers
    toolbox: Toolbox
    whisper: str = ""
    """Model of this machine's ears; empty: they were not started."""
    noise: Collection[str] = ()
    """What takes out noise, besides nothing."""

    def check(self, ai: AI) -> None:
        """A ModelError, or an AIError about anything else, if it cannot be served."""
        self._check_started(ai)
        try:
            self.providers.check(ai)
        except AIError as error:
            raise ModelError(str(error)) from error
        if ai.noise != "off" and ai.noise not in self.noise:
            raise AIError(
                f"AI {ai.name!r}: noise is {ai.noise!r}, which was not started with the"
                " agent: no AI of the OFFHOOK_AIS file has it"
            )
        self.toolbox.check(ai)

    def known(self) -> Known:
        config = self.config
        minds = {name: list(each.models) for name, each in config.minds.items()}
        ears = {name: list(each.models) for name, each in config.ears.items()}
        if self.whisper:
            ears[LOCAL_EARS] = [self.whisper]
        tts: dict[str, list[str]] = {name: [] for name in config.voices}
        if LOCAL_VOICE in tts:
            tts[LOCAL_VOICE] = [LOCAL_VOICE]
        return {
            "engine_model": minds,
            "fallback_models": minds,
            "stt": ears,
            "tts": tts,
            "voice": {
                name: [voice.id for voice in each.voices]
                for name, each in config.voices.items()
            },
        }

    def _check_started(self, ai: AI) -> None:
        needed = self.config.used([ai]) & set(_LOCAL)
        if ai.mode == "realtime":
            needed &= {LOCAL_MIND}
        if missing := needed - self._started():
            what = " and ".join(_LOCAL[name] for name in _LOCAL if name in missing)
            raise ModelError(
                f"AI {ai.name!r} needs this machine's own {what}, not started with the"
                " agent because no AI used it then: let an AI of the OFFHOOK_AIS file"
                " use it and start the agent again, or name another provider"
            )

    def _started(self) -> set[str]:
        return {
            name
            for name, there in (
                (LOCAL_MIND, LOCAL_MIND in self.config.minds),
                (LOCAL_EARS, self.whisper),
                (LOCAL_VOICE, LOCAL_VOICE in self.config.voices),
            )
            if there
        }
