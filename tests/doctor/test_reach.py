"""Why a server is not reached: what a look at it tells."""

import asyncio
import ssl
import subprocess

import pytest
from fastapi import FastAPI

from agent.doctor.reach import tls_fault, why
from tests.fakes.provider import Running


@pytest.fixture
async def api():
    app = FastAPI()

    @app.get("/v1/models")
    async def models() -> dict[str, object]:
        return {"data": [{"id": "small"}, {"id": "large"}]}

    async with Running(app) as url:
        yield url


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    key, signed = folder / "key.pem", folder / "signed.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        + ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        + ["-keyout", key, "-out", signed],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return key, signed


@pytest.fixture
async def by_tls(certificate):
    """The port of a server that greets by TLS, as localhost."""
    key, signed = certificate
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(signed, key)

    async def serve(reader, writer):
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def look(address, environment=None, model=""):
    return await asyncio.to_thread(why, address, environment or {}, "", model)


@pytest.mark.parametrize(
    ("path", "better"),
    [("", "/v1"), ("/v1/chat/completions", "/v1"), ("/api", "/v1"), ("/v1/v1", "/v1")],
)
async def test_a_path_without_an_api(api, path, better):
    reason = await look(api + path, model="small")
    assert reason.fix == f"Write {api}{better}."
    assert not reason.model


async def test_a_model_that_is_not_there(api):
    reason = await look(f"{api}/v1", model="huge")
    assert reason.model
    assert reason.what == "it has no model 'huge'; it has large, small"


async def test_nothing_to_be_seen(api):
    assert await look(f"{api}/v1/", model="small") is None
    assert await look(f"{api}/v1") is None


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("gpu:8000/v1", "begins with http"),
        ("ftp://gpu/v1", "begins with http"),
        ("http://gpu:port/v1", "no number"),
        ("http://gpu.invalid/v1", "nobody knows the name gpu.invalid"),
        ("http://127.0.0.1:9/v1", "nobody listens at 127.0.0.1:9"),
    ],
)
async def test_addresses(address, what):
    assert what in (await look(address)).what


async def test_https_for_http(api):
    reason = await look(api.replace("http:", "https:"))
    assert reason.fix == "Write http:// for https://."


async def test_http_for_https(by_tls):
    reason = await look(f"http://127.0.0.1:{by_tls}")
    assert reason.fix == "Write https:// for http://."


async def test_a_certificate_that_nobody_vouches_for(by_tls):
    reason = await look(f"https://127.0.0.1:{by_tls}")
    assert "certificate" in reason.what


async def test_certificates_of_an_authority_of_our_own(by_tls, certificate):
    _, signed = certificate
    told = asyncio.to_thread(tls_fault, "localhost", by_tls, str(signed))
    assert await told == ""
    told = asyncio.to_thread(tls_fault, "127.0.0.1", by_tls, str(signed))
    assert "IP address mismatch" in await told
    told = asyncio.to_thread(tls_fault, "localhost", by_tls, "")
    assert "self-signed" in await told
    assert await asyncio.to_thread(tls_fault, "127.0.0.1", 9, "") == ""


@pytest.mark.parametrize(
    ("environment", "variable"),
    [
        ({"http_proxy": "http://me:secret@proxy:3128"}, "http_proxy"),
        ({"ALL_PROXY": "http://proxy:3128"}, "ALL_PROXY"),
        ({"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "example.com"}, "HTTP_PROXY"),
        ({"https_proxy": "http://proxy:3128"}, ""),
        ({"http_proxy": "http://proxy:3128", "no_proxy": "a.b, 127.0.0.1"}, ""),
        ({"http_proxy": "http://proxy:3128", "no_proxy": "*"}, ""),
    ],
)
async def test_proxies(environment, variable):
    reason = await look("http://127.0.0.1:9/v1", environment)
    assert reason.variable == variable
    assert "secret" not in reason.what
