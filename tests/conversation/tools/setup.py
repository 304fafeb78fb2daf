"""An AI's tools on fakes."""

from dataclasses import dataclass, field

import httpx

from agent.calls.ai import AI
from agent.calls.transcript import ToolUse
from agent.conversation.tools.offers import Offer
from agent.conversation.tools.toolbox import Toolbox
from tests.fakes.control import (
    FakeControl,
    FakeEmails,
    FakeKnowledge,
    FakeMessages,
)


def ai(**more):
    return AI("reception", "You are friendly.", **{"tool_names": ("all",), **more})


@dataclass
class Desk:
    """All that a tool can reach, faked; and `offer`, what a model is offered of it."""

    ai: AI = field(default_factory=ai)
    channel: str = "voice"
    answer: object = "fine"
    """Of whom HTTP tools ask: a text, a Response, an exception, or what makes one."""
    secrets: dict[str, str] = field(default_factory=dict)
    control: FakeControl = field(default_factory=FakeControl)
    emails: FakeEmails = field(default_factory=FakeEmails)
    messages: FakeMessages = field(default_factory=FakeMessages)
    knowledge: FakeKnowledge = field(default_factory=FakeKnowledge)
    requests: list[httpx.Request] = field(default_factory=list)
    uses: list[ToolUse] = field(default_factory=list)

    def __post_init__(self):
        self.http = httpx.AsyncClient(
            transport=httpx.MockTransport(self._asked), verify=False
        )
        self.toolbox = Toolbox(
            self.http,
            emails=self.emails,
            messages=self.messages,
            knowledge=self.knowledge,
            secrets=self.secrets,
            region="DE",
            recorder=True,
        )
        self.offer = self.another()

    def another(self, control=None):
        """The offer of another call of the same AI."""
        return Offer(
            self.ai,
            self.toolbox,
            control or self.control,
            self.uses.append,
            self.channel,
        )

    async def use(self, name, **arguments):
        return await self.offer.use(name, arguments)

    def _asked(self, request):
        self.requests.append(request)
        answer = self.answer(request) if callable(self.answer) else self.answer
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(200, text=answer) if isinstance(answer, str) else answer
