"""Names of objects, and the words in them."""

from __future__ import annotations

import re

BACKGROUND = "background"
"""The name that is no object's."""


def words_of(name: str) -> str:
    """What an object is, for models: its name without the number that tells it from its like.

    "dog 2" and "dog_2" are a "dog"; "potted_plant" is a "potted plant".
    """
    plain = " ".join(name.replace("_", " ").split())
    return re.sub(r"\s+#?\d+$", "", plain) or plain
