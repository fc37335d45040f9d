"""Addresses of this machine."""

from __future__ import annotations

import socket

OWN_MACHINE = ("127.0.0.1", "localhost", "::1")
"""Names under which a machine reaches only itself."""


def free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
