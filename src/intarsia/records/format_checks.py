"""What must hold of a picture's format in any record."""

from __future__ import annotations

from intarsia.records.checks import Check


def format_checks(quality: int | None) -> tuple[Check, ...]:
    """The quality is in its range."""
    return (
        (
            quality is None or 1 <= quality <= 100,
            f"quality is {quality}, but must lie between 1 and 100; 85 to 95 is usual.",
        ),
    )
