"""All checks, and running them at once, each with a deadline."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable

from . import (
    asterisk,
    machine,
    models,
    options,
    ports,
    recording,
    routes,
    running,
    settings,
    sip,
    storage,
    tools,
)
from .finding import Finding, warning
from .site import Site

Check = Callable[[Site], Iterable[Finding] | Awaitable[Iterable[Finding]]]

CHECKS: tuple[Check, ...] = (
    settings.accepted,
    settings.names,
    settings.others,
    settings.written,
    settings.without_effect,
    settings.addresses,
    settings.extremes,
    settings.secrets,
    asterisk.folder,
    asterisk.modules,
    asterisk.way_to_agent,
    asterisk.audiosocket,
    options.known,
    options.given,
    routes.lines,
    routes.words,
    routes.targets,
    routes.arrivals,
    routes.agent_leg,
    routes.people,
    routes.hand_over,
    routes.chosen_ais,
    asterisk.rtp,
    asterisk.manager,
    asterisk.http,
    asterisk.limits,
    asterisk.log,
    sip.phones,
    sip.nat,
    ports.ports,
    ports.sip,
    machine.folders,
    recording.way,
    machine.uploads,
    machine.limits,
    models.files,
    models.providers,
    tools.tools,
    storage.bucket,
    storage.database,
    storage.open_house,
    running.agent,
    running.worker,
    running.asterisk,
    running.neighbours,
)
SECONDS = 9.0
"""For all of them: they run side by side."""


async def findings(site: Site, checks: Iterable[Check] = CHECKS) -> list[Finding]:
    """In the order of the checks."""
    found = await asyncio.gather(*(_done(check, site) for check in checks))
    return [finding for each in found for finding in each]


async def _done(check: Check, site: Site) -> list[Finding]:
    name = f"{check.__module__.rpartition('.')[2]}.{check.__name__}"
    try:
        async with asyncio.timeout(SECONDS):
            if inspect.iscoroutinefunction(check):
                return list(await check(site))
            return await asyncio.to_thread(_all, check, site)
    except TimeoutError:
        return [
            warning(
                f"the check {name} was not done in {SECONDS:g} s",
                name,
                "Look at what it asks: disk, network or server are very slow.",
            )
        ]
    except Exception as failure:  # noqa: BLE001  # one check's fault hides no other's
        return [
            warning(
                f"the check {name} itself failed: {type(failure).__name__}: {failure}",
                name,
                "Report this line.",
            )
        ]


def _all(check: Check, site: Site) -> list[Finding]:
    found = check(site)
    assert not isinstance(found, Awaitable)
    return list(found)
