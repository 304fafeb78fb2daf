"""What the model is told besides what the operator wrote."""

from agent.calls.ai import AI

_SPOKEN = (
    "You are on the telephone. What you write is spoken aloud, so answer in one or "
    "two short sentences of plain words: no lists, no markdown, no emoji, no web "
    "addresses. Ask one question at a time. If you did not understand, say so. When "
    "the caller gives you a number, a name or an address, repeat it and ask if it is "
    "right."
)


def system(ai: AI) -> str:
    # The operator's words come last: small models hold to what they read last, and
    # recited our rules to callers when these stood there.
    return f"{_SPOKEN}\n\n{ai.prompt.strip()}"
