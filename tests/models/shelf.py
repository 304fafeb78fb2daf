"""What the tests of this room share: a small lock, a hub on loopback, a wheel."""

import hashlib
import json
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from agent.models.lock import File, Hub, Lock, Model, Source, Wheel, WheelPart


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


EAR = bytes(range(256)) * 300
WORDS = b'{"words": 3}'
VOICE = b"la" * 5000

EAR_ON_HUB = Hub("makers/ear", "v1", "ear.bin")
WORDS_ON_HUB = Hub("makers/ear", "v1", "words.json")
VOICE_ON_HUB = Hub("makers/voice", "v1", "deep/voice.onnx")

EAR_IN_WHEELS = Wheel(
    (
        WheelPart("ear-part1", "1.0", "ear_part1/data/ear.1"),
        WheelPart("ear-part2", "1.0", "ear_part2/data/ear.2"),
    )
)
WORDS_IN_WHEEL = Wheel((WheelPart("ear-part1", "1.0", "ear_part1/words.json"),))


def file(name: str, content: bytes, *sources: Source) -> File:
    return File(name, len(content), sha256(content), sources)


def model(name: str, *files: File) -> Model:
    return Model(name, "a purpose", "MIT", "https://example.org", files)


def a_lock(*models: Model) -> Lock:
    return Lock({each.name: each for each in models}, {"default": (models[0].name,)})


LOCK = a_lock(
    model(
        "ear",
        file("ear.bin", EAR, EAR_ON_HUB, EAR_IN_WHEELS),
        file("words.json", WORDS, WORDS_ON_HUB, WORDS_IN_WHEEL),
    ),
    model("voice", file("voice.onnx", VOICE, VOICE_ON_HUB)),
)

ON_HUB = {
    "/makers/ear/resolve/v1/ear.bin": EAR,
    "/makers/ear/resolve/v1/words.json": WORDS,
    "/makers/voice/resolve/v1/deep/voice.onnx": VOICE,
}


def put(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def put_all(folder: Path) -> None:
    put(folder, "ear/ear.bin", EAR)
    put(folder, "ear/words.json", WORDS)
    put(folder, "voice/voice.onnx", VOICE)


@dataclass
class Said:
    """A Progress that remembers."""

    lines: list[str] = field(default_factory=list)
    steps: list[tuple[str, int, int]] = field(default_factory=list)
    spoke: threading.Event = field(default_factory=threading.Event)

    def at(self, label: str, done: int, total: int) -> None:
        self.steps.append((label, done, total))

    def said(self, line: str) -> None:
        self.lines.append(line)
        self.spoke.set()


@dataclass
class WebShelf:
    """Files over HTTP, with the habits of bad lines and of simple servers."""

    files: dict[str, bytes]
    address: str = ""
    cuts: list[int] = field(default_factory=list)
    """Each answer ends after so many bytes of its body, until the list is empty."""
    ranges: bool = True
    """False: answers 200 and the whole file, whatever was asked."""
    shift: int = 0
    """Answers to a Range begin so many bytes later than asked."""
    moved: Mapping[str, str] = field(default_factory=dict)
    silent: bool = False
    """Accepts and says nothing, until `speak` is set."""
    speak: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and Range of every request."""
    was_asked: threading.Event = field(default_factory=threading.Event)

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


@contextmanager
def web_shelf(files: Mapping[str, bytes]) -> Iterator[WebShelf]:
    shelf = WebShelf(dict(files))

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, shelf)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        shelf.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield shelf
        finally:
            shelf.speak.set()
            server.shutdown()
            thread.join()


def _answer(request: BaseHTTPRequestHandler, shelf: WebShelf) -> None:
    wanted = request.headers.get("Range", "")
    shelf.asked.append((request.path, wanted))
    shelf.was_asked.set()
    if shelf.silent:
        shelf.speak.wait()
    if request.path in shelf.moved:
        request.send_response(302)
        request.send_header("Location", shelf.moved[request.path])
        request.end_headers()
        return
    content = shelf.files.get(request.path)
    if content is None:
        request.send_error(404)
        return
    first = 0
    if wanted and shelf.ranges:
        first = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if first >= len(content):
            request.send_error(416)
            return
        first += shelf.shift
        request.send_response(206)
        last = len(content) - 1
        request.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
    else:
        request.send_response(200)
    if request.path.endswith("/"):
        request.send_header("Content-Type", "text/html")
    body = content[first:]
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    if shelf.cuts:
        body = body[: shelf.cuts.pop(0)]
        request.close_connection = True
    with suppress(BrokenPipeError, ConnectionResetError):  # who asked has gone
        request.wfile.write(body)


def wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, bytes],
    *,
    python: str = ">=3",
) -> Path:
    """A wheel as pip accepts it; not compressed, so that its size is its content's."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    metadata = (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        f"Requires-Python: {python}\n"
    )
    described = {
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, content in {**files, **described}.items():
            archive.writestr(inside, content)
    return path


def ear_wheels(folder: Path) -> tuple[Path, Path]:
    half = len(EAR) // 2
    first = {"ear_part1/data/ear.1": EAR[:half], "ear_part1/words.json": WORDS}
    second = {"ear_part2/data/ear.2": EAR[half:]}
    return (
        wheel(folder, "ear-part1", "1.0", first),
        wheel(folder, "ear-part2", "1.0", second),
    )


def brought_wheels(folder: Path) -> None:
    """The wheels as if pip, which takes a second each, had brought them already."""
    for n, path in enumerate(ear_wheels(folder / ".wheels"), start=1):
        path.rename(path.with_name(f"ear-part{n}-1.0.whl"))


def toml(value: Any) -> str:
    """A value as TOML on one line, as far as a lock needs it."""
    match value:
        case dict():
            pairs = (f"{json.dumps(key)} = {toml(each)}" for key, each in value.items())
            return "{ " + ", ".join(pairs) + " }"
        case list():
            return "[" + ", ".join(toml(each) for each in value) + "]"
        case _:
            return json.dumps(value)
