"""/recordings: what there is; /calls/{id}/recording: listen, look at it, erase it.

Who listens is sent on to a link that expires: the bucket's own, or /recordings/{token}
here, which players can ask for in parts.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import IO, Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response
from loguru import logger
from starlette.responses import RedirectResponse, StreamingResponse

from agent.calls.record import Recording, RecordingState, Track
from agent.observe.missing import Cause
from agent.storage.encoding import Format
from agent.storage.listening import Listening, file_name, media_type
from agent.storage.missing import Missing
from agent.storage.peaks import NotSound, Peaks
from agent.storage.recorded import Recorded, RecordingCursor
from agent.storage.retention import CallIsUp, Retention, UnknownCall
from agent.storage.shelves import NotThere
from agent.storage.stores import StoreError

from . import signing
from .auth import Operator, Principal, Reader
from .config import SigningConfig
from .pages import before as page_before
from .pages import place, read_place
from .problems import Refusal, documented
from .ranges import Unsatisfiable, asked_part
from .schemas import (
    ErasureShape,
    Instant,
    RecordingList,
    RecordingShape,
    WaveformShape,
)
from .signing import BadLink, LinkExpired

T = TypeVar("T")

_PIECE = 1 << 16
_PATIENCE = 20.0
"""Seconds that somebody waits for a store; beyond, it goes on without him."""

_COMING = (
    Cause.CALL_UP,
    Cause.WAITING,
    Cause.UPLOAD_FAILING,
    Cause.CREDENTIALS,
    Cause.HOOK_FAILED,
)
_RETRY_AFTER = "10"

# Nobody but the listener keeps a copy, and nobody learns the link from him.
_PRIVATE = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


# Whatever the recording is kept as.
_SOUND: dict[str, Any] = {
    "content": {
        kind.content_type: {"schema": {"type": "string", "format": "binary"}}
        for kind in Format
    }
}


def _listening(request: Request) -> Listening:
    listening: Listening = request.app.state.listening
    return listening


def _peaks(request: Request) -> Peaks:
    peaks: Peaks = request.app.state.peaks
    return peaks


def _retention(request: Request) -> Retention:
    retention: Retention = request.app.state.retention
    return retention


def _missing(request: Request) -> Missing:
    missing: Missing = request.app.state.missing
    return missing


def _signing(request: Request) -> SigningConfig:
    config: SigningConfig = request.app.state.signing
    return config


def _recorded(request: Request) -> Recorded:
    recorded: Recorded = request.app.state.recorded
    return recorded


router = APIRouter(tags=["recordings"])


@router.get("/recordings")
async def list_recordings(
    who: Reader,
    recorded: Annotated[Recorded, Depends(_recorded)],
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[str | None, page_before(2)] = None,
    call_id: str | None = None,
    state: RecordingState | None = None,
    since: Annotated[
        Instant | None, Query(description="Only those heard of then, or later.")
    ] = None,
    until: Annotated[
        Instant | None, Query(description="Only those heard of before.")
    ] = None,
) -> RecordingList:
    """Newest first, each track by itself. To listen: /calls/{id}/recording."""
    page = await recorded.newest(
        limit,
        None if before is None else _cursor(before),
        customer=who.customer,
        call_id=call_id,
        state=state,
        since=since,
        until=until,
    )
    there = page.next
    return RecordingList(
        recordings=[RecordingShape.of(each) for each in page.recordings],
        next=None
        if there is None
        else place(there.created_at, there.call_id, there.track),
    )


@router.get(
    "/calls/{call_id}/recording",
    status_code=302,
    response_class=RedirectResponse,
    responses=documented(404, 406, 410, 503),
)
async def listen(
    who: Reader,
    request: Request,
    call_id: str,
    listening: Annotated[Listening, Depends(_listening)],
    config: Annotated[SigningConfig, Depends(_signing)],
    track: Track = Track.MIX,
    format: Annotated[
        Format | None, Query(description="Refused unless it is kept in this one.")
    ] = None,
) -> Response:
    """Leads to a link that can be played, and passed on, until it expires."""
    recording = await _stored(request, who, call_id, track)
    if format is not None and format.value != recording.format:
        raise Refusal(
            406,
            "other_format",
            f"it is kept as {recording.format}, and not made into anything else",
            available=[recording.format],
        )
    link = await _in_time(listening.link, recording, int(config.seconds))
    if link is None:
        now = datetime.now(UTC)
        token = signing.sign(config.key, signing.expiring(config, call_id, track, now))
        link = f"{request.scope.get('root_path', '')}/recordings/{token}"
    return RedirectResponse(link, 302, _PRIVATE)


@router.get(
    "/recordings/{token}",
    response_class=Response,
    responses=documented(403, 404, 410, 416, 503)
    | {200: _SOUND, 206: _SOUND | {"description": "The part that was asked for"}},
)
async def play(
    request: Request,
    token: str,
    listening: Annotated[Listening, Depends(_listening)],
    config: Annotated[SigningConfig, Depends(_signing)],
) -> Response:
    """The sound behind a link, whole or in parts (`Range`); needs no token but this."""
    try:
        link = signing.read(config.key, token, datetime.now(UTC))
    except BadLink:
        raise Refusal(
            403, "bad_link", "this link was not made here, or was changed"
        ) from None
    except LinkExpired as error:
        raise Refusal(
            410, "link_expired", f"this link expired at {error}; ask for a new one"
        ) from None
    recording = await listening.find(link.call_id, link.track)
    tombstone = await _retention(request).tombstone(link.call_id)
    if tombstone is not None or recording is None or _is_gone(recording):
        raise Refusal(410, "recording_gone", "it was deleted")
    if recording.state is not RecordingState.STORED:
        raise Refusal(
            404, "no_recording", "it is not stored yet", {"Retry-After": _RETRY_AFTER}
        )
    file = await _in_time(listening.fetch, recording)
    return await asyncio.to_thread(in_parts, request, recording, file)


router.head("/recordings/{token}", response_class=Response, include_in_schema=False)(
    play
)


@router.get(
    "/calls/{call_id}/recording/peaks",
    response_model=WaveformShape,
    responses=documented(404, 410, 503),
)
async def waveform(
    who: Reader,
    request: Request,
    call_id: str,
    peaks: Annotated[Peaks, Depends(_peaks)],
    track: Track = Track.MIX,
) -> Response:
    """To draw it. The first time it is computed of the whole recording."""
    recording = await _stored(request, who, call_id, track)
    try:
        found = await peaks.of(recording)
    except (StoreError, NotSound) as error:
        raise _store_failed(error) from error
    shape = WaveformShape(track=track, seconds=found.seconds, peaks=list(found.steps))
    return Response(shape.model_dump_json(), media_type="application/json")


@router.delete(
    "/calls/{call_id}/recording",
    responses=documented(404, 409),
)
async def erase(
    who: Operator,
    request: Request,
    response: Response,
    call_id: str,
    retention: Annotated[Retention, Depends(_retention)],
    reason: Annotated[
        str, Query(max_length=500, description="For the audit: who asked, and why.")
    ] = "",
) -> ErasureShape:
    """Sound and words together, for good. 202: the words are gone and the sound will
    be, as soon as the store answers."""
    await _owned(request, who, call_id)
    peer = request.client.host if request.client else "?"
    now = datetime.now(UTC)
    try:
        erased = await retention.condemn(
            call_id, who=f"{who.who} at {peer}", why=reason, now=now
        )
    except UnknownCall as error:
        raise Refusal(404, "no_call", str(error)) from error
    except CallIsUp as error:
        raise Refusal(409, "call_is_up", f"{error}: hang up first") from error
    try:
        async with asyncio.timeout(_PATIENCE):
            erased = await retention.finish(call_id, now)
    except TimeoutError:
        erased = await retention.tombstone(call_id) or erased
    if erased.finished_at is None:
        response.status_code = 202
    return ErasureShape.of(erased)


async def _owned(request: Request, who: Principal, call_id: str) -> None:
    """What belongs to another customer is not there."""
    if await _recorded(request).owner(call_id) != who.customer:
        raise Refusal(404, "no_call", f"there is no call {call_id!r}")


async def _stored(
    request: Request, who: Principal, call_id: str, track: Track
) -> Recording:
    """Or why there is nothing to listen to."""
    await _owned(request, who, call_id)
    tombstone = await _retention(request).tombstone(call_id)
    recording = await _listening(request).find(call_id, track)
    if tombstone is None and recording is not None:
        if recording.state is RecordingState.STORED:
            return recording
    verdict = await _missing(request).why(call_id, track=track)
    if verdict.cause in (Cause.ERASED, Cause.EXPIRED):
        raise Refusal(410, "recording_gone", verdict.sentence, cause=verdict.cause)
    headers = {"Retry-After": _RETRY_AFTER} if verdict.cause in _COMING else None
    raise Refusal(404, "no_recording", verdict.sentence, headers, cause=verdict.cause)


def _is_gone(recording: Recording) -> bool:
    return recording.state in (RecordingState.ERASED, RecordingState.EXPIRED)


async def _in_time(ask: Callable[..., T], *of: object) -> T:
    """What a store answers, if it does so soon."""
    try:
        return await asyncio.wait_for(asyncio.to_thread(ask, *of), _PATIENCE)
    except NotThere as error:
        logger.error("[REC] {}", error)
        raise Refusal(
            404, "no_recording", "the store has it no more", cause=Cause.GONE_FROM_STORE
        ) from error
    except (StoreError, TimeoutError) as error:
        raise _store_failed(error) from error


def _store_failed(error: Exception) -> Refusal:
    logger.error("[REC] cannot be listened to: {!r}", error)
    return Refusal(
        503,
        "store_away",
        "the store of recordings does not give it; the agent's log tells more",
        {"Retry-After": _RETRY_AFTER},
    )


def _cursor(text: str) -> RecordingCursor:
    created_at, (call_id, track) = read_place(text)
    return RecordingCursor(created_at, call_id, track)


def in_parts(request: Request, recording: Recording, file: IO[bytes]) -> Response:
    """The file, or the part of it that the request wants; it is closed at the end."""
    size = file.seek(0, os.SEEK_END)
    etag = f'"{recording.sha256}"'
    headers = _PRIVATE | {
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'inline; filename="{file_name(recording)}"',
        "Content-Type": media_type(recording),
        "ETag": etag,
    }
    if request.method == "HEAD":
        file.close()
        return Response(headers=headers | {"Content-Length": str(size)})
    try:
        same = request.headers.get("if-range", etag) == etag
        part = asked_part(request.headers.get("range") if same else None, size)
    except Unsatisfiable:
        file.close()
        raise Refusal(
            416,
            "beyond_end",
            f"it has {size} bytes",
            {"Content-Range": f"bytes */{size}"},
        ) from None
    if part is None:
        headers["Content-Length"] = str(size)
        return StreamingResponse(_pieces(file, 0, size), 200, headers)
    headers["Content-Length"] = str(len(part))
    headers["Content-Range"] = f"bytes {part.first}-{part.last}/{size}"
    return StreamingResponse(_pieces(file, part.first, len(part)), 206, headers)


async def _pieces(file: IO[bytes], first: int, length: int) -> AsyncIterator[bytes]:
    with file:
        await asyncio.to_thread(file.seek, first)
        while length > 0:
            piece = await asyncio.to_thread(file.read, min(length, _PIECE))
            if not piece:
                # Less than was announced: the connection breaks, as it should.
                return
            length -= len(piece)
            yield piece
