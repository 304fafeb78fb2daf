import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.contradictions import contradictions, idle
from agent.environment import SettingsError, upload
from agent.settings import read_settings, refusals
from agent.variables import Variables
from tests.test_settings import BUCKET, MAIL, SMS

OPENAI = {"OPENAI_API_KEY": "k", "OPENAI_MODEL": "gpt"}
AUDIOSOCKET = {"OFFHOOK_AUDIOSOCKET_PORT": "9000"}
AMI = {"OFFHOOK_AMI_PASSWORD": "secret"}


@pytest.fixture
def refused(tmp_path):
    def refused(environment):
        """The sentences with which the agent does not start."""
        try:
            read_settings({"OFFHOOK_DATA": str(tmp_path), **environment})
        except SettingsError as error:
            return str(error).splitlines()
        return []

    return refused


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        (
            {**BUCKET, "AWS_ACCESS_KEY_ID": "k"},
            "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not; set"
            " AWS_SECRET_ACCESS_KEY, or remove AWS_ACCESS_KEY_ID",
        ),
        (
            {**BUCKET, "AWS_SECRET_ACCESS_KEY": "k"},
            "AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not; set"
            " AWS_ACCESS_KEY_ID, or remove AWS_SECRET_ACCESS_KEY",
        ),
        (
            {"S3_ENDPOINT_URL": "http://s3:9000"},
            "S3_ENDPOINT_URL is 'http://s3:9000', and S3_BUCKET is not set: recordings"
            " would go to a folder; set S3_BUCKET, or remove S3_ENDPOINT_URL",
        ),
        (
            {**MAIL, "OFFHOOK_SMTP_USERNAME": "me"},
            "OFFHOOK_SMTP_USERNAME is set, and OFFHOOK_SMTP_KEY is not; set"
            " OFFHOOK_SMTP_KEY, or remove OFFHOOK_SMTP_USERNAME",
        ),
        (
            {**MAIL, "OFFHOOK_SMTP_KEY": "k"},
            "OFFHOOK_SMTP_KEY is set, and OFFHOOK_SMTP_USERNAME is not; set"
            " OFFHOOK_SMTP_USERNAME, or remove OFFHOOK_SMTP_KEY",
        ),
        (
            {"AZURE_OPENAI_BASE_URL": "https://a.openai.azure.com/openai/v1"},
            "AZURE_OPENAI_BASE_URL is set, and AZURE_OPENAI_API_KEY is not; set"
            " AZURE_OPENAI_API_KEY, or remove AZURE_OPENAI_BASE_URL",
        ),
        (
            {"AZURE_OPENAI_API_KEY": "k"},
            "AZURE_OPENAI_API_KEY is set, and AZURE_OPENAI_BASE_URL is not; set"
            " AZURE_OPENAI_BASE_URL, or remove AZURE_OPENAI_API_KEY",
        ),
        (
            {**OPENAI, "OFFHOOK_ENGINE_MODEL": "openai.other"},
            "OFFHOOK_ENGINE_MODEL is 'openai.other', and OPENAI_MODEL is 'gpt'; remove"
            " OPENAI_MODEL, or name the same model in both",
        ),
        (
            {
                "OFFHOOK_TTS_BASE_URL": "http://gpu/v1",
                "OFFHOOK_TTS_MODEL": "kokoro",
                "OFFHOOK_TTS": "openai.tts-1",
            },
            "OFFHOOK_TTS is 'openai.tts-1', and OFFHOOK_TTS_MODEL is 'kokoro'; remove"
            " OFFHOOK_TTS_MODEL, or name the same model in both",
        ),
        (
            {"OPENAI_MODEL": "gpt"},
            "OPENAI_MODEL is 'gpt', and OPENAI_API_KEY or OPENAI_BASE_URL is not set;"
            " set that, or name another provider",
        ),
        (
            {"OFFHOOK_ENGINE_MODEL": "vllm.qwen"},
            "OFFHOOK_ENGINE_MODEL is 'vllm.qwen', and VLLM_BASE_URL, as a rule"
            " http://127.0.0.1:8000/v1 is not set; set that, or name another provider",
        ),
        (
            {"OFFHOOK_STT": "deepgram.nova-3"},
            "OFFHOOK_STT is 'deepgram.nova-3', and DEEPGRAM_API_KEY is not set; set"
            " that, or name another provider",
        ),
        (
            {"OFFHOOK_TTS": "elevnlabs.flash"},
            "OFFHOOK_TTS is 'elevnlabs.flash', and there is no provider 'elevnlabs':"
            " there are elevenlabs, openai, piper; set that, or name another provider",
        ),
        (
            {"OLLAMA_BASE_URL": "gpu:11434/v1"},
            "OLLAMA_BASE_URL is 'gpu:11434/v1', which is no address; begin it with"
            " http:// or https://, and a host",
        ),
        (
            {"OFFHOOK_NC_URL": "http://127.0.0.1:8005"},
            "OFFHOOK_NC_URL is 'http://127.0.0.1:8005', which is no address; begin it"
            " with ws:// or wss://, and a host",
        ),
        (
            {**BUCKET, "S3_ENDPOINT_URL": "https://me:hush@[s3"},
            "S3_ENDPOINT_URL is '********', which is no address; begin it with http://"
            " or https://, and a host",
        ),
        (
            {"DATABASE_URL": "mysql://me:hush@db/calls"},
            "DATABASE_URL is of kind 'mysql'; write sqlite:///PATH or"
            " postgresql://USER:PASSWORD@HOST/NAME",
        ),
        (
            {"OFFHOOK_PORT": "7861"},
            "OFFHOOK_WORK_PORT is 7861, and so is OFFHOOK_PORT; choose another port for"
            " one of the two",
        ),
        (
            {**AUDIOSOCKET, "OFFHOOK_PORT": "9000", "OFFHOOK_HOST": "0.0.0.0"},
            "OFFHOOK_AUDIOSOCKET_PORT is 9000, and so is OFFHOOK_PORT; choose another"
            " port for one of the two",
        ),
        (
            {**AMI, "OFFHOOK_PORT": "5038", "OFFHOOK_AMI_HOST": "localhost"},
            "OFFHOOK_AMI_PORT is 5038, and so is OFFHOOK_PORT; choose another port for"
            " one of the two",
        ),
        (
            {"OFFHOOK_TURN_DONE_SECONDS": "1.5"},
            "OFFHOOK_TURN_DONE_SECONDS is 1.5, longer than OFFHOOK_TURN_UNSURE_SECONDS,"
            " which is 1; lower OFFHOOK_TURN_DONE_SECONDS, or raise"
            " OFFHOOK_TURN_UNSURE_SECONDS",
        ),
        (
            {"OFFHOOK_TURN_UNFINISHED_SECONDS": "0.5"},
            "OFFHOOK_TURN_UNSURE_SECONDS is 1, longer than"
            " OFFHOOK_TURN_UNFINISHED_SECONDS, which is 0.5; lower"
            " OFFHOOK_TURN_UNSURE_SECONDS, or raise OFFHOOK_TURN_UNFINISHED_SECONDS",
        ),
        (
            {"OFFHOOK_TURN_DICTATION_SECONDS": "0.3"},
            "OFFHOOK_TURN_DONE_SECONDS is 0.45, longer than"
            " OFFHOOK_TURN_DICTATION_SECONDS, which is 0.3; lower"
            " OFFHOOK_TURN_DONE_SECONDS, or raise OFFHOOK_TURN_DICTATION_SECONDS",
        ),
        (
            {**SMS, "OFFHOOK_MESSAGE_BODY": '{"to": "{to}"}'},
            "OFFHOOK_MESSAGE_BODY has no {text}: nobody would read what the AI writes;"
            " put {text} where the message is to stand",
        ),
        (
            {"OFFHOOK_ENDPOINTS": "a=http://a/v1 a=http://b/v1"},
            "OFFHOOK_ENDPOINTS has 'a' twice: keep one",
        ),
        (
            {"OFFHOOK_SMTP_PORT": "1", "OFFHOOK_SMTP_PORT_FILE": "/x"},
            "OFFHOOK_SMTP_PORT and OFFHOOK_SMTP_PORT_FILE are both set: keep one;"
            " correct this variable",
        ),
    ],
)
def test_what_can_never_be_meant(refused, environment, says):
    assert refused(environment) == [says]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {**BUCKET, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"},
        {**BUCKET, "OFFHOOK_RECORDINGS": "/kept/before/there/was/a/bucket"},
        {"S3_BUCKET": "b", "AWS_REGION": "eu-central-1"},
        {"AWS_ACCESS_KEY_ID": "of somebody else"},
        {**MAIL, "OFFHOOK_SMTP_USERNAME": "me", "OFFHOOK_SMTP_KEY": "k"},
        {"OFFHOOK_SMTP_USERNAME": "me"},
        OPENAI,
        {"OPENAI_API_KEY": "k", "OFFHOOK_ENGINE_MODEL": "openai.gpt"},
        {**OPENAI, "OFFHOOK_ENGINE_MODEL": "openai.gpt"},
        {**OPENAI, "OFFHOOK_TTS": "openai.tts-1", "OFFHOOK_STT": "openai.whisper-1"},
        {"OFFHOOK_STT": "whisper.base", "OFFHOOK_TTS": "piper.piper"},
        {"OFFHOOK_ENDPOINTS": "far=https://k@far/v1", "OFFHOOK_ENGINE_MODEL": "far.m"},
        {"OFFHOOK_STT_API_KEY": "k", "OFFHOOK_STT": "openai.whisper-1"},
        {
            "GROQ_API_KEY": "k",
            "OFFHOOK_ENGINE_MODEL": "groq.m",
            "OFFHOOK_STT": "groq.w",
        },
        {"DATABASE_URL": "postgresql+psycopg://me:pw@db/calls"},
        {"DATABASE_URL": "sqlite:////srv/calls.db"},
        {"OFFHOOK_PORT": "7861", "OFFHOOK_WORK": "off"},
        {"OFFHOOK_PORT": "7861", "OFFHOOK_HOST": "192.0.2.7"},
        {"OFFHOOK_PORT": "7861", "OFFHOOK_WORK_PORT": "0"},
        {**AUDIOSOCKET, "OFFHOOK_AUDIOSOCKET_HOST": "0.0.0.0"},
        {**AMI, "OFFHOOK_AMI_HOST": "192.0.2.9", "OFFHOOK_PORT": "5038"},
        {"OFFHOOK_PORT": "5038", "OFFHOOK_AMI_PORT": "5038"},
        {
            "OFFHOOK_TURN_DONE_SECONDS": "1.5",
            "OFFHOOK_TURN_UNSURE_SECONDS": "1.5",
            "OFFHOOK_TURN_UNFINISHED_SECONDS": "1.5",
        },
        {**SMS, "OFFHOOK_MESSAGE_BODY": '{"body": "{text}"}'},
        {"OFFHOOK_LOG_WORDS": "yes", "OFFHOOK_LOG_LEVEL": "DEBUG"},
    ],
)
def test_what_may_well_be_meant(refused, environment):
    assert refused(environment) == []


def test_all_are_told_at_once(refused):
    said = refused(
        {
            "OFFHOOK_PROT": "1",
            "OFFHOOK_FOO_BAR_BAZ": "1",
            "OFFHOOK_PORT": "7861",
            "OFFHOOK_STT": "deepgram.nova-3",
            "S3_ENDPOINT_URL": "s3:9000",
        }
    )
    assert [line.split()[0] for line in said] == [
        "OFFHOOK_FOO_BAR_BAZ",
        "OFFHOOK_PROT",
        "S3_ENDPOINT_URL",
        "S3_ENDPOINT_URL",
        "OFFHOOK_WORK_PORT",
        "OFFHOOK_STT",
    ]
    assert said[0].endswith("that nobody reads; delete it")
    assert said[1].endswith("that nobody reads; did you mean OFFHOOK_PORT?")


def test_an_ai_whose_provider_is_not_there(refused, tmp_path):
    file = tmp_path / "ais.toml"
    file.write_text(
        '[ai.desk]\nprompt = "x"\nstt = "deepgram.nova-3"\n'
        '[ai.shop]\nprompt = "x"\nengine_model = "groq.llama"\n'
        '[ai.well]\nprompt = "x"\n'
    )
    desk, shop = refused({"OFFHOOK_AIS": str(file)})
    assert desk.startswith("OFFHOOK_AIS: AI 'desk': stt is 'deepgram.nova-3', and")
    assert "DEEPGRAM_API_KEY not set" in desk
    assert shop.startswith("OFFHOOK_AIS: AI 'shop': engine_model is 'groq.llama', and")
    key = {"DEEPGRAM_API_KEY": "k", "GROQ_API_KEY": "k"}
    assert refused({"OFFHOOK_AIS": str(file), **key}) == []


@pytest.mark.parametrize("read_before", [True, False])
def test_the_line_to_change_is_that_of_the_file(tmp_path, read_before):
    file = tmp_path / "user"
    file.write_text("hush")
    given = {**MAIL, "OFFHOOK_DATA": str(tmp_path)}
    if read_before:  # as `offhook serve` does, for libraries
        named = {"OFFHOOK_SMTP_USERNAME": "OFFHOOK_SMTP_USERNAME_FILE"}
        variables = Variables({**given, "OFFHOOK_SMTP_USERNAME": "hush"}, named)
    else:
        variables = Variables({**given, "OFFHOOK_SMTP_USERNAME_FILE": str(file)})
    (found,) = refusals(read_settings(variables, look_only=True), variables)
    assert found.variable == "OFFHOOK_SMTP_KEY"
    assert str(found) == (
        "OFFHOOK_SMTP_USERNAME_FILE is set, and OFFHOOK_SMTP_KEY is not; set"
        " OFFHOOK_SMTP_KEY, or remove OFFHOOK_SMTP_USERNAME_FILE"
    )


def test_who_only_looks_is_not_refused(tmp_path):
    given = {"OFFHOOK_DATA": str(tmp_path), "OFFHOOK_PORT": "7861"}
    assert read_settings(given, look_only=True).port == 7861


def test_the_uploader_minds_its_own_variables_alone():
    with pytest.raises(SettingsError, match="S3_BUCKET is not set"):
        upload({"S3_ENDPOINT_URL": "http://s3:9000"})
    with pytest.raises(SettingsError, match="AWS_SECRET_ACCESS_KEY is not"):
        upload({**BUCKET, "AWS_ACCESS_KEY_ID": "k"})
    upload({**MAIL, **BUCKET, "OFFHOOK_SMTP_KEY": "k", "OFFHOOK_PORT": "7861"})


def test_looking_is_not_reading():
    variables = Variables({"OFFHOOK_TOKEN": "a"})
    contradictions(variables)
    list(idle(variables))
    assert variables.look("OFFHOOK_TOKEN").value == "a"
    assert variables.read == {}


@pytest.mark.parametrize(
    ("environment", "name", "why"),
    [
        ({"OFFHOOK_SMTP_PORT": "25"}, "OFFHOOK_SMTP_PORT", "OFFHOOK_SMTP_HOST"),
        ({"OFFHOOK_MESSAGE_TOKEN": "t"}, "OFFHOOK_MESSAGE_TOKEN", "OFFHOOK_MESSAGE_U"),
        ({"OFFHOOK_AMI_HOST": "pbx"}, "OFFHOOK_AMI_HOST", "OFFHOOK_AMI_PASSWORD"),
        (
            {"OFFHOOK_AUDIOSOCKET_HOST": "10.0.0.5"},
            "OFFHOOK_AUDIOSOCKET_HOST",
            "OFFHOOK_AUDIOSOCKET_PORT",
        ),
        (
            {"OFFHOOK_EMBEDDINGS_API_KEY": "k"},
            "OFFHOOK_EMBEDDINGS_API_KEY",
            "OFFHOOK_EMBEDDINGS_URL",
        ),
        ({"OFFHOOK_TTS_RATE": "16000"}, "OFFHOOK_TTS_RATE", "OFFHOOK_TTS_BASE_URL"),
        ({"VLLM_API_KEY": "k"}, "VLLM_API_KEY", "VLLM_BASE_URL"),
        ({"S3_CREATE_BUCKET": "no"}, "S3_CREATE_BUCKET", "S3_BUCKET"),
        (
            {"OTEL_EXPORTER_OTLP_HEADERS": "a=b"},
            "OTEL_EXPORTER_OTLP_HEADERS",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
        ),
        (
            {"OFFHOOK_LOG_WORDS": "yes", "OFFHOOK_LOG_LEVEL": "WARNING"},
            "OFFHOOK_LOG_WORDS",
            "OFFHOOK_LOG_LEVEL is WARNING",
        ),
        (
            {**OPENAI, "GROQ_API_KEY": "k", "OFFHOOK_ENGINE_MODEL": "groq.m"},
            "OPENAI_MODEL",
            "OFFHOOK_ENGINE_MODEL is groq.m",
        ),
        (
            {
                "ELEVENLABS_API_KEY": "k",
                "OFFHOOK_TTS": "elevenlabs.m",
                "OFFHOOK_TTS_MODEL": "kokoro",
            },
            "OFFHOOK_TTS_MODEL",
            "OFFHOOK_TTS is elevenlabs.m",
        ),
    ],
)
def test_what_has_no_effect(refused, environment, name, why, tmp_path):
    assert refused(environment) == []
    variables = Variables({"OFFHOOK_DATA": str(tmp_path), **environment})
    read_settings(variables)
    ((found, reason),) = idle(variables)
    assert found == name
    assert reason.startswith(why) or why in reason


def test_what_is_used_is_not_idle(tmp_path):
    environment = {
        **MAIL,
        **SMS,
        **BUCKET,
        **AMI,
        **AUDIOSOCKET,
        **OPENAI,
        "OFFHOOK_DATA": str(tmp_path),
        "OFFHOOK_SMTP_PORT": "465",
        "OFFHOOK_MESSAGE_BODY": json.dumps({"text": "{text}"}),
        "S3_CREATE_BUCKET": "no",
        "OFFHOOK_AMI_HOST": "pbx",
        "OFFHOOK_AUDIOSOCKET_HOST": "10.0.0.5",
        "OFFHOOK_TTS_VOICE": "nova",
        "OFFHOOK_LOG_WORDS": "yes",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces",
        "OTEL_EXPORTER_OTLP_HEADERS": "a=b",
    }
    variables = Variables(environment)
    read_settings(variables)
    assert list(idle(variables)) == []


def test_what_compose_sets_by_itself_is_neither():
    """It passes on empty variables, and few that are not."""
    compose = (Path(__file__).parent.parent / "compose.yaml").read_text()
    passed = [
        line.split(":")[0].strip()
        for line in compose.splitlines()
        if line.strip().startswith(("OFFHOOK_", "S3_", "AWS_", "OPENAI_"))
    ]
    given = dict.fromkeys(passed, "") | {"OFFHOOK_AMI_PORT": "5038"}
    variables = Variables(given)
    assert contradictions(variables) == []
    assert list(idle(variables)) == []


def test_the_agent_says_all_of_it_and_does_not_start(tmp_path):
    file = tmp_path / "key"
    file.write_text("hush\n")
    environment = {
        "OFFHOOK_DATA": str(tmp_path),
        "OFFHOOK_PORT": "7861",
        "S3_BUCKET": "b",
        "AWS_ACCESS_KEY_ID_FILE": str(file),
    }
    command = [sys.executable, "-m", "agent", "serve"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    keys, ports = done.stderr.splitlines()
    assert keys.startswith("offhook: AWS_ACCESS_KEY_ID_FILE is set, and AWS_SECRET_AC")
    assert ports.startswith("offhook: OFFHOOK_WORK_PORT is 7861, and so is OFFHOOK_PO")
