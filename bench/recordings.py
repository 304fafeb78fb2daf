"""Is a recording ever lost, or kept twice?

    python -m bench.recordings [--calls 200] [--format wav] [--moto]

A real S3 server (Ceph's RADOS Gateway, bench/ceph.py) behind a proxy that is down,
slow, full, answers 503 and resets connections by turns; `offhook upload`, which is
killed with -9 at random moments; and recordings of three tracks as MixMonitor writes
them, by a process that is killed once in the middle of some. At the end the bucket, the
rows and the folders are compared with what was written.
"""

import argparse
import hashlib
import io
import logging
import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import wave
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import soundfile
from botocore.config import Config

from agent.storage.encoding import Format
from bench.ceph import Gateway, NoCeph, gateway
from bench.process import ROOT
from bench.troubled_store import Mood, TroubledStore

RATE = 8000
BUCKET = "recordings"
SUFFIXES = {"mix": "", "user": "-user", "assistant": "-assistant"}
HOOK = ROOT / "scripts" / "upload-recording.sh"
MOODS = (Mood.DOWN, Mood.SLOW, Mood.FULL, Mood.UNAVAILABLE, Mood.RESETS)
MOOD_SECONDS = 20.0
LONG_CALLS = 3
"""Whose tracks are longer than 8 MB, so that they go up in parts."""
LOST_HOOKS = 0.1
"""Share of the calls of which Asterisk could not run the hook."""
CUT_OFF = 6
"""Calls that are up when Asterisk is killed."""
LIFETIME = (1.0, 10.0)
"""Seconds until the uploader is killed, once it is at work."""
AT_WORK = b"[REC] looks after "
"""What it says then."""
PATIENCE = 420.0
"""Seconds for the rest, once the store is well: a pause is five minutes at most."""


@dataclass(frozen=True, slots=True)
class Phase:
    mood: str
    seconds: float
    requests: int
    spoiled: int
    kills: int
    stored: int
    """Tracks that have a row when it ends."""


@dataclass(slots=True)
class Uploader:
    """`offhook upload`, which is killed with -9 now and then."""

    folder: Path
    environment: Mapping[str, str]
    kills: int = 0
    _process: "subprocess.Popen[bytes] | None" = None
    _dies_at: float | None = None
    _begun: int = 0
    """Those before it that came to work."""

    @property
    def log(self) -> Path:
        return self.folder / "upload.log"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "agent", "upload"],
                cwd=ROOT,
                env=os.environ | {"OFFHOOK_DATA": str(self.folder)} | self.environment,
                stdout=log,
                stderr=log,
            )
        self._begun = self.log.read_bytes().count(AT_WORK)
        self._dies_at = None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def tend(self) -> None:
        """Kills it when its time has come; another one follows at once."""
        assert self._process is not None
        if self._process.poll() is not None:
            said = self.log.read_text()[-3000:]
            raise RuntimeError(f"the uploader has ended by itself: {said}")
        if self._dies_at is None:
            if self.log.read_bytes().count(AT_WORK) > self._begun:
                self._dies_at = time.monotonic() + random.uniform(*LIFETIME)
        elif time.monotonic() >= self._dies_at:
            self.kill()
            self.kills += 1
            self.start()


@dataclass(slots=True)
class Site:
    folder: Path
    gateway: Gateway
    uploader: Uploader
    format: Format
    expected: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    """Samples by call and track."""

    def __post_init__(self) -> None:
        for name in ("monitor", "spool"):
            (self.folder / name).mkdir()

    @property
    def monitor(self) -> Path:
        return self.folder / "monitor"

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    def stored(self) -> int:
        return sum(row["state"] == "stored" for row in rows(self.folder))

    def left(self) -> list[str]:
        """Of Asterisk's files and of the jobs; what the uploader keeps is hidden."""
        spool = [path for path in self.spool.rglob("*") if path.name[0] != "."]
        return sorted(path.name for path in (*self.monitor.iterdir(), *spool))


def environment(gateway: Gateway, url: str) -> dict[str, str]:
    return {
        "S3_BUCKET": BUCKET,
        "S3_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": gateway.key,
        "AWS_SECRET_ACCESS_KEY": gateway.secret,
    }


def bucket_client(gateway: Gateway) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=gateway.url,
        aws_access_key_id=gateway.key,
        aws_secret_access_key=gateway.secret,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )


def objects(client: Any) -> list[str]:
    """All keys, and whatever was begun and never finished."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
    begun = client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ())
    return keys + [f"{upload['Key']}, in parts" for upload in begun]


def rows(folder: Path) -> list[dict[str, Any]]:
    path = folder / "offhook.db"
    if not path.exists():
        return []
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as database:
        database.row_factory = sqlite3.Row
        try:
            found = database.execute("SELECT * FROM recordings").fetchall()
        except sqlite3.OperationalError:
            return []
    return [dict(row) for row in found]


def voices(call: str, seconds: float) -> dict[str, np.ndarray]:
    """Two people who take turns, each with a hum of his own, and the mix of both."""
    noise = np.random.default_rng(
        int(hashlib.sha256(call.encode()).hexdigest()[:8], 16)
    )
    time_axis = np.arange(int(seconds * RATE)) / RATE
    turn = (time_axis % 6) < 3
    parts = {}
    for track, speaks in (("user", turn), ("assistant", ~turn)):
        tone = np.sin(2 * np.pi * noise.uniform(120, 400) * time_axis) * 6000
        hiss = noise.normal(0, 400, len(time_axis))
        parts[track] = ((tone + hiss) * speaks).astype("<i2")
    return {"mix": parts["user"] + parts["assistant"], **parts}


def header(samples: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(bytes(2 * samples))
    return file.getvalue()[:44]


UNFINISHED = header(0)[:4] + bytes(4) + header(0)[8:40] + bytes(4)


def asterisk(site: Path, calls: list[tuple[str, float, bool]], seconds: float) -> None:
    """As MixMonitor: a header without lengths, sound, the lengths, close, the hook."""
    for call, length, hook in calls:
        begun = time.monotonic()
        files = []
        for track, samples in voices(call, length).items():
            file = (site / "monitor" / f"{call}{SUFFIXES[track]}.wav").open("wb")
            file.write(UNFINISHED)
            file.write(samples[: len(samples) // 2].tobytes())
            file.flush()
            files.append((file, samples))
        for file, samples in files:
            file.write(samples[len(samples) // 2 :].tobytes())
            file.seek(0)
            file.write(header(len(samples)))
            file.close()
        if hook:
            _run_hook(site, call)
        time.sleep(max(0, seconds / len(calls) - (time.monotonic() - begun)))


def _run_hook(site: Path, call: str) -> None:
    subprocess.run(
        [HOOK, call, call, "bench"],
        env=os.environ | {"OFFHOOK_SPOOL": str(site / "spool")},
        stderr=subprocess.DEVNULL,
        check=True,
    )


def cut_off(site: Site, calls: list[str]) -> None:
    """They are up, half written, when Asterisk is killed. Nobody leaves a job."""
    ready = multiprocessing.Event()
    process = multiprocessing.Process(target=_half, args=(site.folder, calls, ready))
    process.start()
    ready.wait(60)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    for call in calls:
        for track, samples in voices(call, 20).items():
            path = site.monitor / f"{call}{SUFFIXES[track]}.wav"
            written = (path.stat().st_size - len(UNFINISHED)) // 2
            site.expected[call, track] = samples[:written]
            age(path)


def _half(site: Path, calls: list[str], ready: Any) -> None:
    files = []
    for call in calls:
        for track, samples in voices(call, 20).items():
            file = (site / "monitor" / f"{call}{SUFFIXES[track]}.wav").open("wb")
            file.write(UNFINISHED)
            # Half of it, and in the middle of a sample.
            file.write(samples.tobytes()[: len(samples) + 1])
            file.flush()
            files.append(file)
    ready.set()
    time.sleep(600)


def age(path: Path) -> None:
    """Whatever nobody has left a job for is looked at after five minutes."""
    long_ago = time.time() - 600
    os.utime(path, (long_ago, long_ago))


def chaos(site: Site, calls: int, trouble: TroubledStore) -> Iterator[Phase]:
    chance = random.Random(17)
    plan = []
    for number in range(calls - CUT_OFF):
        call = f"{1_795_266_000 + number}.{number * 2}"
        length = 540.0 if number < LONG_CALLS else chance.uniform(3, 40)
        plan.append((call, round(length, 2), chance.random() >= LOST_HOOKS))
        for track, samples in voices(call, plan[-1][1]).items():
            site.expected[call, track] = samples
    site.uploader.start()
    chance.shuffle(plan)
    share = -(-len(plan) // len(MOODS))
    for number, mood in enumerate(MOODS):
        trouble.mood = mood
        some = plan[number * share : (number + 1) * share]
        arguments = (site.folder, some, MOOD_SECONDS * 0.8)
        writer = multiprocessing.Process(target=asterisk, args=arguments)
        writer.start()
        yield from _watch(site, trouble, mood, MOOD_SECONDS, until=None)
        writer.join()
        for call, _, hook in some:
            if not hook:
                for suffix in SUFFIXES.values():
                    age(site.monitor / f"{call}{suffix}.wav")
        if number == 1:
            cut_off(site, [f"{1_795_299_000 + each}.1" for each in range(CUT_OFF)])
    trouble.mood = Mood.WELL
    yield from _watch(site, trouble, Mood.WELL, PATIENCE, until=len(site.expected))


def _watch(
    site: Site, trouble: TroubledStore, mood: Mood, seconds: float, until: int | None
) -> Iterator[Phase]:
    begun, kills = time.monotonic(), site.uploader.kills
    while time.monotonic() < begun + seconds:
        # Once all is well it may live: the last pauses are long.
        if until is None or time.monotonic() < begun + 40:
            site.uploader.tend()
        if until is not None and site.stored() >= until and not site.left():
            break
        time.sleep(0.1)
    yield Phase(
        mood.value,
        time.monotonic() - begun,
        trouble.requests[mood],
        trouble.spoiled[mood],
        site.uploader.kills - kills,
        site.stored(),
    )


def verdict(site: Site) -> list[str]:
    """What is wrong, a line each."""
    client = bucket_client(site.gateway)
    wrong = [f"left behind: {name}" for name in site.left()]
    keys = objects(client)
    found = Counter(tuple(key.rsplit(".", 1)[0].split("/")[-2:]) for key in keys)
    for track, count in found.items():
        if count > 1 or track not in site.expected:
            wrong.append(f"{'/'.join(track)} is there {count} times")
    told = {(row["call_id"], row["track"]): row for row in rows(site.folder)}
    for track, samples in site.expected.items():
        row = told.get(track)
        if row is None or row["state"] != "stored":
            wrong.append(f"{'/'.join(track)} has the row {row and row['state']}")
            continue
        if row["key"] not in keys:
            wrong.append(f"{row['key']} is not in the bucket")
            continue
        content = client.get_object(Bucket=BUCKET, Key=row["key"])["Body"].read()
        if hashlib.sha256(content).hexdigest() != row["sha256"]:
            wrong.append(f"{row['key']} has another SHA-256")
        decoded, _ = soundfile.read(io.BytesIO(content), dtype="int16")
        if not len(decoded) == len(samples) == row["samples"]:
            wrong.append(f"{row['key']}: {len(decoded)} samples of {len(samples)}")
        elif site.format in (Format.WAV, Format.FLAC) and (decoded != samples).any():
            wrong.append(f"{row['key']} sounds different")
    if len(told) != len(site.expected):
        wrong.append(f"{len(told)} rows for {len(site.expected)} tracks")
    return wrong


@contextmanager
def _server(moto: bool) -> Iterator[Gateway]:
    if not moto:
        with gateway() as ceph:
            yield ceph
        return
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield Gateway(server.get_host_and_port()[1], "moto, which checks no signature")
    finally:
        server.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--format", type=Format, default=Format.WAV)
    parser.add_argument("--moto", action="store_true", help="no Ceph: moto's server")
    parser.add_argument("--log", type=Path, help="keep the uploader's log there")
    given = parser.parse_args()
    try:
        with _server(given.moto) as server, tempfile.TemporaryDirectory() as folder:
            trouble = TroubledStore(server.url)
            settings = environment(server, trouble.url)
            settings["OFFHOOK_RECORDING_FORMAT"] = given.format.value
            uploader = Uploader(Path(folder), settings)
            site = Site(Path(folder), server, uploader, given.format)
            print(
                f"{server.version}; {given.calls} calls, three tracks each", flush=True
            )
            print(
                f"{'the store is':13} {'s':>5} {'requests':>9} {'spoiled':>8}", end=""
            )
            print(f" {'kill -9':>8} {'tracks stored':>14}")
            try:
                for phase in chaos(site, given.calls, trouble):
                    print(
                        f"{phase.mood:13} {phase.seconds:5.0f} {phase.requests:9}"
                        f" {phase.spoiled:8} {phase.kills:8} {phase.stored:14}",
                        flush=True,
                    )
            finally:
                site.uploader.kill()
                trouble.close()
                if given.log:
                    given.log.write_bytes(uploader.log.read_bytes())
            wrong = verdict(site)
    except NoCeph as error:
        print(f"skipped: {error}; --moto does without")
        return 0
    for line in wrong[:40]:
        print(line)
    print(
        f"{len(site.expected)} tracks expected, {len(wrong)} things wrong;"
        f" uploader killed {site.uploader.kills} times, Asterisk once"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
