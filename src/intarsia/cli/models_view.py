"""The catalogue as people read it: a table of all checkpoints, and all that is known of one."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable
from typing import TYPE_CHECKING

from intarsia.errors import Setting

if TYPE_CHECKING:
    from intarsia.backbones import Entry

NARROWEST, WIDEST = 60, 110
"""Columns of the table, whatever the terminal has."""
ABILITIES = {
    "edit": "editing by words",
    "arrange": "moving objects as they were cut out",
    "compose": "moving them by guided painting",
    "learn": "learning objects' looks",
    "scorer": "scoring pictures against texts",
    "encoder": "describing pictures patch by patch",
    "segmenter": "finding objects",
}
PARTS = {
    "inpainter": "Checkpoints that were trained to repaint",
    "painter": "Checkpoints that paint from text, and repaint by blending",
    "scorer": "Scorers",
    "patches": "Encoders",
    "segmenter": "Segmenters",
}


def catalogue_lines(entries: dict[str, Entry], here: Iterable[str]) -> list[str]:
    """A table of the catalogue.

    Args:
        here: names of those that are on this machine.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from intarsia.backbones.hub import gigabytes

    there = set(here)
    width = min(max(shutil.get_terminal_size((80, 24)).columns, NARROWEST), WIDEST)
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    for part, title in PARTS.items():
        table = Table(
            show_header=part == "inpainter",
            box=box.SIMPLE_HEAD,
            expand=True,
            pad_edge=False,
            title=title,
            title_justify="left",
            title_style="",
        )
        table.add_column("name", no_wrap=True, width=max(map(len, entries)))
        for heading in ("fetch", "memory"):
            table.add_column(heading, no_wrap=True, justify="right", width=len("0.6 GB"))
        table.add_column("side", no_wrap=True, justify="right", width=4)
        table.add_column("what it is", ratio=1)
        for name, entry in entries.items():
            if entry.part == part:
                state = "here" if name in there else gigabytes(entry.download_gb * 1e9)
                table.add_row(name, state, gigabytes(entry.memory_gb * 1e9), str(entry.native_side), entry.purpose)
        console.print(table)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    lines = [line.rstrip() for line in shown.splitlines()]
    return [
        *lines,
        "fetch: what is to be downloaded, or that it is here; memory: about, while working;",
        "side: of the pictures that it works on best, in pixels.",
        "More of one: intarsia models NAME; fetch it: intarsia models download NAME.",
    ]


def entry_lines(name: str, entry: Entry, place: str | None) -> list[str]:
    """All that the catalogue says of a checkpoint.

    Args:
        place: its folder on this machine, None where it is not here.
    """
    from intarsia.backbones.hub import gigabytes

    about = "about " if entry.estimated else ""
    fetched = [f"{about}{gigabytes(entry.download_gb * 1e9)}"]
    if entry.half_weights:
        fetched.append(f"{gigabytes(entry.half_gb * 1e9)} for a GPU, in half precision")
    facts = {
        "what it is": entry.purpose,
        "used for": ", ".join(ABILITIES[ability] for ability in entry.abilities),
        "beside": ", ".join(entry.beside),
        "here": place or "no",
        "repository": entry.repository or "inside the package",
        "revision": entry.revision or ("" if entry.repository is None else "the newest: none was looked up"),
        "mirrors": ", ".join(entry.mirrors),
        "licence": entry.licence,
        "download": "; ".join(fetched) if entry.weights else "",
        "memory": f"about {gigabytes(entry.memory_gb * 1e9)} while working",
        "side": f"{entry.native_side} pixels",
        "settings": " ".join(str(Setting(setting, value)) for setting, value in entry.settings.items()),
        "checked": f"{entry.checked}, against {entry.source}" if entry.checked else "",
    }
    return [name, *(f"  {fact:<12}{said}" for fact, said in facts.items() if said)]
