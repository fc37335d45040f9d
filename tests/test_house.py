"""The package as a whole: its public names, what it ships, what it pulls in, what the repository holds."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import intarsia
from intarsia.backbones.protocols import Backbones
from tests.paths import ROOT
from tests.slow import listed_as_slow

PUBLIC = {
    "ArrangeRecord",
    "ArrangeResult",
    "Cancelled",
    "ClusterError",
    "ComposeSettings",
    "Concepts",
    "EditRecord",
    "EditResult",
    "EmptyMaskError",
    "FitSettings",
    "GuideSettings",
    "IntarsiaError",
    "Layout",
    "LayoutError",
    "LearnSettings",
    "MissingExtraError",
    "ModelError",
    "OutputError",
    "Photo",
    "PictureError",
    "Placement",
    "RecordError",
    "RegionError",
    "RemoveRecord",
    "RemoveResult",
    "Scene",
    "SceneObject",
    "ScoreSettings",
    "SearchSettings",
    "WorkersError",
    "__version__",
    "arrange",
    "edit",
    "learn",
    "from_pipe",
    "load_backbones",
    "read_layout",
    "read_photo",
    "read_removal",
    "read_scene",
    "remove",
    "save",
    "write_photo",
}


def test_the_public_names_are_these_and_all_of_them_load() -> None:
    assert set(intarsia.__all__) == set(dir(intarsia)) == PUBLIC
    assert all(getattr(intarsia, name) is not None for name in PUBLIC)
    with pytest.raises(AttributeError, match="No intarsia attribute paint"):
        getattr(intarsia, "paint")  # noqa: B009


def test_importing_the_package_and_its_records_is_light() -> None:
    code = "import sys, intarsia, intarsia.errors, intarsia.records; intarsia.EditRecord; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_five_lines_in_a_notebook(tiny_backbones: Backbones) -> None:
    scene = str(ROOT / "tests" / "scenes" / "0000.png")
    photo = intarsia.read_photo(scene)
    search = intarsia.SearchSettings(proposals=2, preview_steps=(1,), survivors=(1,))
    record = intarsia.EditRecord(photo=scene, source="cat", prompt="a dog", steps=2, search=search)
    result = intarsia.edit(photo, record, tiny_backbones)
    assert result.photo.as_image().size == photo.as_image().size


def test_version_is_the_same_everywhere() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert declared == intarsia.__version__ == importlib.metadata.version("intarsia")
    assert f"## {declared}" in (ROOT / "CHANGELOG.md").read_text()


def test_no_cuda_package_is_installed() -> None:
    names = {(d.metadata["Name"] or "").lower() for d in importlib.metadata.distributions()}
    assert not {n for n in names if n.startswith(("nvidia-", "nvidia_", "cuda-", "triton", "pytorch-triton"))}


def test_every_installed_package_is_pinned() -> None:
    pins = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    known = {"intarsia", "pip", "setuptools"}
    for needed in importlib.metadata.requires("intarsia") or []:
        name = re.split(r"[^\w-]", needed)[0].lower().replace("_", "-")
        assert name in pins or name in known, f"{name} is not in constraints.txt"
        if "extra ==" not in needed:
            assert importlib.metadata.version(name).partition("+")[0] == pins[name]


def tracked_files() -> list[Path]:
    """What git has or would take; the folder's files where this is no repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("this is no git repository")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_is_too_large_for_the_repository() -> None:
    large = {p.name: p.stat().st_size >> 20 for p in tracked_files() if p.stat().st_size > 30 * 2**20}
    assert not large


def test_what_ships_inside_the_package_is_small_enough() -> None:
    shipped = [p for p in tracked_files() if p.is_relative_to(ROOT / "src" / "intarsia")]
    weights = sum(p.stat().st_size for p in shipped if p.suffix == ".safetensors")
    assert 0 < weights <= 60 * 2**20
    assert not [p for p in shipped if p.suffix in (".pt", ".ckpt", ".bin", ".pkl", ".ttf")]


@pytest.mark.slow
def test_the_wheel_holds_everything_that_is_needed(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    expected = {
        str(p.relative_to(ROOT / "src")) for p in tracked_files() if p.is_relative_to(ROOT / "src" / "intarsia")
    }
    assert expected <= names
    assert {
        "intarsia/py.typed",
        "intarsia/__init__.pyi",
        "intarsia/demo/scenes/jobs.json",
        "intarsia/backbones/pocket/vae/config.json",
    } <= names
    assert not [n for n in names if n.startswith(("tests", "training", "benchmarks", "to_comfy"))]
    assert any(n.endswith("licenses/LICENSE") for n in names)


@pytest.mark.slow
def test_the_wheel_works_where_it_is_unpacked(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "unpacked")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'unpacked')!r}); import intarsia; "
        "from intarsia.demo.run import plan_demo; from pathlib import Path; "
        f"assert intarsia.__file__.startswith({str(tmp_path)!r}); "
        "print(len(plan_demo(Path('demo-out')).jobs), intarsia.load_backbones('pocket').name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={"HF_HUB_OFFLINE": "1"},
    )
    assert done.stdout.split() == ["5", "pocket"]


def test_tests_that_are_listed_as_slow_are_there() -> None:
    for listed in listed_as_slow():
        file, _, name = listed.partition("::")
        assert f"def {name.partition('[')[0]}(" in (ROOT / file).read_text(encoding="utf-8"), listed
