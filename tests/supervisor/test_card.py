"""The notebook's card is self-contained, well-formed, and nothing in a run becomes markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from tests.supervisor.test_run import full

from pilotman.supervisor.plan import Plan, Task
from pilotman.supervisor.run import Run

_VOID = {"br", "hr", "img", "input", "meta", "link"}
_ALLOWED = {
    *("div", "style", "header", "p", "em", "span", "code", "h4", "ul", "li"),
    *("table", "tr", "th", "td"),
}


class Reader(HTMLParser):
    """Collects tags and text, and checks that every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert all(name in ("class", "style") for name, _ in attrs)
        self.tags.add(tag)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)


def read(run: Run) -> Reader:
    reader = Reader()
    reader.feed(run._repr_html_())  # pyright: ignore[reportPrivateUsage]
    reader.close()
    assert not reader.open
    return reader


def test_the_card_shows_every_part() -> None:
    words = " ".join(read(full()).words)
    for part in (
        "run_1",
        "EXECUTING",
        "done",
        "a.md",
        "open_ticket",
        "applied",
        "apr_1",
        "lexical",
        "1 step",
    ):
        assert part in words


def test_the_card_loads_nothing_and_sets_no_background() -> None:
    html = full()._repr_html_()  # pyright: ignore[reportPrivateUsage]
    assert not re.search(r"https?:|url\(|@import|<script|src=", html)
    assert not re.search(r"background:(?!none)", html)


@given(st.text(alphabet=st.sampled_from("<>&\"'/=ab \n\u202e\x1b"), max_size=60))
def test_nothing_in_a_run_becomes_markup(text: str) -> None:
    hostile = f"<script>alert(1)</script>{text}<img src=x onerror=alert(1)>"
    run = full()
    run = replace(
        run,
        state="FAILED",
        run_id=hostile,
        request=hostile,
        answer=hostile,
        last_error=hostile,
        caveats=(hostile,),
        plan=Plan((Task(task_id=hostile, agent=hostile, goal=hostile, depends_on=(hostile,)),)),
        actions=tuple(replace(a, tool=hostile, message=hostile) for a in run.actions),
        approvals=tuple(replace(a, approval_id=hostile, question=hostile) for a in run.approvals),
        citations=tuple(replace(c, source=hostile, version=hostile, quote=hostile) for c in run.citations),
    )
    reader = read(run)
    assert reader.tags <= _ALLOWED
    assert not {"\u202e", "\x1b"} & set("".join(reader.words))
