"""What a model that edits by instructions is told: a sentence made of an edit's words, or the user's own."""

from __future__ import annotations

from intarsia.records.edit import EditRecord
from intarsia.records.weighted_prompt import without_weights
from intarsia.regions.intent import BEHIND, OPENING, SCENERY, Intent, head, unarticled

KEEP = ", and keep everything else as it is."
"""These models repaint all of the picture, and change less of it where they are told to."""


def instruction_of(intent: Intent, record: EditRecord) -> str:
    """The instruction of an edit; the user's own, word for word, where the record has one.

    Source words and prompt are what is there and what it becomes: "trees" and "a big tree in the center" are
    "Change the trees to a big tree in the center, and keep everything else as it is."
    """
    if record.instruction.strip():
        return record.instruction.strip()
    wanted = without_weights(record.prompt).strip().rstrip(".")
    opening = OPENING.match(wanted.lower())
    if opening is not None:
        wanted = wanted[opening.end() :]
    if intent.change == "whole":
        return f"Turn the whole picture into {wanted}."
    if intent.change == "background":
        named = [phrase for phrase in intent.sources if head(phrase) not in BEHIND]
        ground = definite(named) if named else "the background"
        return f"Change {ground} to {SCENERY.sub('', wanted)}{KEEP}"
    if intent.change == "add":
        return f"Add {without_weights(intent.painted) if intent.kept and intent.beside is None else wanted}{KEEP}"
    return f"Change {definite(intent.sources)} to {wanted}{KEEP}"


def definite(phrases: list[str] | tuple[str, ...]) -> str:
    """Phrases as known things, in a list: "trees" and "a dog" are "the trees and the dog"."""
    named = [f"the {unarticled(phrase)}" for phrase in phrases]
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
