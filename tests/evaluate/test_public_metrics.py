"""The figures of public sets, against closed forms and another implementation."""

from __future__ import annotations

import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from intarsia.backbones.protocols import Backbones, EncodesKeys, PatchFeatures
from intarsia.evaluate.public_sets import metrics, perceptual

GENERATOR = np.random.default_rng(7)
PICTURE = GENERATOR.integers(0, 200, (40, 48, 3), np.uint8)
LEFT = np.zeros((40, 48), dtype=bool)
LEFT[:, :12] = True


def test_a_picture_is_like_itself(pocket: Backbones) -> None:
    assert metrics.mse(PICTURE, PICTURE) == 0
    assert metrics.psnr(PICTURE, PICTURE) == math.inf
    assert metrics.ssim(PICTURE, PICTURE) == pytest.approx(1)
    assert metrics.structure_distance(pocket.patches, PICTURE, PICTURE) == 0
    assert metrics.clip_image(pocket.scorer, PICTURE, PICTURE, device="cpu") == pytest.approx(100, abs=1e-3)
    assert metrics.changed_share(PICTURE, PICTURE, LEFT) == 0


def test_errors_of_a_region_are_averaged_over_the_whole_picture() -> None:
    lighter = PICTURE + 51  # a fifth of the range
    assert metrics.mse(PICTURE, lighter) == pytest.approx(0.04)
    assert metrics.psnr(PICTURE, lighter) == pytest.approx(-10 * math.log10(0.04))
    assert metrics.mse(PICTURE, lighter, LEFT) == pytest.approx(0.04 / 4)  # a quarter of the pixels
    assert metrics.psnr(PICTURE, lighter, ~LEFT) == pytest.approx(-10 * math.log10(0.03))


def test_what_lies_outside_a_region_does_not_count() -> None:
    other = PICTURE.copy()
    other[~LEFT] = 0
    assert metrics.mse(PICTURE, other, LEFT) == 0
    assert metrics.ssim(PICTURE, other, LEFT) == pytest.approx(1)
    assert metrics.changed_share(PICTURE, other, LEFT) == 0
    assert metrics.changed_share(PICTURE, other, np.zeros_like(LEFT)) is None


def test_structural_similarity_is_that_of_scikit_image() -> None:
    structural_similarity = pytest.importorskip("skimage.metrics").structural_similarity
    noisy = np.clip(PICTURE + GENERATOR.normal(0, 20, PICTURE.shape), 0, 255).astype(np.uint8)
    expected = structural_similarity(
        PICTURE / 255,
        noisy / 255,
        data_range=1.0,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert metrics.ssim(PICTURE, noisy) == pytest.approx(expected, abs=1e-9)


def test_structural_similarity_of_flat_pictures_is_known() -> None:
    black, white = np.zeros((24, 24, 3), np.uint8), np.full((24, 24, 3), 255, np.uint8)
    assert metrics.ssim(black, white) == pytest.approx(1e-4 / (1 + 1e-4))


class TwoTokens:
    """A patch encoder whose features are the means of two halves, which it shows as they are."""

    def encode(self, picture: Tensor) -> PatchFeatures:
        halves = [half.mean((0, 2, 3)) for half in picture.chunk(2, dim=3)]
        return PatchFeatures(features=torch.stack(halves, 1)[:, None], saliency=torch.full((1, 2), 0.5))


def test_structure_distance_of_two_tokens_is_known() -> None:
    red, blue = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)
    red[..., 0], blue[:, :4, 0], blue[:, 4:, 2] = 255, 255, 255
    # Tokens (1, -1, -1) twice, against (1, -1, -1) and (-1, -1, 1): cosines 1 and -1/3 beside the diagonal.
    assert metrics.structure_distance(TwoTokens(), red, blue) == pytest.approx(2 * (4 / 3) ** 2 / 4)
    assert metrics.structure_distance(TwoTokens(), red, red) == 0


def test_keys_come_from_the_last_layer_and_leave_the_network_as_it_was(pocket: Backbones) -> None:
    encoder = pocket.patches
    assert isinstance(encoder, EncodesKeys)
    tensor = metrics.whole_tensor(PICTURE)
    keys = encoder.encode_keys(tensor)
    rows, columns = encoder.encode(tensor).saliency.shape
    assert keys.shape == (1 + rows * columns, 128)
    last = encoder.model.layers[-1]  # type: ignore[attr-defined]
    assert not last.attention.k_proj._forward_hooks
    seen: list[Tensor] = []
    handle = last.layernorm_before.register_forward_hook(lambda module, inputs, output: seen.append(output))
    encoder.encode(tensor)
    handle.remove()
    torch.testing.assert_close(keys, last.attention.k_proj(seen[0])[0].detach())


def test_clip_similarity_is_the_cosine_and_sees_the_region_alone(pocket: Backbones) -> None:
    def score(pixels: np.ndarray, region: np.ndarray | None = None) -> float:
        return metrics.clip_text(pocket.scorer, pixels, "a cat", region, device="cpu")

    embedded = pocket.scorer.embed_images(metrics.whole_tensor(PICTURE))
    cosine = float((embedded * pocket.scorer.embed_texts(["a cat"])).sum())
    assert score(PICTURE) == pytest.approx(max(0, 100 * cosine), abs=1e-3)
    blacked = PICTURE * LEFT[..., None]
    assert score(PICTURE, LEFT) == score(blacked)


def test_a_moved_mask_loses_what_leaves_the_picture() -> None:
    mask = np.zeros((6, 8), dtype=bool)
    mask[1:3, 5:7] = True
    moved = metrics.shifted(mask, 2, -1)
    assert np.argwhere(moved).tolist() == [[0, 7], [1, 7]]
    image = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    assert (metrics.shifted_pixels(image, 2, -1)[0, 7] == image[1, 5]).all()


def test_exactness_is_of_what_an_edit_says_it_left_alone() -> None:
    after = PICTURE.copy()
    after[0, 0, 0] ^= 1
    blend = np.zeros(PICTURE.shape[:2], np.float32)
    assert not metrics.outside_exact(PICTURE, after, blend)
    blend[0, 0] = 0.01
    assert metrics.outside_exact(PICTURE, after, blend)


def test_lpips_is_left_out_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lpips", None)
    distance, note = perceptual.load_lpips()
    assert distance is None
    assert note == "LPIPS is left out, since its package is not installed: pip install 'intarsia[lpips]' adds it."


def test_lpips_is_never_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    class Network:
        def __init__(self, **how: object) -> None:
            assert how == {"net": "squeeze", "verbose": False}

        def eval(self) -> Network:
            return self

        def __call__(self, first: Tensor, second: Tensor) -> Tensor:
            assert first.shape == (1, 3, 40, 48) and first.min() >= -1
            return (first - second).abs().mean()

    weights = SimpleNamespace(IMAGENET1K_V1=SimpleNamespace(url="https://example.org/models/squeeze-1.pth"))
    monkeypatch.setitem(sys.modules, "lpips", SimpleNamespace(LPIPS=Network))
    monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "torchvision.models", SimpleNamespace(SqueezeNet1_1_Weights=weights))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    missing, note = perceptual.load_lpips()
    assert missing is None and str(tmp_path / "checkpoints" / "squeeze-1.pth") in note
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "squeeze-1.pth").touch()
    distance, note = perceptual.load_lpips()
    assert distance is not None and note == ""
    assert distance(PICTURE, PICTURE + 51, None) == pytest.approx(0.4, abs=1e-5)
    assert distance(PICTURE, PICTURE + 51, LEFT) == pytest.approx(0.1, abs=1e-5)
