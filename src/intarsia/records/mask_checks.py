"""Checks of how a mask is read."""

from __future__ import annotations

from intarsia.records.checks import Check

MOST_LABEL = 65535
"""The highest label that a file of 16 bits holds."""


def label_checks(label: int | None) -> tuple[Check, ...]:
    """Checks of the label that is chosen of a mask."""
    if label is None:
        return ()
    return ((0 <= label <= MOST_LABEL, f"mask_label is {label}, but must lie between 0 and {MOST_LABEL}."),)
