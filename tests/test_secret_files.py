"""NAME_FILE in the place of NAME."""

import pytest

from agent.secret_files import SecretFileError, with_files


@pytest.fixture
def file(tmp_path):
    """A file with this content."""

    def make(content: bytes) -> str:
        path = tmp_path / "secret"
        path.write_bytes(content)
        return str(path)

    return make


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"let me in\n", "let me in"),
        (b"let me in", "let me in"),
        (b"let me in\r\n", "let me in"),
        (b"let me in\n\n", "let me in"),
        (b" spaces stay \n", " spaces stay "),
        ("p\u00e4sswort\n".encode(), "p\u00e4sswort"),
    ],
)
def test_a_file_stands_for_its_variable(file, content, secret):
    given = {"OFFHOOK_TOKEN_FILE": file(content), "OFFHOOK_PORT": "1"}
    assert with_files(given) == {"OFFHOOK_TOKEN": secret, "OFFHOOK_PORT": "1"}


@pytest.mark.parametrize(
    "name",
    [
        "OFFHOOK_MEDIA_PASSWORD",
        "OFFHOOK_SECRET_SHOP",
        "OFFHOOK_ENDPOINTS",
        "OPENAI_API_KEY",
        "AZURE_OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "DATABASE_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "OTEL_EXPORTER_OTLP_HEADERS",
    ],
)
def test_every_secret_may_be_a_file(file, name):
    assert with_files({f"{name}_FILE": file(b"x\n")}) == {name: "x"}


@pytest.mark.parametrize(
    "name",
    ["SSL_CERT_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "_FILE"],
)
def test_what_is_not_ours_is_left_alone(name):
    given = {name: "/not/there"}
    assert with_files(given) == given


def test_an_empty_variable_is_one_that_is_not_set(file):
    assert with_files({"OFFHOOK_TOKEN_FILE": "", "OFFHOOK_TOKEN": "x"}) == {
        "OFFHOOK_TOKEN": "x"
    }
    given = {"OFFHOOK_TOKEN_FILE": file(b"y"), "OFFHOOK_TOKEN": " "}
    assert with_files(given) == {"OFFHOOK_TOKEN": "y"}


def test_twice_is_as_good_as_once(file):
    once = with_files({"OFFHOOK_TOKEN_FILE": file(b"y")})
    assert with_files(once) == once


def test_what_is_given_is_not_changed(file):
    given = {"OFFHOOK_TOKEN_FILE": file(b"y")}
    before = dict(given)
    with_files(given)
    assert given == before


def test_both_are_one_too_many(file):
    given = {"OFFHOOK_TOKEN": "x", "OFFHOOK_TOKEN_FILE": file(b"y")}
    with pytest.raises(SecretFileError) as refused:
        with_files(given)
    assert str(refused.value) == (
        "OFFHOOK_TOKEN and OFFHOOK_TOKEN_FILE are both set: keep one"
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\n", "is not text"),
        (b"one\ntwo\n", "has more than one line"),
    ],
)
def test_a_file_without_a_secret_is_named(file, content, why):
    path = file(content)
    with pytest.raises(SecretFileError) as refused:
        with_files({"OPENAI_API_KEY_FILE": path})
    assert str(refused.value) == f"OPENAI_API_KEY_FILE: {path} {why}"
    if content.strip():
        assert "two" not in str(refused.value), "the secret itself is not said"


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    for path, why in (
        (tmp_path / "no", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ):
        with pytest.raises(SecretFileError) as refused:
            with_files({"DATABASE_URL_FILE": str(path)})
        assert str(refused.value) == f"DATABASE_URL_FILE: cannot read {path}: {why}"
