"""Secrets that come as files: NAME_FILE=/run/secrets/x stands for NAME.

What is mounted or handed over as a file (secrets of compose, credentials of systemd)
is not what `docker inspect` shows. It is put into the environment, since libraries read
that, boto3 for one. Other programs have variables that end in _FILE as well,
SSL_CERT_FILE for one: those are left alone.
"""

import re
from collections.abc import Mapping
from pathlib import Path

_OURS = re.compile(
    r"(?P<name>OFFHOOK_\w+|\w+_API_KEY|\w+_BASE_URL|DATABASE_URL"
    r"|AWS_ACCESS_KEY_ID|AWS_SECRET_ACCESS_KEY|OTEL_EXPORTER_OTLP_HEADERS)_FILE",
    re.ASCII,
)


class SecretFileError(ValueError):
    """A file of a secret cannot be used. Names the variable and the file."""


def with_files(environment: Mapping[str, str]) -> dict[str, str]:
    """The same environment, each NAME_FILE of ours replaced by NAME."""
    read = dict(environment)
    for variable, path in environment.items():
        ours = _OURS.fullmatch(variable)
        if ours is None:
            continue
        del read[variable]
        # An empty variable is what compose makes of one that is not set.
        if not path.strip():
            continue
        name = ours["name"]
        if environment.get(name, "").strip():
            raise SecretFileError(f"{name} and {variable} are both set: keep one")
        read[name] = secret(variable, Path(path.strip()).expanduser())
    return read


def secret(variable: str, path: Path) -> str:
    """What the file of that variable holds."""
    try:
        held = path.read_text(encoding="utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise SecretFileError(f"{variable}: {path} is not text") from None
    except OSError as error:
        why = error.strerror or error
        raise SecretFileError(f"{variable}: cannot read {path}: {why}") from error
    if not held.strip():
        raise SecretFileError(f"{variable}: {path} is empty")
    if len(held.splitlines()) > 1:
        raise SecretFileError(f"{variable}: {path} has more than one line")
    return held
