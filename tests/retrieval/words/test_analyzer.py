from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pilotman.retrieval.words.analyzer import Analyzer


@pytest.fixture
def analyzer() -> Analyzer:
    return Analyzer()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("DaemonSet", "daemonsets"),
        ("KubeProxy", "kube-proxy"),
        ("node_filesystem_free_bytes", "filesystem"),
        ("etcdGRPCRequestsSlow", "gRPC requests"),
        ("failing", "failed"),
        ("HTTP 503", "status 503"),
        ("k8s", "K8S"),
        ("\uff44\uff49\uff53\uff4b", "disk"),
    ],
)
def test_two_ways_to_write_a_thing_share_a_term(analyzer: Analyzer, one: str, other: str) -> None:
    assert set(analyzer.terms(one)) & set(analyzer.terms(other))


@pytest.mark.parametrize("text", ["", "the and of", "15.2%", "7d9f8b6c5dx2k4pq", "!!! -- __", "a b c"])
def test_stop_words_figures_and_long_codes_are_no_terms(analyzer: Analyzer, text: str) -> None:
    assert analyzer.terms(text) == []


def test_words_that_tell_failures_apart_are_kept(analyzer: Analyzer) -> None:
    assert analyzer.terms("The API is down and not up") == ["api", "down", "not", "up"]


def test_a_word_says_whether_it_holds_figures_or_links(analyzer: Analyzer) -> None:
    words = {
        word.parts[0]: (word.coded, word.linked) for word in analyzer.words("web-3 p95 config-reloader disk")
    }
    assert words == {
        "web": (True, True),
        "p95": (True, False),
        "config": (False, True),
        "disk": (False, False),
    }


def test_words_of_other_scripts_are_kept_whole(analyzer: Analyzer) -> None:
    assert analyzer.terms("Größe диск") == ["grösse", "диск"]


def test_threads_do_not_disturb_each_other(analyzer: Analyzer) -> None:
    words = [
        f"{stem}{ending}"
        for stem in ("connect", "relat", "generat", "activ")
        for ending in ("ing", "ed", "ion", "ions")
    ]
    alone = [Analyzer().terms(word) for word in words]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(analyzer.terms, words * 50)) == alone * 50
