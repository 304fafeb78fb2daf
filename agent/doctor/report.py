"""Findings as lines for people, or as one document of JSON."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from .finding import Finding, Severity, status

_LABELS = {
    Severity.OK: "ok     ",
    Severity.WARNING: "WARNING",
    Severity.ERROR: "ERROR  ",
}


def lines(findings: Sequence[Finding], *, quiet: bool = False) -> Iterator[str]:
    """`quiet`: only what is wrong."""
    for finding in findings:
        if quiet and finding.severity is Severity.OK:
            continue
        where = f"{finding.where}: " if finding.where else ""
        fix = f" -> {finding.fix}" if finding.fix else ""
        # One line each, whatever a server said.
        yield " ".join(
            f"{_LABELS[finding.severity]} {where}{finding.what}{fix}".split("\n")
        )
    wrong = [finding.severity for finding in findings]
    errors, warnings = wrong.count(Severity.ERROR), wrong.count(Severity.WARNING)
    yield f"{errors} errors, {warnings} warnings"


def document(findings: Sequence[Finding]) -> str:
    return json.dumps(
        {"status": status(findings), "findings": [asdict(each) for each in findings]},
        indent=2,
    )
