"""What is said of words that name nothing that is known or seen, though the edit went on with a guess."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from intarsia.backbones.confidence import calibration_of, spelled_alike
from intarsia.backbones.protocols import KnowsNouns, Segmenter
from intarsia.errors import TERMINAL, Message, Remedy, Setting
from intarsia.notes import say
from intarsia.records.edit import EditRecord
from intarsia.records.weighted_prompt import without_weights
from intarsia.regions.families import Job
from intarsia.regions.intent import BEHIND, Intent, head, read_intent
from intarsia.regions.sight import KINDS, Sight

NOUN = re.compile(r"[^\W\d_]+(?:[-'][^\W\d_]+)*")

SAY_WHERE = Remedy("say where with ", Setting("box"))
NAME_OTHERWISE = Remedy("name it otherwise")


def is_known(noun: str, nouns: Sequence[str]) -> bool:
    """Whether a segmenter knows a noun, or things of that kind.

    Args:
        nouns: all that it knows; empty where it knows many.
    """
    return not nouns or noun in nouns or bool(set(KINDS.get(noun, ())) & set(nouns))


def not_known(words: str, nouns: Sequence[str]) -> str:
    """That words are none of few nouns, as a clause."""
    return f"{words!r} is none of the {len(nouns)} nouns that the pocket models know ({', '.join(nouns)})"


def other_spelling(noun: str, nouns: Sequence[str]) -> tuple[Remedy, ...]:
    """The known noun that is spelled nearly like another one."""
    alike = spelled_alike(noun, nouns)
    return (Remedy(f"write {alike!r} if that is meant"),) if alike else ()


def empty_message(record: EditRecord) -> Message:
    """That nothing is left of the source words that could be looked for; empty where something is."""
    if not record.source.strip() or re.search(r"\w", without_weights(record.source)):
        return ()
    return (
        f"{record.source.strip()!r} holds no word to look for",
        Remedy("name what is there in ", Setting("source")),
        SAY_WHERE,
    )


def missing_message(record: EditRecord, missing: Sequence[str], nouns: Sequence[str]) -> Message:
    """Which of several things that the source words name are not known, or were not seen, where others were.

    Args:
        missing: phrases of them.
        nouns: all that the segmenter knows; empty where it knows many.
    """
    if not missing:
        return ()
    unknown = [phrase for phrase in missing if not is_known(head(phrase), nouns)]
    unseen = [phrase for phrase in missing if phrase not in unknown]
    facts = [not_known(phrase, nouns) for phrase in unknown]
    if unseen:
        facts.append(f"nothing in the photo looks like {' or '.join(map(repr, unseen))}")
    said = " and ".join(facts)
    return (
        f"{said[:1].upper()}{said[1:]}: only the rest of {without_weights(record.source)!r} was looked for.",
        *(remedy for phrase in unknown for remedy in other_spelling(head(phrase), nouns)),
        NAME_OTHERWISE,
        SAY_WHERE,
    )


def ground_message(record: EditRecord, segmenter: Segmenter) -> Message:
    """That words which a segmenter does not know were taken for most of the picture; empty where it knows them."""
    nouns = segmenter.nouns if isinstance(segmenter, KnowsNouns) else ()
    calibration = calibration_of(segmenter)
    grounds = {*BEHIND, *(() if calibration is None else map(head, calibration.grounds))}
    sources = read_intent(record.source, record.prompt).sources
    noun = head(sources[0]) if sources else ""
    if not noun or is_known(noun, nouns) or noun in grounds:
        return ()
    return (
        f"{not_known(without_weights(record.source), nouns)}, but most of the picture was taken for it and changed",
        *other_spelling(noun, nouns),
        NAME_OTHERWISE,
        SAY_WHERE,
    )


def missing_of(jobs: Sequence[Job], intent: Intent, sight: Sight) -> tuple[str, ...]:
    """The phrases of an edit's source words by which nothing was found, where something was by another."""
    asked = {phrase for job in jobs for phrase in job.asked}
    lost = tuple(s for s in intent.sources if not asked & set(sight.known(s, head(s))))
    return lost if len(lost) < len(intent.sources) else ()


def beside_message(intent: Intent, sight: Sight) -> Message:
    """That the thing beside which something was to be painted is not seen; empty where it is, or none is named."""
    if intent.change != "add" or intent.beside is None or intent.sources:
        return ()
    other = intent.beside[1]
    if sight.find(sight.known(other, head(other))):
        return ()
    nouns = sight.segmenter.nouns if isinstance(sight.segmenter, KnowsNouns) else ()
    known = is_known(head(other), nouns)
    fact = f"Nothing in the photo looks like {other!r}" if known else not_known(other, nouns)
    return (
        f"{fact}, so that the place beside it was guessed",
        *(() if known else other_spelling(head(other), nouns)),
        NAME_OTHERWISE,
        SAY_WHERE,
    )


def note_unseen(record: EditRecord, jobs: Sequence[Job], sight: Sight) -> None:
    """Say which words of an edit that looks for its place name nothing that is seen, where others do.

    Args:
        jobs: all parts of the edit.
        sight: that looked for their things.
    """
    if jobs[0].intent.change == "background":
        return
    intent = read_intent(record.source, record.prompt)
    nouns = sight.segmenter.nouns if isinstance(sight.segmenter, KnowsNouns) else ()
    missing = missing_message(record, missing_of(jobs, intent, sight), nouns)
    say(*(TERMINAL.sentence(each) for each in (missing, beside_message(intent, sight)) if each))


def unlearned_message(intent: Intent, tokenizer: Any) -> Message:
    """That models of a small world never learned what they were asked to paint; empty where they did.

    Args:
        tokenizer: of a text encoder whose whole words are those that it was trained with.
    """
    if intent.change == "whole":
        return ()
    nouns = list(dict.fromkeys(noun for phrase in intent.targets if (noun := head(phrase))))
    unlearned = [noun for noun in nouns if NOUN.fullmatch(noun) and len(tokenizer.tokenize(noun)) > 1]
    if not unlearned:
        return ()
    listed = " and ".join(map(repr, unlearned))
    return (f"The pocket models never learned {listed}: what was painted for it is a guess.",)
