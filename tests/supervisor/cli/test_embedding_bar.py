from __future__ import annotations

import io

from rich.console import Console

from pilotman.supervisor.cli.embedding_bar import EmbeddingBar


def told(*steps: tuple[int, int], terminal: bool = True) -> str:
    """What stands on the terminal after these calls."""
    written = io.StringIO()
    bar = EmbeddingBar(Console(file=written, force_terminal=terminal, width=100, no_color=True))
    for done, of in steps:
        bar(done, of)
    return written.getvalue()


def test_many_passages_are_shown_on_one_line_that_ends_when_all_are_done() -> None:
    shown = told((128, 512), (256, 512), (512, 512))
    lines = shown.split("\r")
    assert [line.count("█") for line in lines] == [8, 15, 30]
    assert "128 of 512 passages embedded" in lines[0]
    assert shown.count("\n") == 1
    assert shown.endswith("512 of 512 passages embedded\n")


def test_few_passages_and_logs_show_nothing() -> None:
    assert told((128, 200), (200, 200)) == ""
    assert told((128, 512), (512, 512), terminal=False) == ""


def test_a_bar_that_began_ends_even_if_fewer_are_left() -> None:
    assert told((128, 512), (130, 130)).endswith("130 of 130 passages embedded\n")
