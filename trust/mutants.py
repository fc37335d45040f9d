"""What the tests notice: small faults put into the arithmetic, one at a time, by mutmut."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
from collections import Counter
from pathlib import Path

from trust.figures import Figure, Part
from trust.shell import BIN, ROOT, FailedCommand, cloned, must, tried

MUTATED = (
    "src/intarsia/imaging/*.py",
    "src/intarsia/diffusion/*.py",
    "src/intarsia/regions/losses.py",
    "src/intarsia/layout/guidance.py",
)

TESTS = (
    "tests/imaging",
    "tests/diffusion",
    "tests/backbones/test_tiles.py",
    "tests/layout/test_arrange.py",
    "tests/layout/test_compose.py",
    "tests/layout/test_guidance.py",
    "tests/layout/test_protected.py",
    "tests/layout/test_removal_files.py",
    "tests/regions/test_notes.py",
    "tests/regions/test_protected.py",
    "tests/regions/test_published.py",
    "tests/regions/test_regions.py",
)
"""Those that are about these modules; a fault that others alone would notice counts as unnoticed."""

PLACE = ROOT / "build" / "mutants"

SAMPLE, FEW = 400, 12
"""Faults that are tried, drawn by chance from all that mutmut can make; one takes seconds."""

WANTED = 0.85

CLEAN, UNTESTED, SUSPICIOUS = 0, 33, 35
"""mutmut's exit codes of a fault that no test noticed, that no test touches, and whose test broke down before it."""

SETTINGS = """
[tool.mutmut]
source_paths = ["src"]
only_mutate = {mutated}
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = ["-m", "not slow and not ui", "-p", "no:xdist", "-p", "no:cov"]
also_copy = ["trust", "benchmarks", "training", "to_comfy", "app.py", "docs", "CONTRIBUTING.md"]
"""


def run(*, seed: int, quick: bool) -> Part:
    """Put faults into a copy of the last commit and run the tests that touch each.

    Args:
        quick: few faults.
    """
    shutil.rmtree(PLACE, ignore_errors=True)
    tree = cloned(PLACE)
    settings = SETTINGS.format(mutated=json.dumps(MUTATED), tests=json.dumps(TESTS))
    with (tree / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(settings)
    # Nothing is called so: mutmut makes the faults, looks which tests touch what, and stops.
    tried([BIN / "mutmut", "run", "--max-children", "1", "nothing"], cwd=tree, HF_HUB_OFFLINE="1")
    names = sorted(exit_codes(tree))
    if not names:
        raise FailedCommand("mutmut made no faults: run it in build/mutants to see why.")
    drawn = random.Random(seed).sample(names, min(FEW if quick else SAMPLE, len(names)))
    workers = str(min(2, os.cpu_count() or 1))
    tried([BIN / "mutmut", "run", "--max-children", workers, *drawn], cwd=tree, HF_HUB_OFFLINE="1")
    return judged(tree, drawn, len(names), quick=quick)


def exit_codes(tree: Path) -> dict[str, int | None]:
    """mutmut's exit code of each fault, by its name; None for one that was not tried."""
    codes: dict[str, int | None] = {}
    for file in (tree / "mutants").rglob("*.meta"):
        codes |= json.loads(file.read_text("utf-8"))["exit_code_by_key"]
    return codes


def judged(tree: Path, drawn: list[str], made: int, *, quick: bool = False) -> Part:
    """The figures of a run.

    Args:
        drawn: the faults that were to be tried.
        made: how many there are in all.
        quick: so few were tried that chance alone may put the share below the bound: then it must lie in the range.
    """
    codes = exit_codes(tree)
    if all(codes[name] is None for name in drawn):
        raise FailedCommand("mutmut tried none of the faults: the tests fail without any. Run it in build/mutants.")
    tried_ = [name for name in drawn if codes[name] not in (None, SUSPICIOUS)]
    survivors = [name for name in tried_ if codes[name] in (CLEAN, UNTESTED)]
    share = 1 - len(survivors) / max(1, len(tried_))
    spread = 1.96 * math.sqrt(share * (1 - share) / max(1, len(tried_)))
    parts = Counter(part_of(name) for name in tried_)
    lost = Counter(part_of(name) for name in survivors)
    return Part(
        name="mutants",
        command="python -m trust mutants",
        figures=[
            Figure(name="faults that mutmut can make", value=f"{made:,}"),
            Figure(name="of these tried, drawn by chance", value=f"{len(tried_):,}"),
            Figure(
                name="noticed by the tests",
                value=f"{share:.1%} (95 %: {share - spread:.0%} to {min(1.0, share + spread):.0%})",
                bound=f"{WANTED:.0%}{' in the range' if quick else ''}",
                holds=bool(tried_) and share + spread * quick >= WANTED,
            ),
            *(
                Figure(name=f"noticed in {part}", value=f"{count - lost[part]} of {count}")
                for part, count in sorted(parts.items())
            ),
        ],
        left=[f"not noticed: {told(tree, name)}" for name in sorted(survivors)],
    )


def part_of(name: str) -> str:
    """The package or module of a fault."""
    words = name.split(".")
    return ".".join(words[1:3]) if words[1] in ("regions", "layout") else words[1]


def told(tree: Path, name: str) -> str:
    """A fault in a line: where, and what stands there instead."""
    lines = must([BIN / "mutmut", "show", name], cwd=tree).splitlines()
    old, new = (next((x[1:].strip() for x in lines if x.startswith(s) and not x.startswith(s * 3)), "") for s in "-+")
    module, _, function = name.removeprefix("intarsia.").rpartition(".")
    function = function.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".").rpartition("__mutmut_")[0]
    return f"`{module}.{function}`: `{old}` became `{new}`"
