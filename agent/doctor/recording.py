"""From MixMonitor to the agent: one folder for both, names that fit the call, and a
script that tells the agent."""

import re
import stat
from collections.abc import Iterator
from pathlib import Path

from .asterisk import global_of
from .conf import Place
from .dialplan import Dialplan, Step, inside, outside
from .finding import Finding, error, ok, warning
from .routes import is_for_agent
from .site import Site

_TRACKS = {"r": "user", "t": "assistant"}
"""Options of MixMonitor, and what is behind the name of the file."""
_HOOKS_SPOOL = "/var/spool/offhook"


def way(site: Site) -> Iterator[Finding]:
    """Each call to the agent is recorded where the agent looks, and it is told."""
    plan, settings = site.plan, site.settings
    if plan is None or settings is None:
        return
    calls = [step for step in _arriving(site, plan) if is_for_agent(step)]
    recorded: dict[Place, tuple[Step, Step]] = {}
    found: list[Finding] = []
    for call in calls:
        recorders = [
            each for each in plan.before(call) if each.application == "mixmonitor"
        ]
        recorded |= {each.place: (each, call) for each in recorders}
        if not recorders:
            found.append(
                warning(
                    "no line before the one that dials the agent records calls",
                    call.place,
                    "Add MixMonitor as asterisk-conf/extensions.conf has it.",
                )
            )
    for step, call in recorded.values():
        found += _recorded(site, plan, step, call)
    yield from dict.fromkeys(found)
    if recorded and not found:
        yield ok("Asterisk records where the agent looks, and tells it")


def _arriving(site: Site, plan: Dialplan) -> list[Step]:
    """Lines that a call may come to; all, if nobody knows where calls begin."""
    pjsip = site.files.get("pjsip.conf")
    contexts = {
        endpoint.value("context", "default")
        for endpoint in (pjsip.of_type("endpoint") if pjsip is not None else ())
    }
    found = {
        step.place: step
        for context in contexts & set(plan.contexts)
        for step in plan.reached(context)
    }
    return list(found.values()) or list(plan.all())


def _recorded(site: Site, plan: Dialplan, step: Step, call: Step) -> Iterator[Finding]:
    assert site.settings is not None
    file, _, rest = outside(plan.resolved(step), ",")
    options, _, command = outside(rest, ",")
    path = Path(file.strip())
    if not path.is_absolute():
        path = _spool(site) / "monitor" / path
    monitor, place = site.settings.recordings.monitor, _origin(site, plan, step)
    if (glued := _glued(site, plan, step)) is not None:
        yield error(
            f"no slash stands between the folder and the name: recordings are"
            f" {path.name} in {path.parent}, and the agent looks into {monitor}",
            glued,
            "Write a / between the two: ${RECORDINGS}/${UNIQUEID}.",
        )
        return
    if path.parent.resolve() != monitor.resolve():
        yield error(
            f"Asterisk records to {path.parent}, OFFHOOK_MONITOR is {monitor}:"
            " recordings are not found",
            place,
            "Make the two the same (RECORDINGS of the site file).",
        )
    elif not path.parent.is_dir():
        yield error(
            f"there is no folder {path.parent}: calls are not recorded",
            place,
            "Make the folder, for Asterisk's user and the agent's to write to.",
        )
    if path.suffix != ".wav":
        yield error(
            f"recordings are {path.suffix or 'without an end'}: the agent takes .wav",
            step.place,
            "End the name of MixMonitor's file in .wav.",
        )
    for option, track in _TRACKS.items():
        named = inside(options, f"{option}(")
        wanted = f"{path.with_suffix('')}-{track}.wav"
        if named != wanted:
            yield warning(
                f"the track {track} is {_last(named) or 'not recorded'}, not"
                f" {_last(wanted)}",
                step.place,
                f"Write {option}(${{RECORDING}}-{track}.wav) in MixMonitor's options.",
            )
    yield from _named(plan, step, call, path.stem)
    yield from _hook(site, step, command.strip(), path.stem)


def _named(plan: Dialplan, step: Step, call: Step, name: str) -> Iterator[Finding]:
    """By the call's id, for the agent to know whose they are."""
    told = re.search(r"call_id=(?:\$\{URIENCODE\()?(\$\{[^}]*\})", plan.resolved(call))
    if told is not None and told[1] != name and "$" in name:
        yield error(
            f"recordings are called {name}, and the agent knows the call as {told[1]}",
            step.place,
            f"Name MixMonitor's file after {told[1]}.",
        )


def _hook(site: Site, step: Step, command: str, name: str) -> Iterator[Finding]:
    words = command.split()
    script = Path(words[0]) if words else None
    if script is None or not script.is_absolute():
        yield error(
            "MixMonitor runs no script when a recording is complete",
            step.place,
            "Give MixMonitor the upload hook (UPLOAD_HOOK of the site file).",
        )
        return
    if not script.exists():
        yield error(
            f"there is no upload hook {script}: recordings arrive minutes late",
            step.place,
            "Name scripts/upload-recording.sh (UPLOAD_HOOK of the site file).",
        )
        return
    if not script.stat().st_mode & stat.S_IXUSR:
        yield error(
            f"the upload hook {script} is not executable",
            step.place,
            f"Run chmod +x {script}.",
        )
    ours = script.name == "upload-recording.sh"
    if ours and (len(words) not in (3, 4) or words[1] != name):
        yield error(
            f"the upload hook is told {' '.join(words[1:]) or 'nothing'}, not the name"
            " of the recording and the call's id",
            step.place,
            "Write ${UNIQUEID} ${UNIQUEID} prod behind the script.",
        )
    spool = site.machine.spool_of_asterisk()
    if ours and spool is not None and site.settings is not None:
        kept = site.settings.recordings.spool
        if Path(spool or _HOOKS_SPOOL).resolve() != kept.resolve():
            yield error(
                f"Asterisk's upload hook leaves jobs in {spool or _HOOKS_SPOOL},"
                f" OFFHOOK_SPOOL is {kept}: recordings arrive minutes late",
                "OFFHOOK_SPOOL",
                "Give Asterisk and the agent the same OFFHOOK_SPOOL.",
            )


def _origin(site: Site, plan: Dialplan, step: Step) -> Place:
    """Where the folder is said."""
    text = step.text + "".join(each.text for each in plan.before(step))
    for name in re.findall(r"\$\{(\w+)\}/", text):
        option = global_of(site, name)
        if option is not None and option.value.startswith("/"):
            return option.place
    said = [each.place for each in plan.before(step) if re.search(r"=/", each.text)]
    return said[-1] if said else step.place


def _glued(site: Site, plan: Dialplan, step: Step) -> Place | None:
    """Where a name follows the folder with nothing between them."""
    for each in (*plan.before(step), step):
        for name in re.findall(r"\$\{(\w+)\}(?=[\w$])", each.arguments):
            option = global_of(site, name)
            if option is not None and re.fullmatch(r"/.*[^/]", option.value):
                return each.place
    return None


def _spool(site: Site) -> Path:
    file = site.files.get("asterisk.conf")
    section = file.section("directories") if file is not None else None
    said = section.value("astspooldir") if section is not None else ""
    return Path(said or "/var/spool/asterisk")


def _last(path: str | None) -> str:
    return Path(path).name if path else ""
