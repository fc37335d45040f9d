"""Who misspells a picture's name is told at once: nothing that takes seconds is imported before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = [
    ["edit", "--prompt", "a house"],
    ["arrange", "--object", "cat=1,1,9,9", "--move", "cat=+4,0"],
    ["learn", "--find", "cat"],
    ["objects", "--find", "cat"],
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "words.png").write_text("no picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_neither_torch_nor_scipy_is_needed_to_miss_a_picture(folder: Path) -> None:
    program = f"""
import sys
from intarsia.cli.main import main

for name, *flags in {COMMANDS!r}:
    for photo in ("none.png", "words.png"):
        assert main([name, photo, *flags]) == 2, name
assert not {{"torch", "scipy", "diffusers", "transformers"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    assert done.returncode == 0, done.stderr
    assert [line.startswith("intarsia: There is no picture none.png: ") for line in lines] == [True, False] * 4
    assert sorted(path.name for path in folder.iterdir()) == ["words.png"]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command[0]))
def test_a_folder_is_left_to_those_who_know_scenes(folder: Path, command: list[str]) -> None:
    from intarsia.cli.main import main

    (folder / "scene").mkdir()
    assert main([command[0], "scene", *command[1:]]) == 2
