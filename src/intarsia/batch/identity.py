"""What tells jobs apart: a digest of a job's record and of its inputs' content.

The same job has the same id wherever it stands in a list, whatever else is in the list, on every machine, and
wherever its folder lies: a ledger, and folders of results, are found again by it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from intarsia.records.inputs import AnyRecord, Record, input_files, with_files
from intarsia.records.serialize import to_json

FIRST_SETTINGS = {
    "EditRecord": (
        "photo prompt source negative_prompt models lora embedding preset seed steps guidance scheduler "
        "sampler template painting instruction box mask invert_mask protect feather sharpen refine context "
        "watermark regions keep size format quality search.anchors search.smallest_window "
        "search.largest_window search.proposals search.preview_steps search.survivors search.continued "
        "search.enough search.network_weight score.text score.image score.crop score.direction "
        "score.relevance score.shown score.left score.lost score.gain score.bias fit.rounds fit.epochs "
        "fit.rate fit.schedule fit.accumulate fit.boxes fit.steps fit.loss_text fit.loss_direction "
        "fit.loss_structure fit.structure fit.loss_relevance"
    ),
    "ArrangeRecord": (
        "photo mask colours masks find unsure object tolerance layout boxes move to scale rotate flip copy "
        "remove front back protect mode preset concepts prompt negative_prompt background fill fill_model "
        "models lora embedding seed seeds steps guidance feather watermark size format quality compose.border "
        "compose.context compose.plates compose.plate_steps compose.plate_strength compose.plate_guidance "
        "compose.strength compose.refine_steps compose.injection compose.guidance compose.edge "
        "compose.shadows compose.adapt guide.scale guide.until guide.refine_at guide.refine_to "
        "guide.refine_most guide.blend_until guide.start_from_source guide.start learn.token_steps "
        "learn.token_rate learn.attention_weight learn.weight_steps learn.weight_rate learn.rank learn.batch "
        "learn.accumulate learn.additions learn.prior learn.prior_weight learn.checkpointing"
    ),
    "RemoveRecord": (
        "photo box object mask invert_mask find unsure avoid protect fill fill_model grow shadows models lora "
        "embedding prompt seed size format quality"
    ),
}
"""The settings that every id counts, by the kinds of records. One that has come later counts only where it is not its
default: jobs that do not use it keep the ids that they have in ledgers."""


FORMER_DEFAULTS = {"format": "png"}
"""Settings whose default has changed since: the one of today counts as the former, and the other way round."""


def identity(record: Record) -> dict[str, Any]:
    """The values of a record that tell it from others, as JSON values."""
    values = to_json(record)
    for name, former in FORMER_DEFAULTS.items():
        usual = getattr(type(record), name, former)
        values[name] = {usual: former, former: usual}.get(values[name], values[name])
    for name, default in _later_settings(type(record)):
        *groups, last = name.split(".")
        place = values
        for group in groups:
            place = place[group]
        if place[last] == default:
            del place[last]
    return values


def _later_settings(kind: type) -> Iterator[tuple[str, Any]]:
    """Settings that count only where they differ from their defaults, and these."""
    first = FIRST_SETTINGS[kind.__name__].split()
    return ((name, default) for name, default in _defaults(kind, "") if name not in first)


def _defaults(record: type, group: str) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(record):
        if dataclasses.is_dataclass(field.default):
            yield from _defaults(type(field.default), f"{group}{field.name}.")
        else:
            yield f"{group}{field.name}", field.default


def as_listed(record: AnyRecord, base: Path) -> AnyRecord:
    """The record with its files named from the folder of pictures, in one form, however the list names them."""
    return with_files(record, {setting: _from_folder(name, base) for setting, name in input_files(record).items()})


def _from_folder(name: str, base: Path) -> str:
    """A path from a folder, with slashes; one that leads out of it as it is."""
    if not name:
        return name
    if not os.path.isabs(name):  # noqa: PTH117  # of a text that may be no path at all
        plain = os.path.normpath(name)
        return name if plain.startswith("..") else Path(plain).as_posix()
    for path, folder in (
        (Path(os.path.normpath(name)), base.absolute()),
        (Path(os.path.normpath(name)), real_path(base)),
        (real_path(name), real_path(base)),
    ):
        if path.is_relative_to(folder):
            return path.relative_to(folder).as_posix()
    return name


def real_path(path: str | Path) -> Path:
    """A whole path without links; unlike `Path.resolve`, also of a link that leads in a circle, and of an endless name."""
    return Path(os.path.realpath(path))


def drawn_seed(kind: str, record: Record, digests: Mapping[str, str], seed: int) -> int:
    """A seed from what a job is, so that it is the same wherever the job stands in the list and whichever worker does it."""
    return int(digest(kind, {**identity(record), "seed": seed}, digests), 16) % 2**32


def digest(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
