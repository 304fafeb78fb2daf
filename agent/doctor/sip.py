"""pjsip.conf: who may call from where, with which codecs, and through which NAT."""

from collections.abc import Iterator

from .addresses import (
    is_loopback,
    is_nobodys,
    is_public,
    is_this_machine,
    parsed,
    source_for,
)
from .conf import ConfFile, Section
from .finding import Finding, error, ok, warning
from .site import Site

_SHORTEST_PASSWORD = 8
_PROTOCOLS = ("udp", "tcp", "tls", "ws", "wss", "flow")


def phones(site: Site) -> Iterator[Finding]:
    """Endpoints: their codecs, parts and passwords."""
    file = site.files.get("pjsip.conf")
    if file is None:
        return
    parts = (_transports, _codecs, _parts, _logins)
    found = [finding for part in parts for finding in part(file)]
    yield from found
    if not file.of_type("transport"):
        yield error(
            "has no transport: Asterisk hears nobody",
            file.path,
            "Render the file with scripts/render-asterisk-conf.",
        )
    elif not found:
        yield ok("phones and trunk are whole, and speak ulaw", file.path)


def _transports(file: ConfFile) -> Iterator[Finding]:
    for transport in file.of_type("transport"):
        protocol = transport.value("protocol", "udp")
        if protocol not in _PROTOCOLS:
            yield error(
                f"there is no protocol {protocol!r}; there are udp, tcp, tls",
                transport.place_of("protocol"),
                "Write protocol = udp.",
            )
        host = transport.value("bind", "0.0.0.0").rpartition(":")[0]
        if parsed(host) is not None and not is_this_machine(host):
            yield error(
                f"{host} is not an address of this machine: Asterisk is deaf",
                transport.place_of("bind"),
                "Write an address of this machine, or 0.0.0.0 (SIP_ADDRESS).",
            )


def _codecs(file: ConfFile) -> Iterator[Finding]:
    for endpoint in file.of_type("endpoint"):
        allowed = _allowed(endpoint)
        if not allowed:
            yield error(
                f"{endpoint.name} has no codec: every call is refused with 488",
                endpoint.place_of("allow" if endpoint.option("allow") else "disallow"),
                "Write allow = ulaw,alaw.",
            )
        elif "ulaw" not in allowed and "all" not in allowed:
            yield warning(
                f"{endpoint.name} may not speak ulaw, which the agent hears: sound is"
                " converted, and worse",
                endpoint.place_of("allow"),
                "Write allow = ulaw,alaw.",
            )
        if endpoint.is_on("direct_media", True):
            yield error(
                f"{endpoint.name} may send its sound past Asterisk: the agent and the"
                " recording hear nothing",
                endpoint.place_of("direct_media"),
                "Write direct_media = no.",
            )


def _allowed(endpoint: Section) -> list[str]:
    allowed: list[str] = []
    for option in endpoint.options:
        names = [name.strip() for name in option.value.split(",") if name.strip()]
        if option.name == "allow":
            allowed += [name for name in names if not name.startswith("!")]
        elif option.name == "disallow":
            allowed = (
                []
                if "all" in names
                else [name for name in allowed if name not in names]
            )
    return allowed


def _parts(file: ConfFile) -> Iterator[Finding]:
    """Sections that others name."""
    transports = {section.name for section in file.of_type("transport")}
    aors = {section.name for section in file.of_type("aor")}
    auths = {section.name for section in file.of_type("auth")}
    endpoints = {section.name for section in file.of_type("endpoint")}
    for endpoint in file.of_type("endpoint"):
        for option, there in (
            ("transport", transports),
            ("aors", aors),
            ("auth", auths),
        ):
            for name in filter(None, endpoint.value(option).split(",")):
                if name.strip() not in there:
                    yield error(
                        f"{endpoint.name} names {option} {name.strip()!r}, which is"
                        " not there",
                        endpoint.place_of(option),
                        f"Add the section [{name.strip()}], or name another.",
                    )
    for identify in file.of_type("identify"):
        if identify.value("endpoint") not in endpoints:
            yield error(
                f"identify is for the endpoint {identify.value('endpoint')!r}, which"
                " is not there",
                identify.place_of("endpoint"),
                "Name an endpoint of this file.",
            )


def _logins(file: ConfFile) -> Iterator[Finding]:
    for auth in file.of_type("auth"):
        password = auth.value("password")
        if auth.value("auth_type") == "md5" or auth.option("md5_cred"):
            continue
        if _is_guessed(password, auth.value("username")):
            yield warning(
                f"the password of {auth.name} is easily guessed: strangers will call"
                " at your cost",
                auth.place_of("password"),
                f"Give it {_SHORTEST_PASSWORD} characters or more that nobody guesses.",
            )
    identified = {section.value("endpoint") for section in file.of_type("identify")}
    for endpoint in file.of_type("endpoint"):
        if endpoint.name == "anonymous":
            yield warning(
                "anybody may call without a password",
                endpoint.place,
                "Delete the endpoint [anonymous].",
            )
        elif not endpoint.value("auth") and endpoint.name not in identified:
            yield error(
                f"{endpoint.name} has neither a password nor an address",
                endpoint.place,
                "Add auth = to it, or an identify section with its address.",
            )
    for identify in file.of_type("identify"):
        for option in identify.options:
            if option.name == "match" and option.value.strip().endswith("/0"):
                yield error(
                    "the trunk is the whole world: anybody may call without a password",
                    option.place,
                    "Write the carrier's address (TRUNK_ADDRESS of the site file).",
                )


def _is_guessed(password: str, username: str) -> bool:
    return (
        len(password) < _SHORTEST_PASSWORD
        or password.lower() in (username.lower(), "password", "changeme", "asterisk")
        or (password.isdecimal() and len(password) < 2 * _SHORTEST_PASSWORD)
        or len(set(password)) < 4
    )


def nat(site: Site) -> Iterator[Finding]:
    """Will the carrier's answer, and its sound, find the way back?"""
    file = site.files.get("pjsip.conf")
    if file is None:
        return
    trunks = [
        option
        for identify in file.of_type("identify")
        for option in identify.options
        if option.name == "match" and not is_nobodys(option.value)
    ]
    for transport in file.of_type("transport"):
        yield from _external(transport)
        bind = transport.value("bind", "0.0.0.0").rpartition(":")[0] or (
            transport.value("bind", "0.0.0.0")
        )
        for trunk in trunks:
            if is_loopback(bind) and not is_loopback(trunk.value):
                yield error(
                    f"SIP listens on {bind} only, and the trunk is {trunk.value}",
                    transport.place_of("bind"),
                    "Set SIP_ADDRESS to an address that the carrier reaches.",
                )
            elif is_public(trunk.value) and not transport.value(
                "external_media_address"
            ):
                address = parsed(bind)
                ours = bind
                if address is None or address.is_unspecified:
                    ours = source_for(trunk.value)
                if ours and not is_public(ours):
                    yield warning(
                        f"the trunk {trunk.value} is public and we are {ours}: sound is"
                        " sent to an address that it cannot reach",
                        transport.place_of("bind"),
                        "Set external_signaling_address, external_media_address and"
                        " local_net of the transport.",
                    )


def _external(transport: Section) -> Iterator[Finding]:
    media = transport.option("external_media_address")
    signalling = transport.option("external_signaling_address")
    if media is None and signalling is None:
        return
    if media is None or signalling is None:
        given = media or signalling
        assert given is not None
        yield error(
            f"{given.name} is set and its twin is not: either signalling or sound goes"
            " astray",
            given.place,
            "Set external_signaling_address and external_media_address both.",
        )
    for option in (media, signalling):
        address = parsed(option.value) if option is not None else None
        if option is not None and address is not None and not is_nobodys(option.value):
            if address.is_private:
                yield warning(
                    f"{option.name} is {option.value}, which the carrier cannot reach",
                    option.place,
                    "Write the public address of this site.",
                )
    local = [option for option in transport.options if option.name == "local_net"]
    if not local:
        yield warning(
            "an external address without local_net: phones in the house are told the"
            " public one",
            (media or signalling or transport).place,
            "Add local_net with the network of the house.",
        )
