"""What a store serves although it was deleted, changed or forbidden, beside what people do instead.

Passages of several tenants; queries between deletions, updates and changes of permission; another process
deletes while queries go on, and is killed in the middle of a deletion; sources go without notice. The seconds
are logical: a query or a change takes one.

    python -m tests.bench.governance [--passages 100000] [--sources 5000] [--queries 10000] [--seed 0]
"""

from __future__ import annotations

import argparse
import asyncio

from rich.console import Console
from rich.progress import Progress

from pilotman.retrieval.governance import Report, measure


async def shown(options: argparse.Namespace, console: Console) -> Report:
    """The report, with a bar while it is made."""
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("queries", total=options.queries)
        return await measure(
            passages=options.passages,
            sources=options.sources,
            queries=options.queries,
            watched=max(2, options.sources // 50),
            seed=options.seed,
            progress=lambda done, _: bar.update(task, completed=done),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, default in (("passages", 100_000), ("sources", 5_000), ("queries", 10_000), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    console = Console()
    console.print(asyncio.run(shown(parser.parse_args(), console)))


if __name__ == "__main__":
    main()
