import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.calls.toolbox import Policy
from agent.conversation.policy import (
    HOUR,
    Allowed,
    Facts,
    Refused,
    Use,
    decide,
    mistake,
)

OPEN = Policy(
    extensions=("sales", "100", "PJSIP/front-desk"),
    numbers=("+442079460000", "+4930555*", "+19005550100"),
    countries=("DE",),
    emails=("boss@example.com", "*@example.org"),
)
NOW = 10_000.0


def wanted(tool, policy=OPEN, facts=None, now=NOW, **arguments):
    return decide(policy, Use(tool, arguments), facts or Facts(), now)


@pytest.mark.parametrize(
    ("said", "called"),
    [
        ("sales", "sales"),
        (" 100 \n", "100"),
        ("PJSIP/front-desk", "PJSIP/front-desk"),
        ("+4930123456", "+4930123456"),
        ("+49 (30) 123-456", "+4930123456"),
        ("+49.30.123.456", "+4930123456"),
        ("tel:+4930123456", "+4930123456"),
        ("TEL: +49 30 123456", "+4930123456"),
        ("030 123456", "+4930123456"),
        ("0049 30 123456", "+4930123456"),
        ("+٤٩٣٠١٢٣٤٥٦", "+4930123456"),
        ("+４９３０１２３４５６", "+4930123456"),
        ("+49\u00a030\u202f123456", "+4930123456"),
        ("+49 1512 3456789", "+4915123456789"),
        ("+44 20 7946 0000", "+442079460000"),
        ("+1 900 555 0100", "+19005550100"),
    ],
)
def test_what_may_be_called_is_called_in_one_spelling(said, called):
    decision = wanted(
        "connect_call", facts=Facts(region="DE"), destination=said, announcement="One"
    )
    assert decision == Allowed({"destination": called, "announcement": "One"})


@pytest.mark.parametrize(
    "said",
    [
        pytest.param("", id="nothing"),
        pytest.param("support", id="an extension that is not listed"),
        pytest.param("Sales", id="an extension spelt otherwise"),
        pytest.param("101", id="a short number"),
        pytest.param("110", id="an emergency call"),
        pytest.param("+33142278186", id="another country"),
        pytest.param("0033142278186", id="another country by 00"),
        pytest.param("+12025550123", id="the United States"),
        pytest.param("+442079460001", id="the neighbour of a listed number"),
        pytest.param("+4490012345", id="no number"),
        pytest.param("+4990012345678", id="a premium number of the country"),
        pytest.param("+49900123456", id="a premium number, another length"),
        pytest.param("0900 1 234567", id="a premium number from within"),
        pytest.param("+491805123456", id="shared cost"),
        pytest.param("+4970012345678", id="a personal number"),
        pytest.param("11833", id="directory enquiries"),
        pytest.param("+881612345678", id="a satellite"),
        pytest.param("+8821234567", id="a network of no country"),
        pytest.param("+97912345678", id="international premium rate"),
        pytest.param("01033 0049 30 1234567", id="another carrier"),
        pytest.param("+4930123456;ext=12", id="an extension in a URI"),
        pytest.param("tel:+4930123456;phone-context=evil.example", id="a context"),
        pytest.param("+4930123456,,1234", id="digits afterwards"),
        pytest.param("+4930123456w1234", id="a wait"),
        pytest.param("+4930123456x12", id="an extension by x"),
        pytest.param("+4930123456#", id="a hash"),
        pytest.param("*72+4930123456", id="a feature code"),
        pytest.param("+4930123456&PJSIP/+8821234567", id="two at once"),
        pytest.param("sales&PJSIP/100", id="two at once, one listed"),
        pytest.param("PJSIP/+4930123456@carrier", id="a channel"),
        pytest.param("Local/s@default", id="a context of the dialplan"),
        pytest.param("+4930123456@evil.example", id="a host"),
        pytest.param("sip:+4930123456@evil.example", id="a SIP URI"),
        pytest.param("${SHELL(id)}", id="an expression"),
        pytest.param("+4930123456${EXTEN}", id="a number and an expression"),
        pytest.param("+49301234५६\u200b", id="an invisible character"),
        pytest.param("+49301234\n56", id="a line break"),
        pytest.param("+49301²3456", id="a superscript"),
        pytest.param("+4930①23456", id="a circled digit"),
        pytest.param("+493O123456", id="the letter O"),
        pytest.param("+49301234567890123456", id="too long"),
        pytest.param("++4930123456", id="two pluses"),
        pytest.param("1-800-FLOWERS", id="letters"),
    ],
)
def test_what_may_not_be_called(said):
    decision = wanted("connect_call", facts=Facts(region="DE"), destination=said)
    assert isinstance(decision, Refused)


@pytest.mark.parametrize("said", ["030 123456", "123456"])
def test_without_a_region_a_number_needs_its_country(said):
    assert isinstance(wanted("connect_call", destination=said), Refused)


def test_without_a_region_00_is_the_plus():
    decision = wanted("connect_call", destination="0049 30 123456")
    assert decision == Allowed({"destination": "+4930123456"})


def test_nothing_is_allowed_by_default():
    for destination in ("100", "+4930123456", ""):
        assert isinstance(
            wanted("connect_call", Policy(), destination=destination), Refused
        )
    assert isinstance(
        wanted("send_email", Policy(), to="a@b.de", subject="", text=""), Refused
    )
    assert isinstance(
        wanted("send_message", Policy(), to="+4915123456789", text=""), Refused
    )


def test_a_prefix_opens_no_premium_numbers():
    policy = Policy(numbers=("+49*",))
    called = wanted("connect_call", policy, destination="+4930123456")
    assert isinstance(called, Allowed)
    for dear in ("+491805123456", "+4990012345678", "+33142278186"):
        assert isinstance(wanted("connect_call", policy, destination=dear), Refused)


def test_countries_that_share_a_code_are_told_apart():
    policy = Policy(countries=("US",))
    assert isinstance(
        wanted("connect_call", policy, destination="+12025550123"), Allowed
    )
    for jamaica_or_dear in ("+18765551234", "+19005551234"):
        assert isinstance(
            wanted("connect_call", policy, destination=jamaica_or_dear), Refused
        )


@pytest.mark.parametrize(
    ("caller", "to", "sent"),
    [
        ("+4915123456789", "", "+4915123456789"),
        ("+4915123456789", "+4915123456789", "+4915123456789"),
        ("01512 3456789", "+49 1512 3456789", "+4915123456789"),
        ("+33612345678", "", "+33612345678"),
        ("+33612345678", "0033 6 12345678", "+33612345678"),
        ("", "+4915123456789", "+4915123456789"),
        ("+33612345678", "+442079460000", "+442079460000"),
    ],
)
def test_messages_go_to_the_caller_and_to_who_is_listed(caller, to, sent):
    facts = Facts(caller=caller, region="DE")
    decision = wanted("send_message", facts=facts, to=to, text="Hello")
    assert decision == Allowed({"to": sent, "text": "Hello"})


@pytest.mark.parametrize(
    ("caller", "to"),
    [
        pytest.param("", "", id="a hidden caller"),
        pytest.param("anonymous", "", id="an anonymous caller"),
        pytest.param("100", "", id="a phone of the house"),
        pytest.param("+33612345678", "+33612345679", id="somebody else"),
        pytest.param("+19005551234", "", id="a caller who claims a premium number"),
        pytest.param("+881612345678", "+881612345678", id="a satellite"),
        pytest.param("+33612345678", "all", id="a word"),
        pytest.param("+33612345678", "+33612345678,+33612345679", id="two"),
        pytest.param("+33612345678", "sales", id="an extension"),
    ],
)
def test_messages_go_to_nobody_else(caller, to):
    facts = Facts(caller=caller, region="DE")
    assert isinstance(wanted("send_message", facts=facts, to=to, text=""), Refused)


def test_an_operator_can_keep_messages_from_callers():
    policy = Policy(caller=False)
    facts = Facts(caller="+4915123456789")
    assert isinstance(wanted("send_message", policy, facts, text="Hello"), Refused)


@pytest.mark.parametrize(
    "to",
    ["boss@example.com", "Boss@Example.com", "a.b+c@example.org", " x@example.org"],
)
def test_who_may_be_written_to(to):
    decision = wanted("send_email", to=to, subject="Hi", text="a\nb")
    assert decision == Allowed({"to": to.strip(), "subject": "Hi", "text": "a\nb"})


@pytest.mark.parametrize(
    ("to", "subject"),
    [
        ("", "Hi"),
        ("boss", "Hi"),
        ("evil@example.net", "Hi"),
        ("boss@example.com.evil.net", "Hi"),
        ("x@sub.example.org", "Hi"),
        ("evil@evil.net,x@example.org", "Hi"),
        ("evil@evil.net x@example.org", "Hi"),
        ("evil@evil.net@example.org", "Hi"),
        ('"evil@evil.net"@example.org', "Hi"),
        ("<evil@evil.net>x@example.org", "Hi"),
        ("x@example.org\nBcc: evil@evil.net", "Hi"),
        ("x@example.org\r\nBcc: evil@evil.net", "Hi"),
        ("x@example.org\n", "Hi"),
        ("x@exаmple.org", "Hi"),  # a Cyrillic а
        ("x@example.org", "Hi\nBcc: evil@evil.net"),
        ("x@example.org", "Hi\r\n\r\nbody"),
        ("x@example.org", "Hi\u2028Bcc: evil@evil.net"),
        ("x@example.org", "Hi\x00"),
        (f"{'x' * 300}@example.org", "Hi"),
    ],
)
def test_who_may_not_be_written_to(to, subject):
    decision = wanted("send_email", to=to, subject=subject, text="")
    assert isinstance(decision, Refused)


def test_variables_that_others_depend_on_are_not_the_models():
    facts = Facts(fixed={"customer"})
    assert wanted("set_variables", facts=facts, variables={"name": "Ann"}) == Allowed(
        {"variables": {"name": "Ann"}}
    )
    refused = wanted("set_variables", facts=facts, variables={"a": 1, "customer": 2})
    assert refused == Refused("'customer' is not for you to set")


OUTSIDE = [
    ("connect_call", {"destination": "100"}),
    ("send_email", {"to": "boss@example.com", "subject": "", "text": ""}),
    ("send_message", {"to": "+4915123456789", "text": ""}),
]


@pytest.mark.parametrize(("tool", "arguments"), OUTSIDE)
def test_so_many_in_a_call(tool, arguments):
    def at(in_call):
        return wanted(tool, facts=Facts(in_call=in_call), **arguments)

    assert isinstance(at(OPEN.per_call - 1), Allowed)
    assert isinstance(at(OPEN.per_call), Refused)


@pytest.mark.parametrize(("tool", "arguments"), OUTSIDE)
def test_so_many_in_an_hour(tool, arguments):
    policy = Policy(
        extensions=OPEN.extensions,
        countries=OPEN.countries,
        emails=OPEN.emails,
        per_hour=2,
    )
    recent = (NOW - HOUR, NOW - HOUR + 1, NOW)

    def at(now):
        return wanted(tool, policy, Facts(recent=recent), now, **arguments)

    assert isinstance(at(NOW), Refused)
    assert isinstance(at(NOW + 1), Allowed)


def test_tools_without_effect_outside_are_not_counted():
    facts = Facts(in_call=99, recent=(NOW,) * 99)
    assert isinstance(wanted("get_variables", facts=facts), Allowed)


def test_a_call_may_not_cost_more():
    policy = Policy(spend=1.0, prices={"lookup": 0.4})
    assert isinstance(wanted("lookup", policy, Facts(spent=0.6)), Allowed)
    assert isinstance(wanted("lookup", policy, Facts(spent=0.61)), Refused)
    assert isinstance(wanted("other", policy, Facts(spent=1.0)), Allowed)
    no_limit = Policy(prices={"lookup": 0.4})
    assert isinstance(wanted("lookup", no_limit, Facts(spent=99)), Allowed)


def test_an_answer_uses_so_many_tools():
    policy = Policy(depth=3)
    assert isinstance(wanted("anything", policy, Facts(in_answer=2)), Allowed)
    assert isinstance(wanted("anything", policy, Facts(in_answer=3)), Refused)


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (Policy(numbers=("4930123",)), "policy.numbers has '4930123'"),
        (Policy(numbers=("+49*30",)), "policy.numbers has '+49*30'"),
        (Policy(numbers=("*",)), "policy.numbers has '*'"),
        (Policy(countries=("Germany",)), "policy.countries has 'Germany'"),
        (Policy(countries=("de",)), "policy.countries has 'de'"),
        (Policy(emails=("example.com",)), "policy.emails has 'example.com'"),
    ],
)
def test_what_can_never_match_is_a_mistake(policy, says):
    assert mistake(policy).startswith(says)


def test_a_policy_without_mistakes():
    assert mistake(OPEN) == mistake(Policy(emails=("*",))) == ""


REACHABLE = re.compile(r"\+49[0-9]+|\+442079460000|\+19005550100")
NASTY = st.text(
    st.sampled_from("+0123456789 ()-.tel:;=&/@,${}٤４\n\u200b49"), max_size=24
)


@given(NASTY | st.text(), st.sampled_from(["", "DE", "US"]))
def test_whatever_is_said_only_the_listed_is_called(said, region):
    for tool, key in (("connect_call", "destination"), ("send_message", "to")):
        decision = wanted(tool, facts=Facts(region=region), **{key: said, "text": ""})
        if isinstance(decision, Allowed):
            called = decision.arguments[key]
            assert called in OPEN.extensions or REACHABLE.fullmatch(called)


@given(st.from_regex(r"[a-z@.<>\",\r\n ]{0,20}@(example\.(org|com)|evil\.net)\s?"))
def test_whatever_is_said_only_the_listed_is_written_to(to):
    decision = wanted("send_email", to=to, subject="", text="")
    if isinstance(decision, Allowed):
        assert re.fullmatch(
            r"boss@example\.com|[a-z.]+@example\.org", decision.arguments["to"]
        )
