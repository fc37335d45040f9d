"""Which shares of noticed faults hold: judged by mutmut's own files of exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trust import mutants
from trust.shell import FailedCommand


def tried(tree: Path, monkeypatch: pytest.MonkeyPatch, *, noticed: int, of: int) -> list[str]:
    """The names of faults of which so many were noticed, as mutmut leaves them."""
    names = [f"intarsia.imaging.poisson.x_solved__mutmut_{k}" for k in range(of)]
    (tree / "mutants").mkdir()
    codes = {name: 1 if k < noticed else mutants.CLEAN for k, name in enumerate(names)}
    (tree / "mutants" / "poisson.py.meta").write_text(json.dumps({"exit_code_by_key": codes}))
    monkeypatch.setattr(mutants, "told", lambda tree, name: name)
    return names


@pytest.mark.parametrize(
    ("noticed", "of", "quick", "holds"),
    [
        (340, 400, False, True),
        (339, 400, False, False),
        (10, 12, True, True),  # 83 %, which chance makes of 85
        (10, 12, False, False),
        (6, 12, True, False),
        (12, 12, True, True),
        (0, 12, True, False),
    ],
)
def test_few_faults_are_judged_by_what_chance_allows(
    noticed: int, of: int, quick: bool, holds: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = mutants.judged(tmp_path, tried(tmp_path, monkeypatch, noticed=noticed, of=of), 20_000, quick=quick)
    share = next(figure for figure in part.figures if figure.name == "noticed by the tests")
    assert share.value.startswith(f"{noticed / of:.1%}") and part.holds is holds
    assert len(part.left) == of - noticed


def test_a_run_that_tried_nothing_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = tried(tmp_path, monkeypatch, noticed=0, of=3)
    (tmp_path / "mutants" / "poisson.py.meta").write_text(json.dumps({"exit_code_by_key": dict.fromkeys(names)}))
    with pytest.raises(FailedCommand, match="tried none of the faults"):
        mutants.judged(tmp_path, names, 20_000)
