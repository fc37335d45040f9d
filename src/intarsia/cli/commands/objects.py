"""intarsia objects: find or outline a picture's objects, or take their masks, and write a scene folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from intarsia.cli.arrange_flags import FindFlags
from intarsia.cli.first_look import look_at
from intarsia.cli.options import CommandResult, OutputOptions, counted
from intarsia.errors import UsageError
from intarsia.records.scene_folder import photo_of


@dataclass(frozen=True, kw_only=True)
class Objects:
    """Find a picture's objects by words, outline them from boxes or points, or take their masks, and write a scene folder to arrange."""

    record: Annotated[FindFlags, tyro.conf.arg(name="")]
    out: Path = Path("out")
    """Folder to write NAME.scene/ into."""
    overwrite: bool = False
    """Replace files of the same names."""
    segmenter: str = ""
    """Another model that finds objects: clipseg, sam, sam2, sam3, grounding-dino, a hub id or a folder; by default the models' own."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    output: tyro.conf.OmitArgPrefixes[OutputOptions] = OutputOptions()


def objects_command(command: Objects) -> CommandResult:
    record = command.record.record()
    if not (record.mask or record.masks or record.find or record.object):
        raise UsageError(
            "Nothing says which objects the picture has: pass --find with their names, e.g. --find cat 'potted plant', "
            "a box or points each with --object, e.g. --object cat=10,20,200,220, or their masks with --mask and "
            "--colours, or with --masks."
        )
    place = photo_of(record)
    look_at(place, record)

    from intarsia.imaging.masks import bounding_box
    from intarsia.imaging.read import read_photo
    from intarsia.layout.doubts import doubt_notes, two_digits
    from intarsia.results.write_scene import plan_scene, write_scene
    from intarsia.tasks.scene import load_scene, load_segmenter

    photo = read_photo(place)
    folder = plan_scene(place, command.out, overwrite=command.overwrite)
    scene = load_scene(record, photo, lambda source: load_segmenter(source, command.device, command.segmenter or None))
    facts = write_scene(scene, folder, colours=record.colours, overwrite=command.overwrite)
    lines = [f"{folder}  {counted(len(scene.objects), 'object')}"]
    area = photo.size.area
    for thing in scene.objects:
        middle = bounding_box(thing.mask).center
        x, y = round(middle.x - 0.5), round(middle.y - 0.5)
        said = f"  {thing.name:<20} {thing.mask.sum() / area:6.1%} of the picture, around {x},{y}"
        chance = "" if thing.confidence is None else f", {'sure' if thing.sure else 'not sure'}: {two_digits(thing)}"
        lines.append(f"{said}{chance}")
    notes = doubt_notes(scene.objects)
    facts["notes"] = list(notes)
    lines += [f"  note: {note}" for note in notes]
    lines.append(
        f"  look at {facts['files']['overlay']}, then: intarsia arrange {folder} --move '{scene.names[0]}=+40,0'"
    )
    return facts, lines
