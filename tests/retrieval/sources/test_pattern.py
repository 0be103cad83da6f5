from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotman.guardrails.errors import ConfigurationError
from pilotman.retrieval.sources.pattern import checked, matches

NAMES = st.sampled_from(["a", "b.md", ".c", "a.md", "ab"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PARTS = st.sampled_from(["*", "**", "*.md", "a", "?", "[ab]*", "[!a]*", ".*", "a*"])
GLOBS = st.lists(PARTS, min_size=1, max_size=4).filter(lambda parts: parts[-1] != "**").map("/".join)


@settings(max_examples=150, deadline=None)
@given(path=PATHS, glob=GLOBS)
def test_a_pattern_means_what_it_means_in_a_folder(path: str, glob: str) -> None:
    with TemporaryDirectory() as root:
        file = Path(root) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        assert matches(path, glob) == (file in Path(root).glob(glob))


def test_letters_are_told_apart_and_a_slash_is_no_letter() -> None:
    assert not matches("A.md", "a.md")
    assert not matches("a/b.md", "*.md")
    assert not matches("a/b.md", "a?b.md")


@pytest.mark.parametrize("glob", ["", "/etc/*", "../*", "a/../../b"])
def test_a_pattern_stays_inside(glob: str) -> None:
    with pytest.raises(ConfigurationError):
        checked(glob)
