"""What came out, shown."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from pilotman.retrieval.governance import Report, Row, Wrong

TOLD = Wrong(phantoms=0, outdated=0, cross_tenant=0, forbidden=0, ages=())
UNTOLD = Wrong(phantoms=1_200, outdated=3, cross_tenant=4, forbidden=5, ages=(1, 2, 9))


@pytest.fixture
def report() -> Report:
    row = Row(
        variant="a <store>", queries=8, served=80, told=TOLD, untold=UNTOLD, expected=80, withheld=20, short=2
    )
    return Report(rows=(row,), title="1 < 2", interval=60)


def test_a_row_counts_what_was_wrong_and_withheld(report: Report) -> None:
    row = report.row("a <store>")
    assert (row.over_blocking, row.told.total, row.untold.total) == (0.25, 0, 1_212)
    assert (row.told.staleness(100), row.untold.staleness(50), row.untold.staleness(100)) == (0, 2, 9)
    with pytest.raises(KeyError):
        report.row("another")


def test_it_is_shown_on_a_terminal_and_in_a_notebook(report: Report) -> None:
    console = Console(width=200, record=True, file=StringIO())
    console.print(report)
    html = report._repr_html_()  # pyright: ignore[reportPrivateUsage]
    for said in ("1,200", "2 / 8 / 9", "25.0%"):
        assert said in console.export_text(clear=False)
        assert said in html
    assert "<store>" not in html
    assert "a &lt;store&gt;" in html
    assert "1 &lt; 2" in html
