from collections.abc import AsyncIterator, Iterator

import pytest
from moto.server import ThreadedMotoServer

from .setup import SetUp, named_asterisk, sound


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
