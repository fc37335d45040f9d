"""All notes of an edit by words: on its words and settings, on an instruction, and on what does not show."""

from __future__ import annotations

from intarsia.backbones.protocols import Backbones
from intarsia.imaging.masks import Blend
from intarsia.imaging.photo import Photo
from intarsia.records.edit import EditRecord
from intarsia.regions.analysis import ImageAnalysis
from intarsia.regions.instruct import instructed_notes
from intarsia.regions.notes import edit_notes
from intarsia.regions.region import Region
from intarsia.regions.showing import alpha_notes


def result_notes(
    photo: Photo,
    record: EditRecord,
    backbones: Backbones,
    region: Region,
    blend: Blend,
    analysis: ImageAnalysis,
    *,
    ground: bool,
    given: bool,
) -> tuple[str, ...]:
    """The notes of an edit, a sentence each, in the words of the command line.

    Args:
        region: the best one.
        blend: (H, W) in [0, 1], how far each pixel is the edit's.
        analysis: of the whole picture.
        ground, given: as for `edit_notes`.
    """
    found = analysis.has_text_relevance
    said = edit_notes(photo, record, backbones, region.box, found=found, ground=ground, given=given)
    return (*said, *instructed_notes(region, record, given=given), *alpha_notes(photo, blend, record))
