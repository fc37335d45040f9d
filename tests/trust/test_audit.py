import re
from pathlib import Path

import pytest

from trust import audit, install, mutants
from trust.shell import ROOT


def test_every_dependency_says_its_oldest_version() -> None:
    oldest = audit.floors()
    assert {"diffusers", "numpy", "torch", "transformers", "gradio"} <= set(oldest)
    assert all(re.fullmatch(r"\d+(\.\d+)*", version) for version in oldest.values())


def test_the_pinned_versions_are_not_older_than_the_oldest_allowed() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    pinned = {name.lower().replace("_", "-"): version.split(";")[0].strip() for name, version in pinned.items()}
    for name, oldest in audit.floors().items():
        have = pinned[name.lower().replace("_", "-")]
        numbers = [[int(part) for part in re.findall(r"\d+", text)] for text in (have, oldest)]
        assert numbers[0] >= numbers[1], f"{name} is pinned at {have}, and {oldest} is the oldest allowed"


def test_what_is_not_looked_up_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nothing:
        stdout = "no reach"

    monkeypatch.setattr(audit, "tried", lambda words: Nothing())
    left: list[str] = []
    (figure,) = audit.holes(left)
    assert figure.value == "not looked up" and not figure.bound and left


def test_a_fault_is_told_by_its_place() -> None:
    assert mutants.part_of("intarsia.imaging.affine.x_apply__mutmut_3") == "imaging"
    assert mutants.part_of("intarsia.layout.guidance.x_loss__mutmut_1") == "layout.guidance"


def test_two_files_are_compared_byte_by_byte(tmp_path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"alike")
    other.write_bytes(b"alike")
    assert install.same("wheel", one, other).holds
    other.write_bytes(b"alikE")
    assert not install.same("wheel", one, other).holds


def test_a_python_that_does_not_run_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As pyenv's names are of versions that are not chosen; the versions themselves lie elsewhere."""
    shim = tmp_path / "python3.99"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert audit.interpreter("3.99") is None
    chosen = tmp_path / ".pyenv" / "versions" / "3.99.1" / "bin" / "python3.99"
    chosen.parent.mkdir(parents=True)
    chosen.write_text("#!/bin/sh\nexit 0\n")
    chosen.chmod(0o755)
    assert audit.interpreter("3.99") == str(chosen)


def test_what_cannot_be_installed_and_what_fails_are_figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    left: list[str] = []
    figure = audit.tested(tmp_path / "a", str(tmp_path / "none"), {}, "Python 3.99", left)
    assert not figure.holds and figure.value == "could not be installed"

    class Failed:
        returncode, stdout = 1, "FAILED tests/test_a.py::test_b - wrong\n=== 1 failed, 2 passed in 3s ===\n"

    monkeypatch.setattr(audit, "installed", lambda *_: tmp_path)
    monkeypatch.setattr(audit, "tried", lambda *_, **__: Failed())
    figure = audit.tested(tmp_path / "a", "python", {}, "Python 3.99", left)
    assert (figure.value, figure.holds) == ("1 failed, 2 passed in 3s", False)
    assert left[1:] == ["With Python 3.99: FAILED tests/test_a.py::test_b - wrong"]
