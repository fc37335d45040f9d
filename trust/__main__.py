"""`python -m trust [PART ...]`: run the parts of the suite, print their figures, and fail where one does not hold."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.tables import print_whole
from trust.figures import PAGE, Part, as_table, written_into

PARTS: dict[str, str] = {
    "fuzz": "strange files, each read or refused in one sentence",
    "kills": "kills, full disks, lost files",
    "server": "servers under attack, and many visitors",
    "audit": "known holes, risky code, oldest versions, each Python",
    "install": "packages built twice, and installed where nothing is",
    "mutants": "how many small faults put into the code the tests notice",
}
"""Parts by name, in the order in which they run, and what each is about. `trust/NAME.py` has `run(seed, quick)`."""


def main(words: Sequence[str] | None = None) -> int:
    """Run parts; 1 where a figure does not hold."""
    parser = argparse.ArgumentParser(prog="python -m trust", description=__doc__)
    listed = "; ".join(f"{name}: {about}" for name, about in PARTS.items())
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all by default. {listed}")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn by chance")
    parser.add_argument("--quick", action="store_true", help="few cases of each, as CI runs them")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE.name}, too")
    asked = parser.parse_args(words)
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"no part {sorted(unknown)[0]!r}: there are {', '.join(PARTS)}")
    # Shells and schedulers start what runs in the background with signals ignored, and so would all that is ended here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    done = []
    for name in asked.parts or PARTS:
        run: Callable[..., Part] = importlib.import_module(f"trust.{name}").run
        part = run(seed=asked.seed, quick=asked.quick)
        print_whole(as_table(part))
        print(*(f"  {line}" for line in part.left), sep="\n", flush=True)
        if asked.write:
            PAGE.write_text(written_into(PAGE.read_text("utf-8"), part), "utf-8")
        done.append(part)
    if asked.json:
        asked.json.write_text(json.dumps([dataclasses.asdict(part) for part in done], indent=2), "utf-8")
    return 0 if all(part.holds for part in done) else 1


if __name__ == "__main__":
    sys.exit(main())
