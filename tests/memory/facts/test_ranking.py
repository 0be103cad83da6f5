from __future__ import annotations

from pilotman.memory.facts import ranking


def scores(query: str, texts: list[str]) -> list[float]:
    return ranking.scores(query, ranking.words_of(texts))


def test_a_text_with_the_rare_word_is_before_one_with_the_common_word() -> None:
    texts = [
        "the disk of web-1 is full",
        "the disk of web-2 is fine",
        "the disk is replaced on Monday",
        "rain",
    ]
    found = scores("which disks are replaced", texts)
    assert max(found) == found[2]
    assert found[0] > 0
    assert found[3] == 0


def test_inflected_words_meet() -> None:
    assert all(scores("replies", [text])[0] > 0 for text in ("reply", "she replies", "Replied"))
    assert all(scores("baking", [text])[0] > 0 for text in ("bake", "she bakes", "Baked"))


def test_other_scripts_and_cases_are_words_too() -> None:
    assert scores("größe", ["Die GRÖSSE ist 42", "nichts"])[0] > 0
    assert scores("диск", ["Диск полон"])[0] > 0


def test_a_query_of_stop_words_finds_nothing() -> None:
    assert scores("the of and", ["the disk of web-1"]) == [0.0]
    assert scores("", ["x"]) == [0.0]
