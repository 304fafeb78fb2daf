import re
from dataclasses import fields, replace
from pathlib import Path

import httpx
import pytest

from agent.calls.ai import AIError, read
from agent.calls.toolbox import HttpTool, McpServer, Policy
from agent.conversation.tools.builtin import TOOLS
from agent.conversation.tools.toolbox import RECORDING, Toolbox
from tests.fakes.control import (
    FakeControl,
    FakeEmails,
    FakeKnowledge,
    FakeMessages,
)

from .setup import ai

SHOP = HttpTool("order_status", "Look up an order.", "https://shop.example")
VOICE_ONLY = {"connect_call", "stop_media", "stop_flow", "end_call", *RECORDING}
CARD = HttpTool(
    "card",
    "",
    "https://pay.example/cards",
    parameters={
        "properties": {"keys": {"type": "string", "pattern": "^[0-9]{13,19}$"}}
    },
)
CRM = McpServer("crm", url="http://127.0.0.1:9/mcp", tools=("find", "add.note"))


@pytest.fixture
def http():
    return httpx.AsyncClient(verify=False)


@pytest.fixture
def toolbox(http):
    return Toolbox(
        http,
        emails=FakeEmails(),
        messages=FakeMessages(),
        knowledge=FakeKnowledge(),
        secrets={"SHOP_KEY": "s3cret"},
        recorder=True,
    )


def test_all_is_all(toolbox):
    everything = ai(knowledge=("faq",), http_tools=(SHOP,))
    assert list(toolbox.tools(everything)) == [*TOOLS, "order_status"]


def test_some_are_those(toolbox):
    some = ai(tool_names=("end_call", "order_status"), http_tools=(SHOP,))
    assert list(toolbox.tools(some)) == ["end_call", "order_status"]
    assert toolbox.tools(ai(tool_names=(), http_tools=(SHOP,))) == {}


def test_a_chat_has_no_tools_of_the_telephone(toolbox):
    everything = ai(knowledge=("faq",), http_tools=(SHOP,))
    chat = toolbox.tools(everything, "chat")
    assert set(toolbox.tools(everything)) - set(chat) == VOICE_ONLY
    assert toolbox.tools(ai(tool_names=("end_call",)), "chat") == {}
    with pytest.raises(ValueError, match="'fax' is none of voice, chat"):
        toolbox.tools(everything, "fax")


def test_all_leaves_out_what_cannot_be(http, toolbox):
    bare = Toolbox(http)
    bare.check(ai())
    missing = {"send_email", "send_message", "search_knowledge", *RECORDING}
    assert set(TOOLS) - set(bare.tools(ai())) == missing
    assert set(TOOLS) - set(toolbox.tools(ai())) == {"search_knowledge"}


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("send_email", "OFFHOOK_SMTP_HOST"),
        ("send_message", "OFFHOOK_MESSAGE_URL"),
        ("search_knowledge", "`knowledge`"),
        ("pause_recording", "OFFHOOK_AMI_PASSWORD"),
    ],
)
def test_what_is_named_must_be_possible(http, toolbox, name, needs):
    named = ai(tool_names=(name,))
    with pytest.raises(AIError, match=f"AI 'reception': {name} needs {needs}"):
        Toolbox(http).check(named)
    toolbox.check(ai(tool_names=(name,), knowledge=("faq",)))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            {"tool_names": ("end_call", "sing"), "http_tools": (SHOP,)},
            "no tool is called 'sing'; there are: connect_call, send_email, "
            "send_message, stop_media, stop_service, stop_flow, record_stop, "
            "record_start, pause_recording, set_variables, "
            "get_variables, get_aicall_messages, end_call, order_status, all",
        ),
        (
            {"http_tools": (HttpTool("end_call", "", "https://x.example"),)},
            "http_tools: 'end_call' is there already",
        ),
        ({"http_tools": (SHOP, SHOP)}, "http_tools: 'order_status' is there already"),
        (
            {"http_tools": (HttpTool("all", "", "https://x.example"),)},
            "http_tools: 'all' is there already",
        ),
        (
            {"http_tools": (HttpTool("a", "", "https://{b}.example"),)},
            "http_tools: a: url: who is asked cannot be an argument",
        ),
        (
            {"http_tools": (HttpTool("a", "", "https://x.example", secret="NO_KEY"),)},
            "a: NO_KEY is no OFFHOOK_SECRET_* that is set",
        ),
        (
            {"mcp_servers": (McpServer("m", url="http://x.example", secret="NO_KEY"),)},
            "m: NO_KEY is no OFFHOOK_SECRET_* that is set",
        ),
        ({"mcp_servers": (CRM, CRM)}, "mcp_servers: two have the same name"),
        ({"keys_to": "card"}, "keys_to is 'card', which is none of its http_tools"),
        ({"keys_to": "end_call"}, "keys_to is 'end_call', which is none of its"),
        (
            {"keys_to": "order_status", "http_tools": (SHOP,)},
            "keys_to: order_status: parameters.properties has no keys",
        ),
        (
            {"keys_to": "card", "http_tools": (replace(CARD, method="GET"),)},
            "keys_to: card: keys would be in its address",
        ),
        (
            {
                "keys_to": "card",
                "http_tools": (replace(CARD, url=f"{CARD.url}/{{keys}}"),),
            },
            "keys_to: card: keys would be in its address",
        ),
        (
            {
                "keys_to": "card",
                "http_tools": (replace(CARD, url="http://pay.example"),),
            },
            "keys_to: card: its url is not https://",
        ),
        (
            {"mcp_servers": (CRM,), "tool_names": ("lose",)},
            "no tool is called 'lose'; there are: ",
        ),
        ({"policy": Policy(countries=("XX",))}, "policy.countries has 'XX'"),
    ],
)
def test_what_is_wrong_with_an_ai(toolbox, more, says):
    with pytest.raises(AIError) as error:
        toolbox.check(ai(**more))
    assert str(error.value).startswith(f"AI 'reception': {says}")


@pytest.mark.parametrize("name", ["find", "crm_find", "add_note", "crm_add_note"])
def test_tools_of_a_server_that_is_down_may_be_named(toolbox, name):
    toolbox.check(ai(tool_names=(name,), mcp_servers=(CRM,)))


def test_a_secret_that_is_there(toolbox):
    tool = HttpTool("a", "", "https://x.example", secret="SHOP_KEY")
    toolbox.check(ai(http_tools=(tool,)))


def test_a_region_that_is_none(http):
    with pytest.raises(ValueError, match="'Germany' is no country"):
        Toolbox(http, region="Germany")


def test_the_examples_of_the_docs(http):
    page = (Path(__file__).parents[3] / "docs" / "tools.md").read_text()
    examples = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    table = '[ai.reception]\nprompt = "x"\ntool_names = ["all"]\n'
    made = read(table + "\n".join(examples)).choose("reception")
    secrets = {"OFFHOOK_SECRET_SHOP": "a", "OFFHOOK_SECRET_CRM": "b"}
    box = Toolbox(http, secrets=secrets)
    box.check(made)
    assert "order_status" in box.tools(made)
    assert len(made.mcp_servers) == 2 and made.policy.countries == ("DE",)
    for name in TOOLS:
        assert f"| `{name}` |" in page
    for field in fields(Policy):
        assert re.search(rf"^{field.name} = ", page, re.MULTILINE), field.name


@pytest.mark.parametrize(
    ("outside_only", "guarded", "asked"),
    [
        (False, True, "plain"),
        (False, False, "plain"),
        (True, True, "guarded"),
        (True, False, "nobody"),
    ],
)
async def test_who_is_asked_for_an_ai_that_must_stay_outside(
    outside_only, guarded, asked
):
    def client(name):
        def answer(request):
            return httpx.Response(200, text=name)

        return httpx.AsyncClient(transport=httpx.MockTransport(answer))

    async with client("plain") as plain, client("guarded") as other:
        toolbox = Toolbox(plain, guarded=other if guarded else None)
        desk = ai(http_tools=(CARD,), mcp_servers=(CRM,), keys_to="card")
        desk = replace(desk, outside_only=outside_only)
        tools = toolbox.tools(desk)
        delivered = await toolbox.deliver(desk, FakeControl(), "4111111111111111")
        if asked == "nobody":
            assert "card" not in tools
            assert not delivered
        else:
            reach = toolbox.reach(desk, FakeControl())
            assert await tools["card"].run(reach, keys="4111111111111111") == asked
            assert delivered
        await toolbox.close()
