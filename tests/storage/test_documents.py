import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.storage.documents import read
from agent.storage.errors import StorageError
from agent.storage.words import size


def passages(folder, name, text):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(read(path).passages)


SENTENCE = "This is a sentence of exactly nine words, truly. "
"""Nine words."""

MARKDOWN = [
    ("Only a line.", ["Only a line."]),
    ("One\nparagraph.\n\nAnother.", ["One paragraph.\nAnother."]),
    ("# Hours\n\nFrom nine to five.", ["Hours\nFrom nine to five."]),
    ("Hours\n=====\nFrom nine.", ["Hours\nFrom nine."]),
    ("Hours\n-----\nFrom nine.", ["Hours\nFrom nine."]),
    ("## Hours ##\nFrom nine.", ["Hours\nFrom nine."]),
    ("# C# #\nA language.", ["C#\nA language."]),
    (
        "# Shop\n## Hours\nNine.\n## Prices\nLow.\n# House\nOld.",
        ["Shop > Hours\nNine.", "Shop > Prices\nLow.", "House\nOld."],
    ),
    (
        "# Shop\n## Closed on Sunday\n## Hours\nNine.",
        ["Shop\nClosed on Sunday", "Shop > Hours\nNine."],
    ),
    ("# Only a heading", ["Only a heading"]),
    ("- one\n- two\n  goes on\n1. three", ["- one\n- two goes on\n- three"]),
    ("A [link](http://x/y) and **bold** `code`.", ["A link and bold code."]),
    ("![logo](a.png)", ["logo"]),
    ("> quoted\n> text", ["quoted text"]),
    ("| day | hours |\n|---|:-:|\n| Monday | 9-5 |", ["day; hours\nMonday; 9-5"]),
    ("```\n# not a heading\n```\nText.", ["# not a heading\nText."]),
    ("one\n\n---\n\ntwo", ["one\ntwo"]),
    ("5 * 3 * 2 and snake_case", ["5 * 3 * 2 and snake_case"]),
]


@pytest.mark.parametrize(("text", "expected"), MARKDOWN)
def test_markdown(tmp_path, text, expected):
    assert passages(tmp_path, "a.md", text) == expected


HTML = [
    ("<p>Only a line.", ["Only a line."]),
    (
        "<h1>Hours</h1><p>From <b>nine</b> to&nbsp;five.</p>",
        ["Hours\nFrom nine to five."],
    ),
    (
        "<html><head><title>T</title><style>p {}</style></head><body>"
        "<script>alert('x')</script><h2>A</h2><p>one<h3>B</h3><p>two</body>",
        ["A\none", "A > B\ntwo"],
    ),
    ("<ul><li>one<li>two</ul>", ["- one\n- two"]),
    (
        "<table><tr><th>day<th>hours<tr><td>Monday<td>9-5</table>",
        ["day; hours\nMonday; 9-5"],
    ),
    ("one<br>two<div>three</div>four", ["one two\nthree\nfour"]),
    ("<h1></h1><p></p><p>text", ["text"]),
]


@pytest.mark.parametrize(("text", "expected"), HTML)
def test_html(tmp_path, text, expected):
    assert passages(tmp_path, "a.html", text) == expected
    assert passages(tmp_path, "a.HTM", text) == expected


CSV = [
    (
        "article,price\nX-200,49.90\nX-300,59.90\n",
        ["article: X-200; price: 49.90", "article: X-300; price: 59.90"],
    ),
    ("Artikel;Preis\nX-200;49,90\n", ["Artikel: X-200; Preis: 49,90"]),
    ('q,a\n"Open, when?","From\nnine"\n', ["q: Open, when?; a: From nine"]),
    ("a,b\n1,\n,\n\n2,3,4\n", ["a: 1", "a: 2; b: 3; 4"]),
    ("only,a,head", ["only; a; head"]),
]


@pytest.mark.parametrize(("text", "expected"), CSV)
def test_csv(tmp_path, text, expected):
    assert passages(tmp_path, "a.csv", text) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"one\r\ntwo\r\n\r\nthree", ["one two\nthree"]),
        ("Grüße".encode("utf-8-sig"), ["Grüße"]),
        ("Grüße".encode("utf-16"), ["Grüße"]),
        (b"# no heading", ["# no heading"]),
    ],
)
def test_text(tmp_path, content, expected):
    assert passages(tmp_path, "a.txt", content) == expected


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "a.pdf",
            b"%PDF",
            "format that is not known; known: .csv, .htm, .html, .md, .txt",
        ),
        ("a", b"text", "format that is not known"),
        ("a.txt", b"", "says nothing"),
        ("a.md", b" \n\n", "says nothing"),
        ("a.html", b"<script>x</script>", "says nothing"),
        ("a.txt", "Grüße".encode("latin-1"), "not UTF-8 at byte 2; save it as UTF-8"),
        ("a.txt", b"x" * 20_000_001, "larger than 20 MB"),
        ("a.csv", b"a,b\n1," + b"x" * 200_000, "field larger than field limit"),
    ],
)
def test_what_cannot_be_read(tmp_path, name, content, says):
    with pytest.raises(StorageError) as error:
        passages(tmp_path, name, content)
    assert says in str(error.value)
    assert name in str(error.value)


def test_what_is_no_file(tmp_path):
    with pytest.raises(StorageError, match="cannot read .*a.md: No such file"):
        read(tmp_path / "a.md")
    (tmp_path / "b.md").mkdir()
    with pytest.raises(StorageError, match="b.md is not a regular file"):
        read(tmp_path / "b.md")


def test_short_paragraphs_are_joined_and_long_ones_cut(tmp_path):
    short = "\n\n".join([SENTENCE] * 20)
    assert [size(each) for each in passages(tmp_path, "a.txt", short)] == [63, 63, 54]
    long = SENTENCE * 20
    found = passages(tmp_path, "a.txt", long)
    assert [size(each) for each in found] == [117, 63]
    assert all(each.endswith("truly.") for each in found)


def test_every_passage_of_a_long_section_has_its_heading(tmp_path):
    found = passages(tmp_path, "a.md", "# Shop\n## Terms\n" + SENTENCE * 40)
    assert len(found) == 4
    assert all(each.startswith("Shop > Terms\nThis is") for each in found)


def test_a_script_without_spaces_is_cut_between_sentences(tmp_path):
    found = passages(tmp_path, "a.txt", "平日は九時から五時まで営業しています。" * 40)
    assert len(found) == 4
    assert all(each.endswith("。") for each in found)
    endless = passages(tmp_path, "a.txt", "営業" * 1000)
    assert "".join(endless) == "営業" * 1000
    assert max(map(size, endless)) <= 120


def test_the_hash_is_of_the_content(tmp_path):
    (tmp_path / "a.txt").write_text("abc")
    document = read(tmp_path / "a.txt")
    assert document.name == "a.txt"
    assert document.sha256.startswith("ba7816bf8f01cfea")


ANY_TEXT = st.one_of(
    st.text(max_size=2000),
    st.lists(
        st.sampled_from(
            ["# ", "## a", "\n", "\n\n", "```", "|", "---", "===", "- ", "<p>", "<h1>"]
            + ["</h1>", "<script>", "営業。", "word ", SENTENCE * 15, "x" * 5000, ","]
        ),
        max_size=40,
    ).map("".join),
)


@given(ANY_TEXT, st.sampled_from([".md", ".txt", ".csv", ".html"]))
def test_any_text_is_cut_or_refused(tmp_path_factory, text, suffix):
    folder = tmp_path_factory.getbasetemp()
    try:
        found = passages(folder, f"any{suffix}", text)
    except StorageError:
        return
    assert found
    for passage in found:
        assert passage.strip()
        headless = passage.split("\n", 1)[-1] if suffix in (".md", ".html") else passage
        assert size(headless) <= 120


@given(ANY_TEXT)
def test_no_word_of_a_text_is_lost(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp()
    try:
        found = passages(folder, "all.txt", text)
    except StorageError:
        found = []
    assert "".join("".join(found).split()) == "".join(text.split())
