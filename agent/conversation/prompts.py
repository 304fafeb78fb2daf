"""What the model is told besides what the operator wrote."""

from agent.calls.ai import AI

_SPOKEN = (
    "You are on the telephone. What you write is spoken aloud, so answer in one or "
    "two short sentences of plain words: no lists, no markdown, no emoji, no web "
    "addresses. Ask one question at a time. If you did not understand, say so."
)


def system(ai: AI) -> str:
    return f"{ai.prompt.strip()}\n\n{_SPOKEN}"
