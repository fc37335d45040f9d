"""Write the tables of settings in docs/reference.md from the records, or check that they are what the records say.

python -m docs.settings            # writes them
python -m docs.settings --check    # exits with 1 where they differ
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import itertools
import math
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from intarsia.errors import RecordError
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.edit import EditRecord
from intarsia.records.presets import PRESETS
from intarsia.records.remove import RemoveRecord

REFERENCE = Path(__file__).parent / "reference.md"
BEGIN = "<!-- Written by `make reference` from the records: begin -->"
END = "<!-- Written by `make reference` from the records: end -->"
REQUIRED: dict[type, dict[str, str]] = {
    EditRecord: {"photo": "photo.png", "prompt": "a cat"},
    ArrangeRecord: {"photo": "photo.png"},
    RemoveRecord: {"photo": "photo.png"},
}
LONG = "x" * 100_000
WORDED = {  # one sentence of the record speaks of both
    "search.smallest_window": "above 0, up to `search.largest_window`",
    "search.largest_window": "from `search.smallest_window` up to 4",
}


def help_lines(kind: type) -> dict[str, str]:
    """The docstring under each field of a record."""
    (body,) = (n.body for n in ast.parse(textwrap.dedent(inspect.getsource(kind))).body if isinstance(n, ast.ClassDef))
    return {
        field.target.id: " ".join(str(line.value.value).split())
        for field, line in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Constant)
    }


def groups(record: type) -> Iterator[tuple[type, str]]:
    """A record and the groups of settings in it, each with the prefix of its flags."""
    yield record, ""
    for field in dataclasses.fields(record):
        if dataclasses.is_dataclass(field.default) and not isinstance(field.default, type):
            yield type(field.default), f"{field.name}."


def refusal(record: type, prefix: str, name: str, value: object) -> str | None:
    """What a record says to a value of one of its settings; None where it takes it."""
    changed: dict[str, Any] = {name: value}
    try:
        if prefix:
            group = next(kind for kind, start in groups(record) if start == prefix)
            changed = {prefix.rstrip("."): group(**changed)}
        record(**{**REQUIRED[record], **changed})
    except RecordError as problem:
        return str(problem)
    return None


def values_out_of_range(hint: Any) -> tuple[object, ...]:
    """Values that a setting of this type refuses if it refuses any, the plainest first."""
    kinds = get_args(hint) or (hint,)
    if get_origin(hint) is tuple:
        return ((-1,) * 7,) if kinds[0] in (int, float) else ()
    if float in kinds:
        return -1e300, math.nan
    if int in kinds:
        return (-(10**9),)
    return (LONG,) if hint is str else ()


def range_of(record: type, prefix: str, name: str, hint: Any) -> str:
    """Which values a setting takes, in the words with which the record refuses others; '' where it takes any.

    Choices are listed.
    """
    if prefix + name in WORDED:
        return WORDED[prefix + name]
    if choices := [value for value in get_args(hint) if isinstance(value, str)]:
        return ", ".join(f"`{choice}`" for choice in choices)
    for value in values_out_of_range(hint):
        said = refusal(record, prefix, name, value) or ""
        if pair := re.search(r"(\S+) and (\S+) must be as long as each other(, all at least 1)?", said):
            other = next(one for one in pair.group(1, 2) if one.rpartition(".")[2] != name)
            return f"as many as `{prefix}{other.removeprefix(prefix)}`{pair[3] or ''}"
        if most := re.search(r"at most ([\d,]+) are taken", said):
            return f"at most {most[1]} characters"
        if rule := re.search(r"\bmust (?:be |lie )?(.+?)(?:; | of the short side|\.$)", said):
            return rule[1].replace("a finite number above", "above").replace("a finite number", "any")
    return ""


def table(record: type, kind: type, prefix: str) -> str:
    """The heading and the table of one group of settings, in Markdown."""
    hints, said = get_type_hints(kind), help_lines(kind)
    lines = [f"### {kind.__name__}", "", "| setting | default | range | what it does |", "|---|---|---|---|"]
    for field in dataclasses.fields(kind):
        if dataclasses.is_dataclass(field.default):
            continue
        default = "required" if field.default is dataclasses.MISSING else repr(field.default)
        allowed = range_of(record, prefix, field.name, hints[field.name])
        lines.append(
            f"| `{prefix}{field.name}` | `{default}` | {allowed} | {said[field.name].replace('|', chr(92) + '|')} |"
        )
    return "\n".join(lines)


def presets_table() -> str:
    """What each preset of an edit by words sets, in Markdown; '' where it leaves a setting at its default."""
    named = {name: values for name, values in PRESETS.items() if values}
    settings = list(dict.fromkeys(name for values in named.values() for name in values))
    lines = [
        "### What presets set",
        "",
        "Of an edit by words, wherever nothing else is said; `exhaustive` sets nothing.",
        "",
        f"| setting | {' | '.join(f'`{name}`' for name in named)} |",
        "|---" * (1 + len(named)) + "|",
    ]
    for setting in settings:
        cells = [f"`{values[setting]!r}`" if setting in values else "" for values in named.values()]
        lines.append(f"| `{setting}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def tables() -> str:
    parts = [table(record, kind, prefix) for record in REQUIRED for kind, prefix in groups(record)]
    parts.append(presets_table())
    return "\n\n".join((BEGIN, *parts, END))


def current(text: str) -> str:
    """The reference with the tables that the records say now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{tables()}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where the tables differ")
    text = REFERENCE.read_text(encoding="utf-8")
    if not parser.parse_args().check:
        REFERENCE.write_text(current(text), encoding="utf-8")
    elif current(text) != text:
        sys.exit("docs/reference.md does not say what the records say: run `make reference`.")


if __name__ == "__main__":
    main()
