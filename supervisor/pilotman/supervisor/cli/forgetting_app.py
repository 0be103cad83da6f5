"""``pilotman memory forget`` and what belongs to it: legal holds, receipts, what is over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from pilotman.guardrails.errors import InvalidRequest
from pilotman.memory import Receipt, Selector
from pilotman.memory.forgetting.archive import written
from pilotman.memory.forgetting.hold import Hold
from pilotman.retrieval import Corpus
from pilotman.supervisor.cli import output
from pilotman.supervisor.cli.desk import Desk, at_desk
from pilotman.supervisor.cli.guardrails_app import JsonOption
from pilotman.supervisor.cli.home import Home
from pilotman.supervisor.cli.memory_app import ReasonOption, day, line, local, plain
from pilotman.supervisor.cli.session import HomeOption, perform
from pilotman.supervisor.forgetting import corpus_stores

OfOption = Annotated[str | None, typer.Option("--of", metavar="USER", help="Of this user.")]
SourceOption = Annotated[str | None, typer.Option(help="What came from there.")]
RunOption = Annotated[str | None, typer.Option(help="A run, and what came from it.")]
FactOption = Annotated[str | None, typer.Option(help="A fact.")]
BeforeOption = Annotated[
    datetime | None, typer.Option(help="Only what is older than this local time, such as 2026-05-01.")
]


@at_desk
def forget(
    desk: Desk,
    of: OfOption = None,
    source: SourceOption = None,
    run: RunOption = None,
    fact: FactOption = None,
    before: BeforeOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase for good all that fits, everywhere in the home, and leave a receipt."""
    what = _meant(of, source, run, fact, before)
    if not yes:
        question = f"Forget {_words(what)} in {desk.who.tenant}? This cannot be undone"
        typer.confirm(question, abort=True, err=True)
    forgetting = desk.memory.forgetting(corpus_stores(_corpora(desk.home)))
    receipt = desk.do(forgetting.forget(what, principal=desk.operator))
    _show_receipts([receipt], as_json=desk.as_json)
    if receipt.open:
        raise typer.Exit(output.FAILED)


@at_desk
def receipts(desk: Desk) -> None:
    """List what was forgotten, the newest first."""
    _show_receipts(desk.do(desk.memory.receipts(principal=desk.operator)), as_json=desk.as_json)


@at_desk
def hold(
    desk: Desk,
    reason: ReasonOption,
    of: OfOption = None,
    source: SourceOption = None,
    run: RunOption = None,
    fact: FactOption = None,
    before: BeforeOption = None,
) -> None:
    """Keep all that fits, whoever wants it forgotten and whatever time is over."""
    what = _meant(of, source, run, fact, before)
    placed = desk.do(desk.memory.hold(what, principal=desk.operator, reason=reason))
    _show_holds([placed], as_json=desk.as_json)


@at_desk
def lift(
    desk: Desk,
    hold_id: Annotated[str, typer.Argument(metavar="HOLD", help="The id of a hold.")],
    reason: ReasonOption,
) -> None:
    """End a hold."""
    lifted = desk.do(desk.memory.lift(hold_id, principal=desk.operator, reason=reason))
    _show_holds([lifted], as_json=desk.as_json)


@at_desk
def holds(
    desk: Desk,
    history: Annotated[bool, typer.Option("--history", help="Those that were lifted too.")] = False,
) -> None:
    """List what must be kept, and why."""
    _show_holds(desk.do(desk.memory.holds(principal=desk.operator, history=history)), as_json=desk.as_json)


def sweep(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Erase what is over, and what was to be forgotten and could not be. An open supervisor does so too."""
    place = Home(home)
    forgetting = place.memory.forgetting(corpus_stores(_corpora(place)))

    async def work() -> tuple[list[Receipt], Mapping[str, int]]:
        return await forgetting.go_on(), await place.memory.sweep()

    gone_on, done = perform(place, work())
    if as_json:
        output.as_json({**done, "gone_on_with": [one.receipt_id for one in gone_on]})
        return
    line(_counted(done) or "nothing is over")
    if gone_on:
        _show_receipts(gone_on, as_json=False)


def _meant(
    of: str | None, source: str | None, run: str | None, fact: str | None, before: datetime | None
) -> Selector:
    """
    Raises:
        InvalidRequest: nothing is named.
    """
    what = Selector(user=of, source=source, run_id=run, fact_id=fact, before=local(before))
    if what.is_empty:
        hint = "name what: --of USER, --source, --run, --fact or --before; --user says who asks"
        raise InvalidRequest("an empty selector selects nothing", hint=hint)
    return what


def _corpora(place: Home) -> list[Corpus]:
    """Of all teams that the home has."""
    return list(dict.fromkeys(corpus for team in place.teams() for corpus in team.team.corpora()))


def _show_receipts(told: list[Receipt], *, as_json: bool) -> None:
    if as_json:
        output.as_json([plain({**vars(one), "is_complete": one.is_complete}) for one in told])
        return
    for one in told:
        line(f"{one.receipt_id}  {day(one.at)}  by {one.by}: {_counted(one.erased) or 'nothing was there'}")
        if one.held:
            line(f"    under a legal hold: {_counted(one.held)}", style="yellow")
        for store, what in one.left.items():
            line(f"    {store} keeps {what}", style="yellow")
        for store, why in one.open.items():
            line(f"    {store} is still to do: {why}", style="red")
        line(f"    covers {', '.join(one.erased) or 'nothing yet'}", style="dim")
        line(f"    {one.digest}", style="dim")
    if not told:
        line("nothing was forgotten", style="dim")


def _show_holds(told: list[Hold], *, as_json: bool) -> None:
    if as_json:
        output.as_json([plain({**vars(one), "what": written(one.what)}) for one in told])
        return
    for one in told:
        end = "" if one.released_at is None else f", lifted by {one.released_by} {day(one.released_at)}"
        line(f"{one.hold_id}  {_words(one.what)}  by {one.placed_by} {day(one.placed_at)}{end}")
        line(f"    {one.reason}", style="dim")
    if not told:
        line("nothing is held", style="dim")


def _words(what: Selector) -> str:
    return (
        ", ".join(f"{name.removesuffix('_id')} {value}" for name, value in written(what).items()) or "nothing"
    )


def _counted(numbers: Mapping[str, Any]) -> str:
    return ", ".join(f"{store} {count}" for store, count in numbers.items() if count)
