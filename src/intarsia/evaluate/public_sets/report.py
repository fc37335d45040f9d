"""The figures of a run in a file, from which the next run goes on."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from intarsia.errors import OutputError, Remedy, Setting
from intarsia.evaluate.public_sets.items import PublicSet, read_json, read_text
from intarsia.evaluate.public_sets.measure import BenchSettings, Figures
from intarsia.files import write_bytes_atomically

Summary = dict[str, float | int]


class Report:
    """What was measured so far.

    In the file, `sets` has for each set its title and licence, the mean of every figure over its `items` ("summary")
    and over each kind of edit ("kinds"), and the items by name: their figures, or why they failed ("error").

    Attributes:
        settings: with which everything in the file was measured.
    """

    def __init__(self, file: Path, settings: BenchSettings, models: str) -> None:
        """Read what is there.

        Raises:
            RecordError: the file is no report.
            OutputError: it was measured with other settings.
        """
        self.file = file
        self.settings: dict[str, Any] = {"models": models, **asdict(settings)}
        self.facts: dict[str, Any] = {"settings": self.settings, "versions": {}, "notes": [], "sets": {}}
        if not file.exists():
            return
        kept = read_json(read_text(file), str(file))
        if not isinstance(kept.get("settings"), dict) or not isinstance(kept.get("sets"), dict):
            raise OutputError(f"{file} is no report of public sets, and is not replaced", self._elsewhere())
        if other := [name for name, value in self.settings.items() if kept["settings"].get(name) != value]:
            raise OutputError(f"{file} was measured with other {' and '.join(other)}", self._elsewhere())
        self.facts = {**self.facts, **kept}

    @staticmethod
    def _elsewhere() -> Remedy:
        return Remedy(Setting("json", "FILE", verb="pass"), " to write another")

    def has(self, key: str, name: str) -> bool:
        """Whether an item was measured; one that failed is tried again."""
        measured = self.facts["sets"].get(key, {}).get("items", {}).get(name)
        return measured is not None and "error" not in measured

    def add(self, part: PublicSet, name: str, kind: str, figures: Figures | str) -> None:
        """Add an item's figures, or why it failed, and write the file."""
        known = self.facts["sets"].setdefault(part.key, {"title": part.title, "licence": part.licence, "items": {}})
        known["items"][name] = {"error": figures} if isinstance(figures, str) else {"kind": kind, **figures}
        known.update(summarise(known.pop("items")))
        self.write()

    def write(self) -> None:
        text = json.dumps(self.facts, indent=1, allow_nan=False)
        write_bytes_atomically(self.file, f"{text}\n".encode(), overwrite=True)


def summarise(items: dict[str, Any]) -> dict[str, Any]:
    """The means over items, in all and of each kind, and the items themselves."""
    measured = [figures for figures in items.values() if "error" not in figures]
    kinds = sorted({figures["kind"] for figures in measured} - {""})
    return {
        "summary": {**means(measured), "failed": len(items) - len(measured)},
        "kinds": {kind: means([figures for figures in measured if figures["kind"] == kind]) for kind in kinds},
        "items": items,
    }


def means(measured: list[dict[str, Any]]) -> Summary:
    """The mean of each figure over the items that have it; of yes and no, the share of yes."""
    names = dict.fromkeys(name for figures in measured for name in figures if name != "kind")
    summary: Summary = {"items": len(measured)}
    for name in names:
        values = [float(figures[name]) for figures in measured if name in figures]
        summary[name] = sum(values) / len(values)
    return summary
