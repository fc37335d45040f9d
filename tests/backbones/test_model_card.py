"""The model card of the pocket models, as hubs read it."""

from __future__ import annotations

import tomllib
from pathlib import Path

from huggingface_hub import ModelCard

from intarsia import backbones
from tests.paths import ROOT

POCKET = Path(backbones.__file__).parent / "pocket"


def test_its_front_matter_has_what_hubs_ask_for() -> None:
    card = ModelCard((POCKET / "MODEL_CARD.md").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    data = card.data.to_dict()
    assert data["license"] == project["license"].lower()
    assert data["library_name"] == "diffusers"
    assert data["pipeline_tag"] == "image-to-image"
    assert data["language"] == "en"
    assert data["model_name"] == "Intarsia pocket"
    assert {"intarsia", "inpainting", "image-editing"} <= set(data["tags"])
    assert card.text.lstrip().startswith("# The pocket models")


def test_it_names_the_folders_that_there_are() -> None:
    card = (POCKET / "MODEL_CARD.md").read_text()
    for folder in POCKET.iterdir():
        assert folder.is_file() or f"`{folder.name}/`" in card
