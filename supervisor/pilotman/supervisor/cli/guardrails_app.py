"""The commands about guardrails: ``policy check`` and ``gate bench``. They need no journal, hence no home."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn, cast

import typer
from rich.text import Text

from pilotman.guardrails.bench.replay import MakeGate
from pilotman.guardrails.bench.report import TOTAL, Report, measure
from pilotman.guardrails.bench.suite import Suite, from_json
from pilotman.guardrails.cedar import Finding, check
from pilotman.guardrails.display import visible
from pilotman.guardrails.errors import ConfigurationError, InvalidRequest
from pilotman.supervisor.cli import output
from pilotman.supervisor.cli.imports import A_TEAM, imported, told

if TYPE_CHECKING:
    from pilotman.supervisor.bench.scenario import Outcomes

OURS: Final = "pilotman.guardrails:Gate"

policy_app = typer.Typer(name="policy", help="Policies in Cedar.", no_args_is_help=True)
gate_app = typer.Typer(name="gate", help="The gate before tool calls.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@policy_app.command("check")
def policy_check(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH",
            readable=False,
            help="A file, or a folder of .cedar files; each a policy of its own. Default: the shipped one.",
        ),
    ] = None,
    schema: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            help="Your .cedarschema. Default: the shipped one, with any arguments and user attributes.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what is wrong in policies, by file and line: 1 if no policy can be made of them, else 0."""
    found = _findings(paths or (), schema)
    fatal = sum(finding.fatal for finding in found)
    if as_json:
        rows = [{"file": f.file, "line": f.line, "text": f.text, "fatal": f.fatal} for f in found]
        output.as_json({"usable": not fatal, "findings": rows})
    else:
        _show_findings(found, fatal, where="" if paths else " in the shipped policy")
    raise typer.Exit(output.FAILED if fatal else output.COMPLETED)


@gate_app.command("bench")
def gate_bench(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="SUITE.json", readable=False, help="Suites of yours. Default: the development suites."
        ),
    ] = None,
    gate: Annotated[
        str | None,
        typer.Option(help=f"What builds the gate of a run: package.module:factory. Default: {OURS}."),
    ] = None,
    plan: Annotated[
        bool | None,
        typer.Option("--plan/--no-plan", help="Only with, or only without, a plan. Default: both."),
    ] = None,
    team: Annotated[str | None, typer.Option(help=f"Attack this team instead, in memory: {A_TEAM}.")] = None,
    request: Annotated[
        str | None, typer.Option(help="What the team's user has asked for. Default: nothing that writes.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a gate: what attacks get through, what honest tasks suffer, which changed writes pass.

    Without a suite or a gate of yours also what whole teams let through. 1 if anything came through those.
    """
    from pilotman.supervisor.cli import rehearsals  # no other command needs them

    if team is not None or request is not None:
        if team is None or files or gate is not None or plan is not None:
            raise InvalidRequest("--team is attacked alone", hint="--team package.module:team [--request …]")
        _ended(None, rehearsals.theirs(team, request, quiet=as_json), as_json=as_json)
    plans = (False, True) if plan is None else (plan,)
    report = _measured(_suites(files or ()), _factory(gate or OURS), plans, quiet=as_json)
    alone = files or gate is not None
    _ended(report, None if alone else rehearsals.ours(quiet=as_json), as_json=as_json)


def _ended(report: Report | None, played: Outcomes | None, *, as_json: bool) -> NoReturn:
    """Print what there is, and leave: 1 if anything came through in a scenario."""
    if as_json:
        told: dict[str, object] = {} if report is None else json.loads(report.to_json())
        output.as_json(told if played is None else {**told, **played.to_dict()})
    else:
        tables = [one.table() for one in (report, played) if one is not None]
        sys.stdout.write("\n".join(tables))
    raise typer.Exit(output.COMPLETED if played is None or played.held else output.FAILED)


def _findings(paths: Sequence[Path], schema: Path | None) -> list[Finding]:
    """All findings about some policies, each once, by file and line.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    if paths:
        return sorted({finding for path in paths for finding in check(path, schema=schema)})
    shipped = resources.files("pilotman.guardrails.cedar").joinpath("defaults.cedar")
    with resources.as_file(shipped) as path:
        return check(path, schema=schema)


def _show_findings(found: Sequence[Finding], fatal: int, *, where: str) -> None:
    for finding in found:  # not wrapped: editors and CI read file:line: text
        style = "red" if finding.fatal else "yellow"
        output.console.print(Text(visible(str(finding), limit=4_000), style=style), soft_wrap=True)
    count = "1 finding" if len(found) == 1 else f"{len(found) or 'no'} findings"
    weight = f", {fatal or 'none'} fatal" if found else ""
    output.console.print(Text(f"{count}{where}{weight}", style="dim"), soft_wrap=True)


def _suites(files: Sequence[Path]) -> tuple[Suite, ...]:
    """The suites in some files, or ours.

    Raises:
        InvalidRequest: a file cannot be read or holds no suite, or two cannot be told apart in the report.
    """
    if not files:
        from pilotman.guardrails.bench import suites  # some thirty modules that no other command needs

        return suites.shipped()
    found: dict[str, Path] = {}
    read: list[Suite] = []
    for path in files:
        suite = _suite(path)
        if suite.name == TOTAL:
            raise InvalidRequest(
                f"{path}: no suite can be called {TOTAL}", hint="the report has a line so named"
            )
        if suite.name in found:
            names = f"{found[suite.name]} and {path}"
            raise InvalidRequest(f"{names} are both called {suite.name}", hint="rename one of the suites")
        found[suite.name] = path
        read.append(suite)
    return tuple(read)


def _suite(path: Path) -> Suite:
    try:
        return from_json(path.read_bytes())
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from error
    except ConfigurationError as error:
        raise InvalidRequest(f"{path}: {error}") from error


def _factory(name: str) -> MakeGate:
    """What ``package.module:factory`` names.

    Raises:
        InvalidRequest: it cannot be imported, or it cannot be called.
    """
    made = imported(name, what="factory", usage="--gate package.module:factory")
    if not callable(made):
        raise InvalidRequest(f"{name} is no factory: it cannot be called")
    return cast("MakeGate", made)


def _measured(suites: Sequence[Suite], make: MakeGate, plans: Sequence[bool], *, quiet: bool) -> Report:
    """The report; standard error names the suite that runs, unless ``quiet``."""
    under_way = ""

    def announced() -> Iterator[Suite]:
        nonlocal under_way
        for suite in suites:
            under_way = suite.name
            if not quiet:
                output.errors.print(Text.assemble((f"{'suite':>7} ", "dim"), visible(suite.name, limit=160)))
            yield suite

    try:
        return measure(announced(), make, plans=plans)
    except KeyboardInterrupt:  # beyond here, typer would end the process without a word
        output.complain("interrupted")
        raise typer.Exit(output.INTERRUPTED) from None
    except Exception as error:  # a gate of somebody's may raise anything
        output.complain(f"suite {under_way} could not be run: {told(error)}")
        raise typer.Exit(output.FAILED) from error
