"""How sure it was that the objects of a scene folder were found: read back beside their masks."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path

from intarsia.files import file_digest
from intarsia.layout.scene import Scene, SceneObject
from intarsia.records.scene_folder import FOUND_FILE, SCENE_FILES


def with_found(scene: Scene, folder: Path) -> Scene:
    """A scene with what its folder says of how sure its objects are; as it is where the masks were painted over since."""
    file, mask = folder / FOUND_FILE, folder / SCENE_FILES["mask"]
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        facts = json.loads(file.read_text(encoding="utf-8"))
        if facts["mask_sha256"] == file_digest(mask):
            found = facts["objects"]
            objects = tuple(
                _found(thing, found[thing.name]) if thing.name in found else thing for thing in scene.objects
            )
            return dataclasses.replace(scene, objects=objects)
    return scene


def _found(thing: SceneObject, facts: dict[str, object]) -> SceneObject:
    return dataclasses.replace(
        thing,
        confidence=float(str(facts["confidence"])),
        sure_from=float(str(facts["sure_from"])),
        doubt=str(facts.get("doubt", "")),
    )
