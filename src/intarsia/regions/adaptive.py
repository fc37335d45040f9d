"""The search of the default preset: the likeliest region first, others only where it failed."""

from __future__ import annotations

from collections.abc import Sequence

from intarsia.records.edit import EditRecord
from intarsia.regions.families import Family
from intarsia.regions.search import Evaluation, Evaluator, Region, best_first


def spend_as_needed(families: Sequence[Family], evaluator: Evaluator, record: EditRecord) -> list[Evaluation]:
    """Paint the likeliest region; stop once one is good enough, else let previews of the others compete.

    Args:
        families: the likeliest first, each with a region at least.

    Returns:
        One evaluation for each region that was tried, best first.
    """
    settings = record.search
    each = record.steps * (2 if record.guidance > 1 else 1)
    preview = settings.preview_steps[-1]
    first = families[0].regions
    done: dict[int, Evaluation] = {}
    spent = 0

    def full(regions: Sequence[Region], why: str) -> bool:
        nonlocal spent
        for evaluation in evaluator.evaluate(regions, record.steps, f"{why}, {record.steps} steps"):
            done[id(evaluation.region)] = evaluation
        spent += each * len(regions)
        return max(e.scores.total for e in done.values() if e.steps == record.steps) >= settings.enough

    def previewed(regions: Sequence[Region], why: str) -> list[Region]:
        nonlocal spent
        few = min(preview, record.steps)
        evaluations = evaluator.evaluate(regions, few, f"{why}, {few} steps")
        spent += each * few * len(regions) // record.steps
        for evaluation in evaluations:
            done.setdefault(id(evaluation.region), evaluation)
        return [e.region for e in sorted(evaluations, key=lambda e: e.scores.total, reverse=True)]

    ordered = list(first) if len(first) == 1 else previewed(first, families[0].name)
    if full(ordered[:1], families[0].name):
        return best_first(list(done.values()))
    rest = [r for family in families[1:] for r in family.regions] + ordered[1:]
    if rest:
        candidates = previewed(rest, "other regions")
        for region in candidates:
            if spent + each > settings.budget or full([region], region.family):
                break
    return best_first(list(done.values()))
