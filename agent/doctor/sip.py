"""pjsip.conf: who may call from where, with which codecs, and through which NAT."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from .addresses import (
    is_loopback,
    is_nobodys,
    is_public,
    is_this_machine,
    parsed,
    source_for,
)
from .asterisk import loaded_modules
from .conf import ConfFile, Option, Section
from .finding import Finding, error, ok, warning
from .site import Site

_SHORTEST_PASSWORD = 8
_SHORTEST_SILENCE = 20
"""Seconds."""
_UNHEARD = "-"
_CODECS = {
    "ulaw": "codec_ulaw",
    "alaw": "codec_alaw",
    "g722": "codec_g722",
    "gsm": "codec_gsm",
    "ilbc": "codec_ilbc",
    "speex": "codec_speex",
    "speex16": "codec_speex",
    "speex32": "codec_speex",
    "lpc10": "codec_lpc10",
    "g726": "codec_g726",
    "g726aal2": "codec_g726",
    "adpcm": "codec_adpcm",
    "opus": "codec_opus",
    "codec2": "codec_codec2",
    "g729": "codec_g729",
    "g723": _UNHEARD,
    "siren7": _UNHEARD,
    "siren14": _UNHEARD,
    "g719": _UNHEARD,
    **dict.fromkeys("slin slin8 slin12 slin16 slin24 slin32 slin44 slin48".split(), ""),
    **dict.fromkeys("slin96 slin192".split(), ""),
    **dict.fromkeys(
        "h261 h263 h263p h264 h265 mpeg4 vp8 vp9 t140 t140red".split(), "-"
    ),
    **dict.fromkeys("jpeg png silk silk8 silk12 silk16 silk24 none".split(), "-"),
}
"""Codecs, and the module that converts each; `-`: none does, empty: none is needed."""


def phones(site: Site) -> Iterator[Finding]:
    """Endpoints: their codecs, parts and passwords."""
    file = site.files.get("pjsip.conf")
    if file is None:
        return
    parts = (_transports, _codecs, _silences, _parts, _logins, _registrations, _trunks)
    found = [finding for part in parts for finding in part(file)]
    found += _translations(site, file)
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
    seen: dict[tuple[str, str], Section] = {}
    for transport in file.of_type("transport"):
        at = (transport.value("protocol", "udp"), transport.value("bind"))
        if at in seen:
            yield error(
                f"{seen[at].name} has {' '.join(at)} already: this one hears nobody",
                transport.place_of("bind"),
                "Delete one of the two transports, or give it another port.",
            )
        seen.setdefault(at, transport)
        if not transport.value("bind"):
            yield error(
                f"{transport.name} has no address: Asterisk leaves it out",
                transport.place,
                "Write bind = 0.0.0.0:5060 (SIP_ADDRESS and SIP_PORT).",
            )
        if transport.value("protocol") in ("tls", "wss"):
            yield from _certificate(transport)
        host = _host(transport)
        port = transport.value("bind").rpartition("]")[2].partition(":")[2]
        if parsed(host) is None or not (port or "5060").isdecimal():
            yield error(
                f"bind is {transport.value('bind')!r}, not ADDRESS:PORT: Asterisk hears"
                " nobody",
                transport.place_of("bind"),
                "Write bind = 0.0.0.0:5060 (SIP_ADDRESS and SIP_PORT).",
            )
        elif parsed(host) is not None and not is_this_machine(host):
            yield error(
                f"{host} is not an address of this machine: Asterisk is deaf",
                transport.place_of("bind"),
                "Write an address of this machine, or 0.0.0.0 (SIP_ADDRESS).",
            )


def _certificate(transport: Section) -> Iterator[Finding]:
    for name in ("cert_file", "priv_key_file"):
        path = transport.value(name)
        if name == "cert_file" and not path:
            yield error(
                f"{transport.name} speaks {transport.value('protocol')} without a"
                " certificate",
                transport.place,
                "Write cert_file and priv_key_file.",
            )
        elif path and not Path(path).is_file():
            yield error(
                f"there is no file {path}",
                transport.place_of(name),
                f"Name the file in {name}, readable for Asterisk's user.",
            )


def _host(transport: Section) -> str:
    """The address of `bind`, without its port."""
    bind = transport.value("bind", "0.0.0.0")
    if bind.startswith("["):
        return bind[1:].partition("]")[0]
    return bind if bind.count(":") != 1 else bind.partition(":")[0]


def _codecs(file: ConfFile) -> Iterator[Finding]:
    for endpoint in file.of_type("endpoint"):
        allowed = _allowed(endpoint)
        if not allowed:
            yield error(
                f"{endpoint.name} has no codec: every call is refused with 488",
                endpoint.place_of("allow" if endpoint.option("allow") else "disallow"),
                "Write allow = ulaw,alaw.",
            )
        for option in endpoint.options:
            for name in _names(option) if option.name in ("allow", "disallow") else ():
                if name.lstrip("!") in (*_CODECS, "all"):
                    continue
                near = get_close_matches(name, [*_CODECS, "all"], n=1, cutoff=0.5)
                yield error(
                    f"there is no codec {name!r}"
                    + (f"; there is {near[0]}" if near else "")
                    + f": Asterisk leaves {endpoint.name} out",
                    option.place,
                    "Write disallow = all and allow = ulaw,alaw.",
                )
        if endpoint.is_on("direct_media", True):
            yield error(
                f"{endpoint.name} may send its sound past Asterisk: the agent and the"
                " recording hear nothing",
                endpoint.place_of("direct_media"),
                "Write direct_media = no.",
            )


def _silences(file: ConfFile) -> Iterator[Finding]:
    """Phones may send nothing while nobody speaks, and callers are silent at times."""
    said = {
        option.place: option
        for endpoint in file.of_type("endpoint")
        if (option := endpoint.option("rtp_timeout")) is not None
    }
    for option in said.values():
        if option.value.isdecimal() and 0 < int(option.value) < _SHORTEST_SILENCE:
            yield warning(
                f"rtp_timeout is {option.value}: who is mute for so many seconds, on a"
                " phone that then sends nothing, is hung up on",
                option.place,
                "Write rtp_timeout = 60.",
            )


def _names(option: Option) -> list[str]:
    """ulaw:20 is ulaw in packets of 20 ms."""
    said = (name.partition(":")[0].strip() for name in option.value.split(","))
    return [name.lower() for name in said if name]


def _allowed(endpoint: Section) -> list[str]:
    allowed: list[str] = []
    for option in endpoint.options:
        names = _names(option)
        if option.name == "allow":
            for name in names:
                if name == "!all":
                    allowed = []
                elif name.startswith("!"):
                    allowed = [each for each in allowed if each != name[1:]]
                else:
                    allowed.append(name)
        elif option.name == "disallow":
            allowed = (
                []
                if "all" in names
                else [name for name in allowed if name not in names]
            )
    return allowed


def _translations(site: Site, file: ConfFile) -> Iterator[Finding]:
    """Whoever does not speak ulaw is converted, if there is something that can."""
    loaded = loaded_modules(site)
    for endpoint in file.of_type("endpoint"):
        allowed = [name for name in _allowed(endpoint) if name in _CODECS]
        if not allowed or "ulaw" in allowed:
            continue
        able = [
            name
            for name in allowed
            if loaded is None or _CODECS[name] in loaded or not _CODECS[name]
        ]
        if able and _CODECS[able[0]] != _UNHEARD:
            yield warning(
                f"{endpoint.name} may not speak ulaw, which the agent hears: sound is"
                " converted, and worse",
                endpoint.place_of("allow"),
                "Write allow = ulaw,alaw.",
            )
            continue
        yield error(
            f"{endpoint.name} speaks {', '.join(allowed)} only, the agent ulaw, and"
            " nothing here converts the one to the other: calls are silent or refused",
            endpoint.place_of("allow"),
            "Write allow = ulaw,alaw, or load the codec's module.",
        )


def _registrations(file: ConfFile) -> Iterator[Finding]:
    """Phones that log in find a place to be registered at, under their own name."""
    aors = {section.name: section for section in file.of_type("aor")}
    auths = {section.name: section for section in file.of_type("auth")}
    identified = {section.value("endpoint") for section in file.of_type("identify")}
    owners: dict[str, str] = {}
    for endpoint in file.of_type("endpoint"):
        if endpoint.name in identified or not endpoint.value("auth"):
            continue
        for name in filter(None, map(str.strip, endpoint.value("aors").split(","))):
            aor = aors.get(name)
            if aor is None or aor.option("contact") is not None:
                continue
            if aor.value("max_contacts", "0") == "0":
                yield error(
                    f"max_contacts of {name} is 0: no phone can register there",
                    aor.place_of("max_contacts"),
                    "Write max_contacts = 1.",
                )
        named = [each.strip() for each in endpoint.value("aors").split(",")]
        fixed = any(aors[each].option("contact") for each in named if each in aors)
        by_name = "auth_username" not in endpoint.value("identify_by")
        if any(named) and endpoint.name not in named and by_name and not fixed:
            yield warning(
                f"a phone that calls itself {endpoint.name} registers at"
                f" {endpoint.name}, and its aors are {', '.join(named)}",
                endpoint.place_of("aors"),
                f"Call endpoint and aor the same, {named[0]}.",
            )
        if not endpoint.value("aors"):
            yield error(
                f"{endpoint.name} has no aors: its phone cannot register, nor be rung",
                endpoint.place,
                f"Write aors = {endpoint.name}, and that section.",
            )
        for name in filter(None, map(str.strip, endpoint.value("auth").split(","))):
            auth = auths.get(name)
            if auth is None:
                continue
            username = auth.value("username")
            other = owners.setdefault(username, auth.name)
            if not username:
                yield error(
                    f"the auth {name} has no username: no phone can log in",
                    auth.place,
                    f"Write username = {endpoint.name}.",
                )
            elif other != auth.name:
                yield error(
                    f"{auth.name} and {other} have the same username {username}: the"
                    f" phone {endpoint.name} is refused",
                    auth.place_of("username"),
                    f"Write username = {endpoint.name}.",
                )


def _trunks(file: ConfFile) -> Iterator[Finding]:
    """Who is known by an address is asked for nothing else."""
    endpoints = {section.name: section for section in file.of_type("endpoint")}
    owners: dict[str, str] = {}
    for identify in file.of_type("identify"):
        matches = [each for each in identify.options if each.name == "match"]
        if not matches and not identify.option("match_header"):
            yield error(
                f"[{identify.name}] has no match: it knows nobody",
                identify.place,
                "Write match = and the carrier's address (TRUNK_ADDRESS).",
            )
        for option in matches:
            for address in filter(None, map(str.strip, option.value.split(","))):
                owner = owners.setdefault(address, identify.value("endpoint"))
                if owner != identify.value("endpoint"):
                    yield error(
                        f"{address} is {owner}'s already: calls from there are"
                        f" never those of {identify.value('endpoint')}",
                        option.place,
                        "Give each address to one endpoint.",
                    )
        endpoint = endpoints.get(identify.value("endpoint"))
        if endpoint is None:
            continue
        by = endpoint.value("identify_by", "username,ip")
        if matches and "ip" not in [each.strip() for each in by.split(",")]:
            yield error(
                f"{endpoint.name} is known by {by} only: its address does not count",
                endpoint.place_of("identify_by"),
                "Write identify_by = ip.",
            )
        if endpoint.value("auth"):
            yield warning(
                f"the trunk {endpoint.name} is asked for a password when it calls us,"
                " which carriers do not give: 401",
                endpoint.place_of("auth"),
                "Write outbound_auth for the password that we give the carrier.",
            )


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
            ("outbound_auth", auths),
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
        bind = _host(transport)
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
