"""What is wrong with policies is said before the first call, with file and line."""

from __future__ import annotations

from pathlib import Path

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotman.guardrails import Call, CedarPolicy, Decision
from pilotman.guardrails.cedar import Finding, check
from pilotman.guardrails.cedar.environment import SCHEMA
from pilotman.guardrails.cedar.schema import Attribute, Named, Record, SetOf, read
from pilotman.guardrails.errors import ConfigurationError

GOOD = '@id("good")\npermit (principal, action, resource);\n'


FORBID = "forbid (principal, action, resource) "
AGENTS = "permit (principal is Agent, action, resource);\n"


def deep(condition: str) -> str:
    return f"permit (principal, action, resource) when {{ {condition} }};"


def found(policies: str | Path, schema: str | Path | None = None) -> list[str]:
    return [str(finding) for finding in check(policies, schema=schema)]


# What makes no policy


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "there is no policy in it"),
        ("// nothing; here\n", 1, "there is no policy in it"),
        (GOOD + "permit (principal,\n  action,, resource);", 4, "unexpected token `,`"),
        (GOOD + "permit (principal, action, resource)", 3, "unexpected end of input"),
        (GOOD + "\n\npermit (principal, action, resource) when {\n  frob(1) };", 6, "`frob` is not"),
        (GOOD + '@id("a") @id("b")\npermit (principal, action, resource);', 3, "duplicate annotation: @id"),
        (GOOD + "permit (principal == ?principal, action, resource);", 3, "templates are not supported"),
        (GOOD + 'permit (principal in Rule::"sre", action, resource);', 3, "unrecognized entity type `Rule`"),
        ("permit (principal, action, resource)\nwhen {\n  context.aproved };", 3, "attribute `aproved` not"),
        ("forbid (principal, action, resource)\nwhen {\n  resource.owner == 1 };", 3, "attribute `owner`"),
        ("forbid (principal, action, resource)\nwhen { context.run.tainted == 1 };", 1, "not compatible"),
        (FORBID + "when\n{ context == context };", 2, "cannot be used as a value"),
        (FORBID + "when {\n(if true then context else context).agent };", 2, "cannot"),
        (GOOD + '@approvable("maybe")\n' + GOOD, 3, '@approvable("maybe") is unknown'),
        (AGENTS + 'forbid (principal, action, resource)\nwhen { principal.user == "a" };', 3, "is User`"),
        (GOOD + deep("(" * 100_000 + "true" + ")" * 100_000), 3, "more than 30 levels"),
        (GOOD + deep("[" * 31 + "]" * 31 + ".isEmpty()"), 3, "more than 30 levels"),
        (GOOD + deep("true" + " && true" * 100_000), 3, "more than 500"),
        (GOOD + deep("if true then true else " * 100_000 + "true"), 3, "more than 500"),
        (GOOD + deep("context" + ".a" * 100_000), 3, "more than 500"),
        (GOOD + deep("true" + " || true" * 400), 3, "nesting"),
        (GOOD + deep("!" * 100_000 + "true"), 3, "too many occurrences of `!`"),
        ("policies.cedar", 1, "unexpected token `.`"),
        ('permit (principal, action, resource) when { "a };', 1, ""),
    ],
)  # fmt: skip
def test_what_is_invalid_is_said_with_its_line(text: str, line: int, said: str) -> None:
    fatal = [finding for finding in check(text) if finding.fatal]
    assert any(said in finding.text and finding.line == line for finding in fatal), fatal
    with pytest.raises(ConfigurationError, match=f"<policies>:{line}: "):
        CedarPolicy(text)


def test_each_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "a.cedar").write_text(GOOD)
    (tmp_path / "team" / "b.cedar").write_text("\n\npermit (principal);\n")
    (tmp_path / "notes.txt").write_text("not a policy")
    with pytest.raises(ConfigurationError, match=r"team/b\.cedar:3: "):
        CedarPolicy(tmp_path)
    (tmp_path / "team" / "b.cedar").write_text(GOOD.replace("good", "better"))
    assert CedarPolicy(tmp_path).check() == []


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"holds no \.cedar file"):
        CedarPolicy(tmp_path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        CedarPolicy(tmp_path / "missing.cedar")
    (tmp_path / "latin.cedar").write_bytes(b"// \xe9\n")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        CedarPolicy(tmp_path / "latin.cedar")


def test_a_name_of_a_file_that_is_no_path_gets_a_hint() -> None:
    with pytest.raises(ConfigurationError, match="given as a Path"):
        CedarPolicy("policies.cedar")


def test_a_comment_ends_where_cedar_ends_it() -> None:
    hidden = GOOD + '// a comment\r@id("no") forbid (principal, action, resource);'
    assert CedarPolicy(hidden)(Call(tool="pay", args={})) == Decision.deny("no")


def test_a_semicolon_in_a_text_or_a_comment_ends_nothing() -> None:
    text = '@id("a;b // \\"c") // d;\npermit (principal, action, resource)\nwhen { context.agent != ";" };\n'
    assert check(text + GOOD) == []
    assert found(text + "permit (x);")[0].startswith("<policies>:4: ")


# What is seldom meant


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("permit (principal, action, resource);", "1: it has no @id"),
        (GOOD + GOOD, '3: @id("good") stands at <policies>:1 too'),
        (
            '@id("f")\nforbid (principal, action, resource)\nunless { context.approved };',
            "3: a forbid that reads context.approved and is not @approvable denies without asking anybody",
        ),
        ('@id("f") @approvable\nforbid (principal, action, resource);', "1: @approvable changes nothing"),
        ('@id("f")\nforbid (principal, action in Action::"write", resource);', 'not Action::"irreversible"'),
        ('@id("f")\npermit (principal, action == Action::"write", resource);', "it never applies: a group"),
        (
            '@id("f")\npermit (principal, action == Action::"a", resource == Tool::"b");',
            "it never applies: no tool",
        ),
        (
            '@id("f")\npermit (principal, action, resource)\nwhen { context.args.amount > 3 };',
            "3: unable to guarantee safety of access to optional attribute `args.amount`",
        ),
    ],
)
def test_what_is_odd_is_said_and_hinders_nothing(text: str, said: str) -> None:
    assert any(said in finding for finding in found(text)), found(text)
    assert CedarPolicy(text).check() == found(text)
    assert not any(finding.fatal for finding in check(text))


def test_an_argument_may_be_read_differently_for_different_tools() -> None:
    text = """@id("a") permit (principal, action == Action::"pay", resource)
    when { context.args has x && context.args.x > 1 };
    @id("b") permit (principal, action == Action::"mail", resource)
    when { context.args has x && context.args.x like "b*" };
    @id("c") permit (principal, action, resource == Tool::"go")
    when { context.args has x && context.args.x };"""
    assert check(text) == []


# Schemas

OURS = """entity Role;
entity User in [Role] { tenant: String };
entity Tool { tenant: String };
"""
PAY = "action pay appliesTo { principal: [User], resource: [Tool], context: {\n  "


@pytest.mark.parametrize(
    ("schema", "line", "said"),
    [
        ("entity Role;\nentity User in [Rule];", 2, "failed to resolve type: Rule"),
        ("entity Role;\nentity User {a: String", 2, "unexpected end of input"),
        ("entity Role\nentity User;", 2, "unexpected token `entity`"),
        ("entity Role;", 1, "it declares no entity type User"),
        ("namespace Ops { entity User; }", 1, "namespaces are not supported"),
        (OURS + "action pay appliesTo { principal: [Tool], resource: [Tool] };", 4, "must apply to"),
        (
            OURS + PAY + "aproved: Bool } };",
            5,
            "context.aproved is nothing that a call tells",
        ),
        (
            OURS + PAY + "now: { hour: String } } };",
            5,
            "context.now.hour is nothing that a call tells, or of another type",
        ),
        (OURS.replace("Tool { tenant", "Tool { owner"), 3, "Tool.owner is nothing that a call tells"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_schema_is_said_with_its_line(schema: str, line: int, said: str) -> None:
    findings = check(GOOD, schema=schema)
    assert any(f.line == line and said in f.text and f.file == "<schema>" and f.fatal for f in findings), (
        findings
    )
    with pytest.raises(ConfigurationError, match=f"<schema>:{line}: "):
        CedarPolicy(GOOD, schema=schema)


def test_policies_are_held_against_their_schema(tmp_path: Path) -> None:
    schema = tmp_path / "s.cedarschema"
    schema.write_text(OURS + PAY + "args: { amount?: Long } } };")
    text = '@id("p")\npermit (principal, action == Action::"{}", resource)\nwhen {{ {} }};'
    assert found(text.format("pay", "context.args has amount && context.args.amount > 1"), schema) == []
    for action, condition, line in [
        ("pey", "true", 2),
        ("pay", "context.args.amount > 1", 3),
        ("pay", 'context.args.to == "bob"', 3),
        ("pay", "context.approved", 3),
    ]:
        findings = check(text.format(action, condition), schema=schema)
        assert [f.line for f in findings if f.fatal] == [line], findings


def test_a_schema_is_one_file(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.cedarschema").write_text(OURS)
    assert "a schema is one file" in found(GOOD, tmp_path)[0]


def test_the_shipped_schema_can_be_copied() -> None:
    assert check(GOOD, schema=SCHEMA) == []
    assert str(read(SCHEMA).handle()) == str(read(str(read(SCHEMA).handle())).handle())


def test_a_schema_may_be_json() -> None:
    json = '{"": {"entityTypes": {"User": {}, "Tool": {}}, "actions": {}}}'
    assert check(GOOD, schema=json) == []
    assert found(GOOD, '{"": 3}')[0].startswith("<schema>:1: ")


def test_everything_in_a_schema_is_understood() -> None:
    text = """type A = Set<B>; type B = { x?: ipaddr, "we ird\\n\\"k": Long, };
    @doc("hi") entity E enum ["a", "b"]; entity F, G in [E, F] { a: A } tags Set<Long>;
    action g; action h in g; action "x\\u{e9}\\" y" in [g, Action::"h"]
    appliesTo { principal: F, resource: [F, G], context: B };"""
    schema = read(text)
    held = Record({'we ird\n"k': Attribute(Named("Long")), "x": Attribute(Named("ipaddr"), required=False)})
    assert schema.entities["E"].values == ("a", "b")
    assert schema.entities["G"].parents == ("E", "F")
    assert schema.entities["G"].tags == SetOf(Named("Long"))
    assert schema.entities["F"].shape == Record({"a": Attribute(SetOf(held))})
    assert schema.actions['xé" y'].parents == ("g", "h")
    assert schema.actions['xé" y'].context == held
    assert schema.actions["h"].is_group
    assert read(str(schema.handle())) == schema


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@given(names, names, names)
@settings(max_examples=100, deadline=None)
def test_names_in_a_schema_survive(action: str, group: str, attribute: str) -> None:
    if action == group:
        return
    context = {attribute: Attribute(Named("Long"))}
    schema = read("entity User; entity Tool; action a appliesTo { principal: User, resource: Tool };")
    changed = {
        group: type(schema.actions["a"])(),
        action: type(schema.actions["a"])((group,), ("User",), ("Tool",), Record(context)),
    }
    text = str(type(schema)(schema.entities, changed).handle())
    try:
        again = cedarpy.Schema.from_str(text)
    except ValueError:
        return  # Cedar writes some names so that it cannot read them itself
    assert read(str(again)).actions == changed


def test_findings_are_in_the_order_of_the_text() -> None:
    findings = check("permit (principal, action, resource);\n" * 12)
    assert [finding.line for finding in findings] == list(range(1, 13))
    assert isinstance(findings[0], Finding)
