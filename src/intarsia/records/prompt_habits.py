"""Spellings that other programs give a meaning in prompts, and that are plain words here.

Only what hardly anybody writes as plain text is told of: "a dog (brown)", "[sic]", "C++" and "R&B AND soul" stay text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from intarsia.errors import Message, Remedy, Setting
from intarsia.records.weighted_prompt import parse_weights

WEIGH = Remedy("weigh words as in (word:1.3)")
CHOOSE = Remedy("make an edit for each choice")
"""Of a form that stands for several prompts."""

SHOWN = 3
"""Snippets that a note quotes; of more, the first."""


@dataclass(frozen=True, kw_only=True)
class Habit:
    """A spelling of another program.

    Attributes:
        pattern: of a snippet; its first group, where it has one, is what is quoted.
        remedies: what to do here instead.
        weighs: whether it weighs words, which some text encoders here cannot.
        meant: whether a match is meant, and no plain text.
    """

    pattern: re.Pattern[str]
    remedies: tuple[Remedy, ...] = ()
    weighs: bool = False
    meant: Callable[[re.Match[str]], bool] = lambda found: True


def _joins(found: re.Match[str]) -> bool:
    """Whether a word in capitals stands between others that are not, as AND and BREAK do in other programs."""
    before = found.string[: found.start()].split()[-1:]
    after = found.string[found.end() :].split()[:1]
    return bool(before and after) and not any(each.isupper() for each in (*before, *after))


def _weakens(found: re.Match[str]) -> bool:
    """Whether brackets are meant to weaken words, and hold no remark of an editor and no number."""
    inside = found[0].strip("[] ").lower()
    return inside not in ("sic", "...", "…", "citation needed") and bool(re.search(r"[^\W\d_]", inside))


def _is_text(found: re.Match[str]) -> bool:
    """Whether nothing of a match is a weight here."""
    return parse_weights(found[0]).text == found[0]


OPENED, CLOSED, COLON, INSIDE = r"[(\uff08]", r"[)\uff09]", r"[:\uff1a]", r"[^()\uff08\uff09:\uff1a]+"
"""Parentheses and colons, those of Chinese and Japanese among them."""

HABITS = (
    Habit(
        pattern=re.compile(r"<\s*(?:lora|lyco|lycoris|locon|loha|hypernet)\s*:[^<>]*>", re.IGNORECASE),
        remedies=(Remedy("give the file and its weight with ", Setting("lora", "FILE:0.8")),),
    ),
    Habit(
        pattern=re.compile(r"(?<!\w)(?:embedding|ti)\s*:\s*[\w./-]+", re.IGNORECASE),
        remedies=(Remedy("give the file with ", Setting("embedding", "FILE")),),
    ),
    Habit(
        pattern=re.compile(r"(?<!\S)(?:BREAK|AND|ADDCOMM|ADDBASE|ADDCOL|ADDROW)(?=[\s,]|$)"),
        remedies=(Remedy("say it in one sentence"), Remedy("make one edit after another")),
        meant=_joins,
    ),
    Habit(
        pattern=re.compile(r"\[[^\[\]|]*\|[^\[\]]*\]|\[[^\[\]]*:\s*\d*\.?\d+\s*\]"),
        remedies=(Remedy("words don't change between steps here, so name one"),),
    ),
    Habit(
        pattern=re.compile(r"\[+[^\[\]|:]+\]+(?!\()"),
        remedies=(Remedy("weigh words as in (word:0.8)"),),
        weighs=True,
        meant=_weakens,
    ),
    Habit(
        pattern=re.compile(r"\{[^{}]*\|[^{}]*\}|(?<!\w)__[\w*/~-]+?__(?![\w.(])"),
        remedies=(CHOOSE,),
    ),
    Habit(pattern=re.compile(r"\{+[^{}|]*[^\W\d_][^{}|]*\}+"), remedies=(WEIGH,), weighs=True),
    Habit(pattern=re.compile(r"\({2,}[^()]*[^\W\d_][^()]*\){2,}"), remedies=(WEIGH,), weighs=True, meant=_is_text),
    Habit(
        pattern=re.compile(
            rf"{OPENED}{INSIDE}{COLON}\s*(?:\d+,\d+|\d*\.?\d+)\s*{CLOSED}"
            r"|\([^()]*[^\W\d][^()]*:\s*\d*\.\d+(?=\s*(?:,|$))"
        ),
        remedies=(Remedy("write weights as in (word:1.3)"),),
        weighs=True,
        meant=_is_text,
    ),
    Habit(
        pattern=re.compile(
            r"\([^()]*[^\W\d_][^()]*\)(?:\d*\.\d+(?![\w%])|[+-]+(?=[\s,.;]|$))|(?<![\w+])[^\W\d_]{3,}\+{2,}(?=[\s,]|$)"
        ),
        remedies=(WEIGH,),
        weighs=True,
        meant=lambda found: found[0].lower() not in ("notepad++",),
    ),
    Habit(pattern=re.compile(r"(?<=\))\.(?:blend|and|swap)\([^()]*\)"), remedies=(Remedy("say it in one sentence"),)),
    Habit(
        pattern=re.compile(r"[^\W_]+\s?::\s?-?\d*\.?\d*(?=[\s,]|$)"),
        remedies=(WEIGH,),
        weighs=True,
    ),
    Habit(
        pattern=re.compile(r"(?<!\S)(?:--|—)no\s+[^-—]+(?<!\s)"),
        remedies=(Remedy("say what to keep away from with ", Setting("negative_prompt")),),
    ),
    Habit(
        pattern=re.compile(
            r"(?<!\S)(?:--|—)(?:(?:ar|aspect|v|version|q|quality|s|stylize|seed|c|chaos|iw|cw|sw|weird|stop|style|niji|p"
            r"|profile|sref|cref|oref|ow|repeat|steps|cfg|sampler|w|h|width|height)\s+[\w.:/-]+"
            r"|(?:tile|raw|hd|fast|relax|turbo|draft|video|test|testp|uplight|upbeta|niji))(?=[\s,]|$)",
            re.IGNORECASE,
        ),
        remedies=(Remedy("leave it out and use the settings"),),
    ),
    Habit(
        pattern=re.compile(r"(?:^|[\n,.])\s*(Negative prompt\s*:)", re.IGNORECASE),
        remedies=(Remedy("give it with ", Setting("negative_prompt")),),
    ),
    Habit(
        pattern=re.compile(r"(?:^|[\n,.])\s*(Steps\s*:\s*\d+\s*,.*)", re.IGNORECASE | re.DOTALL),
        remedies=(Remedy("leave it out and use the settings"),),
    ),
)
"""In the order in which they are told; what one of them has matched is not matched again."""

TRIGGER = Habit(
    pattern=re.compile(r"<[\w-]+(?:[ _-]\w+)*>"),
    remedies=(Remedy("give the file that teaches the word with ", Setting("embedding", "FILE")),),
)
"""Words of textual inversions, where no file teaches any, and angle brackets have no meaning of their own."""


def habit_messages(text: str, called: str, *, heeded: bool, triggers: bool = False) -> list[Message]:
    """Spellings of other programs in a prompt: each a message that quotes them and says what to do instead.

    Args:
        text: the prompt.
        called: what messages call it: "prompt".
        heeded: whether weights of words are heeded, so that the advice to use them helps.
        triggers: whether words in angle brackets are told of, too.
    """
    messages: list[Message] = []
    rest = text
    for habit in (*HABITS, *((TRIGGER,) if triggers else ())):
        snippets = list(dict.fromkeys(_found(habit, rest)))
        if not snippets:
            continue
        for snippet in snippets:
            rest = rest.replace(snippet, "\0")
        more = f" and {len(snippets) - SHOWN} more" if len(snippets) > SHOWN else ""
        listed = f"{', '.join(_quoted(snippet) for snippet in snippets[:SHOWN])}{more}"
        were = "was read as plain words" if len(snippets) == 1 else "were read as plain words"
        remedies = habit.remedies if heeded or not habit.weighs else ()
        end = "" if remedies else "."
        messages.append((f"{listed} in the {called} {were}{end}", *remedies))
    return messages


def _found(habit: Habit, text: str) -> Iterator[str]:
    for found in habit.pattern.finditer(text):
        snippet = (found[1] if habit.pattern.groups else found[0]).lstrip(" ,\n").rstrip(" ,.\n")
        if snippet and "\0" not in snippet and habit.meant(found):
            yield snippet


def _quoted(snippet: str) -> str:
    said = " ".join(snippet.split())
    return repr(said if len(said) <= 60 else f"{said[:57]}...")
