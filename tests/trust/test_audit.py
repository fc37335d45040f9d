import re

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
