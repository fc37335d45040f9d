"""A hub on this machine: repositories out of folders, which can break off, refuse ranges or not be there."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34


@dataclass
class FakeHub:
    """What is served and what was asked for.

    Attributes:
        folders: of repositories, by id.
        large: bytes from which a file is a large one, with a digest.
        breaks: a large file's connection is cut after so many bytes of it, as often as there are numbers.
        ranges: whether a part of a file can be asked for.
        served: of each answer to a large file, its repository, name, first byte and number of bytes.
        damaged: whether large files arrive with a byte changed.
    """

    folders: dict[str, Path] = field(default_factory=dict)
    large: int = 4096
    breaks: list[int] = field(default_factory=list)
    ranges: bool = True
    served: list[tuple[str, str, int, int]] = field(default_factory=list)
    damaged: bool = False
    url: str = ""

    def files(self, repository: str) -> dict[str, bytes]:
        folder = self.folders[repository]
        return {f.relative_to(folder).as_posix(): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}

    def facts(self, name: str, content: bytes) -> dict[str, Any]:
        """A file as the hub lists it."""
        facts: dict[str, Any] = {"size": len(content), "oid": hashlib.sha1(content).hexdigest()}
        facts["blobId"] = facts["oid"]
        if len(content) >= self.large:
            digest = hashlib.sha256(content).hexdigest()
            facts["lfs"] = {"oid": digest, "sha256": digest, "size": len(content), "pointerSize": 134}
        return {**facts, "type": "file", "path": name, "rfilename": name}


class Handler(BaseHTTPRequestHandler):
    hub: FakeHub

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        listed = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?/?", path)
        resolved = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        asked = listed or resolved
        if asked is None or asked[1] not in self.hub.folders:
            self.answer(404, X_Error_Code="RepoNotFound", X_Error_Message="Repository not found")
            return
        revision = listed[3] if listed else resolved[2] if resolved else None
        if revision not in (None, "main", COMMIT):
            self.answer(404, X_Error_Code="RevisionNotFound", X_Error_Message="Revision not found")
        elif listed is not None:
            self.list_files(listed[1], tree=listed[2] == "tree")
        elif resolved is not None:
            self.send_file(resolved[1], resolved[3])

    def list_files(self, repository: str, *, tree: bool) -> None:
        files = [self.hub.facts(name, content) for name, content in self.hub.files(repository).items()]
        info = {"id": repository, "modelId": repository, "sha": COMMIT, "siblings": files, "tags": [], "private": False}
        self.answer(200, json.dumps(files if tree else info).encode(), Content_Type="application/json")

    def send_file(self, repository: str, name: str) -> None:
        content = self.hub.files(repository).get(name)
        if content is None:
            self.answer(404, X_Error_Code="EntryNotFound", X_Error_Message="Entry not found")
            return
        facts = self.hub.facts(name, content)
        digest = facts["lfs"]["sha256"] if "lfs" in facts else facts["oid"]
        headers = {"ETag": f'"{digest}"', "X_Repo_Commit": COMMIT, "X_Linked_Size": str(len(content))}
        headers["Accept_Ranges"] = "bytes"
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) if self.hub.ranges else None
        start = int(wanted[1]) if wanted else 0
        part = content[start:]
        if self.hub.damaged and "lfs" in facts and start == 0:
            part = bytes([part[0] ^ 1]) + part[1:]
        if self.command == "HEAD" or "lfs" not in facts:
            self.answer(206 if wanted else 200, part, **headers)
            return
        cut = self.hub.breaks.pop(0) if self.hub.breaks else len(part)
        self.hub.served.append((repository, name, start, min(cut, len(part))))
        self.send_response(206 if wanted else 200)
        for key, value in {"Content-Length": str(len(part)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(part[:cut])
        if cut < len(part):
            self.close_connection = True


@contextmanager
def running(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve a hub at its `url` on the loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Serving", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
