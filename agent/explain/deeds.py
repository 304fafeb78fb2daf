"""What was done on the way, and failed: by tools, and by providers."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from agent.calls.call import EndReason
from agent.calls.transcript import ToolUse
from agent.calls.usage import Meter

from .case import Case
from .verdict import Reason, Weight
from .words import clock, failure_lines, failures

_METERS: Mapping[str, tuple[Meter, ...]] = {
    "llm": (Meter.LLM_OUTPUT_TOKENS, Meter.UNREPORTED_REQUESTS),
    "stt": (Meter.STT_SECONDS,),
    "tts": (Meter.TTS_CHARACTERS,),
}
"""Of each stage's work."""


def tool_refused(case: Case) -> Reason | None:
    refused = [use for use in case.record.tool_uses if use.refused]
    return _tools("tool_refused", "the AI's policy refused the tool", refused)


def tool_failed(case: Case) -> Reason | None:
    failed = [use for use in case.record.tool_uses if use.failed and not use.refused]
    if case.hung_up_in_vain:
        # By him, and that is said.
        failed = [use for use in failed if not _broken_off(use)]
    return _tools("tool_failed", "the tool failed:", failed)


def _tools(cause: str, what: str, uses: Sequence[ToolUse]) -> Reason | None:
    if not uses:
        return None
    last = uses[-1]
    times = "" if len(uses) == 1 else f" ({len(uses)} times)"
    return Reason(
        cause,
        f"{what} {last.name}{times}: {last.result[:200]}",
        tuple(
            f"{clock(use.started_at)} {use.name} {use.milliseconds:.0f} ms:"
            f" {use.result[:120]}"
            for use in uses
        ),
        Weight.FELT,
    )


def running(
    uses: Sequence[ToolUse], since: datetime, until: datetime
) -> Sequence[ToolUse]:
    """Those that began in that time."""
    return [use for use in uses if since <= use.started_at <= until]


def meanwhile(use: ToolUse) -> str:
    """What a tool has to do with an answer that never came."""
    if use.refused:
        return f"the policy refused the tool {use.name}: {use.result[:200]}"
    if _broken_off(use):
        return f"the tool {use.name} ran meanwhile and was broken off"
    if use.failed:
        return f"the tool {use.name} failed: {use.result[:200]}"
    return f"the model used the tool {use.name} and said nothing then"


def _broken_off(use: ToolUse) -> bool:
    return use.failed and use.result.startswith("broken off")


def troubled(case: Case) -> Reason | None:
    """Providers failed, and the call went on."""
    troubles = case.record.troubles
    if not troubles or case.reason is EndReason.PROVIDER_FAILED:
        return None
    return Reason(
        "troubled",
        f"{failures(troubles)}{_instead(case)}",
        failure_lines(troubles),
        Weight.NOTICED,
    )


def _instead(case: Case) -> str:
    """Who answered in the place of those that failed."""
    troubles = case.record.troubles
    failed = {one.provider for one in troubles}
    wanted = {meter for one in troubles for meter in _METERS.get(one.stage, ())}
    others = sorted(
        {use.model for use in case.record.uses if use.meter in wanted}
        - failed
        # A use counts for the model, a failure for its voice.
        - {who.rpartition("/")[0] for who in failed}
        - {""}
    )
    return f"; {' and '.join(others)} went on" if others else ""
