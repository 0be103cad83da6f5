"""Facts in the database. Functions over an open transaction; what is sealed is opened elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, or_, select, update

from pilotman.guardrails.errors import NotFound
from pilotman.memory.defence import marks
from pilotman.memory.facts.tables import fact_supports, facts
from pilotman.memory.selector import Selector
from pilotman.memory.storage.codec import dump, load, micros, text
from pilotman.memory.storage.database import lock
from pilotman.memory.storage.statement import Query, Row, Statement

FACT = "fact:"
_COLUMNS = tuple(column.name for column in facts.columns)


@dataclass(frozen=True, kw_only=True)
class When:
    """Which moment a reader asks about, in microseconds: what was believed at ``recorded`` about ``valid``.
    Retention is about ``now``, whatever is asked."""

    valid: int
    recorded: int
    now: int


@dataclass(frozen=True, kw_only=True)
class Ground:
    """All that some facts stand on, down to what are no facts. Ids of facts as ``fact:ID``."""

    facts: set[str] = field(default_factory=set[str])
    supports: dict[str, list[frozenset[str]]] = field(default_factory=dict[str, list[frozenset[str]]])

    @property
    def leaves(self) -> set[str]:
        """What is no fact."""
        named = {one for sets in self.supports.values() for group in sets for one in group}
        return {one for one in named if not one.startswith(FACT)}


def add(connection: Connection, row: Row, supports: Iterable[str]) -> bool:
    """Store a new fact on one set of supports; False: one of this id is there, nothing was changed."""
    if not _ADD.rows(connection, *(row.get(name) for name in _COLUMNS)):
        return False
    support(connection, row["fact_id"], row["tenant"], supports, number=0)
    return True


def support(
    connection: Connection, fact_id: str, tenant: str, supports: Iterable[str], *, number: int
) -> None:
    """Another set that it may stand on."""
    rows = [(fact_id, number, text(one), tenant) for one in sorted(set(supports))]
    if rows:
        _SUPPORT.each(connection, rows)


def sets_of(connection: Connection, fact_id: str) -> int:
    """The number that a further set of supports gets; 0: the fact stands by itself."""
    return int(_SETS.value(connection, {"fact_id": fact_id}))


def get(connection: Connection, fact_id: str, *, tenant: str) -> Row:
    """A fact as it is stored.

    Raises:
        NotFound: there is none, or it is another tenant's.
    """
    row = find(connection, fact_id, tenant=tenant)
    if row is None:
        raise missing(fact_id)
    return row


def missing(fact_id: str) -> NotFound:
    """The error for a fact that there is not, or not for whoever asks."""
    return NotFound(f"there is no fact {fact_id}", hint="recall and inventory say the ids of one's facts")


def claim(connection: Connection, fact_id: str, *, tenant: str) -> Row:
    """The same, and until the transaction ends nobody else who claims it goes on.

    Raises:
        NotFound: as above.
    """
    lock(connection, f"fact\n{fact_id}")
    return get(connection, fact_id, tenant=tenant)


def find(connection: Connection, fact_id: str, *, tenant: str) -> Row | None:
    """A fact as it is stored, or None."""
    return _BY_ID.one(connection, {"fact_id": fact_id, "tenant": tenant})


def visible(connection: Connection, *, tenant: str, owner: str | None, when: When) -> list[str]:
    """The ids of the owner's facts (None: of the whole tenant) that may be told, if they stand."""
    whose, query = ((), _SHARED_IDS) if owner is None else ((owner,), _OWN_IDS)
    ((ids,),) = query.rows(connection, *whose, *_believed(tenant, when), *_valid(when))
    found: list[str] = load(ids)
    return found


def told(connection: Connection, fact_ids: Collection[str], tenant: str, when: When) -> list[Row]:
    """Those of some facts that may be told, if they stand, whole."""
    asked = (dump(sorted(fact_ids)), *_believed(tenant, when), *_valid(when))
    return [dict(zip(_COLUMNS, row, strict=True)) for row in _TOLD.rows(connection, *asked)]


def any_visible(connection: Connection, *, tenant: str, user: str) -> bool:
    """Whether there may be facts for this user at all."""
    return _ANY.value(connection, {"tenant": tenant, "user": user}) is not None


def change(connection: Connection, fact_id: str, values: Row) -> None:
    """Other values of some columns."""
    connection.execute(update(facts).where(facts.c.fact_id == fact_id).values(values))


def hold(connection: Connection, fact_ids: Collection[str]) -> None:
    """Keep them from being told."""
    _HOLD.each(connection, [(dump(sorted(fact_ids)),)])


def erase(connection: Connection, fact_ids: Collection[str], *, now: int) -> None:
    """Their content is gone from the database, they are told to nobody."""
    _ERASE.each(connection, [(now, dump(sorted(fact_ids)))])
    marks.erase(connection, fact_ids)
    gone = dump(sorted(fact_ids))
    _UNSUPPORT.each(connection, [(gone,)])


def ground(connection: Connection, fact_ids: Collection[str], tenant: str, when: When) -> Ground:
    """What these facts stand on, level by level; facts that are not believed (any more) are left out."""
    found, seen, todo = Ground(), set[str](), set(fact_ids)
    while todo:
        seen |= todo
        asked = (dump(sorted(todo)), *_believed(tenant, when))
        known = [str(row[0]) for row in _BELIEVED.rows(connection, *asked)]
        found.facts.update(FACT + one for one in known)
        for fact_id, sets in supports_of(connection, known).items():
            found.supports[FACT + fact_id] = sets
        named = {one for fact in known for group in found.supports.get(FACT + fact, ()) for one in group}
        todo = {one.removeprefix(FACT) for one in named if one.startswith(FACT)} - seen
    return found


def books_of(connection: Connection, fact_ids: Collection[str]) -> dict[str, tuple[str, str]]:
    """Of those facts that nobody owns: tenant and user in whose book their text stands too, by id."""
    return {one: (tenant, user) for one, tenant, user in _SHARED.rows(connection, dump(sorted(fact_ids)))}


def supports_of(connection: Connection, fact_ids: Collection[str]) -> dict[str, list[frozenset[str]]]:
    """The sets of supports of some facts; those that stand by themselves are left out."""
    sets: defaultdict[str, defaultdict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for fact_id, number, one in _SUPPORTS.rows(connection, dump(sorted(fact_ids))):
        sets[fact_id][number].add(one)
    return {
        fact_id: [frozenset(group) for _, group in sorted(groups.items())] for fact_id, groups in sets.items()
    }


def without(connection: Connection, fact_id: str, is_gone: Callable[[str], bool]) -> None:
    """Drop the sets of supports in which something is gone."""
    gone = {number for _, number, one in _SUPPORTS.rows(connection, dump([fact_id])) if is_gone(one)}
    its = (fact_supports.c.fact_id == fact_id, fact_supports.c.number.in_(gone))
    connection.execute(delete(fact_supports).where(*its))


def upon(connection: Connection, tenant: str, roots: Collection[str]) -> set[str]:
    """The ids of the facts that stand on any of ``roots``, directly or through other facts, whatever else
    they stand on. What was forgotten holds up nothing."""
    return {str(row[0]) for row in _UPON.rows(connection, dump(sorted(roots)), tenant, tenant)}


def owners(connection: Connection, fact_ids: Collection[str]) -> dict[str, str | None]:
    """Whose some facts are."""
    return {str(row[0]): row[1] for row in _OWNERS.rows(connection, dump(sorted(fact_ids)))}


def runs_known(connection: Connection, run_ids: Collection[str], tenant: str) -> set[str]:
    """Which of these runs are the tenant's."""
    return {str(row[0]) for row in _RUNS.rows(connection, dump(sorted(run_ids)), tenant)}


def users(connection: Connection, tenant: str) -> list[str]:
    """Who of the tenant has anything here: runs, or a book."""
    return [str(row[0]) for row in _USERS.rows(connection, tenant)]


def selected(
    connection: Connection, selector: Selector, tenant: str, sources: Collection[str] | None = None
) -> list[Row]:
    """The tenant's facts that a selector means, oldest first; those whose content is gone too. ``sources``:
    all that its source and run are called."""
    query = select(facts).where(facts.c.tenant == tenant)
    if selector.user is not None:
        query = query.where(facts.c.owner == selector.user)
    if selector.fact_id is not None:
        query = query.where(facts.c.fact_id == selector.fact_id)
    if selector.before is not None:
        query = query.where(facts.c.recorded_at < micros(selector.before))
    run = None if selector.run_id is None else f"run:{selector.run_id}"
    called = {one for one in sources or (selector.source,) if one not in (None, run)}
    for source in ([run] if run else [], called if selector.source else []):
        if source:
            its = select(fact_supports.c.fact_id).where(
                fact_supports.c.tenant == tenant, _named(fact_supports.c.support, source)
            )
            query = query.where(or_(_named(facts.c.source, source), facts.c.fact_id.in_(its)))
    found = connection.execute(query.order_by(facts.c.recorded_at, facts.c.fact_id)).mappings()
    return [dict(row) for row in found]


def _named(column: Any, sources: Iterable[str]) -> Any:
    """Whether a column names one of the sources, or something in it."""
    names = [name for source in sources for name in (source, f"document:{source}")]
    inside = [column.startswith(name + mark, autoescape=True) for name in names for mark in "/@"]
    return or_(column.in_(names), *inside)


def _believed(tenant: str, when: When) -> tuple[Any, ...]:
    return tenant, when.recorded, when.recorded, when.now


def _valid(when: When) -> tuple[Any, ...]:
    return when.valid, when.valid


_ADD = Statement(
    f"INSERT INTO facts ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
    " ON CONFLICT DO NOTHING RETURNING fact_id"
)
_SUPPORT = Statement(
    "INSERT INTO fact_supports (fact_id, number, support, tenant) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_SHARED = Statement(
    "SELECT fact_id, tenant, recorded_by FROM facts"
    " WHERE owner IS NULL AND fact_id IN (SELECT value FROM json_each(?))",
    postgresql="SELECT fact_id, tenant, recorded_by FROM facts"
    " WHERE owner IS NULL AND fact_id IN (SELECT jsonb_array_elements_text(?::jsonb))",
)
_SUPPORTS = Statement(
    "SELECT fact_id, number, support FROM fact_supports WHERE fact_id IN (SELECT value FROM json_each(?))",
    postgresql="SELECT fact_id, number, support FROM fact_supports"
    " WHERE fact_id IN (SELECT jsonb_array_elements_text(?::jsonb))",
)
_ONES = " WHERE fact_id IN (SELECT value FROM json_each(?))"
_ONES_OF = " WHERE fact_id IN (SELECT jsonb_array_elements_text(?::jsonb))"
"""However many: an ``IN`` of parameters ends at some ten thousand."""
_HELD_BACK = "UPDATE facts SET status = 'quarantined'"
_HOLD = Statement(_HELD_BACK + _ONES, postgresql=_HELD_BACK + _ONES_OF)
_ERASED = (
    "UPDATE facts SET body = NULL, retraction = NULL, source = '', label = '', digest = '',"
    " retracted_at = coalesce(retracted_at, ?)"
)
_ERASE = Statement(_ERASED + _ONES, postgresql=_ERASED + _ONES_OF)
_WITHOUT = "DELETE FROM fact_supports"
_UNSUPPORT = Statement(_WITHOUT + _ONES, postgresql=_WITHOUT + _ONES_OF)
_USERS = Statement('SELECT DISTINCT "user" FROM runs WHERE tenant = ?')
_WHOSE = "SELECT fact_id, owner FROM facts"
_OWNERS = Statement(_WHOSE + _ONES, postgresql=_WHOSE + _ONES_OF)
_BELIEVED_IF = (
    " AND status = 'live' AND body IS NOT NULL AND recorded_at <= ?"
    " AND (retracted_at IS NULL OR retracted_at > ?) AND (expires_at IS NULL OR expires_at > ?)"
)
_TOLD_IF = _BELIEVED_IF + " AND valid_from <= ? AND (valid_to IS NULL OR valid_to > ?)"
_IN = " AND tenant || '' = ?"
"""An expression, no column: else SQLite goes through all the tenant's facts to find some by their ids."""
_FACTS, _ALL = "SELECT fact_id FROM facts", f"SELECT {', '.join(_COLUMNS)} FROM facts"  # noqa: S608
_BELIEVED = Statement(_FACTS + _ONES + _IN + _BELIEVED_IF, postgresql=_FACTS + _ONES_OF + _IN + _BELIEVED_IF)
_TOLD = Statement(_ALL + _ONES + _IN + _TOLD_IF, postgresql=_ALL + _ONES_OF + _IN + _TOLD_IF)
_OWN = f" FROM facts WHERE owner = ? AND tenant = ?{_TOLD_IF}"
_NOBODYS = f" FROM facts WHERE owner IS NULL AND tenant = ?{_TOLD_IF}"
_IDS, _IDS_OF = "SELECT json_group_array(fact_id)", "SELECT coalesce(json_agg(fact_id)::text, '[]')"
"""As one value: ten thousand rows would cost more than finding them."""
_OWN_IDS = Statement(_IDS + _OWN, postgresql=_IDS_OF + _OWN)
_SHARED_IDS = Statement(_IDS + _NOBODYS, postgresql=_IDS_OF + _NOBODYS)
_UPON_ROOTS = (  # a level after the other, each fact once
    "WITH RECURSIVE upon(fact_id) AS ("
    "SELECT s.fact_id FROM {roots} r JOIN fact_supports s ON s.tenant = ? AND s.support = r.value"
    " JOIN facts f ON f.fact_id = s.fact_id AND f.body IS NOT NULL"
    " UNION SELECT s.fact_id FROM upon u JOIN fact_supports s ON s.tenant = ?"
    " AND s.support = 'fact:' || u.fact_id JOIN facts f ON f.fact_id = s.fact_id AND f.body IS NOT NULL"
    ") SELECT fact_id FROM upon"
)
_UPON = Statement(
    _UPON_ROOTS.format(roots="json_each(?)"),
    postgresql=_UPON_ROOTS.format(roots="jsonb_array_elements_text(?::jsonb)"),
)
_RUNS = Statement(
    "SELECT run_id FROM runs WHERE run_id IN (SELECT value FROM json_each(?)) AND tenant = ?",
    postgresql="SELECT run_id FROM runs WHERE run_id IN (SELECT jsonb_array_elements_text(?::jsonb))"
    " AND tenant = ?",
)
_BY_ID = Query(
    select(facts).where(facts.c.fact_id == bindparam("fact_id"), facts.c.tenant == bindparam("tenant"))
)
_SETS = Query(
    select(func.coalesce(func.max(fact_supports.c.number) + 1, 0)).where(
        fact_supports.c.fact_id == bindparam("fact_id")
    )
)
_THEIRS = and_(
    facts.c.tenant == bindparam("tenant"),
    or_(facts.c.owner == bindparam("user"), facts.c.owner.is_(None)),
    facts.c.status == "live",
    facts.c.body.is_not(None),
)
_ANY = Query(select(facts.c.fact_id).where(_THEIRS, facts.c.retracted_at.is_(None)).limit(1))
