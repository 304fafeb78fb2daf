"""The real llama.cpp with the smallest model of models.lock: the wire, not the wit."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from agent.local.llm import QWEN_TOOLS, template_for
from agent.local.process import LocalServer, free_port
from agent.local.servers import LlmServerConfig, llm_server
from agent.local.warm import warm_llm

SYSTEM = (
    "You are the receptionist of a dentist. Open Monday to Friday, 9 to 5."
    " Answer in one short sentence."
)
END_CALL = {
    "type": "function",
    "function": {
        "name": "end_call",
        "description": "Hang up the call. Only when the caller has said goodbye.",
        "parameters": {"type": "object", "properties": {}},
    },
}


@pytest.mark.parametrize(
    ("model", "chosen", "used"),
    [
        ("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf", None, QWEN_TOOLS),
        ("Qwen2.5-Coder-1.5B-Instruct.gguf", None, QWEN_TOOLS),
        ("Qwen3-4B.gguf", None, None),
        ("qwen2.5-coder-0.5b.gguf", Path("mine.jinja"), Path("mine.jinja")),
    ],
)
def test_our_template_is_for_the_models_that_need_it(model, chosen, used):
    assert template_for(Path("/models") / model, chosen) == used


def ready(server: LocalServer) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(server.command)
    for _ in range(600):
        try:
            if httpx.get(server.health, trust_env=False).status_code == 200:
                return process
        except httpx.HTTPError:
            assert process.poll() is None, "it ended; see what it wrote"
        time.sleep(0.1)
    process.kill()
    raise AssertionError(f"{server.health} did not answer 200 within a minute")


@pytest.fixture(scope="module")
def llm(gguf) -> Iterator[LocalServer]:
    server = llm_server(LlmServerConfig(gguf), free_port())
    with ready(server) as process:
        yield server
        process.terminate()


def request(question: str, **more) -> dict:
    messages = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": question},
    ]
    return {"messages": messages, "temperature": 0, "max_tokens": 60, **more}


def stream(llm: LocalServer, question: str, **more) -> list[dict]:
    """The choices of an answer, as they came."""
    choices = []
    with httpx.stream(
        "POST",
        f"{llm.url}/chat/completions",
        json=request(question, stream=True, **more),
        timeout=120,
        trust_env=False,
    ) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                event = json.loads(line.removeprefix("data: "))
                assert "error" not in event
                choices += event["choices"]
    return choices


def said(choices: list[dict]) -> str:
    return "".join(choice["delta"].get("content") or "" for choice in choices)


@pytest.mark.models
def test_it_is_named_after_its_file_and_open_to_this_machine_only(llm, gguf):
    models = httpx.get(f"{llm.url}/models", trust_env=False).json()["data"]
    assert [model["id"] for model in models] == [gguf.stem]
    listening = [
        line.split()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{llm.port:04X}") and line.split()[3] == "0A"
    ]
    assert listening == [f"0100007F:{llm.port:04X}"]


@pytest.mark.models
def test_a_page_of_another_site_may_not_read_its_answers(llm):
    answer = httpx.get(
        f"{llm.url}/models", headers={"Origin": "http://evil"}, trust_env=False
    )
    assert answer.headers.get("access-control-allow-origin") not in ("*", "http://evil")


@pytest.mark.models
@pytest.mark.parametrize("tools", [[], [END_CALL]], ids=["alone", "with tools"])
def test_a_plain_question_is_answered_in_words_one_by_one(llm, tools):
    choices = stream(llm, "When are you open?", **({"tools": tools} if tools else {}))
    assert sum(bool(choice["delta"].get("content")) for choice in choices) >= 3
    assert any(letter.isalpha() for letter in said(choices))
    assert not any(choice["delta"].get("tool_calls") for choice in choices)
    assert choices[-1]["finish_reason"] == "stop"


@pytest.mark.models
def test_a_goodbye_is_a_tool_call(llm):
    choices = stream(llm, "Goodbye.", tools=[END_CALL])
    parts = [
        part["function"]
        for choice in choices
        for part in choice["delta"].get("tool_calls") or []
    ]
    assert parts[0]["name"] == "end_call"
    assert json.loads("".join(part["arguments"] for part in parts)) == {}
    assert choices[-1]["finish_reason"] == "tool_calls"
    assert said(choices) == ""


@pytest.mark.models
def test_json_that_is_no_tool_call_is_an_answer_and_no_error(llm):
    """With a template that asks for bare JSON, llama.cpp breaks off with an error."""
    question = 'Answer with exactly this JSON and nothing else: {"name": "Smith"}'
    assert "Smith" in said(stream(llm, question, tools=[END_CALL]))


@pytest.mark.models
def test_calls_and_their_results_are_told_back_as_they_were_asked_for(llm):
    def call(number: str, name: str, arguments: str) -> dict:
        function = {"name": name, "arguments": arguments}
        return {"id": number, "type": "function", "function": function}

    messages = [
        {"role": "system", "content": "You are Ann."},
        {"role": "user", "content": "Sales, please."},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                call("1", "transfer", '{"to": "200"}'),
                call("2", "end_call", "{}"),
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "busy"},
        {"role": "developer", "content": "Be brief."},
    ]
    answer = httpx.post(
        f"http://127.0.0.1:{llm.port}/apply-template",
        json={"messages": messages, "tools": [END_CALL]},
        trust_env=False,
    )
    prompt = answer.json()["prompt"]
    assert prompt.startswith("<|im_start|>system\nYou can use these tools:\n{")
    assert "plain words.\n\nYou are Ann.<|im_end|>\n" in prompt
    assert prompt.endswith(
        "<|im_start|>user\nSales, please.<|im_end|>\n"
        "<|im_start|>assistant\n"
        'CALL_TOOL {"name": "transfer", "arguments": {"to": "200"}}\n'
        'CALL_TOOL {"name": "end_call", "arguments": {}}<|im_end|>\n'
        "<|im_start|>user\nThe tool answered: busy<|im_end|>\n"
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


@pytest.mark.models
async def test_the_first_caller_of_each_ai_finds_it_warm(llm, gguf):
    """More AIs than calls at once; with the same tools, which stand first."""
    systems = [
        f"{name} of a hotel that has a hundred rooms. " * 5
        for name in ("You are the porter", "I am the cook", "She is the owner")
    ]
    for system in systems:
        assert await warm_llm(llm.url, gguf.stem, system, [END_CALL])
    for system in systems:
        asked = request("Where is room 12?", tools=[END_CALL])
        asked["messages"][0]["content"] = system
        answer = httpx.post(
            f"{llm.url}/chat/completions", json=asked, timeout=120, trust_env=False
        )
        usage = answer.json()["usage"]
        assert usage["prompt_tokens"] > 100
        cached = usage["prompt_tokens_details"]["cached_tokens"]
        assert usage["prompt_tokens"] - cached < 20


@pytest.mark.models
def test_sigterm_ends_it_in_the_middle_of_an_answer(gguf):
    server = llm_server(LlmServerConfig(gguf), free_port())
    with (
        ready(server) as process,
        httpx.stream(
            "POST",
            f"{server.url}/chat/completions",
            json=request("Tell me a long story.", stream=True, max_tokens=2000),
            timeout=120,
            trust_env=False,
        ) as answer,
    ):
        lines = answer.iter_lines()
        assert next(lines).startswith("data: ")
        process.terminate()
        assert process.wait(timeout=60) == 0


@pytest.mark.models
def test_a_port_that_is_taken_is_said_to_be(llm, gguf):
    second = subprocess.run(llm.command, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert f"ERROR: cannot serve {gguf} on {llm.port}" in second.stderr
