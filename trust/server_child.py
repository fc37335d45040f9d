"""Serve the pages as `intarsia ui` does, and write down the routes that the running server has.

    python -m trust.server_child ROUTES.json ui --models pocket --port 8000 --api --mcp

The routes are read from the application after it was started, so that none is missed: those of the pages' framework,
and our own. Everything else is the command line's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def routes_of(routes: Any) -> Iterator[dict[str, Any]]:
    """All routes of an application, those of included routers as well: path, and methods."""
    for route in routes:
        if hasattr(route, "effective_candidates"):
            yield from routes_of(route.effective_candidates())
        elif getattr(route, "routes", None):
            yield from routes_of(route.routes)
        else:
            yield {"path": route.path, "methods": sorted(getattr(route, "methods", None) or ("GET", "POST", "DELETE"))}


def main() -> int:
    file, *words = sys.argv[1:]
    from intarsia.cli import console
    from intarsia.cli.main import main as command_line
    from intarsia.web import server

    launch = server.launch

    def noted(demo: Any, *arguments: Any, **options: Any) -> Any:
        address = launch(demo, *arguments, **options)
        part = Path(file).with_suffix(".part")
        part.write_text(json.dumps(list(routes_of(demo.app.routes))), "utf-8")
        part.rename(file)
        return address

    server.launch = noted
    code = command_line(words)
    console.leave(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
