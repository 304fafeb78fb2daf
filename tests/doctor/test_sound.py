"""Set-ups that are well: the doctor must not say a word against them."""

from collections.abc import Callable

import boto3
import pytest

from agent.storage.database import Database

from .setup import SetUp, as_text

pytestmark = pytest.mark.models


def plain(setup: SetUp) -> None:
    pass


def permission_of_ami(setup: SetUp) -> None:
    """As our manager.conf has it: the version cannot be asked for."""
    setup.beside.ami_may = False


def without_ami(setup: SetUp) -> None:
    del setup.environment["OFFHOOK_AMI_PASSWORD"]


def other_data(setup: SetUp) -> None:
    setup.environment["OFFHOOK_DATA"] = str(setup.folder / "a" / "deeper" / "folder")


def default_monitor(setup: SetUp) -> None:
    del setup.environment["OFFHOOK_MONITOR"]
    monitor = setup.folder / "data" / "monitor"
    monitor.mkdir()
    setup.site["RECORDINGS"] = str(monitor)


def linked_monitor(setup: SetUp) -> None:
    link = setup.folder / "link"
    link.symlink_to(setup.folder / "monitor")
    setup.site["RECORDINGS"] = str(link)


def everywhere_with_token(setup: SetUp) -> None:
    setup.environment |= {"OFFHOOK_HOST": "0.0.0.0", "OFFHOOK_TOKEN": "t" * 32}


def by_name(setup: SetUp) -> None:
    setup.site["AGENT_URL"] = setup.site["AGENT_URL"].replace("127.0.0.1", "localhost")


def by_tls(setup: SetUp) -> None:
    """A proxy in front of the agent speaks TLS."""
    authority = setup.folder / "ca.pem"
    authority.write_text("")
    setup.site |= {
        "AGENT_URL": "wss://agent.example/telephony/ws",
        "AGENT_TLS": "yes",
        "AGENT_CA_FILE": str(authority),
    }


def by_audiosocket(setup: SetUp) -> None:
    setup.environment["OFFHOOK_AUDIOSOCKET_PORT"] = "9017"
    setup.site["AUDIOSOCKET"] = "127.0.0.1:9017"
    setup.edit("extensions.conf", ";exten => 1002", "exten => 1002")


def audiosocket_only(setup: SetUp) -> None:
    """An Asterisk before chan_websocket: docs/audiosocket.md."""
    by_audiosocket(setup)
    for name in ("res_websocket_client", "chan_websocket"):
        setup.edit("modules.conf", f"require={name}.so\n", "")
    setup.edit("modules.conf", "load=res_http_websocket.so\n", "")
    setup.beside.ami_may = False


def all_modules(setup: SetUp) -> None:
    setup.edit("modules.conf", "autoload=no", "autoload=yes")


def few_ports(setup: SetUp) -> None:
    setup.environment["OFFHOOK_MAX_CALLS"] = "5"
    setup.site |= {"RTP_FIRST_PORT": "20000", "RTP_LAST_PORT": "20009"}


def many_calls(setup: SetUp) -> None:
    setup.environment["OFFHOOK_MAX_CALLS"] = "400"


def trunk_in_house(setup: SetUp) -> None:
    setup.site |= {"SIP_ADDRESS": "0.0.0.0", "TRUNK_ADDRESS": "10.1.2.0/24"}


def trunk_behind_nat(setup: SetUp) -> None:
    setup.site |= {"SIP_ADDRESS": "0.0.0.0", "TRUNK_ADDRESS": "8.8.4.4"}
    for name in ("external_signaling", "external_media"):
        setup.edit(
            "pjsip.conf",
            f";{name}_address = 203.0.113.7",
            f"{name}_address = 8.8.8.8",
        )
    setup.edit("pjsip.conf", ";local_net", "local_net")


def second_trunk(setup: SetUp) -> None:
    setup.edit(
        "pjsip-trunk.conf",
        "contact = sip:203.0.113.1",
        "contact = sip:203.0.113.1\n"
        "[other](line)\ncontext = from-trunk\nidentify_by = ip\naors = other\n"
        "[other]\ntype = identify\nendpoint = other\nmatch = 198.51.100.9\n"
        "[other]\ntype = aor\ncontact = sip:198.51.100.9",
    )


def another_ai(setup: SetUp) -> None:
    setup.edit(
        "extensions.conf", ";exten => 1001,1,Set(AI=sales)", "exten => 1001,1,NoOp()"
    )
    ais = setup.folder / "ais.toml"
    ais.write_text('[ai.a]\nprompt = "You sell."\n[ai.b]\nprompt = "You buy."\n')
    setup.environment["OFFHOOK_AIS"] = str(ais)


def named_endpoint(setup: SetUp) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_MODEL"):
        del setup.environment[name]
    setup.environment |= {
        "OFFHOOK_ENDPOINTS": f"far={setup.provider}/v1",
        "OFFHOOK_ENGINE_MODEL": "far.fake",
    }


def known_server(setup: SetUp) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_MODEL"):
        del setup.environment[name]
    setup.environment |= {
        "VLLM_BASE_URL": f"{setup.provider}/v1",
        "OFFHOOK_ENGINE_MODEL": "vllm.fake",
    }


def secrets_in_files(setup: SetUp) -> None:
    file = setup.folder / "token"
    file.write_text("t" * 32 + "\n")
    setup.environment["OFFHOOK_SECRET_SHOP"] = "hush"
    setup.environment["OFFHOOK_TOKEN"] = file.read_text()


def names_of_scripts(setup: SetUp) -> None:
    setup.environment |= {"OFFHOOK_LAN": "1", "OFFHOOK_CACHE": str(setup.folder)}


def empty_variables(setup: SetUp) -> None:
    """As compose hands on what is not set."""
    setup.environment |= {"OFFHOOK_SMTP_HOST": "", "S3_BUCKET": "", "OFFHOOK_STTT": ""}


def worker_elsewhere(setup: SetUp) -> None:
    setup.environment |= {"OFFHOOK_WORK": "off", "OFFHOOK_WORK_PORT": "1"}


def before_the_start(setup: SetUp) -> None:
    setup.before_start = True
    setup.site["SIP_PORT"] = "5062"
    setup.environment |= {"OFFHOOK_PORT": "17861", "OFFHOOK_WORK_PORT": "17862"}
    setup.site["AGENT_URL"] = "ws://127.0.0.1:17861/telephony/ws"


def phone_with_more_codecs(setup: SetUp) -> None:
    setup.edit("pjsip.conf", "allow = ulaw,alaw", "allow = opus,g722,ulaw,alaw")


def fresh_jobs(setup: SetUp) -> None:
    spool = setup.folder / "data" / "spool"
    spool.mkdir()
    (spool / "1.job").write_text("{}")
    (setup.folder / "monitor" / "1.wav").write_bytes(bytes(44))


SOUND = [
    plain,
    permission_of_ami,
    without_ami,
    other_data,
    default_monitor,
    linked_monitor,
    everywhere_with_token,
    by_name,
    by_tls,
    by_audiosocket,
    audiosocket_only,
    all_modules,
    few_ports,
    many_calls,
    trunk_in_house,
    trunk_behind_nat,
    second_trunk,
    another_ai,
    named_endpoint,
    known_server,
    secrets_in_files,
    names_of_scripts,
    empty_variables,
    worker_elsewhere,
    before_the_start,
    phone_with_more_codecs,
    fresh_jobs,
]


@pytest.fixture(scope="module")
def tally():
    alarms: dict[str, int] = {}
    yield alarms
    false = sum(map(bool, alarms.values()))
    print(f"\ndoctor: false alarms on {false} of {len(alarms)} sound set-ups")


@pytest.mark.parametrize("vary", SOUND)
async def test_no_false_alarm(vary: Callable[[SetUp], None], setup, tally):
    vary(setup)
    setup.render()
    wrong = await setup.wrong()
    tally[vary.__name__] = len(wrong)
    assert not wrong, as_text(wrong)


async def test_no_false_alarm_with_postgresql(setup, postgres_server, tally):
    with postgres_server.copy_of("template1") as url:
        database = Database(url)
        await database.open()
        await database.close()
        setup.environment["DATABASE_URL"] = url
        setup.render()
        wrong = await setup.wrong()
    tally["postgresql"] = len(wrong)
    assert not wrong, as_text(wrong)


async def test_no_false_alarm_with_a_database_of_sqlite(setup, tally):
    database = Database(f"sqlite:///{setup.folder}/data/offhook.db")
    await database.open()
    await database.close()
    setup.render()
    wrong = await setup.wrong()
    tally["sqlite"] = len(wrong)
    assert not wrong, as_text(wrong)


@pytest.mark.parametrize("there", [True, False])
async def test_no_false_alarm_with_a_bucket(there, setup, moto_url, monkeypatch, tally):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    client = boto3.client("s3", endpoint_url=moto_url, region_name="us-east-1")
    name = f"kept-{there}".lower()
    if there:
        client.create_bucket(Bucket=name)
    setup.environment |= {"S3_BUCKET": name, "S3_ENDPOINT_URL": moto_url}
    setup.render()
    wrong = await setup.wrong()
    tally[f"bucket {there}"] = len(wrong)
    assert not wrong, as_text(wrong)
    if there:
        assert client.list_objects_v2(Bucket=name)["KeyCount"] == 0


async def test_a_machine_without_asterisks_files(setup, tally):
    """Neither named nor there: nothing is said of them."""
    from agent.doctor.checks import findings
    from agent.doctor.finding import status
    from agent.doctor.site import Machine, look

    machine = Machine(lambda: 65536, lambda _: 2**40)
    found = await findings(look(setup.environment, machine=machine))
    tally["no files"] = status(found)
    assert status(found) == 0, as_text(found)
