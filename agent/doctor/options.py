"""Options in Asterisk's files: names that there are not, values that are none, parts
without a type. Asterisk leaves a part out, or takes a default, and says so in its log
only."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from ipaddress import ip_network

from .conf import ConfFile, Option, Section
from .finding import Finding, error, warning
from .site import Site
from .vocabulary import OPTIONS

_TRUTHS = frozenset("yes true y t 1 on no false n f 0 off".split())
_TYPED = ("pjsip.conf", "websocket_client.conf", "chan_websocket.conf")
_GENERAL = {
    "rtp.conf": "rtpstart# rtpend# strictrtp probation# icesupport? rtpchecksums?"
    " dtmftimeout# rtcpinterval# rtp_calls stunaddr turnaddr turnusername turnpassword"
    " ice_deny ice_permit ice_acl ice_host_candidates stun_deny stun_permit stun_acl"
    " stun_blacklist ice_blacklist dtls_mtu# srtpreplayprotection?"
    " learning_min_sequential#",
    "http.conf": "enabled? bindaddr bindport# servername prefix sessionlimit#"
    " session_limit# session_inactivity# session_keep_alive# enable_static?"
    " enablestatic? enable_status? redirect tlsenable? tlsbindaddr tlscertfile"
    " tlsprivatekey tlscipher tlsdisablev1? tlsdisablev11? tlsdisablev12?"
    " tlsservercipherorder? static_dir directory_listing? uripath content_type",
    "manager.conf": "enabled? webenabled? bindaddr port# displayconnects? channelvars"
    " allowmultiplelogin? timestampevents? debug? brokeneventsaction? authtimeout#"
    " authlimit# httptimeout# tlsenable? tlsbindaddr tlscertfile tlsprivatekey"
    " tlscipher block-sockets? disabledevents tlsdisablev1? tlsdisablev11?"
    " tlsdisablev12? filter_include",
}
"""Of [general], where Asterisk's documentation lists none."""
_CHOICES = {
    "auth_type": "userpass digest md5 google_oauth",
    "dtmf_mode": "rfc4733 inband info auto auto_info none",
    "media_encryption": "no sdes dtls",
    "protocol": "udp tcp tls ws wss flow",
    "connection_type": "per_call_config persistent",
    "control_message_format": "json plain-text",
    "timers": "yes no required always forced",
    "identify_by": "username auth_username ip header request_uri",
}
_NETWORKS = ("permit", "deny", "local_net", "contact_permit", "contact_deny")
_MANY = frozenset(
    "match allow disallow contact permit deny local_net set_var eventfilter setvar load"
    " require noload preload identify_by acl ice_permit ice_deny stun_permit stun_deny"
    " auth aors registration_contact header".split()
)
"""That may be written several times in one part."""


def known(site: Site) -> Iterator[Finding]:
    """Each name is one of Asterisk's, each part has a type."""
    for name in _TYPED:
        file = site.files.get(name)
        if file is not None:
            yield from _parts(file)
    for name, words in _GENERAL.items():
        file = site.files.get(name)
        section = file.section("general") if file is not None else None
        if section is not None:
            names = {word: word.rstrip("?#") for word in words.split()}
            kinds = {name: word[len(name) :] for word, name in names.items()}
            yield from _options(section, kinds, "[general]", ignored=True)
    file = site.files.get("manager.conf")
    for section in file.sections if file is not None else ():
        for option in section.options if section.name != "general" else ():
            yield from _value(option, "")


def _parts(file: ConfFile) -> Iterator[Finding]:
    types = {kind for name, kind in OPTIONS if name == file.path.name}
    seen: dict[tuple[str, str], Section] = {}
    for section in {id(each): each for each in file.sections}.values():
        if section.template:
            continue
        kind = section.value("type")
        where = section.place_of("type")
        if not kind:
            yield error(
                f"[{section.name}] has no type: Asterisk leaves it out",
                section.place,
                f"Write type = ... in it: one of {', '.join(sorted(types))[:120]}.",
            )
        elif kind not in types:
            near = get_close_matches(kind, types, n=1, cutoff=0.6)
            if near:
                yield error(
                    f"there is no type {kind!r}; there is {near[0]}: Asterisk leaves"
                    f" [{section.name}] out",
                    where,
                    f"Write type = {near[0]}.",
                )
        else:
            if (kind, section.name) in seen:
                yield error(
                    f"there is a {kind} [{section.name}] already"
                    f" ({seen[kind, section.name].place}): Asterisk takes one of them",
                    section.place,
                    "Delete one, or give it another name.",
                )
            seen[kind, section.name] = section
            there = {**OPTIONS[file.path.name, kind], "type": ""}
            yield from _options(section, there, f"type {kind}")


def _options(
    section: Section, kinds: dict[str, str], place: str, *, ignored: bool = False
) -> Iterator[Finding]:
    for option in section.options:
        if option.name not in kinds and not option.name.startswith("@"):
            near = get_close_matches(option.name.lower(), kinds, n=1, cutoff=0.75)
            if near:
                yield (warning if ignored else error)(
                    f"{place} has no option {option.name!r}; there is {near[0]}",
                    option.place,
                    f"Write {near[0]}.",
                )
            else:
                yield warning(
                    f"{place} has no option {option.name!r}: Asterisk"
                    f" {'ignores it' if ignored else 'leaves the whole part out'}",
                    option.place,
                    "Delete this line, or move it where it belongs.",
                )
            continue
        yield from _value(option, kinds.get(option.name, ""))


def _value(option: Option, kind: str) -> Iterator[Finding]:
    if kind == "?" and option.value.lower() not in _TRUTHS:
        yield error(
            f"{option.name} is {option.value!r}, not yes or no",
            option.place,
            f"Write {option.name} = yes, or no.",
        )
    if option.name in _NETWORKS:
        for network in filter(None, map(str.strip, option.value.split(","))):
            try:
                ip_network(network.lstrip("!"), strict=False)
            except ValueError:
                yield error(
                    f"{option.name} is {network!r}, not a network",
                    option.place,
                    f"Write {option.name} = 192.0.2.0/24, or an address.",
                )
    choices = _CHOICES.get(option.name)
    said = [each.strip() for each in option.value.lower().split(",")]
    if choices and not set(said) <= set(choices.split()):
        yield error(
            f"{option.name} is {option.value!r}, not one of {choices}",
            option.place,
            f"Write {option.name} = and one of them.",
        )
    if kind == "#" and not re.fullmatch(r"\d+", option.value):
        yield error(
            f"{option.name} is {option.value!r}, not a whole number",
            option.place,
            f"Write {option.name} = and a number.",
        )


def given(site: Site) -> Iterator[Finding]:
    """Nothing is said twice, and differently, in one part."""
    for file in site.files.values():
        if file.path.name in ("extensions.conf", "modules.conf", "logger.conf"):
            continue
        for section in {id(each): each for each in file.sections}.values():
            seen: dict[str, Option] = {}
            for option in section.options[section.own :]:
                before = seen.setdefault(option.name, option)
                if before.value != option.value and option.name not in _MANY:
                    yield warning(
                        f"{option.name} is {before.value!r} in line"
                        f" {before.place.line} and {option.value!r} here"
                        if not _is_secret(option)
                        else f"{option.name} is something else in line"
                        f" {before.place.line}",
                        option.place,
                        "Delete one of the two.",
                    )
        if file.path.name in _GENERAL:
            general = [each for each in file.sections if each.name == "general"]
            for section in general[1:]:
                if section is not general[0]:
                    yield warning(
                        "there is a [general] already"
                        f" ({general[0].place}): Asterisk reads the first",
                        section.place,
                        "Put its lines into the first one.",
                    )


def _is_secret(option: Option) -> bool:
    return any(word in option.name for word in ("password", "secret", "cred"))
