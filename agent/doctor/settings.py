"""The environment: names that nobody reads, values refused or without effect."""

from collections.abc import Iterator

from agent.variables import OF_SCRIPTS, unknown

from .finding import Finding, error, ok, warning
from .site import Site


def names(site: Site) -> Iterator[Finding]:
    for name, near in unknown(site.variables):
        yield error(
            f"nobody reads {name}" + (f"; there is {near}" if near else ""),
            name,
            f"Write {near} instead." if near else "Delete it.",
        )


def accepted(site: Site) -> Iterator[Finding]:
    if site.settings is None:
        yield error(
            f"the agent does not start: {site.refused}",
            site.refused_by,
            "Correct this variable; docs/settings.md says what is expected.",
        )
        return
    yield ok("the settings are accepted")
    strangers = {name for name, _ in unknown(site.variables)}
    for name in site.variables.unread():
        if name not in strangers and name not in OF_SCRIPTS:
            if reason := _without(site, name):
                yield warning(
                    f"{name} has no effect: {reason}", name, "Delete it, or set that."
                )


_NEEDS = {
    "OFFHOOK_SMTP_": "OFFHOOK_SMTP_HOST",
    "OFFHOOK_MESSAGE_": "OFFHOOK_MESSAGE_URL",
}


def _without(site: Site, name: str) -> str:
    for begins, needed in _NEEDS.items():
        if name.startswith(begins) and not site.variables.get(needed):
            return f"{needed} is not set"
    return ""


def secrets(site: Site) -> Iterator[Finding]:
    settings = site.settings
    # None yet: it is made up at the first start.
    if settings is not None and 0 < len(settings.telephony.password) < 8:
        yield warning(
            "the password of the agent's socket is easily guessed",
            "OFFHOOK_MEDIA_PASSWORD",
            "Make one with openssl rand -hex 24, for the agent and for Asterisk.",
        )
