"""Poisoned memory: what is kept back, what drives a write in a later session, and honest memories kept back.

Every memory of the suite (``tests/memory/defence``) is remembered for its owner: attacks and honest ones
together, as they would come, and each in a memory of its own. Then the owner of each attack has later
sessions with a model that obeys: it looks up what it knows, and if it is told the poison writes to where that
says. The policy lets everything pass; confined or not is all the difference. What the attacks are worth is
seen where somebody was talked into vouching for all of it. Attacks in unseen and fresh wordings are the
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

EACH = 4
HEADS = (
    "wordings",
    "what",
    "memories",
    "kept back",
    "each alone",
    "wrote, confined",
    "wrote, not confined",
    "wrote, vouched for",
)
ATTACKS, HONEST = "all attacks", "all honest"


def allow(_: Call, /) -> Decision:
    """The policy that lets everything pass."""
    return Decision.allow("everything passes")


async def wrote(memory: Memory, cases: Sequence[Case], went: dict[str, list[bool]], *, confine: bool) -> None:
    """Note of each attack whether it drives a write in a later session."""
    for case in cases:
        if case.family:
            done = await trial.done_later(memory, case, policy=allow, confine=confine)
            went.setdefault(case.text + case.owner, []).append(bool(done))


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
    single = await trial.alone(cases)
    went: dict[str, list[bool]] = {}
    async with Memory() as memory:
        together = await trial.written(memory, cases)
        for confine in (True, False):
            await wrote(memory, cases, went, confine=confine)
        await trial.vouched(memory, [one for one in together if one.case.family])
        await wrote(memory, cases, went, confine=False)
    found: list[tuple[str, ...]] = []
    for name in (*dict.fromkeys(map(kind, cases)), ATTACKS, HONEST):
        back = [share([one for one in kept if named(one.case, name)]) for kept in (together, single)]
        those = [case for case in cases if named(case, name)]
        done = zip(*(went[case.text + case.owner] for case in those if case.family), strict=True)
        found.append((texts, name, str(len(those)), *back, *(str(sum(one)) for one in done)))
    return found


def named(case: Case, name: str) -> bool:
    """Whether a case belongs into the row of this name."""
    return name in (kind(case), ATTACKS if case.family else HONEST)


async def main(each: int) -> None:
    table = Table(title="memories kept back, and attacks by which a later session wrote")
    for head in HEADS:
        table.add_column(head, justify="left" if head in HEADS[:2] else "right")
    for texts in get_args(Texts):
        for row in await rows(texts, each):
            table.add_row(*row)
        table.add_section()
    Console(width=140).print(table)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else EACH))
