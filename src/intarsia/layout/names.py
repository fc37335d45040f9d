"""Names of objects, and the words in them."""

from __future__ import annotations

import re
from collections.abc import Sequence

BACKGROUND = "background"
"""The name that is no object's."""


def words_of(name: str) -> str:
    """What an object is, for models: its name without the number that tells it from its like.

    "dog 2" and "dog_2" are a "dog"; "potted_plant" is a "potted plant".
    """
    plain = " ".join(name.replace("_", " ").split())
    return re.sub(r"\s+#?\d+$", "", plain) or plain


def free_name(name: str, taken: Sequence[str]) -> str:
    """A name for the next of its kind: "cat 2" after "cat", "dog 3" after "dog 1" where "dog 2" is taken."""
    number, free = 2, f"{words_of(name)} 2"
    while free in taken:
        number += 1
        free = f"{words_of(name)} {number}"
    return free
