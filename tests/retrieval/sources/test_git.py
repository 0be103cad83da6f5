from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pilotman.guardrails import Label
from pilotman.guardrails.errors import ConfigurationError, NotFound, Unavailable
from pilotman.retrieval import Corpus, GitSource
from pilotman.retrieval.sources.terms import LARGEST, version_of

pytestmark = pytest.mark.anyio

Git = Callable[..., str]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "repo").mkdir()
    return tmp_path / "repo"


@pytest.fixture
def git(root: Path) -> Git:
    person = ["-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false"]

    def run(*command: str) -> str:
        asked = ["git", *person, "-C", str(root), *command]
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()

    run("init", "-q", "-b", "main")
    return run


def commit(git: Git, root: Path, **files: str | bytes) -> str:
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (root / f"{name}.md").write_bytes(data)
    git("add", "--all")
    git("commit", "-q", "--allow-empty", "-m", "x")
    return git("rev-parse", "HEAD")


async def listed(source: GitSource) -> dict[str, str]:
    return {document_id: version async for document_id, version in source.list()}


async def test_it_reads_the_commit_and_not_the_working_tree(git: Git, root: Path) -> None:
    made = commit(git, root, a="committed", b="other")
    (root / "a.md").write_text("edited")
    (root / "new.md").write_text("not added")
    label = Label(author="user", trusted=True, tenant="acme")
    source = GitSource(root, label=label, readers=["tenant:acme"])
    assert list(await listed(source)) == ["a.md", "b.md"]
    document = await source.fetch("a.md")
    assert document.page_content == "committed"
    assert document.metadata["commit"] == made
    assert document.metadata["version"] == version_of(b"committed")
    assert document.metadata["revision"] == (await listed(source))["a.md"]
    assert document.metadata["readers"] == ["tenant:acme"]
    assert document.metadata["trusted"] is True


async def test_another_ref_is_another_source_and_a_bare_repository_does(
    git: Git, root: Path, tmp_path: Path
) -> None:
    commit(git, root, a="one")
    git("tag", "v1")
    commit(git, root, a="two", b="new")
    bare = tmp_path / "bare.git"
    git("clone", "-q", "--bare", str(root), str(bare))
    for place in (root, bare):
        assert list(await listed(GitSource(place, ref="v1"))) == ["a.md"]
        assert (await GitSource(place, ref="main").fetch("a.md")).page_content == "two"


async def test_all_documents_of_a_listing_come_from_one_commit(git: Git, root: Path) -> None:
    commit(git, root, a="one", b="one")
    source = GitSource(root)
    await listed(source)
    commit(git, root, a="two", b="two")
    assert (await source.fetch("a.md")).page_content == "one"
    await listed(source)
    assert (await source.fetch("a.md")).page_content == "two"


async def test_what_cannot_be_a_document_is_left_out_and_named(git: Git, root: Path) -> None:
    (root / "link.md").symlink_to("/etc/passwd")
    commit(
        git,
        root,
        good="A",
        huge=b"x" * (LARGEST + 1),
        latin=b"\xe4",
        pointer="version https://git-lfs.github.com/spec/v1\n",
    )
    source = GitSource(root)
    assert list(await listed(source)) == ["good.md", "latin.md", "pointer.md"]
    (caveat,) = source.caveats
    assert "link.md is a link" in caveat
    assert "huge.md is larger than 1 MiB" in caveat
    corpus = Corpus([source], embedding=None)
    assert (await corpus.reconcile())["added"] == 1
    said = " ".join(corpus.caveats)
    assert "latin.md of repo@HEAD is not served: it is not UTF-8" in said
    assert "pointer.md of repo@HEAD is not served: it is a pointer of Git LFS" in said
    with pytest.raises(NotFound):
        await source.fetch("link.md")


async def test_what_never_was_there_is_wrong_and_what_was_there_is_away(git: Git, root: Path) -> None:
    commit(git, root, a="one")
    sources = (
        GitSource(root, ref="none"),
        GitSource(root / "none"),
        GitSource(root.parent),
        GitSource(root, glob="*.txt"),
    )
    for source in sources:
        with pytest.raises(ConfigurationError):
            await listed(source)
    source = GitSource(root, ref="main")
    before = await listed(source)
    git("branch", "-m", "main", "other")
    with pytest.raises(Unavailable, match="has no commit main any more"):
        await listed(source)
    git("branch", "-m", "other", "main")
    root.rename(root.with_name("away"))
    with pytest.raises(Unavailable, match="there is no repository"):
        await listed(source)
    root.with_name("away").rename(root)
    assert await listed(source) == before


async def test_a_forced_push_brings_the_other_history(git: Git, root: Path) -> None:
    commit(git, root, a="one", b="one")
    source = GitSource(root)
    await listed(source)
    git("checkout", "-q", "--orphan", "rewritten")
    git("rm", "-rfq", ".")
    commit(git, root, c="other")
    git("branch", "-f", "main", "rewritten")
    assert list(await listed(source)) == ["c.md"]


async def test_a_damaged_repository_is_away_and_not_emptied(git: Git, root: Path) -> None:
    commit(git, root, a="one")
    source = GitSource(root)
    await listed(source)
    commit(git, root, a="two")
    tree = git("rev-parse", "HEAD^{tree}")
    (root / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(Unavailable):
        await listed(source)


async def test_a_repository_around_the_folder_is_not_meant(git: Git, root: Path) -> None:
    commit(git, root, a="one")
    (root / "inner").mkdir()
    with pytest.raises(ConfigurationError, match="is not a git repository"):
        await listed(GitSource(root / "inner"))


async def test_nothing_that_the_repository_names_is_run(git: Git, root: Path, tmp_path: Path) -> None:
    """Whoever wrote the repository also wrote its configuration; a partial clone fetches what it lacks."""
    trap = tmp_path / "trap"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {trap}\n")
    program.chmod(0o755)
    (root / ".gitattributes").write_text("*.md filter=evil diff=evil\n")
    commit(git, root, a="one")
    blob = git("rev-parse", "HEAD:a.md")
    for name, value in {
        "core.repositoryFormatVersion": 1,
        "core.fsmonitor": program,
        "core.sshCommand": program,
        "core.pager": program,
        "core.hooksPath": tmp_path,
        "filter.evil.smudge": program,
        "diff.evil.textconv": program,
        "extensions.partialClone": "origin",
        "remote.origin.url": f"ext::{program}",
        "remote.origin.promisor": "true",
        "remote.origin.uploadpack": program,
        "protocol.ext.allow": "always",
        "credential.helper": program,
    }.items():
        git("config", name, str(value))
    source = GitSource(root)
    await listed(source)
    assert (await source.fetch("a.md")).page_content == "one"
    (root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(Unavailable):
        await source.fetch("a.md")
    with pytest.raises(Unavailable):
        await listed(GitSource(root))
    assert not trap.exists()
    with pytest.raises(subprocess.CalledProcessError):
        git("cat-file", "blob", blob)
    assert trap.exists(), "the trap is none: plain git does not run it either"


async def test_the_callers_environment_does_not_lead_elsewhere(
    git: Git, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(git, root, a="one")
    monkeypatch.setenv("GIT_DIR", os.devnull)
    assert list(await listed(GitSource(root))) == ["a.md"]


@pytest.mark.parametrize("ref", ["", " ", "--all", "-h", "^HEAD", "a\nb"])
async def test_a_ref_is_no_option(ref: str) -> None:
    with pytest.raises(ConfigurationError):
        GitSource("repo", ref=ref)


@pytest.mark.parametrize("ref", ["HEAD..HEAD", "HEAD:a.md", ":/x"])
async def test_a_ref_names_one_commit(git: Git, root: Path, ref: str) -> None:
    commit(git, root, a="one")
    with pytest.raises(ConfigurationError):
        await listed(GitSource(root, ref=ref))
