from pathlib import Path

import pytest

from agent.conversation.config import SenderConfig, SmtpConfig
from agent.environment import SettingsError, upload
from agent.observe.config import TracesConfig
from agent.settings import read_settings
from agent.storage.config import RecordingsConfig, RemoteLedgerConfig, S3Config
from agent.storage.encoding import Format

MAIL = {"OFFHOOK_SMTP_HOST": "mail", "OFFHOOK_SMTP_FROM": "us@example.com"}
SMS = {"OFFHOOK_MESSAGE_URL": "https://sms.example"}


@pytest.fixture
def read(tmp_path):
    return lambda **environment: read_settings(
        {"OFFHOOK_DATA": str(tmp_path), **environment}
    )


def test_nothing_leaves_the_house_by_default(read):
    settings = read()
    assert (settings.smtp, settings.sender, settings.country) == (None, None, "")
    assert settings.secrets == {}


def test_traces(read):
    assert read().traces is None
    given = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318/"}
    assert read(**given).traces == TracesConfig("http://127.0.0.1:4318/v1/traces")
    assert read(**given, OTEL_SDK_DISABLED="true").traces is None
    more = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://otel.example/traces",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20eDp5",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "3000",
        "OTEL_SERVICE_NAME": "front",
        "OTEL_RESOURCE_ATTRIBUTES": "a=1",
    }
    assert read(**given, **more).traces == TracesConfig(
        *("https://otel.example/traces", {"authorization": "Basic eDp5"}),
        *("front", {"a": "1"}, 3.0),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10"),
        ("OTEL_SDK_DISABLED", "maybe"),
    ],
)
def test_traces_that_cannot_be_sent(read, name, value):
    given = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", name: value}
    with pytest.raises(SettingsError, match=name) as caught:
        read(**given)
    assert "s3cret" not in str(caught.value)


def test_mail(read):
    assert read(**MAIL).smtp == SmtpConfig("mail", "us@example.com")
    more = {
        "OFFHOOK_SMTP_PORT": "465",
        "OFFHOOK_SMTP_SECURITY": "TLS",
        "OFFHOOK_SMTP_USERNAME": "me",
        "OFFHOOK_SMTP_KEY": "pw",
    }
    assert read(**MAIL, **more).smtp == SmtpConfig(
        "mail", "us@example.com", 465, "tls", "me", "pw"
    )


def test_messages(read):
    assert read(**SMS).sender == SenderConfig("https://sms.example")
    assert read(
        **SMS, OFFHOOK_MESSAGE_TOKEN="tk", OFFHOOK_MESSAGE_BODY='{"body": "{text}"}'
    ).sender == SenderConfig("https://sms.example", "tk", {"body": "{text}"})


BUCKET = {"S3_BUCKET": "b", "S3_ENDPOINT_URL": "http://s3:9000"}


def test_recordings(read, tmp_path):
    assert read().recordings == RecordingsConfig(
        tmp_path / "monitor", tmp_path / "spool", tmp_path / "recordings"
    )
    kept = read(
        **BUCKET,
        OFFHOOK_MONITOR="/m",
        OFFHOOK_RECORDING_FORMAT="FLAC",
        OFFHOOK_RETENTION_DAYS="90",
        S3_CREATE_BUCKET="no",
    ).recordings
    assert kept == RecordingsConfig(
        Path("/m"),
        tmp_path / "spool",
        tmp_path / "recordings",
        S3Config("b", "http://s3:9000", "us-east-1", create=False, retention_days=90),
        Format.FLAC,
        90,
    )


def test_the_uploader_reads_what_it_needs_and_no_more(tmp_path):
    """The agent's own settings may be wrong, or for another machine."""
    given = upload(
        {
            **BUCKET,
            "OFFHOOK_DATA": str(tmp_path),
            "OFFHOOK_AIS": "/not/there",
            "OFFHOOK_LOG_LEVEL": "debug",
        }
    )
    assert given.recordings.s3 == S3Config("b", "http://s3:9000", "us-east-1")
    assert given.database_url == f"sqlite:///{tmp_path}/offhook.db"
    assert (given.log_level, given.log_json, given.agent) == ("DEBUG", False, None)


def test_the_uploader_may_tell_an_agent_elsewhere():
    told = {"OFFHOOK_AGENT_URL": "http://agent:7860/", "OFFHOOK_TOKEN": "t"}
    assert upload(told).agent == RemoteLedgerConfig("http://agent:7860", "t")
    with pytest.raises(SettingsError, match="OFFHOOK_AGENT_URL is 'agent', not an"):
        upload({"OFFHOOK_AGENT_URL": "agent"})


def test_secrets_of_tools_are_those_of_that_name_alone(read):
    settings = read(OFFHOOK_SECRET_SHOP="s3cret", OFFHOOK_TOKEN="t", SHOP="x")
    assert settings.secrets == {"OFFHOOK_SECRET_SHOP": "s3cret"}
    assert read(OFFHOOK_COUNTRY="de").country == "DE"


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"OFFHOOK_SMTP_HOST": "mail"}, "OFFHOOK_SMTP_FROM is '', not the address"),
        ({**MAIL, "OFFHOOK_SMTP_PORT": "0"}, "OFFHOOK_SMTP_PORT is 0, not between"),
        ({**MAIL, "OFFHOOK_SMTP_SECURITY": "ssl"}, "OFFHOOK_SMTP_SECURITY is 'ssl'"),
        ({"OFFHOOK_MESSAGE_URL": "sms"}, "OFFHOOK_MESSAGE_URL is 'sms', not an addr"),
        ({**SMS, "OFFHOOK_MESSAGE_BODY": "{"}, "OFFHOOK_MESSAGE_BODY is '{', not an"),
        ({**SMS, "OFFHOOK_MESSAGE_BODY": "[]"}, "OFFHOOK_MESSAGE_BODY is '[]', not "),
        ({"OFFHOOK_RECORDING_FORMAT": "ogg"}, "OFFHOOK_RECORDING_FORMAT is 'ogg', no"),
        ({"OFFHOOK_RETENTION_DAYS": "-1"}, "OFFHOOK_RETENTION_DAYS is -1, not betw"),
        ({"OFFHOOK_COUNTRY": "Germany"}, "OFFHOOK_COUNTRY is 'GERMANY', not ISO 31"),
    ],
)
def test_what_makes_no_sense_is_named(read, environment, says):
    with pytest.raises(SettingsError) as error:
        read(**environment)
    assert str(error.value).startswith(says)
