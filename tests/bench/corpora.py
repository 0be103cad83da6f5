"""Collections to search: questions, documents and the one document that answers each question.

Made from what is there: the public runbooks and alerts (PILOTMAN_TEST_DATA), the corpora of the tests, and
texts of this machine whose author wrote a summary for each: what a docstring, a manual page or a package
says first is the question, the rest is the document. Siblings of the right document may answer as well, so
the figures compare retrievers; they are no grades.
"""

from __future__ import annotations

import ast
import gzip
import importlib.util
import json
import os
import random
import re
import sysconfig
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.retrieval import test_runbooks as alerts

MANUALS = Path("/usr/share/man/man1")
PACKAGES = Path("/var/lib/dpkg/status")
PERL = Path("/usr/share/perl")
LONGEST = 4_000


class Missing(Exception):
    """What a collection is made of is not on this machine."""


@dataclass(frozen=True, kw_only=True)
class Collection:
    """``documents`` are texts by name; ``questions`` name the document that answers."""

    documents: Mapping[str, str]
    questions: tuple[tuple[str, str], ...]

    def sample(self, most: int) -> Collection:
        """At most so many documents, chosen by a fixed seed, with the questions that they answer."""
        names = sorted(self.documents)
        kept = set(random.Random(0).sample(names, min(most, len(names))))
        return Collection(
            documents={name: self.documents[name] for name in names if name in kept},
            questions=tuple(pair for pair in self.questions if pair[1] in kept),
        )


def of_alerts(question: Callable[[Mapping[str, object]], str]) -> Collection:
    """Alerts without their names, and their runbooks."""
    if not (alerts.DATA / "runbooks").is_dir():
        raise Missing("set PILOTMAN_TEST_DATA to the folder of runbooks and alerts")
    root = alerts.DATA / "runbooks"
    return Collection(
        documents={str(file.relative_to(root)): file.read_text() for file in sorted(root.rglob("*.md"))},
        questions=tuple((question(webhook), expected) for webhook, expected in alerts.covered_alerts()),
    )


def rephrased() -> Collection:
    """The same runbooks, asked for in words that their rules do not have."""
    told = json.loads((alerts.HERE / "rephrased_alerts.json").read_text())
    questions = tuple((f"{one['summary']}\n{one['description']}", one["expected"]) for one in told)
    return Collection(documents=of_alerts(alerts.plain).documents, questions=questions)


def small(domain: str) -> Collection:
    """A small corpus of the tests."""
    questions = json.loads((alerts.HERE / "questions.json").read_text())[domain]["covered"]
    files = sorted((alerts.HERE / domain).iterdir())
    return Collection(
        documents={file.name: file.read_text() for file in files},
        questions=tuple((query, name) for query, name in questions),
    )


def docstrings(package: str) -> Collection:
    """Public functions and classes: the summary asks for the rest. Their names are left out."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise Missing(f"{package} is not installed")
    root = Path(os.__file__).parent if package == "email" else Path(found.submodule_search_locations[0])
    pairs = dict.fromkeys(pair for file in sorted(root.rglob("*.py")) for pair in _summaries(root, file))
    named = {f"item-{number}": pair for number, pair in enumerate(pairs)}
    return Collection(
        documents={name: body[:LONGEST] for name, (_, body) in named.items()},
        questions=tuple((summary, name) for name, (summary, _) in named.items()),
    )


def _summaries(root: Path, file: Path) -> Iterator[tuple[str, str]]:
    if re.search(r"site-packages|test|externals|idlelib", str(file.relative_to(root))):
        return
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            summary, _, body = (ast.get_docstring(node) or "").partition("\n\n")
            if 25 < len(summary) < 250 and len(body.strip()) > 200:
                yield " ".join(summary.split()), body.strip()


def sentences(most: int) -> list[str]:
    """Distinct sentences of the docstrings of all that is installed here, in a fixed order without order.

    Raises:
        Missing: there are fewer.
    """
    found: dict[str, None] = {}
    for file in sorted(Path(sysconfig.get_path("purelib")).rglob("*.py")):
        for text in _docstrings(file):
            for sentence in re.split(r"(?<=[.!?])\s+", " ".join(text.split())):
                if (
                    40 < len(sentence) < 300
                    and sentence.count(" ") > 5
                    and not re.search(r">>>|::|[{}]", sentence)
                ):
                    found[sentence] = None
    if len(found) < most:
        raise Missing(f"{len(found)} sentences are installed here; install more packages, or ask for fewer")
    return random.Random(0).sample(list(found), most)


def _docstrings(file: Path) -> Iterator[str]:
    try:
        with warnings.catch_warnings(action="ignore"):  # other people's escapes
            tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
            yield ast.get_docstring(node) or ""


def manuals() -> Collection:
    """Manual pages: what a command is for asks for its description."""
    files = sorted(MANUALS.glob("*.gz")) if MANUALS.is_dir() else []
    if not files:
        raise Missing(f"no manual pages in {MANUALS}")
    random.Random(0).shuffle(files)
    told = {file.name.split(".")[0]: pair for file in files[:2_000] if (pair := _manual(file))}
    return Collection(
        documents={name: text for name, (_, text) in told.items()},
        questions=tuple((summary, name) for name, (summary, _) in told.items()),
    )


def _manual(file: Path) -> tuple[str, str] | None:
    with gzip.open(file, "rt", errors="replace") as page:
        parts = re.split(r'^\.S[Hh]\s+"?(.*?)"?\s*$', page.read(), flags=re.MULTILINE)
    sections = {
        title.upper(): _unformatted(text) for title, text in zip(parts[1::2], parts[2::2], strict=False)
    }
    summary = re.match(r"\S.*?\s+-+\s+(.*)", " ".join(sections.get("NAME", "").split()))
    text = sections.get("DESCRIPTION", "").strip()
    return (
        (summary.group(1), text[:LONGEST])
        if summary and len(summary.group(1)) > 15 and len(text) > 300
        else None
    )


def _unformatted(roff: str) -> str:
    text = re.sub(r"^[.'][A-Za-z\\]+ ?", "", roff, flags=re.MULTILINE)
    return re.sub(r"\\f\(?[A-Z0-9]|\\&|\\s[-+]?\d", "", text).replace("\\-", "-").replace("\\", "")


def packages() -> Collection:
    """Installed packages of the system: the synopsis asks for the description."""
    if not PACKAGES.is_file():
        raise Missing(f"no {PACKAGES}")
    entry = re.compile(
        r"^Package: (\S+)\n.*?^Description: ([^\n]*)\n((?: [^\n]*\n?)+)", re.MULTILINE | re.DOTALL
    )
    told: dict[str, tuple[str, str]] = {}
    for record in PACKAGES.read_text(encoding="utf-8").split("\n\n"):
        found = entry.search(record)
        if found and len(found.group(2)) > 15 and len(found.group(3)) > 200:
            told.setdefault(found.group(3), (found.group(1), found.group(2)))
    return Collection(
        documents={name: text for text, (name, _) in told.items()},
        questions=tuple((summary, name) for name, summary in told.values()),
    )


def perl_questions() -> Collection:
    """Questions that people ask about Perl, and the answers in its documentation."""
    named = {file.name: file for file in sorted(PERL.glob("*/pod/perlfaq[1-9].pod"))}
    if not named:
        raise Missing("Perl's documentation is not installed (perl-doc)")
    documents: dict[str, str] = {}
    questions: list[tuple[str, str]] = []
    for file in named.values():
        parts = re.split(
            r"^=head2 (.*)$", re.sub(r"[A-Z]<+\s?(.*?)\s?>+", r"\1", file.read_text()), flags=re.MULTILINE
        )
        for number, (question, answer) in enumerate(zip(parts[1::2], parts[2::2], strict=False)):
            text = re.sub(r"^=head1.*", "", answer, flags=re.MULTILINE | re.DOTALL).strip()
            if len(text) > 100:
                documents[f"{file.stem}-{number}"] = text
                questions.append((question, f"{file.stem}-{number}"))
    return Collection(documents=documents, questions=tuple(questions))


COLLECTIONS: Mapping[str, Callable[[], Collection]] = {
    "alerts": lambda: of_alerts(alerts.plain),
    "alerts, generic": lambda: of_alerts(alerts.generic),
    "alerts, rephrased": rephrased,
    "platform": lambda: small("platform"),
    "shop": lambda: small("shop"),
    "household": lambda: small("household"),
    "Perl's FAQ": perl_questions,
    "manuals": manuals,
    "packages": packages,
    "Python": lambda: docstrings("email"),
    "scikit-learn": lambda: docstrings("sklearn"),
    "scipy": lambda: docstrings("scipy"),
    "sympy": lambda: docstrings("sympy"),
}
