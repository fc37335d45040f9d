"""Photos and tensors, and pasting back."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from intarsia.errors import ModelError
from intarsia.imaging.geometry import Size
from intarsia.imaging.read import photo_from_image
from intarsia.imaging.tensors import paste_back, resize_to_photo, to_tensor
from tests.imaging.image_files import noise


def test_a_tensor_at_the_photo_s_size_is_exact() -> None:
    photo = photo_from_image(noise(31, 17))
    tensor = to_tensor(photo, photo.size)
    assert tensor.shape == (1, 3, 17, 31) and tensor.dtype == torch.float32
    assert tensor.min() >= -1 and tensor.max() <= 1
    assert np.array_equal(resize_to_photo(tensor[0], photo.size), photo.pixels)


def test_resizing_keeps_the_whole_picture_and_its_mean() -> None:
    ramp = np.repeat(np.linspace(0, 255, 200).astype(np.uint8)[None, :, None], 100, axis=0).repeat(3, axis=2)
    small = to_tensor(photo_from_image(ramp), Size(32, 16))
    assert small.shape == (1, 3, 16, 32)
    assert small.mean().item() == pytest.approx(0, abs=0.02)
    assert small[0, 0, 0, 0] < -0.95 and small[0, 0, 0, -1] > 0.95


def test_values_beyond_the_range_are_cut_and_nan_is_refused() -> None:
    size = Size(16, 16)
    assert (resize_to_photo(torch.full((3, 16, 16), 7.0), size) == 255).all()
    with pytest.raises(ModelError, match="float32"):
        resize_to_photo(torch.full((3, 16, 16), torch.nan), size)


@settings(max_examples=40)
@given(st.integers(16, 71), st.integers(16, 71), st.integers(0, 2**32 - 1))
def test_pasting_keeps_takes_or_mixes(width: int, height: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    photo = photo_from_image(noise(width, height, 4, seed))
    edited = torch.from_numpy(rng.uniform(-1.1, 1.1, (3, 24, 40)).astype(np.float32))
    blend = np.clip(rng.uniform(-1, 2, (height, width)), 0, 1).astype(np.float32)
    blend[:, : width // 3] = 0
    result = paste_back(photo, edited, blend)
    fresh = resize_to_photo(edited, photo.size)
    assert np.array_equal(result.pixels[blend == 0], photo.pixels[blend == 0])
    assert np.array_equal(result.pixels[blend == 1], fresh[blend == 1])
    exact = photo.pixels + (fresh.astype(np.float64) - photo.pixels) * blend[..., None]
    assert np.abs(result.pixels - exact).max() <= 0.5 + 1e-6
    assert result.alpha is photo.alpha


def test_a_blend_of_nothing_changes_nothing_over_ten_edits() -> None:
    photo = photo_from_image(noise(601, 333))
    mask = np.zeros((333, 601), np.float32)
    mask[:100, 500:] = 1
    edited = photo
    for seed in range(10):
        edited = paste_back(edited, torch.randn(3, 64, 112, generator=torch.Generator().manual_seed(seed)), mask)
    assert np.array_equal(edited.pixels[mask == 0], photo.pixels[mask == 0])
    assert paste_back(photo, torch.zeros(3, 8, 8), mask * 0).pixels.tobytes() == photo.pixels.tobytes()
