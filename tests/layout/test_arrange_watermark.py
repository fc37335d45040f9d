"""A watermark stands on what an arrangement changed, and nowhere else."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from intarsia.errors import RecordError
from intarsia.imaging.watermark import watermarked
from intarsia.layout.edit import arrange
from intarsia.layout.layout_files import read_layout
from intarsia.records.arrange import ArrangeRecord
from tests.layout.test_copies import SIDE, grassland


def test_a_watermark_is_written_last_and_on_what_changed() -> None:
    scene = grassland()
    record = ArrangeRecord(photo="photo.png", move=("cat=20,30",), fill="patch", mode="compose")
    layout = read_layout(record, scene)
    protected = np.zeros((SIDE, SIDE), np.bool_)
    protected[:50] = True
    plain, marked = (
        arrange(scene, layout, each, None, protected=protected)
        for each in (record, dataclasses.replace(record, watermark="toy preview"))
    )
    differs = (plain.photo.pixels != marked.photo.pixels).any(-1)
    assert differs.any() and not (differs & (plain.blend == 0)).any() and not differs[protected].any()
    assert np.array_equal(marked.photo.pixels, watermarked(plain.photo, plain.blend, "toy preview").pixels)
    assert marked.record.watermark == "toy preview"


def test_a_watermark_that_nobody_could_read_is_refused() -> None:
    with pytest.raises(RecordError, match="61 characters"):
        ArrangeRecord(photo="photo.png", watermark="x" * 61)
