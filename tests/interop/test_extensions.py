"""Phones that register with Asterisk, or try to."""

import hashlib
import re
import socket

import pytest

from agent.phone.sipmessage import SipMessage, parse

from .asterisk import STRANGER, Asterisk

pytestmark = pytest.mark.asterisk


def register(
    asterisk: Asterisk, extension: str, login: str = "", number: int = 1
) -> SipMessage:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind((STRANGER, 0))
        phone.settimeout(5)
        here = f"{STRANGER}:{phone.getsockname()[1]}"
        domain = f"127.0.0.1:{asterisk.sip_port}"
        text = (
            f"REGISTER sip:{domain} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {here};branch=z9hG4bK-{extension}-{number}\r\n"
            f"From: <sip:{extension}@{domain}>;tag=1\r\n"
            f"To: <sip:{extension}@{domain}>\r\n"
            f"Call-ID: {extension}-{here}\r\nCSeq: {number} REGISTER\r\n"
            f"Contact: <sip:{extension}@{here}>\r\nExpires: 60\r\nMax-Forwards: 70\r\n"
            f"{login}Content-Length: 0\r\n\r\n"
        )
        phone.sendto(text.encode(), ("127.0.0.1", asterisk.sip_port))
        return parse(phone.recv(4096).decode(), sent=False)


def login(asterisk: Asterisk, challenge: SipMessage, user: str, password: str) -> str:
    """An Authorization header, by RFC 2617."""
    asked = dict(
        re.findall(r'(\w+)="?([^",]+)"?', challenge.headers["www-authenticate"])
    )
    uri = f"sip:127.0.0.1:{asterisk.sip_port}"

    def md5(*parts: str) -> str:
        return hashlib.md5(":".join(parts).encode()).hexdigest()

    who, what = md5(user, asked["realm"], password), md5("REGISTER", uri)
    response = md5(who, asked["nonce"], "00000001", "abc", "auth", what)
    return (
        f'Authorization: Digest username="{user}", realm="{asked["realm"]}", '
        f'nonce="{asked["nonce"]}", uri="{uri}", response="{response}", '
        f'algorithm=MD5, qop=auth, nc=00000001, cnonce="abc", '
        f'opaque="{asked.get("opaque", "")}"\r\n'
    )


@pytest.mark.parametrize("extension", ["100", "101", "102", "trunk"])
def test_nobody_registers_without_a_password(asterisk, extension):
    assert register(asterisk, extension).status == 401


def test_a_wrong_password_is_refused(asterisk):
    challenge = register(asterisk, "100")
    wrong = login(asterisk, challenge, "100", "wrong")
    assert register(asterisk, "100", wrong, 2).status == 401


def test_an_extension_registers(asterisk):
    challenge = register(asterisk, "100")
    right = login(asterisk, challenge, "100", asterisk.extension_password)
    answer = register(asterisk, "100", right, 2)
    assert answer.status == 200
    assert "sip:100@" in asterisk.cli("pjsip show contacts")
