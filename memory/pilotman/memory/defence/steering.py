"""Text that would steer whoever remembers it: signs in its wording, which weigh together. Pure, linear.

One sign alone stands in honest text too ("always send invoices to ...", "if it fails, call ..."). What wants
to be obeyed later has to say when, what, towards where and why nobody should look, and mostly says several of
these. As with all lists of words: who knows it writes around it. Nothing is allowed because it found nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pilotman.memory.defence.tongues import SAID
from pilotman.memory.defence.veils import plain, unveiled

ENOUGH = 3
"""The weight of signs from which on a text by somebody who is not trusted is kept back."""
TO_MACHINES = frozenset(
    ("bridges", "claims", "consents", "demonstrates", "hides", "keeps itself", "recommends", "silences")
)
"""What people seldom write for people."""
WEIGHTS = {
    "waits": 2,
    "subjects": 1,
    "moves": 2,
    "bridges": 2,
    "prefers": 1,
    "lasts": 1,
    "addresses": 1,
    "commands": 2,
    "acts": 1,
    "aims": 1,
    "claims": 3,
    "consents": 2,
    "silences": 3,
    "swaps": 2,
    "money": 1,
    "recommends": 2,
    "keeps itself": 2,
    "demonstrates": 3,
    "names a tool": 1,
    "hides": 2,
}
"""How much a sign counts: once, however often it is there."""


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that texts say which steer."""

    name: str
    pattern: re.Pattern[str]


# One pattern a line: a blank is a blank, ``~`` up to sixty characters of the same sentence, words in capitals
# stand for the lists below.
_SIGNS = {
    "waits": r"""
\b(?:when|whenever|if|once|next time|every time|should|as soon as)\b(?![^.!?]{0,20}\bGUEST\b)~\bASKED\b
\b(?:when|whenever|if|once|as soon as|after|until|wait(?:ing)? for)\b~\bPERSON\b~\bREPLIES\b
\b(?:wait|hold|dormant|inactive)\b~\buntil\b
\b(?:the )?(?:next|following|coming) (?:\w+ )?(?:messages?|turns?|confirmation|repl(?:y|ies)|sessions?)\b
\b(?:wait for|upon|on|says?|hear|read|sees?|contains?|includes?) (?:the )?(?:token|word|phrase|keyword|trigger|code ?word)\b
""",
    "subjects": r"""
\b(?:for|to|on|with|about|in case of|answer(?:ing)?) (?:an?y? |all |each |every |such |similar )?SUBJECT\b
\b(?:any|each|every|all|someone's) SUBJECT\b
\bSUBJECT (?:on|about|regarding|concerning|for)\b
\b(?:when|whenever|if|once|should|as soon as)\b~\bASKED\b
""",
    "moves": r"""
\b(?:data|records?|entry|entries|information|history|profile)\b~\b(?:moved|merged|migrated|renamed|saved|stored)\b
\b(?:were|was|been|has|have) (?:both )?(?:merged|moved|migrated|renamed) (?:to|into|under|with)\b
\b(?:both|were) merged\b|\bis (?:now )?(?:stored|kept|found|saved) (?:under|at|as)\b|\bare kept under\b
""",
    "bridges": r"""
\b(?:now|actually|really) (?:means?|lives?|refers?)\b
\brefers? to\b
\bas the (?:new|correct|right|current)\b
\b(?:one and the same|same (?:entry|record|thing|object)|equivalent to|stands? for|equals?|an? alias)\b
\b(?:obsolete|superseded)\b|\b(?:is|are) (?:linked|connected|associated|mapped) (?:with|to)\b
\b(?:answered|resolved|handled|done|settled) (?:with|by|via|through)\b
""",
    "prefers": r"""
\b(?:instead|in its place|in place of|rather than)\b
\b(?:therefore|hence|thus|so),? (?:call|use|run|look|go|i)\b
""",
    "lasts": r"""
\b(?:always|from (?:now|here) on|from now onwards?|in (?:the )?future|going forward|by default|every time)\b
\b(?:all|any|every|each|coming|later|future) (?:\w+ )?(?:sessions?|conversations?|tasks?|cases?|projects?)\b
\b(?:all|every|each) (?:\w+ )?(?:\w+ )?(?:payments?|invoices?|e?-?mails?|installs?|orders?|messages?)\b
\b(?:whenever|automatically|at once|persistent|permanent(?:ly)?|binding|each time|at any time|in each case)\b
""",
    "addresses": r"""
\byou (?:may|must|should|have to|need to|will|are to)\b
\b(?:the|any|all|every|each|other|next|ai) (?:\w+ )?MACHINE\b|\bMACHINE:|\b(?:note|reminder) to self\b
\b(?:sub-?agents?|team ?mates?|executor|orchestrator|planner|clients?) (?:must|shall|should|can|may|calls?)\b
""",
    "commands": r"""
\bMACHINE\b[^.!?]{0,20}\b(?:must|shall|should|is to|are to|has to|have to|needs? to)\b
\b(?:assistant|ai|llm|copilot)s?\b[^.!?]{0,12}\b(?:will|can|may|takes?)\b
\bMACHINE (?:ACTS|follows?|treats?|loads?|retrieves?|ignores?|trusts?)\b
\b(?:for|to|by) (?:the |any |all |every |each |ai )?(?:\w+ )?MACHINE:
\b(?:tool|function)\b~\bmust be (?:called|used|run|invoked)\b
\btreat\b~\bas (?:if |an? |the )?(?:trusted|safe|approved|consent|authori[sz]ed|verified|approval|they|it|coming)
\b(?:follow|obey|carry out|apply|do) (?:it|them|what(?:ever)? (?:is|it|note|stands))\b
\bignore (?:the|your|any|all) (?:user|rules?|polic\w+|warnings?|instructions?|limits?)\b
""",
    "acts": r"""
(?<![-\w])ACTS\b(?!-)
""",
    "aims": r"""
\bhttps?://|\b[\w.+-]+@[\w-]+\.\w{2,}
\b[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){3,}
\b(?:[\w-]+\.){1,4}[a-z]{2,}/|\b(?:[a-z0-9-]+\.)+(?:com|net|org|io|dev|app|info|biz|ru|cn|xyz|example)\b
\+\d[\d ()-]{7,}|\b(?:account|iban|code|wallet|voucher|konto|compte|cuenta|conta|conto)\b[^.]{0,12}\d
\b(?:0x[0-9a-f]{8,}|bc1[a-z0-9]{10,}|\d{1,3}(?:\.\d{1,3}){3})\b|[账帐][户号][^。]{0,8}\d|\d{4,6}-\d{3,6}\b
""",
    "claims": r"""
\bPERSON (?:wants?|prefers?|likes?|expects?) (?:that )?(?:you|the MACHINE|everything)\b
\bPERSON (?:permits?|allows?|authori[sz]es?|trusts?|delegates?|waives?)\b
\bPERSON\b~\b(?:never|not) (?:wants?|want|wish|need|like) to be (?:asked|bothered|informed|told|disturbed)\b
\b(?:admin\w*|root|full|unrestricted|elevated|super ?user) (?:rights|privileges|permissions?|access)\b
\b(?:agreed|discussed|arranged) with the PERSON\b|\bPERSON's (?:consent|wish)
\b(?:pre-?approved|already (?:been )?(?:approved|authori[sz]ed)|standing (?:consent|approval|permission))\b
\b(?:permanent|blanket|full|unlimited|general) (?:permission|approval|consent|authori[sz]ation)\b
\bPERSON\b~\b(?:has|have|had)? ?(?:given|granted|gave)\b[^.!?]{0,20}\b(?:consent|permission|approval)
\b(?:approved|agreed to|authori[sz]ed) (?:everything|all of it|anything|all (?:MACHINE|future))\b
\b(?:has|have|had|already) (?:approved|authori[sz]ed|allowed|permitted) (?:the |all |any )?(?:sub-?)?MACHINE\b
\ballowed the MACHINE\b
""",
    "consents": r"""
\bPERSON (?:has |have |had |already )*(?:approved|authori[sz]ed|confirmed|consented|agreed|permitted|allowed)
\bPERSON\b~\balready (?:approved|agreed|confirmed)\b|\b\w+ already approved\b|\bfrom the PERSON\b
\b(?:policy|security|system|compliance|governance) (?:update|notice|note|change|requirement|rule|bulletin)s?\b
\b(?:policy|rules?) (?:was |were |has been |is )?(?:updated|changed)\b
\b(?:approval|permission|consent|authori[sz]ation) (?:was|is|has been|were|already) (?:given|granted|obtained)
\b(?:signed off|greenlit|green light)\b|\bPERSON (?:is|are) (?:an? )?(?:admin\w*|root|super ?user)\b
\b(?:manager|boss|ceo|management|supervisor|team lead) (?:agreed|approved|authori[sz]ed|wants|instructed)\b
""",
    "silences": r"""
\bwithout (?:any |further |prior |the user's |first |more )?(?:LOOKING|LOOKED|comment|question|warning|notice|prompt)
\bwithout (?:telling|informing|notifying|asking|comparing)\b
\bno need (?:to|for)\b[^.!?]{0,24}\bLOOK|\bneed not\b[^.!?]{0,16}\bLOOK
\b(?:skip\w*|bypass\w*|omit\w*|leav\w+ out|waiv\w+|ignor\w+|disabl\w+)\b[^.!?]{0,24}\b(?:LOOK|checks?\b|two-factor|2fa|scan)
\b(?:don't|do not|never|mustn't|must not|shall not|(?:and|but|,) not) (?:ask|confirm|check|verify|mention|question|consult|notify|inform|tell|show)\b(?! (?:me|for)\b)
\b(?:doesn't|does not|don't|do not) (?:want|need|wish|require)[^.!?]{0,16}\b(?:be (?:asked|told|informed)|LOOKED)
\bno (?:\w+ )?LOOKED\b[^.!?]{0,16}(?:\b(?:needed|required|necessary|asked)\b|[,.;]|$)
\bLOOKED\b[^.!?]{0,30}\b(?:waived|skipped|bypassed|unnecessary|optional|(?:not|no longer) (?:needed|required|necessary))\b
\bLOOKED\b[^.!?]{0,20}\b(?:can|may) (?:be (?:done|made|skipped) (?:later|after)|wait|follow)
\bLOOK (?:dialog\w* |steps? |the user )[^.!?]{0,24}\b(?:slow\w*|wastes?|delays?|annoy\w*|fails?)\b
\b(?:silently|quietly|discreetly|in the background|unattended|no prompts?|tell (?:nobody|no one))\b
\bexempt(?:ed)? from\b~\bLOOKED|\b(?:skip|drop) the (?:question|confirmation|check|approval)s?\b|\bby not asking\b|\bnot asking\b
\b(?:keep|leave|hide) (?:this|it|that)[^.!?]{0,16}\b(?:out of|from|secret|hidden|private)\b
\b(?:security|safety) (?:checks?|rules?|filters?)\b~\b(?:disabled|off|suspended|lifted)\b
\bdisabl\w+ the (?:firewall|antivirus|alarm|log\w*|monitoring|guard\w*)\b
""",
    "swaps": r"""
\b(?:has|have|had|was|were|is) (?:been )?(?:changed?|updated|replaced|switched|reissued|renumbered)\b
\b(?:new|changed|updated|correct(?:ed)?|valid|current) DETAIL\b
\bDETAIL\b~\b(?:changed|updated|replaced|closed|moved|is now|now)\b
\b(?:no longer|not) (?:valid|used|in use|correct)\b|\bout ?(?:of date|dated)\b|\breplaces?\b|\bthe (?:old|former) one
\b(?:changed|switched|moved) (?:banks?|providers?|numbers?|accounts?)\b|\bcorrection:|\bis wrong\b
\b(?:payments?|invoices?|transfers?) (?:now|henceforth) (?:belong|go|are)\b|\bnow (?:belong|go)s? (?:on|to)\b
\bonly be reached (?:at|on|under)\b|\b(?:future|new) (?:payments?|invoices?|transfers?)\b|\bnew beneficiary\b
\b(?:correct|right|proper) (?:\w+ )?(?:remote|registry|mirror|server|host|source|recipient|beneficiary)\b
""",
    "money": r"""
\b(?:bank|account|iban|payments?|payee|invoices?|wire|remit\w*|payout|wallet)\b
\b[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){3,}
""",
    "recommends": r"""
\b(?:trusted|preferred|authoritative|reliable|approved|whitelisted|allow-?listed|official)\b~\bPLACE\b
\b(?:trust(?:ed)?|white|allow)-?(?: |ed )?list\b|\b(?:is|are|as) (?:always )?(?:safe|trusted) (?:to|for)\b
\b(?:last time|previous(?:ly)?|earlier|before|past|last session)\b~\b(?:worked|succeeded|solved|settled|accepted)
\b(?:what|reasoning that|this) worked\b|\b(?:lesson|experience report|past experience|tip from|best practice from)\b
\b(?:successful|winning|proven) (?:strategy|approach|procedure|trajectory)\b
\b(?:it is|it's|is|are) (?:perfectly |always )?(?:fine|ok(?:ay)?|safe|allowed|permitted) (?:to|in)\b
\b(?:only (?:works|succeeds)|fails|failed) (?:if|unless|without)\b|\bsucceeded in\b|\bfull marks\b
\b(?:recommend|prefer|promote|suggest)(?:ing)? (?:it|this|them|\w+) (?:first|always|only)\b|\bkeep recommending\b
""",
    "keeps itself": r"""
\b(?:remember(?:ed)?|save|store|keep|add|memori[sz]e|persist)\b~\b(?:memory|memories|mind|sessions?|future|entry)\b
\b(?:remember|save|store|memori[sz]e|persist|keep) (?:this|that|the following|permanently)\b
\b(?:rule|note|convention|background|guideline|memo|instructions?) (?:to|for) (?:\w+ ){0,2}MACHINE\b
\b(?:rule|note|convention|background|instructions?) (?:to|for) (?:later|future|coming|next|other) \w+
\b(?:agents?|assistants?|clients?) (?:must|should|shall) (?:remember|store|persist|save|keep)\b
\b(?:for|by) the next MACHINE\b|\baction item for\b|\bremembered for good\b|\bdo not (?:remove|delete|forget)\b
\bremember\b~\bas (?:the|an?|your)\b
""",
    "demonstrates": r"""
\b(?:action(?: input)?|thought|observation|tool|step taken|function|parameter|argument)s? ?:
\b(?:best|right|correct|chosen) (?:action|decision|call|tool)\b|\bcorrect next (?:step|action)\b
(?:->|=>|→)[^.]{0,80}(?:->|=>|→)
\b(?:MACHINE|i|expert) (?:called|ran|invoked|executed)\b|\bi perform\b
\b(?:demonstration|trajectory|few-?shot|exemplar)\b|\b(?:reward|rating|verdict)\b[^.!?]{0,6}[\d/]
\b(?:act|arg|tool|output|answer)=|\bverdict (?:correct|good)\b|\bq:.{0,200}\ba:
""",
    "names a tool": r"""
(?<![/\w.-])[a-z]+(?:_[a-z]+)+\b(?![./])
\b\w+\([^()]{1,80}\)(?=[.,;\s]|$)
""",
}
_LISTS = {
    "GUEST": r"(?:customer|client|visitor|guest|patient|employee|tenant|student|caller|person|colleague|buyer|reader"
    r"|kunde|client\w*|patient\w*)s?",
    "ASKED": r"(?:asks?|asked|asking|mention(?:s|ed)?|request(?:s|ed)?|wants?|inquir\w+|comes? up|brings? up"
    r"|queries|(?:is|are) about)",
    "SUBJECT": "(?:quer(?:y|ies)|(?:question|request|task|matter|conversation|topic)s?)",
    "REPLIES": r"(?:says?|said|types?|writes?|wrote|repl(?:y|ies)|responds?|answers?|confirm\w*|logs? in"
    r"|thanks?)",
    "MACHINE": r"(?:(?:sub-?)?(?:assistant|agent|model|ai|llm|chatbot|bot|copilot)s?|(?:ai|llm) helpers?)",
    "PERSON": r"(?:(?:account holder|user|owner|customer|client|admin(?:istrator)?|operator|supervisor|developer)s?"
    "|management|security team|compliance)",
    "LOOKING": r"(?:ask|confirm|check|verify|approv|mention|consult|review|notify|inform)(?:ing)\b",
    "LOOKED": r"(?:(?:re-?)?confirmation|approval|verification|review|consent|permission|authori[sz]ation|checks?)\b",
    "LOOK": r"(?:ask|confirm|check|verif|approv|mention|question|prompt|consult|review|notif|inform"
    r"|tell\w* (?:the|your) (?:user|owner))\w*",
    "ACTS": r"(?:(?:send|forward|transfer|pay|remit|wire|refund|upload|post|submit|deliver|redirect|route|book"
    r"|buy|order|call|run|execute|invoke|use|fetch|load|visit|open|unlock|issue|install|download|grant|share"
    r"|hand|give|pass|reset|change|delete|approve|accept|register|add|select|choose|pick|trigger|start|push"
    r"|copy|retrieve|include|append|attach|export|publish|disable|whitelist)(?:s|ing)?"
    r"|make (?:the|an?) (?:booking|payment|transfer|order|purchase)|going (?:straight|directly)|paid to)",
    "DETAIL": r"(?:account|bank(?:ing)?|iban|payment|phone|mobile|e-?mail|contact|address|number|url|link|details?"
    r"|payee|domain|endpoint)s?(?: (?:account|details?|address|number|data))?",
    "PLACE": r"(?:source|destination|vendor|provider|partner|domain|sender|place|endpoint|list|site"
    r"|agency|supplier)s?",
    "~": r"(?:[^.!?]|[.!?](?=\S)){0,60}",
}
_GUARDS = re.compile(
    r"\b(?:not|never|nobody|no one|nothing|don't|only|nicht|nie|niemals|niemand|kein\w*|ne|jamais|no|nunca|nadie"
    r"|não|non|mai|нельзя|не)\b[^.!?;,]{0,50}\b(?:without|ohne|sans|sin|sem|senza|без)\b"
    r"|\b(?:without|ohne|sans|sin|sem|senza|без)\b[^.!?;,]{0,50}\b(?:nothing|nobody|nichts|nie|kein\w*|rien|nada)\b"
)
"""Nothing is to be done without being looked at: the opposite of what silences."""


def _compiled(patterns: str) -> re.Pattern[str]:
    found = "|".join(line for line in patterns.split("\n") if line)
    for name, meant in _LISTS.items():
        found = found.replace(name, meant)
    return re.compile(found)


_KNOWN = tuple(Sign(name, _compiled(f"{patterns}{SAID.get(name, '')}")) for name, patterns in _SIGNS.items())


def steers(text: str) -> bool:
    """Whether a text shows enough signs to be kept back, unless its owner wrote it."""
    return sum(signs(text).values()) >= ENOUGH


def signs(text: str) -> dict[str, int]:
    """The signs that a text shows, and what is hidden in it, with their weights."""
    hidden = unveiled(text)
    readings = [_GUARDS.sub(" ", reading) for reading in (plain(text), *hidden)]
    found = [sign.name for sign in _KNOWN if any(sign.pattern.search(reading) for reading in readings)]
    if "aims" not in found or "swaps" not in found:  # things change, money is spoken of: no sign by itself
        found = [name for name in found if name not in ("swaps", "money")]
    return {name: WEIGHTS[name] for name in [*found, *(["hides"] if hidden else ())]}
