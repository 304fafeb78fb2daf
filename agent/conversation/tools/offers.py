"""From a model's wish to use a tool to what it is told about it, and to the record.

Every wish ends as one ToolUse: done, refused by the policy, wrong in its arguments,
failed, broken off, or for a tool that is not there.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from time import monotonic
from typing import Any

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import FunctionCallResultProperties
from pipecat.services.llm_service import FunctionCallParams, LLMService

from agent.calls.ai import AI, CONSENT, OVERRIDABLE
from agent.calls.control import CallControl, CallControlError
from agent.calls.transcript import Speaker, ToolUse
from agent.conversation.messages import SendError
from agent.conversation.policy import (
    OUTSIDE,
    Decision,
    Facts,
    Refused,
    Use,
    decide,
    price,
)
from agent.observe import metrics
from agent.observe.logs import words

from . import http as http_tools
from .tool import Tool, ToolError, fitted
from .toolbox import Toolbox

OnUse = Callable[[ToolUse], None]


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    """By the policy."""
    INVALID = "invalid"
    """Its arguments."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    """The caller interrupted, or the call ended."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Told:
    """What the model is told."""

    outcome: Outcome
    result: Any
    quiet: bool = False
    """It need not say anything now."""


class Offer:
    """The tools of one conversation, at its model's hand."""

    def __init__(
        self,
        ai: AI,
        toolbox: Toolbox,
        control: CallControl,
        on_use: OnUse,
        channel: str = "voice",
    ) -> None:
        self._ai = ai
        self._toolbox = toolbox
        self._control = control
        self._on_use = on_use
        self._reach = toolbox.reach(ai, control)
        self.tools = toolbox.tools(ai, channel)
        self._fixed = {*OVERRIDABLE, CONSENT}.union(
            *(http_tools.variables(tool) for tool in ai.http_tools)
        )
        self._answer = 0
        self._in_answer = 0
        self._in_call = 0
        self._spent = 0.0
        toolbox.wake(ai)
        # A series that first appears at 1 hides its first event from rate().
        for name in self.tools:
            for outcome in Outcome:
                metrics.tool_uses.labels(name, outcome.value)

    async def use(self, name: str, arguments: Mapping[str, Any]) -> Told:
        """Never raises, unless it is cancelled."""
        began, at = monotonic(), datetime.now(UTC)
        tool = self.tools.get(name)
        told = Told(Outcome.CANCELLED, "broken off: it may or may not have been done")
        try:
            told = await self._try(tool, name, arguments)
        finally:
            use = ToolUse(
                name,
                json.dumps(dict(arguments), ensure_ascii=False, default=str),
                _written(told.result),
                at,
                (monotonic() - began) * 1000,
                failed=told.outcome is not Outcome.DONE,
                refused=told.outcome is Outcome.REFUSED,
            )
            metrics.tool_uses.labels(name if tool else "unknown", told.outcome).inc()
            well = told.outcome in (Outcome.DONE, Outcome.CANCELLED)
            logger.log(
                "INFO" if well else "WARNING",
                "[TOOL] {} {:.0f} ms: {}",
                *(name, use.milliseconds, told.outcome.value),
            )
            logger.log(words(), "[TOOL] {}: {}", name, use.result)
            self._on_use(use)
        return told

    async def _try(
        self, tool: Tool | None, name: str, arguments: Mapping[str, Any]
    ) -> Told:
        in_answer = self._count()
        # A model that goes on although it was told to answer is left to the silence.
        stubborn = in_answer > self._ai.policy.depth
        if tool is None:
            there = ", ".join(self.tools) or "none"
            result = f"there is no tool {name[:64]!r}; there are: {there}"
            return Told(Outcome.UNKNOWN, result, stubborn)
        try:
            fit = fitted(tool, arguments)
        except ToolError as error:
            return Told(Outcome.INVALID, f"wrong arguments: {error}", stubborn)
        decision = self._decide(name, fit, in_answer)
        if isinstance(decision, Refused):
            return Told(Outcome.REFUSED, decision.reason, stubborn)
        try:
            result = await tool.run(self._reach, **decision.arguments)
        except (ToolError, SendError, CallControlError) as error:
            return Told(Outcome.FAILED, str(error) or f"{name} failed")
        except Exception:  # noqa: BLE001 - the model is told, the call goes on
            logger.exception("[TOOL] {} failed", name)
            return Told(Outcome.FAILED, f"{name} failed")
        return Told(Outcome.DONE, result, tool.quiet)

    def _decide(
        self, name: str, arguments: Mapping[str, Any], in_answer: int
    ) -> Decision:
        policy, now = self._ai.policy, monotonic()
        recent = self._toolbox.recent(self._control.customer, self._ai, now)
        decision = decide(
            policy,
            Use(name, arguments),
            Facts(
                caller=self._control.caller,
                region=self._toolbox.region,
                fixed=self._fixed,
                in_answer=in_answer,
                in_call=self._in_call,
                spent=self._spent,
                recent=recent,
            ),
            now,
        )
        # Before it is done: of several at once, none is to slip through. An attempt
        # that fails counts too.
        if not isinstance(decision, Refused):
            self._spent += price(policy, name)
            if name in OUTSIDE:
                self._in_call += 1
                recent.append(now)
        return decision

    def _count(self) -> int:
        """How many tools this answer to the caller has used before this one."""
        answer = sum(turn.speaker is Speaker.CALLER for turn in self._control.turns)
        if answer != self._answer:
            self._answer, self._in_answer = answer, 0
        self._in_answer += 1
        return self._in_answer - 1


def offer(
    llm: LLMService[Any],
    ai: AI,
    toolbox: Toolbox,
    control: CallControl,
    on_use: OnUse,
    channel: str = "voice",
) -> ToolsSchema | None:
    """Makes the tools of the AI known to its model; None when there are none."""
    offered = Offer(ai, toolbox, control, on_use, channel)

    async def handle(params: FunctionCallParams) -> None:
        told = await offered.use(params.function_name, params.arguments)
        await params.result_callback(
            # After an empty one pipecat would not ask the model again.
            told.result or json.dumps(told.result),
            properties=(
                FunctionCallResultProperties(run_llm=False) if told.quiet else None
            ),
        )

    for name, tool in offered.tools.items():
        llm.register_function(name, handle, timeout_secs=tool.deadline)
    # And those that a model makes up: they are in the record too.
    llm.register_function(None, handle)
    if not offered.tools:
        return None
    return ToolsSchema(
        standard_tools=[_schema(tool) for tool in offered.tools.values()]
    )


def described(ai: AI, toolbox: Toolbox, channel: str = "voice") -> list[dict[str, Any]]:
    """The same tools, as OpenAI's API has them."""
    return [
        {"type": "function", "function": _schema(tool).to_default_dict()}
        for tool in toolbox.tools(ai, channel).values()
    ]


def _schema(tool: Tool) -> FunctionSchema:
    return FunctionSchema(
        name=tool.name,
        description=tool.description,
        properties=dict(tool.properties),
        required=list(tool.required),
    )


def _written(result: Any) -> str:
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
