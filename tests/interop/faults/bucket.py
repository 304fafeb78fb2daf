"""A bucket of moto's behind a door that fails as told."""

import http.client
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from moto.server import ThreadedMotoServer

LIFE = {
    "S3_BUCKET": "recordings",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@dataclass(frozen=True, slots=True)
class Refuses:
    status: int
    code: str
    words: str


class Resets:
    """In the middle of what is uploaded."""


class Damages:
    """A byte of what is uploaded."""


class Skewed(Refuses):
    """Its clock is an hour ahead, as far as it knows ours is behind."""


@dataclass(frozen=True, slots=True)
class Holds:
    """It has what is uploaded, and says so when `released`."""

    has: threading.Event
    released: threading.Event


TOO_SKEWED = Skewed(
    403,
    "RequestTimeTooSkewed",
    "The difference between the request time and the current time is too large.",
)
Fault = Refuses | Resets | Damages | Holds


class Door:
    """`fault` is what it does from the next request on; None: it lets all pass."""

    def __init__(self, behind: str) -> None:
        parts = urlsplit(behind)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        self.fault: Fault | None = None
        self._address = ("127.0.0.1", 0)
        self._server: ThreadingHTTPServer | None = None
        self.open()
        self.url = f"http://127.0.0.1:{self._address[1]}"

    def open(self) -> None:
        door = self

        class Handler(_Handler):
            def door(self) -> "Door":
                return door

        server = ThreadingHTTPServer(self._address, Handler)
        server.daemon_threads = True
        self._address = ("127.0.0.1", server.server_address[1])
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self._server = server

    def ask(self, method: str, path: str) -> str:
        """What the bucket says to those who are let in."""
        behind = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            behind.request(method, path)
            return behind.getresponse().read().decode()
        finally:
            behind.close()

    def kept(self, words: str) -> int:
        """Objects with that in their names."""
        listed = self.ask("GET", f"/{LIFE['S3_BUCKET']}?list-type=2")
        return sum(words in key for key in re.findall("<Key>(.*?)</Key>", listed))

    def open_again(self) -> None:
        if self._server is None:
            self.open()

    def shut(self) -> None:
        """Nobody listens."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Handler(BaseHTTPRequestHandler):
    def door(self) -> Door:
        raise NotImplementedError

    def handle_one_request(self) -> None:
        super().handle_one_request()
        self.close_connection = True

    def _pass(self) -> None:
        door, fault = self.door(), self.door().fault
        length = int(self.headers.get("content-length", "0"))
        if isinstance(fault, Resets) and self.command == "PUT" and length:
            self.rfile.read(length // 2)
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            return
        body = self.rfile.read(length)
        if isinstance(fault, Refuses):
            self._refuse(fault)
            return
        if isinstance(fault, Damages) and self.command == "PUT" and body:
            body = body[:-1] + bytes([body[-1] ^ 1])
        behind = http.client.HTTPConnection(door.host, door.port, timeout=20)
        try:
            behind.request(self.command, self.path, body, dict(self.headers))
            answer = behind.getresponse()
            said = answer.read()
        finally:
            behind.close()
        if isinstance(fault, Holds) and self.command == "PUT" and body:
            fault.has.set()
            fault.released.wait(30)
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass

    def _refuse(self, fault: Refuses) -> None:
        ahead = timedelta(hours=isinstance(fault, Skewed))
        body = (
            f"<Error><Code>{fault.code}</Code><Message>{fault.words}</Message></Error>"
        ).encode()
        self.send_response_only(fault.status)
        self.send_header("date", format_datetime(datetime.now(UTC) + ahead, True))
        self.send_header("content-type", "application/xml")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def door() -> Iterator[Door]:
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    found = Door("http://{}:{}".format(*moto.get_host_and_port()))
    found.ask("PUT", f"/{LIFE['S3_BUCKET']}")
    try:
        yield found
    finally:
        found.shut()
        moto.stop()
