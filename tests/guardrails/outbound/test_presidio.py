"""Presidio is one detector among others, and its absence is said plainly."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.outbound.inspection import Inspection
from pilotman.guardrails.outbound.presidio import PresidioDetector


@dataclass(frozen=True)
class Result:
    """What ``presidio_analyzer.RecognizerResult`` has, as far as it is read."""

    entity_type: str
    start: int
    end: int
    score: float


class OneName:
    """An analyzer that knows one name."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def analyze(
        self, text: str, language: str, *, entities: list[str] | None, score_threshold: float
    ) -> Sequence[Result]:
        self.asked.append({"language": language, "entities": entities, "score_threshold": score_threshold})
        start = text.find("Ada  Lovelace")
        return [] if start < 0 else [Result("PERSON", start, start + 13, 0.85)]


def test_what_presidio_finds_is_a_finding_of_its_type() -> None:
    analyzer = OneName()
    detector = PresidioDetector(analyzer=analyzer, entities=["PERSON"], threshold=0.7, category="contact")
    (found,) = Inspection(detectors=[detector])("by Ada  Lovelace")
    assert (found.kind, found.category, found.start, found.end) == ("person", "contact", 3, 16)
    assert found.value == "ada lovelace"
    assert analyzer.asked == [{"language": "en", "entities": ["PERSON"], "score_threshold": 0.7}]


def test_its_settings_are_its_version() -> None:
    one, other = (PresidioDetector(analyzer=OneName(), threshold=threshold) for threshold in (0.5, 0.6))
    assert one.version != other.version


@pytest.mark.skipif(importlib.util.find_spec("presidio_analyzer") is not None, reason="it is installed")
def test_without_it_the_error_says_what_to_install() -> None:
    with pytest.raises(ConfigurationError, match=r"pilotman\[presidio\]"):
        PresidioDetector()


def test_the_real_engine_is_heard() -> None:
    presidio = pytest.importorskip("presidio_analyzer")
    spacy = pytest.importorskip("spacy")
    engine = pytest.importorskip("presidio_analyzer.nlp_engine").SpacyNlpEngine

    class Blank(engine):  # type: ignore[misc,valid-type]
        """No language model: recognizers by pattern alone."""

        def __init__(self) -> None:
            super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
            self.nlp = {"en": spacy.blank("en")}

        def load(self) -> None:
            pass

    detector = PresidioDetector(analyzer=presidio.AnalyzerEngine(nlp_engine=Blank()))
    kinds = {found.kind for found in detector("send it to 16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ from 10.1.2.3")}
    assert {"crypto", "ip_address"} <= kinds
