"""What happened in a call, held against what was expected of it.

Every fault is a sentence that an operator understands without the transcript.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.calls.transcript import ToolUse

from .pattern import Pattern, any_in
from .scenario import Expectation, Script, SentExpected, ToolExpected


@dataclass(frozen=True, slots=True)
class Sent:
    """An e-mail or a message that the world outside received."""

    to: str
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the AI did about one of the caller's turns; the first: about nothing yet."""

    caller: str = ""
    """What he had said or done."""
    turn: int | None = None
    """Its number in the script, from 0."""
    said: tuple[str, ...] = ()
    tool_uses: tuple[ToolUse, ...] = ()
    seconds: float | None = None
    """Until its first word; None: it said nothing."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """When it was over."""
    sent: tuple[Sent, ...] = ()

    @property
    def words(self) -> str:
        return " ".join(self.said)


@dataclass(frozen=True, slots=True)
class Happened:
    replies: tuple[Reply, ...]
    ends: str = ""
    """EndReason; empty: the call was still up when the caller was through."""
    connected: str = ""
    trouble: str = ""
    """What kept the call from being made at all."""


def faults(script: Script, happened: Happened) -> list[str]:
    if happened.trouble:
        return [happened.trouble]
    found: list[str] = []
    by_turn = {reply.turn: reply for reply in happened.replies}
    for number, turn in enumerate(script.turns):
        reply = by_turn.get(number)
        if reply is not None:
            where = f"turn {number + 1}"
            one = Happened((reply,), happened.ends, happened.connected)
            found += (f"{where}: {fault}" for fault in _faults(turn.expect, one))
        elif not turn.when and turn.expect != Expectation():
            found.append(f"turn {number + 1}: the call was over before it")
    found += _faults(script.expect, happened)
    return found


def _faults(expect: Expectation, happened: Happened) -> Iterable[str]:
    """`happened`: the whole call, or one reply of it."""
    replies = happened.replies
    words = " ".join(reply.words for reply in replies)
    uses = [use for reply in replies for use in reply.tool_uses]
    done = [use for use in uses if not use.failed]
    if expect.says and not any_in(expect.says, words):
        yield f"said nothing of {_list(expect.says)}"
    for pattern in expect.says_all:
        if not Pattern(pattern).found_in(words):
            yield f"did not say {pattern!r}"
    for pattern in expect.never_says:
        if Pattern(pattern).found_in(words):
            yield f"said {pattern!r}"
    for tool in expect.tools:
        if not any(_is(tool, use) for use in uses):
            yield f"did not use {_named(tool)}{_instead(tool, uses)}"
    for name in expect.no_tools:
        for used in sorted({use.name for use in done if name in ("*", use.name)}):
            yield f"used {used}"
    last = replies[-1].variables if replies else {}
    for name, pattern in expect.variables.items():
        if not Pattern(pattern).found_in(last.get(name, "")):
            yield f"{name} is {last.get(name)!r}, not {pattern!r}"
    sent = [one for reply in replies for one in reply.sent]
    for wanted in expect.sent:
        if not any(_arrived(wanted, one) for one in sent):
            yield _not_sent(wanted, sent)
    if expect.within:
        yield from _late(expect.within, replies)
    if expect.connected and not Pattern(expect.connected).found_in(happened.connected):
        to = f"to {happened.connected!r}" if happened.connected else "nowhere"
        yield f"was connected {to}, not to {expect.connected!r}"
    if expect.ends and happened.ends != expect.ends:
        yield f"ended as {happened.ends or 'not at all'}, not {expect.ends}"
    spoke = sum(len(reply.said) for reply in replies)
    if expect.max_turns and spoke > expect.max_turns:
        yield f"spoke {spoke} times, not {expect.max_turns} at most"


def _late(within: float, replies: Sequence[Reply]) -> Iterable[str]:
    for reply in replies:
        if reply.turn is None:
            continue
        if reply.seconds is None:
            yield f"no word came within {within:g} s"
        elif reply.seconds > within:
            yield f"the first word came after {reply.seconds:.2f} s, not {within:g}"


def _is(expected: ToolExpected, use: ToolUse) -> bool:
    return (
        use.name == expected.name
        and use.failed == expected.failed
        and _holds(_arguments(use), expected.arguments)
    )


def _arguments(use: ToolUse) -> Any:
    try:
        return json.loads(use.arguments)
    except ValueError:
        return {}


def _holds(given: Any, expected: Any) -> bool:
    """Whether all that is expected is in what was given."""
    if isinstance(expected, Mapping):
        return isinstance(given, Mapping) and all(
            key in given and _holds(given[key], part) for key, part in expected.items()
        )
    if isinstance(expected, str):
        text = given if isinstance(given, str) else json.dumps(given)
        return Pattern(expected).found_in(text)
    # Models write 8 and "8" as it comes.
    return bool(given == expected or str(given) == str(expected))


def _named(tool: ToolExpected) -> str:
    arguments = ", ".join(f"{key}={part!r}" for key, part in tool.arguments.items())
    return f"{tool.name}({arguments})" + (" without success" if tool.failed else "")


def _instead(tool: ToolExpected, uses: Sequence[ToolUse]) -> str:
    same = [use for use in uses if use.name == tool.name]
    if not same:
        return ""
    did = (f"{use.arguments}{' in vain' if use.failed else ''}" for use in same)
    return f", but {' and '.join(did)}"


def _arrived(wanted: SentExpected, sent: Sent) -> bool:
    return all(
        not pattern or Pattern(pattern).found_in(text)
        for pattern, text in ((wanted.to, sent.to), (wanted.text, sent.text))
    )


def _not_sent(wanted: SentExpected, sent: Sequence[Sent]) -> str:
    to = f" to {wanted.to!r}" if wanted.to else ""
    text = f" with {wanted.text!r}" if wanted.text else ""
    instead = " and ".join(f"to {one.to}: {one.text}" for one in sent)
    return f"nothing was sent{to}{text}" + (f", but {instead}" if sent else "")


def _list(patterns: tuple[str, ...]) -> str:
    return " or ".join(repr(pattern) for pattern in patterns)
