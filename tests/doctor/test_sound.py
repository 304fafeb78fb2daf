"""Set-ups that are well: the doctor must not say a word against them."""

import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import boto3
import certifi
import pytest
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse

from agent.storage.database import Database
from tests.fakes.provider import Running

from .setup import SetUp, as_text, somebody

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
    authority.write_text(Path(certifi.where()).read_text())
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


def before_the_start(setup: SetUp) -> None:
    setup.before_start = True
    with somebody(socket.SOCK_DGRAM) as sip:
        setup.site["SIP_PORT"] = str(sip)
    with (
        somebody(socket.SOCK_STREAM) as port,
        somebody(socket.SOCK_STREAM) as work,
    ):
        setup.environment |= {"OFFHOOK_PORT": str(port), "OFFHOOK_WORK_PORT": str(work)}
    setup.site["AGENT_URL"] = f"ws://127.0.0.1:{port}/telephony/ws"


def phone_with_more_codecs(setup: SetUp) -> None:
    setup.edit("pjsip.conf", "allow = ulaw,alaw", "allow = opus,g722,ulaw,alaw")


def fresh_jobs(setup: SetUp) -> None:
    spool = setup.folder / "data" / "spool"
    spool.mkdir()
    (spool / "1.job").write_text("{}")
    (setup.folder / "monitor" / "1.wav").write_bytes(bytes(44))


def own_codecs(setup: SetUp) -> None:
    setup.edit("pjsip.conf", "disallow = all\n", "")
    setup.edit("pjsip.conf", "allow = ulaw,alaw", "allow = !all,g722,ulaw:20,alaw")


def own_comments(setup: SetUp) -> None:
    setup.edit("pjsip.conf", "[line](!)", ";--- lines ---\n;-- a\nb\n--;\n[line](!)")
    setup.edit("rtp.conf", "[general]", ";\n;;--;;\n[general]\t; of all")


def hard_password(setup: SetUp) -> None:
    password = "a;b # c$HOME 'd'"
    setup.environment["OFFHOOK_MEDIA_PASSWORD"] = password
    setup.site["AGENT_PASSWORD"] = password


def from_windows(setup: SetUp) -> None:
    """Ends of lines, and the mark at the beginning."""
    setup.edit("rtp.conf", "[general]", "\ufeff[general]\r")
    setup.edit("extensions.conf", "[connect]\n", "[connect]\r\n")


def own_dialplan(setup: SetUp) -> None:
    """What a house with an Asterisk of its own adds."""
    setup.edit(
        "extensions.conf",
        "[from-internal]\n",
        "[outside]\n"
        "exten => _0Z.,1,Set(CALLERID(num)=${MAIN_NUMBER})\n"
        " same => n,Dial(PJSIP/${EXTEN:1}@trunk,60)\n"
        " same => n,Gosub(sub-end,s,1(${DIALSTATUS}))\n"
        " same => n,Hangup()\n"
        "[sub-end]\n"
        "exten => s,1,NoOp(${ARG1} ${LEN(${EXTEN})} $[1 + 1])\n"
        ' same => n,ExecIf($["${ARG1}" = "BUSY"]?Playback(tt-allbusy):NoOp())\n'
        " same => n,GotoIf($[${LEN(${ARG1})} > 3]?end:end)\n"
        " same => n(end),Return()\n"
        "[from-internal]\n"
        "include => outside\n"
        "exten => 100,hint,PJSIP/100\n"
        "exten => 500,1,Goto(500-day,1)\n"
        "exten => 500-day,1,Goto(agent,1000,1)\n"
        "exten => h,1,NoOp(over)\n",
    )
    setup.edit("extensions.conf", "[globals]\n", "[globals]\nMAIN_NUMBER = 15550100\n")


def own_line_to_the_agent(setup: SetUp) -> None:
    """Written out, without the variables of ours."""
    monitor = setup.site["RECORDINGS"]
    setup.edit(
        "extensions.conf", "${RECORDINGS}/${UNIQUEID}", f"{monitor}/${{UNIQUEID}}"
    )
    setup.edit(
        "extensions.conf",
        "v(${QUERY})",
        "v(call_id=${URIENCODE(${UNIQUEID})},ai=sales)",
    )


def ways_to_people(setup: SetUp) -> None:
    setup.site["FALLBACK"] = "PJSIP/100&PJSIP/101"
    ais = setup.folder / "ais.toml"
    ais.write_text(
        '[ai.desk]\nprompt = "x"\nhuman = "100"\ntool_names = ["connect_call"]\n'
        '[ai.desk.policy]\nextensions = ["101"]\n'
    )
    setup.environment["OFFHOOK_AIS"] = str(ais)
    setup.edit(
        "extensions.conf",
        ";exten => 1001,1,Set(AI=sales)\n; same",
        "exten => 1001,1,Set(AI=desk)\n same",
    )


def spared_by_the_proxy(setup: SetUp) -> None:
    setup.environment |= {
        "http_proxy": "http://127.0.0.1:9",
        "no_proxy": "localhost,127.0.0.1",
    }


def whole_path(setup: SetUp) -> None:
    setup.environment["DATABASE_URL"] = f"sqlite:///{setup.folder}/data/calls.db"


def carrier_we_register_with(setup: SetUp) -> None:
    setup.edit(
        "pjsip-trunk.conf",
        "[trunk]\ntype = identify",
        "[trunk-login]\ntype = auth\nauth_type = userpass\nusername = house\n"
        "password = long enough for us\n"
        "[trunk]\ntype = registration\noutbound_auth = trunk-login\n"
        "server_uri = sip:203.0.113.1\nclient_uri = sip:house@203.0.113.1\n"
        "retry_interval = 60\n"
        "[trunk]\ntype = identify",
    )
    setup.edit(
        "pjsip-trunk.conf", "aors = trunk", "aors = trunk\noutbound_auth = trunk-login"
    )


def phone_at_a_fixed_address(setup: SetUp) -> None:
    setup.edit(
        "pjsip-extensions.conf",
        "[101](phone-aor)",
        "[101]\ntype = aor\ncontact = sip:101@127.0.0.9\n",
    )


def variables_of_phones(setup: SetUp) -> None:
    setup.edit(
        "pjsip-extensions.conf", "aors = 100", "aors = 100\nset_var = DEPARTMENT=sales"
    )
    setup.edit(
        "extensions.conf",
        "[from-internal]\n",
        "[from-internal]\nexten => 600,1,NoOp(${DEPARTMENT})\n",
    )


def one_spool(setup: SetUp) -> None:
    spool = setup.folder / "spool"
    setup.environment["OFFHOOK_SPOOL"] = setup.spool_of_asterisk = str(spool)


def generous_asterisk(setup: SetUp) -> None:
    setup.edit(
        "asterisk.conf", "[options]", "[options]\nmaxcalls = 100\nmaxfiles = 9000"
    )
    setup.edit("logger.conf", "full => ", "full => debug,verbose(5),")


def server_that_tells_nothing(setup: SetUp) -> None:
    setup.beside.models = None


def other_order_of_codecs(setup: SetUp) -> None:
    setup.edit("pjsip.conf", "allow = ulaw,alaw", "allow = alaw,ulaw")


def own_names(setup: SetUp) -> None:
    setup.edit("pjsip-trunk.conf", "from-trunk", "carrier-in")
    setup.edit("pjsip-extensions.conf", "from-internal", "house")
    for old, new in (
        ("from-trunk", "carrier-in"),
        ("from-internal", "house"),
        ("agent-missing", "nobody"),
        ("call-over", "the-end"),
        ("[agent]", "[ask-ai]"),
        ("Goto(agent,", "Goto(ask-ai,"),
    ):
        setup.edit("extensions.conf", old, new)


def two_agents(setup: SetUp) -> None:
    """The second has what the first does not take."""
    setup.edit(
        "websocket_client.conf",
        "[ai_media]",
        "[ai_second]\ntype = websocket_client\nuri = ws://127.0.0.9:1/telephony/ws\n"
        "protocols = media\nusername = asterisk\npassword = one of its own\n"
        "connection_type = per_call_config\n[ai_media]",
    )
    missing = ' same => n,GotoIf($["${DIALSTATUS}" != "ANSWER"]?agent-missing,s,1)\n ; '
    setup.edit(
        "extensions.conf",
        missing,
        ' same => n,ExecIf($["${DIALSTATUS}" != "ANSWER"]'
        f"?Dial(WebSocket/ai_second/c(ulaw)f(json)v(${{QUERY}}),,g))\n{missing}",
    )


def own_voices(setup: SetUp) -> None:
    ais = setup.folder / "ais.toml"
    ais.write_text(
        'default = "empfang"\n[ai.empfang]\nprompt = "Du bist am Empfang."\n'
        'language = "de-DE"\nvoice = "thorsten"\nstt_language = "auto"\n[ai.desk]\n'
        'prompt = "x"\nvoice = "nova"\nengine_model = "openai.fake"\n'
    )
    setup.environment["OFFHOOK_AIS"] = str(ais)


def tcp_as_well(setup: SetUp) -> None:
    port = setup.site["SIP_PORT"]
    setup.edit(
        "pjsip.conf",
        "[line](!)",
        f"[tcp]\ntype = transport\nprotocol = tcp\nbind = 127.0.0.1:{port}\n[line](!)",
    )
    setup.edit("pjsip-extensions.conf", "[101](phone)", "[101](phone)\ntransport = tcp")


def office_hours(setup: SetUp) -> None:
    setup.edit(
        "extensions.conf",
        "exten => _[+0-9]!,1,Goto(agent,${EXTEN},1)",
        "exten => _[+0-9]!,1,GotoIfTime(08:00-18:00,mon-fri,*,*?agent,${EXTEN},1)\n"
        " same => n,Set(AI=night)\n same => n,Goto(agent,${EXTEN},1)",
    )
    ais = setup.folder / "ais.toml"
    ais.write_text('[ai.day]\nprompt = "x"\n[ai.night]\nprompt = "y"\n')
    setup.environment["OFFHOOK_AIS"] = str(ais)


def mailbox(setup: SetUp) -> None:
    """Its messages are kept in a database."""
    setup.edit("modules.conf", "load=app_exec.so", "load=app_voicemail_odbc.so")
    setup.edit("modules.conf", "[modules]", "[modules]\nload=app_exec.so")
    setup.edit(
        "extensions.conf",
        "[from-internal]\n",
        "[from-internal]\nexten => 700,1,VoiceMail(100@house,u)\n",
    )


def split_dialplan(setup: SetUp) -> None:
    folder = setup.conf / "extensions.d"
    folder.mkdir(parents=True)
    (folder / "own.conf").write_text("[own]\nexten => 700,1,Goto(agent,1000,1)\n")
    setup.edit(
        "extensions.conf", "[globals]", '#include "extensions.d/*.conf"\n[globals]'
    )


def tools_and_their_secrets(setup: SetUp) -> None:
    setup.environment |= {"OFFHOOK_SECRET_SHOP": "hush", "OFFHOOK_COUNTRY": "GB"}
    ais = setup.folder / "ais.toml"
    ais.write_text(
        '[ai.desk]\nprompt = "x"\nhuman = "100"\ntool_names = ["stock"]\n'
        '[[ai.desk.http_tools]]\nname = "stock"\ndescription = "How many there are."\n'
        'url = "https://shop.example/stock"\nsecret = "OFFHOOK_SECRET_SHOP"\n'
    )
    setup.environment["OFFHOOK_AIS"] = str(ais)


def patient_and_open(setup: SetUp) -> None:
    setup.environment |= {"OFFHOOK_HOST": "0.0.0.0", "OFFHOOK_TOKEN": "t" * 32}
    setup.edit("pjsip.conf", "rtp_timeout = 60", "rtp_timeout = 30")
    setup.edit(
        "manager.conf",
        "permit = 127.0.0.1/255.255.255.255",
        "permit = 127.0.0.0/8\npermit = 10.0.0.0/8",
    )


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
    before_the_start,
    phone_with_more_codecs,
    fresh_jobs,
    own_codecs,
    own_comments,
    hard_password,
    from_windows,
    own_dialplan,
    own_line_to_the_agent,
    ways_to_people,
    spared_by_the_proxy,
    whole_path,
    carrier_we_register_with,
    phone_at_a_fixed_address,
    variables_of_phones,
    one_spool,
    generous_asterisk,
    server_that_tells_nothing,
    other_order_of_codecs,
    own_names,
    two_agents,
    own_voices,
    tcp_as_well,
    office_hours,
    mailbox,
    split_dialplan,
    tools_and_their_secrets,
    patient_and_open,
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
        # A worker on another machine shares the database.
        worker = {"OFFHOOK_WORK": "off", "OFFHOOK_WORK_PORT": "1"}
        setup.environment |= {"DATABASE_URL": url, **worker}
        setup.render()
        wrong = await setup.wrong()
    tally["postgresql"] = len(wrong)
    assert not wrong, as_text(wrong)


@pytest.mark.parametrize("form", ["postgres", "postgresql+psycopg"])
async def test_no_false_alarm_with_another_name_of_postgresql(
    form, setup, postgres_server, tally
):
    with postgres_server.copy_of("template1") as url:
        database = Database(url)
        await database.open()
        await database.close()
        setup.environment["DATABASE_URL"] = f"{form}://{url.partition('://')[2]}"
        setup.render()
        wrong = await setup.wrong()
    tally[form] = len(wrong)
    assert not wrong, as_text(wrong)


async def test_no_false_alarm_with_servers_that_answer(setup, tally):
    """Of embeddings, and a collector of traces."""
    app = FastAPI()

    @app.post("/v1/embeddings")
    async def embed() -> Response:
        return JSONResponse({"data": [{"embedding": [0.5], "index": 0}]})

    @app.post("/v1/traces")
    async def collect() -> Response:
        return JSONResponse({})

    async with Running(app) as url:
        setup.environment |= {
            "OFFHOOK_EMBEDDINGS_URL": f"{url}/v1",
            "OFFHOOK_EMBEDDINGS_MODEL": "bge-m3",
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        }
        setup.render()
        wrong = await setup.wrong()
    tally["servers that answer"] = len(wrong)
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


async def test_an_ai_of_the_api_is_known(setup, tally):
    url = f"sqlite:///{setup.folder}/data/offhook.db"
    database = Database(url)
    await database.open()
    await database.close()
    with sqlite3.connect(setup.folder / "data" / "offhook.db") as connection:
        connection.execute(
            "INSERT INTO ais (customer, name, version, source, created_at, updated_at)"
            " VALUES ('default', 'sales', 1, 'api', '2026-11-21', '2026-11-21')"
        )
    connection.close()
    setup.edit(
        "extensions.conf",
        ";exten => 1001,1,Set(AI=sales)\n; same",
        "exten => 1001,1,Set(AI=sales)\n same",
    )
    setup.render()
    wrong = await setup.wrong()
    tally["AI of the API"] = len(wrong)
    assert not wrong, as_text(wrong)
