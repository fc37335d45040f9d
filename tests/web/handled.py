"""What tests of the pages' handlers share."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


def event(**data: Any) -> Any:
    """What Gradio hands over when a script of the page has triggered something."""
    return SimpleNamespace(_data=data)
