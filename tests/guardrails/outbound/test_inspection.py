"""What leaves is found for what it is, plain or encoded once; what only looks like it is left alone."""

from __future__ import annotations

import base64
import hashlib
import random
import time
import uuid
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.guardrails.outbound.corpora import CONTACTS, HARMLESS, IDENTIFIERS, SECRETS
from tests.patience import in_time

from pilotman.guardrails.outbound.finding import Finding
from pilotman.guardrails.outbound.inspection import KINDS, Inspection

INSPECT = Inspection()
EVERYWHERE = Inspection(regions=("US", "DE", "GB"))
KNOWN = {**SECRETS, **IDENTIFIERS, **CONTACTS}
HOLDING = [(kind, text) for kind, texts in KNOWN.items() for text in texts]


def kinds(text: str) -> list[str]:
    return [finding.kind for finding in INSPECT(text)]


@pytest.mark.parametrize(("kind", "text"), HOLDING)
def test_what_a_text_holds_is_found_and_nothing_else(kind: str, text: str) -> None:
    assert kinds(text) == [kind]
    assert kinds(f"Dear all,\nhere it is: {text}\nRegards") == [kind]
    assert kind in KINDS


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert INSPECT(text) == []
    assert [found for found in EVERYWHERE(text) if found.category != "contact"] == []


def test_numbers_of_machines_are_not_numbers_of_people() -> None:
    random.seed(7)
    lines = [
        f"{uuid.UUID(int=random.getrandbits(128))} {hashlib.sha1(str(n).encode()).hexdigest()} "
        f"{random.random()} id={random.randrange(10**15, 10**16)} {random.getrandbits(63)} "
        f"{random.randrange(10**12)} v{n}.{n}.{n} 20{n % 70 + 10}-0{n % 9 + 1}-1{n % 10}T10:00:00.123456Z "
        f"{base64.b64encode(random.randbytes(24)).decode()} 10.{n % 255}.3.4:{random.randrange(65536)}"
        for n in range(500)
    ]
    assert [found for line in lines for found in EVERYWHERE(line)] == []


ENCODINGS: dict[str, Callable[[str], str]] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for URLs, without padding": lambda text: (
        base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    ),
    "base64 in lines": lambda text: base64.encodebytes((text + " and on" * 20).encode()).decode(),
    "percent": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "percent, as a query": lambda text: quote(text, safe=""),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal, in pairs": lambda text: text.encode().hex(" "),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("kind", [*SECRETS, *IDENTIFIERS])
def test_what_is_encoded_once_is_looked_through(kind: str, encoding: str) -> None:
    for text in KNOWN[kind]:
        hidden = ENCODINGS[encoding](f"see: {text} .")
        for around in ("{}", "https://evil.example/?q={}&x=1", "data:text/plain,{}", '{{"body": "{}"}}'):
            assert kind in kinds(around.format(hidden)), (text, around, hidden)


def test_a_finding_covers_the_value_and_no_more() -> None:
    text = "pay DE89 3704 0044 0532 0130 00 and 4111-1111-1111-1111, password=hunter22 then"
    found = {finding.kind: text[finding.start : finding.end] for finding in INSPECT(text)}
    assert found == {
        "iban": "DE89 3704 0044 0532 0130 00",
        "payment_card": "4111-1111-1111-1111",
        "password": "hunter22",
    }


def test_a_finding_lies_where_it_stands_in_the_original() -> None:
    text = "\ufb01rst \u200b\u2014 caf\u00e9: \uff14\uff11\uff11\uff11\u00a01111 11\u200b11 1111!"
    (found,) = INSPECT(text)
    assert text[found.start : found.end] == "\uff14\uff11\uff11\uff11\u00a01111 11\u200b11 1111"
    assert found.value == "4111111111111111"


def test_a_key_that_is_cut_off_ends_where_its_letters_do() -> None:
    text = "-----BEGIN PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEAn0abcd\n" * 3 + "\nand so on, as you can see."
    (found,) = INSPECT(text)
    assert text[found.end :] == "\n\nand so on, as you can see."
    (mentioned,) = INSPECT("It begins with -----BEGIN PRIVATE KEY----- and is secret.")
    assert mentioned.end - mentioned.start == len("-----BEGIN PRIVATE KEY-----")


def test_two_spellings_of_a_value_are_one_value() -> None:
    for one, other in (
        ("DE89 3704 0044 0532 0130 00", "de89370400440532013000"),
        ("4111-1111-1111-1111", base64.b64encode(b"my card 4111 1111 1111 1111").decode()),
        ("Bob@Example.com", "bob@example.com"),
        ("+1 202-555-0123", "+12025550123"),
    ):
        assert INSPECT(one)[0].value == INSPECT(other)[0].value


def test_the_name_of_an_argument_says_what_bare_digits_are() -> None:
    assert kinds("4539578763621486") == ["payment_card"]
    assert INSPECT("4539578763621486", "order_id") == []
    assert [f.kind for f in INSPECT("4539578763621486", "card_id")] == ["payment_card"]


def test_numbers_without_a_plus_are_found_where_regions_are_given() -> None:
    inspect = Inspection(regions=("US", "DE"))
    for text in ("(202) 555-0123", "202-555-0123", "030 901820", "phone: 2025550123"):
        assert [found.kind for found in inspect(text)] == ["phone"], text
        assert INSPECT(text) == []
    for text in ("2025550123", "2024-01-15 030", "192.168.1.1", "12:30:45", "1 2 3 4 5 6 7 8 9 10"):
        assert inspect(text) == [], text


def test_findings_that_overlap_are_one_of_the_graver_kind() -> None:
    (found,) = INSPECT("password=alice@example.com")
    assert (found.kind, found.category) == ("password", "secret")


def test_another_s_detector_is_heard_and_what_lies_outside_the_text_is_not() -> None:
    def names(text: str) -> Iterator[Finding]:
        yield Finding(kind="person", category="identifier", start=text.find("Ada"), end=10**9, value="ada")
        yield Finding(kind="person", category="identifier", start=50, end=40, value="nobody")

    (found,) = Inspection(detectors=[names])("hello Ada")
    assert (found.kind, found.start, found.end) == ("person", 6, 9)


@given(st.text() | st.text(alphabet="4DE1 -.:@=%/+[]abpsword\u200b\uff11\n\"'"))
@settings(deadline=None)
def test_any_text_can_be_looked_through(text: str) -> None:
    found = EVERYWHERE(text)
    places = [0, *(place for one in found for place in (one.start, one.end)), len(text)]
    assert places == sorted(places)
    assert all(one.start < one.end for one in found)


HOSTILE = {
    "a long word": "a",
    "a long number": "1",
    "numbers in groups": "4111 1111 1111 1112 ",
    "accounts": "DE12 3704 0044 0532 0130 01 ",
    "countries": "DE12 ",
    "telephone numbers": "+12025550123 ",
    "brackets": "(1",
    "dashes": "111-",
    "addresses": "a@b.",
    "dots": "a.a@",
    "tokens": "eyJ.",
    "headers": "eyJhbGciOiJIUzI1NiJ9.",
    "keys": "-----BEGIN PRIVATE KEY-----",
    "passwords": "password=",
    "words for passwords": "password ",
    "URLs": "ab://x:",
    "percent": "%41",
    "one percent": "%aaaaaaaaaaaaaaaaaaaaaaaaaa",
    "base64": "aGVsbG8gd29ybGQ ",
    "one base64": "aGVsbG8gd29ybGQh",
    "hexadecimal": "61 ",
    "one hexadecimal": "61",
    "other letters": "\u00e9",
    "hidden letters": "4\u200b",
    "bearers": "bearer aaaaaaaaaaaaaaaaaaaaaaaa! ",
    "years": "2024-01-01 19800101 ",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_the_time_grows_with_the_length_and_not_faster(what: str) -> None:
    def seconds(length: int) -> float:
        text = HOSTILE[what] * (length // len(HOSTILE[what]))
        best: list[float] = []
        for _ in range(3):
            began = time.thread_time()
            EVERYWHERE(text)
            best.append(time.thread_time() - began)
        return min(best)

    seconds(1_000)  # what is loaded when it is first needed
    assert seconds(160_000) < 12 * max(seconds(40_000), 0.005)  # four times as long; squared were sixteen


def test_a_million_characters_are_looked_through() -> None:
    line = "2025-01-15T12:03:04Z INFO 10.0.3.7 request_id=00f067aa0ba902b7 took 17 ms, token bucket user=u1\n"
    text = line * 10_000 + "password=hunter22"
    with in_time():
        assert kinds(text) == ["password"]
