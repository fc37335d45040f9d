"""A served site for the tests of its security."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")
from intarsia.web.sessions import SessionStore

# Of Gradio's own, and of its server's threads.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


QUICK = {"steps": 2, "search": {"preview_steps": [1], "survivors": [1]}}


class Site:
    """A server at a free port of this machine, and the folders behind it."""

    def __init__(self, address: str, store: SessionStore, uploads: Path, demo: Any = None) -> None:
        self.demo = demo
        self.address, self.store, self.uploads = address.rstrip("/"), store, uploads
        self.client = httpx.Client(timeout=60, trust_env=False)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """As curl --path-as-is does: no dots are taken away."""
        url = httpx.URL(self.address)
        return self.client.send(self.client.build_request("GET", url.copy_with(raw_path=path.encode()), **options))

    def upload(self, content: bytes, name: str, **options: Any) -> httpx.Response:
        return self.client.post(f"{self.address}/gradio_api/upload", files={"files": (name, content)}, **options)

    def call(self, endpoint: str, *data: Any, **options: Any) -> tuple[str, str]:
        """One call, as a program makes it: how it ended, and what came."""
        # As ASCII: httpx itself refuses half a character, which a page may send.
        headers = {"content-type": "application/json", **options.pop("headers", {})}
        posted = self.client.post(
            f"{self.address}/gradio_api/call/{endpoint}", content=json.dumps({"data": data}), headers=headers, **options
        )
        if posted.status_code != 200:
            return f"refused {posted.status_code}", posted.text
        said = self.client.get(f"{self.address}/gradio_api/call/{endpoint}/{posted.json()['event_id']}").text
        event, _, rest = said.rpartition("event: ")[2].partition("\n")
        return event, rest

    def edit(self, path: str, prompt: str = "a moon", **file: Any) -> tuple[str, str]:
        return self.call("edit", {"path": path, "meta": {"_type": "gradio.FileData"}, **file}, "", prompt, QUICK)


def shut(demo: Any, site: Site) -> None:
    demo.close(verbose=False)
    site.client.close()
    site.store.close()
    gc.collect()  # what Gradio leaves open warns now, not in somebody else's test


def picture(side: int = 40) -> bytes:
    from io import BytesIO

    stream = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)).save(stream, "PNG")
    return stream.getvalue()
