"""Known figures: what functions give for small inputs, told in few numbers and compared with those on record.

Neither other processors nor other versions of a library may matter, so that figures are compared with a tolerance, and none
is a bit's: means over parts of an array, its least and greatest value, and how much neighbours differ.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

Case = Callable[[], Any]

Row = list[str | float]
"""Of one array: its kind and shape, then the values themselves or figures of them; or a text alone."""


class Cases(dict[str, Case]):
    """Functions by their names; what each returns is told in figures."""

    def add(self, function: Case) -> Case:
        """Enter a function as a case."""
        self[function.__name__] = function
        return function


FEW = 16
"""Values up to which an array is told as it is."""

WHOLE = 3
"""Figures that are means over the whole array, the last of them of absolute values."""

NEAR = 3e-3
"""By how much such a mean may differ, as a share of the mean absolute value."""

PARTLY = 6e-3
"""The same of other figures; of each, its own absolute value counts as well where it is larger."""


def plain(value: Any) -> Iterator[np.ndarray | str]:
    """The arrays and texts in a result, in their order."""
    if isinstance(value, torch.Tensor):
        yield value.detach().cpu().numpy()
    elif isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, slice):
        yield np.array([value.start or 0, value.stop or 0])
    elif isinstance(value, bool | int | float | np.number | np.bool_):
        yield np.array(value)
    elif isinstance(value, str | Path | BaseException | None):
        yield f"{type(value).__name__}: {value}" if isinstance(value, BaseException) else str(value)
    elif hasattr(value, "tocsr"):
        yield value.toarray()
    elif is_dataclass(value):
        for field in fields(value):
            yield from plain(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from plain(each)
    elif isinstance(value, list | tuple | set | frozenset | map):
        for each in sorted(value) if isinstance(value, set | frozenset) else value:
            yield from plain(each)


def figures(value: Any) -> list[Row]:
    """A row for each array and each text in a result."""
    return [[each] if isinstance(each, str) else _row(each) for each in plain(value)]


def _row(array: np.ndarray) -> Row:
    # How wide whole numbers are differs between systems.
    kind = array.dtype.str[1:] if array.dtype.kind in "fu" else array.dtype.kind
    head = " x ".join([kind, *map(str, array.shape)])
    numbers = np.nan_to_num(array.astype(np.float64), nan=7e9, posinf=9e9, neginf=-9e9)
    if numbers.size <= FEW:
        return [head, *_rounded(numbers.ravel())]
    flat = numbers.ravel()
    whole = [flat.mean(), (_weights(flat.size) * flat).mean(), np.abs(flat).mean()]
    steps = [np.abs(np.diff(numbers, axis=axis)).mean() for axis in range(numbers.ndim) if numbers.shape[axis] > 1]
    return [head, *_rounded([*whole, *_means(numbers), flat.min(), flat.max(), *steps])]


@functools.cache
def _weights(size: int) -> np.ndarray:
    return np.random.default_rng(0).random(size)


def _means(numbers: np.ndarray) -> list[float]:
    """Means over 4 x 4 cells of a picture, over 16 runs of anything else."""
    if numbers.ndim < 2 or min(numbers.shape[:2]) < FEW:
        return [float(run.mean()) for run in np.array_split(numbers.ravel(), FEW)]
    bands = np.array_split(numbers, 4, 0)
    return [float(cell.mean()) for band in bands for cell in np.array_split(band, 4, 1)]


def _rounded(numbers: Any) -> list[float]:
    return [float(f"{number:.6g}") for number in numbers]


def same(told: list[Row], known: list[Row]) -> bool:
    """Whether figures are those on record."""
    return len(told) == len(known) and all(map(_same_row, told, known))


def _same_row(told: Row, known: Row) -> bool:
    if len(told) != len(known) or told[0] != known[0]:
        return False
    found, wanted = np.array(told[1:], np.float64), np.array(known[1:], np.float64)
    if not wanted.size:
        return True
    if wanted.size <= FEW:
        least = np.abs(wanted).mean()
        allowed = PARTLY * np.maximum(least, np.abs(wanted))
    else:
        least = abs(wanted[WHOLE - 1])
        allowed = PARTLY * np.maximum(least, np.abs(wanted))
        allowed[:WHOLE] = NEAR * least
    return bool((np.abs(found - wanted) <= allowed + 1e-9).all())


def read(file: Path) -> dict[str, list[Row]]:
    """The figures on record, by case."""
    recorded: dict[str, list[Row]] = json.loads(file.read_text("utf-8"))
    return recorded


def write(file: Path, cases: Mapping[str, Case]) -> None:
    """Put the cases' figures on record, one array a line."""
    told = []
    for name, made in cases.items():
        rows = ",\n".join(json.dumps(row) for row in figures(made()))
        told.append(f"{json.dumps(name)}: [\n{rows}\n]")
    file.write_text("{\n" + ",\n".join(told) + "\n}\n", "utf-8")


def raised(function: Callable[..., Any], *arguments: Any, **named: Any) -> Exception:
    """The error that a call ends with."""
    try:
        function(*arguments, **named)
    except Exception as error:
        return error
    raise AssertionError("no error was raised")
