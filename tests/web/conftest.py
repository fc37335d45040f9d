"""What the tests of the pages share: a visitor of a server in which nothing is painted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from intarsia.web.sessions import Session, SessionStore


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    """One in which no networks are ever loaded."""
    from intarsia.web.sessions import SessionStore

    return SessionStore(
        tmp_path / "sessions", models="pocket", load=lambda *_, **__: pytest.fail("nobody needs networks here")
    )


@pytest.fixture
def session(store: SessionStore) -> Session:
    return store.join(None)
