"""Fills by networks of the user's own: what they are shown, what comes back, and files that are refused."""

from __future__ import annotations

import importlib
import json
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from intarsia.backbones.fills import load_fill
from intarsia.backbones.network_fill import NetworkFill, load_network_fill
from intarsia.errors import MissingExtraError, ModelError, RecordError, RegionError
from intarsia.files import file_digest
from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Bytes
from tests.backbones.own_networks import (
    COLOUR,
    BrightestLama,
    FixedSizeLama,
    HalfSizeLama,
    NotFiniteLama,
    TinyMiGan,
    TwoPicturesLama,
    save_lama,
    save_migan,
    save_onnx_lama,
    save_onnx_migan,
    save_traced,
)


def noise(height: int, width: int, most: int = 256) -> Bytes:
    return np.random.default_rng(0).integers(0, most, (height, width, 3), np.uint8)


def box(shape: tuple[int, ...], top: int, left: int, height: int, width: int) -> Mask:
    mask = np.zeros(shape[:2], np.bool_)
    mask[top : top + height, left : left + width] = True
    return mask


SAVED: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "lama.pt": ("lama", save_lama),
    "migan.pt": ("migan", save_migan),
    "lama.onnx": ("lama", save_onnx_lama),
    "lama_any_size.onnx": ("lama", lambda file: save_onnx_lama(file, side="side")),
    "lama_unit_range.onnx": ("lama", lambda file: save_onnx_lama(file, levels=1)),
    "lama_mask_first.onnx": ("lama", lambda file: save_onnx_lama(file, mask_first=True)),
    "migan.onnx": ("migan", save_onnx_migan),
}


@pytest.fixture(params=SAVED)
def fill(request: pytest.FixtureRequest, tmp_path: Path) -> NetworkFill:
    if request.param.endswith(".onnx"):
        pytest.importorskip("onnxruntime")
    name, save = SAVED[request.param]
    loaded = load_fill(name, str(save(tmp_path / request.param)))
    assert isinstance(loaded, NetworkFill) and loaded.name == name
    return loaded


@pytest.mark.parametrize(("height", "width"), [(40, 60), (37, 53), (9, 200)])
def test_the_hole_comes_from_the_network_and_nothing_else_changes(fill: NetworkFill, height: int, width: int) -> None:
    image = noise(height, width)
    hole = box(image.shape, 3, 5, 5, 11) | box(image.shape, height - 2, width - 7, 2, 7)
    filled = fill.fill(image, hole, np.zeros_like(hole), seed=3)
    assert filled.dtype == np.uint8 and filled.shape == image.shape
    assert (filled[~hole] == image[~hole]).all()
    assert (np.abs(filled[hole].astype(int) - COLOUR) <= 1).all()


@pytest.mark.parametrize("black", [0, 1])
def test_dark_pictures_keep_the_networks_range(fill: NetworkFill, black: int) -> None:
    image = np.full((40, 60, 3), black, np.uint8)
    image[20, 30] = 9
    hole = box(image.shape, 5, 5, 9, 9)
    filled = fill.fill(image, hole, np.zeros_like(hole))
    assert (np.abs(filled[hole].astype(int) - COLOUR) <= 1).all()


def test_other_objects_are_neither_shown_nor_changed(tmp_path: Path) -> None:
    image = noise(80, 120, most=100)
    others = box(image.shape, 30, 40, 30, 20) | box(image.shape, 0, 100, 10, 20)
    image[others] = 255
    hole = box(image.shape, 20, 20, 40, 20)
    fill = load_fill("lama", str(save_lama(tmp_path / "net.pt", BrightestLama())))
    filled = fill.fill(image, hole, others)
    assert (filled[~hole] == image[~hole]).all()
    assert filled[hole].max() < 170  # what covers them is joined to the rest, which may add a little
    assert fill.fill(image, hole, np.zeros_like(hole))[hole].min() == 255


@pytest.mark.slow
def test_a_large_hole_is_copied_where_the_network_guides_and_stays_sharp(tmp_path: Path) -> None:
    """Left of the hole is dark, coarse noise, right of it bright noise; what the network paints says which is copied."""
    image = noise(360, 480, most=120)
    image[:, 240:] += 130
    hole = box(image.shape, 100, 160, 160, 160)
    fill = load_network_fill("lama", str(save_lama(tmp_path / "dark.pt")))
    fill.painter.most = 128
    dark = fill.fill(image, hole, np.zeros_like(hole))
    bright_fill = load_network_fill("lama", str(save_lama(tmp_path / "bright.pt", BrightestLama())))
    bright_fill.painter.most = 128
    bright = bright_fill.fill(image, hole, np.zeros_like(hole))
    inner = box(image.shape, 120, 180, 120, 120)
    for filled in (dark, bright):
        assert (filled[~hole] == image[~hole]).all()
        steps = np.abs(np.diff(filled.astype(float), axis=1))[inner[:, 1:]].mean()
        assert steps > 0.8 * np.abs(np.diff(image[:, :150].astype(float), axis=1)).mean()
    assert dark[inner].mean() + 30 < bright[inner].mean()


class Recording:
    """A painter that remembers the sizes that it is shown."""

    name, least, most = "lama", 64, 128

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []

    def paint(self, picture: Bytes, hole: Mask) -> Any:
        assert picture.shape[:2] == hole.shape and hole.any() and not hole.all()
        self.sizes.append(hole.shape)
        return np.full(picture.shape, 100, np.float32)


@pytest.mark.parametrize(
    ("size", "hole", "shown"),
    [
        ((40, 50), (5, 5, 10, 10), (40, 50)),  # all of a small picture
        ((400, 500), (5, 5, 4, 4), (64, 64)),  # not less than `least`, moved inward at the border
        ((400, 500), (200, 200, 50, 1), (128, 121)),  # as the context has it, up to `most`
        ((400, 500), (200, 200, 64, 64), (128, 128)),
        ((400, 500), (150, 200, 70, 70), (128, 128)),  # too large: reduced to `most`, to guide
    ],
)
def test_the_network_is_shown_what_is_around_the_hole(
    size: tuple[int, int], hole: tuple[int, int, int, int], shown: tuple[int, int]
) -> None:
    painter = Recording()
    image, gap = noise(*size), box(size, *hole)
    filled = NetworkFill(painter, "1").fill(image, gap, np.zeros_like(gap))
    assert painter.sizes == [shown]
    assert (filled[~gap] == image[~gap]).all()
    assert ((filled[gap] == 100).all()) == (max(hole[2:]) <= 64)


def test_the_version_is_the_files_name_and_digest_and_a_changed_file_is_loaded_again(tmp_path: Path) -> None:
    file = save_lama(tmp_path / "net.pt")
    first = load_fill("lama", str(file))
    assert first.version == f"net.pt#{file_digest(file)[:12]}"
    assert load_fill("lama", str(file)) is first
    save_lama(file, BrightestLama())
    assert load_fill("lama", str(file)).version != first.version


def test_nothing_to_fill_from_is_said(tmp_path: Path) -> None:
    fill = load_fill("lama", str(save_lama(tmp_path / "net.pt")))
    hole = box((20, 20), 0, 0, 20, 10)
    with pytest.raises(RegionError, match="no background is left"):
        fill.fill(noise(20, 20), hole, ~hole)


@pytest.mark.parametrize(
    ("name", "file", "said"),
    [
        (
            "lama",
            None,
            "The fill lama is a network of your own, but its file is not given: pass it with --fill-model FILE",
        ),
        ("patch", "net.pt", "A network's file is given, but the fill is patch, which has none"),
    ],
)
def test_a_file_goes_with_a_network_and_only_with_one(name: str, file: str | None, said: str) -> None:
    with pytest.raises(RecordError, match=said):
        load_fill(name, file)


def cut(file: Path, whole: Path) -> None:
    file.write_bytes(whole.read_bytes()[:-200])


def zip_of(file: Path, **entries: str) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in entries.items():
            archive.writestr(f"net/{name}", text)


class Command:
    """What a hostile pickle does when it is opened."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("opened"),))


def hostile(file: Path) -> None:
    file.write_bytes(pickle.dumps(Command()))


BAD: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing": ("net.pt", lambda file: None, "is not there: pass its file with --fill-model FILE"),
    "folder": ("net.pt", lambda file: file.mkdir(), "is a folder: take it as TorchScript"),
    "empty": ("net.pt", lambda file: file.write_bytes(b""), "is empty: download it again"),
    "checkpoint": ("net.pt", lambda file: torch.save({"a": torch.zeros(3)}, file), "is a pickle, which can run any"),
    "old checkpoint": (
        "net.ckpt",
        lambda file: torch.save({"a": torch.zeros(3)}, file, _use_new_zipfile_serialization=False),
        "is a pickle, which can run any code",
    ),
    "hostile pickle": ("net.pt", hostile, "is a pickle, which can run any code"),
    "pickle as onnx": ("net.onnx", hostile, "is a pickle, which can run any code"),
    "safetensors": ("net.pt", lambda file: save_file({"a": torch.zeros(3)}, file), r"weights alone \(safetensors\)"),
    "page": ("net.pt", lambda file: file.write_text("\n<!DOCTYPE html><html>Not found"), "is a web page"),
    "pointer": (
        "net.onnx",
        lambda file: file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "is a pointer of Git LFS, not what it points to: download the file itself",
    ),
    "zip": ("net.pt", lambda file: zip_of(file, **{"a.txt": "a"}), "is a zip archive, but no TorchScript"),
    "picture": ("net.pt", lambda file: file.write_bytes(b"\x89PNG\r\n\x1a\n"), "is of no known kind"),
    "half a file": ("net.pt", lambda file: cut(file, save_lama(file.with_name("whole.pt"))), "only a part of it came"),
    "empty code": (
        "net.pt",
        lambda file: zip_of(file, **{"data.pkl": "", "constants.pkl": "", "code/a.py": "", "version": "3"}),
        "could not be loaded as TorchScript",
    ),
    "migan as lama": ("net.pt", save_migan, "reads given, but lama reads an image and a mask of float32: say what it"),
    "no onnx": ("net.onnx", lambda file: file.write_bytes(b"\x08\x07nothing"), "could not be loaded as ONNX"),
    "migan.onnx as lama": ("net.onnx", save_onnx_migan, "reads image uint8 .* but lama reads an image and a mask"),
}


@pytest.mark.parametrize("kind", BAD)
def test_files_that_are_no_such_network_are_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name, write, said = BAD[kind]
    if "onnx" in kind and "pickle" not in kind:
        pytest.importorskip("onnxruntime")
    write(tmp_path / name)
    with pytest.raises(ModelError, match=said) as raised:
        load_fill("lama", name)
    assert "\n" not in str(raised.value) and str(raised.value).startswith(f"The network {name} ")
    assert not Path("opened").exists()


@pytest.mark.parametrize("file", ["lama.pt", "lama.onnx"])
def test_lama_is_not_migan(file: str, tmp_path: Path) -> None:
    if file.endswith(".onnx"):
        pytest.importorskip("onnxruntime")
    SAVED[file][1](tmp_path / file)
    with pytest.raises(ModelError, match=r"reads image.*, mask.*, but migan reads .* --fill lama"):
        load_fill("migan", str(tmp_path / file))


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (NotFiniteLama(), "gives numbers that are not finite"),
        (HalfSizeLama(), r"gives \(1, 3, 20, 32\) for a picture of \(1, 3, 40, 64\)"),
        (TwoPicturesLama(), "gives a tuple, not one picture"),
        (FixedSizeLama(), "failed"),
    ],
)
def test_what_is_no_picture_is_said(network: torch.nn.Module, said: str, tmp_path: Path) -> None:
    fill = load_fill("lama", str(save_lama(tmp_path / "net.pt", network)))
    hole = box((40, 60), 5, 5, 9, 9)
    with pytest.raises(ModelError, match=said) as raised:
        fill.fill(noise(40, 60), hole, np.zeros_like(hole))
    assert "\n" not in str(raised.value)


def test_a_generator_of_another_size_is_said(tmp_path: Path) -> None:
    class Small(TinyMiGan):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return super().forward(given) * torch.ones(1, 1, 256, 256)

    fill = load_fill("migan", str(save_traced(Small(), tmp_path / "net.pt", (1, 4, 256, 256))))
    hole = box((40, 60), 5, 5, 9, 9)
    with pytest.raises(ModelError, match="failed"):
        fill.fill(noise(40, 60), hole, np.zeros_like(hole))


def test_onnx_needs_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"pip install 'intarsia\[onnx\]'"):
        load_fill("lama", str(save_onnx_lama(tmp_path / "net.onnx")))


def test_naming_fills_loads_no_runtime() -> None:
    code = (
        "import sys, intarsia.backbones.fills as f; f.load_fill('patch');"
        "print([m for m in ('torch', 'onnxruntime', 'intarsia.backbones.network_fill') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_onnx_alone_needs_no_torch(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    save_onnx_lama(tmp_path / "net.onnx")
    code = (
        "import json, sys, numpy as np; from intarsia.backbones.fills import load_fill;"
        "hole = np.zeros((40, 60), bool); hole[5:9, 5:9] = True;"
        f"load_fill('lama', {str(tmp_path / 'net.onnx')!r}).fill(np.zeros((40, 60, 3), np.uint8), hole, hole & False);"
        "print(json.dumps('torch' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) is False and done.stderr == ""
