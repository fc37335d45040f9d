"""Which of a folder's weights are read: a repository often holds the same ones in several precisions.

Weights are called model.safetensors or diffusion_pytorch_model.safetensors (older ones pytorch_model.safetensors); a variant (fp16, bf16, non_ema) stands
before the ending, and a shard's number before or after that. An index, where there is one, lists the shards.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from intarsia.backbones.weight_headers import read_header

Precision = Literal["full", "half", "bfloat"]

WEIGHTS = re.compile(
    r"(?P<stem>model|(?:diffusion_)?pytorch_model)(?:\.(?P<before>[\w-]+?))?"
    r"(?:-(?P<number>\d{5})-of-(?P<count>\d{5}))?(?:\.(?P<after>[\w-]+))?\.safetensors"
)
INDEX = re.compile(
    r"(?P<stem>model|(?:diffusion_)?pytorch_model)(?:\.(?P<before>[\w-]+?))?\.safetensors\.index(?:\.(?P<after>[\w-]+))?\.json"
)
# What serves best for a precision comes first. Weights that were not averaged in training paint worse than averaged
# ones in half precision, so they come last.
LAST = "non_ema"
PREFERENCE: dict[Precision, tuple[str, ...]] = {
    "full": ("", "fp32", "ema", "bf16", "fp16"),
    "half": ("fp16", "", "fp32", "ema", "bf16"),
    "bfloat": ("bf16", "", "fp32", "ema", "fp16"),
}


@dataclass(frozen=True, kw_only=True)
class WeightSet:
    """One complete or incomplete set of a network's weights.

    Attributes:
        variant: fp16, non_ema and so on; empty for the plain one.
        files: names of the files.
        index: name of the file that lists the shards; empty where there is none.
        absent: names of shards that are missing.
    """

    variant: str
    files: tuple[str, ...]
    index: str = ""
    absent: tuple[str, ...] = ()


def weight_sets(names: Iterable[str], shards: Mapping[str, Iterable[str]] | None = None) -> list[WeightSet]:
    """The sets of weights that a folder's files make.

    Args:
        names: of the files that are there.
        shards: of the indexes that could be read, the files that they list.
    """
    there = sorted(names)
    shards = shards or {}
    whole: dict[str, list[str]] = {}
    parts: dict[str, list[str]] = {}
    counts: dict[str, set[tuple[str, str, str, int]]] = {}
    indexes: dict[str, str] = {}
    for name in there:
        if listed := INDEX.fullmatch(name):
            indexes[listed["before"] or listed["after"] or ""] = name
        if (match := WEIGHTS.fullmatch(name)) is None:
            continue
        variant = match["before"] or match["after"] or ""
        if match["number"] is None:
            whole.setdefault(variant, []).append(name)
        else:
            parts.setdefault(variant, []).append(name)
            start = name[: match.start("number")]
            counts.setdefault(variant, set()).add(
                (start, match["count"], name[match.end("count") :], int(match["count"]))
            )
    found = []
    for variant in sorted({*whole, *parts, *(v for v, name in indexes.items() if name in shards)}):
        index = indexes.get(variant, "")
        if index in shards:
            files = sorted(set(shards[index]))
        elif variant in whole:
            found.append(WeightSet(variant=variant, files=(whole[variant][0],)))
            continue
        else:
            start, written, end, count = min(counts[variant])
            files = [f"{start}{number:05}-of-{written}{end}" for number in range(1, min(count, 999) + 1)]
        absent = tuple(name for name in files if name not in there)
        found.append(WeightSet(variant=variant, files=tuple(files), index=index, absent=absent))
    loose = [name for name in there if name.endswith(".safetensors")]
    if not found and len(loose) == 1:
        # One file by a name of somebody's own can only be the weights.
        found = [WeightSet(variant="", files=(loose[0],))]
    return found


def choose_weights(sets: Iterable[WeightSet], precision: Precision = "full") -> WeightSet | None:
    """The set to read in a precision: complete ones first, in the order of `PREFERENCE`; None if there are none."""
    order = PREFERENCE[precision]

    def rank(one: WeightSet) -> tuple[bool, int, str]:
        place = order.index(one.variant) if one.variant in order else len(order)
        return bool(one.absent), place + (one.variant == LAST), one.variant

    return min(sets, key=rank, default=None)


def precision_named(dtype: str) -> Precision:
    """Which weights suit a network that works in a type of torch, by its name: torch.float16 or float16."""
    names: dict[str, Precision] = {"float16": "half", "bfloat16": "bfloat"}
    return names.get(dtype.removeprefix("torch."), "full")


def folder_weights(folder: Path, precision: Precision = "full") -> WeightSet | None:
    """The weights of a network's folder that are read in a precision; None where it has none.

    Raises:
        ValueError: an index cannot be read.
    """
    names = [file.name for file in folder.iterdir() if file.is_file()]
    shards = {}
    for name in names:
        if INDEX.fullmatch(name):
            listed = json.loads((folder / name).read_text(encoding="utf-8"))
            if not isinstance(listed, dict) or not isinstance(listed.get("weight_map"), dict):
                raise ValueError(f"{name} lists no files")
            shards[name] = [str(file) for file in listed["weight_map"].values()]
    return choose_weights(weight_sets(names, shards), precision)


@contextmanager
def plain_folder(folder: Path, weights: WeightSet, stem: str) -> Iterator[Path]:
    """A folder in which a set of weights has the plain names that every reader knows: links, no copies.

    Args:
        folder: with the weights and the other files of the network.
        stem: model or diffusion_pytorch_model, whichever the reader of this network expects.
    """
    with TemporaryDirectory(prefix="intarsia-") as place:
        plain = Path(place)
        for file in folder.iterdir():
            if file.is_file() and file.suffix == ".json" and not INDEX.fullmatch(file.name):
                shutil.copy(file, plain / file.name)
        count = len(weights.files)
        weight_map: dict[str, str] = {}
        for number, name in enumerate(weights.files, start=1):
            called = f"{stem}.safetensors" if count == 1 else f"{stem}-{number:05}-of-{count:05}.safetensors"
            link(folder / name, plain / called)
            if count > 1:
                weight_map |= dict.fromkeys(read_header(folder / name).shapes, called)
        if count > 1:
            index = {"metadata": {}, "weight_map": weight_map}
            (plain / f"{stem}.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
        yield plain


def link(source: Path, target: Path) -> None:
    """Make a file appear at a second place: a link, or a copy where the system has none for us."""
    try:
        target.symlink_to(source.resolve())
    except OSError:
        shutil.copy(source, target)
