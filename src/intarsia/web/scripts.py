"""The scripts and style sheets of the pages: their URLs, and the route that serves them."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

STATIC = Path(__file__).parent / "static"
STYLES = ("page", "batch_page", "studio", "studio_stage", "studio_objects", "studio_panels")
"""Style sheets, in the order in which they override each other."""
PATH = "intarsia-scripts"
"""First part of the scripts' URLs, below that of the page."""
A_YEAR = 365 * 24 * 3600
PRELUDE = re.compile(r"(?<=[{};])\s*[^@{};]+(?=\{)|\A\s*[^@{};]+(?=\{)")
"""Selectors of a rule in a style sheet."""
LIST = re.compile(r":is\(([^()]*,[^()]*)\)")
SEPARATOR = re.compile(r",(?![^()]*\))")
"""Commas between selectors, which are not within a list."""

# The page's URL may have a path of its own, below which Gradio's own scripts lie, too. `Function`, with which Gradio
# runs this, has no URL that an import could be relative to.
LOADING = """
// Events that Python may listen to; Gradio reads their names here: %(events)s
import(new URL("%(address)s", document.baseURI)).then(
  (module) => module.mount({ element, trigger, props, upload, watch }),
).catch((problem) => {
  element.textContent = "The page's scripts did not arrive: reload the page.";
  throw problem;
});
""".strip()


@functools.cache
def modules() -> Mapping[str, bytes]:
    """The scripts, each an ES module, by file name."""
    return {file.name: file.read_bytes() for file in sorted(STATIC.glob("*.js"))}


@functools.cache
def digest() -> str:
    """Of all modules together, as they import each other: 16 hexadecimal digits."""
    together = hashlib.sha256()
    for name, content in modules().items():
        together.update(f"{name} {len(content)}\n".encode() + content)
    return together.hexdigest()[:16]


def loading(module: str, events: Sequence[str]) -> str:
    """The script of a component: it imports a module, which builds the component's parts.

    Args:
        module: name of a file in the folder, without its ending; it exports `mount`.
        events: what the module triggers.
    """
    name = f"{module}.js"
    if name not in modules():
        raise KeyError(name)
    return LOADING % {"address": f"{PATH}/{digest()}/{name}", "events": ", ".join(f'"{event}"' for event in events)}


def styles() -> str:
    """The style sheets of all pages, as one, without lists in `:is()`: Gradio divides selectors at every comma."""
    together = "\n".join((STATIC / f"{name}.css").read_text(encoding="utf-8") for name in STYLES)
    return PRELUDE.sub(lambda found: without_lists(found[0]), re.sub(r"/\*.*?\*/", "", together, flags=re.DOTALL))


def without_lists(selectors: str) -> str:
    """Selectors of a rule in which each `:is(a, b)` is written out: "x:is(a, b)" as "x:is(a), x:is(b)"."""
    waiting, written = [each.strip() for each in SEPARATOR.split(selectors)], []
    while waiting:
        selector = waiting.pop(0)
        found = LIST.search(selector)
        if found is None:
            written.append(selector)
        else:
            before, after = selector[: found.start()], selector[found.end() :]
            waiting[:0] = [f"{before}:is({each.strip()}){after}" for each in found[1].split(",")]
    return ", ".join(written)


def scripts_route() -> Route:
    """The route that serves the modules, and no other file."""
    return Route(f"/{PATH}/{{version}}/{{name}}", module_response, methods=["GET"])


async def module_response(request: Request) -> Response:
    content = modules().get(request.path_params["name"])
    if content is None or request.path_params["version"] != digest():
        return PlainTextResponse("There is no such script.", status_code=404)
    headers = {"cache-control": f"public, max-age={A_YEAR}, immutable"}
    return Response(content, media_type="text/javascript", headers=headers)
