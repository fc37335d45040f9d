"""Who misspells a picture's name is told at once: nothing that takes seconds is imported before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

COMMANDS = [
    ["edit", "--prompt", "a house"],
    ["arrange", "--object", "cat=1,1,9,9", "--move", "cat=+4,0"],
    ["learn", "--find", "cat"],
    ["objects", "--find", "cat"],
    ["remove", "--box", "1,1,9,9"],
]

WITH_MASKS = [
    ["edit", "--prompt", "a house", "--mask", "MASK"],
    ["edit", "--prompt", "a house", "--box", "1,1,9,9", "--protect", "MASK"],
    ["arrange", "--move", "cat=+4,0", "--masks", "dog=photo.png", "cat=MASK"],
    ["arrange", "--object", "cat=1,1,9,9", "--move", "cat=+4,0", "--protect", "MASK"],
    ["learn", "--masks", "cat=MASK"],
    ["objects", "--masks", "cat=MASK"],
    ["remove", "--mask", "MASK"],
    ["remove", "--box", "1,1,9,9", "--avoid", "MASK"],
    ["remove", "--box", "1,1,9,9", "--protect", "MASK"],
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "words.png").write_text("no picture")
    (tmp_path / "folder").mkdir()
    Image.new("RGB", (16, 16)).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_neither_torch_nor_scipy_is_needed_to_miss_a_picture(folder: Path) -> None:
    program = f"""
import sys
from intarsia.cli.main import main

for name, *flags in {COMMANDS!r}:
    for photo in ("none.png", "words.png", "folder"):
        assert main([name, photo, *flags]) == 2, name
assert not {{"torch", "scipy", "diffusers", "transformers"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    assert done.returncode == 0, done.stderr
    # A folder is no picture to edit, and for the others no scene.
    folders = ["folder is a folder", *["folder is a folder without photo.png"] * 3, "folder is a folder"]
    for said, of_folder in zip(range(0, len(lines), 3), folders, strict=True):
        assert lines[said].startswith("intarsia: There is no picture none.png: ")
        assert "words.png is text, not a picture" in lines[said + 1] and of_folder in lines[said + 2]
    assert sorted(path.name for path in folder.iterdir()) == ["folder", "photo.png", "words.png"]


def test_nor_to_miss_a_mask(folder: Path) -> None:
    program = f"""
import sys
from intarsia.cli.main import main

for name, *flags in {WITH_MASKS!r}:
    for mask in ("none.png", "words.png"):
        assert main([name, "photo.png", *(flag.replace("MASK", mask) for flag in flags)]) == 2, name
assert not {{"torch", "scipy", "diffusers", "transformers"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    assert done.returncode == 0, done.stderr
    assert len(lines) == 2 * len(WITH_MASKS)
    assert all(line.startswith("intarsia: There is no picture none.png: ") for line in lines[::2])
    assert all("words.png is text, not a picture" in line for line in lines[1::2])
    assert sorted(path.name for path in folder.iterdir()) == ["folder", "photo.png", "words.png"]
