from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.memory.conftest import START

from pilotman.guardrails import Label
from pilotman.memory.facts.contradiction import every_side, strongest
from pilotman.memory.facts.fact import Fact


def fact(fact_id: str, *, trusted: bool = True, **days: int) -> Fact:
    times: dict[str, Any] = {name: START + timedelta(days=n) for name, n in days.items()}
    label = Label(author="user", trusted=trusted, tenant="acme")
    values: dict[str, Any] = {"valid_from": START, "recorded_at": START, **times}
    return Fact(fact_id=fact_id, text=fact_id, owner="a", source="user", reason="r", label=label, **values)


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        (fact("w"), fact("l", trusted=False, valid_from=9, recorded_at=9)),
        (fact("w", valid_from=1), fact("l", recorded_at=9)),
        (fact("w", recorded_at=1), fact("l")),
    ],
)
def test_trust_then_validity_then_record_decide(winner: Fact, loser: Fact) -> None:
    for rivals in ([winner, loser], [loser, winner]):
        (told,) = strongest(rivals)
        assert (told.fact_id, told.disputed_by) == ("w", ("l",))


def test_every_side_tells_all_the_strongest_first() -> None:
    told = every_side([fact("old"), fact("new", valid_from=1)])
    assert [(one.fact_id, one.disputed_by) for one in told] == [("new", ("old",)), ("old", ("new",))]
