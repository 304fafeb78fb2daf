"""/ais as its clients see it."""

import json

import pytest
from hypothesis import HealthCheck, given, settings

from agent.calls.ai import KEYS, AIError, read_ai
from agent.calls.customer import Scope
from agent.web.ais import merged
from agent.web.schemas_ai import AiDescription, AiPatch
from tests.calls.descriptions import descriptions

from .ais import furnish

DESK = {"name": "desk", "prompt": "You answer."}
SHOP = {"name": "order", "description": "", "url": "https://shop.example/x"}
CRM = {"name": "crm", "url": "https://crm.example/mcp"}
OURS = {"name": "ours", "command": ["crm", "-v"]}
SECRET = {"secret": "OFFHOOK_SECRET_SHOP"}


@pytest.fixture(autouse=True)
async def furnished(app):
    providers = await furnish(app)
    yield
    await providers.close()


@pytest.fixture
async def admin(make_key):
    return await make_key(Scope.ADMIN)


@pytest.fixture
async def operator(make_key, admin):
    return await make_key(Scope.OPERATOR)


async def test_from_its_making_to_its_end(app, client):
    made = await client.post("/ais", json=DESK | {"silence": {"seconds": 3}})
    assert (made.status_code, made.headers["Location"]) == (201, "/ais/desk")
    assert made.headers["ETag"] == '"1"'
    body = made.json()
    assert (body["version"], body["source"], body["greeting"]) == (1, "api", "")
    assert body["silence"] == {"seconds": 3, "reprompts": 2}
    assert app.state.directory.answering("", "", "desk").version == 1

    put = await client.put("/ais/desk", json={"prompt": "You sell."})
    assert (put.status_code, put.headers["ETag"]) == (200, '"2"')
    assert put.json()["silence"]["seconds"] == 8
    patched = await client.patch(
        "/ais/desk",
        content=json.dumps({"greeting": "Hi.", "silence": {"reprompts": 0}}),
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert patched.headers["ETag"] == '"3"'
    assert patched.json()["prompt"] == "You sell."
    assert patched.json()["silence"] == {"seconds": 8, "reprompts": 0}
    assert app.state.directory.answering("", "", "desk").ai.greeting == "Hi."
    assert (await client.get("/ais/desk")).json() == patched.json()

    assert (await client.delete("/ais/desk")).status_code == 204
    assert (await client.get("/ais/desk")).json()["code"] == "no_such_ai"
    with pytest.raises(AIError):
        app.state.directory.answering("", "", "desk")
    page = (await client.get("/ais/desk/versions?limit=2")).json()
    assert ([each["version"] for each in page["versions"]], page["next"]) == ([3, 2], 2)
    rest = (await client.get("/ais/desk/versions?before=2")).json()
    assert rest == {"versions": [rest["versions"][0]], "next": None}
    first = (await client.get("/ais/desk/versions/1")).json()
    assert first == rest["versions"][0]
    assert (first["prompt"], first["who"]) == ("You answer.", "this machine")
    assert (await client.post("/ais", json=DESK)).headers["ETag"] == '"4"'


async def test_what_was_read_can_be_written_back(client):
    read = (await client.get("/ais/filed")).json()
    assert set(read) > set(KEYS)
    made = await client.post("/ais", json=read | {"name": "copy"})
    assert made.status_code == 201
    again = await client.put("/ais/copy", json=made.json())
    assert again.json() == made.json()


async def test_pages_by_name(client):
    for name in ("b", "a"):
        await client.post("/ais", json=DESK | {"name": name})
    page = (await client.get("/ais?limit=2")).json()
    assert ([each["name"] for each in page["ais"]], page["next"]) == (["a", "b"], "b")
    rest = (await client.get("/ais", params={"after": page["next"]})).json()
    assert ([each["name"] for each in rest["ais"]], rest["next"]) == (["filed"], None)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_nobody_overwrites_what_he_has_not_seen(client, method):
    await client.post("/ais", json=DESK)
    body = {"json": {"prompt": "You sell."}} if method != "DELETE" else {}
    answer = await client.request(
        method, "/ais/desk", headers={"If-Match": '"2"'}, **body
    )
    assert (answer.status_code, answer.json()["code"]) == (412, "changed_meanwhile")
    answer = await client.request(
        method, "/ais/desk", headers={"If-Match": '"1"'}, **body
    )
    assert answer.is_success


@pytest.mark.parametrize(
    ("body", "status", "code", "says"),
    [
        ({}, 422, "invalid_ai", "no name"),
        ({"name": 3, "prompt": "x"}, 422, "invalid_ai", "no name"),
        (DESK | {"name": "a b"}, 422, "invalid_ai", "name is 'a b'"),
        (DESK | {"name": "-"}, 422, "invalid_ai", "name is '-'"),
        (DESK | {"name": "x" * 65}, 422, "invalid_ai", "name is 'xxx"),
        ({"name": "desk"}, 422, "invalid_ai", "no prompt"),
        (DESK | {"prompt": " "}, 422, "invalid_ai", "prompt is empty"),
        (DESK | {"voise": "x"}, 422, "invalid_ai", "unknown key 'voise'"),
        (
            DESK | {"http_tools": [SHOP, SHOP | {"url": 7}]},
            422,
            "invalid_ai",
            "http_tools[1].url is 7, not a string",
        ),
        (DESK | {"tool_names": ["fly"]}, 422, "invalid_ai", "no tool is called 'fly'"),
        (DESK | {"noise": "service"}, 422, "invalid_ai", "not started"),
        (DESK | {"max_minutes": float("nan")}, 422, "invalid_ai", "max_minutes"),
        (DESK | {"policy": {"spend": float("inf")}}, 422, "invalid_ai", "JSON"),
        (DESK | {"engine_model": "gpt"}, 400, "unknown_engine_model", "<provider>"),
        (DESK | {"engine_model": "moon.x"}, 400, "unknown_engine_model", "'moon'"),
        (DESK | {"stt": "deepgram.x"}, 400, "unknown_engine_model", "DEEPGRAM_API_KEY"),
        (
            DESK | {"stt": "whisper.x"},
            400,
            "unknown_engine_model",
            "was not|not started",
        ),
        (DESK | {"tts": "x.y"}, 400, "unknown_engine_model", "no provider 'x'"),
    ],
)
async def test_what_no_ai_says(client, body, status, code, says):
    content = json.dumps(body)
    answer = await client.post(
        "/ais", content=content, headers={"Content-Type": "application/json"}
    )
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert any(each in problem["detail"] for each in says.split("|"))
    if code == "unknown_engine_model":
        assert problem["known"]["engine_model"] == {"openai": []}
    await client.post("/ais", json=DESK)
    if body.get("name") == "desk":
        for method in ("PUT", "PATCH"):
            told = body | ({"prompt": None} if "prompt" not in body else {})
            answer = await client.request(
                method,
                "/ais/desk",
                content=json.dumps(told),
                headers={"Content-Type": "application/json"},
            )
            assert answer.status_code == status, method
    assert (await client.get("/ais/desk")).json()["version"] == 1


@pytest.mark.parametrize("body", ["[]", "3", '"x"', "null"])
async def test_what_is_no_object(client, body):
    answer = await client.post(
        "/ais", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422


async def test_an_object_in_an_object_in_an_object(client):
    deep = '{"a":' * 900 + "1" + "}" * 900
    body = json.dumps(DESK)[:-1] + f', "variables": {deep}}}'
    tool = json.dumps(SHOP)[:-1] + f', "parameters": {deep}}}'
    for content in (body, json.dumps(DESK)[:-1] + f', "http_tools": [{tool}]}}'):
        answer = await client.post(
            "/ais", content=content, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in (201, 400, 422)


async def test_half_a_character(client):
    body = json.dumps(DESK | {"greeting": "\ud800", "variables": {"\ud800": ""}})
    answer = await client.post(
        "/ais", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.json()["greeting"] == "\ufffd"


async def test_two_of_a_name(client):
    await client.post("/ais", json=DESK)
    answer = await client.post("/ais", json=DESK)
    assert (answer.status_code, answer.json()["code"]) == (409, "ai_exists")


async def test_what_stands_in_the_file_is_edited_there(client):
    for method, body in (("PUT", DESK), ("PATCH", {}), ("DELETE", None)):
        answer = await client.request(method, "/ais/filed", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "kept_in_file")
    assert (await client.get("/ais/filed")).json()["source"] == "file"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/ais/nobody"),
        ("PUT", "/ais/nobody"),
        ("PATCH", "/ais/nobody"),
        ("DELETE", "/ais/nobody"),
        ("GET", "/ais/nobody/versions"),
        ("GET", "/ais/nobody/versions/1"),
        ("GET", "/ais/filed/versions/2"),
        ("GET", "/ais/%ff"),
        ("DELETE", "/ais/" + "x" * 3000),
    ],
)
async def test_who_is_not_there(client, method, path):
    body = {"json": DESK | {"name": "nobody"}} if method in ("PUT", "PATCH") else {}
    answer = await client.request(method, path, **body)
    assert answer.status_code == 404
    assert answer.json()["code"].startswith("no_such_")


@pytest.mark.parametrize("number", ["0", "-1", "x", "2147483648", "9" * 30])
async def test_what_is_no_version(client, number):
    answer = await client.get(f"/ais/filed/versions/{number}")
    assert answer.status_code == 422


async def test_one_that_answers_under_numbers_stays(client):
    await client.post("/ais", json=DESK)
    await client.put("/numbers/100", json={"target": {"ai": "desk"}})
    answer = await client.delete("/ais/desk")
    assert (answer.status_code, answer.json()["code"]) == (409, "ai_in_use")
    assert answer.json()["numbers"] == ["100"]


async def test_each_customer_has_its_own(client, make_key, admin):
    acme = await make_key(Scope.OPERATOR, "acme")
    await client.post("/ais", json=DESK, headers=admin)
    assert (await client.get("/ais", headers=acme)).json()["ais"] == []
    assert (await client.get("/ais/desk", headers=acme)).status_code == 404
    assert (await client.post("/ais", json=DESK, headers=acme)).status_code == 201
    await client.patch("/ais/desk", json={"prompt": "Acme!"}, headers=acme)
    assert (await client.get("/ais/desk", headers=admin)).json()["version"] == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_who_may_read_may_not_write(client, make_key, method):
    reader = await make_key(Scope.READ)
    path = "/ais" if method == "POST" else "/ais/filed"
    body = {} if method == "DELETE" else {"json": DESK}
    answer = await client.request(method, path, headers=reader, **body)
    assert answer.status_code == 403
    assert (await client.get("/ais/filed", headers=reader)).status_code == 200


@pytest.mark.parametrize(
    ("tools", "key"),
    [
        ({"mcp_servers": [OURS]}, "mcp_servers[0].command"),
        ({"mcp_servers": [CRM, OURS | SECRET]}, "mcp_servers[1].command"),
        ({"mcp_servers": [CRM | SECRET]}, "mcp_servers[0].secret"),
        ({"http_tools": [SHOP | SECRET]}, "http_tools[0].secret"),
    ],
)
async def test_programs_and_secrets_are_the_operators(
    client, admin, operator, tools, key
):
    for request in (
        client.post("/ais", json=DESK | tools, headers=operator),
        client.post("/ais", json=DESK, headers=operator),
        client.put("/ais/desk", json=DESK | tools, headers=operator),
        client.patch("/ais/desk", json=tools, headers=operator),
    ):
        answer = await request
        if answer.status_code != 201:
            problem = answer.json()
            assert (answer.status_code, problem["code"]) == (403, "admin_only")
            assert problem["key"] == key
    made = await client.put("/ais/desk", json=DESK | tools, headers=admin)
    assert (made.status_code, made.json()["outside_only"]) == (200, False)
    # What an admin wrote stays when somebody else edits the rest, and may go.
    kept = await client.patch("/ais/desk", json={"greeting": "Hi."}, headers=operator)
    assert kept.json()["outside_only"] is False
    assert kept.json()["mcp_servers"] == made.json()["mcp_servers"]
    other = json.loads(json.dumps(tools).replace("example", "evil"))
    if other != tools:
        moved = await client.patch("/ais/desk", json=other, headers=operator)
        if "secret" in str(tools[key.partition("[")[0]][0]):
            assert moved.json()["code"] == "admin_only"
        else:  # beside a program that stays as it is
            assert moved.json()["outside_only"] is True
    gone = await client.put("/ais/desk", json=DESK, headers=operator)
    assert gone.status_code == 200


@pytest.mark.parametrize("tools", [{"http_tools": [SHOP]}, {"mcp_servers": [CRM]}])
async def test_who_wrote_the_tools_decides_where_they_reach(
    app, client, admin, operator, tools
):
    async def said(method, path, body, headers):
        answer = await client.request(method, path, json=body, headers=headers)
        assert answer.is_success, answer.text
        serving = app.state.directory.answering("", "", "desk").ai
        assert serving.outside_only is answer.json()["outside_only"]
        return answer.json()["outside_only"]

    assert not await said("POST", "/ais", DESK, operator)
    assert await said("PATCH", "/ais/desk", tools, operator)
    assert await said("PATCH", "/ais/desk", {"greeting": "a"}, admin)
    assert await said("PUT", "/ais/desk", DESK | tools, operator)
    assert not await said("PUT", "/ais/desk", DESK | tools, admin)
    assert not await said("PUT", "/ais/desk", DESK | tools | {"start": "b"}, operator)
    more = {key: [*each, each[0] | {"name": "more"}] for key, each in tools.items()}
    assert await said("PATCH", "/ais/desk", more, operator)
    assert not await said("PATCH", "/ais/desk", more, admin)
    body = {"outside_only": True}
    assert not await said("PUT", "/ais/desk", DESK | tools | body, admin)


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [  # RFC 7396, appendix A, as far as they are objects
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merged(before, patch, after):
    assert merged(before, patch) == after


def test_what_is_documented_is_what_is_read():
    assert tuple(AiDescription.model_fields) == KEYS
    silent = read_ai("x", {"prompt": "x"})
    documented = AiDescription(prompt="x").model_dump()
    for key in KEYS:
        if key not in ("policy", "silence"):
            value = getattr(silent, key)
            told = list(value) if isinstance(value, tuple) else value
            assert documented[key] == told, key


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(descriptions)
def test_what_is_read_is_documented(description):
    read_ai("x", description)
    description.pop("policy", None)  # its places are checked by the toolbox
    AiDescription.model_validate(description, strict=True)
    AiPatch.model_validate(description | {"greeting": None}, strict=True)
