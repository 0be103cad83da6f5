"""A page is read as its text; pictures are not fetched; what is no page stays as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails.incoming.markup import is_page, read_page, without_pictures

PAGE = """<!DOCTYPE html>
<html><head><title>Prices &amp; terms</title><style>p { color: red }</style>
<script>if (a < b) { document.write("<!--"); }</script></head>
<body><h1>Prices</h1><!-- a comment -->
<p>From <b>5&nbsp;€</b>, see <a href="https://shop.example/p?x=1&amp;y=2">the list</a>.</p>
<ul><li>one<li>two</ul>
<table><tr><td>a</td><td>1</td></tr><tr><td>b</td><td>2</td></tr></table>
<div style="display: none">for you <div>alone</div> here</div><p hidden>nor this</p>
<img src="https://x.example/t.gif"><img src="a.png" alt="a cat"><a href="javascript:x()">go</a>
</body></html>"""


def test_the_text_of_a_page_is_what_a_person_sees() -> None:
    assert is_page(PAGE)
    page = read_page(PAGE)
    assert page.text.splitlines() == [
        "Prices & terms",
        "",
        "Prices",
        "",
        "From 5 €, see the list (https://shop.example/p?x=1&y=2).",
        "",
        "- one",
        "- two",
        "",
        "a | 1 |",
        "",
        "b | 2 |",
        "",
        "[image: a cat]go",
    ]
    for hidden in ("a comment", "document.write", "alone", "nor this", "color: red"):
        assert hidden in page.hidden
        assert hidden not in page.text


@pytest.mark.parametrize(
    "text",
    [
        "a < b && c > d",
        "if (x<y) { return a>b; }",
        "std::vector<std::string> v; // <p>, </p>",
        "# Title\n\n<details><summary>More</summary>\n\ntext</details>",
        '{"html": "<p>no page</p>"}',
        "<?xml version='1.0'?><note><to>Bob</to></note>",
        "<note><to>Bob</to></note>",
        "<placeholder>",
        "<b",
        "",
    ],
)
def test_what_is_no_page_is_not_taken_for_one(text: str) -> None:
    assert not is_page(text)


def test_what_was_escaped_twice_stays_text() -> None:
    page = read_page("<p>&lt;p&gt;shown as written&lt;/p&gt;</p>")
    assert not is_page(page.text)
    assert "shown as written" in page.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("![logo](https://evil.example/p?d=1)", "[image: logo](https://evil.example/p?d=1)"),
        ("!![a](http://x)", "[image: a](http://x)"),
        ("![a]( //x.example/y )", "[image: a]( //x.example/y )"),
        ("![](data:image/png;base64,aa)", "[image: ](data:image/png;base64,aa)"),
        ("![local](img/a.png)", "![local](img/a.png)"),
        ("if (![1, 2].includes(x)) {}", "if (![1, 2].includes(x)) {}"),
        ("[a link](https://x.example)", "[a link](https://x.example)"),
    ],
)
def test_remote_pictures_become_links(text: str, shown: str) -> None:
    assert without_pictures(text)[0] == shown


@given(st.text(st.sampled_from("<>/!-=\"' \nabdivpscriptstylehidden&lt;gt")))
def test_whatever_a_page_is_its_text_is_none(text: str) -> None:
    assert not is_page(read_page(text).text)


def test_hostile_markup_takes_time_in_proportion() -> None:
    for piece in ("<a ", "<!--", "<div hidden>", "<p x=\"'", "<script>", "</p><p>", "![", "<" * 9, "&amp;"):
        read_page(f"<p>{piece * 20_000}")
        without_pictures(piece * 20_000)
