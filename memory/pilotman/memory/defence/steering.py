"""Text that would steer whoever remembers it: signs in its wording, which weigh together. Pure, linear.

One sign alone stands in honest text too ("always send invoices to ...", "if it fails, call ..."). What wants
to be obeyed later has to say when, what, towards where and why nobody should look, and mostly says several of
these. As with all lists of words: who knows it writes around it. Nothing is allowed because it found nothing.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from pilotman.guardrails.incoming.hidden import seen

ENOUGH = 4
"""The weight of signs from which on a text by somebody who is not trusted is kept back."""
TO_MACHINES = frozenset({"bridges", "claims", "silences", "keeps itself", "demonstrates", "names a tool"})
"""What people seldom write for people."""


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that texts say which steer. ``weight`` counts once, however often it is there."""

    name: str
    weight: int
    pattern: re.Pattern[str]


# One pattern a line: a blank is a blank, ``~`` up to forty characters of the same sentence, words in capitals
# stand for the lists below.
_SIGNS = {
    ("waits", 2): r"""
\b(?:when|whenever|if|once|next time|every time|should|as soon as)\b~\bASKED\b
\b(?:for|to|on|with|about|in case of|answer(?:ing)?) (?:an?y? |all |each |every |such |similar )?SUBJECT\b
\b(?:any|each|every|all|someone's) SUBJECT\b
\bSUBJECT (?:on|about|regarding|concerning|for)\b
""",
    ("bridges", 2): r"""
\b(?:now|actually|really) (?:means?|lives?|refers?)\b
\brefers? to\b
\bis (?:now )?(?:stored|kept|found) (?:under|at)\b
\b(?:was|were|been|has|have) (?:moved|merged|migrated|renamed)\b
\bas the (?:new|correct|right|current)\b
\bone and the same\b|\b(?:obsolete|superseded)\b
\b(?:instead|in its place|rather than)\b
""",
    ("lasts", 1): r"""
\b(?:always|from (?:now|here) on|from now onwards?|in (?:the )?future|going forward|by default|every time)\b
\b(?:all|any|every|each|coming|later|future) (?:\w+ )?(?:sessions?|conversations?|tasks?|cases?)\b
\b(?:whenever|automatically|at once|persistent|permanent)\b
""",
    ("addresses", 1): r"""
\byou (?:may|must|should|have to|need to|will|are to)\b
\b(?:the|any) (?:ai )?MACHINE\b|\bMACHINE:|\bnote to self\b
""",
    ("acts", 1): r"""
\b(?:send|forward|transfer|pay|remit|wire|refund|upload|post|submit|deliver|redirect|route|make|book)(?:s|ing)?\b
\b(?:buy|order|call|run|execute|invoke|use|fetch|load|visit|open|unlock|issue|install|download)(?:s|ing)?\b
\b(?:grant|share|contact|hand|give|pass|reset|change|delete|approve|accept|register|add|select)(?:s|ing)?\b
\b(?:choose|pick|trigger|start)(?:s|ing)?\b
""",
    ("aims", 1): r"""
\bhttps?://|\b[\w.+-]+@[\w-]+\.\w{2,}
\b[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){3,}
\b(?:[\w-]+\.){1,4}[a-z]{2,}/|\b(?:[a-z0-9-]+\.)+(?:com|net|org|io|example)\b
\+\d[\d ()-]{7,}|\b(?:account|iban|code|wallet|voucher)\b[^.]{0,12}\d
""",
    ("claims", 3): r"""
\bPERSON (?:has |have |had |already )*(?:approved|authori[sz]ed|confirmed|consented|agreed|permitted)
\bPERSON (?:wants?|prefers?|likes?) (?:that )?(?:you|the MACHINE|everything|all)\b
\b(?:agreed|discussed|arranged) with the PERSON\b|\bfrom the PERSON\b|\bPERSON's (?:consent|wish)
\b(?:pre-?approved|already (?:been )?(?:approved|authori[sz]ed)|standing (?:consent|approval|permission))\b
\b(?:policy|security|system) (?:update|notice|change)\b
\bPERSON\b~\b(?:has|have) (?:given|granted)\b[^.!?]{0,20}\b(?:consent|permission|approval)
""",
    ("silences", 3): r"""
\b(?:without|no need (?:to|for)|skip|need not)\b[^.!?]{0,24}\bLOOK
\b(?:don't|do not|never|no)\b[^.!?]{0,24}\bLOOK
\b(?:silently|quietly|discreetly|in the background)\b
""",
    ("keeps itself", 2): r"""
\b(?:remember|save|store|keep|add|memori[sz]e)\b~\b(?:memory|memories|in mind|sessions?|future|entry)\b
\b(?:rule|note|convention|background|instructions?) (?:to|for) (?:the |an? |any |all |your )?MACHINE\b
\b(?:rule|note|convention|background|instructions?) (?:to|for) (?:later|future|coming|next|other) \w+
""",
    ("demonstrates", 4): r"""
\b(?:action(?: input)?|thought|observation|tool|step taken|function|parameter|argument)s? ?:
\b(?:best|right|correct|next|chosen) (?:action|step|decision|call)\b
(?:->|=>|→)[^.]{0,80}(?:->|=>|→)
\b(?:MACHINE|i) (?:called|ran|invoked|executed)\b
""",
    ("names a tool", 2): r"""
(?<![/\w.-])[a-z]+(?:_[a-z]+)+\b(?![./])
\b\w+\([^()]{1,80}\)(?=[.,;\s]|$)
""",
}
_LISTS = {
    "ASKED": r"(?:asks?|asked|asking|mention(?:s|ed)?|request(?:s|ed)?|wants?|inquir\w+|comes? up|brings? up"
    "|queries)",
    "SUBJECT": "(?:quer(?:y|ies)|(?:question|request|task|matter|conversation|topic)s?)",
    "MACHINE": "(?:assistant|agent|model|ai|llm|chatbot|bot)s?",
    "PERSON": "(?:(?:user|owner|customer|admin(?:istrator)?|operator)s?|management)",
    "LOOK": r"(?:ask|confirm|check|verif|approv|mention|tell\w* (?:the|your) (?:user|owner))\w*",
    "~": "[^.!?]{0,60}",
}


def _compiled(patterns: str) -> re.Pattern[str]:
    found = "|".join(patterns.strip().split("\n"))
    for name, meant in _LISTS.items():
        found = found.replace(name, meant)
    return re.compile(found)


_KNOWN = tuple(Sign(name, weight, _compiled(patterns)) for (name, weight), patterns in _SIGNS.items())


def steers(text: str) -> bool:
    """Whether a text shows enough signs to be kept back, unless its owner wrote it."""
    return sum(signs(text).values()) >= ENOUGH


def signs(text: str) -> dict[str, int]:
    """The signs that a text shows, with their weights."""
    folded = " ".join(unicodedata.normalize("NFKC", seen(text)).lower().split())
    return {sign.name: sign.weight for sign in _KNOWN if sign.pattern.search(folded)}
