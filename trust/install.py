"""Packages: built twice alike, what they hold, installed in an empty environment, and the container's recipe."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

from trust.figures import Figure, Part
from trust.shell import BIN, ROOT, cloned, must, tried

LARGEST = 100 * 10**6
"""Bytes of a wheel: what package indexes take from everybody."""

TORCH = os.environ.get("TORCH", "torch==2.13.0")


def run(*, seed: int, quick: bool) -> Part:
    """Build, compare, install and try.

    Args:
        quick: without the empty environment and the demo.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        built = [built_in(place / name, umask) for name, umask in (("one", 0o022), ("other", 0o077))]
        wheels, sources = ([next(b.glob(pattern)) for b in built] for pattern in ("*.whl", "*.tar.gz"))
        again = from_source(sources[0], place / "again")
        figures = [
            same("wheel, built twice", *wheels),
            same("source archive, built twice", *sources),
            same("wheel built from the source archive", wheels[0], again),
            size_of("wheel", wheels[0]),
            size_of("source archive", sources[0]),
            *contents(wheels[0]),
            lint(),
        ]
        left = []
        if quick:
            left.append("Quick: not installed in an empty environment.")
        else:
            figures += demo_in_empty_environment(wheels[0], place)
        if shutil.which("podman") is None and shutil.which("docker") is None:
            left.append("The container was not built: there is no podman and no docker here.")
        else:
            left.append("The container was not built: its base image is fetched from a registry of images.")
    return Part(name="install", command="python -m trust install", figures=figures, left=left)


def built_in(folder: Path, umask: int) -> Path:
    """Wheel and source archive of the last commit, built in a clone whose files have other modes and times."""
    tree = cloned(folder / "tree")
    for file in tree.rglob("*.py"):
        file.chmod(0o666 & ~umask)
        os.utime(file, (umask * 10**6, umask * 10**6))
    must([sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", tree], cwd=folder)
    return folder / "dist"


def from_source(archive: Path, folder: Path) -> Path:
    """The wheel that a source archive makes."""
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    (tree,) = folder.iterdir()
    must([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist", tree], cwd=folder)
    return next((folder / "dist").glob("*.whl"))


def same(name: str, one: Path, other: Path) -> Figure:
    """Whether two files are alike."""
    sums = [hashlib.sha256(file.read_bytes()).hexdigest() for file in (one, other)]
    alike = sums[0] == sums[1]
    return Figure(name=name, value="byte for byte alike" if alike else "different", bound="alike", holds=alike)


def size_of(name: str, file: Path) -> Figure:
    size = file.stat().st_size
    return Figure(name=f"size of the {name}", value=f"{size / 1e6:.1f} MB", bound="100 MB", holds=size < LARGEST)


def contents(wheel: Path) -> list[Figure]:
    """What a wheel holds, by kind, and that it holds nothing else than the package."""
    kinds: Counter[str] = Counter()
    foreign = []
    with zipfile.ZipFile(wheel) as archive:
        entries = archive.infolist()
    for entry in entries:
        top = entry.filename.split("/")[0]
        if top != "intarsia" and not top.endswith(".dist-info"):
            foreign.append(entry.filename)
        kinds[Path(entry.filename).suffix or "no ending"] += entry.file_size
    told = ", ".join(f"{kind} {size / 1e6:.1f}" for kind, size in kinds.most_common(6) if size >= 50_000)
    tracked = {line.removeprefix("src/") for line in must(["git", "ls-files", "src/intarsia"], cwd=ROOT).splitlines()}
    missing = tracked - {entry.filename for entry in entries}
    odd = [*foreign, *missing]
    return [
        Figure(name="files in the wheel", value=f"{len(entries):,}; in MB unpacked: {told}"),
        Figure(
            name="files that do not belong there, or lack",
            value=f"{len(odd)}" + (f", the first {odd[0]}" if odd else ""),
            bound="0",
            holds=not odd,
        ),
    ]


def lint() -> Figure:
    """What hadolint says of the Containerfile."""
    done = tried([BIN / "hadolint", "--no-color", "Containerfile"])
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    return Figure(
        name="faults that hadolint finds in the Containerfile",
        value=str(len(lines)) + (f", the first {lines[0]}" if lines else ""),
        bound="0",
        holds=done.returncode == 0,
    )


def demo_in_empty_environment(wheel: Path, place: Path) -> list[Figure]:
    """Install a wheel where nothing is, and run the demo there, with no network where that can be arranged."""
    must([sys.executable, "-m", "venv", place / "empty"])
    python = place / "empty" / "bin" / "python"
    pins = [] if os.environ.get("UNPINNED") else ["-c", str(ROOT / "constraints.txt")]
    must([python, "-m", "pip", "install", "--quiet", TORCH, *pins])
    must([python, "-m", "pip", "install", "--quiet", *pins, wheel])
    alone = ["unshare", "--net"] if tried(["unshare", "--net", "true"]).returncode == 0 else []
    out = place / "demo"
    done = tried(
        [*alone, place / "empty" / "bin" / "intarsia", "demo", "--out", out, "--json"], cwd=place, HF_HUB_OFFLINE="1"
    )
    edits = len(json.loads(done.stdout).get("results", [])) if done.returncode == 0 else 0
    where = "without any network" if alone else "with the network left alone"
    said = f"exit {done.returncode}" + (f", {edits} results" if edits else "")
    return [
        Figure(
            name=f"`intarsia demo` in an empty environment, {where}",
            value=said,
            bound="exit 0",
            holds=done.returncode == 0,
        )
    ]
