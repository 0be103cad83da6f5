"""Text that looks like an order to the model: sentences to mark, and the tokens of chat templates to break.

A list of patterns finds what is written plainly, in a few languages. It is a label for people and policies
and a mark for the model; whoever knows the list writes around it, and nothing is allowed because it found
nothing. To mark what is data: Hines et al. 2024, "Defending Against Indirect Prompt Injection Attacks With
Spotlighting"; here for what was found, as all of a result stands in a block of its own anyway.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

OPEN, CLOSE = "\u27e6", "\u27e7"
"""Stand around each sentence that reads like an instruction."""

_BRACKETS = str.maketrans("", "", OPEN + CLOSE)

# --- chat templates ---------------------------------------------------------------------------------------

_TOKENS = (
    (re.compile(r"<([|\uff5c])(\w[\w:./ \u2581-]{0,60})([|\uff5c])>"), r"<\1 \2 \3>"),
    (re.compile(r"\[(/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS))\]"), r"[ \1 ]"),
    (re.compile(r"<<(/?SYS)>>"), r"<< \1 >>"),
    (re.compile(r"<(/?(?:start|end)_of_turn)>"), r"< \1 >"),
    (
        re.compile(r"<(/?(?:tool|function)_(?:call|response|result)s?|/?system[_-](?:prompt|reminder))>"),
        r"< \1 >",
    ),
)
_ROLES = re.compile(
    r"(^#{2,6} ?(?:System|Instructions?|Assistant|User|Human|Response)|(?<=\n\n)(?:Human|Assistant))(?=:)",
    re.MULTILINE,
)


def unspoken(text: str) -> tuple[str, int]:
    """Text in which no token of a chat template stands whole, and how many did.

    Headings by which such a template opens a role (``### System:``) lose their form.
    """
    found = 0
    if "<" in text or "[" in text:
        for token, broken in _TOKENS:
            text, count = token.subn(broken, text)
            found += count
    return _ROLES.sub(r"\1 ", text) if ":" in text else text, found


# --- sentences --------------------------------------------------------------------------------------------

# One pattern a line: a blank is any white space, ``~`` up to forty characters of the same sentence.
_PHRASES = r"""
(?:ignore|disregard|forget|override|bypass|overrule|stop following|do not follow|don't follow) ~BEFORE~ORDER
(?:ignore|disregard|forget) ~(?:all|any|every|other|the)~(?:instructions?|prompts?|directives)
(?:ignore|disregard|forget) (?:everything|anything|all)~(?:above|before|previous|prior|said|told)
you are (?:now|no longer|actually) (?:an? |the )?~(?:MACHINE|assistant|persona|unrestricted|jailbroken)
from now on,? (?:you (?:will|must|shall|should|are to) )?(?:only |always |never )?ANSWER
(?:ignore|disregard|forget) your (?:\w+ )?(?:task|goal|objective|mission)
your (?:real|true|actual) (?:task|goal|instruction|objective|mission|purpose)s?
(?:new|updated|revised|additional|special|secret|hidden) (?:system )?(?:instructions?|prompt|directives?)~:
your new (?:instructions|objective|mission|directive|system prompt|role)
(?:reveal|print|show|repeat|output|leak|disclose|send) ~(?:system|initial|your|hidden) (?:instructions|prompt)
(?:system|admin|administrator|developer|security|safety) override
(?:developer|god|jailbreak|dan) mode
(?:do not|don't|never|without) ~TELL~(?:the|your) (?:user|human|operator)
(?:dear|hey|hello|hi|attention)[,:]? (?:the |any |all |every )?MACHINE
(?:note|message|instructions?) (?:to|for) (?:the |any |all |every )?(?:MACHINE|assistant)
if you(?:'re| are) (?:an? |the )?(?:MACHINE|assistant|automated (?:agent|system))
as an? MACHINE,? (?:you|your|please)
MACHINE (?:reading|processing|summari[sz]ing|parsing|that (?:reads?|process(?:es)?)) this
(?:message|instruction|order|command)s? from (?:your (?:developer|creator|operator)s?|the system prompt)
(?:ignorier\w*|vergiss|vergessen sie|missachte\w*)~(?:anweisung|instruktion|vorgabe)\w*
(?:ignore[zr]?|oublie[zr]?)~(?:instructions?|consignes?|directives?)
(?:ignor[ae]|olvid[ae]|esque[cç]a|desconsidere)~(?:instruc\w+|indicaciones|órdenes)
(?:ignora\w*|dimentica\w*)~(?:istruzioni|indicazioni)
(?:игнорируй\w*|забудь\w*)~(?:инструкц|указани)\w*
"""
_UNSPACED = (  # writing without blanks between words
    "(?:忽略|无视|忘记)[^。！？\n]{0,20}(?:指令|指示|提示词)",  # noqa: RUF001
    "(?:以前|上記|これまで|すべて)[^。\n]{0,12}(?:指示|命令)[^。\n]{0,8}(?:無視|忘れ)",
    "(?:이전|모든)[^.\n]{0,12}(?:지시|명령)[^.\n]{0,8}(?:무시|잊)",
    "تجاهل[^.!\n]{0,40}(?:التعليمات|الأوامر)",
)
_NAMED = {
    "BEFORE": "(?:previous|prior|preceding|earlier|above|foregoing|existing|original|initial|your|system)",
    "ORDER": "(?:instruction|prompt|directive|direction|guideline|guardrail|rule|command|order)s?",
    "MACHINE": r"(?:(?:ai|llm|language model|artificial intelligence)s?(?: (?:assistant|agent|model)s?)?"
    r"|chatbots?|chatgpt|gpt-\d|claude|gemini|copilot)\b",
    "ANSWER": "(?:respond|answer|reply|act|behave|speak|pretend)",
    "TELL": "(?:tell|inform|mention|notify|alert|let)(?:ing|ting|s)?",
    "~": r"\b[^.!?]{0,40}?\b",
    " ": r"\s{1,3}",
}


def _pattern(phrase: str) -> str:
    for name, meant in _NAMED.items():
        phrase = phrase.replace(name, meant)
    return rf"\b{phrase}" if phrase.endswith(":") else rf"\b{phrase}\b"


_ORDERS = re.compile("|".join([*map(_pattern, _PHRASES.split("\n")[1:-1]), *_UNSPACED]))
# How such a sentence can begin: found several times faster than all of the pattern is tried everywhere.
_BEGINNINGS = re.compile(
    "ignor|disregard|forget|overrid|bypass|overrule|stop |do not|don't|never|without|you |your |if you"
    "|from now|new |updated|revised|additional|special|secret|hidden|reveal|print|show|repeat|output|leak"
    "|disclose|send|system|admin|developer|security|safety|god |jailbreak|dan |dear|hey|hello|hi|attention"
    "|note |message|instruction|order|command|as a|ai|llm|language|artificial|chat|gpt-|claude|gemini|copilot"
    "|vergi|vergess|missacht|oublie|olvid|esque|desconsid|dimentic|игнор|забудь"
    "|忽略|无视|忘记|以前|上記|これまで|すべて|이전|모든|تجاهل"
)
_END = re.compile(r"[.!?\u3002\uff01\uff1f](?=\s|$)|\n|$")
_START = re.compile(r"(?:[.!?\u3002\uff01\uff1f]\s+|\n)(?=[^.!?\u3002\uff01\uff1f\n]*\Z)")
_REACH = 400
"""Characters before and after what was found that a sentence may have."""


def marked(text: str) -> tuple[str, int]:
    """Text (``unmarked``) whose sentences that read like instructions stand in brackets, and how many do."""
    pieces: list[str] = []
    at = 0
    for start, end in _sentences(text):
        pieces += [text[at:start], OPEN, text[start:end], CLOSE]
        at = end
    return "".join([*pieces, text[at:]]), len(pieces) // 4


def unmarked(text: str) -> str:
    """Text without such brackets: whoever brings their own neither opens nor closes ours."""
    return text.translate(_BRACKETS) if OPEN in text or CLOSE in text else text


def reads_like_orders(text: str) -> bool:
    """Whether something in a text reads like an instruction to a model."""
    return next(_orders(text), None) is not None


def _orders(text: str) -> Iterator[tuple[int, int]]:
    """Where the words stand that give an order away, from left to right."""
    folded, at = _folded(text), 0
    while (start := _BEGINNINGS.search(folded, at)) is not None:
        found = _ORDERS.match(folded, start.start())
        at = start.start() + 1 if found is None else found.end()
        if found is not None:
            yield found.span()


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where the sentences are that hold an order: apart, in order."""
    first, last = 0, -1
    for found, end in _orders(text):
        if end <= last:
            continue
        start = _beginning(text, found, after=max(last, 0))
        if last >= 0 and start > last:
            yield first, last
        if last < 0 or start > last:
            first = start
        last = _ending(text, end)
    if last >= 0:
        yield first, last


def _beginning(text: str, at: int, *, after: int) -> int:
    """Where the sentence begins that goes on at a place."""
    low = max(after, at - _REACH)
    found = _START.search(text, low, at)
    begin = low if found is None else found.end()
    return at - len(text[begin:at].lstrip())


def _ending(text: str, at: int) -> int:
    """Where that sentence ends: with its full stop, without its line feed."""
    high = min(len(text), at + _REACH)
    found = _END.search(text, at, high)
    return high if found is None else found.end() - (found.group() == "\n")


def _folded(text: str) -> str:
    """Text of the same length in lower case, in which wide and mathematical letters are the plain ones."""
    if text.isascii():
        return text.lower()
    plain = {c: unicodedata.normalize("NFKC", c).lower() for c in set(text)}
    return text.translate({ord(c): form for c, form in plain.items() if form != c and len(form) == 1})
