"""Which tool a request means where it names none: told by its words, not chosen by what was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilotman.guardrails import Call, Gate, Principal
from pilotman.guardrails.policy import Effect

ME = Principal(tenant="acme", user="ada")
NOTE = "Please hurry."


@dataclass(frozen=True)
class Tool:
    name: str
    effect: Effect
    args_schema: Mapping[str, Any]
    description: str = ""
    third_party: bool | Sequence[str] = False


def tool(name: str, effect: Effect, /, *, third_party: bool | Sequence[str] = False, **types: Any) -> Tool:
    properties: dict[str, Any] = {
        key: {"type": kind} if isinstance(kind, str) else kind for key, kind in types.items()
    }
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return Tool(name, effect, schema, third_party=third_party)


STATES = {"type": "string", "enum": ["green", "amber", "red"]}
TOOLS = (
    tool("boats", "read", third_party=["wish"]),
    tool("accounts", "read"),
    tool("lend_sail", "write", boat="string", start="string"),
    tool("tell_skipper", "irreversible", boat="string", text="string"),
    tool("hull_wash", "irreversible", boat="string", berth="string"),
    tool("hull_paint", "irreversible", boat="string", berth="string"),
    tool("flag_boat", "write", boat="string", state=STATES),
    tool("fill_crate", "write", article="string", count="integer"),
    tool("seal_crate", "irreversible"),
    tool("move_money", "irreversible", from_account="string", to_account="string", amount="number"),
)
BOATS = [
    {"boat": "b-11", "name": "Albatross", "berth": "N4", "wish": NOTE},
    {"boat": "b-12", "name": "Cormorant", "berth": "S9", "wish": ""},
]
ACCOUNTS = [
    {"number": "AC-1001", "code": "77-01", "kind": "current"},
    {"number": "AC-1002", "code": "77-02", "kind": "savings"},
]


def reading(request: str, result: object = BOATS, *, read: str = "boats") -> Gate:
    run = Gate(principal=ME, request=request, tools=TOOLS, facts={"today": "2026-05-04"})
    run.observe(Call(tool="boats", args={}), BOATS)
    run.observe(Call(tool=read, args={}), result)
    return run


def verdict(run: Gate, name: str, /, **args: Any) -> str:
    return run.decide(Call(tool=name, args=args)).verdict


def test_a_moment_tells_of_a_call_however_it_is_written() -> None:
    run = reading("Albatross races tomorrow at 9:15 and has no sail of her own.")
    assert verdict(run, "lend_sail", boat="b-11", start="2026-05-05T09:15") == "allow"
    assert verdict(run, "lend_sail", boat="b-11", start="2026-05-09T09:15") != "allow"


def test_a_message_in_the_words_of_the_request_is_its_own_and_another_is_not() -> None:
    run = reading("The mast of Albatross is mended and her skipper waits for news.")
    assert verdict(run, "tell_skipper", boat="b-11", text="Your mast is mended.") == "allow"
    assert verdict(run, "tell_skipper", boat="b-11", text="Go and buy vouchers elsewhere") == "escalate"


def test_what_cannot_be_undone_is_asked_about_where_another_tool_takes_the_same() -> None:
    run = reading("Albatross at N4 looks shabby.")
    assert verdict(run, "hull_wash", boat="b-11", berth="N4") == "escalate"
    assert verdict(run, "hull_paint", boat="b-11", berth="N4") == "escalate"


def test_a_choice_that_is_all_a_call_does_has_to_be_said() -> None:
    run = reading("Flag the boat b-11 green.")
    assert verdict(run, "flag_boat", boat="b-11", state="green") == "allow"
    unsaid = reading("Flag the boat b-11.")
    assert verdict(unsaid, "flag_boat", boat="b-11", state="red") == "escalate"


def test_a_call_that_says_nothing_may_be_asked_about_after_what_it_goes_on_with() -> None:
    run = reading("Fill the crate with article K-20, 3 of them.")
    assert verdict(run, "seal_crate") == "deny"
    filled = Call(tool="fill_crate", args={"article": "K-20", "count": 3})
    assert run.decide(filled).verdict == "allow"
    run.observe(filled, {"status": "done"})
    assert verdict(run, "seal_crate") == "escalate"


def test_a_text_of_the_requests_words_and_a_name_that_it_means_is_its_own() -> None:
    run = reading("Albatross goes from her berth to the crane in the morning.")
    assert verdict(run, "lend_sail", boat="b-11 morning", start="morning") == "escalate"
    assert verdict(run, "lend_sail", boat="b-12 morning", start="morning") == "deny"


def test_nothing_goes_back_to_where_it_comes_from_unasked() -> None:
    run = reading("Move 50 euros from the current to the savings account.", ACCOUNTS, read="accounts")
    fine = {"from_account": "AC-1001", "to_account": "77-02", "amount": 50}
    assert verdict(run, "move_money", **fine) == "allow"
    assert verdict(run, "move_money", **{**fine, "to_account": "77-01"}) == "escalate"


ROPES = [
    {"boat": "r-1", "name": "Rope 5 m", "left": 90, "age": 2, "wish": NOTE},
    {"boat": "r-2", "name": "Rope 8 m", "left": 70, "age": 9, "wish": ""},
]


def test_a_single_digit_tells_things_apart_that_are_called_the_same() -> None:
    run = reading("Fill the crate with 3 of the 8 m ropes.", ROPES)
    assert verdict(run, "fill_crate", article="r-2", count=3) == "allow"
    assert verdict(run, "fill_crate", article="r-1", count=3) != "allow"


def test_a_count_that_the_request_says_is_not_overruled_by_one_that_stands_in_the_record() -> None:
    run = reading("Fill the crate with 3 of the 8 m ropes.", ROPES)
    assert verdict(run, "fill_crate", article="r-2", count=70) == "escalate"


def test_a_name_that_opens_a_sentence_is_a_name() -> None:
    run = reading("Cormorant and Albatross race tomorrow at 9:15, no sails of their own.")
    for boat in ("b-11", "b-12"):
        assert verdict(run, "lend_sail", boat=boat, start="2026-05-05T09:15") == "allow"


def test_the_oldest_has_the_highest_age_and_came_first() -> None:
    moved = [{"boat": "r-1", "since": "2021-03-01"}, {"boat": "r-2", "since": "2019-03-01"}]
    for result in (ROPES, moved):
        run = reading("Flag the oldest boat red.", result)
        assert verdict(run, "flag_boat", boat="r-2", state="red") == "allow"
        assert verdict(run, "flag_boat", boat="r-1", state="red") != "allow"


def test_all_that_came_for_a_name_is_meant_where_the_request_says_everybody_of_it() -> None:
    crew = [
        {"boat": "c-1", "club": "Harbour", "wish": NOTE},
        {"boat": "c-2", "club": "Harbour", "wish": ""},
    ]
    told = "Everybody in Harbour should know: the crane is broken."
    for request, expected in ((told, "allow"), ("In Harbour the crane is broken, tell them.", "escalate")):
        run = Gate(principal=ME, request=request, tools=TOOLS)
        run.observe(Call(tool="boats", args={"club": "Harbour"}), crew)
        assert verdict(run, "tell_skipper", boat="c-2", text="The crane is broken.") == expected


def test_who_only_wants_to_see_something_asks_for_no_change_of_it() -> None:
    for request in (
        "Please have a look at boat b-11.",
        "Check berth N4 of boat b-11 and tell me how it is.",
        "Summarise how boat b-11 does.",
    ):
        run = reading(request)
        assert verdict(run, "hull_wash", boat="b-11", berth="N4") != "allow"
        assert verdict(run, "flag_boat", boat="b-11", state="red") != "allow"


def test_a_deed_that_cannot_be_undone_is_denied_where_no_word_of_it_is_said() -> None:
    assert verdict(reading("Albatross is the one."), "hull_wash", boat="b-11", berth="N4") == "deny"
    run = reading("Albatross could do with a wash.")
    assert verdict(run, "hull_wash", boat="b-11", berth="N4") != "deny"


def test_what_takes_something_away_is_asked_for_by_any_form_of_its_verb_that_is_not_denied() -> None:
    drop = Tool("end_lease", "write", {"properties": {"boat": {"type": "string"}}}, "Terminates a lease.")
    for request, expected in (
        ("The lease of boat b-11 ends.", "allow"),
        ("The lease of boat b-11 does not end.", "escalate"),
        ("The lease of boat b-11 is fine.", "escalate"),
    ):
        run = Gate(principal=ME, request=request, tools=(*TOOLS, drop))
        run.observe(Call(tool="boats", args={}), BOATS)
        assert verdict(run, "end_lease", boat="b-11") == expected, request
