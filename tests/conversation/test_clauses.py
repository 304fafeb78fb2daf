import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.conversation.clauses import Clauses


def cut(text: str, language: str = "en", size: int = 1) -> list[str]:
    """As it comes out when the text streams in pieces of that size."""
    clauses = Clauses(language)
    parts = []
    for at in range(0, len(text), size):
        parts += clauses.feed(text[at : at + size])
    return [*parts, *filter(None, [clauses.rest()])]


@pytest.mark.parametrize(
    ("language", "text", "parts"),
    [
        ("en", "Hello!", ["Hello!"]),
        ("en", "Hello! How are you?", ["Hello!", "How are you?"]),
        ("en", "Hi. I can help. Ask me.", ["Hi.", "I can help.", "Ask me."]),
        ("en", "Of course, sir. Go on.", ["Of course, sir.", "Go on."]),
        ("en", "I can help you, of course.", ["I can help you,", "of course."]),
        ("en", "One thing first: your name?", ["One thing first:", "your name?"]),
        ("en", "I see it now; it is late.", ["I see it now;", "it is late."]),
        ("en", "Let me look - here it is.", ["Let me look -", "here it is."]),
        ("en", "Let me look—here it is.", ["Let me look—", "here it is."]),
        (
            "en",
            "I will look at your order right away and tell you more.",
            ["I will look at your order right away", "and tell you more."],
        ),
        (
            "de",
            "Ich sehe mir Ihre Bestellung jetzt sofort an und melde mich.",
            ["Ich sehe mir Ihre Bestellung jetzt sofort an", "und melde mich."],
        ),
        ("en", "Bread and butter and jam", ["Bread and butter and jam"]),
        ("en", "Dr. Smith is in. Come.", ["Dr. Smith is in.", "Come."]),
        ("en", "Fruit, e.g. apples. Yes.", ["Fruit, e.g. apples.", "Yes."]),
        ("en", "J. Smith is in. Come.", ["J. Smith is in.", "Come."]),
        ("en", "It costs 3.50 today. Fine?", ["It costs 3.50 today.", "Fine?"]),
        ("en", "It costs 1,250 dollars, sir.", ["It costs 1,250 dollars,", "sir."]),
        ("en", "Say 1, 2, 3, 4, 5 now.", ["Say 1, 2, 3, 4, 5 now."]),
        ("en", "Come at 14:30 please: good.", ["Come at 14:30 please:", "good."]),
        ("en", "See https://a.b/c,d:e. Ok?", ["See https://a.b/c,d:e.", "Ok?"]),
        ("en", "Mail a.b@c.com. Thanks.", ["Mail a.b@c.com.", "Thanks."]),
        ("en", "It is one (two, three, four) ok", ["It is one (two, three, four) ok"]),
        ("en", "No. I cannot.", ["No.", "I cannot."]),
        ("en", "It is No. 5 here. Ok?", ["It is No. 5 here.", "Ok?"]),
        ("en", 'He said "yes." Then no.', ['He said "yes."', "Then no."]),
        ("en", "Well... let me see. Ok.", ["Well...", "let me see.", "Ok."]),
        ("en", "1. Open it\n2. Close it", ["1. Open it", "2. Close it"]),
        ("en", "I am 42. And you?", ["I am 42.", "And you?"]),
        ("de", "Am 3. Mai um zwei. Gut?", ["Am 3. Mai um zwei.", "Gut?"]),
        ("de", "Das ist z. B. heute. Gut?", ["Das ist z. B. heute.", "Gut?"]),
        ("de", "Das sind 3,50 Euro, gut?", ["Das sind 3,50 Euro,", "gut?"]),
        ("fr", "Bonjour M. Dupont. Ça va ?", ["Bonjour M. Dupont.", "Ça va ?"]),
        ("es", "Hola Sr. López. ¿Qué tal?", ["Hola Sr. López.", "¿Qué tal?"]),
        ("it", "Il Sig. Rossi c'è. Bene.", ["Il Sig. Rossi c'è.", "Bene."]),
        ("nl", "Dat is bijv. goed. Ja?", ["Dat is bijv. goed.", "Ja?"]),
        ("ja", "こんにちは。元気ですか？", ["こんにちは。", "元気ですか？"]),
        ("zh", "我来帮您看一下，请稍等。", ["我来帮您看一下，", "请稍等。"]),
        ("en", "<think>Hm. So.</think>Hi. Ok.", ["<think>Hm. So.</think>Hi.", "Ok."]),
        ("en", '{"a": "Hm. So. No."} Hi. Ok.', ['{"a": "Hm. So. No."} Hi.', "Ok."]),
        ("en", "```\na. b.\nc\n``` Done. Ok.", ["```\na. b.\nc\n``` Done.", "Ok."]),
        ("en", "", []),
        ("en", "  \n ", []),
        ("en", "no end in sight", ["no end in sight"]),
    ],
)
def test_a_stream_is_cut(language: str, text: str, parts: list[str]):
    assert cut(text, language) == parts


def test_the_first_part_leaves_at_once():
    clauses = Clauses("en")
    assert clauses.feed("I can help you") == []
    assert clauses.feed(", of") == ["I can help you,"]
    assert clauses.feed(" course, and so on.") == []
    assert clauses.rest() == "of course, and so on."


def test_sentences_that_are_there_together_are_said_together():
    clauses = Clauses("en")
    assert clauses.feed("Hello! ") == ["Hello!"]
    assert clauses.feed("I am here. You too. And ") == ["I am here. You too."]


def test_the_next_answer_begins_anew():
    clauses = Clauses("en")
    clauses.feed("Hello! And")
    clauses.rest()
    assert clauses.feed("I can help you, of course") == ["I can help you,"]


def test_a_sentence_without_end_is_cut_at_its_commas():
    text = "Hello! " + ", ".join(["this goes on and on"] * 30) + "."
    parts = cut(text)
    assert len(parts) > 3
    assert all(len(part) <= 200 and part.endswith((",", "!", ".")) for part in parts)


def test_words_without_any_sign_are_cut_between_words():
    parts = cut("Hello! " + "lorem ipsum " * 100)
    assert all(len(part) <= 320 for part in parts)
    assert {word for part in parts[1:] for word in part.split()} == {"lorem", "ipsum"}


FRAGMENTS = st.sampled_from(
    "Hello world and but or , . ; : ! ? … - — 3.50 1,250 14:30 Dr. e.g. z. B. ( ) [ ]"
    ' { } " ``` <think> </think> a@b.com https://a.b/c 1. 12 。 、'
    " ！ 日本 \n No. U.S.".split(" ")
)
TEXTS = st.one_of(
    st.text(max_size=80),
    st.lists(FRAGMENTS, max_size=60).map(" ".join),
    st.lists(FRAGMENTS, max_size=60).map("".join),
)


@given(TEXTS, st.sampled_from(["en", "de", "fr", "ja"]), st.integers(1, 30))
def test_nothing_is_lost_and_no_word_is_cut(text: str, language: str, size: int):
    parts = cut(text, language, size)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(part == part.strip() and part for part in parts)
    words = text.replace("—", "— ")
    for sign in "。、！？，；：」』”":
        words = words.replace(sign, sign + " ")
    known = set(words.split()) | set(text.split())
    for part in parts:
        for word in (part.split()[0], part.split()[-1]):
            assert word in known or any(sign in word for sign in "。、！？—，；：」』”")
