"""What the events of acting tell: calls, decisions, questions, permits, effects."""

from __future__ import annotations

from typing import Final

from pilotman.memory.provenance.graph import Scalar
from pilotman.memory.provenance.names import Place, named
from pilotman.memory.provenance.sheet import Said, Sheet

SEARCH: Final = "search_corpus"
"""What a supervisor calls the tool by which a task searches its documents."""


# calls


def model_started(sheet: Sheet, said: Said) -> None:
    """A model is called, after the turn before, or at first with its brief."""
    place, model = said.place, said.word("model")
    call = sheet.activity("model_call", place.call, said.at, path=place.path, digest=said.kept("request"))
    sheet.link(call, "WAS_ASSOCIATED_WITH", sheet.member(said.actor))
    if model is not None:
        sheet.link(call, "WAS_ASSOCIATED_WITH", sheet.agent("model", named("model", model), name=model))
    if place.turn:
        sheet.link(call, "WAS_INFORMED_BY", sheet.activity("turn", place.turn_at(place.turn - 1)))
    else:
        sheet.link(call, "USED", sheet.entity("brief", place.brief))
    if place.rest.startswith("answer:"):
        sheet.link(call, "USED", sheet.entity("findings", place.reports))
    if place.turn is None:
        sheet.link(_stage(sheet, place), "WAS_INFORMED_BY", call)
    else:
        turn = sheet.activity("turn", place.turn_at(place.turn), said.at)
        sheet.link(turn, "WAS_INFORMED_BY", call)
        sheet.link(place.whole, "WAS_INFORMED_BY", turn)


def _stage(sheet: Sheet, place: Place) -> str:
    """What a model call outside of turns belongs to: planning, else the task or the run."""
    return sheet.activity("planning", place.planning) if place.rest.startswith("plan:") else place.whole


def model_ended(sheet: Sheet, said: Said) -> None:
    """A model has answered."""
    sheet.activity(
        "model_call",
        said.place.call,
        response=said.kept("response"),
        input_tokens=said.number("input_tokens"),
        output_tokens=said.number("output_tokens"),
        result="ok",
    )


def tool_started(sheet: Sheet, said: Said) -> None:
    """A tool is called, because a model asked for it."""
    place, tool = said.place, said.word("tool")
    call = sheet.activity(
        "tool_call",
        place.call,
        said.at,
        path=place.path,
        tool=tool,
        effect=said.word("effect"),
        digest=sheet.blinded(said.word("digest")),
    )
    sheet.link(call, "WAS_ASSOCIATED_WITH", sheet.member(said.actor))
    if tool is not None:
        sheet.link(call, "WAS_ASSOCIATED_WITH", sheet.agent("tool", named("tool", tool), name=tool))
    if tool == SEARCH:
        sheet.link(call, "USED", sheet.entity("findings", place.found))
    _ask(sheet, place, call)


def _ask(sheet: Sheet, place: Place, call: str) -> None:
    """Where a call belongs: the turn that asked for it, else the task."""
    asked_by = place.asked_by
    if asked_by is None or place.turn is None:
        sheet.link(call, "USED", sheet.entity("brief", place.brief))
        sheet.link(place.whole, "WAS_INFORMED_BY", call)
        return
    sheet.link(call, "WAS_INFORMED_BY", asked_by)
    sheet.link(sheet.activity("turn", place.turn_at(place.turn)), "WAS_INFORMED_BY", call)


def tool_ended(sheet: Sheet, said: Said) -> None:
    """A tool has answered."""
    sheet.activity("tool_call", said.place.call, status=said.word("status"), result=said.kept("result"))


def tool_failed(sheet: Sheet, said: Said) -> None:
    """A tool has failed for good."""
    if said.data.get("final") is True:
        sheet.activity("tool_call", said.place.call, failure=said.word("failure"))


def tool_reused(sheet: Sheet, said: Said) -> None:
    """Answered with what the same call gave before: it is a call of its own, of the same request."""
    tool_started(sheet, said)
    sheet.activity("tool_call", said.place.call, reused=True, status=said.word("status"))


# what was decided, asked and done


def decided(sheet: Sheet, said: Said) -> None:
    """The guardrails have judged a call, or an answer."""
    place, stage, version = said.place, said.word("stage") or "", said.word("policy_version")
    name = named("decision", place.run_id, f"{place.path}#{stage}")
    made = sheet.entity(
        "decision",
        name,
        said.at,
        tool=said.word("tool"),
        effect=said.word("effect"),
        stage=stage,
        digest=sheet.blinded(said.word("digest")),
        **{f"said_{verdict}": True for verdict in [said.word("verdict")] if verdict is not None},
    )
    if version is not None:
        policy = sheet.agent("policy", named("policy", version), version=version)
        sheet.link(made, "WAS_ATTRIBUTED_TO", policy)
    _came_of(sheet, place, made)


def _came_of(sheet: Sheet, place: Place, made: str) -> None:
    """Judged or asked because of what a model said; the turn, or the task, went on from it."""
    if place.asked_by is None or place.turn is None:
        sheet.link(made, "WAS_DERIVED_FROM", sheet.entity("brief", place.brief))
        sheet.link(place.whole, "USED", made)
    else:
        sheet.link(made, "WAS_GENERATED_BY", place.asked_by)
        sheet.link(sheet.activity("turn", place.turn_at(place.turn)), "USED", made)


def asked(sheet: Sheet, said: Said) -> None:
    """A person is asked."""
    name = said.word("approval_id")
    if name is None:
        return
    asked = sheet.entity(
        "approval",
        named("approval", name),
        said.at,
        tool=said.word("tool"),
        about=said.word("kind"),
        digest=sheet.blinded(said.word("digest")),
    )
    _came_of(sheet, said.place, asked)
    listed = said.word("question")
    if listed not in (None, name):  # the answer to the question that lists it is its answer
        sheet.link(asked, "WAS_DERIVED_FROM", sheet.entity("approval", named("approval", str(listed))))


def answer_given(sheet: Sheet, said: Said) -> None:
    """A person has answered, or nobody did in time."""
    name, by = said.word("approval_id"), said.word("by")
    if name is None:
        return
    state = said.kind.removeprefix("approval_")
    asked = sheet.entity("approval", named("approval", name), None, **_since(state, said), answered_by=by)
    if by is not None:
        sheet.link(asked, "WAS_ATTRIBUTED_TO", sheet.user(by), role=state)


def refused(sheet: Sheet, said: Said) -> None:
    """Somebody said yes who may not."""
    name, by = said.word("approval_id"), said.word("by")
    if name is not None and by is not None:
        asked = sheet.entity("approval", named("approval", name))
        sheet.link(asked, "WAS_ATTRIBUTED_TO", sheet.user(by), refused=True)


def permitted(sheet: Sheet, said: Said) -> None:
    """A permit, from a decision and perhaps an approval."""
    name, place, approval = said.word("permit_id"), said.place, said.word("approval_id")
    if name is None:
        return
    digested = sheet.blinded(said.word("digest"))
    permit = sheet.entity("permit", named("permit", name), said.at, tool=said.word("tool"), digest=digested)
    decision = sheet.entity("decision", named("decision", place.run_id, f"{place.path}#write"))
    sheet.link(permit, "WAS_DERIVED_FROM", decision)
    if approval is not None:
        sheet.link(permit, "WAS_DERIVED_FROM", sheet.entity("approval", named("approval", approval)))


def intended(sheet: Sheet, said: Said) -> None:
    """A write begins, under its permit."""
    name, permit, place = said.word("effect_id"), said.word("permit_id"), said.place
    if name is None:
        return
    effect = sheet.entity(
        "effect",
        named("effect", name),
        said.at,
        tool=said.word("tool"),
        digest=sheet.blinded(said.word("digest")),
        run_id=place.run_id,
    )
    call = sheet.activity("tool_call", place.call, path=place.path, tool=said.word("tool"))
    _ask(sheet, place, call)
    sheet.link(effect, "WAS_GENERATED_BY", call)
    whole = place.whole if place.turn is None else sheet.activity("turn", place.turn_at(place.turn))
    sheet.link(whole, "USED", effect)
    sheet.link(effect, "WAS_ATTRIBUTED_TO", sheet.member(said.actor))
    if permit is not None:
        sheet.link(effect, "WAS_DERIVED_FROM", sheet.entity("permit", named("permit", permit)))


def effect_ended(sheet: Sheet, said: Said) -> None:
    """What became of a write."""
    name = said.word("effect_id")
    if name is not None:
        state = said.kind.removeprefix("effect_")
        sheet.entity("effect", named("effect", name), None, **_since(state, said), result=said.kept("result"))


def effect_joined(sheet: Sheet, said: Said) -> None:
    """The write had happened before, by another run's hand: this run went on from it."""
    name = said.word("effect_id")
    if name is not None:
        place = said.place
        call = sheet.activity("tool_call", place.call, path=place.path, tool=said.word("tool"))
        _ask(sheet, place, call)
        sheet.link(call, "USED", sheet.entity("effect", named("effect", name)), role="joined")


def _since(state: str, said: Said) -> dict[str, Scalar]:
    """A state with the time since when: each its own name, so that no event takes back what another told."""
    return {f"{state}_at": said.at.isoformat()}
