"""The arithmetic of sampling, attention and losses gives what it gave: a slip in a formula changes one of these figures."""

from __future__ import annotations

import pytest

from tests.diffusion.known_figures import CASES, FILE
from tests.known import figures, read, same


@pytest.mark.parametrize("name", CASES)
def test_the_figures_are_those_on_record(name: str) -> None:
    told, known = figures(CASES[name]()), read(FILE)[name]
    assert same(told, known), [(row, other) for row, other in zip(told, known, strict=True) if row != other]
