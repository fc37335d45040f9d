"""What must hold of a picture's format in any record."""

from __future__ import annotations

from intarsia.errors import Remedy, Setting
from intarsia.records.checks import Check
from intarsia.records.choices import OutputFormat


def format_checks(format: OutputFormat, quality: int | None) -> tuple[Check, ...]:
    """The quality is in its range, and the format has one."""
    return (
        (
            quality is None or 1 <= quality <= 100,
            f"quality is {quality}, but must lie between 1 and 100; 85 to 95 is usual.",
        ),
        (
            quality is None or format != "png",
            (
                "A quality was given, but PNG keeps every pixel",
                Remedy("leave out ", Setting("quality")),
                Remedy("write ", Setting("format", "jpeg"), " or webp"),
            ),
        ),
    )
