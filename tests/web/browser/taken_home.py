"""Whether what is downloaded is what the command line writes, to the byte but for what no second run repeats."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

RECORD_CHUNK = b"intarsia\0"
"""How the chunk of a PNG begins that holds the record."""
OF_THE_RUN = (("made_at",), ("cost", "seconds"), ("cost", "peak_memory_mb"))
"""What of a record no second run repeats: when it was, how long it took and how much memory."""


def without_record(png: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and content of each chunk of a PNG file, the record's without content; it has one."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = [], 8
    while at < len(png):
        size = int.from_bytes(png[at : at + 4], "big")
        data = png[at + 8 : at + 8 + size]
        found.append((png[at + 4 : at + 8], b"" if data.startswith(RECORD_CHUNK) else data))
        at += 12 + size
    assert sum(data == b"" and kind != b"IEND" for kind, data in found) == 1
    return found


def repeatable(facts: dict[str, Any], *also: Sequence[str]) -> str:
    """A record as text, without what no second run repeats; it has all of that.

    Args:
        also: further places in it that differ, such as ("record", "photo") for a photo that lies elsewhere.
    """
    facts = json.loads(json.dumps(facts))
    for *above, name in (*OF_THE_RUN, *also):
        place = facts
        for key in above:
            place = place[key]
        del place[name]
    return json.dumps(facts, indent=1)


def record_inside(png: Path) -> dict[str, Any]:
    with Image.open(png) as picture:
        facts: dict[str, Any] = json.loads(picture.info["intarsia"])
    return facts
