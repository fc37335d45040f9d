"""The one loop of sampling: what hooks may do, and in which order they do it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import pytest
import torch
from diffusers import DDIMScheduler
from torch import Tensor

from intarsia.diffusion.ddim import (
    Conditioned,
    Prediction,
    SamplingHook,
    Step,
    add_noise,
    cfg,
    ddim_invert,
    draw_noise,
    last_timesteps,
    sample,
)
from intarsia.diffusion.sampling_hooks import BlendOutside, ClassifierFreeGuidance, ReportProgress
from intarsia.errors import Cancelled
from intarsia.progress import Progress

SCHEDULER = DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False)
SCHEDULER.set_timesteps(10)
TIMESTEPS = [int(t) for t in SCHEDULER.timesteps]
ALPHAS = SCHEDULER.alphas_cumprod


@dataclass
class Half:
    """A denoiser that takes a fixed part of its input, and of its text, for noise."""

    alphas_cumprod: Tensor = field(default_factory=lambda: ALPHAS)
    batches: list[int] = field(default_factory=list)

    def predict(self, noisy: Tensor, timestep: int, text: Tensor) -> Prediction:
        self.batches.append(len(noisy))
        noise = 0.5 * noisy + text.reshape(-1, 1, 1, 1)
        alpha = self.alphas_cumprod[timestep]
        return Prediction((noisy - (1 - alpha).sqrt() * noise) / alpha.sqrt(), noise)


def start(count: int = 2) -> Tensor:
    return draw_noise((1, 4, 3, 5), range(count))


def test_without_hooks_the_loop_is_that_of_diffusers_scheduler() -> None:
    model, wanted = Half(), start()
    text = torch.tensor([0.1, -0.2])
    for timestep in SCHEDULER.timesteps:
        noise = model.predict(wanted, int(timestep), text).noise
        wanted = SCHEDULER.step(noise, timestep, wanted).prev_sample
    assert torch.allclose(sample(Conditioned(model, text), start(), TIMESTEPS), wanted, atol=1e-4)


def test_guidance_doubles_the_batch_and_combines_both_predictions() -> None:
    model, text = Half(), torch.tensor([0.1, 0.3])
    guided = sample(Conditioned(model, text), start(1), TIMESTEPS[-1:], [ClassifierFreeGuidance(3.0)])
    assert model.batches == [2]
    unconditional, conditional = (model.predict(start(1), TIMESTEPS[-1], t[None]).clean for t in text)
    assert torch.allclose(guided, cfg(unconditional, conditional, 3.0), atol=1e-5)


def test_outside_of_a_region_the_known_image_comes_back_exactly() -> None:
    clean, noise = start(3)[2:], start()
    region = torch.zeros(1, 1, 3, 5)
    region[..., :2] = 1
    hooks = [BlendOutside(clean, noise, region)]
    noisy = add_noise(clean, noise, ALPHAS[TIMESTEPS[0]])
    latents = sample(Conditioned(Half(), torch.zeros(2)), noisy, TIMESTEPS, hooks)
    assert torch.equal(latents[..., 2:], clean.expand(2, -1, -1, -1)[..., 2:])
    assert not torch.allclose(latents[..., :2], clean.expand(2, -1, -1, -1)[..., :2], atol=1e-2)


@dataclass
class Told(SamplingHook):
    """Writes down what it is called for."""

    name: str
    calls: list[str]

    def before_step(self, latents: Tensor, step: Step) -> Tensor:
        self.calls.append(f"{self.name} before")
        return latents

    def extend_batch(self, batch: Tensor, step: Step) -> Tensor:
        self.calls.append(f"{self.name} batch")
        return batch

    def attached(self, step: Step) -> AbstractContextManager[object]:
        @contextmanager
        def block() -> Iterator[None]:
            self.calls.append(f"{self.name} attach")
            try:
                yield
            finally:
                self.calls.append(f"{self.name} detach")

        return block()

    def after_prediction(self, prediction: Prediction, step: Step) -> Prediction:
        self.calls.append(f"{self.name} prediction")
        return prediction

    def after_step(self, latents: Tensor, step: Step) -> Tensor:
        self.calls.append(f"{self.name} after")
        return latents


def test_hooks_run_in_their_order_and_undo_their_batches_in_reverse() -> None:
    calls: list[str] = []
    hooks = [Told("a", calls), Told("b", calls)]
    sample(Conditioned(Half(), torch.zeros(2)), start(), TIMESTEPS[-1:], hooks)
    assert calls == [
        *("a before", "b before", "a batch", "b batch"),
        *("a attach", "b attach", "b detach", "a detach"),
        *("b prediction", "a prediction", "a after", "b after"),
    ]


def test_what_is_attached_is_detached_where_the_denoiser_fails() -> None:
    calls: list[str] = []
    with pytest.raises(RuntimeError):
        sample(Conditioned(Half(), torch.zeros(7)), start(), TIMESTEPS, [Told("a", calls)])
    assert calls[-1] == "a detach"


def test_each_step_knows_its_place_and_its_signal() -> None:
    steps: list[Step] = []

    class Keep(SamplingHook):
        def after_step(self, latents: Tensor, step: Step) -> Tensor:
            steps.append(step)
            return latents

    model = Conditioned(Half(), torch.zeros(1))
    sample(model, start(1), TIMESTEPS, [Keep()])
    assert [s.timestep for s in steps] == TIMESTEPS and [s.index for s in steps] == list(range(10))
    assert [float(s.alpha) for s in steps[1:]] == [float(s.next_alpha) for s in steps[:-1]]
    assert float(steps[-1].next_alpha) == 1
    steps.clear()
    ddim_invert(model, start(1), TIMESTEPS, [Keep()])
    # Inversion predicts where the latents are, beginning with clean ones, and ends at the noisiest timestep.
    assert [s.timestep for s in steps] == [0, *TIMESTEPS[:0:-1]]
    assert float(steps[0].alpha) == 1 and float(steps[-1].next_alpha) == float(ALPHAS[TIMESTEPS[0]])


def test_progress_is_reported_and_may_cancel() -> None:
    told: list[Progress] = []
    model = Conditioned(Half(), torch.zeros(1))
    sample(model, start(1), TIMESTEPS, [ReportProgress("painting", told.append)])
    assert [(p.stage, p.done, p.total) for p in told] == [("painting", k + 1, 10) for k in range(10)]

    def stop(progress: Progress) -> None:
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        sample(model, start(1), TIMESTEPS, [ReportProgress("painting", stop)])


def test_the_whole_loop_is_differentiable() -> None:
    noisy = start(1).requires_grad_(True)
    sample(Conditioned(Half(), torch.zeros(1)), noisy, TIMESTEPS).sum().backward()
    assert noisy.grad is not None and bool((noisy.grad != 0).all())


def test_noise_depends_on_its_seed_alone_and_a_schedule_keeps_a_step() -> None:
    assert torch.equal(draw_noise((1, 4, 3, 5), [3, 8])[1:], draw_noise((4, 3, 5), [8]))
    assert last_timesteps([9, 6, 3, 0], 0.5) == [3, 0] and last_timesteps([9, 6, 3, 0], 0.0) == [0]
