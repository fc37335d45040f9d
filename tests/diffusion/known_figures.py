"""Small tensors through the arithmetic of sampling, attention and losses, and a few figures of what comes out.

Written anew with `python -m tests.diffusion.known_figures`. That a figure changed says that edits do: look at them first.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from intarsia.diffusion import attention_control, attention_maps, ddim, loss_scale, sampling_hooks, soft_masks, tiles
from intarsia.imaging import cells
from intarsia.imaging.crop import crop_around
from intarsia.imaging.geometry import Box, Size
from intarsia.layout import guidance
from intarsia.regions import losses
from tests import tiny
from tests.known import Cases, raised, write

FILE = Path(__file__).with_name("known_figures.json")

CASES = Cases()
case = CASES.add


def numbers(*shape: int, seed: int = 0) -> Tensor:
    """Numbers by chance, always the same, of unit deviation."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).float()


def shares(*shape: int, seed: int = 0) -> Tensor:
    """Numbers by chance, always the same, from 0 to 1."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).float()


def network(**changed: Any) -> Any:
    """A small denoiser with weights by chance, always the same."""
    unet = tiny.denoiser(4, **changed).eval().requires_grad_(False)
    for number, weight in enumerate(unet.parameters()):
        values = numbers(*weight.shape, seed=number)
        weight.copy_(values / max(weight[0].numel(), 1) ** 0.5 if weight.dim() > 1 else 0.1 * values + 0.5)
    return unet


class Denoiser:
    """Predicts by a formula, and counts what it is asked."""

    alphas_cumprod = torch.linspace(0.99, 0.0, 11)

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def predict(self, noisy: Tensor, timestep: int, text: Tensor | None = None) -> ddim.Prediction:
        self.asked.append((len(noisy), timestep))
        told = 0.0 if text is None else text.mean((1, 2))[:, None, None, None]
        return ddim.Prediction((0.7 * noisy + told).sin(), noisy * (0.2 + timestep / 20) + told)


class Witness(ddim.SamplingHook):
    """Changes everything that a hook may, and keeps what it is told."""

    def __init__(self, factor: float, told: list[Any]) -> None:
        self.factor, self.told = factor, told

    def before_step(self, latents: Tensor, step: ddim.Step) -> Tensor:
        self.told.append((step.index, step.count, step.timestep, step.alpha, step.next_alpha))
        return latents * self.factor

    def extend_batch(self, batch: Tensor, step: ddim.Step) -> Tensor:
        return torch.cat([batch, batch + self.factor])

    def after_prediction(self, prediction: ddim.Prediction, step: ddim.Step) -> ddim.Prediction:
        return ddim.Prediction(*(a * self.factor + b for a, b in (part.chunk(2) for part in prediction)))

    def after_step(self, latents: Tensor, step: ddim.Step) -> Tensor:
        return latents - self.factor * step.index


@case
def sampling() -> Any:
    told: list[Any] = []
    model, hooks = Denoiser(), [Witness(1.1, told), Witness(0.8, told)]
    latents = numbers(2, 3, 4, 5)
    conditioned = ddim.Conditioned(model, shares(2, 3, 2))
    return {
        "plain": ddim.sample(model, latents, [9, 6, 3]),
        "silent": ddim.sample(model, latents, [9, 4], [ddim.SamplingHook()]),
        "hooks": ddim.sample(model, latents, [8, 5, 2, 1], hooks),
        "told": told,
        "inverted": ddim.ddim_invert(model, latents[:1], [9, 6, 3]),
        "inverted beside": ddim.ddim_invert(model, latents[:1], [7, 3, 2], [Witness(0.9, told)]),
        "conditioned": (ddim.sample(conditioned, latents, [9, 2]), conditioned.alphas_cumprod),
        "asked": model.asked,
    }


@case
def steps_of_sampling() -> Any:
    clean, noise, mask = numbers(2, 3, 4, 5), numbers(2, 3, 4, 5, seed=1), shares(2, 1, 4, 5)
    each = torch.tensor([0.3, 0.9])[:, None, None, None]
    nothing = mask * torch.tensor([1.0, 0.0])[:, None, None, None]
    return {
        "signal": ddim.with_signal([10, 9, 4, 0], Denoiser.alphas_cumprod),
        "last": [ddim.last_timesteps([9, 7, 5, 3, 1], strength) for strength in (0.0, 0.3, 0.5, 1.0)],
        "noise": (ddim.draw_noise((1, 3, 4, 5), [4, 9]), ddim.draw_noise((2, 3), [1])),
        "noisy": (ddim.add_noise(clean, noise, 0.36), ddim.add_noise(clean.double(), noise.double(), each)),
        "step": (
            ddim.ddim_step(ddim.Prediction(clean, noise), 0.36),
            ddim.ddim_step(ddim.Prediction(clean, noise), each),
        ),
        "guided": ddim.cfg(clean, noise, 3.0),
        "blend": ddim.blend(clean, noise, mask),
        "loss": ddim.masked_noise_loss(clean, noise, mask),
        "no cell": raised(ddim.masked_noise_loss, clean, noise, nothing),
    }


@case
def hooks_of_sampling() -> Any:
    model, latents, done = Denoiser(), numbers(2, 3, 4, 5), list[Any]()
    text = shares(4, 3, 2)
    region = (shares(1, 1, 4, 5) > 0.5).float()
    hooks = [
        sampling_hooks.ClassifierFreeGuidance(2.5),
        sampling_hooks.BlendOutside(numbers(1, 3, 4, 5, seed=2), numbers(2, 3, 4, 5, seed=3), region),
        sampling_hooks.ReportProgress("sampling", done.append),
        sampling_hooks.ReportProgress("unheard", None),
    ]
    return ddim.sample(ddim.Conditioned(model, text), latents, [9, 5, 2], hooks), done, model.asked


def moved(rows: int, columns: int) -> attention_control.Correspondence:
    """Cells that come from two farther on, with two kinds of things."""
    count = rows * columns
    labels = torch.stack([shares(count), 0.9 - 0.9 * shares(count)], 1)
    return attention_control.Correspondence(
        index=(torch.arange(count) + 2) % count,
        known=torch.arange(count) % 3 > 0,
        labels=labels,
        source_labels=labels.roll(2, 0),
    )


@case
def attention_of_a_source() -> Any:
    unet, asked = network(), list[Any]()

    def correspondence(rows: int, columns: int) -> attention_control.Correspondence:
        asked.append((rows, columns))
        return moved(rows, columns)

    latents, text = numbers(3, 4, 8, 6), numbers(3, 5, tiny.WIDTH, seed=1)

    def answer(rows: int = 3) -> Tensor:
        told: Tensor = unet(latents[:rows], 10, encoder_hidden_states=text[:rows], return_dict=False)[0]
        return told

    with torch.no_grad():
        plain = answer()
        injection = attention_control.SourceInjection(unet, 8, 6, correspondence)
        with injection.attached():
            given, alone = answer(), answer(1)
        with injection.attached():
            again = answer(2)
        hidden = torch.zeros(8, 6)
        hidden[2:6, 1:4] = 0.8
        with attention_control.mask_self_attention(unet, hidden):
            masked = answer()
        with attention_control.mask_self_attention(unet, torch.ones(8, 6)):
            all_masked = answer()
        source = sampling_hooks.InjectSource(
            unet=unet, source=latents[:1], noise=latents[1:2], steps=1, correspondence=correspondence
        )
        conditioned = ddim.Conditioned(_Wrapped(unet), text)
        sampled = ddim.sample(conditioned, latents[1:], [9, 4], [source])
        after = answer()
    grids = [attention_control.grid_of(*asked_for) for asked_for in ((48, 8, 6), (12, 8, 6), (6, 9, 5), (15, 9, 5))]
    return plain, given, alone, again, masked, all_masked, sampled, after, asked, grids


class _Wrapped:
    """A network as a denoiser."""

    alphas_cumprod = Denoiser.alphas_cumprod

    def __init__(self, unet: Any) -> None:
        self.unet = unet

    def predict(self, noisy: Tensor, timestep: int, text: Tensor, /) -> ddim.Prediction:
        noise: Tensor = self.unet(noisy, timestep, encoder_hidden_states=text, return_dict=False)[0]
        return ddim.Prediction(noisy - 0.5 * noise, noise)


@case
def attention_processors() -> Any:
    """Called as a layer calls them, with what the small network never gives them."""
    attn = SimpleNamespace(
        heads=2,
        scale=0.4,
        to_q=torch.nn.Linear(8, 8, bias=False),
        to_k=torch.nn.Linear(8, 8, bias=False),
        to_v=torch.nn.Linear(8, 8, bias=False),
        to_out=[torch.nn.Linear(8, 6), torch.nn.Dropout(0.0)],
    )
    for number, layer in enumerate([attn.to_q, attn.to_k, attn.to_v, attn.to_out[0]]):
        layer.weight.data.copy_(numbers(*layer.weight.shape, seed=number))
        if layer.bias is not None:
            layer.bias.data.copy_(numbers(*layer.bias.shape, seed=9))
    states, text, mask = numbers(3, 12, 8), numbers(3, 2, 8), numbers(3, 1, 2)

    def own(*given: Any, **named: Any) -> Tensor:
        return torch.stack([torch.as_tensor(0.0 if value is None else value).sum() for value in given[1:]]
                           + [torch.as_tensor(0.0 if value is None else value).sum() for value in named.values()])  # fmt: skip

    channels = attention_control._channels_for(moved(3, 4), 4, states)
    inject = attention_control.InjectSelfAttention(own, lambda query: channels)
    hide = attention_control.MaskSelfAttention(own, lambda count: torch.linspace(-3, 0, count))
    narrow = attention_control._channels_for(moved(3, 4), 13, states.double())
    return {
        "channels": (channels, narrow),
        "injected": inject(attn, states),
        "hidden": hide(attn, states),
        "told": [
            processor(attn, states, *rest)
            for processor in (inject, hide)
            for rest in ((text, None, numbers(3)), (None, mask, numbers(3)), (text, mask))
        ],
        "one": inject(attn, states[:1], temb=numbers(2)),
        "heads": attention_control.split_heads(attn, states),
        "joined": attention_control.join_heads(attn, numbers(2, 2, 5, 4)),
        "extended": attention_control.extend_features(numbers(2, 3, 4, 5), numbers(4, 3)),
        "unfitting": raised(attention_control.grid_of, 7, 8, 6),
    }


@case
def maps_of_attention() -> Any:
    unet = network()
    latents, text = numbers(2, 4, 9, 6), numbers(2, 5, tiny.WIDTH, seed=1)
    told: dict[str, Any] = {}
    padding = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    for side in (3, 4, 6, 16):
        recorder = attention_maps.AttentionRecorder(side)
        with torch.no_grad(), recorder.attached(unet):
            answer = unet(latents, 10, encoder_hidden_states=text).sample
            told[f"recorded {side}"] = answer, list(recorder.maps), recorder.mean(), recorder.rows, recorder.columns
            unet(sample=latents[:1], timestep=3, encoder_hidden_states=text[:1], encoder_attention_mask=padding[:1])
            told[f"masked {side}"] = list(recorder.maps)
        alone = recorder.mean_of(unet, lambda: unet(latents, 10, encoder_hidden_states=text))
        told[f"alone {side}"] = alone, len(recorder.maps)
    told["nothing"] = raised(attention_maps.AttentionRecorder().mean)
    told["usual side"] = attention_maps.AttentionRecorder().side
    names = ["down_blocks.1.attentions.0", "mid_block.attentions.0", "up_blocks.1.attentions.2", "up_blocks.0.x"]
    told["levels"] = [attention_maps.level_of(name, 4) for name in names]
    told["cross"] = [attention_maps.is_cross(f"{name}.processor") for name in ("a.attn1", "b.attn2")]
    maps = shares(2, 3, 2, 9).softmax(-1)
    told["sharp"] = attention_maps.sharpen(maps), attention_maps.sharpen(maps, 4), attention_maps.sharpen(0.02 * maps)
    levels = attention_maps.AttentionRecorder(8)
    for found in ((20, 30), (16, 9), (33, 64), (8, 8)):
        levels._begin(found, [0, 0, 1, 2, 2, 2, 3])
        told[f"level of {found}"] = levels._level, levels._layers, levels.rows, levels.columns
    return told


class _Named:
    """Stands in for a network that is asked in pieces."""

    config, dtype = "settings", torch.float32

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def __call__(self, pieces: Tensor, timestep: Any, **named: Any) -> Sequence[Tensor]:
        self.asked.append((*pieces.shape, timestep, named["encoder_hidden_states"], named["return_dict"], len(named)))
        place = torch.arange(pieces.shape[-1]) / 10 + torch.arange(pieces.shape[-2])[:, None] / 7
        return [pieces[:, :3] * place + timestep, pieces]


@case
def in_tiles() -> Any:
    unet, told = _Named(), list[Any]()
    latents, text = numbers(2, 4, 20, 13), numbers(2, 3, 5)
    wanted = torch.zeros(2, 1, 20, 13)
    wanted[0, 0, 1:4, 2:5] = 1
    wanted[1, 0, 12:16, 11:] = 0.2
    for batch, overlap in ((1, 0.5), (4, 0.25), (7, 0.0)):
        tiled = tiles.TiledDenoiser(unet, 8, wanted, batch, overlap)
        told += [tiled(latents, 3, encoder_hidden_states=text, added=1), tiled.weight, tiled.answered, tiled.tiles]
        told += [tiled.config, str(tiled.dtype)]
    usual = tiles.TiledDenoiser(unet, 8, torch.ones(1, 1, 20, 13), 2)
    half = usual(latents[:1].half(), 5, encoder_hidden_states=text[:1].half())
    told += [half, usual.weight, usual.tiles]
    told += [raised(usual, latents[:1], 5, encoder_hidden_states=text[:1], return_dict=True)]
    told += [raised(tiles.TiledDenoiser(unet, 8, torch.zeros(1, 1, 9, 9), 2), latents, 5, encoder_hidden_states=text)]
    told += [
        tiles.tile_starts(length, 64, part) for length in (50, 64, 65, 100, 200) for part in (0.0, 0.25, 0.5, 0.99)
    ]
    told += [tiles.tile_starts(130, 64), tiles.tent(8, 5), tiles.tent(13, 16), tiles.tent(1, 2)]
    return told, unet.asked


@case
def soft_masks_on_cells() -> Any:
    masks = torch.stack([shares(1, 12, 16), (shares(1, 12, 16) > 0.6).float(), 0.3 * shares(1, 12, 16)])
    free = soft_masks.cell_freedom(masks, 3, 4)
    exact = torch.tensor([0.0, 0.1, 0.29, 0.3, 0.301, 0.7, 1.0])
    held = [soft_masks.held_cells(exact, index, 10) for index in range(10)]
    return soft_masks.told_masks(masks), free, [soft_masks.held_cells(free, index, 4) for index in range(4)], held


@case
def scales_of_losses() -> Any:
    endless, fine = torch.tensor([1.0, torch.inf]), torch.tensor([1.0, 2.0])
    told: list[Any] = [
        loss_scale.LossScale(),
        loss_scale.LossScale.of(torch.float16),
        loss_scale.LossScale.of(torch.float32),
    ]
    told += [loss_scale.LossScale.of(torch.float16, 8.0), loss_scale.LossScale.of(torch.bfloat16, 8.0)]
    for start in (1.0, 1.5, 2.0, 8.0):
        for gradient in (fine, endless, endless * torch.nan):
            for loss in (fine, endless):
                scale = loss_scale.LossScale(start)
                told += [scale.fits(gradient, loss), scale.value]
    return told


@case
def losses_of_regions() -> Any:
    edited, original, prompt, source = numbers(3, 7), numbers(7, seed=1), numbers(7, seed=2), numbers(7, seed=3)
    tokens, others = numbers(2, 5, 4), numbers(5, 4, seed=1)
    logits = numbers(4, 6).requires_grad_(True)
    values, evaluated = shares(4, 6), shares(4, 6, seed=1) > 0.4
    choices = torch.tensor([0, 3, 3, 5])
    expected = losses.expected_loss(logits, values, evaluated)
    sampled = losses.sampled_loss(logits, choices, values[:, 0])
    single = losses.sampled_loss(logits[:1], choices[1:2], values[:1, 1])
    slopes = [torch.autograd.grad(each, logits)[0] for each in (expected, sampled, single)]
    return {
        "guidance": losses.guidance_loss(edited, prompt),
        "direction": losses.direction_loss(edited, original, prompt, source),
        "same": losses.direction_loss(torch.stack([original, original + 1e-4 * prompt]), original, prompt, source),
        "structure": losses.structure_loss(tokens, others),
        "no difference": losses.structure_loss(others[None], others) * 1e6,
        "hardly any": losses.structure_loss(others[None].double() * (1 + 1e-3 * tokens[0].double()), others.double()),
        "published": losses.published_structure_loss(tokens, others),
        "similar": losses.self_similarity(tokens),
        "expected": (expected, losses.expected_loss(logits[0], values[0], evaluated[0])),
        "sampled": (sampled, single),
        "slopes": slopes,
    }


@case
def guidance_of_layouts() -> Any:
    attention = shares(2, 4, 5, 3)
    goal = guidance.Goal((shares(3, 4, 5) > 0.6).float(), shares(1, 4, 5, seed=1))
    nowhere = guidance.Goal(torch.zeros(3, 4, 5), torch.zeros(1, 4, 5))
    latents = numbers(2, 3, 4, 5)
    where = shares(1, 1, 4, 5)

    def losses_of(moving: Tensor) -> Tensor:
        return guidance.layout_losses(moving.movedim(1, -1).sigmoid(), goal)

    def steep(moving: Tensor) -> Tensor:
        return 1e6 * losses_of(moving.half().float()).half()

    told: dict[str, Any] = {
        "published": [guidance.published_losses(attention, each) for each in (goal, nowhere)],
        "layout": [guidance.layout_losses(attention, each) for each in (goal, nowhere)],
        "nothing": guidance.published_losses(0 * attention, goal),
        "faint": [each(1e-8 * attention, goal) for each in (guidance.published_losses, guidance.layout_losses)],
        "total": guidance.total(shares(2, 4)),
        "decay": [guidance.guidance_decay(*each) for each in ((0, 1), (0, 2), (1, 2), (3, 8), (1, 1))],
        "step": guidance.guided_step(losses_of, latents, 4.0),
        "some": guidance.guided_step(losses_of, latents, 4.0, enough=0.5, where=where),
        "exactly": guidance.guided_step(losses_of, latents, 4.0, enough=float(losses_of(latents)[0, 0])),
    }
    scale = loss_scale.LossScale(2.0**16)
    told["scaled"] = guidance.guided_step(steep, latents, 1e-3, scale=scale), scale.value
    ways: dict[str, dict[str, Any]] = {
        "enough": {"enough": 0.45, "most": 6},
        "soon": {"enough": 0.9, "most": 6},
        "together": {"enough": 1.02, "most": 5, "together": True},
        "together soon": {"enough": 2.0, "most": 5, "together": True},
        "part": {"enough": 0.3, "most": 2, "where": where, "scale": loss_scale.LossScale(4.0)},
    }
    for name, settings in ways.items():
        done: list[None] = []
        heard = functools.partial(done.append, None)
        told[name] = guidance.refine(losses_of, latents, 8.0, **settings, on_step=heard), len(done)
    scale = loss_scale.LossScale(2.0**16)
    told["steep"] = guidance.refine(steep, latents, 1e-3, enough=0.1, most=2, scale=scale), scale.value
    told["unheard"] = guidance.refine(losses_of, latents, 8.0, enough=0.0, most=1)
    return told


@case
def masks_on_cells() -> Any:
    mask = (shares(30, 44) > 0.7).numpy()
    mask[:12, :20] = False
    around = crop_around(Box(20, 10, 36, 26), Size(44, 30), 16, 8)
    batch = torch.from_numpy(mask).float()[None, None].repeat(2, 1, 1, 1)
    little = torch.zeros(2, 1, 30, 44)
    little[0] = 1
    little[1, 0, 3, 5:7] = 0.5
    part = around.part(Size(44, 30))
    return {
        "coverage": [cells.cell_coverage(mask, *grid) for grid in ((5, 7), (40, 44), (30, 44), (1, 1))],
        "pooled": [cells.cell_coverage(mask, *grid, pooled=True) for grid in ((5, 7), (10, 11))],
        "crop": cells.cell_coverage(mask, 4, 5, crop=around),
        "part": cells.cell_coverage(mask[part], 4, 5, crop=around, at=part),
        "touched": [cells.touched_cells(mask, 9, 11), cells.touched_cells(mask, 9, 11, least=0.3)],
        "touched in a crop": cells.touched_cells(mask, 7, 6, crop=around),
        "touched in part": cells.touched_cells(mask[part], 7, 6, least=0.4, crop=around, at=part),
        "shrunk": cells.shrink_to_cells(batch, 5, 6),
        "gone": [raised(cells.shrink_to_cells, each, 5, 6) for each in (little, little[1:])],
    }


if __name__ == "__main__":
    write(FILE, CASES)
