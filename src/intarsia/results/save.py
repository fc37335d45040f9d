"""Save a result from Python as the command line does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from intarsia.errors import OutputError
from intarsia.layout.remove import RemoveResult
from intarsia.records.inputs import input_files
from intarsia.results.picture_format import ending_of
from intarsia.results.write_remove import SavedRemoval, plan_removal, write_removal

if TYPE_CHECKING:  # with torch, which a removal does without
    from intarsia.layout.edit import ArrangeResult
    from intarsia.regions.edit import EditResult
    from intarsia.results.write_arrange import SavedArrangement
    from intarsia.results.write_edit import SavedEdit


def save(
    result: EditResult | ArrangeResult | RemoveResult,
    folder: str | Path,
    *,
    name: str = "",
    overwrite: bool = False,
    draw_boxes: bool = False,
    metadata: bool = True,
) -> SavedEdit | SavedArrangement | SavedRemoval:
    """Write a result into a folder: the files that `intarsia edit`, `arrange` and `remove` write.

        saved = ia.save(result, "out")
        saved.files.picture

    An edit by words leaves NAME.png, NAME.json (its record), NAME.mask.png (the blend), with `draw_boxes`
    NAME.boxes.png, and NAME.2.png, ... for each further candidate that its record keeps. An edit by layout leaves
    NAME.png, NAME.json, NAME.mask.png, NAME.layout.png (before, layout and after), and NAME.2.png, ... for each
    further seed. A removal leaves NAME.png (or NAME in the format that its record asks for), NAME.json and
    NAME.mask.png. All of them are written, or none.

    Args:
        result: of `intarsia.edit`, `intarsia.arrange` or `intarsia.remove`.
        folder: made when it is missing.
        name: of the files; by default that of the record's photo.
        overwrite: replace files of the same names. The photo itself is never replaced.
        draw_boxes: also draw where an edit by words looked.
        metadata: write the record into the pictures, too.

    Returns:
        The files by their kinds, and the content of the JSON file.

    Raises:
        OutputError: a file is in the way or cannot be written; then none is there. Or `draw_boxes` is set for an edit
            by layout or a removal, which try no boxes.
    """
    folder = Path(folder)
    if isinstance(result, RemoveResult):
        if draw_boxes:
            raise OutputError("A removal tries no boxes: leave out draw_boxes; NAME.mask.png shows what was replaced.")
        files = plan_removal(result.record, result.scene.photo, folder, name=name, overwrite=overwrite)
        return write_removal(result, files, metadata=metadata, overwrite=overwrite)

    from intarsia.regions.edit import EditResult
    from intarsia.results.write_arrange import plan_arrangement, write_arrangement
    from intarsia.results.write_edit import plan_edit, write_edit

    if isinstance(result, EditResult):
        record = result.record
        targets = plan_edit(
            Path(record.photo),
            folder,
            name=name,
            keep=record.keep,
            ending=ending_of(record, result.original),
            draw_boxes=draw_boxes,
            inputs=input_files(record).values(),
            overwrite=overwrite,
        )
        return write_edit(result, targets, metadata=metadata, overwrite=overwrite)
    if draw_boxes:
        raise OutputError("An edit by layout tries no boxes: leave out draw_boxes; NAME.layout.png shows its layouts.")
    ending = ending_of(result.record, result.scene.photo)
    planned = plan_arrangement(result.record, folder, name=name, ending=ending, overwrite=overwrite)
    return write_arrangement(result, planned, metadata=metadata, overwrite=overwrite)
