"""What we stand on: known holes, risky code, the oldest and newest versions allowed, each Python."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path

from trust.figures import Figure, Part
from trust.shell import BIN, ROOT, FailedCommand, must, tried

PYTHONS = ("3.11", "3.12", "3.13", "3.14")

EXTRAS = ("ui", "mcp", "ray", "gguf", "onnx", "demo", "bench", "heif")
"""Extras whose floors are tried, as far as pyproject.toml has them."""

PINNED = {"torch": "2.13.0"}
"""Tried at this version instead of the floor: its older builds bring gigabytes of CUDA."""

TESTS = ("-m", "not slow and not ui", "-q", "-p", "no:cacheprovider", "--dist", "loadfile", "-n", "2")

BUILDS = ("--deselect", "tests/test_house.py::test_no_cuda_package_is_installed")
"""For other Pythons, an index may have builds of torch with CUDA alone."""

OLD = (
    *("-o", "filterwarnings=ignore"),
    *("--deselect", "tests/test_house.py::test_every_installed_package_is_pinned"),
    *("--deselect", "tests/imaging/test_known_figures.py"),
)
"""Only with the pinned versions are warnings errors, as old ones speak of newer ones, and figures the same to the last digit."""


def run(*, seed: int, quick: bool) -> Part:
    """Ask the tools, and run the quick tests with the oldest versions and with each Python that is here.

    Args:
        quick: without the tests, which need environments of their own.
    """
    left: list[str] = []
    figures = [risks(), *holes(left), *(resolved(version) for version in PYTHONS)]
    if quick:
        left.append("Quick: the tests were not run with the oldest versions, nor with each Python.")
    else:
        with tempfile.TemporaryDirectory() as folder:
            oldest = Path(folder) / "oldest"
            figures.append(tested(oldest, sys.executable, floors(), "the oldest versions allowed", left))
            for version in PYTHONS:
                python = interpreter(version)
                if python is None:
                    left.append(f"Python {version} is not on this machine: its tests run in the hosted CI alone.")
                elif version != f"{sys.version_info.major}.{sys.version_info.minor}":
                    figures.append(tested(Path(folder) / version, python, {}, f"Python {version}", left))
    return Part(name="audit", command="python -m trust audit", figures=figures, left=left)


def risks() -> Figure:
    """What bandit finds in the package."""
    done = tried([BIN / "bandit", "--quiet", "-c", "pyproject.toml", "-r", "src", "app.py", "-f", "json"])
    found = json.loads(done.stdout)["results"]
    first = f", the first {found[0]['test_id']} in {found[0]['filename']}" if found else ""
    return Figure(name="risks that bandit finds", value=f"{len(found)}{first}", bound="0", holds=not found)


def holes(left: list[str]) -> list[Figure]:
    """Known holes of the pinned versions; a line for `left` where nobody could be asked."""
    name = "known holes in the pinned versions (pip-audit)"
    asked = [
        "--requirement",
        "constraints.txt",
        "--no-deps",
        "--disable-pip",
        "--format",
        "json",
        "--progress-spinner",
        "off",
    ]
    done = tried([BIN / "pip-audit", *asked])
    try:
        told = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        told = []
    known = [each for each in told if "vulns" in each]
    if not known:
        left.append("Known holes were not looked up: this machine cannot reach the list of advisories.")
        return [Figure(name=name, value="not looked up")]
    bad = [f"{each['name']} {each['version']}: {each['vulns'][0]['id']}" for each in known if each["vulns"]]
    value = f"{len(bad)} of {len(known)}" + (f", the first {bad[0]}" if bad else "")
    return [Figure(name=name, value=value, bound="0", holds=not bad)]


def resolved(version: str) -> Figure:
    """Whether all dependencies have builds for a Python."""
    extras = [word for extra in extras_here() for word in ("--extra", extra)]
    words = [str(BIN / "uv"), "pip", "compile", "pyproject.toml", "--python-version", version, *extras, "--quiet"]
    done = tried([*words, "--only-binary", ":all:", "--no-header", "--no-annotate"])
    count = sum("==" in line for line in done.stdout.splitlines())
    problem = (done.stderr.strip().splitlines() or [""])[-1]
    return Figure(
        name=f"ready builds of all dependencies for Python {version}",
        value=f"{count} found" if done.returncode == 0 else problem,
        bound="all",
        holds=done.returncode == 0,
    )


def extras_here() -> list[str]:
    return [extra for extra in EXTRAS if extra in project()["optional-dependencies"]]


def project() -> dict[str, dict[str, list[str]]]:
    """The table [project] of pyproject.toml."""
    told: dict[str, dict[str, list[str]]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return told


def floors() -> dict[str, str]:
    """The oldest version that pyproject.toml allows of each dependency."""
    told = project()
    needs = [*told["dependencies"], *(need for extra in extras_here() for need in told["optional-dependencies"][extra])]
    oldest = {}
    for need in needs:
        found = re.match(r"([\w.-]+)\s*>=\s*([\w.]+)", need)
        if found is None:
            raise ValueError(f"pyproject.toml gives {need!r} no oldest version: write NAME>=VERSION.")
        oldest[found[1]] = found[2]
    return oldest | PINNED


def interpreter(version: str) -> str | None:
    """A Python of a version on this machine; None for none that runs, as pyenv's of versions that are not chosen."""
    name = f"python{version}"
    places = [shutil.which(name), *sorted(map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/{name}")))]
    works = (place for place in places if place is not None and tried([place, "-c", ""]).returncode == 0)
    return next(works, None)


def tested(place: Path, python: str, versions: Mapping[str, str], name: str, left: list[str]) -> Figure:
    """The quick tests in an environment of their own.

    Args:
        versions: those of our dependencies; empty for the pinned ones.
        left: gets the tests that fail.
    """
    figure = f"quick tests with {name}"
    try:
        own = installed(place, python, versions)
    except FailedCommand as problem:
        left.append(f"With {name}, {str(problem).splitlines()[0]}")
        return Figure(name=figure, value="could not be installed", bound="all pass", holds=False)
    done = tried([own, "-m", "pytest", *TESTS, *(OLD if versions else BUILDS)], HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1")
    lines = done.stdout.strip().splitlines() or ["nothing was printed"]
    left += [f"With {name}: {line[:200]}" for line in lines if line.startswith(("FAILED ", "ERROR "))]
    return Figure(name=figure, value=lines[-1].strip("= "), bound="all pass", holds=done.returncode == 0)


def installed(place: Path, python: str, versions: Mapping[str, str]) -> Path:
    """The Python of a new environment with the package and all that its tests need.

    Raises:
        FailedCommand: something cannot be installed.
    """
    must([python, "-m", "venv", place])
    own = place / "bin" / "python"
    constraints = ROOT / "constraints.txt"
    if versions:
        constraints = place / "oldest.txt"
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()), "utf-8")
    must([own, "-m", "pip", "install", "--quiet", f"torch=={PINNED['torch']}", "-c", constraints])
    extras = ",".join(("dev", *extras_here()))
    must([own, "-m", "pip", "install", "--quiet", "-c", constraints, "-e", f"{ROOT}[{extras}]"])
    return own
