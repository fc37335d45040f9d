"""What is said of objects that were found by words without confidence. Light: no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from intarsia.errors import TERMINAL, LayoutError, Remedy, Setting
from intarsia.layout.scene import SceneObject
from intarsia.records.choices import Unsure

OTHER_WORDS = Remedy("use other words")


def unsure_of(objects: Iterable[SceneObject]) -> list[SceneObject]:
    return [thing for thing in objects if not thing.sure]


def with_chance(thing: SceneObject) -> str:
    """An object's name and how sure it is, for drawings: "cat 97 %", "zebra? 8 %"; the name alone of one that was marked."""
    if thing.confidence is None:
        return thing.name
    return f"{thing.name}{'' if thing.sure else '?'} {percent(thing.confidence)}"


def percent(chance: float) -> str:
    """A chance in whole per cent; never 0 or 100, which nobody knows."""
    return f"{min(max(round(100 * chance), 1), 99)} %"


def two_digits(thing: SceneObject) -> str:
    """An object's confidence, never as 0 or 1, which nobody knows."""
    return f"{min(max(thing.confidence or 0.0, 0.01), 0.99):.2f}"


def doubts(objects: Sequence[SceneObject]) -> str:
    """That it is not sure that objects are there, and the likeliest cause, as a clause."""
    facts = [
        f"that {thing.name!r} is in the picture (confidence {two_digits(thing)}, and {thing.sure_from:.2f} is "
        f"needed): {thing.doubt}"
        for thing in objects
    ]
    return f"not sure {'; nor '.join(facts)}"


def refuse_unsure(objects: Sequence[SceneObject], unsure: Unsure, *by_hand: Remedy) -> None:
    """Refuse to go on with objects that were found without confidence, unless they are to be kept all the same.

    Args:
        objects: of a scene.
        unsure: the record's setting.
        by_hand: how they can be shown instead, which differs between records.

    Raises:
        LayoutError: one is not sure.
    """
    doubtful = unsure_of(objects) if unsure == "refuse" else []
    if doubtful:
        raise LayoutError(
            f"{capital(doubts(doubtful))}.",
            Remedy("keep it all the same with ", Setting("unsure", "keep")),
            *by_hand,
            OTHER_WORDS,
        )


def outline_by_hand(thing: SceneObject) -> Remedy:
    """The remedy of a scene: its object is shown by hand."""
    return Remedy(
        "outline it yourself with ",
        Setting("object", f"'{thing.name}=x0,y0,x1,y1'"),
        " or ",
        Setting("masks", f"'{thing.name}=FILE'"),
        page="select it by hand",
    )


def kept_notes(objects: Iterable[SceneObject]) -> tuple[str, ...]:
    """Of objects that an edit kept without confidence, a sentence each."""
    return tuple(f"{thing.name!r} was kept, though it is {doubts([thing])}." for thing in unsure_of(objects))


def doubt_notes(objects: Iterable[SceneObject]) -> tuple[str, ...]:
    """Of objects that were found without confidence, before anything is done with them, in the words of the command line."""
    keep = Remedy("keep it if its outline is right")
    return tuple(
        TERMINAL.sentence((f"{capital(doubts([thing]))}.", keep, outline_by_hand(thing), OTHER_WORDS))
        for thing in unsure_of(objects)
    )


def capital(clause: str) -> str:
    return clause[:1].upper() + clause[1:]
