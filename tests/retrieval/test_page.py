from __future__ import annotations

import pytest
from tests.retrieval.pages import chunks_of

from pilotman.retrieval.lexicon import name_of
from pilotman.retrieval.page import page_of
from pilotman.retrieval.words.analyzer import Analyzer


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("kubernetes/KubeAPIDown.md", "Kube API Down"),
        ("disk_almost-full.md", "disk almost full"),
        ("etcdGRPCSlow", "etcd GRPC Slow"),
        ("wiki/42", "42"),
    ],
)
def test_the_name_is_the_last_part_of_the_source_in_words(source: str, name: str) -> None:
    assert name_of({"source": source}) == name


def test_name_and_headings_are_part_of_what_is_indexed() -> None:
    chunks = chunks_of("# Volume trouble\n\n## Growth\n\nIt grows.\n", source="DiskFull.md")
    page = page_of(chunks, Analyzer())
    assert {"disk", "full", "volum", "growth"} <= page.vocabulary
    assert page.subjects == (frozenset({"volum", "troubl"}),)


def test_a_name_is_a_subject_by_those_of_its_words_that_the_text_says() -> None:
    page = page_of(chunks_of("The disk is full.\n", source="RunbookDiskFull.md"), Analyzer())
    assert page.subjects == (frozenset({"disk", "full"}),)


def test_the_title_of_the_front_matter_is_a_subject() -> None:
    page = page_of(chunks_of("---\ntitle: Toner\n---\nThe toner is empty.\n", source="7.md"), Analyzer())
    assert page.subjects == (frozenset({"toner"}),)
