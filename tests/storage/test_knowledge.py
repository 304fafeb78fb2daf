import asyncio
import hashlib
import json
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loguru import logger
from sqlalchemy import text

from agent.storage.config import EmbeddingsConfig
from agent.storage.database import Database
from agent.storage.documents import Document
from agent.storage.embeddings import Embeddings
from agent.storage.errors import StorageError
from agent.storage.knowledge import Knowledge, Outcome
from agent.storage.words import terms

from .postgres import ONLY_SQLITE

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
IN_THE_DATABASE = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def document(name: str, *passages: str) -> Document:
    sha256 = hashlib.sha256("".join(passages).encode()).hexdigest()
    return Document(name, sha256, passages)


HANDBOOK = {
    "en": [
        document("hours.md", "Opening hours\nThe shop is open from nine to five."),
        document("refunds.md", "Refunds\nGoods may be returned within thirty days."),
        document("parking.md", "Getting here\nPark behind the house, entry by car."),
        document("prices.csv", "article: X-200; price: 49.90 euros"),
        document("prices2.csv", "article: X-300; price: 59.90 euros"),
    ],
    "de": [
        document("zeiten.md", "Öffnungszeiten\nWir haben von neun bis fünf geöffnet."),
        document("rueckgabe.md", "Rückgabe\nRückgaberecht: dreißig Tage ab Kauf."),
        document("strasse.md", "Anfahrt\nDie Straßenbahn hält vor dem Haus."),
    ],
    "fr": [document("retour.md", "Remboursement\nRetour gratuit à l'été prochain.")],
    "ja": [
        document("eigyo.md", "営業時間\n平日は九時から五時まで営業しています。"),
        document("henpin.md", "返品\n商品は三十日以内に返品できます。"),
        document("eki.md", "アクセス\n最寄りは東京駅です。コーヒーもあります。"),
    ],
    "zh": [document("tuikuan.md", "退款\n三十天内可以退款。")],
    "ko": [document("hwanbul.md", "환불\n삼십일 이내에 환불이 가능합니다.")],
    "th": [document("chomrom.md", "เวลาทำการ\nเปิดเก้าโมงถึงห้าโมงเย็น")],
    "ru": [document("vozvrat.md", "Возврат\nТовар можно вернуть за тридцать дней.")],
    "hi": [document("samay.md", "समय\nदुकान नौ बजे खुलती है।")],
}

QUESTIONS = [
    ("When are you open?", "hours.md"),
    ("what are your OPENING hours please", "hours.md"),
    ("Can I get a refund?", "refunds.md"),
    ("I would like to return something", "refunds.md"),
    ("Where can I park my car?", "parking.md"),
    ("How much is the X-200?", "prices.csv"),
    ("how much is the x-300", "prices2.csv"),
    ("Wann haben Sie geöffnet?", "zeiten.md"),
    ("Wie sind Ihre Offnungszeiten", "zeiten.md"),
    ("Welche Öffnungszeit gilt?", "zeiten.md"),
    ("Kann ich das zurück geben, Rückgabe?", "rueckgabe.md"),
    ("STRASSENBAHN", "strasse.md"),
    ("straßenbahnen", "strasse.md"),
    ("Fu\u0308nf", "zeiten.md"),
    ("ete", "retour.md"),
    ("Comment obtenir un remboursement ?", "retour.md"),
    ("営業時間は何時ですか", "eigyo.md"),
    ("返品したいのですが", "henpin.md"),
    ("駅", "eki.md"),
    ("ｺｰﾋｰ", "eki.md"),
    ("怎么退款", "tuikuan.md"),
    ("환불", "hwanbul.md"),
    ("เปิดกี่โมง", "chomrom.md"),
    ("возврат товара", "vozvrat.md"),
    ("दुकान कब खुलती है", "samay.md"),
]


@pytest.fixture
def knowledge(database) -> Knowledge:
    return Knowledge(database)


@pytest.fixture
async def handbook(knowledge) -> Knowledge:
    for language, documents in HANDBOOK.items():
        for each in documents:
            await knowledge.add("handbook", each, NOON, language=language)
    return knowledge


async def names(knowledge, query, collections=("handbook",), limit=3):
    found = await knowledge.search(collections, query, limit=limit)
    return [passage.document for passage in found]


async def test_a_question_finds_its_document(handbook):
    found = {query: await names(handbook, query, limit=1) for query, _ in QUESTIONS}
    assert found == {query: [document] for query, document in QUESTIONS}


async def test_the_language_gives_postgresql_the_stems_of_words(knowledge, database):
    spoken = document("went.md", "Everybody studies the ponies.")
    await knowledge.add("handbook", spoken, NOON, language="en-GB")
    stemmed = [] if database.dialect == "sqlite" else ["went.md"]
    assert await names(knowledge, "pony") == stemmed


@pytest.mark.parametrize(
    "query",
    [
        "",
        " \n\t",
        "?!",
        '"',
        "'",
        "\\",
        '" OR "',
        "NEAR(open, 2)",
        "words : open",
        "open AND NOT shop",
        "^open*",
        "-open +shop",
        "open') ; DROP TABLE knowledge_documents; --",
        "open:* & !shop | (",
        "\0open\ud800",
        "%s :open $1 ?",
        "a" * 100_000,
        "open " * 20_000,
        "\N{OLD ITALIC LETTER A}" * 9000,
        "営業" * 9000,
        "'" * 9000,
    ],
)
async def test_a_query_is_words_and_nothing_else(handbook, query):
    found = await names(handbook, query)
    assert bool(found) == ("open" in query.lower() or "営" in query)
    assert await names(handbook, "open", limit=1) == ["hours.md"]


OTHER = document("secret.md", "open hours refund 営業時間 a b c the 1 2 3 x y z")


@IN_THE_DATABASE
@given(
    query=st.one_of(
        st.text(),
        st.text(st.characters(codec=None)),
        st.lists(
            st.sampled_from(
                ["open", "refund", "営業", '"', "'", "OR", "NOT", "*", ":*", "(", "a"]
            )
        ).map(" ".join),
    )
)
async def test_any_query_finds_only_what_is_in_the_collection(database, query):
    knowledge = Knowledge(database)
    mine = document("mine.md", "The shop is open. 営業")
    await knowledge.add("mine", mine, NOON)
    await knowledge.add("other", OTHER, NOON)
    assert set(await names(knowledge, query, ["mine"])) <= {"mine.md"}
    assert await names(knowledge, query, []) == []
    assert await names(knowledge, query, ["nobody's"]) == []


async def test_several_collections_are_one(knowledge):
    await knowledge.add("a", document("a.md", "open on Monday"), NOON)
    await knowledge.add("b", document("b.md", "open on Tuesday"), NOON)
    await knowledge.add("c", document("c.md", "open on Monday and Tuesday"), NOON)
    assert set(await names(knowledge, "open", ["a", "b"])) == {"a.md", "b.md"}
    assert await names(knowledge, "open Tuesday", ["a", "b"], limit=1) == ["b.md"]


async def test_what_is_found_is_told_with_its_score(handbook):
    first, *others = await handbook.search(["handbook"], "opening hours", limit=9)
    assert first.text == "Opening hours\nThe shop is open from nine to five."
    assert all(first.score >= other.score > 0 for other in others)


async def test_the_limit_holds(knowledge):
    pages = [f"open page {number}" for number in range(50)]
    await knowledge.add("a", document("a.md", *pages), NOON)
    for limit in (0, 1, 3, 30):
        assert len(await names(knowledge, "open", ["a"], limit)) == limit


async def test_a_document_added_again_replaces_the_old_one(knowledge):
    old = document("hours.md", "open at nine", "closed on Sunday")
    new = document("hours.md", "open at ten")
    outcomes = [await knowledge.add("a", each, NOON) for each in (old, old, new, old)]
    assert outcomes == [
        Outcome.ADDED,
        Outcome.UNCHANGED,
        Outcome.REPLACED,
        Outcome.REPLACED,
    ]
    await knowledge.add("a", new, NOON)
    assert [found.text for found in await knowledge.search(["a"], "open nine")] == [
        "open at ten"
    ]
    assert await names(knowledge, "Sunday", ["a"]) == []


async def test_the_list(knowledge):
    await knowledge.add("b", document("b.md", "one", "two"), NOON, language="de")
    await knowledge.add("a", document("c.md", "three"), NOON)
    await knowledge.add("a", document("a.md", "four"), NOON)
    listed = await knowledge.documents()
    assert [(each.collection, each.name, each.passages) for each in listed] == [
        ("a", "a.md", 1),
        ("a", "c.md", 1),
        ("b", "b.md", 2),
    ]
    assert (listed[2].language, listed[2].added_at) == ("de", NOON)


async def test_what_is_removed_is_not_found(knowledge):
    for collection in ("a", "b"):
        for name in ("1.md", "2.md"):
            await knowledge.add(collection, document(name, f"open {name}"), NOON)
    assert await knowledge.remove("a", "3.md") == 0
    assert await knowledge.remove("a", "1.md") == 1
    assert await names(knowledge, "open", ["a"]) == ["2.md"]
    assert await knowledge.remove("a") == 1
    assert await names(knowledge, "open", ["a"]) == []
    assert await names(knowledge, "open", ["b"]) != []


@ONLY_SQLITE
async def test_the_index_of_sqlite_agrees_with_the_table(database):
    knowledge = Knowledge(database)
    for words in ("one two", "two three", "three"):
        await knowledge.add("a", document("a.md", words, words + " more"), NOON)
    async with database.session("check the index") as session:
        # Raises if not.
        await session.execute(
            text(
                "INSERT INTO knowledge_index (knowledge_index, rank)"
                " VALUES ('integrity-check', 1)"
            )
        )


@pytest.mark.parametrize("name", ["", "two words", "a/b", "a" * 65, "a'b"])
async def test_a_collection_needs_a_name(knowledge, name):
    with pytest.raises(StorageError, match="is not a name"):
        await knowledge.add(name, document("a.md", "open"), NOON)


async def test_a_failed_database_says_so(tmp_path):
    knowledge = Knowledge(Database(f"sqlite:///{tmp_path}/offhook.db"))
    with pytest.raises(StorageError, match="could not search: .* not open"):
        await knowledge.search(["a"], "open")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("Hours?", ["hours", "hour*"]),
        ("the hours of THE shop", ["hours", "hour*", "shop"]),
        ("what is it", ["what", "is", "it"]),
        ("Öffnungszeiten", ["offnungszeiten", "offnungszei*"]),
        ("X-200", ["x", "200"]),
        ("12345", ["12345"]),
        ("東京駅", ["東京", "京駅"]),
        ("駅", ["駅*"]),
        ("駅はどこですか", ["駅は"]),
        ("どこ", ["どこ"]),
        ("open open open", ["open"]),
        ("", []),
        ("\ud800 — ?", []),
    ],
)
def test_what_is_looked_for(query, found):
    assert [term.word + "*" * term.begins for term in terms(query)] == found


MEANINGS = [
    ("refund", "money", "reimburse"),
    ("open", "hours", "when"),
    ("car", "park"),
]


class FakeEmbeddings:
    """A server whose vectors count words of each meaning."""

    def __init__(self):
        self.asked = []
        self.authorised = []
        self.answer = self.vectors

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "http://gpu/v1/embeddings"
        body = json.loads(request.content)
        self.asked.append(body["input"])
        self.authorised.append(request.headers.get("authorization"))
        return await self.answer(body["input"])

    async def vectors(self, texts):
        rows = [
            {"index": n, "embedding": [self.count(text, m) for m in MEANINGS]}
            for n, text in enumerate(texts)
        ]
        return httpx.Response(200, json={"data": rows[::-1]})

    def count(self, text, meaning):
        return 0.01 + sum(3.0 * text.lower().count(word) for word in meaning)


@pytest.fixture
def fake() -> FakeEmbeddings:
    return FakeEmbeddings()


@pytest.fixture
async def embeddings(fake):
    config = EmbeddingsConfig("http://gpu/v1", "e5", "secret", 5.0, 5.0)
    async with httpx.AsyncClient(transport=httpx.MockTransport(fake)) as http:
        yield Embeddings(config, http)


@pytest.fixture
async def meaningful(database, embeddings) -> Knowledge:
    knowledge = Knowledge(database, embeddings)
    for each in HANDBOOK["en"]:
        await knowledge.add("handbook", each, NOON, language="en")
    return knowledge


async def test_what_no_word_finds_is_found_by_meaning(meaningful, database):
    assert await names(Knowledge(database), "reimburse me my money") == []
    assert await names(meaningful, "reimburse me my money", limit=1) == ["refunds.md"]


async def test_words_and_meaning_are_ranked_together(meaningful):
    """X-300 is known to words only; what both know comes first."""
    assert "prices2.csv" in await names(meaningful, "X-300, when?", limit=2)
    assert await names(meaningful, "park my car", limit=1) == ["parking.md"]


async def test_a_key_is_sent_and_never_told(meaningful, fake):
    assert set(fake.authorised) == {"Bearer secret"}
    assert "secret" not in repr(EmbeddingsConfig("http://gpu/v1", "e5", "secret"))


async def test_many_passages_go_in_batches(database, embeddings, fake):
    pages = document("a.md", *(f"page {number}" for number in range(150)))
    knowledge = Knowledge(database, embeddings)
    await knowledge.add("a", pages, NOON)
    assert [len(texts) for texts in fake.asked] == [64, 64, 22]
    assert sum(fake.asked, []) == list(pages.passages)
    (listed,) = await knowledge.documents()
    assert (listed.passages, listed.embedded) == (150, 150)


async def test_another_model_embeds_again(database, meaningful, embeddings):
    same = HANDBOOK["en"][0]
    again = await meaningful.add("handbook", same, NOON, language="en")
    assert again == Outcome.UNCHANGED
    embeddings.model = "e6"
    assert await names(meaningful, "reimburse") == []
    again = await meaningful.add("handbook", same, NOON, language="en")
    assert again == Outcome.REPLACED
    plain = Knowledge(database)
    again = await plain.add("handbook", same, NOON, language="en")
    assert again == Outcome.UNCHANGED


async def test_vectors_follow_the_documents(meaningful):
    async def nearest():
        return set(await names(meaningful, "reimburse", limit=2))

    assert "money.md" not in await nearest()
    await meaningful.add("handbook", document("money.md", "A refund of money"), NOON)
    assert await nearest() == {"refunds.md", "money.md"}
    await meaningful.remove("handbook", "money.md")
    assert "money.md" not in await nearest()
    await meaningful.remove("handbook")
    assert await nearest() == set()


async def test_meaning_stays_in_its_collection(meaningful):
    await meaningful.add("other", document("other.md", "refund refund money"), NOON)
    assert "other.md" not in await names(meaningful, "reimburse", limit=9)
    both = await names(meaningful, "reimburse", ["handbook", "other"], limit=9)
    assert both[0] in ("other.md", "refunds.md") and "other.md" in both


async def hang(texts):
    await asyncio.Event().wait()


async def no_connection(texts):
    raise httpx.ConnectError("connection refused")


def says(status, **answer):
    async def answering(texts):
        return httpx.Response(status, **answer)

    return answering


def vectors(*rows):
    return says(
        200,
        json={"data": [{"index": n, "embedding": row} for n, row in enumerate(rows)]},
    )


@pytest.fixture
def told():
    """What is logged."""
    lines = []
    sink = logger.add(lines.append, format="{message}", level="INFO")
    yield lines
    logger.remove(sink)


FAILURES = [
    (hang, "no answer within 0.01 s"),
    (no_connection, "connection refused"),
    (says(429, text="slow down"), "HTTP 429: slow down"),
    (says(200, text="<html>"), "not in OpenAI's format"),
    (says(200, json={"data": 7}), "not in OpenAI's format"),
    (says(200, json=[]), "not in OpenAI's format"),
    (vectors(), "sent 0 vectors for 1 texts"),
    (vectors([1.0], [2.0]), "sent 2 vectors for 1 texts"),
    (vectors(["a"]), "not in OpenAI's format"),
    (vectors([1.0, None]), "not all of finite numbers"),
]


@pytest.mark.parametrize(
    ("failure", "cause"), FAILURES, ids=[cause for _, cause in FAILURES]
)
async def test_a_failing_server(database, told, fake, failure, cause):
    """Adding fails with the cause. A search goes on with words, and logs it once."""
    config = EmbeddingsConfig("http://gpu/v1", "e5", "", 0.01, 0.01)
    async with httpx.AsyncClient(transport=httpx.MockTransport(fake)) as http:
        knowledge = Knowledge(database, Embeddings(config, http))
        await knowledge.add("a", document("a.md", "open at nine"), NOON)
        fake.answer = failure
        with pytest.raises(StorageError) as error:
            await knowledge.add("a", document("b.md", "open at ten"), NOON)
        assert str(error.value).startswith("embeddings of e5 at http://gpu/v1: ")
        assert cause in str(error.value)
        for _ in range(3):
            assert await names(knowledge, "open", ["a"]) == ["a.md"]
        fake.answer = fake.vectors
        assert await names(knowledge, "open", ["a"]) == ["a.md"]
    warning, again = told
    assert "by words alone" in warning and cause in warning
    assert "by meaning again" in again


async def test_another_model_behind_the_same_name(meaningful, fake):
    fake.answer = vectors([1.0, 2.0])
    assert await names(meaningful, "open", limit=1) == ["hours.md"]
