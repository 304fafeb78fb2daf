from collections.abc import AsyncIterator, Iterator

import pytest
from moto.server import ThreadedMotoServer

from .setup import SetUp, named_asterisk, sound
from .table import Tally


@pytest.fixture(scope="session")
def sip_port() -> Iterator[int]:
    with named_asterisk() as port:
        yield port


@pytest.fixture
async def setup(tmp_path, models_folder, sip_port) -> AsyncIterator[SetUp]:
    async with sound(tmp_path, models_folder, sip_port) as setup:
        yield setup


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def keys_to_the_bucket(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.fixture(scope="module")
def tally() -> Iterator[Tally]:
    tally = Tally()
    yield tally
    named = sum(tally.named.values())
    missed = [name for name, found in tally.named.items() if not found]
    print(f"\ndoctor: named {named} of {len(tally.named)} faults; missed: {missed}")
    print(f"doctor: the slowest run took {tally.slowest:.1f} s")
