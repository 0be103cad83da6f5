"""One effect, one key; two effects, two keys."""

from __future__ import annotations

from typing import Any, Literal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.agents.failure import InvalidArguments
from pilotman.agents.identity import MAX_KEY, Identity, identity_fields
from pilotman.guardrails.digest import canonical
from pilotman.guardrails.errors import ConfigurationError

RUN: dict[str, str] = {"run_id": "run_1", "thread_id": "th", "tenant": "acme"}

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
calls = st.fixed_dictionaries({"a": values, "b": values})
tricky = st.text(alphabet=":%=#{}\"'5tn é", max_size=6)
scopes = st.sampled_from(["run", "thread", "tenant"])


def test_a_key_reads_as_scope_tool_and_identity() -> None:
    identity = Identity(fields=("account",))
    assert (
        identity.key("create_ticket", {"account": "acct-7", "text": "…"}, **RUN)
        == "run:run_1:create_ticket:acct-7"
    )


def test_prose_is_no_part_of_a_declared_identity() -> None:
    identity = Identity(scope="tenant", fields=("order_id", "amount"))
    one = identity.key("refund", {"order_id": "a", "amount": 5, "why": "late"}, **RUN)
    assert one == identity.key("refund", {"order_id": "a", "amount": 5, "why": "broken"}, **RUN)
    assert one == "tenant:acme:refund:a:=5"


def test_all_arguments_count_where_no_identity_is_declared() -> None:
    identity = Identity()
    one = identity.key("t", {"a": 1, "b": "x"}, **RUN)
    assert one == identity.key("t", {"b": "x", "a": 1}, **RUN)
    assert one != identity.key("t", {"a": 1, "b": "y"}, **RUN)


@pytest.mark.parametrize(
    ("scope", "changed"),
    [("run", "run_id"), ("thread", "thread_id"), ("thread", "tenant"), ("tenant", "tenant")],
)
def test_the_scope_is_part_of_the_key(scope: Literal["run", "thread", "tenant"], changed: str) -> None:
    identity = Identity(scope=scope, fields=("a",))
    args = {"a": "x"}
    assert identity.key("t", args, **RUN) != identity.key("t", args, **{**RUN, changed: "other"})


@given(scopes, calls, calls)
def test_keys_are_equal_exactly_if_the_identities_are(
    scope: Any, one: dict[str, Any], two: dict[str, Any]
) -> None:
    for fields in ((), ("a", "b"), ("b",)):
        identity = Identity(scope=scope, fields=fields)
        left, right = identity.key("t", one, **RUN), identity.key("t", two, **RUN)
        same = [canonical(one[f]) for f in fields or "ab"] == [canonical(two[f]) for f in fields or "ab"]
        assert (left == right) == same
        assert left == identity.key("t", orjson.loads(orjson.dumps(one)), **RUN)
        assert len(left) <= MAX_KEY
        assert left.isascii()
        assert left.isprintable()


@given(tricky, tricky, tricky, tricky)
def test_separators_in_values_separate_nothing(a: str, b: str, c: str, d: str) -> None:
    identity = Identity(fields=("x", "y"))
    left = identity.key("t", {"x": a, "y": b}, **RUN)
    right = identity.key("t", {"x": c, "y": d}, **RUN)
    assert (left == right) == ((a, b) == (c, d))


@given(tricky, tricky)
def test_no_tenant_can_name_anothers_key(a: str, b: str) -> None:
    identity = Identity(scope="thread", fields=("x",))
    args = {"x": "1"}
    left = identity.key("t", args, run_id="r", tenant=a, thread_id=b)
    right = identity.key("t", args, run_id="r", tenant=b, thread_id=a)
    assert (left == right) == (a == b)


def test_a_text_is_not_the_number_that_it_spells() -> None:
    identity = Identity(fields=("a",))
    keys = {
        identity.key("t", {"a": v}, **RUN) for v in ("5", 5, "=5", "%3D5", None, "null", "=null", [5], "[5]")
    }
    assert len(keys) == 9


def test_what_is_long_is_replaced_by_its_digest() -> None:
    identity = Identity(fields=("a",))
    one = identity.key("t", {"a": "x" * 5_000 + "1"}, **RUN)
    two = identity.key("t", {"a": "x" * 5_000 + "2"}, **RUN)
    assert one != two
    assert max(len(one), len(two)) <= MAX_KEY
    assert identity.key("t", {"a": one}, **RUN) != one


def test_a_missing_identity_field_is_refused() -> None:
    with pytest.raises(InvalidArguments, match="order"):
        Identity(fields=("order",)).key("t", {}, **RUN)


# --- templates -----


def test_a_template_names_fields_once_each() -> None:
    assert identity_fields("{b}:{a}-{b}", {"a", "b"}, name="t") == ("b", "a")
    assert identity_fields(None, {"a"}, name="t") == ()


@pytest.mark.parametrize(
    "template",
    ["{missing}", "{a.b}", "{a[0]}", "{a!r}", "{a:>5}", "{}", "{0}", "no fields", "", "{a", "a}", "{{a}}"],
)
def test_a_template_that_cannot_work_is_refused(template: str) -> None:
    with pytest.raises(ConfigurationError):
        identity_fields(template, {"a"}, name="t")
