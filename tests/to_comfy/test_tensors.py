"""IMAGE and MASK to photos and masks, and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import intarsia as ia
from intarsia.imaging.geometry import Size
from tests.to_comfy.stubs import box_of_ones, load_image, saved_levels, scene
from to_comfy.tensors import alike, levels_of, mask_of, photo_of, picture_of, pictures_of


def test_all_levels_come_back_from_comfyuis_saver() -> None:
    """It cuts off rather than rounds."""
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    photo = ia.Photo(pixels=levels)
    made = picture_of(photo, np.ones((16, 16), np.float32), torch.zeros(16, 16, 3))
    assert made.dtype == torch.float32
    assert (saved_levels(made[None])[0] == levels).all()


def test_a_picture_from_a_file_becomes_the_photo_that_intarsia_reads() -> None:
    (picture,) = pictures_of(load_image(scene()))
    assert (photo_of(picture).pixels == ia.read_photo(scene()).pixels).all()


def test_what_does_not_change_keeps_values_between_levels() -> None:
    before = torch.rand(5, 7, 3, generator=torch.Generator().manual_seed(3))
    blend = np.zeros((5, 7), np.float32)
    blend[2, 3] = 0.5
    photo = photo_of(before)
    after = picture_of(photo, blend, before)
    kept = torch.from_numpy(blend == 0)
    assert torch.equal(after[kept], before[kept])
    assert torch.equal(after[2, 3], torch.from_numpy(photo.pixels[2, 3].astype(np.float32) / 255.0))


def test_transparency_goes_through() -> None:
    image = torch.rand(1, 5, 7, 4, generator=torch.Generator().manual_seed(3))
    photo = photo_of(pictures_of(image)[0])
    assert photo.alpha is not None
    made = picture_of(photo, np.ones((5, 7), np.float32), image[0])
    assert made.shape == (5, 7, 4)
    assert (made - image[0]).abs().max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (torch.zeros(5, 7, 3), r"has the shape \(5, 7, 3\), but an IMAGE has"),
        (torch.zeros(1, 3, 5, 7), r"has the shape \(1, 3, 5, 7\)"),
        (torch.zeros(1, 5, 7, 1), r"has the shape \(1, 5, 7, 1\)"),
        (torch.zeros(0, 5, 7, 3), r"has the shape \(0, 5, 7, 3\)"),
        (torch.full((1, 5, 7, 3), torch.nan), "has values that are not numbers"),
    ],
)
def test_what_is_no_image_is_said(image: torch.Tensor, said: str) -> None:
    with pytest.raises(ia.PictureError, match=said):
        pictures_of(image)


def test_half_precision_and_what_lies_beyond_the_range_are_taken() -> None:
    (picture,) = pictures_of(torch.tensor([-0.5, 0.5, 1.5], dtype=torch.bfloat16).expand(1, 2, 2, 3))
    assert photo_of(picture).pixels[0, 0].tolist() == [0, 128, 255]


def test_a_mask_may_be_flat_or_have_channels() -> None:
    mask = box_of_ones(6, 8, 1, 2, 4, 5)
    for shaped in (mask, mask[0], mask[:, None], mask[..., None]):
        (levels,) = levels_of(shaped, 1)
        assert levels is not None and (levels == mask[0].numpy()).all()
    with pytest.raises(ia.RegionError, match="a MASK has"):
        levels_of(torch.ones(1, 6, 8, 3), 1)


def test_an_empty_mask_counts_as_none() -> None:
    """ComfyUI's loader gives 64 x 64 zeros with a picture without transparency, whatever its size."""
    assert levels_of(torch.zeros(64, 64), 2) == [None, None]
    assert levels_of(None, 2) == [None, None]
    assert mask_of(None, Size(9, 5)) is None


def test_a_mask_counts_from_one_half_and_is_brought_to_the_pictures_size() -> None:
    levels = np.array([[0.0, 0.49], [0.5, 1.0]], np.float32)
    mask = mask_of(levels, Size(4, 4))
    assert mask is not None
    assert mask.tolist() == [[False] * 4] * 2 + [[True] * 4] * 2
    with pytest.raises(ia.RegionError, match="The mask has 2 x 2 pixels, but the picture has 9 x 4, another shape"):
        mask_of(levels, Size(9, 4))
    with pytest.raises(ia.EmptyMaskError, match=r"The mask is nowhere above 0\.40, but counts from 0\.5 up"):
        mask_of(np.full((2, 2), 0.4, np.float32), Size(2, 2))


def test_one_of_a_batch_is_for_all() -> None:
    assert alike(["a"], 3, "mask") == ["a"] * 3
    assert alike(["a", "b"], 2, "mask") == ["a", "b"]
    with pytest.raises(ia.RecordError, match='"mask" has 2 of a batch for 3 pictures: give one for all'):
        alike(["a", "b"], 3, "mask")
