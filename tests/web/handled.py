"""What tests of the pages' handlers share."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from intarsia.web.sessions import SessionStore
from intarsia.web.tabs.edit_handlers import EditControls, EditHandlers


def event(**data: Any) -> Any:
    """What Gradio hands over when a script of the page has triggered something."""
    return SimpleNamespace(_data=data)


def edit_handlers(store: SessionStore) -> EditHandlers:
    controls = EditControls(canvas="canvas", photo="photo", source="source", prompt="prompt", start="start", details={})
    return EditHandlers(store, controls)
