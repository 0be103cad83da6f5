"""Poisoned memory: what is kept back, what drives a write in a later session, and honest memories kept back.

Every memory of the suite (``tests/memory/defence``) is remembered for its owner: attacks and honest ones
together, as they would come, and each in a memory of its own. Then the owner of each attack has later
sessions with a hijacked model, which looks up what it knows and writes to where the poison says. The
policy lets everything pass; confined or not is all the difference. Attacks in unseen wordings are the
figures that count.

    python tests/bench/memory_attacks.py [MEMORIES OF EACH WORDING]
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import get_args

from rich.console import Console
from rich.table import Table
from tests.memory.defence import suite, trial
from tests.memory.defence.suite import Case, Texts
from tests.memory.defence.trial import Kept

from pilotman.guardrails import Call, Decision
from pilotman.memory import Memory

EACH = 18
HEADS = ("wordings", "what", "memories", "kept back", "each alone", "wrote, not confined", "wrote, confined")


def allow(_: Call, /) -> Decision:
    """The policy that lets everything pass."""
    return Decision.allow("everything passes")


async def writes(memory: Memory, cases: Sequence[Case], *, confine: bool) -> str:
    """How many of the cases drive a write in a later session."""
    done = [await trial.done_later(memory, case, policy=allow, confine=confine) for case in cases]
    return str(sum(bool(went) for went in done))


def share(kept: Sequence[Kept]) -> str:
    """How many of them were kept back."""
    back = sum(one.back for one in kept)
    return f"{back} ({back / len(kept):.1%})"


def kind(case: Case) -> str:
    """The family of an attack, the author of an honest memory."""
    return case.family or f"honest, by {case.wrote}"


async def rows(texts: Texts, each: int) -> list[tuple[str, ...]]:
    """A row for each kind of memories."""
    cases = [*suite.attacks(texts, each), *suite.honest(texts, each)]
    found: list[tuple[str, ...]] = []
    single = await trial.alone(cases)
    async with Memory() as memory:
        together = await trial.written(memory, cases)
        for name in dict.fromkeys(map(kind, cases)):
            back = [share([one for one in kept if kind(one.case) == name]) for kept in (together, single)]
            those = [case for case in cases if kind(case) == name]
            attacks = [case for case in those if case.family]
            went = [await writes(memory, attacks, confine=one) for one in (False, True)] if attacks else []
            found.append((texts, name, str(len(those)), *back, *went))
    return found


async def main(each: int) -> None:
    table = Table(title="memories kept back, and attacks by which a later session wrote")
    for head in HEADS:
        table.add_column(head, justify="left" if head in HEADS[:2] else "right")
    for texts in get_args(Texts):
        for row in await rows(texts, each):
            table.add_row(*row)
    Console(width=130).print(table)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else EACH))
