from __future__ import annotations

import pytest

from pilotman.retrieval.analyzer import Analyzer
from pilotman.retrieval.page import page_of


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
    page = page_of("x", source=source, version="1", readers=frozenset("*"), labels={}, analyzer=Analyzer())
    assert page.name == name


def test_name_and_headings_are_part_of_what_is_indexed() -> None:
    text = "# Volume trouble\n\n## Growth\n\nIt grows.\n"
    page = page_of(
        text, source="DiskFull.md", version="1", readers=frozenset("*"), labels={}, analyzer=Analyzer()
    )
    assert {"disk", "full", "volum", "growth"} <= page.vocabulary
    assert page.texts()[0].startswith("Disk Full. ")
    assert page.subjects == (frozenset({"disk", "full"}), frozenset({"volum", "troubl"}))
