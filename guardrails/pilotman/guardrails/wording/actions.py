"""Ordinary English for doing things, as data: verbs and set phrases by what they do, nouns by what they name.

No word of any one trade or product: what everybody says of mail, appointments, money, people, documents,
travel and machines.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from pilotman.guardrails.wording.words import stem

_VERBS = """
tell: send email mail e-mail message text dm ping tell inform notify forward reply respond answer post
 announce write remind greet thank congratulate alert relay brief contact warn apologize apologise welcome
 echo broadcast publish
reply: reply respond answer react
create: create make add open file start write draft register generate schedule log raise compose build
 insert record enter establish provision launch publish copy book reserve duplicate clone submit save note
 jot
delete: delete remove erase discard drop clear trash purge wipe destroy clean empty scrap bin eliminate
cancel: cancel abort revoke withdraw terminate drop unsubscribe void undo stop rescind
change: update change enter modify edit adjust set correct replace rename amend increase decrease raise
 lower fix switch move reschedule shift postpone push delay extend shorten scale resize swap tweak reset
 bump advance configure drain renew revise convert mark tag label link pin rotate patch reduce cut double
 halve
append: append add insert include write attach note jot extend paste enter comment
pay: pay transfer wire send remit settle reimburse refund donate tip repay return
refund: refund reimburse repay return credit
book: book reserve take buy order purchase rent hire
share: share grant allow permit send add expose
invite: invite add onboard include enrol enroll
assign: assign allocate delegate route reassign
expel: remove kick ban expel uninvite exclude drop suspend
restart: restart reboot bounce recycle reload kick
stop: stop halt shutdown kill pause suspend end quit drain
start: start launch run trigger execute begin resume boot
enable: enable activate unlock unblock unmute allow
disable: disable deactivate suspend block lock freeze
silence: silence mute suppress snooze acknowledge ack quiet
approve: approve accept confirm authorize authorise sign
reject: reject decline deny refuse dismiss
close: close resolve finish complete archive end
attach: upload attach add import
rollback: rollback revert undo restore back
deploy: deploy release ship promote publish push roll
move: move relocate migrate transfer shift archive file
merge: merge combine join
subscribe: subscribe follow join register sign enrol enroll
escalate: escalate page
"""

_PHRASES = r"""
tell: let .{1,40}? know|(?:should|must|ought to|needs? to|has to|have to) (?:know|hear)\b
 |leave .{0,30}?(?:note|message|comment|word)|drop .{1,30}? (?:a line|a note)
 |get back to|write to|pass .{1,30}? on|send out|make sure .{1,40}? (?:knows?|gets?|hears?)
 |say (?:hi|hello|thanks)
create: set (?:it )?up|put .{1,80}? (?:in|on|into|onto)\s|block (?:out\s|off )|pencil (?:in|.{1,30}? in)
 |fill (?:in|out)|write down|take (?:a )?notes?
append: put .{1,80}? (?:in|on|into|onto|under)\s|write .{1,60}? (?:in|into|to)\s
cancel: call (?:it\s|.{1,30}? )?off|back out
delete: get rid of|throw .{0,40}?(?:out|away)|take .{1,40}? (?:off|down)|clear out|clean up
expel: kick .{1,30}? (?:out|off)|throw .{1,30}? out|take .{1,40}? (?:off|out of)|take (?:from|out)\b
change: bring .{1,60}? (?:up|down|forward)|push .{1,40}? (?:back|out)|move .{1,60}? to
 |turn .{1,40}? (?:up|down|into)|scale .{0,40}?(?:up|down|to)|put .{1,40}? (?:off|back)
 |make (?:it|that|this|them)\s
share: give .{1,60}? (?:access|permission|rights?)|let .{1,40}? (?:see|view|edit|read|into|in)
 |open .{1,40}? up
invite: (?:bring|put) .{1,30}? (?:in|into|on board)|get .{1,30}? (?:into|onto|in)
pay: send .{1,60}? back|pay .{1,40}? back|square up|chip in
rollback: roll .{0,40}?back|go back to
restart: turn .{1,30}? off and on
disable: (?:turn|switch|shut) (?:off|.{1,40}? off)
enable: (?:turn|switch) (?:on|.{1,40}? on)
stop: shut (?:down|.{1,40}? down)|take .{1,40}? (?:offline|down)
start: spin (?:up|.{1,30}? up)|bring .{1,30}? (?:back )?up
assign: hand .{1,40}? (?:over|to)|put .{1,30}? on (?:it|this|that)
close: wrap .{0,30}?up
book: get .{1,60}? (?:in|from)\b|get (?:me|us) (?:an?\s|the\s|some\s|\w+ )?(?:[\w-]+ ){0,2}
 (?:flight|room|table|ticket|seat|car|taxi|cab|reservation|booking)s?\b
subscribe: sign .{0,30}?up
"""

_PARTICIPLES = """
send sent
pay paid
write written
tell told
make made
give given
take taken
buy bought
bring brought
build built
begin begun
withdraw withdrawn
rewrite rewritten
hide hidden
forget forgotten
"""

_NAMING = """
tell: letter circular newsletter memo announcement notice reminder
pay: payment payout
book: booking reservation appointment
"""

_NOUNS = """
mail: email mail message inbox newsletter letter correspondence reply thread
chat: message dm text post announcement channel chat conversation
event: event meeting appointment calendar invite sync lunch dinner breakfast call retro standup checkup
 session reminder slot party interview review workshop training webinar gathering conference celebration
 brunch coffee
money: money payment transaction transfer fund bill invoice rent deposit euro dollar pound usd eur gbp fee
 cost amount refund salary debt loan cash charge balance order subscription
document: document doc file note report sheet spreadsheet page list minutes text folder memo summary plan
 draft
person: user member person people participant attendee guest contact colleague teammate friend account
 employee everyone staff customer client
trip: booking reservation room hotel table stay flight ticket trip seat travel accommodation restaurant car
 rental taxi cab train itinerary night
lodging: hotel room night stay accommodation suite hostel
flight: flight plane seat boarding
meal: restaurant table dinner lunch breakfast brunch
ride: car taxi cab rental ride vehicle
ticket: ticket issue incident case bug task story request
service: service server deployment host instance process container pod app application job cluster node
 machine database release build version replica
secret: password pin secret credential passcode token key
page: webpage website page site article blog link url
profile: profile address phone bio detail information info data record contact name
alert: alert alarm notification warning page
"""


def _by_word(text: str) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for line in re.sub(r"\n ", " ", text.strip()).splitlines():
        name, words = line.split(":", 1)
        for word in words.split():
            found.setdefault(word, set()).add(name)
    return {word: frozenset(names) for word, names in found.items()}


ACTIONS: Mapping[str, frozenset[str]] = MappingProxyType(_by_word(_VERBS))
"""Verbs in their base form, each with the actions that it can stand for."""

NAMING: Mapping[str, frozenset[str]] = MappingProxyType(_by_word(_NAMING))
"""Nouns that tools are called by instead of a verb, each with the actions that it can stand for."""

PARTICIPLES: Mapping[str, str] = MappingProxyType(
    {words.split()[1]: words.split()[0] for words in _PARTICIPLES.strip().splitlines()}
)
"""Irregular participles, each with its base form."""

UNDOING: frozenset[str] = frozenset(
    {"delete", "cancel", "expel", "disable", "stop", "reject", "rollback", "refund", "merge"}
)
"""Actions that take something away: nobody means them who names no verb."""

EVERY_ACTION: frozenset[str] = frozenset[str]().union(*ACTIONS.values())
"""What a demand without a verb can stand for."""

ACTION_STEMS: Mapping[str, str] = MappingProxyType({stem(verb): verb for verb in sorted(ACTIONS)})
"""The base form of an inflected verb, by its stem."""

THINGS: Mapping[str, frozenset[str]] = MappingProxyType(
    {stem(noun): names for noun, names in sorted(_by_word(_NOUNS).items())}
)
"""Stems of nouns, each with the kinds of thing that it can name."""

PHRASES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(rf"\b(?:{pattern})"), name)
    for name, pattern in (line.split(": ", 1) for line in _PHRASES.strip().replace("\n ", "").splitlines())
)
"""Set phrases with a gap for their object, each with its action."""
