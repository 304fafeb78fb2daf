"""What excludes what among the variables, told all at once and before anything starts.

A contradiction can never be meant; it stops the start. What is merely without effect
does not: `offhook config` and `offhook doctor` say so.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from urllib.parse import urlsplit

from agent.variables import KNOWN, Variable, VariableError, Variables, masked

DATABASES = ("sqlite", "postgresql", "postgres")


@dataclass(frozen=True, slots=True)
class Contradiction:
    variable: str
    """The line to change: its name, or that of the file which it comes from."""
    what: str
    mends: str
    """A sentence, of what to set or to remove."""

    def __str__(self) -> str:
        return f"{self.what}; {self.mends[:1].lower()}{self.mends[1:].rstrip('.')}"


Rule = Callable[["_Given"], Iterator[Contradiction]]


def contradictions(variables: Variables) -> list[Contradiction]:
    """Of variables that were read; what else is set is looked at as it stands."""
    return _found(variables, _RULES)


def of_recordings(variables: Variables) -> list[Contradiction]:
    """Those that `offhook upload` would meet."""
    return _found(variables, (_without_bucket, _keys_of_bucket))


def _found(variables: Variables, rules: Sequence[Rule]) -> list[Contradiction]:
    given = _Given(variables)
    return [found for rule in rules for found in rule(given)]


def idle(variables: Variables) -> Iterator[tuple[str, str]]:
    """Variables that are set and without effect, and why."""
    given = _Given(variables)
    for needed, names in _IDLE_WITHOUT.items():
        if not any(given.is_set(each) for each in needed.split()):
            for name in names.split():
                if given.is_set(name):
                    yield given.line(name), f"{needed.split()[0]} is not set"
    level = given.value("OFFHOOK_LOG_LEVEL").upper()
    if given.value("OFFHOOK_LOG_WORDS") == "yes" and level in ("WARNING", "ERROR"):
        why = f"words are logged at INFO, and OFFHOOK_LOG_LEVEL is {level}"
        yield given.line("OFFHOOK_LOG_WORDS"), why
    mind = given.value("OFFHOOK_ENGINE_MODEL")
    if given.is_set("OPENAI_MODEL") and mind and not mind.startswith("openai."):
        yield given.line("OPENAI_MODEL"), f"OFFHOOK_ENGINE_MODEL is {mind}"
    voice = given.value("OFFHOOK_TTS")
    if given.is_set("OFFHOOK_TTS_MODEL") and voice and not voice.startswith("openai."):
        yield given.line("OFFHOOK_TTS_MODEL"), f"OFFHOOK_TTS is {voice}"


class _Given:
    def __init__(self, variables: Variables) -> None:
        self.variables = variables

    def value(self, name: str) -> str:
        """As it counts; empty: nobody set it, and there is no default."""
        return self._look(name).value

    def is_set(self, name: str) -> bool:
        found = self._look(name)
        return found.source != "default" and bool(found.value)

    def line(self, name: str) -> str:
        """What an operator has to change: NAME, or NAME_FILE."""
        source = self._look(name).source
        return source if source == f"{name}_FILE" else name

    def shown(self, name: str) -> str:
        """NAME is VALUE; secrets are masked."""
        return f"{self.line(name)} is {masked(name, self.value(name))!r}"

    def _look(self, name: str) -> Variable:
        try:
            return self.variables.look(name)
        except VariableError:  # which _files tells
            return Variable(name, "", "default")


def _files(given: _Given) -> Iterator[Contradiction]:
    """Of variables that nobody has read: whoever reads them says so himself."""
    for file in sorted(given.variables):
        name = file.removesuffix("_FILE")
        if name != file and name in KNOWN:
            try:
                given.variables.look(name)
            except VariableError as error:
                yield Contradiction(file, str(error), "Correct this variable.")


def _keys_of_bucket(given: _Given) -> Iterator[Contradiction]:
    if given.is_set("S3_BUCKET"):
        yield from _halves(given, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def _login_for_mail(given: _Given) -> Iterator[Contradiction]:
    if given.is_set("OFFHOOK_SMTP_HOST"):
        yield from _halves(given, "OFFHOOK_SMTP_USERNAME", "OFFHOOK_SMTP_KEY")


def _azure(given: _Given) -> Iterator[Contradiction]:
    yield from _halves(given, "AZURE_OPENAI_BASE_URL", "AZURE_OPENAI_API_KEY")


def _halves(given: _Given, first: str, second: str) -> Iterator[Contradiction]:
    """Both or none."""
    for there, missing in ((first, second), (second, first)):
        if given.is_set(there) and not given.is_set(missing):
            yield Contradiction(
                missing,
                f"{given.line(there)} is set, and {missing} is not",
                f"Set {missing}, or remove {given.line(there)}.",
            )


def _without_bucket(given: _Given) -> Iterator[Contradiction]:
    if given.is_set("S3_ENDPOINT_URL") and not given.is_set("S3_BUCKET"):
        yield Contradiction(
            given.line("S3_ENDPOINT_URL"),
            f"{given.shown('S3_ENDPOINT_URL')}, and S3_BUCKET is not set: recordings"
            " would go to a folder",
            "Set S3_BUCKET, or remove S3_ENDPOINT_URL.",
        )


def _two_models(given: _Given) -> Iterator[Contradiction]:
    for whole, model in (
        ("OFFHOOK_ENGINE_MODEL", "OPENAI_MODEL"),
        ("OFFHOOK_TTS", "OFFHOOK_TTS_MODEL"),
    ):
        provider, _, chosen = given.value(whole).partition(".")
        if (
            given.is_set(whole)
            and given.is_set(model)
            and provider == "openai"
            and chosen != given.value(model)
        ):
            yield Contradiction(
                model,
                f"{given.shown(whole)}, and {given.shown(model)}",
                f"Remove {given.line(model)}, or name the same model in both.",
            )


_WEB = ("http", "https")
_SCHEMES = {
    **dict.fromkeys(
        (
            *("OPENAI_BASE_URL", "AZURE_OPENAI_BASE_URL", "OLLAMA_BASE_URL"),
            *("VLLM_BASE_URL", "LLAMACPP_BASE_URL", "LMSTUDIO_BASE_URL"),
            *("OFFHOOK_STT_BASE_URL", "OFFHOOK_TTS_BASE_URL", "S3_ENDPOINT_URL"),
        ),
        _WEB,
    ),
    "OFFHOOK_NC_URL": ("ws", "wss"),
}


def _addresses(given: _Given) -> Iterator[Contradiction]:
    for name, schemes in _SCHEMES.items():
        address = given.value(name)
        if address and not _is_address(address, schemes):
            yield Contradiction(
                given.line(name),
                f"{given.shown(name)}, which is no address",
                f"Begin it with {schemes[0]}:// or {schemes[1]}://, and a host.",
            )
    database = given.value("DATABASE_URL")
    kind = database.partition(":")[0].partition("+")[0]
    if database and kind not in DATABASES:
        yield Contradiction(
            given.line("DATABASE_URL"),
            f"DATABASE_URL is of kind {kind if kind.isalnum() else '?'!r}",
            "Write sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME.",
        )


def _is_address(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname)
    except ValueError:
        return False


_PORTS = (
    ("OFFHOOK_PORT", "OFFHOOK_HOST"),
    ("OFFHOOK_WORK_PORT", ""),
    ("OFFHOOK_AUDIOSOCKET_PORT", "OFFHOOK_AUDIOSOCKET_HOST"),
    ("OFFHOOK_AMI_PORT", "OFFHOOK_AMI_HOST"),
)
"""Each with where it is; empty: on loopback."""
_LOOPBACK = "127.0.0.1"
_EVERYWHERE = {"0.0.0.0", "::"}


def _ports(given: _Given) -> Iterator[Contradiction]:
    taken = [
        (name, int(given.value(name)), given.value(host) if host else _LOOPBACK)
        for name, host in _PORTS
        if given.value(name).isdecimal() and _listens(given, name)
    ]
    for (name, port, host), (other, its_port, its_host) in combinations(taken, 2):
        if port == its_port != 0 and _meet(host, its_host):
            yield Contradiction(
                given.line(other if given.is_set(other) else name),
                f"{other} is {port}, and so is {name}",
                "Choose another port for one of the two.",
            )


def _listens(given: _Given, name: str) -> bool:
    """On this machine, as far as we know."""
    match name:
        case "OFFHOOK_WORK_PORT":
            return given.value("OFFHOOK_WORK") != "off"
        case "OFFHOOK_AMI_PORT":
            there = _plain(given.value("OFFHOOK_AMI_HOST"))
            return given.is_set("OFFHOOK_AMI_PASSWORD") and there == _LOOPBACK
    return True


def _meet(host: str, other: str) -> bool:
    """Whether two listeners would be in each other's way, as far as is plain."""
    ours, theirs = _plain(host), _plain(other)
    return ours == theirs or bool({ours, theirs} & _EVERYWHERE)


def _plain(host: str) -> str:
    return _LOOPBACK if host == "localhost" else host.strip("[]")


_TURNS = (
    ("OFFHOOK_TURN_DONE_SECONDS", "OFFHOOK_TURN_UNSURE_SECONDS"),
    ("OFFHOOK_TURN_UNSURE_SECONDS", "OFFHOOK_TURN_UNFINISHED_SECONDS"),
    ("OFFHOOK_TURN_DONE_SECONDS", "OFFHOOK_TURN_DICTATION_SECONDS"),
)
"""Who is surer that a caller has finished does not wait longer."""


def _turns(given: _Given) -> Iterator[Contradiction]:
    for shorter, longer in _TURNS:
        few, many = _number(given.value(shorter)), _number(given.value(longer))
        if few > many > 0:
            yield Contradiction(
                given.line(shorter if given.is_set(shorter) else longer),
                f"{shorter} is {few:g}, longer than {longer}, which is {many:g}",
                f"Lower {shorter}, or raise {longer}.",
            )


def _number(text: str) -> float:
    """0: there is none, or it was refused when it was read."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def _message(given: _Given) -> Iterator[Contradiction]:
    body = given.value("OFFHOOK_MESSAGE_BODY")
    if given.is_set("OFFHOOK_MESSAGE_URL") and body and "{text}" not in body:
        yield Contradiction(
            given.line("OFFHOOK_MESSAGE_BODY"),
            "OFFHOOK_MESSAGE_BODY has no {text}: nobody would read what the AI writes",
            "Put {text} where the message is to stand.",
        )


_RULES: tuple[Rule, ...] = (
    _files,
    _keys_of_bucket,
    _without_bucket,
    _login_for_mail,
    _azure,
    _two_models,
    _addresses,
    _ports,
    _turns,
    _message,
)

_IDLE_WITHOUT = {
    "OFFHOOK_SMTP_HOST": "OFFHOOK_SMTP_PORT OFFHOOK_SMTP_SECURITY OFFHOOK_SMTP_FROM"
    " OFFHOOK_SMTP_USERNAME OFFHOOK_SMTP_KEY",
    "OFFHOOK_MESSAGE_URL": "OFFHOOK_MESSAGE_TOKEN OFFHOOK_MESSAGE_BODY",
    "OFFHOOK_AMI_PASSWORD": "OFFHOOK_AMI_HOST",
    "OFFHOOK_AUDIOSOCKET_PORT": "OFFHOOK_AUDIOSOCKET_HOST",
    "OFFHOOK_EMBEDDINGS_URL": "OFFHOOK_EMBEDDINGS_API_KEY",
    "OFFHOOK_TTS_BASE_URL OFFHOOK_TTS": "OFFHOOK_TTS_MODEL",
    "OFFHOOK_TTS_BASE_URL OFFHOOK_TTS_API_KEY OPENAI_API_KEY": (
        "OFFHOOK_TTS_VOICE OFFHOOK_TTS_RATE"
    ),
    "VLLM_BASE_URL": "VLLM_API_KEY",
    "S3_BUCKET": "S3_CREATE_BUCKET",
    "OTEL_EXPORTER_OTLP_ENDPOINT OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": (
        "OTEL_EXPORTER_OTLP_HEADERS OTEL_EXPORTER_OTLP_TIMEOUT"
    ),
}
"""What is needed, any of several, and what does nothing without it."""
