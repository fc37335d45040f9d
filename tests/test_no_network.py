"""Nothing touches the network: a process that can make no socket edits, arranges and loads checkpoints of every form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import tiny
from tests.slow import mostly_slow

BLOCKED = """
import os, socket, sys

class Blocked(socket.socket):
    def __init__(self, *arguments, **settings):
        raise OSError("sockets are blocked")

def blocked(*arguments, **settings):
    raise OSError("sockets are blocked")

real = socket.socket
socket.socket = socket.SocketType = Blocked
socket.create_connection = socket.getaddrinfo = socket.gethostbyname = socket.fromfd = socket.socketpair = blocked
"""
STEPS = ["--steps", "2", "--quiet", "--overwrite", "--device", "cpu"]


def run_blocked(program: str, folder: Path, **environment: str) -> str:
    """Run a program in a folder, without any socket and with an empty cache of the hub; gives what it printed."""
    known = {**os.environ, "HF_HOME": str(folder / "none"), "INTARSIA_CACHE": str(folder / "cache"), **environment}
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED + program], cwd=folder, env=known, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    Image.fromarray(noise).resize((112, 84), Image.Resampling.BICUBIC).save(tmp_path / "photo.png")
    return tmp_path


def test_pocket_edits_and_arranges(folder: Path) -> None:
    search = ["--source", "cat", "--prompt", "a house", "--search.preview-steps", "1", "--search.survivors", "1"]
    moves = ["--object", "thing=20,20,60,60", "--move", "thing=+20,0", "--fill", "diffusion"]
    program = f"""
from intarsia.cli.main import main
steps = {STEPS!r}
edit = ["edit", "photo.png", *{search!r}, "--models", "pocket", "--out", "edited"]
assert main([*edit, *steps]) == 0
arrange = ["arrange", "photo.png", *{moves!r}, "--models", "pocket", "--out", "arranged"]
code = main([*arrange, *steps])
assert code == 0, code
"""
    run_blocked(program, folder)
    for made in ("edited/photo.png", "arranged/photo.png"):
        with Image.open(folder / made) as picture:
            assert picture.size == (112, 84)


@pytest.mark.parametrize("offline", mostly_slow(["1", "0"], pushed=["0"]))
def test_a_folder_and_a_single_file_load(offline: str, folder: Path, tiny_models: Path) -> None:
    file = folder / "single.safetensors"
    tiny.save_single_file(tiny_models, file)
    tiny.save_file_configuration(tiny_models, folder / "single")
    helpers = {"scorer": "clip", "patches": "dino", "segmenter": "clipseg"}
    own = json.dumps({key: str(tiny_models / name) for key, name in helpers.items()})
    program = f"""
from intarsia.backbones import load_backbones
print(load_backbones({str(tiny_models)!r}, device="cpu").versions["inpainter"])
print(load_backbones({str(file)!r}, device="cpu", **{own}).versions["inpainter"])
"""
    printed = run_blocked(program, folder, HF_HUB_OFFLINE=offline).split()
    assert [line.partition("#")[0] for line in printed] == ["tiny", "single.safetensors"]


def test_the_catalogue_is_told_and_a_missing_checkpoint_is_one_sentence(folder: Path) -> None:
    program = """
from intarsia.cli.main import main
assert main(["models"]) == main(["models", "sdxl"]) == main(["models", "download", "pocket"]) == 0
code = main(["models", "download", "sd15"])
assert code == 2, code
"""
    assert "Stable Diffusion XL" in run_blocked(program, folder)


def test_the_block_holds(folder: Path) -> None:
    program = """
import urllib.request
try:
    urllib.request.urlopen("http://127.0.0.1:9")
except OSError as fault:
    print("blocked" in str(fault))
"""
    assert run_blocked(program, folder) == "True\n"
