"""A task's result in a few lines, for people; both the commands and replay print them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from intarsia.cli.options import note_lines
from intarsia.records.remove import describe_removed
from intarsia.records.weighted_prompt import without_weights
from intarsia.results.document import describe

if TYPE_CHECKING:
    from intarsia.layout.layout import Layout
    from intarsia.records.arrange import ArrangeRecord
    from intarsia.tasks.arrange import ArrangeTaskResult
    from intarsia.tasks.edit import EditTaskResult
    from intarsia.tasks.remove import RemoveTaskResult


def edit_lines(done: EditTaskResult) -> list[str]:
    """An edit by words: files, box, score and cost."""
    result, files = done.result, done.saved.files
    shown, record, cost = result.candidates[done.shown], result.record, result.cost
    lines = [
        f"{files.picture}  {without_weights(record.prompt)!r}"
        + (f" in place of {without_weights(record.source)!r}" if record.source else ""),
        f"  in the box {','.join(f'{edge:.0f}' for edge in shown.box.as_tuple())}, score {shown.scores.total:.2f}, "
        f"best of {len(result.candidates)}; {cost.seconds:.1f} s, {cost.evaluations} denoiser evaluations, "
        f"{cost.peak_memory_mb:,.0f} MB, {record.models}",
        f"  record: {files.record}   mask: {files.mask}" + (f"   boxes: {files.boxes}" if files.boxes else ""),
    ]
    if files.others:
        lines.append(f"  other candidates: {', '.join(map(str, files.others))}")
    kept = 1 + len(files.others)
    if kept < record.keep:
        lines.append(f"  only {kept} of the {record.keep} candidates to keep were painted to the end")
    return [*lines, *note_lines(done.saved.document["notes"])]


def arrange_lines(done: ArrangeTaskResult) -> list[str]:
    """An edit by layout: files, mode, cost, and where its concepts came from."""
    result, files = done.result, done.saved.files
    record, cost = result.record, result.cost
    backward = f" and {cost.backward} backward" if cost.backward else ""
    asked = f"{cost.evaluations} denoiser evaluations{backward}, {cost.peak_memory_mb:,.0f} MB, {record.models}"
    unasked = f"{cost.peak_memory_mb:,.0f} MB, no checkpoint was needed"
    lines = [
        f"{files.picture}  {describe(dataclasses.asdict(record))}",
        f"  {result.mode}, {explain_mode(result.layout, record)}; {cost.seconds:.1f} s, "
        f"{asked if cost.evaluations else unasked}",
        f"  look at {files.layout}   record: {files.record}   mask: {files.mask}",
    ]
    if files.others:
        lines.append(f"  other seeds: {', '.join(map(str, files.others))}")
    if done.concepts_from == "cache":
        place = f" in {done.cache_folder}" if done.cache_folder else ""
        lines.append(f"  the objects' looks were learned before and found again{place}")
    elif done.concepts_from == "learned":
        kept = f"are kept in {done.cache_folder}" if done.cache_folder else "were not kept"
        lines.append(f"  the objects' looks were learned on the way and {kept}; intarsia learn writes them to a file")
    return [*lines, *note_lines(done.saved.document["notes"])]


def remove_lines(done: RemoveTaskResult) -> list[str]:
    """A removal: files, what was replaced and how, and what to know of it."""
    result, files = done.result, done.saved.files
    gap, painted = done.saved.document["gap"], result.cost.evaluations
    by = f", {painted} denoiser evaluations, {result.record.models}" if painted else ""
    return [
        f"{files.picture}  {describe_removed(dataclasses.asdict(result.record))} removed",
        f"  {gap['share']:.1%} of the picture filled, {result.record.fill}; {result.cost.seconds:.1f} s, "
        f"{result.cost.peak_memory_mb:,.0f} MB{by}",
        f"  record: {files.record}   mask: {files.mask}",
        *note_lines(done.saved.document["notes"]),
    ]


def explain_mode(layout: Layout, record: ArrangeRecord) -> str:
    """Why an arrangement was composed or regenerated."""
    from intarsia.layout.edit import CLOSE  # with torch, which a removal does without

    if record.mode != "auto":
        return f"as --mode {record.mode} asks"
    if record.preset == "paper":
        return "as --preset paper asks"
    far = min(layout.placements, key=lambda p: p.fit, default=None)
    if far is None or far.fit == 1:
        return "as all objects keep their shape"
    if far.fit >= CLOSE:
        return f"as all objects nearly keep their shape ({far.name!r} fits its target to {far.fit:.0%})"
    return f"as {far.name!r} gets another shape (it fits its target to {far.fit:.0%}, less than {CLOSE:.0%})"
