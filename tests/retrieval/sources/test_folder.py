from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pilotman.guardrails import Label
from pilotman.guardrails.errors import ConfigurationError, NotFound
from pilotman.retrieval import FolderSource
from pilotman.retrieval.sources.terms import LARGEST

pytestmark = pytest.mark.anyio

Folder = Callable[[Mapping[str, str | bytes]], Path]


async def listed(source: FolderSource) -> dict[str, str]:
    return {document_id: version async for document_id, version in source.list()}


async def test_it_lists_what_matches_by_content(folder: Folder) -> None:
    root = folder({"a.md": "one", "deep/b.md": "one", "c.txt": "text"})
    before = await listed(FolderSource(root))
    assert list(before) == ["a.md", "deep/b.md"]
    assert before["a.md"] == before["deep/b.md"]
    folder({"a.md": "two"})
    after = await listed(FolderSource(root))
    assert after["a.md"] != before["a.md"]
    assert after["deep/b.md"] == before["deep/b.md"]


async def test_a_document_carries_its_labels(folder: Folder) -> None:
    label = Label(author="user", trusted=True, tenant="acme", sources=frozenset({"wiki"}))
    root = folder({"a.md": "\ufeff# A\r\n"})
    source = FolderSource(root, label=label, readers=["tenant:acme"])
    document = await source.fetch("a.md")
    assert document.page_content == "# A\r\n"
    assert document.metadata["source"] == "a.md"
    assert document.metadata["version"] == (await listed(source))["a.md"]
    assert document.metadata["readers"] == ["tenant:acme"]
    assert document.metadata["trusted"] is True
    assert document.metadata["label"]["sources"] == ["wiki"]


async def test_without_a_label_nothing_is_trusted(folder: Folder) -> None:
    assert (await FolderSource(folder({"a.md": "A"})).fetch("a.md")).metadata["trusted"] is False


async def test_no_folder_no_match_and_a_file_instead_are_said_in_one_line(
    folder: Folder, tmp_path: Path
) -> None:
    root = folder({"a.txt": "A"})
    for source in (FolderSource(tmp_path / "missing"), FolderSource(root), FolderSource(root / "a.txt")):
        with pytest.raises(ConfigurationError) as failure:
            await listed(source)
        assert "\n" not in str(failure.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
async def test_a_folder_that_may_not_be_read_is_said(folder: Folder) -> None:
    root = folder({"a.md": "A"})
    root.chmod(0)
    try:
        with pytest.raises(ConfigurationError, match="cannot be read"):
            await listed(FolderSource(root))
    finally:
        root.chmod(0o700)


async def test_files_that_cannot_be_used_are_left_out_and_named(folder: Folder) -> None:
    root = folder({"good.md": "A", "latin.md": b"\xe4\xf6", "huge.md": b"x" * (LARGEST + 1)})
    os.mkfifo(root / "pipe.md")
    source = FolderSource(root)
    assert list(await listed(source)) == ["good.md"]
    (caveat,) = source.caveats
    assert "latin.md is not UTF-8" in caveat
    assert "huge.md is larger than 1 MiB" in caveat
    assert "pipe.md is not a file" in caveat
    for name in ("latin.md", "huge.md", "pipe.md", "none.md"):
        with pytest.raises(NotFound):
            await source.fetch(name)


async def test_only_unusable_files_are_an_error(folder: Folder) -> None:
    with pytest.raises(ConfigurationError, match=r"latin\.md is not UTF-8"):
        await listed(FolderSource(folder({"latin.md": b"\xff"})))


async def test_links_do_not_lead_out_of_the_folder(folder: Folder, tmp_path: Path) -> None:
    root = folder({"a.md": "A"})
    secret = tmp_path / "secret.md"
    secret.write_text("secret")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "b.md").write_text("secret")
    (root / "link.md").symlink_to(secret)
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "circle.md").symlink_to(root / "circle.md")
    (root / "inside.md").symlink_to(root / "a.md")
    source = FolderSource(root)
    assert list(await listed(source)) == ["a.md", "inside.md"]
    for name in ("link.md", "folder/b.md", "../secret.md", str(secret)):
        with pytest.raises(NotFound):
            await source.fetch(name)


@pytest.mark.parametrize("glob", ["../*.md", "/etc/*", "a/../../*", ""])
async def test_a_pattern_does_not_lead_out_either(glob: str) -> None:
    with pytest.raises(ConfigurationError):
        FolderSource("books", glob=glob)


async def test_a_folder_that_was_read_and_vanishes_counts_as_emptied(folder: Folder) -> None:
    root = folder({"a.md": "A"})
    source = FolderSource(root)
    await listed(source)
    (root / "a.md").unlink()
    assert await listed(source) == {}
    root.rmdir()
    assert await listed(source) == {}


async def test_many_left_out_files_are_counted(folder: Folder) -> None:
    source = FolderSource(folder({"good.md": "A", **{f"{n}.md": b"\xff" for n in range(8)}}))
    await listed(source)
    assert source.caveats[0].endswith("and 3 more")
