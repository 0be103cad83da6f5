from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.retrieval.chunk import LONGEST, TINY, cut, title_of

PARAGRAPH = "The disk is full because nobody rotates the logs. " * 8


def test_headings_become_the_path_of_their_sections() -> None:
    text = "\n\n".join(f"{head}\n\n{PARAGRAPH}" for head in ("# Disk", "## Look", "### Logs", "## Act"))
    assert [chunk.heading for chunk in cut(text)] == [
        "Disk",
        "Disk > Look",
        "Disk > Look > Logs",
        "Disk > Act",
    ]


def test_an_underlined_heading_counts_and_a_hash_in_a_code_block_does_not() -> None:
    text = f"Disk\n====\n\n{PARAGRAPH}\n\n```shell\n# not a heading\n{PARAGRAPH}\n```\n"
    assert {chunk.heading for chunk in cut(text)} == {"Disk"}


def test_tiny_sections_are_joined_under_what_they_share() -> None:
    text = "# Disk\n\n## Meaning\n\nFull.\n\n## Impact\n\nBad.\n"
    (chunk,) = cut(text)
    assert chunk.text == text.strip()
    assert chunk.heading == "Disk"


def test_a_tiny_section_is_not_joined_to_one_that_fills_a_chunk() -> None:
    text = "# Disk\n\n" + "word " * (LONGEST // 5 - 3) + "\n\n## Impact\n\nBad.\n"
    assert len(cut(text)) == 2


def test_a_code_block_that_fits_is_kept_whole() -> None:
    code = "```shell\n" + "df --human-readable\n" * 40 + "```"
    chunks = cut(f"# Disk\n\n{PARAGRAPH}{PARAGRAPH}\n\n{code}\n\n{PARAGRAPH}\n")
    assert any(code in chunk.text for chunk in chunks)


def test_front_matter_is_no_text_but_names_the_title() -> None:
    text = "---\ntitle: 'Disk almost full'\nweight: 20\n---\n\n# Disk\n\nFull.\n"
    assert title_of(text) == "Disk almost full"
    (chunk,) = cut(text)
    assert chunk.text == "# Disk\n\nFull."


@pytest.mark.parametrize("text", ["", "\n\n", "---\ntitle: x\n---\n", "\ufeff"])
def test_a_document_without_text_has_no_chunks(text: str) -> None:
    assert cut(text.strip("\ufeff")) == ()


def test_a_line_without_end_is_cut_at_blanks_or_anywhere() -> None:
    assert [len(chunk.text) for chunk in cut("x" * (LONGEST * 2 + 10))] == [LONGEST, LONGEST, 10]
    assert all(set(chunk.text.split()) == {"word"} for chunk in cut("word " * 2_000))


def test_markup_stays_as_it_was_written() -> None:
    text = "# Disk\n\n<script>alert(1)</script> [link](http://example.org) **bold** {{ template }}\n"
    assert cut(text)[0].text == text.strip()


BLOCKS = st.sampled_from(
    ["# A", "## B", "#### C", "text of a paragraph", "- item\n- item", "```\n# code\n```", "> quote"]
)


def test_a_block_that_is_blank_to_python_only_keeps_the_slices_whole() -> None:
    (chunk,) = cut("# A\n\n\x1f\n\n# A")
    assert chunk.text == "# A\n\n\x1f\n\n# A"


@given(
    st.lists(st.one_of(BLOCKS, st.text(max_size=300)), max_size=30),
    st.sampled_from(["\n\n", "\r\n\r\n", "\r\r"]),
)
def test_chunks_are_slices_in_order_that_lose_nothing_but_blanks(blocks: list[str], between: str) -> None:
    text = between.join(blocks)
    chunks = cut(text)
    end = 0
    if not text.startswith("---") and not text.startswith("\ufeff---"):
        for chunk in chunks:
            assert not text[end : chunk.start].strip()
            end = chunk.end
        assert not text[end:].strip()
    for chunk in chunks:
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.text.strip()
        assert len(chunk.text) <= LONGEST


def test_sections_of_some_length_stay_apart() -> None:
    section = "y" * TINY
    assert len(cut(f"# A\n\n{section}\n\n# B\n\n{section}\n")) == 2
