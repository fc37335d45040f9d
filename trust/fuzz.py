"""Strange files: ten thousand broken, hostile and merely unusual inputs, each read or refused in one sentence.

python -m trust fuzz                    all of them
python -m trust.fuzz --only SEED:INDEX  one of them, with all that it says
python -m trust.fuzz --from 0 --to 2500 --into build/fuzz/1.jsonl
                                        some of them; --gather build/fuzz/*.jsonl makes the figures of several such runs
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.tables import print_whole
from trust.figures import PAGE, Figure, Part, as_table, written_into
from trust.fuzz_cases import Case, case_of
from trust.fuzz_kept import KEPT
from trust.fuzz_minimise import minimised
from trust.fuzz_oracle import Outcome
from trust.fuzz_workers import MOST_MEMORY, MOST_SECONDS, Task, prepare, run_alone, run_tasks

ALL, FEW = 10_000, 150
"""Inputs of a whole run, and of a quick one."""

BUILD = Path(__file__).parent.parent / "build" / "fuzz"
"""Where inputs that failed are kept, to be looked at."""


def run(*, seed: int, quick: bool) -> Part:
    """The figures of all inputs, or of a few; the kept ones are always among them."""
    outcomes = run_range(seed, range(FEW if quick else ALL), minimise=not quick)
    return figures(seed, outcomes)


def run_range(seed: int, indices: Sequence[int], *, minimise: bool) -> dict[str, Outcome]:
    """Outcomes by "SEED:INDEX", or by the name of a kept input; what fails is saved."""
    prepare()
    names = [*KEPT, *(f"{seed}:{index}" for index in indices)]
    tasks: list[Task] = [*KEPT.values(), *((seed, index) for index in indices)]
    outcomes: dict[str, Outcome] = {}

    def told(place: int, outcome: Outcome) -> None:
        outcomes[names[place]] = outcome
        if len(outcomes) % 500 == 0:
            print(f"  {len(outcomes):,} of {len(names):,}", file=sys.stderr, flush=True)

    run_tasks(tasks, max(1, min(4, (os.cpu_count() or 1) - 1)), told)
    for name, outcome in outcomes.items():
        if outcome.fault:
            task = tasks[names.index(name)]
            # Again and alone: what other work on the machine, or an input before it, did is no fault of this one.
            again = run_alone(task)
            outcomes[name] = again
            if again.fault:
                case = task if isinstance(task, Case) else case_of(*task)
                save(name, minimised(case, again) if minimise else case, again)
    return outcomes


def save(name: str, case: Case, outcome: Outcome) -> None:
    """Keep an input that failed, with what is to be known of it."""
    folder = BUILD / name.replace(":", "-")
    for file, data in case.files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(data)
    facts = {
        "again": command_of(name),
        "reader": case.reader,
        "argv": [ascii(word) for word in case.argv],
        "how": case.how,
        "fault": outcome.fault,
        "detail": ascii(outcome.detail),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fault.json").write_text(json.dumps(facts, indent=1), "utf-8")


def command_of(name: str) -> str:
    return f"python -m trust.fuzz --only {name}"


def figures(seed: int, outcomes: dict[str, Outcome]) -> Part:
    """What is told of a run."""
    ends = Counter(outcome.end for outcome in outcomes.values())
    formats = Counter(outcome.format for outcome in outcomes.values())
    slowest = max(outcomes.values(), key=lambda outcome: outcome.seconds)
    largest = max(outcomes.values(), key=lambda outcome: outcome.memory)
    faults = Counter(outcome.fault for outcome in outcomes.values() if outcome.fault)
    hung = sum(faults[name] for name in ("hang", "slow"))

    def none(name: str, count: int) -> Figure:
        return Figure(name=name, value=f"{count:,}", bound="0", holds=count == 0)

    return Part(
        name="fuzz",
        command=f"python -m trust fuzz --seed {seed}",
        figures=[
            Figure(name="inputs", value=f"{len(outcomes):,}"),
            Figure(name="of them, by format", value=", ".join(f"{k} {v:,}" for k, v in formats.most_common())),
            Figure(name="read", value=f"{ends['read']:,}"),
            Figure(name="edited, the result whole and equal outside the region", value=f"{ends['edited']:,}"),
            Figure(name="refused in one clear sentence", value=f"{ends['refused']:,}"),
            none("tracebacks, deaths, and errors without a sentence for people", spoken(faults)),
            none("warnings of libraries that reach people", faults["raw warning"] + faults["raw traceback or warning"]),
            none("inputs touched", faults["input touched"]),
            none("results half-written, unreadable or changed outside the region", written_wrong(faults)),
            none(f"over {MOST_SECONDS:.0f} s", hung),
            Figure(name="slowest", value=f"{slowest.seconds:.1f} s ({slowest.format}, {slowest.how})"),
            Figure(
                name="greatest memory of a process, the loaded networks among it",
                value=f"{largest.memory / 1e6:,.0f} MB ({largest.format}, {largest.how})",
                bound=f"at most {MOST_MEMORY / 1e6:,.0f} MB",
                holds=largest.memory <= MOST_MEMORY and not faults["memory"],
            ),
        ],
        left=[
            f"{outcome.fault}: `{command_of(name)}` ({outcome.format}; {outcome.how})"
            for name, outcome in outcomes.items()
            if outcome.fault
        ][:60],
    )


WRITTEN = (
    "half-written",
    "unreadable result",
    "no result",
    "another size",
    "pixels outside changed",
    "came back otherwise",
)
ELSEWHERE = (*WRITTEN, "raw warning", "raw traceback or warning", "input touched", "hang", "slow", "memory")


def written_wrong(faults: Counter[str]) -> int:
    return sum(faults[name] for name in WRITTEN)


def spoken(faults: Counter[str]) -> int:
    """Those of no other row."""
    return sum(count for name, count in faults.items() if name not in ELSEWHERE)


def show_one(name: str) -> int:
    """Run one input and tell all of it; 1 where it fails."""
    prepare()
    task: Task = KEPT[name] if name in KEPT else (int(name.split(":")[0]), int(name.split(":")[1]))
    case = task if isinstance(task, Case) else case_of(*task)
    outcome = run_alone(task)
    save(name, case, outcome)
    print(f"{case.format}, {case.reader}: {case.how}")
    print("files:", ", ".join(f"{file} ({len(data):,} bytes)" for file, data in case.files.items()))
    print("command:", ascii(list(case.argv)))
    print(f"{outcome.end} in {outcome.seconds:.2f} s, {outcome.memory / 1e6:,.0f} MB")
    print(ascii(f"{outcome.fault}: {outcome.detail}").strip("'").replace("\\n", "\n") if outcome.fault else "all holds")
    print(f"its files lie in {BUILD / name.replace(':', '-')}")
    return 1 if outcome.fault else 0


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m trust.fuzz", description=__doc__.partition("\n")[0] if __doc__ else ""
    )
    parser.add_argument("--only", metavar="SEED:INDEX", help="run one input and tell all of it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--from", type=int, default=0, dest="first", help="first input")
    parser.add_argument("--to", type=int, default=ALL, help="input after the last one")
    parser.add_argument("--into", type=Path, help="write the outcomes into this file")
    parser.add_argument("--gather", type=Path, nargs="+", help="files of outcomes to make figures of")
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}, too")
    asked = parser.parse_args(words)
    if asked.only:
        return show_one(asked.only)
    outcomes: dict[str, Outcome] = {}
    if asked.gather:
        for file in asked.gather:
            for line in file.read_text("utf-8").splitlines():
                name, values = json.loads(line)
                outcomes[name] = Outcome(**values)
    else:
        outcomes = run_range(asked.seed, range(asked.first, asked.to), minimise=True)
    if asked.into:
        asked.into.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps([name, dataclasses.asdict(outcome)]) for name, outcome in outcomes.items()]
        asked.into.write_text("\n".join(lines) + "\n", "utf-8")
    part = figures(asked.seed, outcomes)
    print_whole(as_table(part))
    print(*(f"  {line}" for line in part.left), sep="\n")
    if asked.write:
        PAGE.write_text(written_into(PAGE.read_text("utf-8"), part), "utf-8")
    return 0 if part.holds else 1


if __name__ == "__main__":
    sys.exit(main())
