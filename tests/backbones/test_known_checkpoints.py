"""The catalogue's entries: complete, of one mind with the choice of files, and able to do what they say."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable

import pytest

from intarsia.backbones import CATALOG, Entry
from intarsia.backbones.catalog import REDIRECTS, former_names, mirrors_of, pinned_revision
from intarsia.backbones.protocols import Backbones
from intarsia.backbones.repository_files import wanted_files
from intarsia.backbones.resolve import HUB_ID
from intarsia.records.edit import EditRecord

ON_HUB = {name: entry for name, entry in CATALOG.items() if entry.repository}
PIPELINES = {
    **dict.fromkeys(("pocket", "sd15", "sd2", "sd15-base", "sd21", "sd14", "lcm", "sd-turbo"), "tiny"),
    **dict.fromkeys(("sdxl", "sdxl-turbo", "sdxl-lightning"), "sdxl"),
    "sdxl-inpainting": "sdxl_inpainting",
    "z-image-turbo": "z_image",
    "klein": "klein",
    "qwen-edit": "qwen_image",  # of its denoiser's class; its own pipeline is tested as an editor
}
"""Random checkpoints of the same classes."""


@pytest.mark.parametrize("name", ON_HUB)
def test_an_entry_says_all(name: str) -> None:
    entry = ON_HUB[name]
    assert entry.revision is None or re.fullmatch(r"[0-9a-f]{40}", entry.revision)
    assert all(HUB_ID.fullmatch(place) for place in (str(entry.repository), *entry.mirrors))
    assert entry.licence and entry.purpose and entry.source and entry.abilities and entry.weights
    assert datetime.date.fromisoformat(entry.checked) >= datetime.date(2026, 11, 27)
    assert all(size > 1e6 for size in (*entry.weights.values(), *entry.half_weights.values()))
    assert entry.half_gb <= entry.download_gb and entry.memory_gb > 0 and entry.native_side > 0
    # All that is fetched is read, and half as many bytes a weight fit the memory.
    assert entry.memory_gb > entry.half_gb / 2
    assert set(entry.settings) <= EditRecord.__dataclass_fields__.keys()


def test_repositories_are_named_once() -> None:
    places = [place for entry in ON_HUB.values() for place in (entry.repository, *entry.mirrors)]
    assert len(places) == len(set(places))
    sd15 = CATALOG["sd15"]
    assert mirrors_of(str(sd15.repository)) == sd15.mirrors and pinned_revision(str(sd15.repository)) == sd15.revision
    assert former_names(str(sd15.repository)) == ("runwayml/stable-diffusion-inpainting",)
    assert mirrors_of("some/thing") == former_names("some/thing") == () and pinned_revision("some/thing") is None
    assert not set(REDIRECTS) & set(REDIRECTS.values())


@pytest.mark.parametrize("name", ON_HUB)
def test_its_files_are_those_that_would_be_chosen(name: str) -> None:
    entry: Entry = ON_HUB[name]
    there = {*entry.weights, *entry.half_weights, *({"model_index.json"} if entry.paints else {"config.json"})}
    parts = sorted({file.rpartition("/")[0] for file in there} - {""})
    for precision, expected in (("full", entry.weights), ("half", entry.half_weights or entry.weights)):
        chosen = {f for f in wanted_files(there, parts, precision) if f.endswith(".safetensors")}  # type: ignore[arg-type]
        assert chosen == set(expected)


@pytest.mark.parametrize("name", [name for name, entry in CATALOG.items() if entry.paints])
def test_its_abilities_are_those_of_its_classes(
    name: str, families: Callable[[str], Backbones], tiny_backbones: Backbones
) -> None:
    loaded = tiny_backbones if PIPELINES[name] == "tiny" else families(PIPELINES[name])
    able = ["edit", "arrange"]
    if loaded.diffusion is not None:
        able += ["compose", *(["learn"] if loaded.diffusion.learns else [])]
    assert tuple(able) == CATALOG[name].abilities
