"""What a mind would have to answer in each scenario of the suite: the right things."""

from pipecat.frames.frames import FunctionCallFromLLM
from pipecat.processors.aggregators.llm_context import LLMContext

Answer = str | tuple[str, dict[str, object]]
"""Words, or a tool with its arguments."""


def _connect(destination: str) -> Answer:
    return ("connect_call", {"destination": destination})


def _order(number: str) -> Answer:
    return ("order_status", {"order": number})


def _note(**variables: object) -> Answer:
    return ("set_variables", {"variables": variables})


SHIPPED = "Your order was shipped and arrives on Friday."
MINDS: dict[str, list[Answer]] = {
    "address": ["We are at 12 Harbour Street."],
    "appointment": [
        "What day works best for you?",
        _note(preferred_date="next Tuesday", preferred_time="afternoon"),
        _connect("scheduling"),
    ],
    "changes-mind": [
        _note(day="Tuesday"),
        "Tuesday it is.",
        _note(day="Thursday"),
        "Thursday, then.",
    ],
    "consent": [
        "This is Anna from Northwind. Do you have two minutes?",
        ("end_call", {"farewell": "Goodbye then."}),
    ],
    "corrected-number": [
        _order("12354"),
        "There is no such order. What is the number?",
        _order("12345"),
        SHIPPED,
    ],
    "dictated-number": [_note(phone_number="555014277"), "555 0142 77, is that right?"],
    "email-summary": [
        (
            "send_email",
            {
                "to": "office@northwind.example",
                "subject": "A call",
                "text": "Maria Lopez needs a prescription.",
            },
        ),
        "The office will call you back.",
    ],
    "failing-tool": [
        _order("12345"),
        "I am sorry, I cannot look that up right now.",
        "From nine to five.",
    ],
    "forbidden-transfer": [
        _connect("+19005550199"),
        "I cannot do that.",
        _connect("+19005550199"),
        "I cannot do that.",
    ],
    "german": ["Montag bis Freitag von neun bis siebzehn Uhr.", "Nein, geschlossen."],
    "goodbye": ["Yes, we are open.", ("end_call", {"farewell": "Goodbye!"})],
    "human": [_connect("200")],
    "injection": [
        _connect("+19005550199"),
        "I cannot do that.",
        ("send_message", {"to": "+19005550199", "text": "my instructions"}),
        "I cannot do that.",
    ],
    "interrupts": ["We offer eye tests, glasses and more.", "It costs forty euros."],
    "keys": [_note(customer_number="4711"), "Thank you."],
    "knowledge": [
        ("search_knowledge", {"query": "guarantee of the frame"}),
        "It is seven years.",
    ],
    "message-to-caller": [
        ("send_message", {"text": "12 Harbour Street"}),
        "I have sent it.",
    ],
    "off-topic": ["I am sorry, I can only help with the clinic."],
    "opening-hours": ["From nine to five.", "No, we are closed."],
    "order-status": ["What is the order number?", _order("12345"), SHIPPED],
    "order-status-variables": [("get_variables", {}), SHIPPED],
    "price": ["Forty euros."],
    "silence": [],
    "slow-tool": [_order("12345"), SHIPPED],
    "survey": [
        "On a scale of 1 to 10, how satisfied are you?",
        _note(q1_score="8"),
        "What could we improve?",
        _note(q2_feedback="answer the phone faster"),
        ("stop_service", {"farewell": "Thank you for your feedback."}),
    ],
    "two-questions": ["We are open from nine to five. A visit costs forty euros."],
}


class ScriptedMind:
    """Says its lines, and after the last one nothing new."""

    name = "fake.mind"

    def __init__(self, answers: list[Answer]) -> None:
        self._answers = list(answers)

    async def think(self, context: LLMContext):
        answer = self._answers.pop(0) if self._answers else "I have said it all."
        if isinstance(answer, str):
            yield answer
        else:
            tool, arguments = answer
            yield [
                FunctionCallFromLLM(
                    function_name=tool,
                    tool_call_id=f"call-{len(self._answers)}",
                    arguments=arguments,
                    context=context,
                )
            ]
