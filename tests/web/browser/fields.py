"""Fields of the pages, filled in as soon as they stay filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator


def set_number(field: Locator, value: int) -> None:
    """Give a number field a value. One that was folded away takes its first value once more while it unfolds."""
    for _ in range(20):
        field.fill(str(value))
        field.blur()
        field.page.wait_for_timeout(200)
        if field.input_value() == str(value):
            return
    raise AssertionError(f"the field holds {field.input_value()}, not {value}")
