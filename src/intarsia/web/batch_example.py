"""The example of the page "Many pictures": drawn scenes that ship with the package, and a list with words for each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from intarsia.web.batch_service import LIST_NAMES

SCENES = Path(__file__).parents[1] / "demo" / "scenes"
CHANGES = (
    ("bird-and-car.png", "car", "a house"),
    ("dog-and-plant.png", "plant", "a cake"),
    ("dog-and-rabbit.png", "rabbit", "a ball"),
    ("cat-and-plant.png", "cat", "a house"),
)
"""Scene, what is there, what it becomes; each comes out well on the pocket models with the page's default settings."""
POCKET = "pocket"


def example_uploads(folder: Path, choices: Sequence[str]) -> list[Path]:
    """The files of the example, as a visitor would send them: the list, which is written, and its pictures.

    Args:
        folder: for the list.
        choices: names of the models that are served. The scenes are those of the pocket world: where its models are
            among them, the list asks for these; else it names none.
    """
    models = {"models": POCKET} if POCKET in choices else {}
    jobs = [{"photo": photo, "source": source, "prompt": prompt, **models} for photo, source, prompt in CHANGES]
    listed = folder / LIST_NAMES[-1]
    listed.write_text(json.dumps(jobs), encoding="utf-8")
    return [listed, *(SCENES / photo for photo, _, _ in CHANGES)]
