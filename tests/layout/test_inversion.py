"""DDIM inversion: there and back is identity for a denoiser that knows, and close for one that learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from intarsia.backbones.protocols import Backbones
from intarsia.diffusion.ddim import Conditioned, Prediction, add_noise, ddim_invert, sample, with_signal
from intarsia.errors import Cancelled
from intarsia.imaging.geometry import Size
from intarsia.imaging.read import read_photo
from intarsia.imaging.tensors import to_tensor
from intarsia.layout.cache import MemoryCache
from intarsia.layout.inversion import invert
from intarsia.progress import Progress
from tests.paths import SCENES

SCENE = SCENES / "0001.png"
ALPHAS = torch.linspace(1, 0, 101)[:-1].double() ** 2


@dataclass
class Made:
    """A denoiser of one's own making."""

    answer: Callable[[Tensor, int], Prediction]
    alphas_cumprod: Tensor = field(default_factory=lambda: ALPHAS)

    def predict(self, noisy: Tensor, timestep: int) -> Prediction:
        return self.answer(noisy, timestep)


def perfect(clean: Tensor, noise: Tensor) -> Made:
    return Made(lambda latents, timestep: Prediction(clean, noise))


def test_there_and_back_is_identity_for_a_denoiser_that_knows() -> None:
    clean, noise = torch.randn(1, 4, 3, 3).double(), torch.randn(1, 4, 3, 3).double()
    timesteps = list(range(98, 0, -7))
    found = ddim_invert(perfect(clean, noise), clean, timesteps)
    for timestep, latents in zip(timesteps, found, strict=True):
        assert torch.allclose(latents, add_noise(clean, noise, ALPHAS[timestep])[0])
    assert torch.allclose(sample(perfect(clean, noise), found[:1], timesteps), clean)


def test_there_and_back_is_identity_for_a_linear_denoiser_in_the_limit_of_small_steps() -> None:
    """The best denoiser of unit noise sees noise in proportion to its share; the way is then an exact rotation."""

    def linear(latents: Tensor, timestep: int) -> Prediction:
        alpha = ALPHAS[timestep]
        return Prediction(alpha.sqrt() * latents, (1 - alpha).sqrt() * latents)

    clean = torch.randn(1, 4, 3, 3).double()
    errors = []
    for stride in (8, 1):
        timesteps = list(range(90, 0, -stride))
        found = ddim_invert(Made(linear), clean, timesteps)
        again = sample(Made(linear), found[:1], timesteps)
        errors.append(float((again - clean).abs().mean() / clean.abs().mean()))
    assert errors[1] < 0.05 and errors[1] < errors[0] / 4


def test_the_first_timestep_of_a_zero_terminal_schedule_is_left_out(pocket: Backbones) -> None:
    diffusion = pocket.in_parts
    timesteps = diffusion.timesteps(20)
    assert float(diffusion.alphas_cumprod[timesteps[0]]) == 0
    assert with_signal(timesteps, diffusion.alphas_cumprod) == timesteps[1:]
    assert with_signal([90, 50], ALPHAS) == [90, 50]


def test_with_the_pocket_models_the_way_back_ends_close_to_the_picture(pocket: Backbones) -> None:
    diffusion = pocket.in_parts
    clean = diffusion.encode_image(to_tensor(read_photo(SCENE), Size(64, 64)))
    text = diffusion.encode_text(["a cake on a wood table"])
    inversion = invert(diffusion, clean, text, 25, cache=MemoryCache(), known_by="")
    assert inversion.latents.shape == (24, 4, 16, 16)
    assert inversion.latents.isfinite().all()
    # From the middle of the schedule, where the objects are being painted.
    model = Conditioned(diffusion, text)
    again = sample(model, inversion.latents[8:9], inversion.timesteps[8:])
    off = float((again - clean).square().mean() / clean.square().mean())
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    start = add_noise(clean, noise, float(diffusion.alphas_cumprod[inversion.timesteps[8]]))
    drawn = sample(model, start, inversion.timesteps[8:])
    # Noise that was drawn leads elsewhere from the same timestep.
    assert off < 0.05 and off < 0.5 * float((drawn - clean).square().mean() / clean.square().mean())


def test_an_inversion_is_computed_once_for_a_picture_its_prompt_and_its_model(tiny_backbones: Backbones) -> None:
    diffusion, cache = tiny_backbones.in_parts, MemoryCache()
    clean = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    text = diffusion.encode_text(["cat"])
    told: list[Progress] = []

    def go(clean: Tensor, known_by: str = "a") -> Tensor:
        return invert(diffusion, clean, text, 4, cache=cache, known_by=known_by, on_progress=told.append).latents

    first = go(clean)
    assert [(p.done, p.total) for p in told] == [(1, 3), (2, 3), (3, 3)]
    evaluations = diffusion.counter.evaluations
    assert torch.equal(go(clean), first) and diffusion.counter.evaluations == evaluations
    go(clean + 1)
    go(clean, "b")
    assert diffusion.counter.evaluations == evaluations + 6


def test_inversion_can_be_cancelled(tiny_backbones: Backbones) -> None:
    def stop(progress: Progress) -> None:
        raise Cancelled("stop")

    cache = MemoryCache()
    diffusion = tiny_backbones.in_parts
    with pytest.raises(Cancelled):
        invert(
            diffusion,
            torch.zeros(1, 4, 8, 8),
            diffusion.encode_text(["cat"]),
            4,
            cache=cache,
            known_by="",
            on_progress=stop,
        )
    assert not cache.kept
