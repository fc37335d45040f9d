"""The benchmarks' tables are whole in a log, where there is no terminal to tell how wide a line may be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPORTS = """
import json, sys
from benchmarks import layout, photos, regions

common = {"seed": 271828182, "count": 100, "device": "cpu"}
figures = {name: 0.987654321 for name in layout.FORMS} | {"identity_new_objects": 1234567, "outside_exact": True}
layout.print_table({**common, "columns": {name: figures for name in layout.COLUMNS}})
figures = {
    **dict.fromkeys(("success", "found", "gone", "kept", "iou", "prompt_score"), 0.987654321),
    **dict.fromkeys(("evaluations", "seconds"), 1234567.891),
    "outside_exact": True,
}
regions.print_table({**common, "columns": {name: figures for name in regions.COLUMNS}})
figures = {name: 123456.789 for name in photos.FORMS} | {"needless_in": 42}
photos.print_table({**common, "places": "anywhere", "columns": {name: figures for name in photos.COLUMNS}})
"""


def test_tables_are_whole_in_a_pipe() -> None:
    """Nothing is cut, and each row of figures stays on its line."""
    bare = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "TERM")}
    done = subprocess.run(
        [sys.executable, "-c", REPORTS],
        cwd=Path(__file__).parents[1],
        env={**bare, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    lines = done.stdout.splitlines()
    assert "…" not in done.stdout
    for name in ("compose_named", "paste_inpaint_named", "untouched"):
        assert any(name in line for line in lines)
    (miou,) = (line for line in lines if "miou" in line)
    assert miou.count("0.988") == 8  # one for each column, on one line
    (default,) = (line for line in lines if "default" in line)
    assert default.count("98.8%") == 4
    assert "1234567.89" in default
    (colour,) = (line for line in lines if "colour_median" in line)
    assert colour.count("123456.79") == 8  # one for each column, on one line
