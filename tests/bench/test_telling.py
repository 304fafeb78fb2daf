import httpx

from bench.servers.null import echo
from bench.servers.telling import Telling


async def test_tells_of_itself():
    transport = httpx.ASGITransport(app=Telling(echo))
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        assert (await client.get("/bench/lag")).json() == {}
        census = (await client.get("/bench/census")).json()
    assert set(census) == {"tasks", "threads", "objects"}
