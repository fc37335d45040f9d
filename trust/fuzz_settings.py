"""Settings by chance, from the records' own fields: usual ones, extreme ones, and texts of all kinds."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from intarsia.records.arrange import ArrangeRecord
from intarsia.records.choices import CHOICES
from intarsia.records.edit import EditRecord
from intarsia.records.remove import RemoveRecord

RECORDS: dict[str, type] = {"edit": EditRecord, "arrange": ArrangeRecord, "remove": RemoveRecord}

DRAWN = 600
"""Examples of each kind that are drawn at once; the inputs of a run take them in turn."""

numbers = st.one_of(
    st.integers(-3, 2000),
    st.sampled_from((0, -1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30)),
)
floats = st.one_of(
    st.floats(0, 2),
    st.floats(),
    st.sampled_from((0.0, -0.0, 1e-320, 1e300, math.inf, -math.inf, math.nan)),
)
texts = st.one_of(
    st.sampled_from(
        ("", " ", "a dog", "a (dog:1.3)", "(dog:)", "((((", "a \\(dog:9\\)", "x" * 3000, "{}", "{0}", "%s")
    ),
    st.sampled_from(
        ("--prompt", "-1", "=", "a=b", "e\u0301", "\u202ea", "\u0000", "\udc80", "一只狗", "<lora:a:1>", "[dog]")
    ),
    st.text(max_size=20),
)
edges = st.one_of(st.integers(-20, 90), st.floats(-10, 100), st.sampled_from((math.nan, math.inf, 1e300, -1e300)))
boxes = st.one_of(
    st.sampled_from(("10,10,40,40", "0,0,64,48", "10,10,10,10", "40,40,10,10", "1,2,3", "a,b,c,d", "")),
    st.lists(edges, min_size=4, max_size=4).map(lambda four: ",".join(f"{edge:g}" for edge in four)),
)
names = st.sampled_from(("cat", "cat", "cat", "cat", "Cat", "dog", "", "cat 2", "a=b", "cat@1,1", "\u0301"))
pairs = st.builds("{:g},{:g}".format, edges, edges)
scales = st.one_of(floats.map("{:g}".format), st.builds("{:g},{:g}".format, floats, floats))
MOVES = {
    "move": st.builds("{}={}".format, names, st.one_of(pairs, st.sampled_from(("+5,0", "-4,+3", "", "a,b", "+5")))),
    "to": st.builds("{}={}".format, names, pairs),
    "scale": st.builds("{}={}".format, names, scales),
    "rotate": st.builds("{}={:g}".format, names, floats),
    "copy": st.builds("{}={}".format, st.one_of(names, st.just("cat:kitten")), pairs),
    "flip": names,
    "remove": names,
    "front": names,
    "back": names,
    "object": st.one_of(st.just("cat=10,6,38,42"), st.builds("{}={}".format, names, boxes)),
}


def strategy_of(name: str, kind: str) -> st.SearchStrategy[Any]:
    """Values for a field, as its annotation and its name have them; now and then of another type."""
    base = kind.split(" |")[0]
    if name in MOVES:
        return st.lists(MOVES[name], min_size=1, max_size=3)
    if name == "box":
        return st.lists(boxes, min_size=1, max_size=3) if base.startswith("tuple[str") else boxes
    if base in CHOICES:
        return st.one_of(st.sampled_from(CHOICES[base]), texts)
    if base == "bool":
        return st.booleans()
    if base == "int":
        return numbers
    if base == "float":
        return st.one_of(floats, numbers)
    if base.startswith("tuple["):
        inner = numbers if "int" in base else floats if "float" in base else texts
        return st.lists(inner, max_size=4)
    return texts


def fields_of(kind: Any, prefix: str = "") -> tuple[tuple[str, str], ...]:
    """Names and annotations of a record's settings, those of its groups dotted."""
    found: list[tuple[str, str]] = []
    for field in dataclasses.fields(kind):
        if dataclasses.is_dataclass(field.default):
            found += fields_of(type(field.default), f"{prefix}{field.name}.")
        elif field.name != "photo":
            found.append((prefix + field.name, str(field.type)))
    return tuple(found)


def some_settings(command: str) -> st.SearchStrategy[dict[str, Any]]:
    """A few of a command's settings with values."""
    choices = [st.tuples(st.just(name), strategy_of(name, kind)) for name, kind in fields_of(RECORDS[command])]
    return st.lists(st.one_of(choices), min_size=1, max_size=5).map(dict)


short = {"steps": st.integers(1, 3), "size": st.sampled_from((32, 40, 64))}
REAL: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "edit": {
        **short,
        "prompt": texts,
        "source": texts,
        "negative_prompt": texts,
        "box": st.one_of(st.just("10,10,40,40"), boxes),
        "feather": st.one_of(st.floats(0, 0.5), floats),
        "context": st.one_of(st.floats(1, 1000), floats),
        "guidance": st.one_of(st.floats(1, 100), floats),
        "seed": numbers,
        "sharpen": st.booleans(),
        "scheduler": st.sampled_from(CHOICES["Scheduler"]),
        "sampler": st.sampled_from(CHOICES["Sampler"]),
        "template": st.sampled_from(("{}", "a photo of {}", "", "{}{}")),
        "watermark": texts,
        "format": st.sampled_from(CHOICES["OutputFormat"]),
        "quality": st.one_of(st.none(), st.integers(1, 100), numbers),
    },
    "remove": {
        "box": st.lists(st.one_of(st.just("10,10,40,40"), boxes), min_size=1, max_size=3),
        "object": st.lists(MOVES["object"], min_size=1, max_size=2),
        "fill": st.sampled_from(("auto", "patch", "membrane", "lama", "diffusion")),
        "grow": st.one_of(st.floats(0, 0.5), floats),
        "shadows": st.booleans(),
        "seed": numbers,
        "format": st.sampled_from(CHOICES["OutputFormat"]),
        "quality": st.one_of(st.none(), st.integers(1, 100), numbers),
    },
    "arrange": {
        **{name: st.lists(how, min_size=1, max_size=2) for name, how in MOVES.items() if name != "object"},
        "fill": st.sampled_from(("patch", "membrane")),
        "mode": st.sampled_from(("auto", "compose")),
        "feather": st.one_of(st.floats(0, 0.5), floats),
        "seed": numbers,
        "watermark": texts,
        "compose.border": st.floats(0, 0.5),
        "compose.edge": st.floats(0, 0.5),
        "compose.adapt": st.booleans(),
        "compose.shadows": st.booleans(),
        "format": st.sampled_from(CHOICES["OutputFormat"]),
    },
}
"""Of each command, settings that may be taken in earnest: none of them makes an edit of a small picture long."""


def real_settings(command: str) -> st.SearchStrategy[dict[str, Any]]:
    choices = [st.tuples(st.just(name), how) for name, how in REAL[command].items()]
    return st.lists(st.one_of(choices), min_size=1, max_size=4).map(dict)


@functools.cache
def drawn(command: str, real: bool, number: int) -> tuple[dict[str, Any], ...]:
    """Settings of a command, the same for the same seed.

    Args:
        real: those that may be taken in earnest.
        number: the seed.
    """
    found: list[dict[str, Any]] = []

    @seed(number)
    @settings(
        max_examples=DRAWN,
        phases=(Phase.generate,),
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(real_settings(command) if real else some_settings(command))
    def keep(values: dict[str, Any]) -> None:
        found.append(values)

    keep()
    return tuple(found)


def as_flags(values: dict[str, Any]) -> list[str]:
    """Settings as words of the command line."""
    words = []
    for name, value in values.items():
        flag = f"--{name.replace('_', '-')}"
        if value is None or value is False:
            continue
        if value is True:
            words.append(flag)
        elif isinstance(value, list):
            words += [flag, *map(str, value)]
        else:
            words += [f"{flag}={value}"] if str(value).startswith("-") else [flag, str(value)]
    return words
