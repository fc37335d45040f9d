"""What a server with a password gives those who do not know it: the login, and nothing else."""

from __future__ import annotations

import re

from trust.server_process import Server
from trust.server_wire import Request, send

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
PUBLIC = re.compile(
    r"/|/batch/?|/login/?|/logout|/(?:static|assets|svelte)/.*|/(?:gradio_api/)?theme\.css|/favicon\.ico|/robots\.txt"
    r"|/manifest\.json|/pwa_icon.*|/intarsia-scripts/.*"
    r"|/gradio_api/(?:startup-events|user/?|token/?|app_id/?|heartbeat/.*|reset/?)"
)
"""Paths of the login page and its parts, and of what tells nothing; the pages at / and /batch show the login."""


def open_to_strangers(server: Server) -> tuple[int, list[str]]:
    """How much was asked without a password, and what was answered that should not have been."""
    asked, answered = 0, []
    for route in server.routes:
        path = re.sub(r"\{[^}]*\}", "a", route["path"])
        for method in METHODS:
            body = b"{}" if method in ("POST", "PUT") else b""
            headers = ((b"content-type", b"application/json"),) if body else ()
            answer = send(server.address, Request(method=method, path=path.encode(), headers=headers, body=body))
            asked += 1
            if answer.status < 400 and not PUBLIC.fullmatch(path):
                answered.append(f"{method} {path}: {answer.status}")
            if b'"dependencies":[{' in answer.body:
                answered.append(f"{method} {path}: the configuration of the pages")
    return asked, answered
