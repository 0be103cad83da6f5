"""Microsoft Presidio behind the ``Detector`` port: names, places and what else its recognizers know."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, cast

from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.outbound.finding import Category, Finding

_MODEL = "en_core_web_lg"


class Analyzer(Protocol):
    """What we ask of a ``presidio_analyzer.AnalyzerEngine``."""

    def analyze(
        self, text: str, language: str, *, entities: list[str] | None, score_threshold: float
    ) -> Sequence[Any]: ...


class PresidioDetector:
    """Finds what Presidio finds. Kinds are its entity types in lower case: ``person``, ``us_passport``.

    ``analyzer`` is an ``AnalyzerEngine``, its default if None: that loads a spaCy model, which has to be
    installed. ``entities``: only these types, None for all. ``threshold``: the lowest score, in [0, 1]. It is
    slow (a language model reads the text) and runs in a thread.

    Raises:
        ConfigurationError: Presidio or its model is not installed.
    """

    def __init__(
        self,
        *,
        analyzer: Analyzer | None = None,
        entities: Sequence[str] | None = None,
        language: str = "en",
        threshold: float = 0.5,
        category: Category = "identifier",
    ) -> None:
        self._analyzer = analyzer or _engine()
        self._entities = None if entities is None else list(entities)
        self._language = language
        self._threshold = threshold
        self._category: Category = category

    @property
    def version(self) -> str:
        """Changes with the settings."""
        return f"presidio:{self._language}:{self._threshold}:{self._category}:{self._entities}"

    def __call__(self, text: str, /) -> Iterator[Finding]:
        """What Presidio finds in the text."""
        found = self._analyzer.analyze(
            text, self._language, entities=self._entities, score_threshold=self._threshold
        )
        for one in found:
            yield Finding(
                kind=str(one.entity_type).lower(),
                category=self._category,
                start=one.start,
                end=one.end,
                value=" ".join(text[one.start : one.end].casefold().split()),
            )


def _engine() -> Analyzer:
    try:
        presidio = importlib.import_module("presidio_analyzer")
    except ImportError as error:
        raise ConfigurationError(
            "presidio_analyzer is not installed", hint="install pilotman[presidio] and a spaCy model"
        ) from error
    if importlib.util.find_spec(_MODEL) is None:  # it would be downloaded behind our back
        raise ConfigurationError(
            f"Presidio's language model {_MODEL} is not installed",
            hint=f"python -m spacy download {_MODEL}, or give analyzer=",
        )
    return cast("Analyzer", presidio.AnalyzerEngine())
