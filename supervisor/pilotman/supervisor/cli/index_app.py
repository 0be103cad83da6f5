"""``pilotman index``: the vector index of a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, get_args

import numpy as np
import typer
from rich.table import Table
from rich.text import Text

from pilotman.guardrails.display import visible
from pilotman.guardrails.errors import InvalidRequest
from pilotman.retrieval.catalogue.catalogue import Catalogue, Class
from pilotman.retrieval.catalogue.database import FILE as CATALOGUE
from pilotman.retrieval.vectors import Allowed, VectorIndex
from pilotman.retrieval.vectors.plot import svg
from pilotman.retrieval.vectors.tune import Point, Tuning, held_out, tune
from pilotman.supervisor.cli import output
from pilotman.supervisor.cli.guardrails_app import JsonOption

index_app = typer.Typer(name="index", help="The vector index of a store.", no_args_is_help=True)

FolderArgument = Annotated[Path, typer.Argument(help="The folder of a store or a corpus.")]
_CLASSES = 20
"""Classes that are shown: those with the least recall."""
_BAR = 30
"""Characters of recall 1 in the plot."""


@index_app.callback()
def group() -> None:
    """The vector index of a store."""


@index_app.command("tune")
def tune_command(
    folder: FolderArgument,
    recall: Annotated[float, typer.Option(help="Recall against exact search that is wanted.")] = 0.95,
    k: Annotated[int, typer.Option("-k", min=1, help="Results that a query asks for.")] = 10,
    queries: Annotated[
        Path | None, typer.Option(help="Held-out queries, a .npy file of shape (n, dimensions).")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="Tell recall apart by tenant, by source, or by a file: a class a query, one a line."
        ),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the curve into this SVG file.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure, but keep the settings.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Choose how much a search looks at, for a recall that is wanted, and keep the choice.

    Without queries, vectors of the index are asked for and left out of what is searched.
    """
    index = VectorIndex.at(_vectors_of(folder))
    asked, allowed = held_out(index) if queries is None else _read(queries)
    named = None if classes is None else _classes(folder, index, asked, classes)
    found = tune(index, asked, recall=recall, k=k, allowed=allowed, classes=named)
    if not dry_run:
        index.settle(nprobe=found.chosen.nprobe, k_factor=found.chosen.k_factor)
    if plot is not None:
        plot.write_text(svg(found, recall), encoding="utf-8")
    if as_json:
        output.as_json(_record(found))
        return
    output.console.print(_curve(found))
    chosen = f"nprobe {found.chosen.nprobe}, k_factor {found.chosen.k_factor:g}"
    kept = "not kept" if dry_run else "kept"
    if found.reached:
        output.console.print(f"{chosen} is the quickest with recall {recall:g}: {kept}")
    else:
        output.console.print(f"nothing gives recall {recall:g}; {chosen} gives most: {kept}")
    if found.classes:
        output.console.print(_by_class(found))
    for name in found.drifting:
        output.console.print(f"{visible(name)} drifts: recall {found.classes[name]:.3f}", markup=False)


def _vectors_of(folder: Path) -> Path:
    """Where a store keeps its vectors: in the newest of their generations."""
    kept = folder.glob("vectors-*/vectors.f32")
    return max((one.parent for one in kept), key=lambda one: int(one.name.rpartition("-")[2]), default=folder)


def _read(file: Path) -> tuple[Any, Allowed | None]:
    try:
        return np.load(file, allow_pickle=False), None
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"{file} cannot be read as queries", hint="give a .npy file") from error


def _classes(folder: Path, index: VectorIndex, asked: Any, named: str) -> list[str]:
    """A class for each query: that of the chunk next to it, or as a file has it."""
    by: Class | None = next((known for known in get_args(Class) if known == named), None)
    if by is None:
        try:
            return Path(named).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            hint = "name tenant, source, or a file of UTF-8 text"
            raise InvalidRequest(f"{named} cannot be read as classes", hint=hint) from error
    if not (folder / CATALOGUE).is_file():
        raise InvalidRequest(
            f"there is no catalogue in {folder} to read classes from", hint="name the folder of a store"
        )
    catalogue = Catalogue(folder)
    try:
        return catalogue.classes(index.exact(asked, 1)[0][:, 0].tolist(), by)
    finally:
        catalogue.close()


def _by_class(found: Tuning) -> Table:
    table = Table(title="Recall by class", title_justify="left")
    table.add_column("class")
    table.add_column("recall", justify="right")
    for name, recall in sorted(found.classes.items(), key=lambda each: each[1])[:_CLASSES]:
        style = "bold red" if name in found.drifting else None
        table.add_row(Text(visible(name)), f"{recall:.3f}", style=style)
    return table


def _curve(found: Tuning) -> Table:
    """What is worth considering: no other setting is as quick and finds as much."""
    table = Table(title="Recall and time, one query at a time", title_justify="left")
    for name in ("nprobe", "k_factor", "recall", "p50 ms", "p95 ms"):
        table.add_column(name, justify="right")
    table.add_column("")
    for point in sorted(found.points, key=lambda each: each.p50):
        if point is found.chosen or not any(_better(other, point) for other in found.points):
            bar = "█" * round(point.recall * _BAR)
            style = "bold green" if point is found.chosen else None
            table.add_row(*_cells(point), bar, style=style)
    return table


def _better(one: Point, other: Point) -> bool:
    return one.p50 <= other.p50 and one.recall >= other.recall and one is not other and one != other


def _cells(point: Point) -> tuple[str, ...]:
    shown = (f"{point.recall:.3f}", f"{point.p50:.3f}", f"{point.p95:.3f}")
    return (str(point.nprobe), f"{point.k_factor:g}", *shown)


def _record(found: Tuning) -> dict[str, Any]:
    return {
        "chosen": vars(found.chosen),
        "reached": found.reached,
        "classes": dict(found.classes),
        "drifting": list(found.drifting),
        "points": [vars(point) for point in found.points],
    }
