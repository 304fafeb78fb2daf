"""What came of the scenarios: a line each, and where it went wrong what was said."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from .judge import Happened, Reply
from .run import Outcome, Result, Run

_WORDS = {Outcome.PASS: "PASS", Outcome.FAIL: "FAIL", Outcome.TOO_HARD: "HARD"}


def show(result: Result, *, verbose: bool) -> None:
    for line in lines(result, verbose=verbose):
        print(line, flush=True)


def lines(result: Result, *, verbose: bool) -> Iterable[str]:
    runs, script = result.runs, result.scenario.script
    often = f"{result.passed}/{len(runs)}" if len(runs) > 1 else ""
    seconds = sum(run.seconds for run in runs)
    slowest = (
        "" if result.slowest is None else f", slowest answer {result.slowest:.1f} s"
    )
    yield (
        f"{_WORDS[result.outcome]}  {result.scenario.name:28}{often:5}"
        f"{seconds:6.1f} s{slowest}"
    )
    if verbose and script.about:
        yield f"      {script.about}"
    for number, run in enumerate(runs, 1):
        if not run.faults and not verbose:
            continue
        if len(runs) > 1:
            yield f"      run {number}"
        yield from (f"      - {fault}" for fault in run.faults)
        if verbose or result.outcome is Outcome.FAIL:
            yield from (f"        {line}" for line in transcript(run.happened))


def transcript(happened: Happened) -> Iterable[str]:
    for reply in happened.replies:
        if reply.caller:
            yield f"caller: {reply.caller}"
        for use in reply.tool_uses:
            failed = "failed: " if use.failed else ""
            yield f"        {use.name} {use.arguments} -> {failed}{use.result}"
        for sent in reply.sent:
            yield f"        sent to {sent.to}: {sent.text}"
        after = "" if reply.seconds is None else f"  ({reply.seconds:.2f} s)"
        for text in reply.said:
            yield f"agent:  {text}{after}"
            after = ""
    to = f" to {happened.connected}" if happened.connected else ""
    if happened.ends:
        yield f"ended:  {happened.ends}{to}"


def sum_up(results: Sequence[Result]) -> None:
    count = {outcome: 0 for outcome in Outcome}
    for result in results:
        count[result.outcome] += 1
    hard = count[Outcome.TOO_HARD]
    known = f", {hard} too hard for this model, as is known" if hard else ""
    print(
        f"{count[Outcome.PASS]} of {len(results)} passed, "
        f"{count[Outcome.FAIL]} failed{known}"
    )


def as_json(results: Sequence[Result], model: str) -> str:
    return json.dumps(
        {"model": model, "scenarios": [_result(result) for result in results]},
        indent=2,
        ensure_ascii=False,
    )


def _result(result: Result) -> dict[str, Any]:
    return {
        "name": result.scenario.name,
        "outcome": result.outcome.value,
        "runs": [_run(run) for run in result.runs],
    }


def _run(run: Run) -> dict[str, Any]:
    happened = run.happened
    return {
        "seconds": round(run.seconds, 3),
        "faults": list(run.faults),
        "ends": happened.ends,
        "connected": happened.connected,
        "replies": [_reply(reply) for reply in happened.replies],
    }


def _reply(reply: Reply) -> dict[str, Any]:
    return {
        "caller": reply.caller,
        "agent": list(reply.said),
        "seconds": None if reply.seconds is None else round(reply.seconds, 3),
        "variables": dict(reply.variables),
        "sent": [{"to": sent.to, "text": sent.text} for sent in reply.sent],
        "tools": [
            {
                "name": use.name,
                "arguments": use.arguments,
                "result": use.result,
                "failed": use.failed,
            }
            for use in reply.tool_uses
        ],
    }
