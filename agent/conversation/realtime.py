"""An AI that is one model which hears and speaks: OpenAI's Realtime protocol.

Spoken directly, not through pipecat's service: that one knows 24 kHz only, wants each
frame of the caller's walked through a pipeline, cuts the model's memory by the wall
clock instead of by what was heard, and neither connects again nor has a deadline
(docs/realtime.md).
"""

import asyncio
import base64
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Protocol

from loguru import logger
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidStatus,
    InvalidURI,
    WebSocketException,
)

from agent.calls.ai import AI
from agent.calls.heard import Heard
from agent.calls.transcript import Speaker, Turn
from agent.calls.usage import Use
from agent.observe import logs
from agent.wire.audio import Codec

from .errors import Cause, ProviderError, cause_of_status
from .realtime_api import (
    ALREADY_ANSWERING,
    G711,
    PCM_RATE,
    Event,
    RealtimeConfig,
    encode,
    read_event,
    session,
    table_of,
    text_of,
    trouble_of,
    uses_of,
)
from .stopwatch import Stopwatch

CONNECT_DEADLINE = 3.0
"""Seconds until the session stands: socket, TLS, and our wishes accepted."""
SEND_DEADLINE = 5.0
"""Seconds that the server may refuse to read."""
CONFIRM = 0.7
"""Seconds in which the server should hear, too, that the caller speaks."""
SETTLED = 60.0
"""Seconds after which a failure is a first one again."""
BETWEEN_KEYS = 1.5
"""Seconds after which a number is complete; # ends it at once."""
PIECE = 0.04
"""Seconds of the caller's sound in one message."""
KEPT = 5.0
"""Seconds of it that are kept while there is no connection."""
POLL = 0.1
GARBAGE = 3
"""So many unreadable messages of one connection are nonsense."""
HOPELESS = {Cause.THROTTLED, Cause.NO_CREDIT, Cause.REFUSED, Cause.BAD_REQUEST}
"""Connecting again at once would not help."""
HARMLESS = {"response_cancel_not_active", ALREADY_ANSWERING}
"""Errors of a moment: what was cancelled or asked for was just ending or beginning."""
READ_OUT = (
    "Say exactly the following words, in the language they are written in, and "
    "nothing before or after them:\n\n"
)
INTERRUPTED = (
    "The connection was lost for a moment. If the caller's last words are missing "
    "above, ask the caller to repeat them; otherwise go on where you were."
)


class Mouth(Protocol):
    """What the caller hears; media/mouth.py."""

    @property
    def rate(self) -> int: ...
    @property
    def position(self) -> float: ...
    @property
    def heard(self) -> float: ...
    def say(self, pcm: bytes) -> None: ...
    def finish(self) -> None: ...
    def interrupt(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...

    on_sound: Callable[[float], None]
    """Told when the caller begins to hear us, on the monotonic clock."""


class Resampler(Protocol):
    """media/audio.py's."""

    def resample(self, pcm: bytes, rate: int) -> bytes: ...
    def rest(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Sound:
    """How the call's sound becomes samples, and samples of another rate."""

    codec: Codec
    decode: Callable[[bytes], bytes]
    resampler: Callable[[int], Resampler]


@dataclass(slots=True)
class _Utterance:
    """An item of the model's. Positions are the mouth's, in seconds."""

    id: str
    """Empty: the server that knew it is gone."""
    began: datetime
    start: float
    end: float
    received: float = 0.0
    """Seconds of sound."""
    text: str = ""
    complete: bool = False
    broken: bool = False
    """The server was lost in the middle of it."""


@dataclass(frozen=True, slots=True)
class _ToolCall:
    id: str
    name: str
    arguments: str


@dataclass(slots=True)
class _Response:
    id: str
    wish: Mapping[str, Any]
    """What it was asked for with; empty: an answer to all that was said."""
    cut: bool = False
    ended: bool = False
    sounded: bool = False
    names: dict[str, str] = field(default_factory=dict)
    """Of its tool calls, by item."""
    calls: dict[str, _ToolCall] = field(default_factory=dict)


class Realtime:
    """A Talker. `run` raises ProviderError when the server failed for good."""

    def __init__(
        self,
        ai: AI,
        config: RealtimeConfig,
        instructions: str,
        *,
        mouth: Mouth,
        sound: Sound,
        tools: Sequence[Mapping[str, Any]] = (),
        use_tool: Callable[[str, str], Awaitable[str]],
        on_turn: Callable[[Turn], None],
        on_trouble: Callable[[ProviderError], None],
        on_use: Callable[[Use], None] = lambda _: None,
    ) -> None:
        """`tools` as OpenAI's chat API has them; `use_tool` gets a name and JSON."""
        self._ai = ai
        self._config = config
        self._instructions = instructions
        self._tools = [dict(tool.get("function", tool)) for tool in tools]
        self._use_tool = use_tool
        self._mouth = mouth
        self._sound = sound
        self._on_turn = on_turn
        self._on_trouble = on_trouble
        self._on_use = on_use
        self._g711 = config.g711 and sound.codec.name in G711
        self._up = sound.resampler(PCM_RATE)
        self._down = sound.resampler(mouth.rate)
        self._stopwatch = Stopwatch()
        mouth.on_sound = self._stopwatch.heard
        self._caller = bytearray()
        """Of the caller's sound, what the server has not yet got; as it wants it."""
        self._bytes_per_second = sound.codec.rate if self._g711 else 2 * PCM_RATE
        self._outbox: deque[str] = deque()
        self._wake = asyncio.Event()
        self._connected = False
        self._connections = 0
        self._patience: asyncio.Timeout | None = None
        self._garbage = 0
        self._history: list[tuple[str, str]] = []
        """Who said what, for a server that must be told."""
        self._wishes: deque[Mapping[str, Any]] = deque()
        """Responses to ask for, one after the other."""
        self._asked: Mapping[str, Any] | None = None
        """The response that is awaited."""
        self._requests = count(1)
        self._request = ""
        """The event that asked for it; errors name it."""
        self._response: _Response | None = None
        self._utterances: deque[_Utterance] = deque()
        """What the caller has not heard to its end."""
        self._talking = asyncio.Event()
        self._caller_speaks = False
        self._speech: dict[str, tuple[datetime, datetime]] = {}
        """When the caller said what the server calls by this id."""
        self._doubt: asyncio.TimerHandle | None = None
        self._keys = ""
        self._keying: asyncio.TimerHandle | None = None
        self._held = False
        self._uses: set[asyncio.Task[None]] = set()
        self._finishing = False
        self._over = asyncio.Event()

    @property
    def history(self) -> Sequence[tuple[str, str]]:
        """What was said so far: ("user" or "assistant" or "system", text)."""
        return self._history

    async def run(self) -> None:
        """Returns when the conversation was ended or cancelled."""
        try:
            await _first(self._stay_connected(), self._follow(), self._over.wait())
        except ProviderError:
            for utterance in self._utterances:  # the mouth goes on saying them
                self._said(utterance, utterance.text, interrupted=utterance.broken)
            self._utterances.clear()
            raise
        finally:
            self._connected = False
            self._cut_off()
            self._be_sure()
            self._lose_response()
            if self._keying is not None:
                self._keying.cancel()
            for use in self._uses:
                use.cancel()
            await asyncio.gather(*self._uses, return_exceptions=True)

    def answered(self) -> None:
        """The caller is there and hears us."""
        if self._ai.greeting:
            self._read_out(self._ai.greeting)
        elif self._ai.start:
            instructions = f"{self._instructions}\n\n{self._ai.start}"
            self._wish({"instructions": instructions})

    async def say(self, text: str) -> None:
        """These words. A model may take liberties with them; it is asked not to."""
        self._read_out(text)

    def tell(self, text: str) -> None:
        """Something that the model should know and react to: a key, a silence."""
        self._note("system", text)
        self._wish({})

    async def finish(self) -> None:
        """Say what is still to be said; once it was heard, `run` returns."""
        self._finishing = True
        self._maybe_over()

    async def cancel(self) -> None:
        self._connected = False
        self._cut_off()
        self._over.set()

    def hear(self, payload: bytes) -> None:
        """A frame of the caller's, as Asterisk sent it. Never waits."""
        if self._held:
            return
        if self._g711:
            self._caller += payload
        else:
            pcm = self._sound.decode(payload)
            self._caller += self._up.resample(pcm, self._sound.codec.rate)
        if len(self._caller) >= int(PIECE * self._bytes_per_second):
            spare = len(self._caller) - int(KEPT * self._bytes_per_second)
            if spare > 0:
                del self._caller[: spare + spare % 2]
            self._wake.set()

    def heard(self, what: Heard, _: object = None) -> None:
        """Our own gate only holds our breath: whether he speaks, the server says."""
        if self._held:
            return
        if what is Heard.ONSET and not self._caller_speaks:
            self._mouth.pause()
        elif what is Heard.FALSE_ALARM:
            self._mouth.resume()
        elif what is Heard.SPEECH and not self._caller_speaks and self._doubt is None:
            loop = asyncio.get_running_loop()
            self._doubt = loop.call_later(CONFIRM, self._go_on)

    def key(self, digit: str) -> None:
        """Keys that follow each other closely are one number."""
        self._keys += digit
        if self._keying is not None:
            self._keying.cancel()
        loop = asyncio.get_running_loop()
        wait = 0.0 if digit == "#" else BETWEEN_KEYS
        self._keying = loop.call_later(wait, self._keyed)

    def hold(self) -> None:
        """The caller is elsewhere: nothing is heard and nothing said."""
        self.interrupt()
        self._held = True

    def resume(self) -> None:
        self._held = False
        self._ask()

    async def be_silent(self) -> None:
        """What is being said ends here."""
        self.interrupt()

    def interrupt(self) -> None:
        """Silence; the model's memory ends where the caller heard it end."""
        self._be_sure()
        if self._response is not None and not self._response.cut:
            self._response.cut = True
            self._send("response.cancel")
        self._cut_off()
        self._mouth.interrupt()

    # The connection

    async def _stay_connected(self) -> None:
        loop = asyncio.get_running_loop()
        failed_at = -SETTLED
        while True:
            try:
                await self._converse()
            except ProviderError as error:
                name, cause = self._config.name, error.cause
                logger.warning("[REALTIME] {} failed: {}", name, cause)
                self._lose()
                self._on_trouble(error)
                again = loop.time() - failed_at < SETTLED
                if again or error.cause in HOPELESS:
                    raise
                failed_at = loop.time()

    async def _converse(self) -> None:
        """One connection, until it fails."""
        try:
            async with (
                asyncio.timeout(CONNECT_DEADLINE) as patience,
                connect(
                    self._config.address,
                    additional_headers=self._config.headers(),
                    open_timeout=None,
                    close_timeout=0.5,
                    ping_timeout=10,
                    max_size=2**24,
                    compression=None,
                ) as socket,
            ):
                await self._agree(socket)
                patience.reschedule(None)
                self._begin()
                await _first(self._read(socket), self._write(socket))
        except InvalidStatus as error:
            status, body = error.response.status_code, error.response.body or b""
            raise ProviderError(
                cause_of_status(status, body.decode(errors="replace")), f"HTTP {status}"
            ) from error
        except TimeoutError:
            raise ProviderError(
                Cause.TIMEOUT, f"no session in {CONNECT_DEADLINE:g} s"
            ) from None
        except ConnectionClosed as error:
            raise ProviderError(Cause.CUT, f"the server closed: {error}") from error
        except (OSError, InvalidURI) as error:
            raise ProviderError(Cause.UNREACHABLE, repr(error)) from error
        except WebSocketException as error:
            raise ProviderError(Cause.NONSENSE, repr(error)) from error

    async def _agree(self, socket: ClientConnection) -> None:
        """Says what we want, and waits until the server takes it."""
        wanted = session(
            self._config,
            self._sound.codec.name,
            self._ai.hears,
            self._instructions,
            self._tools,
        )
        with suppress(ConnectionClosed):  # it may have said why before
            await socket.send(encode("session.update", session=wanted))
        kind = ""
        while kind != "session.updated":
            try:
                event = read_event(await socket.recv())
            except ValueError as error:
                raise ProviderError(Cause.NONSENSE, str(error)) from error
            kind = event["type"]
            if kind == "error":
                raise trouble_of(event.get("error"))

    def _begin(self) -> None:
        """The server is there; it is told what was said before it."""
        self._outbox.clear()
        self._garbage = 0
        self._connected = True
        self._connections += 1
        for role, text in self._history:
            self._send_message(role, text)
        for utterance in self._utterances:
            if utterance.received:
                self._send_message("assistant", utterance.text)
        if self._connections > 1:
            self._send_message("system", INTERRUPTED)

    def _lose(self) -> None:
        """The connection is gone. What it has left to be said goes on being said."""
        self._connected = False
        self._caller_speaks = False
        self._be_sure()
        for utterance in self._utterances:
            utterance.id = ""
            utterance.broken = not utterance.complete
            utterance.complete = True
        response, asked = self._lose_response(), self._asked
        self._asked = None
        if response is not None and not response.cut:
            self._finish_sound()
            asked = {} if response.sounded else response.wish
        if asked is not None:
            self._wishes.appendleft(asked)

    async def _write(self, socket: ClientConnection) -> None:
        self._ask()
        self._wake.set()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._outbox or self._caller:
                if self._outbox:
                    message = self._outbox.popleft()
                else:
                    audio = base64.b64encode(self._caller).decode()
                    self._caller.clear()
                    message = encode("input_audio_buffer.append", audio=audio)
                try:
                    async with asyncio.timeout(SEND_DEADLINE):
                        await socket.send(message)
                except ConnectionClosed:
                    await asyncio.Event().wait()  # `_read` has to hear why
                except TimeoutError:
                    raise ProviderError(
                        Cause.STALLED, f"it read nothing for {SEND_DEADLINE:g} s"
                    ) from None

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async with asyncio.timeout(None) as self._patience:
                while True:
                    self._take(await socket.recv())
        except TimeoutError:
            seconds = f"{self._config.deadline:g} s"
            if self._response is not None:
                why = f"silent for {seconds} in an answer"
                raise ProviderError(Cause.STALLED, why) from None
            raise ProviderError(Cause.TIMEOUT, f"no answer in {seconds}") from None
        finally:
            self._patience = None

    def _take(self, message: str | bytes) -> None:
        try:
            self._happened(read_event(message))
        except ValueError as error:
            self._garbage += 1
            logger.warning("[REALTIME] unreadable: no. {}", self._garbage)
            logger.log(logs.words(), "[REALTIME] {}", error)
            if self._garbage >= GARBAGE:
                raise ProviderError(Cause.NONSENSE, str(error)) from error

    def _happened(self, event: Event) -> None:
        match event["type"]:
            case "input_audio_buffer.speech_started":
                self._caller_started(text_of(event, "item_id"))
            case "input_audio_buffer.speech_stopped":
                self._caller_stopped(text_of(event, "item_id"))
            case "conversation.item.input_audio_transcription.completed":
                model = f"{self._config.provider}.{self._config.transcription}"
                self._count(event.get("usage"), model)
                self._caller_said(
                    text_of(event, "item_id"), text_of(event, "transcript")
                )
            case "conversation.item.input_audio_transcription.failed":
                logger.warning("[REALTIME] the caller's words were not written down")
            case "response.created":
                self._response_began(text_of(table_of(event, "response"), "id"))
            case "response.done":
                ended = table_of(event, "response")
                self._count(ended.get("usage"), self._config.name)
                self._response_ended(ended)
            case "error":
                self._complained(event.get("error"))
            case kind if kind.startswith("response."):
                self._response_goes_on(kind, event)
            case _:
                pass  # confirmations, and what servers add of their own

    def _count(self, usage: object, model: str) -> None:
        for use in uses_of(usage, model):
            self._on_use(use)

    def _lose_response(self) -> _Response | None:
        """Nobody will say what it took."""
        response, self._response = self._response, None
        if response is not None and not response.ended:
            self._count(None, self._config.name)
        return response

    # The caller

    def _caller_started(self, item: str) -> None:
        now = datetime.now(UTC)
        self._speech[item] = now, now
        self._caller_speaks = True
        self.interrupt()

    def _caller_stopped(self, item: str) -> None:
        silence = self._config.silence if self._config.turns == "server_vad" else 0.0
        now = datetime.now(UTC)
        began, _ = self._speech.get(item, (now, now))
        self._speech[item] = began, max(began, now - timedelta(seconds=silence))
        self._caller_speaks = False
        proved = time.monotonic()
        self._stopwatch.caller_stopped(proved - silence, proved)
        self._stopwatch.asked()
        if self._asked is None:
            self._asked = {}
        self._await_within(self._config.deadline)

    def _caller_said(self, item: str, text: str) -> None:
        now = datetime.now(UTC)
        began, ended = self._speech.pop(item, (now, now))
        if text.strip():
            self._history.append(("user", text.strip()))
            self._on_turn(Turn(Speaker.CALLER, text.strip(), began, ended))

    def _go_on(self) -> None:
        """The server heard no speech."""
        self._doubt = None
        self._mouth.resume()

    def _keyed(self) -> None:
        keys, self._keys, self._keying = self._keys, "", None
        self.tell(f"The caller has pressed the keys {keys}")

    def _be_sure(self) -> None:
        if self._doubt is not None:
            self._doubt.cancel()
            self._doubt = None

    # The model's answers

    def _wish(self, wish: Mapping[str, Any]) -> None:
        self._wishes.append(wish)
        self._ask()

    def _read_out(self, text: str) -> None:
        self._wish(
            {"instructions": READ_OUT + text, "input": [], "tool_choice": "none"}
        )

    def _ask(self) -> None:
        """Two responses at a time are refused, and none is wanted over the caller."""
        waiting = self._asked is not None or self._response is not None
        if not self._connected or waiting or self._caller_speaks or self._held:
            return
        if self._wishes:
            self._asked = self._wishes.popleft()
            self._request = f"ask{next(self._requests)}"
            wish = {"response": dict(self._asked)} if self._asked else {}
            self._send("response.create", event_id=self._request, **wish)
            self._await_within(self._config.deadline)

    def _response_began(self, response_id: str) -> None:
        self._response = _Response(response_id, self._asked or {})
        self._asked = None
        self._await_within(self._config.deadline)
        if self._caller_speaks or self._held:
            if self._response.wish:
                self._wishes.appendleft(self._response.wish)
            self.interrupt()
        else:
            # It answers all that was said, and so what else waited for an answer.
            self._wishes = deque(wish for wish in self._wishes if wish)

    def _response_goes_on(self, kind: str, event: Event) -> None:
        response = self._response
        if response is None or text_of(event, "response_id") != response.id:
            return
        self._await_within(self._config.deadline)
        if response.cut:
            return
        match kind:
            case "response.output_audio.delta":
                self._sounds(response, event)
            case "response.output_audio_transcript.delta":
                self._utterance(event).text += text_of(event, "delta")
            case "response.output_audio_transcript.done":
                self._utterance(event).text = text_of(event, "transcript")
            case "response.output_item.added":
                item = table_of(event, "item")
                if item.get("type") == "function_call":
                    response.names[text_of(item, "id")] = text_of(item, "name")
            case "response.function_call_arguments.done":
                name = event.get("name") or response.names.get(event.get("item_id", ""))
                self._calls_tool(response, event | {"name": name})

    def _sounds(self, response: _Response, event: Event) -> None:
        sound = base64.b64decode(text_of(event, "delta"), validate=True)
        utterance = self._utterance(event)
        if not utterance.received:
            response.sounded = True
            self._stopwatch.first_token()
            self._stopwatch.replied()
            utterance.start = self._mouth.position
        pcm = (
            self._sound.decode(sound)
            if self._g711
            else self._down.resample(sound, PCM_RATE)
        )
        self._mouth.say(pcm)
        utterance.received += len(sound) / self._bytes_per_second
        utterance.end = self._mouth.position

    def _utterance(self, event: Event) -> _Utterance:
        item = text_of(event, "item_id")
        for utterance in self._utterances:
            if utterance.id == item:
                return utterance
        position = self._mouth.position
        utterance = _Utterance(item, datetime.now(UTC), position, position)
        self._utterances.append(utterance)
        self._talking.set()
        return utterance

    def _calls_tool(self, response: _Response, item: Event) -> None:
        call = _ToolCall(
            text_of(item, "call_id"), text_of(item, "name"), text_of(item, "arguments")
        )
        response.calls[call.id] = call

    def _response_ended(self, ended: Event) -> None:
        response = self._response
        if response is None or text_of(ended, "id") != response.id:
            return
        response.ended = True
        status = ended.get("status")
        if status == "failed":
            details = ended.get("status_details")
            error = details.get("error") if isinstance(details, dict) else None
            raise trouble_of(error, otherwise=Cause.SERVER_ERROR)
        if status == "incomplete":
            logger.warning("[REALTIME] incomplete: {}", ended.get("status_details"))
        self._await_within(None if self._asked is None else self._config.deadline)
        self._response = None
        if not response.cut:
            self._finish_sound()
            for utterance in self._utterances:
                utterance.complete = True
            for item in ended.get("output") or ():
                if isinstance(item, dict) and item.get("type") == "function_call":
                    self._calls_tool(response, item)
            if response.calls and status != "cancelled":
                self._use(list(response.calls.values()))
        self._ask()
        self._maybe_over()

    def _finish_sound(self) -> None:
        if rest := self._down.rest():
            self._mouth.say(rest)
            self._utterances[-1].end = self._mouth.position
        self._mouth.finish()

    def _complained(self, error: object) -> None:
        """Most errors are about one event of ours, and the conversation goes on."""
        trouble = trouble_of(error)
        said = error if isinstance(error, dict) else {}
        code = said.get("code")
        if trouble.cause is not Cause.BAD_REQUEST:
            raise trouble
        if code not in HARMLESS:
            logger.warning("[REALTIME] {}: {}", trouble.cause, code)
            logger.log(logs.words(), "[REALTIME] {}", trouble.detail)
        if said.get("event_id") == self._request and self._asked is not None:
            if code != ALREADY_ANSWERING:
                raise trouble
            self._wishes.appendleft(self._asked)
            self._asked = None

    # Tools

    def _use(self, calls: Sequence[_ToolCall]) -> None:
        use = asyncio.create_task(self._use_all(calls, self._connections))
        self._uses.add(use)
        use.add_done_callback(self._used)

    def _used(self, use: asyncio.Task[None]) -> None:
        self._uses.discard(use)
        self._maybe_over()

    async def _use_all(self, calls: Sequence[_ToolCall], connection: int) -> None:
        for call in calls:
            try:
                result = await self._use_tool(call.name, call.arguments)
            except Exception as error:  # noqa: BLE001 - the model is told
                logger.exception("[TOOL] {} failed", call.name)
                result = f"{call.name} failed: {error}"
            note = f"The tool {call.name} was used with {call.arguments}: {result}"
            if self._connected and connection == self._connections:
                self._history.append(("system", note))
                self._send_item(
                    {
                        "type": "function_call_output",
                        "call_id": call.id,
                        "output": result,
                    }
                )
            else:  # this server knows nothing of the call
                self._note("system", note)
        if not self._finishing:
            self._wish({})

    # What was heard

    async def _follow(self) -> None:
        """Writes down what was said when it was heard."""
        while True:
            await self._talking.wait()
            if not self._utterances:
                self._talking.clear()
                self._maybe_over()
                continue
            first = self._utterances[0]
            if first.complete and self._mouth.heard >= first.end - 0.001:
                self._utterances.popleft()
                self._said(first, first.text, interrupted=first.broken)
            else:
                await asyncio.sleep(POLL)

    def _cut_off(self) -> None:
        """What is being said ends here, in the record and in the model's memory."""
        heard = self._mouth.heard
        while self._utterances:
            utterance = self._utterances.popleft()
            seconds = min(max(heard - utterance.start, 0.0), utterance.received)
            whole = utterance.complete and heard >= utterance.end - 0.001
            if utterance.id and utterance.received and not whole:
                self._send(
                    "conversation.item.truncate",
                    item_id=utterance.id,
                    content_index=0,
                    audio_end_ms=int(seconds * 1000 + 1e-6),
                )
            share = seconds / utterance.received if utterance.received else 0.0
            text = utterance.text if whole else words_heard(utterance.text, share)
            self._said(utterance, text, interrupted=not whole)
        self._down.rest()

    def _said(self, utterance: _Utterance, text: str, *, interrupted: bool) -> None:
        written = utterance.text.strip()
        if utterance.received and text.strip():
            self._history.append(("assistant", text.strip()))
            latency = self._stopwatch.take()
            self._on_turn(
                Turn(
                    Speaker.AGENT,
                    text.strip(),
                    utterance.began,
                    datetime.now(UTC),
                    interrupted,
                    latency,
                    "" if written == text.strip() else written,
                )
            )

    def _maybe_over(self) -> None:
        waiting = self._asked is not None or self._response is not None
        left = waiting or self._wishes or self._utterances or self._uses
        if self._finishing and not left:
            self._over.set()

    # What is sent

    def _note(self, role: str, text: str) -> None:
        self._history.append((role, text))
        self._send_message(role, text)

    def _send_message(self, role: str, text: str) -> None:
        if not text.strip():
            return
        kind = "input_text"
        if role == "assistant":
            kind = "text" if self._config.beta else "output_text"
        content = [{"type": kind, "text": text}]
        self._send_item({"type": "message", "role": role, "content": content})

    def _send_item(self, item: Event) -> None:
        self._send("conversation.item.create", item=item)

    def _send(self, kind: str, **fields: Any) -> None:
        """Nothing, without a connection: the next one begins with the history."""
        if self._connected:
            self._outbox.append(encode(kind, **fields))
            self._wake.set()

    def _await_within(self, seconds: float | None) -> None:
        """The server must say something by then."""
        if self._patience is not None:
            loop = asyncio.get_running_loop()
            self._patience.reschedule(
                None if seconds is None else loop.time() + seconds
            )


def words_heard(text: str, share: float) -> str:
    """The whole words within that share of the sound; all letters last as long."""
    words = text.split()
    letters = share * sum(map(len, words)) + 1e-6
    heard = 0
    for word in words:
        letters -= len(word)
        if letters < 0:
            break
        heard += 1
    return " ".join(words[:heard])


async def _first(*coroutines: Coroutine[Any, Any, Any]) -> None:
    """Until one of them ends or fails; the others are cancelled."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
