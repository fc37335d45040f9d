"""Guidance by layout: what its losses mean, that a step is a gradient step, that it lowers the loss."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from intarsia.backbones.protocols import Backbones
from intarsia.diffusion.attention_maps import AttentionRecorder
from intarsia.layout.guidance import Goal, guidance_decay, guided_step, layout_losses, published_losses, refine, total


def goal(rows: int = 4, columns: int = 4) -> Goal:
    targets = torch.zeros(2, rows, columns)
    targets[0, :2, :2] = 1
    targets[1, -1:, -1:] = 1
    vacated = torch.zeros(1, rows, columns)
    vacated[:, :1, -1:] = 1
    return Goal(targets, vacated)


def on(targets: Tensor) -> Tensor:
    """Attention that lies on some places exactly, (1, rows, columns, N)."""
    return targets.permute(1, 2, 0)[None] * 0.3


def test_attention_on_the_place_costs_nothing_and_beside_it_all() -> None:
    there = goal()
    for losses in (published_losses, layout_losses):
        assert losses(on(there.targets), there)[0, :2].tolist() == pytest.approx([0, 0], abs=1e-5)
        assert losses(on(1 - there.targets), there)[0, :2].tolist() == pytest.approx([1, 1], abs=1e-5)


def test_the_size_of_an_object_does_not_set_its_loss() -> None:
    """Even attention says nothing, whatever the place's size; the published share calls it a loss of 1 - area."""
    there, even = goal(), torch.full((1, 4, 4, 2), 0.2)
    assert layout_losses(even, there)[0, :2].tolist() == pytest.approx([0.5, 0.5])
    assert published_losses(even, there)[0].tolist() == pytest.approx([1 - 4 / 16, 1 - 1 / 16])


def test_the_background_term_is_attention_to_what_was_vacated() -> None:
    there = goal()
    assert float(layout_losses(on(there.targets), there)[0, 2]) == pytest.approx(0, abs=1e-5)
    haunted = on(there.targets) + on(there.vacated.expand(2, -1, -1))
    assert float(layout_losses(haunted, there)[0, 2]) == pytest.approx(0.5, abs=1e-4)
    nothing_left = Goal(there.targets, torch.zeros_like(there.vacated))
    assert float(layout_losses(haunted, nothing_left)[0, 2]) == 0


def test_mean_and_max_give_up_no_object() -> None:
    assert total(torch.tensor([[0.2, 0.8], [0.5, 0.5]])).tolist() == pytest.approx([1.3, 1.0])


def test_the_scale_falls_as_published() -> None:
    assert guidance_decay(0, 50) == 1
    assert guidance_decay(49, 50) == pytest.approx(math.sqrt(0.5))
    assert guidance_decay(0, 1) == 1


def looking(backbones: Backbones, there: Goal) -> Callable[[Tensor], Tensor]:
    diffusion = backbones.in_parts
    text = diffusion.encode_text(["a cat and a house"]).detach()

    def look(latents: Tensor) -> Tensor:
        recorder = AttentionRecorder()
        with recorder.attached(diffusion.unet):
            diffusion.predict(latents, 600, text.expand(len(latents), -1, -1))
            return layout_losses(recorder.mean()[..., [2, 5]], there)

    return look


def noise(seed: int, count: int = 1) -> Tensor:
    return torch.randn(count, 4, 16, 16, generator=torch.Generator().manual_seed(seed))


def test_one_guided_step_is_plain_autograd(pocket: Backbones) -> None:
    there, latents = goal(16, 16), noise(0)
    look = looking(pocket, there)
    moved, losses = guided_step(look, latents, 3.0)

    diffusion = pocket.in_parts
    plain = latents.clone().requires_grad_(True)
    recorder = AttentionRecorder()
    with recorder.attached(diffusion.unet):
        diffusion.predict(plain, 600, diffusion.encode_text(["a cat and a house"]).detach())
        attention = torch.stack([m.mean(1) for m in recorder.maps]).mean(0)[0].reshape(16, 16, -1)[..., [2, 5]]
    parts = []
    for k in range(2):
        inside = (attention[..., k] * there.targets[k]).sum() / there.targets[k].sum()
        outside = (attention[..., k] * (1 - there.targets[k])).sum() / (1 - there.targets[k]).sum()
        parts.append((inside, outside / (inside + outside)))
    behind = (attention * there.vacated[0, ..., None]).sum((0, 1)).mean() / there.vacated.sum()
    inside = (parts[0][0] + parts[1][0]) / 2
    three = torch.stack([parts[0][1], parts[1][1], behind / (behind + inside)])
    (three.mean() + three.max()).backward()
    assert torch.allclose(losses[0], three.detach(), atol=1e-4)
    assert plain.grad is not None
    assert torch.allclose(moved, latents - 3.0 * plain.grad, atol=1e-3 * float(plain.grad.abs().max()))


def test_guidance_lowers_the_loss_of_every_seed(pocket: Backbones) -> None:
    look, latents = looking(pocket, goal(16, 16)), noise(1, 2)
    before = total(look(latents).detach())
    after = latents
    for _ in range(12):
        after, _ = guided_step(look, after, 20.0)
    assert bool((total(look(after).detach()) < before - 0.1).all())


def test_seeds_of_a_batch_do_not_touch_each_other(pocket: Backbones) -> None:
    look, latents = looking(pocket, goal(16, 16)), noise(2, 2)
    both, _ = guided_step(look, latents, 5.0)
    alone, _ = guided_step(look, latents[1:], 5.0)
    assert torch.allclose(both[1:], alone, atol=1e-5)


def quadratic(latents: Tensor) -> Tensor:
    """Two objects that want two coordinates to be 0."""
    return latents.flatten(1)[:, :2].square()


def test_only_cells_that_may_move_do() -> None:
    latents = torch.ones(1, 1, 2, 1)
    where = torch.tensor([[[[1.0], [0.0]]]])
    moved, _ = guided_step(quadratic, latents, 0.1, where=where)
    assert float(moved[0, 0, 1, 0]) == 1 and float(moved[0, 0, 0, 0]) < 1


def test_an_object_whose_loss_is_low_enough_no_longer_pulls() -> None:
    latents = torch.tensor([0.5, 2.0]).reshape(1, 1, 2, 1)
    moved, losses = guided_step(quadratic, latents, 0.1, enough=0.3)
    assert losses[0].tolist() == [0.25, 4.0]
    assert float(moved[0, 0, 0, 0]) == 0.5 and float(moved[0, 0, 1, 0]) < 2


def test_refinement_ends_at_the_threshold_or_after_so_many_steps_and_spares_seeds_that_are_there() -> None:
    latents = torch.tensor([[0.1, 0.2], [0.4, 3.0]]).reshape(2, 1, 2, 1)
    taken: list[int] = []
    found = refine(quadratic, latents, 0.1, enough=0.2, most=50, on_step=lambda: taken.append(1))
    assert torch.equal(found[0], latents[0])
    assert bool((quadratic(found) <= 0.2).all()) and 0 < len(taken) < 50
    taken.clear()
    refine(quadratic, latents, 0.1, enough=0.2, most=2, on_step=lambda: taken.append(1))
    assert len(taken) == 2
    assert torch.equal(refine(quadratic, latents, 0.1, enough=9.1, most=5), latents)


def test_the_published_stop_is_by_mean_and_max_of_all_and_all_pull_to_the_end() -> None:
    latents = torch.tensor([0.1, 0.6]).reshape(1, 1, 2, 1)  # losses 0.01 and 0.36: mean + max is 0.545
    assert torch.equal(refine(quadratic, latents, 0.1, enough=0.55, most=5, together=True), latents)
    ours = refine(quadratic, latents, 0.1, enough=0.4, most=50)
    assert torch.equal(ours, latents)  # each loss for itself is low enough
    published = refine(quadratic, latents, 0.1, enough=0.4, most=50, together=True)
    assert float(total(quadratic(published))) <= 0.4
    assert bool((published.abs() < latents.abs()).all())
    one_less = refine(quadratic, latents, 0.1, enough=0.4, most=1, together=True)
    assert float(total(quadratic(one_less))) > 0.4 or torch.equal(one_less, published)
