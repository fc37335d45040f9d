"""The search of the default preset: the likeliest region first, others only where it failed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from intarsia.records.edit import EditRecord
from intarsia.regions.appraisal import Appraiser
from intarsia.regions.families import Family
from intarsia.regions.search import Evaluation, Evaluator, best_first, successive_halving


def spend_as_needed(
    families: Sequence[Family], evaluator: Evaluator[Appraiser], record: EditRecord
) -> list[Evaluation]:
    """Paint the likeliest region; stop once one is good enough, else let previews of the others compete.

    Args:
        families: the likeliest first, each with a region at least.

    Returns:
        One evaluation for each region that was tried, best first; of the best one, as many with other noise as the
        record wants to keep.
    """
    settings = record.search
    first, others = families[0], [region for family in families[1:] for region in family.regions]
    evaluated: list[Evaluation] = []
    if len(first.regions) == 1:
        evaluated = evaluator.evaluate(first.regions, record.steps, f"{first.name}, {record.steps} steps")
    else:
        others = [*first.regions, *others]
    if others and not (evaluated and evaluated[0].scores.total >= settings.enough):
        evaluated += successive_halving(
            evaluator,
            others,
            preview_steps=settings.preview_steps,
            survivors=settings.survivors,
            steps=record.steps,
            enough=settings.enough,
            continued=settings.continued,
        )
    evaluated = best_first(evaluated)
    return best_first(evaluated + more_noise(evaluated, evaluator, record))


def more_noise(
    evaluated: Sequence[Evaluation], evaluator: Evaluator[Appraiser], record: EditRecord
) -> list[Evaluation]:
    """The best region with further noise, until as many pictures are finished as the record wants to keep."""
    finished = sum(e.steps == record.steps for e in evaluated)
    best, seeds = evaluated[0].region, {e.region.seed for e in evaluated}
    fresh = [s for s in range(record.seed, record.seed + record.keep + len(seeds)) if s not in seeds]
    regions = [dataclasses.replace(best, seed=s) for s in fresh[: max(record.keep - finished, 0)]]
    return evaluator.evaluate(regions, record.steps, f"{len(regions)} more pictures") if regions else []
