"""What must hold of a picture's format, and of what is written over it, in any record."""

from __future__ import annotations

from intarsia.records.checks import Check

MOST_WATERMARK = 60
"""Characters of a watermark."""


def format_checks(quality: int | None) -> tuple[Check, ...]:
    """The quality is in its range."""
    return (
        (
            quality is None or 1 <= quality <= 100,
            f"quality is {quality}, but must lie between 1 and 100; 85 to 95 is usual.",
        ),
    )


def watermark_checks(text: str) -> tuple[Check, ...]:
    """The watermark is short enough to be read."""
    return (
        (
            len(text) <= MOST_WATERMARK,
            f"The watermark has {len(text)} characters, but {MOST_WATERMARK} at most can be read.",
        ),
    )
