"""What a tool may do. The model proposes, this decides, outside of any model.

Pure: the operator's Policy, the use that the model wants, what is known of the call and
the time come in; a decision comes out. What is allowed is done with the decision's
arguments, never with the model's: they name the destination that was looked at.
"""

import fnmatch
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from agent.calls.toolbox import Policy

OUTSIDE = ("connect_call", "send_email", "send_message")
"""What reaches somebody outside of the call."""
HOUR = 3600.0
COUNTRIES = frozenset(phonenumbers.SUPPORTED_REGIONS)
"""ISO 3166, those with a numbering plan."""

# What fraudsters have others call, because it pays them or costs a fortune.
_DEAR = (
    PhoneNumberType.PREMIUM_RATE,
    PhoneNumberType.SHARED_COST,
    PhoneNumberType.PERSONAL_NUMBER,
    PhoneNumberType.PAGER,
)
_NO_COUNTRY = "001"
"""phonenumbers' region of satellites and other numbers that belong to no country."""
_PHONE = re.compile(r"\+?[0-9]{3,18}")
_BETWEEN_DIGITS = re.compile(r"[ \u00a0\u202f().-]")
_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
)
_NUMBERS = re.compile(r"\+[0-9]{3,15}|\+[0-9]{1,14}\*")


@dataclass(frozen=True, slots=True)
class Use:
    """What the model wants."""

    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision depends on besides the use."""

    caller: str = ""
    """Number that calls, as the carrier gave it; empty: hidden."""
    region: str = ""
    """ISO 3166, of numbers that come without their country code; empty: refused."""
    fixed: Collection[str] = ()
    """Variables that the model may not set."""
    in_answer: int = 0
    """Uses of tools since the caller spoke last."""
    in_call: int = 0
    """Allowed uses of OUTSIDE in this call."""
    spent: float = 0.0
    recent: Sequence[float] = ()
    """When tools of OUTSIDE were used in other calls of this AI and in this one."""


@dataclass(frozen=True, slots=True)
class Allowed:
    arguments: Mapping[str, Any]
    """To be used instead of the model's."""


@dataclass(frozen=True, slots=True)
class Refused:
    reason: str
    """For the model, which tells the caller, and for the record."""


Decision = Allowed | Refused


def decide(policy: Policy, use: Use, facts: Facts, now: float) -> Decision:
    """`now` is of the same clock as `facts.recent`."""
    if facts.in_answer >= policy.depth:
        return Refused("too many tools for one answer; answer the caller now")
    if policy.spend and facts.spent + price(policy, use.tool) > policy.spend:
        return Refused("this call may not cost more")
    if use.tool in OUTSIDE:
        if facts.in_call >= policy.per_call:
            return Refused("no more connections, e-mails or messages in this call")
        if sum(at > now - HOUR for at in facts.recent) >= policy.per_hour:
            return Refused("no more connections, e-mails or messages in this hour")
    match use.tool:
        case "connect_call":
            return _connection(policy, use.arguments, facts)
        case "send_message":
            return _message(policy, use.arguments, facts)
        case "send_email":
            return _email(policy, use.arguments)
        case "set_variables":
            return _variables(use.arguments, facts)
        case _:
            return Allowed(use.arguments)


def price(policy: Policy, tool: str) -> float:
    return policy.prices.get(tool, 0.0)


def mistake(policy: Policy) -> str:
    """What the operator wrote that can never mean anything; empty: nothing."""
    for number in policy.numbers:
        if not _NUMBERS.fullmatch(number):
            return f'policy.numbers has {number!r}, not E.164 as "+4930123" or "+49*"'
    for country in policy.countries:
        if country not in COUNTRIES:
            return f'policy.countries has {country!r}, not ISO 3166 as "DE"'
    for email in policy.emails:
        if email != "*" and email.count("@") != 1:
            return f"policy.emails has {email!r}, not an address or *@example.com"
    return ""


def _connection(policy: Policy, arguments: Mapping[str, Any], facts: Facts) -> Decision:
    wanted = str(arguments.get("destination", "")).strip()
    if wanted in policy.extensions:
        return Allowed({**arguments, "destination": wanted})
    number = _number(wanted, facts.region)
    if number is None:
        return Refused(f"{_short(wanted)} is no number or extension that may be called")
    if not _listed(policy, number):
        return Refused(f"{_short(wanted)} may not be called")
    return Allowed({**arguments, "destination": _e164(number)})


def _message(policy: Policy, arguments: Mapping[str, Any], facts: Facts) -> Decision:
    wanted = str(arguments.get("to", "")).strip()
    caller = _number(facts.caller, facts.region)
    number = _number(wanted, facts.region) if wanted else caller
    if number is None:
        return Refused(f"{_short(wanted or facts.caller)} is no number to write to")
    # Who calls says himself what his number is, so it is looked at like any other.
    to_caller = policy.caller and number == caller and _ordinary(number)
    if not to_caller and not _listed(policy, number):
        return Refused(f"{_short(_e164(number))} may not be written to")
    return Allowed({**arguments, "to": _e164(number)})


def _email(policy: Policy, arguments: Mapping[str, Any]) -> Decision:
    to = str(arguments.get("to", "")).strip()
    subject = str(arguments.get("subject", ""))
    for header in (str(arguments.get("to", "")), subject):
        if any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in header):
            return Refused("a line break or control character in to or subject")
    if len(to) > 254 or not _ADDRESS.fullmatch(to):
        return Refused(f"{_short(to)} is not one e-mail address")
    # The part before the @ may tell A from a, in theory; allow-lists need not.
    address = to.lower()
    if not any(fnmatch.fnmatchcase(address, each.lower()) for each in policy.emails):
        return Refused(f"{_short(to)} may not be written to")
    return Allowed({**arguments, "to": to})


def _variables(arguments: Mapping[str, Any], facts: Facts) -> Decision:
    wanted = arguments.get("variables")
    for name in wanted if isinstance(wanted, Mapping) else ():
        if name in facts.fixed:
            return Refused(f"{_short(str(name))} is not for you to set")
    return Allowed(arguments)


def _number(text: str, region: str) -> phonenumbers.PhoneNumber | None:
    """What is plainly one telephone number, and nothing that a dialplan could read
    otherwise: no letters, `&`, `/`, `@`, `,`, `;ext=` or `${...}`."""
    text = "".join(_digit(character) for character in text.strip())
    text = _BETWEEN_DIGITS.sub("", text[4:] if text[:4].lower() == "tel:" else text)
    if not _PHONE.fullmatch(text):
        return None
    if text.startswith("00") and not region:
        text = f"+{text[2:]}"
    try:
        return phonenumbers.parse(text, region or None)
    except NumberParseException:
        return None


def _digit(character: str) -> str:
    """Digits of other scripts, which models write in those languages, as ours."""
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)


def _listed(policy: Policy, number: phonenumbers.PhoneNumber) -> bool:
    e164 = _e164(number)
    if e164 in policy.numbers:
        return True
    if not _ordinary(number):
        return False
    country = phonenumbers.region_code_for_number(number)
    return country in policy.countries or any(
        e164.startswith(each[:-1]) for each in policy.numbers if each.endswith("*")
    )


def _ordinary(number: phonenumbers.PhoneNumber) -> bool:
    """A number that exists in some country's plan and costs what calls there cost."""
    return (
        phonenumbers.is_valid_number(number)
        and phonenumbers.region_code_for_number(number) != _NO_COUNTRY
        and phonenumbers.number_type(number) not in _DEAR
    )


def _e164(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")
