"""OpenTelemetry traces, one for each call: call -> turn -> stt, llm, tts, tool.

Made of the facts of a call when it is over, and sent as OTLP over HTTP in its JSON
form; the audio path knows nothing of it. Of a turn's parts the lengths are measured;
where they lie follows from when the caller had finished and when our first sound left.
No words, no numbers of callers, no arguments of tools are in it.
"""

import asyncio
import hashlib
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import httpx
from loguru import logger

from agent import __version__
from agent.calls.call import Call, CallEnd, EndReason
from agent.calls.facts import (
    CallAnswered,
    CallBegan,
    CallEnded,
    Fact,
    ToolUsed,
    TroubleMet,
    TurnTaken,
    Used,
)
from agent.calls.transcript import Speaker, ToolUse, Trouble, Turn
from agent.calls.usage import Meter, Use

from . import metrics
from .config import TracesConfig

_MOST_CALLS = 1000
"""That wait to be sent; more are lost, the oldest first."""
_MOST_SPANS = 5000
"""Of one call."""
_AT_ONCE = 20
"""Calls in one request."""
_TRIES = 5
_LONGEST_PAUSE = 30.0

_INTERNAL, _SERVER, _CLIENT = 1, 2, 3
_ERROR = 2
_FAULTS = {
    EndReason.AGENT_FAILED,
    EndReason.AGENT_DIED,
    EndReason.PROVIDER_FAILED,
    EndReason.NO_MEDIA_START,
    EndReason.UNSUPPORTED_FORMAT,
    EndReason.SOCKET_LOST,
}
_READ = {
    Meter.LLM_INPUT_TOKENS,
    Meter.LLM_CACHED_TOKENS,
    Meter.LLM_AUDIO_INPUT_TOKENS,
    Meter.LLM_AUDIO_CACHED_TOKENS,
}
_CACHED = {Meter.LLM_CACHED_TOKENS, Meter.LLM_AUDIO_CACHED_TOKENS}
_WRITTEN = {Meter.LLM_OUTPUT_TOKENS, Meter.LLM_AUDIO_OUTPUT_TOKENS}
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
}
"""Those that OpenTelemetry calls otherwise."""
_TOOL_NAME = re.compile(r"[\w.-]{1,64}")
_SPACE = timedelta(0)

_Value = str | bool | int | float


class Records(Protocol):
    def note(self, fact: Fact) -> None: ...


class Traced:
    """Records, and the traces of what they are told. Without traces nothing of this is
    in the way."""

    def __init__(self, records: Records, traces: "Traces") -> None:
        self._records = records
        self._traces = traces

    def note(self, fact: Fact) -> None:
        self._records.note(fact)
        self._traces.note(fact)


@dataclass(slots=True)
class _Trace:
    """Of a call that is up."""

    call: Call
    id: str
    root: str
    spans: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    made: int = 0
    asked: datetime | None = None
    """When the caller's last turn was over; None: we do not answer one."""
    tools: list[ToolUse] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    """Both of the turn that is not over yet."""


class Traces:
    def __init__(self, config: TracesConfig, http: httpx.AsyncClient) -> None:
        self._config = config
        self._http = http
        self._up: dict[str, _Trace] = {}
        self._over: deque[Sequence[dict[str, Any]]] = deque()
        """Each is a call's spans."""
        self._under_way = 0
        """Calls."""
        self._news = asyncio.Event()
        self._none_left = asyncio.Event()
        self._none_left.set()
        self._away = False
        self._resource = {
            "service.name": config.service,
            "service.version": __version__,
            **config.resource,
        }

    def note(self, fact: Fact) -> None:
        """Takes microseconds, and never raises: no call suffers from being traced."""
        try:
            self._note(fact)
        except Exception:  # noqa: BLE001 - as it says
            logger.exception("[TRACES] a fact cannot be traced")

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            if not self._over:
                self._none_left.set()
                self._news.clear()
                await self._news.wait()
            calls = [
                self._over.popleft() for _ in range(min(_AT_ONCE, len(self._over)))
            ]
            self._under_way = len(calls)
            why = await self._send([span for spans in calls for span in spans])
            self._under_way = 0
            if why:
                metrics.traces.labels("lost").inc(len(calls))
                if not self._away:
                    logger.warning("[TRACES] {} does not take them: {}", self._url, why)
            else:
                metrics.traces.labels("sent").inc(len(calls))
                if self._away:
                    logger.info("[TRACES] {} takes them again", self._url)
            self._away = bool(why)

    async def flush(self, deadline: float) -> None:
        """Waits until all are sent, so many seconds at most; `run` runs meanwhile."""
        try:
            async with asyncio.timeout(deadline):
                await self._none_left.wait()
        except TimeoutError:
            lost = len(self._over) + self._under_way
            logger.warning("[TRACES] those of {} calls are lost", lost)

    @property
    def _url(self) -> str:
        """Without what may be a key."""
        return str(httpx.URL(self._config.url).copy_with(query=None, userinfo=b""))

    async def _send(self, spans: Sequence[dict[str, Any]]) -> str:
        """Why they were not taken; empty: they were."""
        told = {
            "resourceSpans": [
                {
                    "resource": {"attributes": _attributes(self._resource)},
                    "scopeSpans": [
                        {
                            "scope": {"name": "offhook", "version": __version__},
                            "spans": spans,
                        }
                    ],
                }
            ]
        }
        why = ""
        for attempt in range(_TRIES):
            if attempt:
                await asyncio.sleep(min(2.0 ** (attempt - 1), _LONGEST_PAUSE))
            try:
                async with asyncio.timeout(self._config.timeout):
                    answer = await self._http.post(
                        self._config.url, json=told, headers=dict(self._config.headers)
                    )
            except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
                why = str(error) or type(error).__name__
                continue
            if answer.is_success:
                return ""
            why = f"{answer.status_code} {answer.reason_phrase}"
            if answer.status_code not in (429, 502, 503, 504):
                break
        return why

    def _note(self, fact: Fact) -> None:
        if isinstance(fact, CallBegan):
            self._begin(fact.call)
            return
        call_id = getattr(fact, "call_id", "")
        trace = self._up.get(call_id)
        if trace is None:
            return
        match fact:
            case CallAnswered():
                trace.events.append(_event("answered", fact.at, {}))
            case TurnTaken(turn=turn) if turn.speaker is Speaker.CALLER:
                _add_caller(trace, turn)
            case TurnTaken(turn=turn):
                _add_agent(trace, turn)
            case ToolUsed(use=use):
                trace.tools.append(use)
            case Used(uses=uses):
                trace.uses += uses
            case TroubleMet(trouble=trouble):
                trace.events.append(_trouble(trouble))
            case CallEnded(end=end):
                del self._up[call_id]
                self._end(trace, end)
            case _:
                pass

    def _begin(self, call: Call) -> None:
        name = f"{call.id} {call.started_at.isoformat()}"
        trace = hashlib.sha256(name.encode()).hexdigest()[:32]
        self._up[call.id] = _Trace(call, trace, _span_id(trace, 0))

    def _end(self, trace: _Trace, end: CallEnd) -> None:
        for use in trace.tools:
            _add_tool(trace, use, trace.root)
        call = trace.call
        root = _span(
            trace,
            "call",
            (call.started_at, end.ended_at),
            {
                "offhook.call.direction": call.direction.value,
                "offhook.call.end_reason": end.reason.value,
                "offhook.customer": call.customer,
                "gen_ai.agent.name": call.ai,
                "gen_ai.agent.version": str(call.ai_version),
            },
            kind=_SERVER,
            id=trace.root,
        )
        root["events"] = trace.events
        if end.reason in _FAULTS:
            root["status"] = {"code": _ERROR, "message": end.reason.value}
        self._over.append([root, *trace.spans])
        if len(self._over) > _MOST_CALLS:
            self._over.popleft()
            metrics.traces.labels("lost").inc()
        self._none_left.clear()
        self._news.set()


def _add_caller(trace: _Trace, turn: Turn) -> None:
    trace.asked = turn.ended_at
    at = (turn.started_at, turn.ended_at)
    _keep(trace, _span(trace, "turn", at, _of_turn(turn), parent=trace.root))


def _add_agent(trace: _Trace, turn: Turn) -> None:
    """From the end of the caller's speech to the end of ours."""
    asked, uses, tools = trace.asked, trace.uses, trace.tools
    trace.asked, trace.uses, trace.tools = None, [], []
    parts = {part: _seconds(value) for part, value in turn.latency.items()}
    # A greeting answers nobody.
    known = asked or turn.started_at
    stopped = known - parts.get("silence", _SPACE) if asked else known
    sounded = stopped + parts["reply"] if asked and "reply" in parts else None
    begin = min(stopped, turn.started_at, *(use.started_at for use in tools))
    span = _span(
        trace, "turn", (begin, turn.ended_at), _of_turn(turn), parent=trace.root
    )
    _keep(trace, span)
    parent = span["spanId"]
    if (stt := parts.get("stt")) is not None:
        about = _model(uses, {Meter.STT_SECONDS}) | {"offhook.stage": "stt"}
        at = (known - stt, known)
        _keep(trace, _span(trace, "stt", at, about, parent=parent, kind=_CLIENT))
    if (llm := parts.get("llm")) is not None:
        about = _model(uses, _READ | _WRITTEN) | _tokens(uses)
        about |= {"offhook.stage": "llm", "gen_ai.operation.name": "chat"}
        name = " ".join(["chat", *filter(None, [str(about.get(_REQUESTED, ""))])])
        at = (known, known + llm)
        _keep(trace, _span(trace, name, at, about, parent=parent, kind=_CLIENT))
    if (tts := parts.get("tts")) is not None:
        about = _model(uses, {Meter.TTS_CHARACTERS}) | {"offhook.stage": "tts"}
        at = (sounded - tts, sounded) if sounded else (known, known + tts)
        _keep(trace, _span(trace, "tts", at, about, parent=parent, kind=_CLIENT))
    for use in tools:
        _add_tool(trace, use, parent)


def _add_tool(trace: _Trace, use: ToolUse, parent: str) -> None:
    # A model may make up a name, and put anything into it.
    name = use.name if _TOOL_NAME.fullmatch(use.name) else "unknown"
    ended = use.started_at + timedelta(milliseconds=use.milliseconds)
    about: dict[str, _Value] = {
        "offhook.stage": "tool",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
    }
    if use.failed:
        about["error.type"] = "refused" if use.refused else "failed"
    at = (use.started_at, ended)
    span = _span(trace, f"execute_tool {name}", at, about, parent=parent)
    if use.failed:
        span["status"] = {"code": _ERROR}
    _keep(trace, span)


def _of_turn(turn: Turn) -> dict[str, _Value]:
    told: dict[str, _Value] = {
        "offhook.turn.speaker": turn.speaker.value,
        "offhook.turn.interrupted": turn.interrupted,
    }
    for part, seconds in turn.latency.items():
        told[f"offhook.latency.{part}"] = float(seconds)
    return told


_REQUESTED = "gen_ai.request.model"


def _model(uses: Sequence[Use], meters: set[Meter]) -> dict[str, _Value]:
    """Whose, and which; the last that was used: others before it have failed."""
    for use in reversed(uses):
        if use.meter in meters and use.model:
            provider, _, name = use.model.partition(".")
            return {
                "gen_ai.provider.name": _PROVIDERS.get(provider, provider),
                _REQUESTED: name or provider,
            }
    return {}


def _tokens(uses: Sequence[Use]) -> dict[str, _Value]:
    def total(meters: set[Meter]) -> int:
        return round(sum(use.amount for use in uses if use.meter in meters))

    told: dict[str, _Value] = {
        "gen_ai.usage.input_tokens": total(_READ),
        "gen_ai.usage.cache_read.input_tokens": total(_CACHED),
        "gen_ai.usage.output_tokens": total(_WRITTEN),
    }
    return {name: amount for name, amount in told.items() if amount}


def _trouble(trouble: Trouble) -> dict[str, Any]:
    """Its detail may hold words that were said."""
    told = {
        "offhook.stage": trouble.stage,
        "offhook.provider": trouble.provider,
        "error.type": trouble.cause,
    }
    return _event("trouble", trouble.at, told)


# As OTLP has it.


def _keep(trace: _Trace, span: dict[str, Any]) -> None:
    if len(trace.spans) < _MOST_SPANS:
        trace.spans.append(span)


def _span(
    trace: _Trace,
    name: str,
    at: tuple[datetime, datetime],
    attributes: Mapping[str, _Value],
    *,
    parent: str = "",
    kind: int = _INTERNAL,
    id: str = "",
) -> dict[str, Any]:
    if not id:
        trace.made += 1
        id = _span_id(trace.id, trace.made)
    call = {"offhook.call.id": trace.call.id, "gen_ai.conversation.id": trace.call.id}
    told: dict[str, Any] = {
        "traceId": trace.id,
        "spanId": id,
        "name": name,
        "kind": kind,
        "startTimeUnixNano": _nanoseconds(at[0]),
        "endTimeUnixNano": _nanoseconds(max(at)),
        "attributes": _attributes({**call, **attributes}),
    }
    return told | ({"parentSpanId": parent} if parent else {})


def _span_id(trace: str, number: int) -> str:
    return hashlib.sha256(f"{trace} {number}".encode()).hexdigest()[:16]


def _event(name: str, at: datetime, attributes: Mapping[str, _Value]) -> dict[str, Any]:
    return {
        "timeUnixNano": _nanoseconds(at),
        "name": f"offhook.{name}",
        "attributes": _attributes(attributes),
    }


def _attributes(told: Mapping[str, _Value]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in told.items()]


def _value(value: _Value) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case _:
            return {"stringValue": value}


def _seconds(value: float) -> timedelta:
    return timedelta(seconds=max(value, 0.0))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _nanoseconds(moment: datetime) -> str:
    return str((moment - _EPOCH) // timedelta(microseconds=1) * 1000)
