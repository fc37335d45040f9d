"""A served site and a session on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.security.served import Site, shut

pytest.importorskip("gradio")
from intarsia.backbones.protocols import Backbones
from intarsia.web import startup
from intarsia.web.address import free_port
from intarsia.web.sessions import Session, SessionStore

# Of Gradio's own, and of its server's threads.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path, tiny_backbones: Backbones) -> Iterator[Site]:
    with startup.folders(tmp_path_factory.mktemp("results") / "results") as results:
        from gradio.utils import get_upload_folder

        from intarsia.web import server

        store = SessionStore(results, models=str(tiny_models), forget=0.2, load=lambda *_, **__: tiny_backbones)
        demo = server.build(store)
        address = server.launch(demo, store, port=free_port("127.0.0.1"))
        site = Site(address.local, store, Path(get_upload_folder()), demo)
        yield site
        shut(demo, site)


@pytest.fixture
def session(site: Site) -> Iterator[Session]:
    session = site.store.join(None)
    yield session
    site.store.leave(session.token)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret.txt"
    file.write_text("the secret")
    return file
