"""extensions.conf as Asterisk goes through it: contexts, extensions, steps, and where
each step leads."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .conf import ConfFile, Option, Place, Section

NO_CONTEXTS = ("general", "globals")
_LINE = re.compile(
    r"(?P<priority>\w+)(?:\+\d+)?\s*(?:\((?P<label>[^)]*)\))?\s*,\s*(?P<rest>.*)", re.S
)
_CALL = re.compile(r"(?P<application>\w+)\s*(?:\((?P<arguments>.*)\)?)?$", re.S)
_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)(?::-?\d+(?::-?\d+)?)?\}")
_WHOLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")
_NO_NUMBERS = ("s", "h", "t", "T", "e", "o", "a")
_SETS = frozenset({"set", "mset"})
_SAMPLES = {"X": "5", "Z": "5", "N": "5"}


@dataclass(frozen=True, slots=True)
class Step:
    context: str
    extension: str
    priority: int
    """0: it counts on from a first one that is not there."""
    label: str
    application: str
    """In small letters."""
    arguments: str
    place: Place
    text: str

    def assigned(self) -> tuple[str, str]:
        """What Set sets; empty: it sets nothing."""
        if self.application not in _SETS:
            return "", ""
        name, equals, value = self.arguments.partition("=")
        return (name.strip().lstrip("_"), value) if equals else ("", "")

    def targets(self) -> list[tuple[str, str, str]]:
        """Context, extension and priority or label that it may go to."""
        if self.application == "goto":
            return [self._target(self.arguments)]
        if self.application in ("gotoif", "execif", "gosubif", "gotoiftime"):
            _, _, branches = outside(self.arguments, "?")
            first, _, second = outside(branches, ":")
            if self.application == "execif":
                return []
            if self.application == "gosubif":
                first, second = _called(first), _called(second)
            return [self._target(each) for each in (first, second) if each.strip()]
        if self.application == "gosub":
            return [self._target(_called(self.arguments))]
        found = re.match(r"CHANNEL\(hangup_handler_\w+\)=(.+)", self.arguments)
        if self.application == "set" and found:
            return [self._target(_called(found[1]))]
        return []

    def _target(self, text: str) -> tuple[str, str, str]:
        parts = [part.strip() for part in split(text)]
        if len(parts) == 1:
            return self.context, self.extension, parts[0]
        if len(parts) == 2:
            return self.context, self._extension(parts[0]), parts[1]
        return parts[0], self._extension(parts[1]), parts[2]

    def _extension(self, text: str) -> str:
        return self.extension if text == "${EXTEN}" else text


@dataclass(slots=True)
class Dialplan:
    values: dict[str, str] = field(default_factory=dict)
    """Of [globals]."""
    contexts: dict[str, Place] = field(default_factory=dict)
    steps: dict[str, dict[str, list[Step]]] = field(default_factory=dict)
    """By context and extension, in the order of their priorities."""
    included: dict[str, list[Option]] = field(default_factory=dict)
    odd: list[tuple[Place, str]] = field(default_factory=list)
    """Lines that are no steps, and what is wrong with them."""
    hidden: list[tuple[Step, Step]] = field(default_factory=list)
    """A step, and the one before it that has its place."""

    def all(self) -> Iterator[Step]:
        for extensions in self.steps.values():
            for steps in extensions.values():
                yield from steps

    def find(self, context: str, number: str) -> list[Step]:
        """The steps for a number dialled there; the most exact pattern counts."""
        for name in self._with_included(context):
            extensions = self.steps.get(name, {})
            if number in extensions:
                return extensions[number]
            fitting = [each for each in extensions if matches(each, number)]
            if fitting:
                return extensions[min(fitting, key=_breadth)]
        return []

    def has(self, context: str, number: str) -> bool:
        return bool(self.find(context, number))

    def reached(self, context: str) -> list[Step]:
        """All steps that a call may come to which dials a number of that context: `s`
        is for calls without one."""
        found: dict[Place, Step] = {}
        for name in self._with_included(context):
            for extension, steps in self.steps.get(name, {}).items():
                if extension not in _NO_NUMBERS:
                    self._follow(steps, 0, sample(extension), found)
        return list(found.values())

    def before(self, step: Step) -> list[Step]:
        """Those of its own extension that come before it."""
        steps = self.steps[step.context][step.extension]
        return steps[: steps.index(step)]

    def after(self, step: Step) -> list[Step]:
        """All that a call may come to when this step is over."""
        steps = self.steps[step.context][step.extension]
        found: dict[Place, Step] = {}
        number = sample(step.extension)
        self._follow(steps, steps.index(step) + 1, number, found)
        return list(found.values())

    def resolved(self, step: Step) -> str:
        """Its arguments with what the lines before it set put in."""
        values = dict(self.values)
        for earlier in self.before(step):
            name, value = earlier.assigned()
            if name:
                values[name] = resolve(value, values)
        return resolve(step.arguments, values)

    def _follow(
        self, steps: list[Step], at: int, number: str, found: dict[Place, Step]
    ) -> None:
        waiting = [(steps, at)]
        while waiting:
            steps, at = waiting.pop()
            for step in steps[at:]:
                if step.place in found:
                    break
                found[step.place] = step
                for context, extension, label in step.targets():
                    for there in self._found(context, extension, number):
                        index = _index(there, label)
                        if index is not None:
                            waiting.append((there, index))
                if step.application in ("goto", "hangup", "return", "stackpop"):
                    break

    def _found(self, context: str, extension: str, number: str) -> list[list[Step]]:
        if "$" in extension:
            return list(self.steps.get(context, {}).values())
        own = self.steps.get(context, {}).get(extension)
        return [own or self.find(context, sample(extension))]

    def _with_included(self, context: str) -> list[str]:
        found: list[str] = []
        waiting = [context]
        while waiting:
            name = waiting.pop(0)
            if name not in found:
                found.append(name)
                waiting += [
                    each.value.split(",")[0].strip()
                    for each in self.included.get(name, [])
                ]
        return found


def read(file: ConfFile) -> Dialplan:
    plan = Dialplan()
    for section in file.sections:
        if section.name == "globals":
            plan.values |= {each.name: each.value for each in section.options}
        elif section.name not in NO_CONTEXTS:
            _read_context(plan, section)
    for extensions in plan.steps.values():
        for steps in extensions.values():
            steps.sort(key=lambda step: step.priority)
    return plan


def _read_context(plan: Dialplan, section: Section) -> None:
    plan.contexts.setdefault(section.name, section.place)
    extensions = plan.steps.setdefault(section.name, {})
    extension, last, lost = "", 0, False
    for option in section.options:
        if option.name == "include":
            plan.included.setdefault(section.name, []).append(option)
        if option.name == "exten":
            name, _, rest = outside(option.value, ",")
            if extension != (name := name.partition("/")[0].strip()):
                last, lost = 0, False
            extension = name
        elif option.name == "same":
            rest = option.value
            if not extension:
                plan.odd.append((option.place, "same without an exten before it"))
                continue
        else:
            continue
        line = _LINE.match(rest.strip())
        if line is None:
            plan.odd.append((option.place, "there is no priority and application"))
            continue
        if line["priority"] == "hint":
            continue
        priority = _priority(line["priority"], last)
        if priority is None and lost:
            continue  # for the same reason as the line before
        if priority is None:
            lost = True
            what = f"the priority {line['priority']!r} is neither a number nor n"
            if line["priority"] in ("n", "next"):
                what = f"{extension} has no priority 1, from which n could count on"
            plan.odd.append((option.place, what))
            continue
        last = priority
        step = _step(section.name, extension, priority, line, option)
        steps = extensions.setdefault(extension, [])
        if step is None:
            plan.odd.append((option.place, "there is no application"))
            continue
        if line["rest"].count("(") != line["rest"].count(")"):
            plan.odd.append((option.place, "as many ( as ) are wanted"))
        there = next((each for each in steps if each.priority == priority), None)
        if there is not None:
            plan.hidden.append((step, there))
        else:
            steps.append(step)


def _priority(text: str, last: int) -> int | None:
    if text in ("n", "next"):
        return last + 1 if last else None
    if text in ("s", "same"):
        return last
    return int(text) if text.isdecimal() else None


def _step(
    context: str, extension: str, priority: int, line: re.Match[str], option: Option
) -> Step | None:
    call = _CALL.match(line["rest"].strip())
    if call is None:
        return None
    arguments = call["arguments"] or ""
    arguments = arguments.removesuffix(")")
    return Step(
        context,
        extension,
        priority,
        line["label"] or "",
        call["application"].lower(),
        arguments,
        option.place,
        option.value,
    )


def matches(pattern: str, number: str) -> bool:
    """As Asterisk compares an extension with what was dialled."""
    if not pattern.startswith("_"):
        return pattern == number
    expression = ""
    rest = pattern[1:]
    at = 0
    while at < len(rest):
        sign = rest[at]
        if sign == "[" and "]" in rest[at:]:
            end = rest.index("]", at)
            expression += f"[{_escaped(rest[at + 1 : end])}]"
            at = end
        elif sign.upper() in "XZN":
            expression += {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]"}[sign.upper()]
        elif sign in ".!":
            expression += ".+" if sign == "." else ".*"
            break
        elif sign not in " -":
            expression += re.escape(sign)
        at += 1
    return re.fullmatch(expression, number) is not None


def sample(extension: str) -> str:
    """A number that it fits."""
    if not extension.startswith("_"):
        return extension
    number, rest = "", extension[1:]
    while rest:
        sign, rest = rest[0], rest[1:]
        if sign == "[":
            inside, _, rest = rest.partition("]")
            digit = re.search(r"\d", inside)
            number += digit[0] if digit else inside[:1]
        elif sign in ".!":
            return number + "5550100"
        elif sign not in " -":
            number += _SAMPLES.get(sign.upper(), sign)
    return number


def samples(extension: str) -> list[str]:
    """A number for each kind of sign that it may begin with: + and digits."""
    found = [sample(extension)]
    inside, bracket, rest = extension.removeprefix("_[").partition("]")
    if extension.startswith("_[") and bracket:
        found += [sample(f"_{sign}{rest}") for sign in inside if sign in "+*#"]
    return found


def resolve(text: str, values: Mapping[str, str]) -> str:
    for _ in range(8):
        put = _WHOLE.sub(lambda found: values.get(found[1], found[0]), text)
        if put == text:
            break
        text = put
    return text


def used(text: str) -> set[str]:
    """Names of the variables in it."""
    return {found[1] for found in _VARIABLE.finditer(text)}


def calls(text: str, function: str) -> list[str]:
    """What it is given wherever it stands in the text."""
    found = []
    begins = "${" + function + "("
    while (given := inside(text, begins)) is not None:
        found.append(given)
        text = text[text.index(begins) + len(begins) :]
    return found


def _escaped(inside: str) -> str:
    return re.sub(r"([\\\]^\[])", r"\\\1", inside)


def _breadth(pattern: str) -> tuple[int, int]:
    return (sum(pattern.count(sign) for sign in ".!"), -len(pattern))


def _index(steps: list[Step], label: str) -> int | None:
    for index, step in enumerate(steps):
        if label in (step.label, str(step.priority)) and label:
            return index
    return None


def _called(text: str) -> str:
    """Without the arguments of Gosub's target."""
    return re.sub(r"\(.*\)\s*$", "", text.strip())


def split(text: str) -> list[str]:
    parts = []
    rest = text
    while True:
        part, comma, rest = outside(rest, ",")
        parts.append(part)
        if not comma:
            return parts


def outside(text: str, sign: str) -> tuple[str, str, str]:
    """As partition, at the first one outside of all brackets and quotes."""
    depth, quoted = 0, False
    for index, each in enumerate(text):
        if each == '"':
            quoted = not quoted
        elif each in "([{" and not quoted:
            depth += 1
        elif each in ")]}" and not quoted:
            depth -= 1
        elif each == sign and depth <= 0 and not quoted:
            return text[:index], sign, text[index + 1 :]
    return text, "", ""


def inside(text: str, begins: str) -> str | None:
    """What stands in the brackets that `begins` opens."""
    at = text.find(begins)
    if at < 0:
        return None
    depth, start = 1, at + len(begins)
    for index in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if depth == 0:
            return text[start:index]
    return text[start:]
