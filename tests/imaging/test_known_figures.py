"""The arithmetic of pictures gives what it gave: a slip in a formula changes one of these figures."""

from __future__ import annotations

import pytest

from tests.imaging import known_figures, known_masks, known_parts
from tests.known import figures, read, same

MODULES = (known_figures, known_masks, known_parts)


@pytest.mark.parametrize(
    ("module", "name"), [pytest.param(module, name, id=name) for module in MODULES for name in module.CASES]
)
def test_the_figures_are_those_on_record(module: object, name: str) -> None:
    cases, file = next((each.CASES, each.FILE) for each in MODULES if each is module)
    told, known = figures(cases[name]()), read(file)[name]
    assert same(told, known), [(row, other) for row, other in zip(told, known, strict=True) if row != other]
