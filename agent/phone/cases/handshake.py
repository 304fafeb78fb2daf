"""How the server answers the request that opens a call's socket."""

import asyncio

from agent.phone.rawsocket import Answer, NoAnswer, connect, request

from .case import Case, Failed, Skipped, Target, basic, expect

AT_ONCE = 1.0
"""Seconds. Measured in milliseconds; Asterisk 22.10 does nothing else meanwhile."""


def _let_in(answer: Answer) -> None:
    expect(answer.status == 101, f"{answer.status} {answer.body[:80]!r}, not 101")


def _refused(answer: Answer) -> str:
    expect(answer.status != 101, "it was let in")
    expect(400 <= answer.status < 500, f"refused with {answer.status}, not 4xx")
    return f"refused with {answer.status}"


async def _media(target: Target) -> str:
    answer = await target.ask()
    _let_in(answer)
    chosen = answer.headers.get("sec-websocket-protocol")
    expect(chosen == "media", f"the sub-protocol is {chosen!r}, not 'media'")
    return "media"


async def _no_protocol(target: Target) -> str:
    answer = await target.ask(protocols=())
    _let_in(answer)
    chosen = answer.headers.get("sec-websocket-protocol")
    expect(chosen is None, f"it chose {chosen!r}, and nothing was offered")
    return "let in"


async def _several_protocols(target: Target) -> str:
    answer = await target.ask(protocols=("audio.example", "media"))
    _let_in(answer)
    chosen = answer.headers.get("sec-websocket-protocol")
    expect(
        chosen in {"media", "audio.example"}, f"it chose {chosen!r}, which is not one"
    )
    return f"{chosen}"


async def _key(target: Target) -> str:
    answer = await target.ask()
    _let_in(answer)
    expect(answer.accepts_key, "Sec-WebSocket-Accept is wrong")
    return "right"


async def _no_extension(target: Target) -> str:
    answer = await target.ask()
    _let_in(answer)
    chosen = answer.headers.get("sec-websocket-extensions")
    expect(not chosen, f"it negotiated {chosen!r}, and nothing was offered")
    return "none"


async def _at_once(target: Target) -> str:
    answer = await target.ask()
    _let_in(answer)
    limit = target.limit(AT_ONCE)
    expect(answer.seconds <= limit, f"101 after {answer.seconds:.2f} s, not {limit:g}")
    return f"{1000 * answer.seconds:.0f} ms"


async def _at_once_together(target: Target) -> str:
    answers = await asyncio.gather(*(target.ask() for _ in range(8)))
    for answer in answers:
        if answer.status == 503:
            raise Skipped("the server takes fewer than 8 calls")
        _let_in(answer)
    slowest = max(answer.seconds for answer in answers)
    limit = target.limit(AT_ONCE)
    expect(slowest <= limit, f"the slowest 101 came after {slowest:.2f} s")
    return f"slowest of 8: {1000 * slowest:.0f} ms"


async def _refuse(target: Target, headers: dict[str, str]) -> str:
    if not target.password:
        raise Skipped("no --password: this server lets everybody in")
    answer = await target.ask(headers=headers)
    said = _refused(answer)
    limit = target.limit(AT_ONCE)
    expect(answer.seconds <= limit, f"refused only after {answer.seconds:.2f} s")
    return said


async def _no_password(target: Target) -> str:
    return await _refuse(target, {})


async def _wrong_password(target: Target) -> str:
    return await _refuse(target, basic(target.username, target.password + "x"))


async def _wrong_name(target: Target) -> str:
    return await _refuse(target, basic("x" + target.username, target.password))


async def _bearer(target: Target) -> str:
    return await _refuse(target, {"Authorization": f"Bearer {target.password}"})


async def _broken_login(target: Target) -> str:
    return await _refuse(target, {"Authorization": "Basic %%%\xe9"})


async def _duplicate(target: Target) -> str:
    url = target.address(call_id="conf-twice")
    async with target.wire(url) as first:
        answer = await target.ask(url)
        if answer.status == 101:
            raise Failed("a second call of the same id was let in")
        expect(not first.over, "the first call was ended by the second")
        return _refused(answer)


async def _odd_ids(target: Target) -> str:
    seen = set()
    for call_id in ("../../etc/passwd", "a b", "x" * 300, "a\0b", "é", "%0d%0aX: y"):
        answer = await target.ask(target.address(call_id=call_id))
        expect(answer.status < 500, f"{answer.status} for call_id {call_id[:20]!r}")
        seen.add(answer.status)
    await target.serves()
    return ", ".join(map(str, sorted(seen)))


async def _long_query(target: Target) -> str:
    answer = await target.ask(target.address(note="x" * 4000))
    expect(answer.status == 101, f"{answer.status} for a query of 4 KB")
    return "let in"


async def _encoded_query(target: Target) -> str:
    answer = await target.ask(target.address(**{"from": '+1 555&x="é"/,%'}))
    _let_in(answer)
    return "let in"


async def _raw(target: Target, raw: bytes, within: float = 2.0) -> Answer | None:
    """What came back for these bytes; None: it was closed without a word."""
    wire = await connect(target.url, target.limit(within))
    try:
        wire.write(raw)
        return await wire.answer(0.0, "", target.limit(within))
    except NoAnswer as error:
        if "closed" in str(error):
            return None
        raise Failed(str(error)) from error
    finally:
        await wire.end()


async def _plain_http(target: Target) -> str:
    plain = {"Upgrade": "", "Connection": "close", "Sec-WebSocket-Key": ""}
    raw = request(target.address(), headers={**target.login, **plain})
    answer = await _raw(target, raw)
    expect(answer is not None, "closed without an answer")
    assert answer is not None
    return _refused(answer)


async def _old_version(target: Target) -> str:
    old = {"Sec-WebSocket-Version": "8"}
    answer = await _raw(
        target, request(target.address(), headers={**target.login, **old})
    )
    return "closed" if answer is None else _refused(answer)


async def _not_http(target: Target) -> str:
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300) + b"\r\n\r\n"
    answer = await _raw(target, hello)
    await target.serves()
    return "closed" if answer is None else _refused(answer)


async def _slow_request(target: Target) -> str:
    raw = request(target.address(), headers=target.login)
    wire = await connect(target.url, target.limit(2))
    try:
        for at in range(0, len(raw) // 2, 10):
            wire.write(raw[at : at + 10])
            await asyncio.sleep(0.01)
        await target.serves()
    finally:
        await wire.end()
    return "others are served meanwhile"


async def _idle_connections(target: Target) -> str:
    wires = [await connect(target.url, target.limit(2)) for _ in range(30)]
    try:
        answer = await target.ask()
        _let_in(answer)
        expect(answer.seconds <= target.limit(AT_ONCE), f"{answer.seconds:.2f} s")
    finally:
        for wire in wires:
            await wire.end()
    return "served beside 30 silent connections"


_STANDS_STILL = "Asterisk 22.10 does nothing else until the answer (asterisk#1979)"
_OPEN = "chan_websocket has no other proof of who calls; agents cost money"

CASES = [
    Case(
        "handshake: media is echoed",
        "Asterisk 22.10 does not mind, RFC 6455 does",
        _media,
        "should",
    ),
    Case(
        "handshake: nothing offered",
        "websocket_client.conf need not have `protocols`",
        _no_protocol,
        "should",
    ),
    Case(
        "handshake: one of several",
        "a choice that was not offered ends the handshake (RFC 6455, 4.1)",
        _several_protocols,
        "should",
    ),
    Case("handshake: the key is proven", "Asterisk compares it", _key),
    Case(
        "handshake: no extension",
        "Asterisk can neither inflate nor say so",
        _no_extension,
    ),
    Case("handshake: at once", _STANDS_STILL, _at_once),
    Case("handshake: eight at once", _STANDS_STILL, _at_once_together),
    Case("login: no password", _OPEN, _no_password),
    Case("login: wrong password", _OPEN, _wrong_password),
    Case("login: wrong name", _OPEN, _wrong_name),
    Case("login: bearer", _OPEN, _bearer),
    Case("login: garbage", "a refusal, not a crash", _broken_login),
    Case(
        "handshake: the same call twice",
        "the second would take the first one's name in log and records",
        _duplicate,
        "should",
    ),
    Case(
        "handshake: odd ids",
        "v() passes what the dialplan was given, and it becomes a file's name",
        _odd_ids,
        hostile=True,
    ),
    Case("handshake: long query", "v() has no limit of its own", _long_query, "should"),
    Case("handshake: encoded query", "URIENCODE is how numbers come", _encoded_query),
    Case("handshake: plain HTTP", "a health check went astray", _plain_http, "should"),
    Case("handshake: version 8", "RFC 6455, 4.4: refused", _old_version, "should"),
    Case(
        "handshake: not HTTP", "scanners come within minutes", _not_http, hostile=True
    ),
    Case(
        "handshake: half a request",
        "one slow client must not keep others out",
        _slow_request,
        hostile=True,
    ),
    Case(
        "handshake: silent connections",
        "half-open connections must not use up the room",
        _idle_connections,
        hostile=True,
    ),
]
