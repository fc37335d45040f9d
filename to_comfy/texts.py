"""What nodes are told as text: names, marks and boxes by the line, moves as the command line has them."""

from __future__ import annotations

import re
import shlex

from intarsia.cli.arrange_flags import join_repeated
from intarsia.errors import LayoutError, Remedy, Setting

from .wording import MOVES


def names(text: str) -> tuple[str, ...]:
    """Names with commas or line breaks between them."""
    return tuple(name.strip() for name in re.split(r"[,\n]", text) if name.strip())


def lines(text: str) -> tuple[str, ...]:
    """What stands on each line that is not empty."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def moves(text: str) -> dict[str, tuple[str, ...]]:
    """The settings of an arrangement that say what moves, as they are typed in a terminal: --move cat=+120,0.

    Returns:
        Values by the names of the settings, those that were given.

    Raises:
        LayoutError: there is none, a quotation mark is not closed, or a flag is of another kind or has nothing after it.
    """
    try:
        words = join_repeated(shlex.split(text))
    except ValueError:
        raise LayoutError("The moves have a quotation mark that is not closed: close it.") from None
    if not words:
        raise LayoutError("Nothing says where the objects go", _one_of_the_moves())
    told: dict[str, tuple[str, ...]] = {}
    last = ""
    for word in words:
        if word.startswith("--"):
            last = word.removeprefix("--")
            if last not in MOVES:
                raise LayoutError(f"{word} among the moves says nothing of where objects go", _one_of_the_moves())
            told[last] = ()
        elif not last:
            raise LayoutError(
                f"The moves begin with {word!r}, before anything says what it is for", _one_of_the_moves()
            )
        else:
            told[last] += (word,)
    for name, values in told.items():
        if not values:
            raise LayoutError(
                Setting(name), " among the moves has nothing after it", Remedy("write which object it is for")
            )
    return told


def _one_of_the_moves() -> Remedy:
    """How to begin."""
    *most, last = (Setting(name) for name in MOVES)
    return Remedy("write any of ", *(part for name in most for part in (name, ", ")), last)
