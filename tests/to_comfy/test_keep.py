"""Keep the rest exact: what another node did outside of the mask is undone, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from intarsia.imaging.masks import feather
from tests.to_comfy.stubs import Host, Interrupted, box_of_ones, load_image, saved_levels, scene
from to_comfy.host import NodeError
from to_comfy.keep_node import KeepTheRest


def keep(
    original: torch.Tensor, edited: torch.Tensor, mask: torch.Tensor, feather: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    return KeepTheRest().keep(original, edited, mask, feather)


def test_outside_of_the_mask_every_pixel_is_the_originals() -> None:
    original, other = load_image(scene(0)), load_image(scene(1))
    mask = box_of_ones(64, 64, 10, 12, 40, 50)
    image, blend = keep(original, other, mask)
    inside = mask.bool()
    assert torch.equal(image[~inside], original[~inside])
    assert torch.equal(image[inside], other[inside])
    assert torch.equal(blend, mask)
    assert (saved_levels(image)[~inside] == np.asarray(Image.open(scene(0)).convert("RGB"))[None][~inside]).all()


def test_values_between_levels_stay_too() -> None:
    generator = torch.Generator().manual_seed(1)
    original, edited = torch.rand(2, 1, 20, 30, 3, generator=generator)
    mask = box_of_ones(20, 30, 5, 5, 15, 15)
    image, _ = keep(original, edited, mask, feather=0.1)
    assert torch.equal(image[mask == 0], original[mask == 0])
    assert (image[0, 10, 10] - edited[0, 10, 10]).abs().max() <= 0.5 / 255 + 1e-6


def test_the_soft_edge_lies_within_the_mask() -> None:
    original, other = load_image(scene(0)), load_image(scene(1))
    mask = box_of_ones(64, 64, 10, 12, 40, 50)
    image, blend = keep(original, other, mask, feather=0.1)
    assert (blend[0].numpy() == feather(mask[0].numpy() > 0, 6.4)).all()
    mixed = original * (1 - blend[..., None]) + other * blend[..., None]
    assert (image - mixed).abs().max() <= 0.5 / 255 + 1e-6


def test_a_soft_mask_mixes_as_much_as_it_says() -> None:
    original, edited = torch.zeros(1, 8, 8, 3), torch.ones(1, 8, 8, 3)
    mask = torch.linspace(0, 1, 8).repeat(1, 8, 1)
    image, blend = keep(original, edited, mask)
    assert torch.equal(blend, mask)
    assert (image[0, 4, :, 0] - mask[0, 0]).abs().max() <= 0.5 / 255 + 1e-6


def test_an_edit_of_another_size_is_resampled() -> None:
    original = load_image(scene(0))
    edited = load_image(Image.open(scene(1)).resize((128, 128), Image.Resampling.BICUBIC))
    mask = box_of_ones(64, 64, 10, 12, 40, 50)
    image, _ = keep(original, edited, mask)
    assert image.shape == original.shape
    assert torch.equal(image[mask == 0], original[mask == 0])
    assert (image - load_image(scene(1)))[mask == 1].abs().mean() < 0.02


def test_a_mask_of_another_size_is_brought_to_the_originals() -> None:
    original, other = load_image(scene(0)), load_image(scene(1))
    _, blend = keep(original, other, box_of_ones(32, 32, 5, 6, 20, 25))
    assert torch.equal(blend, box_of_ones(64, 64, 10, 12, 40, 50))


def test_an_edit_of_another_shape_is_refused_in_a_sentence() -> None:
    with pytest.raises(
        NodeError, match=r"The edited picture has 64 x 48 pixels, but the original has 64 x 64, another"
    ):
        keep(torch.zeros(1, 64, 64, 3), torch.zeros(1, 48, 64, 3), torch.ones(1, 64, 64))


def test_an_empty_mask_keeps_all() -> None:
    original = torch.rand(1, 20, 30, 3, generator=torch.Generator().manual_seed(1))
    image, blend = keep(original, torch.zeros(1, 20, 30, 3), torch.zeros(64, 64))
    assert torch.equal(image, original)
    assert not blend.any()


def test_one_original_serves_a_batch_of_edits() -> None:
    original, edited = load_image(scene(0)), load_image(scene(1), scene(2), scene(3))
    mask = box_of_ones(64, 64, 10, 12, 40, 50)
    image, blend = keep(original, edited, mask)
    assert image.shape == (3, 64, 64, 3) and blend.shape == (3, 64, 64)
    for number in range(3):
        assert torch.equal(image[number], keep(original, edited[number : number + 1], mask)[0][0])
    with pytest.raises(NodeError, match='"original" has 2 of a batch for 3 pictures'):
        keep(original.repeat(2, 1, 1, 1), edited, mask)


def test_the_originals_transparency_stays() -> None:
    original = torch.rand(1, 20, 30, 4, generator=torch.Generator().manual_seed(1))
    image, _ = keep(original, torch.zeros(1, 20, 30, 3), box_of_ones(20, 30, 5, 5, 15, 15))
    assert (image[..., 3] - original[..., 3]).abs().max() <= 0.5 / 255 + 1e-6
    assert not image[0, 5:15, 5:15, :3].any()


def test_it_can_be_cancelled(host: Host) -> None:
    host.cancel_after = 1
    with pytest.raises(Interrupted):
        keep(load_image(scene(0), scene(1)), load_image(scene(2)), torch.ones(1, 64, 64))
    assert host.unloaded == 0
