"""The English that the rules know, as data: little words and ordinary verbs. No word of any trade."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_STOP = """
a about after again all also am an and any anything are as at be because been before being both but by
can could did do does doing done down each else etc ever every few for from further get gets give had has
have having he her here hers him his how i if in into is it its itself just kindly let like made make many
may me might more most much must my need needs new no nor not now of off on once one only or other our
out over own per please same say see shall she should since so some such tell than thank thanks that the
their them then there these they thing things this those through to too under until up upon us use used
uses using very via want wants was we well were what when where whether which while who whom whose why
will with without would yes you your
"""

_SYNONYMS = """
create open file raise submit register add make generate
send email mail notify message post forward inform dispatch
update change modify edit correct set amend adjust replace
delete remove erase purge wipe drop
cancel abort revoke withdraw terminate
restart reboot bounce
silence mute suppress snooze
refund reimburse repay
pay transfer wire remit charge
book reserve schedule arrange
approve accept confirm authorize authorise grant
reject decline deny refuse
close resolve finish complete
start launch run trigger execute begin
stop halt shutdown kill
enable activate unlock unblock
disable deactivate suspend block lock freeze
assign allocate delegate
publish release deploy ship
upload attach
order buy purchase
reset renew
rollback revert undo restore
scale resize
move relocate migrate
save store record write
invite enrol enroll hire onboard
issue provide
escalate hand
rotate drain evict
merge tag label
archive backup
lend loan rent lease
subscribe
unsubscribe
install
uninstall
connect
disconnect
print
sign
promote demote
"""

_READING = """
analyse analyze answer ask assess calculate check classify compare compute count describe detect diagnose
estimate explain fetch find forecast get grep inspect investigate list locate look lookup measure
monitor observe ping preview probe query quote rank read recall retrieve review search see show summarise
summarize tail test trace track translate triage validate verify view watch browse scan predict
"""


def word_set(text: str) -> frozenset[str]:
    """The words of a text, as a set: easier to read and to change than one literal a line."""
    return frozenset(text.split())


STOP_WORDS = word_set(_STOP)
"""Words that tell nothing about what a text is about."""

READING_VERBS = word_set(_READING)
"""Verbs that only look."""


def _groups() -> Mapping[str, frozenset[str]]:
    groups: dict[str, frozenset[str]] = {}
    for group in (word_set(line) for line in _SYNONYMS.splitlines()):
        for verb in group:
            groups[verb] = groups.get(verb, frozenset()) | group
    return MappingProxyType(groups)


ACTING_VERBS = _groups()
"""Verbs that change something, each with those that can stand for it (itself too)."""
