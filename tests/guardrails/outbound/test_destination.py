"""Where a link leads is read as a browser reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails.outbound.destination import Destination, Destinations


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Evil.Example/x", "evil.example"),
        ("HTTPS:evil.example", "evil.example"),
        ("https:///evil.example", "evil.example"),
        ("https:\\\\evil.example\\x", "evil.example"),
        ("//evil.example", "evil.example"),
        ("\\\\evil.example/", "evil.example"),
        ("ht\ntps://ev\til.example", "evil.example"),
        ("https://good.example@evil.example/", "evil.example"),
        ("https://good.example:pw@evil.example:8443/", "evil.example"),
        ("&#104;ttps&colon;//evil.example", "evil.example"),
        ("https://ev\u00adil.example", "evil.example"),
        ("https://\uff45vil.example", "evil.example"),
        ("https://evil\u3002example", "evil.example"),
        ("https://%65vil.example/", "evil.example"),
        ("https://evil.example./", "evil.example"),
        ("https://\u0430pple.com/", "xn--pple-43d.com"),
        ("https://b\u00fccher.example/", "xn--bcher-kva.example"),
        ("javascript://evil.example/%0aalert(1)", "evil.example"),
    ],
)
def test_the_host_is_where_a_browser_goes(url: str, host: str) -> None:
    assert Destination.of(url).host == host


def test_it_is_shown_so_that_nothing_follows_it() -> None:
    shown = Destination.of("https://\u0430pple.com:8443/a%20b/(c)]?q=SECRET#frag").shown
    assert shown == "xn--pple-43d[.]com/a20b/c"
    assert Destination.of("javascript:alert(1)").shown == "a javascript address"
    assert len(Destination.of(f"https://e.example/{'x' * 9_999}").shown) < 200


NAMED = Destinations.of(
    ["see https://ok.example/a?b=1 (and shop.example), <http://third.example/x/>"],
    hosts=["docs.example.com", "*.corp.example"],
)


@pytest.mark.parametrize(
    "url",
    [
        "https://ok.example/a?b=1",
        "http://www.ok.example/a?b=1#part",
        "https://shop.example/",
        "https://third.example/x",
        "https://docs.example.com/any/path?q=1",
        "https://a.b.corp.example/",
        "#part",
        "docs/page.md",
        "mailto:bob@example.com",
        "tel:+12025550123",
    ],
)
def test_what_is_named_or_listed_may_be_led_to(url: str) -> None:
    assert Destination.of(url) in NAMED


@pytest.mark.parametrize(
    "url",
    [
        "https://ok.example/a?b=2",
        "https://ok.example/a",
        "https://shop.example/?q=SECRET",
        "https://shop.example/other",
        "https://shop.example:8443/",
        "https://shop.example.evil.example/",
        "https://corp.example/",
        "https://evilcorp.example/",
        "https://sub.docs.example.com/",
        "ftp://docs.example.com/",
        "javascript:alert(1)",
        "data:text/html,x",
        "/redirect?to=evil",
        "mailto:bob@example.com?body=SECRET",
    ],
)
def test_nothing_else_may(url: str) -> None:
    assert Destination.of(url) not in NAMED


@given(st.text())
def test_any_text_has_a_destination_that_can_be_shown(text: str) -> None:
    shown = Destination.of(text).shown
    assert not set("<>()`\"' \n") & set(shown.replace("a relative address", "").split(" ")[0])
