"""Descriptions of AIs as TOML and JSON have them, for hypothesis."""

from hypothesis import strategies as st

from agent.calls.ai import DICTATION, GENDERS, LINES, MODES, NOISE

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
said = words.filter(str.strip)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,9}", fullmatch=True)
models = st.sampled_from(["", "openai.gpt-5", "groq.llama.3", "x.y"])
maps = st.dictionaries(names, words, max_size=3)
json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | words,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2)
    ),
    max_leaves=4,
)


def some(**keys):
    """Any of these keys."""
    return st.fixed_dictionaries({}, optional=keys)


def numbers(least, most):
    return st.floats(least, most) | st.integers(-(-least // 1), most // 1)


http_tools = st.builds(
    lambda required, more: {**required, **more},
    st.fixed_dictionaries(
        {"name": names, "description": words, "url": st.just("https://shop.example/x")}
    ),
    some(
        method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]),
        parameters=st.dictionaries(names, json, max_size=2),
        headers=maps,
        secret=words,
        timeout=numbers(1, 60),
    ),
)
mcp_servers = st.builds(
    lambda name, where, more: {"name": name, **where, **more},
    names,
    st.sampled_from([{"url": "https://crm.example/mcp"}, {"command": ["crm", "-v"]}]),
    some(tools=st.lists(words, max_size=2), secret=words, timeout=numbers(1, 60)),
)
policies = some(
    extensions=st.lists(words, max_size=2),
    numbers=st.lists(words, max_size=2),
    countries=st.lists(words, max_size=2),
    caller=st.booleans(),
    emails=st.lists(words, max_size=2),
    per_call=st.integers(0, 99),
    per_hour=st.integers(0, 99),
    spend=numbers(0, 99),
    prices=st.dictionaries(names, numbers(0, 9), max_size=2),
    depth=st.integers(0, 99),
)
descriptions = st.builds(
    lambda prompt, more: {"prompt": prompt, **more},
    said,
    some(
        greeting=words,
        start=words,
        language=words,
        stt_language=words,
        stt=models,
        engine_model=models,
        fallback_models=st.lists(models, max_size=2),
        tts=models,
        voice=words,
        gender=st.sampled_from(GENDERS),
        mode=st.sampled_from(MODES),
        tool_names=st.lists(words, max_size=3),
        http_tools=st.lists(http_tools, max_size=2),
        keys_to=words,
        mcp_servers=st.lists(mcp_servers, max_size=2),
        knowledge=st.lists(words, max_size=2),
        policy=policies,
        variables=maps,
        silence=some(seconds=numbers(0, 3600), reprompts=st.integers(0, 20)),
        filler_seconds=numbers(0, 60),
        dictation=st.sampled_from(DICTATION),
        human=words,
        lines=st.dictionaries(st.sampled_from(LINES), words, max_size=2),
        max_minutes=numbers(1, 1440),
        warn_seconds=numbers(0, 3600),
        noise=st.sampled_from(NOISE),
        budget_per_day=numbers(0, 1000),
    ),
)
