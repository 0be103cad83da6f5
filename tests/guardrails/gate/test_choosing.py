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
