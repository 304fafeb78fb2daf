"""What a check says: how bad it is, what it is, where, and what mends it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    severity: Severity
    what: str
    where: str = ""
    """A variable, FILE:LINE, or an address."""
    fix: str = ""
    """One sentence that tells what to do."""


def ok(what: str, where: object = "") -> Finding:
    return Finding(Severity.OK, what, str(where))


def warning(what: str, where: object, fix: str) -> Finding:
    return Finding(Severity.WARNING, what, str(where), fix)


def error(what: str, where: object, fix: str) -> Finding:
    return Finding(Severity.ERROR, what, str(where), fix)


def status(findings: Iterable[Finding]) -> int:
    """Of the process: 0 well, 1 warnings, 2 errors."""
    found = {finding.severity for finding in findings}
    if Severity.ERROR in found:
        return 2
    return 1 if Severity.WARNING in found else 0
