"""What the doctor looks at: settings, Asterisk's files, this machine."""

import os
import re
import resource
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from agent.environment import SettingsError
from agent.settings import Settings, read_settings
from agent.variables import VariableError, Variables

from . import conf, dialplan
from .conf import ConfFile
from .dialplan import Dialplan

_FILES = (
    "ari.conf",
    "asterisk.conf",
    "chan_websocket.conf",
    "extensions.conf",
    "http.conf",
    "logger.conf",
    "manager.conf",
    "modules.conf",
    "pjsip.conf",
    "rtp.conf",
    "websocket_client.conf",
)


def _open_files() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit


def _free(path: Path) -> int:
    return shutil.disk_usage(path).free


def _spool_of_asterisk() -> str | None:
    """OFFHOOK_SPOOL of the Asterisk that runs here, as far as we may look into it."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().decode(errors="replace")
            # It may be run by a loader, whose words come first.
            if "asterisk" not in map(os.path.basename, words.split("\0")[:4]):
                continue
            lines = (process / "environ").read_bytes().decode(errors="replace")
            environment = dict(line.partition("=")[::2] for line in lines.split("\0"))
            found.add(environment.get("OFFHOOK_SPOOL", ""))
    return found.pop() if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class Machine:
    """What a test cannot set up for real."""

    open_files: Callable[[], int] = _open_files
    free_bytes: Callable[[Path], int] = _free
    spool_of_asterisk: Callable[[], str | None] = _spool_of_asterisk
    """Empty: it has none; None: nobody knows."""


@dataclass(frozen=True, slots=True)
class Site:
    variables: Variables
    settings: Settings | None
    """None: they are refused."""
    refused: str = ""
    folder: Path | None = None
    """Of Asterisk's configuration; None: nobody named one and there is none."""
    files: Mapping[str, ConfFile] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Files of Asterisk's that are there and cannot be read, and why."""
    plan: Dialplan | None = None
    """What extensions.conf says."""
    before_start: bool = False
    """Neither agent nor Asterisk run yet, and nobody may have their ports."""
    machine: Machine = Machine()

    @property
    def refused_by(self) -> str:
        """The variable that the settings are refused for."""
        found = re.search(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b", self.refused)
        return found[0] if found else "the environment"

    @property
    def uses_audiosocket(self) -> bool:
        return self.settings is not None and bool(self.settings.audiosocket.port)


def look(
    environment: Mapping[str, str],
    folder: Path | None = None,
    *,
    before_start: bool = False,
    machine: Machine = Machine(),
) -> Site:
    """Reads files; `folder` is Asterisk's, without it the usual ones are tried."""
    variables = Variables(environment)
    settings, refused = None, ""
    try:
        settings = read_settings(variables, look_only=True)
    except (SettingsError, VariableError) as error:
        refused = str(error)
    if folder is None:
        data = settings.data if settings is not None else Path("var")
        folder = _usual(data, environment.get("OFFHOOK_ASTERISK", ""))
    files, unreadable = {}, {}
    for name in _FILES if folder is not None else ():
        assert folder is not None
        try:
            files[name] = conf.read(folder / name)
        except FileNotFoundError:
            continue
        except OSError as error:
            unreadable[name] = error.strerror or str(error)
    extensions = files.get("extensions.conf")
    return Site(
        variables,
        settings,
        refused,
        folder,
        files,
        unreadable,
        dialplan.read(extensions) if extensions is not None else None,
        before_start,
        machine,
    )


def _usual(data: Path, run: str) -> Path | None:
    """That of scripts/run, or the system's."""
    tried = [Path(run) / "etc"] if run else []
    tried += [data / "asterisk" / "etc", Path("/etc/asterisk")]
    found = (path for path in tried if os.path.isdir(path))
    return next(found, None)
