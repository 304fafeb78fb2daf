"""The dialplan: does each line lead somewhere, does a call come to the agent, and does
it have with it what the agent and the recording need?"""

import re
from collections.abc import Iterator
from difflib import get_close_matches

from agent.calls.ai import AI

from .conf import Section
from .dialplan import (
    Dialplan,
    Step,
    calls,
    inside,
    matches,
    sample,
    samples,
    split,
    used,
)
from .finding import Finding, error, ok, warning
from .site import Site
from .storage import ais_of_database
from .vocabulary import APPLICATIONS, FUNCTIONS

HEARD = ("ulaw", "alaw", "slin", "slin16")
"""Codecs that the agent speaks on the socket."""
_GONE = frozenset(
    "macro macroexclusive macroexit macroif sipaddheader sipremoveheader sipdtmfmode"
    " monitor stopmonitor".split()
)
"""Applications that Asterisk had before 22, in small letters."""
_GIVEN = re.compile(
    r"(?:[A-Z_]*(?:STATUS|CAUSE|TIME|RESULT|RETVAL)|ARG\d+|ARGC|LOCAL.*|EXTEN|CONTEXT"
    r"|PRIORITY|CHANNEL|UNIQUEID|INVALID_EXTEN|EPOCH|ACCOUNTCODE|SYSTEMNAME|AST[A-Z]+DIR"
    r"|BRIDGEPEER|BRIDGEPVTCALLID|DIALEDPEER\w+|SIPDOMAIN|ENTITYID|HINT\w*|FORWARDERNAME"
    r"|TRANSFERERNAME|MIXMONITOR_FILENAME|AI)"
)
"""Variables that Asterisk sets itself, and AI, which may be missing."""
_ARGUMENTS = {"FILTER": 2, "CUT": 3, "HANGUPCAUSE": 2, "REPLACE": 2, "REGEX": 1}
"""How many functions need, of those that calls to the agent have."""
_ALWAYS = frozenset(
    "UNIQUEID EXTEN CONTEXT PRIORITY CHANNEL DIALSTATUS HANGUPCAUSE ANSWEREDTIME"
    " PLAYBACKSTATUS INVALID_EXTEN".split()
)
"""The ones of them that are often used."""


def lines(site: Site) -> Iterator[Finding]:
    """Each line is one that Asterisk takes."""
    plan = site.plan
    if plan is None:
        return
    for place, what in plan.odd:
        yield error(what, place, "Correct this line: Asterisk skips it.")
    for step, there in plan.hidden:
        yield error(
            f"{step.extension} has a priority {step.priority} already"
            f" ({there.place}): Asterisk ignores this line",
            step.place,
            "Delete one of the two.",
        )
    for extensions in plan.steps.values():
        for name, steps in extensions.items():
            yield from _extension(name, steps)


def _extension(name: str, steps: list[Step]) -> Iterator[Finding]:
    looks = re.search(r"[\[\]!]|\.$", name) or re.fullmatch(r"\+?\d*[XZN]{2,}", name)
    if looks and not name.startswith("_"):
        yield error(
            f"{name} is a pattern only with an underscore before it: no number fits",
            steps[0].place,
            f"Write _{name}.",
        )
    numbers = [step.priority for step in steps]
    if numbers and numbers[0] != 1:
        yield error(
            f"{name} begins with priority {numbers[0]}: a call begins at 1",
            steps[0].place,
            "Give its first line the priority 1.",
        )
    for step, following in zip(steps, steps[1:], strict=False):
        if following.priority > step.priority + 1 and not following.label:
            yield error(
                f"after priority {step.priority} of {name} there is none until"
                f" {following.priority}: a call ends there",
                following.place,
                "Write n for the priority.",
            )


def words(site: Site) -> Iterator[Finding]:
    """Applications, functions and variables that there are not."""
    plan = site.plan
    if plan is None:
        return
    agents = {
        (step.context, step.extension) for step in plan.all() if is_for_agent(step)
    }
    everywhere = set(plan.values) | _set_by_phones(site)
    others = set(everywhere)
    for step in plan.all():
        everywhere.add(step.assigned()[0])
        if (step.context, step.extension) not in agents:
            others.add(step.assigned()[0])
    for step in plan.all():
        about_agent = (step.context, step.extension) in agents
        known = everywhere
        if about_agent:
            known = others | {each.assigned()[0] for each in plan.before(step)}
        yield from _application(step)
        yield from _blanks(step)
        for name in sorted(set(re.findall(r"\$\{([A-Za-z_]\w*)\(", step.text))):
            if name in FUNCTIONS:
                continue
            near = get_close_matches(name.upper(), FUNCTIONS, n=1, cutoff=0.7)
            if near:
                yield error(
                    f"there is no function {name}; there is {near[0]}",
                    step.place,
                    "Correct the name: it gives nothing.",
                )
        for name, least in _ARGUMENTS.items():
            for given in calls(step.text, name):
                if len(split(given)) < least:
                    yield error(
                        f"{name} is given {len(split(given))} argument, and needs"
                        f" {least}: it gives nothing",
                        step.place,
                        "Write a comma between its arguments.",
                    )
        for name in sorted(used(step.text) - known):
            if _GIVEN.fullmatch(name):
                continue
            near = get_close_matches(name, known | _ALWAYS, n=1, cutoff=0.75)
            if near or about_agent:
                yield error(
                    f"nobody sets {name}" + (f"; there is {near[0]}" if near else ""),
                    step.place,
                    f"Write {near[0]}." if near else f"Set {name} before this line.",
                )


def _blanks(step: Step) -> Iterator[Finding]:
    """Asterisk takes them for a part of the name, and of the value."""
    if _blank_name(step):
        name, _, value = step.arguments.partition("=")
        wanted = f"Set({name.strip()}={value.strip()})"
        yield error(
            f"the blank before = belongs to the name: {name.strip()} itself is not set",
            step.place,
            f"Write {wanted}.",
        )


def _blank_name(step: Step) -> bool:
    name, equals, _ = step.arguments.partition("=")
    return step.application == "set" and bool(equals) and name != name.rstrip()


def _is_about_agent(plan: Dialplan, step: Step) -> bool:
    """It is one of those lines that dial the agent."""
    return any(map(is_for_agent, plan.steps[step.context][step.extension]))


def _application(step: Step) -> Iterator[Finding]:
    name = step.application
    if name in APPLICATIONS:
        return
    written = re.search(re.escape(name), step.text, re.IGNORECASE)
    said = written[0] if written else name
    near = get_close_matches(name, APPLICATIONS, n=1, cutoff=0.7)
    if name in _GONE:
        yield error(
            f"Asterisk has no application {said} any more",
            step.place,
            "Write Gosub for Macro, MixMonitor for Monitor: a call ends here.",
        )
    elif near:
        yield error(
            f"there is no application {said}; there is {near[0]}",
            step.place,
            "Correct the name: a call ends at this line.",
        )


def _set_by_phones(site: Site) -> set[str]:
    pjsip = site.files.get("pjsip.conf")
    return {
        option.value.partition("=")[0].strip().lstrip("_")
        for endpoint in (pjsip.of_type("endpoint") if pjsip is not None else ())
        for option in endpoint.options
        if option.name == "set_var"
    }


def targets(site: Site) -> Iterator[Finding]:
    """What lines and phones lead to is there."""
    plan, pjsip = site.plan, site.files.get("pjsip.conf")
    if plan is None:
        return
    found: list[Finding] = []
    for endpoint in pjsip.of_type("endpoint") if pjsip is not None else ():
        context = endpoint.value("context", "default")
        if context not in plan.contexts:
            found.append(
                error(
                    f"calls of {endpoint.name} go to the context {context!r}, which"
                    " extensions.conf does not have",
                    endpoint.place_of("context"),
                    f"Add [{context}] to extensions.conf, or name one that is there.",
                )
            )
    for options in plan.included.values():
        for option in options:
            name = option.value.split(",")[0].strip()
            if name not in plan.contexts:
                found.append(
                    error(
                        f"includes the context {name!r}, which is not there",
                        option.place,
                        f"Add [{name}] to extensions.conf, or delete this line.",
                    )
                )
    for step in plan.all():
        for context, extension, label in step.targets():
            found += _target(plan, step, context, extension, label)
    yield from found
    if not found:
        yield ok("the dialplan's contexts are all there")


def _target(
    plan: Dialplan, step: Step, context: str, extension: str, label: str
) -> Iterator[Finding]:
    if "$" in context:
        return
    if context not in plan.contexts:
        yield error(
            f"leads to the context {context!r}, which is not there",
            step.place,
            f"Add [{context}] to extensions.conf.",
        )
        return
    if "$" in extension:
        return
    there = plan.steps[context].get(extension) or plan.find(context, sample(extension))
    lost = [each for each in samples(extension) if not plan.find(context, each)]
    if there and lost and extension == step.extension:
        yield error(
            f"a call to {lost[0]} ends here: no pattern of [{context}]"
            f" ({plan.contexts[context]}) fits that number",
            step.place,
            f"Give [{context}] the pattern {extension}, as it stands here.",
        )
    if not there:
        yield error(
            f"leads to {extension!r} of [{context}], which is not there",
            step.place,
            f"Add it to [{context}], or name another.",
        )
    elif "$" not in label and label not in {
        name for each in there for name in _names(each)
    }:
        yield error(
            f"leads to {label!r} of {extension} in [{context}], which is not there",
            step.place,
            "Name a label or a priority that is there.",
        )


def _names(step: Step) -> tuple[str, str]:
    return step.label, str(step.priority)


def arrivals(site: Site) -> Iterator[Finding]:
    """From trunk or phones, some number comes to the agent."""
    plan, pjsip = site.plan, site.files.get("pjsip.conf")
    if plan is None or pjsip is None or not any(map(is_for_agent, plan.all())):
        return
    endpoints = [
        each
        for each in pjsip.of_type("endpoint")
        if each.value("context", "default") in plan.contexts
    ]
    lost = [each for each in endpoints if not _arrives(plan, each)]
    identified = {each.value("endpoint") for each in pjsip.of_type("identify")}
    all_lost = len(lost) == len(endpoints)
    for endpoint in lost:
        if all_lost or endpoint.name in identified:
            context = endpoint.value("context", "default")
            yield error(
                f"calls of {endpoint.name} never come to the agent: no number of"
                f" [{context}] leads to it",
                endpoint.place_of("context"),
                f"Add a line with Goto(agent,${{EXTEN}},1) to [{context}]"
                f" ({plan.contexts[context]}).",
            )


def _arrives(plan: Dialplan, endpoint: Section) -> bool:
    return any(
        is_for_agent(step)
        for step in plan.reached(endpoint.value("context", "default"))
    )


def agent_leg(site: Site) -> Iterator[Finding]:
    """What has to be around the line that dials the agent."""
    plan, settings = site.plan, site.settings
    if plan is None or settings is None:
        return
    for step in plan.all():
        if not is_for_agent(step):
            continue
        before, after = plan.before(step), plan.after(step)
        handlers = [each for each in before if "hangup_handler_push" in each.text]
        if handlers and not any("/over,q850=" in each.text for each in plan.all()):
            yield warning(
                "no hangup handler asks for .../over,q850=...: the agent is not told"
                " how calls end",
                handlers[0].place,
                "Take [call-over] from asterisk-conf/extensions.conf.",
            )
        for handler in handlers:
            yield from _known_at_the_end(plan, before, handler)
        if not handlers:
            yield warning(
                "no hangup handler is pushed before this line: the agent is not told"
                " how calls end, and the log has no line of it",
                step.place,
                "Write Set(CHANNEL(hangup_handler_push)=call-over,s,1) before it.",
            )
        if "websocket/" not in step.arguments.lower():
            continue
        yield from _variables_of_call(plan, step)
        asks = any("/next)" in each.text for each in after)
        _, timeout, options, *_ = [*split(step.arguments), "", ""]
        on = "g" in options
        if timeout and not timeout.strip().isdecimal() and "$" not in timeout:
            yield error(
                f"Dial's second argument, the time to ring, is {timeout.strip()!r}",
                step.place,
                "Write two commas before the options: Dial(WebSocket/...,,g).",
            )
        if asks and not on:
            yield warning(
                "Dial has no g: after the agent the call ends, and the lines below,"
                " which hand it on, are never reached",
                step.place,
                "End it in ,,g) as asterisk-conf/extensions.conf has it.",
            )
        wants = next((ai for ai in settings.ais.by_name.values() if _hands(ai)), None)
        if wants is not None and not asks:
            yield error(
                f"AI {wants.name!r} hands calls on, and no line after this one asks it"
                " where to",
                step.place,
                "Take the lines after Dial from asterisk-conf/extensions.conf.",
            )


def _known_at_the_end(
    plan: Dialplan, before: list[Step], handler: Step
) -> Iterator[Finding]:
    """What the hangup handler uses was set on the way of this call, too."""
    elsewhere = {
        each.assigned()[0] for each in plan.all() if _is_about_agent(plan, each)
    }
    here = {each.assigned()[0] for each in before} | set(plan.values)
    for context, extension, _ in handler.targets():
        steps = plan.steps.get(context, {}).get(extension, [])
        here |= {each.assigned()[0] for each in steps}
        for name in sorted(used(" ".join(each.text for each in steps)) - here):
            if name in elsewhere:
                yield error(
                    f"nobody sets {name}, which [{context}] uses when the call ends",
                    handler.place,
                    f"Set {name} before this line.",
                )


def _variables_of_call(plan: Dialplan, step: Step) -> Iterator[Finding]:
    text = plan.resolved(step)
    told = inside(text, "v(")
    if told is None or "call_id=" not in told:
        yield error(
            "the agent is not told the call's id: Dial has no v(call_id=...)",
            step.place,
            "Add v(${QUERY}) to Dial as asterisk-conf/extensions.conf has it.",
        )
        return
    place = next(
        (each.place for each in plan.before(step) if "call_id=" in each.text),
        step.place,
    )
    plain = re.sub(r"\$\{.*?\}+", "", told)
    if "&" in plain:
        yield error(
            "what v() tells the agent is divided by &: Dial ends there",
            place,
            "Write commas between the parameters.",
        )
    for part in re.split(r",(?=[a-z_]+=)", told):
        name, _, value = part.partition("=")
        if "=" in re.sub(r"\$\{.*?\}+", "", value):
            yield error(
                f"a comma is missing after {name}: it takes the next one in",
                place,
                "Write commas between the parameters.",
            )
        if "${" in value and "URIENCODE(" not in value:
            yield warning(
                f"{name} is not encoded: a + or a space in it spoils the request",
                place,
                f"Write {name}=${{URIENCODE(...)}}.",
            )


def people(site: Site) -> Iterator[Finding]:
    """Phones that lines ring are there."""
    plan, pjsip = site.plan, site.files.get("pjsip.conf")
    if plan is None or pjsip is None:
        return
    there = {each.name for each in pjsip.of_type("endpoint")}
    chosen = {"${" + name + "}": value for name, value in plan.values.items()}
    for step in plan.all():
        if step.application != "dial":
            continue
        first = step.arguments.split(",")[0]
        for ring in chosen.get(first, first).split("&"):
            technology, _, name = ring.partition("/")
            name = name.partition("@")[2] or name.partition("/")[0]
            place = _of_global(site, first) or step.place
            if technology.upper() in ("SIP", "IAX2", "SCCP"):
                yield error(
                    f"rings {ring}: this Asterisk speaks PJSIP, not {technology}",
                    place,
                    f"Write PJSIP/{name}.",
                )
            elif ring == "PJSIP/${EXTEN}" and not any(
                matches(step.extension, each) for each in there
            ):
                yield error(
                    f"rings the phones {step.extension}, and there is none",
                    place,
                    f"Name those that are there: {', '.join(sorted(there))}.",
                )
            elif technology == "PJSIP" and "$" not in name and name not in there:
                yield error(
                    f"rings {ring}, and there is no endpoint {name!r}",
                    place,
                    f"Name one that is there: {', '.join(sorted(there))}.",
                )


def _of_global(site: Site, text: str) -> object:
    file = site.files.get("extensions.conf")
    section = file.section("globals") if file is not None else None
    name = re.fullmatch(r"\$\{(\w+)\}", text)
    option = section.option(name[1]) if section is not None and name else None
    return option.place if option is not None else None


def hand_over(site: Site) -> Iterator[Finding]:
    """Where AIs may hand calls to, the dialplan knows a way."""
    plan, settings = site.plan, site.settings
    if plan is None or settings is None:
        return
    ways = {
        context
        for step in plan.all()
        if is_for_agent(step)
        for later in plan.after(step)
        for context, extension, _ in later.targets()
        if "$" in extension and context in plan.contexts
    }
    for ai in settings.ais.by_name.values():
        for wanted, key in _destinations(ai):
            number = re.sub(r"[^+0-9A-Za-z_-]", "", wanted)
            if ways and not any(plan.has(way, number) for way in ways):
                named = " or ".join(
                    f"[{way}] ({plan.contexts[way]})" for way in sorted(ways)
                )
                yield error(
                    f"AI {ai.name!r} may hand calls to {wanted} ({key}), and {named}"
                    " has no way there",
                    "OFFHOOK_AIS",
                    f"Add {number} to that context, or name another in {key}.",
                )


def _hands(ai: AI) -> bool:
    return bool(ai.human) or bool({"all", "connect_call"} & set(ai.tool_names))


def _destinations(ai: AI) -> Iterator[tuple[str, str]]:
    if ai.human:
        yield ai.human, "human"
    if {"all", "connect_call"} & set(ai.tool_names):
        for name in ai.policy.extensions:
            yield name, "policy.extensions"


def chosen_ais(site: Site) -> Iterator[Finding]:
    """Set(AI=...) names one that there is."""
    plan, settings = site.plan, site.settings
    if plan is None or settings is None:
        return
    known = set(settings.ais.by_name)
    chosen = [
        (step, value)
        for step in plan.all()
        for name, value in [step.assigned()]
        if name == "AI" and value and "$" not in value and not _blank_name(step)
    ]
    if any(value not in known for _, value in chosen):
        known |= ais_of_database(site)
    for step, value in chosen:
        if value in known:
            continue
        near = get_close_matches(value, known, n=1, cutoff=0.6)
        yield error(
            f"sets the AI {value!r}, and there is none: its calls are refused with 404",
            step.place,
            f"Name one of OFFHOOK_AIS: {', '.join(near or sorted(known))}.",
        )


def is_for_agent(step: Step) -> bool:
    """It dials the agent."""
    if step.application == "dial":
        return step.arguments.lower().startswith(("websocket/", "audiosocket/"))
    return step.application == "audiosocket" or (
        step.application == "tryexec"
        and step.arguments.lower().startswith("audiosocket(")
    )
