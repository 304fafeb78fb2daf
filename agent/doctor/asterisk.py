"""Asterisk's files: are they ours, whole, and of one mind with the agent's settings?"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from agent.web.config import TelephonyConfig

from .addresses import is_loopback, is_this_machine
from .conf import ConfFile, Option, Section
from .dialplan import Step
from .finding import Finding, error, ok, warning
from .reach import tls_fault
from .routes import HEARD
from .site import Site
from .vocabulary import APPLICATIONS, FUNCTIONS

_NEEDED = ("modules.conf", "pjsip.conf", "extensions.conf", "rtp.conf")
_SECTIONS = {
    "rtp.conf": "general",
    "http.conf": "general",
    "manager.conf": "general",
    "logger.conf": "logfiles",
    "asterisk.conf": "directories",
}
"""Without which a file says nothing."""
_PLACEHOLDER = re.compile(r"@[A-Z][A-Z0-9_]*@")
_PATH = "/telephony/ws"
_MODULES = {
    "pbx_config": "reads extensions.conf",
    "chan_pjsip": "takes SIP calls",
    "res_pjsip": "is SIP itself",
    "res_pjproject": "is under SIP",
    "res_pjsip_session": "keeps SIP calls",
    "res_pjsip_sdp_rtp": "agrees on the sound with phones",
    "res_rtp_asterisk": "carries the sound of calls",
    "res_sorcery_config": "reads pjsip.conf",
    "res_sorcery_memory": "is what SIP keeps its contacts in",
    "res_sorcery_astdb": "is what SIP keeps its contacts in",
    "res_pjsip_pubsub": "is under chan_pjsip",
    "res_pjsip_caller_id": "tells who calls",
    "codec_ulaw": "is the codec that the agent hears",
    "bridge_simple": "joins a caller with the agent",
}
_WEBSOCKET_MODULES = {
    "chan_websocket": "is the way to the agent",
    "res_websocket_client": "opens the socket to the agent",
    "res_http_websocket": "is under the socket to the agent",
}
_AUDIOSOCKET_MODULES = {
    "chan_audiosocket": "is the way to the agent by AudioSocket",
    "res_audiosocket": "is under the way to the agent by AudioSocket",
}
_IDENTIFIERS = {
    "ip": "res_pjsip_endpoint_identifier_ip",
    "username": "res_pjsip_endpoint_identifier_user",
}
_INSTEAD = {"app_voicemail": ("app_voicemail_odbc", "app_voicemail_imap")}
"""Modules of which one is enough."""
_WITH = {"app_mixmonitor": ("format_wav",), "func_curl": ("res_curl",)}
"""What a module needs besides."""


def folder(site: Site) -> Iterator[Finding]:
    """The files are there, can be read, and are rendered."""
    if site.folder is None:
        yield ok("Asterisk's files were not looked at: --asterisk-conf DIR names them")
        return
    if not site.folder.is_dir():
        yield error(
            "there is no such folder of Asterisk's configuration",
            site.folder,
            "Name the folder by --asterisk-conf.",
        )
        return
    for name, why in site.unreadable.items():
        yield error(
            f"cannot be read: {why}",
            site.folder / name,
            "Run the doctor as a user that may read Asterisk's configuration.",
        )
    for name in _NEEDED:
        if name not in site.files and name not in site.unreadable:
            yield error(
                "is missing",
                site.folder / name,
                "Write it with scripts/render-asterisk-conf.",
            )
    yield from _home(site, site.folder)
    yield from _strays(site, site.folder)
    for name, wanted in _SECTIONS.items():
        file = site.files.get(name)
        if file is not None and file.section(wanted) is None:
            yield error(
                f"has no section [{wanted}]: Asterisk reads nothing else in it",
                file.path,
                f"Write [{wanted}] above its lines.",
            )
    for file in site.files.values():
        yield from _not_understood(file)
        for option in _options(file):
            if found := _PLACEHOLDER.search(option.value):
                yield error(
                    f"{found[0]} was never filled in",
                    option.place,
                    "Render the file with scripts/render-asterisk-conf.",
                )


def _strays(site: Site, folder: Path) -> Iterator[Finding]:
    """Parts of files that no file includes."""
    read = {
        option.place.file.name
        for file in site.files.values()
        for option in _options(file)
    }
    for path in sorted(folder.glob("*-*.conf")):
        whole = f"{path.name.partition('-')[0]}.conf"
        empty = not path.stat().st_size
        if whole in site.files and path.name not in read and not empty:
            yield warning(
                f"{whole} does not include it: Asterisk never reads it",
                path,
                f'Write #include "{path.name}" in {whole}, or move it away.',
            )


def _not_understood(file: ConfFile) -> Iterator[Finding]:
    for odd in file.odd:
        if odd.fatal:
            yield error(
                f"{odd.line[:60]}: {odd.why}: Asterisk refuses the whole file",
                odd.place,
                "Correct this line, or delete it.",
            )
            continue
        yield warning(
            f"Asterisk does not understand {odd.line[:60]!r}: {odd.why}",
            odd.place,
            "Correct this line.",
        )
    for place, line in file.cut:
        # Not the line itself: it may be a password.
        yield warning(
            f"what follows the ; in {line.partition('=')[0].strip()} = is a comment",
            place,
            "Write \\; for a ; that belongs to the value, or a space before a comment.",
        )
    if file.unfinished is not None:
        yield error(
            ";-- begins a comment of several lines that nothing ends: all lines below"
            " are in it",
            file.unfinished,
            "Write --; where it ends, or ; for one line.",
        )


def _home(site: Site, folder: Path) -> Iterator[Finding]:
    file = site.files.get("asterisk.conf")
    section = file.section("directories") if file is not None else None
    home = section.value("astetcdir") if section is not None else ""
    if section is not None and home and Path(home).resolve() != folder.resolve():
        yield warning(
            f"astetcdir is {home}: an Asterisk with this file reads the others there",
            section.place_of("astetcdir"),
            f"Write ASTERISK_ETC={folder.resolve()} in the site file.",
        )


def modules(site: Site) -> Iterator[Finding]:
    file = site.files.get("modules.conf")
    section = file.section("modules") if file is not None else None
    if file is None:
        return
    if section is None:
        yield error(
            "has no section [modules]",
            file.path,
            "Render the file with scripts/render-asterisk-conf.",
        )
        return
    automatic = section.is_on("autoload", False)
    loaded, refused = _loads(section)
    missing = 0
    for name, purpose in _wanted(site).items():
        if loaded & set(_INSTEAD.get(name, ())):
            continue
        if name in refused:
            missing += 1
            yield error(
                f"{name} is not loaded, and it {purpose}",
                refused[name].place,
                f"Replace noload by load for {name}.so.",
            )
        elif not automatic and name not in loaded:
            missing += 1
            yield error(
                f"{name} is not loaded, and it {purpose}",
                section.place,
                f"Add load={name}.so to [modules].",
            )
        elif path := _absent(site, name):
            missing += 1
            yield error(
                f"the module {name} is not installed, and it {purpose}",
                path,
                "Install the package with Asterisk's modules, 22.8 or later.",
            )
    if not automatic and not any(name.startswith("res_timing_") for name in loaded):
        missing += 1
        yield error(
            "no timing module is loaded: sound does not flow",
            section.place,
            "Add load=res_timing_timerfd.so to [modules].",
        )
    if not missing:
        yield ok("all modules that calls need are loaded", file.path)


def _loads(section: Section) -> tuple[set[str], dict[str, Option]]:
    loaded, refused = set(), {}
    for option in section.options:
        name = option.value.removesuffix(".so")
        if option.name in ("load", "require", "preload", "preload-require"):
            loaded.add(name)
        elif option.name == "noload":
            refused[name] = option
    return loaded, refused


def loaded_modules(site: Site) -> set[str] | None:
    """None: nobody knows, or all that are installed."""
    file = site.files.get("modules.conf")
    section = file.section("modules") if file is not None else None
    if section is None or section.is_on("autoload", False):
        return None
    loaded, refused = _loads(section)
    return loaded - set(refused)


def _wanted(site: Site) -> dict[str, str]:
    wanted = dict(_MODULES)
    if site.uses_audiosocket and not _dials(site, "WebSocket/"):
        wanted |= _AUDIOSOCKET_MODULES
    elif not site.uses_audiosocket:
        wanted |= _WEBSOCKET_MODULES
    else:
        wanted |= _AUDIOSOCKET_MODULES
    pjsip = site.files.get("pjsip.conf")
    if pjsip is not None:
        if pjsip.of_type("identify"):
            wanted[_IDENTIFIERS["ip"]] = "knows the trunk by its address"
        if pjsip.of_type("auth"):
            wanted[_IDENTIFIERS["username"]] = "knows phones by their names"
            wanted["res_pjsip_authenticator_digest"] = "checks phones' passwords"
            wanted["res_pjsip_registrar"] = "lets phones register"
        if pjsip.of_type("endpoint"):
            wanted["res_pjsip_nat"] = "finds phones behind NAT"
    for step in site.plan.all() if site.plan is not None else ():
        needed = {APPLICATIONS.get(step.application, "core")}
        needed |= {FUNCTIONS.get(name, "core") for name in _functions(step)}
        for name in sorted(needed - {"core"}):
            for each in (name, *_WITH.get(name, ())):
                wanted.setdefault(each, f"is used by the dialplan ({step.place})")
    return wanted


def _functions(step: Step) -> set[str]:
    set_by = re.findall(r"^([A-Z_]+)\(", step.assigned()[0])
    return {*re.findall(r"\$\{([A-Za-z_]+)\(", step.text), *set_by}


def _absent(site: Site, name: str) -> Path | None:
    """Where the module is not, if the folder of modules can be seen."""
    file = site.files.get("asterisk.conf")
    section = file.section("directories") if file is not None else None
    if section is None:
        return None
    place = Path(section.value("astmoddir"))
    if not section.value("astmoddir") or not place.is_dir():
        return None
    path = place / f"{name}.so"
    return None if path.exists() else path


def way_to_agent(site: Site) -> Iterator[Finding]:
    """websocket_client.conf, and what the dialplan makes of it."""
    settings = site.settings
    if settings is None or site.folder is None or "extensions.conf" not in site.files:
        return
    dials = _dials(site, "WebSocket/")
    if not dials:
        if not _dials(site, "AudioSocket/"):
            yield error(
                "no line of the dialplan dials the agent",
                site.files["extensions.conf"].path,
                "Add Dial(WebSocket/ai_media/...) as asterisk-conf/extensions.conf"
                " has it.",
            )
        return
    file = site.files.get("websocket_client.conf")
    if file is None:
        if not site.uses_audiosocket and "websocket_client.conf" not in site.unreadable:
            yield error(
                "is missing, and the dialplan dials WebSocket/",
                site.folder / "websocket_client.conf",
                "Write it with scripts/render-asterisk-conf.",
            )
        return
    clean = True
    for option in dials:
        for finding in _dial(option, file):
            clean = False
            yield finding
    for section in _ours(file, settings.port):
        for finding in _socket(section, settings.telephony):
            clean = False
            yield finding
        for finding in _address(section, settings.host, settings.port):
            clean = False
            yield finding
    for finding in _agent_ofdialplan_lines(site, file):
        clean = False
        yield finding
    if clean:
        yield ok("Asterisk knows the agent's address and password", file.path)


def _ours(file: ConfFile, port: int) -> list[Section]:
    """Sockets to this agent; all, if none leads to its port: one is meant to."""
    sockets = list(file.of_type("websocket_client"))
    ours = []
    for section in sockets:
        with suppress(ValueError):
            uri = urlsplit(section.value("uri"))
            if uri.port == port or uri.scheme == "wss":
                ours.append(section)
    return ours or sockets


def _dial(option: Option, file: ConfFile) -> Iterator[Finding]:
    found = re.search(r"WebSocket/([^/,)]+)", option.value)
    name = found[1] if found else ""
    section = file.section(name)
    if section is None or section.value("type") != "websocket_client":
        there = ", ".join(each.name for each in file.of_type("websocket_client"))
        if section is None:  # else options.known says that it has no type
            yield error(
                f"the dialplan dials WebSocket/{name}, and {file.path.name} has"
                f" {there or 'none'}",
                option.place,
                f"Name the section of {file.path.name} in Dial.",
            )
    codec = re.search(r"/c\(([^)]*)\)|\)c\(([^)]*)\)", option.value)
    chosen = (codec[1] or codec[2]) if codec else ""
    if chosen and chosen not in HEARD:
        yield error(
            f"the codec of the socket is {chosen}; the agent speaks {', '.join(HEARD)}",
            option.place,
            "Write c(ulaw) in Dial.",
        )


def _socket(section: Section, wanted: TelephonyConfig) -> Iterator[Finding]:
    if section.value("username") != wanted.username:
        yield error(
            f"username is {section.value('username')!r}, OFFHOOK_MEDIA_USERNAME is"
            f" {wanted.username!r}",
            section.place_of("username"),
            "Make the two the same (AGENT_USER of the site file).",
        )
    # None yet: it is made up at the first start, and Asterisk must be told then.
    if wanted.password and section.value("password") != wanted.password:
        cut = wanted.password.startswith(section.value("password") + ";")
        yield error(
            "password is not that of OFFHOOK_MEDIA_PASSWORD: the agent refuses"
            " every call with 401" + (": a ; begins a comment" if cut else ""),
            section.place_of("password"),
            "Write \\; for each ; in it."
            if cut
            else "Make the two the same (AGENT_PASSWORD of the site file).",
        )
    if section.value("protocols") != "media":
        yield error(
            f"protocols is {section.value('protocols')!r}: the agent speaks 'media'",
            section.place_of("protocols"),
            "Write protocols = media.",
        )
    if section.value("connection_type", "per_call_config") != "per_call_config":
        yield error(
            "every call needs a connection of its own",
            section.place_of("connection_type"),
            "Write connection_type = per_call_config.",
        )
    for name, usual, most in (
        ("connection_timeout", "500", 1000),
        ("reconnect_attempts", "2", 4),
    ):
        value = section.value(name, usual)
        if not value.isdecimal() or int(value) > most:
            yield warning(
                f"{name} is {value}: callers wait so long in silence when the agent"
                " is down, and Asterisk before 22.11 stands still (issue 1979)",
                section.place_of(name),
                f"Write {name} = {usual}.",
            )


def _address(section: Section, host: str, port: int) -> Iterator[Finding]:
    place = section.place_of("uri")
    tls = section.is_on("tls_enabled", False)
    try:
        uri = urlsplit(section.value("uri"))
        uri_port = uri.port or (443 if uri.scheme == "wss" else 80)
    except ValueError:
        uri = urlsplit("")
        uri_port = 0
    if uri.scheme not in ("ws", "wss") or not uri.hostname:
        yield error(
            f"uri is {section.value('uri')!r}, not ws://HOST:PORT{_PATH}",
            place,
            "Write the agent's address (AGENT_URL of the site file).",
        )
        return
    if (uri.scheme == "wss") != tls:
        yield error(
            f"uri begins with {uri.scheme}:// and tls_enabled is"
            f" {'yes' if tls else 'no'}",
            section.place_of("tls_enabled"),
            f"Write tls_enabled = {'yes' if uri.scheme == 'wss' else 'no'}, or change"
            " the address.",
        )
    authorities = section.value("ca_list_file")
    if uri.scheme == "wss" and authorities and not Path(authorities).is_file():
        yield error(
            f"there is no file {authorities}",
            section.place_of("ca_list_file"),
            "Name the file of the authority that vouches for the agent"
            " (AGENT_CA_FILE).",
        )
    if uri.scheme == "wss" and Path(authorities).is_file():
        if said := tls_fault(uri.hostname, uri_port, authorities):
            yield error(
                f"the certificate of {uri.hostname}:{uri_port}: {said}: Asterisk does"
                " not connect",
                section.place_of("ca_list_file"),
                "Name the file of the authority that signed it (AGENT_CA_FILE), or"
                " renew it.",
            )
    if uri.scheme == "wss":
        return  # somebody in front of the agent speaks TLS, at an address of his own
    if uri.path != _PATH:
        yield error(
            f"the path of uri is {uri.path!r}: calls are taken at {_PATH}",
            place,
            f"End the address in {_PATH} (AGENT_URL of the site file).",
        )
    if is_this_machine(uri.hostname) and uri_port != port:
        yield error(
            f"the port of uri is {uri_port}, OFFHOOK_PORT is {port}",
            place,
            f"Write port {port} in the address (AGENT_URL of the site file).",
        )
    if is_loopback(host) and not is_loopback(uri.hostname):
        yield error(
            f"Asterisk calls {uri.hostname}, and the agent listens on {host} only",
            place,
            "Set OFFHOOK_HOST to an address that Asterisk reaches, or AGENT_URL to"
            " this machine.",
        )
    elif is_loopback(uri.hostname) and not is_loopback(host) and host != "0.0.0.0":
        if host not in ("::", ""):
            yield error(
                f"Asterisk calls {uri.hostname}, and the agent listens on {host} only",
                place,
                f"Write {host} in the address (AGENT_URL of the site file).",
            )


def _agent_ofdialplan_lines(site: Site, file: ConfFile) -> Iterator[Finding]:
    """The dialplan asks the agent where calls go next, at an address of its own."""
    settings = site.settings
    agent = global_of(site, "AGENT")
    uses = [option for option in dialplan_lines(site) if "${AGENT" in option.value]
    if settings is None or not uses or not file.of_type("websocket_client"):
        return
    sockets = {each.value("uri") for each in file.of_type("websocket_client")}
    if agent is None or agent.value not in sockets:
        said = repr(agent.value) if agent is not None else "not set"
        yield error(
            f"AGENT is {said}, and the socket's uri is {', '.join(sorted(sockets))}:"
            " calls cannot be handed on",
            agent.place if agent is not None else uses[0].place,
            "Make the two the same (AGENT_URL of the site file).",
        )
    wanted = f"{settings.telephony.username}:{settings.telephony.password}"
    login_of_all = global_of(site, "CURLOPT(userpwd)")
    found = {login_of_all.place: login_of_all.value} if login_of_all else {}
    for option in dialplan_lines(site):
        if match := re.search(r"CURLOPT\(userpwd\)=(.*)\)$", option.value):
            found[option.place] = match[1]
    for place, login in found.items():
        if settings.telephony.password and login != wanted:
            yield error(
                "the dialplan's login is not that of OFFHOOK_MEDIA_USERNAME and"
                " OFFHOOK_MEDIA_PASSWORD: calls cannot be handed on, and the agent is"
                " not told how they end",
                place,
                "Render the file anew with AGENT_USER and AGENT_PASSWORD.",
            )
    if not found and settings.telephony.password:
        yield error(
            "the dialplan asks the agent without a password: it is refused with 401",
            uses[0].place,
            "Write CURLOPT(userpwd) = USER:PASSWORD in [globals].",
        )


def audiosocket(site: Site) -> Iterator[Finding]:
    settings = site.settings
    if settings is None or "extensions.conf" not in site.files:
        return
    port = settings.audiosocket.port
    # Only a way that some line leads to matters.
    used = [
        option
        for option in dialplan_lines(site)
        if "Goto(agent-audiosocket" in option.value
        or re.search(r"AudioSocket\(", option.value)
    ]
    chosen = global_of(site, "AUDIOSOCKET")
    if not port:
        if used:
            yield error(
                "the dialplan leads to AudioSocket, and OFFHOOK_AUDIOSOCKET_PORT is"
                " not set",
                used[0].place,
                "Set OFFHOOK_AUDIOSOCKET_PORT, 9000 as a rule.",
            )
        return
    if chosen is None:
        return
    host, _, said = chosen.value.rpartition(":")
    if is_this_machine(host) and said != str(port):
        yield error(
            f"AUDIOSOCKET is {chosen.value}, OFFHOOK_AUDIOSOCKET_PORT is {port}",
            chosen.place,
            f"Write AUDIOSOCKET={host}:{port} in the site file.",
        )


def rtp(site: Site) -> Iterator[Finding]:
    file, settings = site.files.get("rtp.conf"), site.settings
    section = file.section("general") if file is not None else None
    if file is None or section is None:
        return
    try:
        first = int(section.value("rtpstart", "5000"))
        last = int(section.value("rtpend", "31000"))
    except ValueError:
        yield error(
            "rtpstart or rtpend is not a number",
            section.place_of("rtpstart"),
            "Write RTP_FIRST_PORT and RTP_LAST_PORT as numbers.",
        )
        return
    if last <= first or last > 65535 or first < 1024:
        yield error(
            f"no range of ports: {first} to {last}",
            section.place_of("rtpend"),
            "Write RTP_FIRST_PORT less than RTP_LAST_PORT, from 1024 to 65535.",
        )
        return
    room = (last - first + 1) // 2
    if settings is not None and room < settings.max_calls:
        yield error(
            f"{last - first + 1} UDP ports are enough for {room} calls,"
            f" OFFHOOK_MAX_CALLS is {settings.max_calls}",
            section.place_of("rtpend"),
            f"Raise RTP_LAST_PORT to {first + 2 * settings.max_calls - 1} or more, in"
            " the firewall, too.",
        )
    for port, udp, place in sip_ports(site):
        if udp and first <= port <= last:
            yield error(
                f"the SIP port {port} lies among the ports of calls' sound",
                place,
                "Move SIP_PORT or the range of RTP.",
            )


def sip_ports(site: Site) -> list[tuple[int, bool, object]]:
    """Each port, whether it is UDP's, and where that is said."""
    file = site.files.get("pjsip.conf")
    found: list[tuple[int, bool, object]] = []
    for transport in file.of_type("transport") if file is not None else ():
        protocol = transport.value("protocol", "udp")
        if protocol in ("ws", "wss"):
            continue  # its port is that of http.conf
        _, colon, port = transport.value("bind").rpartition(":")
        usual = 5061 if protocol == "tls" else 5060
        number = int(port) if colon and port.isdecimal() else usual
        found.append((number, protocol == "udp", transport.place_of("bind")))
    return found


def manager(site: Site) -> Iterator[Finding]:
    """Asterisk's Manager Interface: the agent may log in and stop recordings."""
    file, settings = site.files.get("manager.conf"), site.settings
    general = file.section("general") if file is not None else None
    if settings is None or site.folder is None or not site.files:
        return
    ami = settings.ami
    on = general is not None and general.is_on("enabled", False)
    if general is not None and on:
        address = general.value("bindaddr", "0.0.0.0")
        if not is_loopback(address):
            yield warning(
                f"AMI listens on {address}: it speaks in clear, and its password"
                " commands all calls",
                general.place_of("bindaddr"),
                "Write bindaddr = 127.0.0.1 (AMI_ADDRESS of the site file).",
            )
    if ami is None or not is_this_machine(ami.host):
        return
    if file is None or general is None or not on:
        yield error(
            "AMI is off, and OFFHOOK_AMI_PASSWORD is set: recordings cannot be paused",
            general.place if general is not None else site.folder / "manager.conf",
            "Write enabled = yes, or leave OFFHOOK_AMI_PASSWORD away.",
        )
        return
    if general.value("port", "5038") != str(ami.port):
        yield error(
            f"the port is {general.value('port')}, OFFHOOK_AMI_PORT is {ami.port}",
            general.place_of("port"),
            "Make the two the same (AMI_PORT of the site file).",
        )
    user = file.section(ami.username)
    if user is None:
        yield error(
            f"nobody is called {ami.username}",
            file.path,
            f"Add the section [{ami.username}] as asterisk-conf/manager.conf has it.",
        )
        return
    if user.value("secret") != ami.password:
        yield error(
            "secret is not OFFHOOK_AMI_PASSWORD: recordings cannot be paused",
            user.place_of("secret"),
            "Make the two the same (AMI_PASSWORD of the site file).",
        )
    if not {"call", "all"} & {word.strip() for word in user.value("write").split(",")}:
        yield error(
            f"{ami.username} may not write 'call': recordings cannot be paused",
            user.place_of("write"),
            "Write write = call.",
        )
    permits = [option.value for option in user.options if option.name == "permit"]
    denied = user.option("deny") is not None
    if denied and not any(value.startswith(("127.", "0.0.0.0/0")) for value in permits):
        yield error(
            "this machine is not permitted",
            user.place_of("permit"),
            "Write permit = 127.0.0.1/255.255.255.255.",
        )


def http(site: Site) -> Iterator[Finding]:
    file = site.files.get("http.conf")
    section = file.section("general") if file is not None else None
    if section is None or not section.is_on("enabled", False):
        return
    address = section.value("bindaddr", "0.0.0.0")
    if not is_loopback(address):
        yield warning(
            f"Asterisk's HTTP listens on {address}: ARI's password commands all calls",
            section.place_of("bindaddr"),
            "Write bindaddr = 127.0.0.1 (HTTP_ADDRESS of the site file).",
        )


def limits(site: Site) -> Iterator[Finding]:
    """Asterisk takes as many calls as the agent."""
    file, settings = site.files.get("asterisk.conf"), site.settings
    section = file.section("options") if file is not None else None
    if section is None or settings is None:
        return
    for name, each in (("maxcalls", 1), ("maxfiles", 8)):
        value = section.value(name)
        if value.isdecimal() and 0 < int(value) < each * settings.max_calls:
            yield error(
                f"{name} is {value}: that is less than OFFHOOK_MAX_CALLS"
                f" ({settings.max_calls}) need",
                section.place_of(name),
                f"Delete {name}, or lower OFFHOOK_MAX_CALLS.",
            )


def log(site: Site) -> Iterator[Finding]:
    """It keeps what keys were pressed to itself, and has what we look for."""
    file = site.files.get("logger.conf")
    section = file.section("logfiles") if file is not None else None
    if section is None:
        return
    levels = {
        option: {level.strip() for level in option.value.split(",")}
        for option in section.options
    }
    for option, named in levels.items():
        if {"dtmf", "*"} & named:
            yield warning(
                f"{option.name} has every key that callers press, numbers of cards"
                " among them",
                option.place,
                "Write the levels without dtmf and *.",
            )
    verbose = {
        level
        for named in levels.values()
        for level in named
        if level == "*" or level.startswith("verbose")
    }
    file = site.files.get("asterisk.conf")
    options = file.section("options") if file is not None else None
    loud = options.value("verbose", "0") if options is not None else "0"
    if file is not None and verbose == {"verbose"} and loud in ("0", "1", "2", "no"):
        yield warning(
            f"verbose is {loud}: the log has no line of a call's way",
            options.place_of("verbose") if options is not None else file.path,
            "Write verbose = 3 in [options].",
        )
    if not verbose:
        yield warning(
            "no file has the level verbose: nobody can follow a call in the log",
            section.place,
            "Write full => notice,warning,error,verbose,security.",
        )


def _options(file: ConfFile) -> Iterable[Option]:
    seen: set[tuple[int, Path]] = set()
    for section in file.sections:
        for option in section.options:
            at = (option.place.line, option.place.file)
            if at not in seen:
                seen.add(at)
                yield option


def dialplan_lines(site: Site) -> list[Option]:
    file = site.files.get("extensions.conf")
    return [
        option
        for option in (_options(file) if file is not None else ())
        if option.name in ("exten", "same")
    ]


def _dials(site: Site, technology: str) -> list[Option]:
    return [
        option
        for option in dialplan_lines(site)
        if f"Dial({technology}" in option.value
    ]


def global_of(site: Site, name: str) -> Option | None:
    file = site.files.get("extensions.conf")
    section = file.section("globals") if file is not None else None
    return section.option(name) if section is not None else None
