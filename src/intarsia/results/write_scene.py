"""Write a scene folder: the photo, the map of its objects in their colours, a drawing of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from intarsia.errors import OutputError, Remedy, Setting
from intarsia.files import check_absent, check_writable, is_same_file, write_bytes_atomically
from intarsia.imaging.write import write_photo
from intarsia.layout.colour_map import PAPER as MAP_PAPER
from intarsia.layout.colour_map import colour_map, read_colours
from intarsia.layout.names import BACKGROUND
from intarsia.layout.scene import Scene, SceneObject
from intarsia.notes import collected
from intarsia.records.scene_folder import FOUND_FILE, SCENE_ENDING, SCENE_FILES, scene_stem
from intarsia.results.document import as_json, confidence_facts, mask_box
from intarsia.results.overlay_arrange import colours_of, draw_scene
from intarsia.results.staging import check_folder, png, staging


def plan_scene(photo: Path, folder: Path, *, overwrite: bool = False) -> Path:
    """The scene's folder, after making sure that it can be written.

    Raises:
        OutputError: a file of it exists, or a part of the path is a file.
    """
    scene = folder / f"{scene_stem(photo)}{SCENE_ENDING}"
    check_folder(scene)
    for name in SCENE_FILES.values():
        if is_same_file(scene / name, photo):
            raise OutputError(
                f"{scene / name} is the picture to read", Remedy("name another folder with ", Setting("out"))
            )
        check_absent(scene / name, overwrite)
    check_writable(scene, SCENE_FILES.values())
    return scene


def write_scene(
    scene: Scene, folder: Path, *, colours: str | None = None, former: Path | None = None, overwrite: bool = False
) -> dict[str, Any]:
    """Write a scene folder: the photo's pixels without loss, mask and colours, a drawing of them.

    Args:
        scene: with at least one object.
        folder: to write.
        colours: the key that the objects were read with, so that layouts in its colours fit the scene, too.
        former: a scene folder of the same photo, whose file of it is copied: large ones take seconds to write.
        overwrite: as it was planned.

    Returns:
        Its files and objects, as JSON values.

    Raises:
        OutputError: a file cannot be written; then none is there.
    """
    given = read_colours(colours) if colours else {}
    shades = colours_of(scene.names, colours)
    key = {**shades, BACKGROUND: given.get(BACKGROUND, MAP_PAPER)}
    drawing = draw_scene(scene.photo, scene.masks, shades, scene.objects)
    with staging(folder, overwrite=overwrite) as stage:
        if former is None:
            with collected():  # the result is made of the photo itself
                write_photo(scene.photo, stage / SCENE_FILES["photo"])
        else:
            write_bytes_atomically(stage / SCENE_FILES["photo"], (former / SCENE_FILES["photo"]).read_bytes())
        mask = png(Image.fromarray(colour_map(scene.masks, key)))
        write_bytes_atomically(stage / SCENE_FILES["mask"], mask)
        write_bytes_atomically(stage / SCENE_FILES["colours"], (json.dumps(key) + "\n").encode())
        write_bytes_atomically(stage / SCENE_FILES["overlay"], png(drawing))
        if found := found_facts(scene.objects):
            write_bytes_atomically(
                stage / FOUND_FILE, as_json({"mask_sha256": hashlib.sha256(mask).hexdigest(), "objects": found})
            )
    if not found:
        (folder / FOUND_FILE).unlink(missing_ok=True)  # of the scene that was replaced
    return {
        "scene": str(folder),
        "files": {kind: str(folder / name) for kind, name in SCENE_FILES.items()},
        "objects": [
            {
                "name": o.name,
                "words": o.words,
                "pixels": int(o.mask.sum()),
                "box": mask_box(o.mask),
                **confidence_facts(o),
            }
            for o in scene.objects
        ],
    }


def found_facts(objects: Iterable[SceneObject]) -> dict[str, dict[str, Any]]:
    """How sure it is that objects are there, by name, of those that were found by words."""
    return {thing.name: confidence_facts(thing) for thing in objects if thing.confidence is not None}
