"""What the uploader is shown when the store is not well."""

import threading
import urllib.error
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench import troubled_store
from bench.troubled_store import Mood, TroubledStore

BODY = b"x" * 20_000


class Kept(BaseHTTPRequestHandler):
    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.kept.append(body)
        self._answer()

    def do_GET(self):
        self._answer()

    def _answer(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


@pytest.fixture
def store():
    with ThreadingHTTPServer(("127.0.0.1", 0), Kept) as server:
        server.kept = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def trouble(store, monkeypatch):
    monkeypatch.setattr(troubled_store, "_SLOW", 10_000_000)
    trouble = TroubledStore(f"http://127.0.0.1:{store.server_port}")
    yield trouble
    trouble.close()


def ask(url, body=None):
    method = "GET" if body is None else "PUT"
    request = urllib.request.Request(url, data=body, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return "broken"


@pytest.mark.parametrize(
    ("mood", "put", "get"),
    [
        (Mood.WELL, {200}, {200}),
        (Mood.DOWN, {"broken"}, {"broken"}),
        (Mood.FULL, {507, "broken"}, {200}),
        (Mood.UNAVAILABLE, {200, 503, "broken"}, {200, 503}),
        (Mood.RESETS, {200, "broken"}, {200, "broken"}),
    ],
)
def test_each_mood(store, trouble, mood, put, get):
    trouble.mood = mood
    puts = Counter(ask(trouble.url, BODY) for _ in range(20))
    gets = Counter(ask(trouble.url) for _ in range(20))
    assert set(puts) <= put and set(gets) <= get
    assert trouble.requests[mood] == 40
    troubled = trouble.spoiled[mood]
    assert troubled >= sum(puts[each] + gets[each] for each in (503, 507, "broken")) * (
        mood is not Mood.RESETS
    )
    assert (troubled > 0) is (mood is not Mood.WELL)
    assert store.kept.count(BODY) >= puts[200]


def test_slow_is_slow_and_whole(store, trouble):
    trouble.mood = Mood.SLOW
    assert ask(trouble.url, BODY) == 200
    assert store.kept == [BODY]
    assert trouble.spoiled[Mood.SLOW] == 1
