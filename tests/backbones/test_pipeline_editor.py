"""Pipelines that edit by instructions: each gives what its own pipeline gives, counts, tells and stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
import transformers
from PIL import Image
from torch import Tensor

from intarsia.backbones import load_backbones
from intarsia.backbones.batches import seeded
from intarsia.backbones.editor_inpainter import EditorInpainter
from intarsia.backbones.offload import Vram
from intarsia.backbones.pipeline_editor import PipelineEditor, fitted_size
from intarsia.backbones.pipeline_inpainter import PipelineInpainter
from intarsia.backbones.placement import quiet_loading
from intarsia.backbones.protocols import Backbones
from intarsia.errors import Cancelled
from intarsia.imaging.geometry import Size
from intarsia.imaging.tensors import levels_of
from tests.slow import mostly_slow
from tests.test_devices import PRETENDED
from tests.tiny_families import shrink_qwen

Load = Callable[[str], Backbones]

CLASSES = {
    "kontext": "FluxKontextPipeline",
    "klein": "Flux2KleinPipeline",
    "qwen_edit": "QwenImageEditPipeline",
    "qwen_edit_plus": "QwenImageEditPlusPipeline",
}
WORDS = ["Change the cat to a dog.", "Remove the tree."]


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Qwen-Image-Edit with pictures of 128 x 128 pixels, where it has 1024 x 1024 always."""
    shrink_qwen(monkeypatch)


@pytest.fixture(params=list(CLASSES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def editor_named(families: Load, name: str) -> PipelineEditor:
    editor = families(name).editor
    assert isinstance(editor, PipelineEditor)
    return editor


def picture(height: int = 64, width: int = 64, seed: int = 1) -> Tensor:
    noise = torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))
    return (noise * 255).round() / 127.5 - 1


def own_pipeline(families: Load, name: str) -> Any:
    """The pipeline that diffusers makes of the folder; of Qwen-Image-Edit, with our processor, which needs no torchvision."""
    kind: Any = getattr(diffusers, CLASSES[name])
    folder = families(name).name
    with quiet_loading():
        if name.startswith("qwen"):
            pipeline = kind(
                scheduler=diffusers.FlowMatchEulerDiscreteScheduler.from_pretrained(folder, subfolder="scheduler"),
                vae=diffusers.AutoencoderKLQwenImage.from_pretrained(folder, subfolder="vae"),
                text_encoder=transformers.Qwen2_5_VLForConditionalGeneration.from_pretrained(
                    folder, subfolder="text_encoder"
                ),
                tokenizer=transformers.Qwen2Tokenizer.from_pretrained(folder, subfolder="tokenizer"),
                processor=editor_named(families, name).pipeline.processor,
                transformer=diffusers.QwenImageTransformer2DModel.from_pretrained(folder, subfolder="transformer"),
            )
        else:
            pipeline = kind.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.mark.parametrize("guidance", [3.0, 1.0])
def test_it_gives_what_the_pipeline_itself_gives(name: str, guidance: float, families: Load) -> None:
    (edited,) = editor_named(families, name).edits([picture()], WORDS[:1], seeds=[4], steps=2, guidance=guidance)
    arguments: dict[str, Any] = {"guidance_scale": guidance}
    if name == "kontext":
        arguments |= {"height": 64, "width": 64, "_auto_resize": False, "max_area": 64 * 64}
    if name.startswith("qwen"):
        arguments = {"true_cfg_scale": guidance, "negative_prompt": " "} if guidance > 1 else {"true_cfg_scale": 1.0}
    with quiet_loading():
        direct = own_pipeline(families, name)(
            image=Image.fromarray(levels_of(picture())), prompt=WORDS[0], num_inference_steps=2,
            generator=seeded([4])[0], output_type="pt", **arguments,
        ).images[0]  # fmt: skip
    assert edited.dtype == torch.float32
    assert edited.isfinite().all()
    assert tuple(edited.shape) == (3, *(2 * [128 if name.startswith("qwen") else 64]))
    assert (edited - (direct * 2 - 1)).abs().max() < 1e-4


def test_noise_belongs_to_the_seed_and_steps_are_counted_and_told(name: str, families: Load) -> None:
    editor = editor_named(families, name)
    told: list[tuple[int, int]] = []
    before = editor.counter.evaluations
    pictures = [picture(), picture(64, 96, seed=2)]
    both = editor.edits(
        pictures, WORDS, seeds=[4, 5], steps=2, guidance=1.0, on_step=lambda done, steps: told.append((done, steps))
    )
    assert editor.counter.evaluations - before == 4
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    (second,) = editor.edits(pictures[1:], WORDS[1:], seeds=[5], steps=2, guidance=1.0)
    (other,) = editor.edits(pictures[1:], WORDS[1:], seeds=[6], steps=2, guidance=1.0)
    assert torch.equal(both[1], second)
    assert (second - other).abs().max() > 1e-2
    height, width = both[1].shape[-2:]
    assert width > height


def test_a_cancel_stops_within_a_step(name: str, families: Load) -> None:
    def stop(_done: int, _steps: int) -> None:
        raise Cancelled

    editor = editor_named(families, name)
    before = editor.counter.evaluations
    with pytest.raises(Cancelled):
        editor.edits([picture()], WORDS[:1], seeds=[1], steps=3, guidance=1.0, on_step=stop)
    assert editor.counter.evaluations == before + 1


def test_what_also_repaints_shares_networks_and_counter(families: Load) -> None:
    for name in ("kontext", "klein"):
        models = families(name)
        assert isinstance(models.inpainter, PipelineInpainter)
        editor = editor_named(families, name)
        assert editor.denoiser is models.inpainter.denoiser
        assert editor.counter is models.inpainter.counter
    assert families("sdxl").editor is None


def test_a_checkpoint_that_takes_no_mask_repaints_by_its_edit(families: Load) -> None:
    models = families("qwen_edit")
    assert isinstance(models.inpainter, EditorInpainter)
    assert models.editor is models.inpainter.editor
    masks = torch.zeros(1, 1, 64, 64)
    masks[..., :32] = 1
    painted = models.inpainter.inpaint(picture(64, 64)[None], masks, ["a cat"], seeds=[1], steps=1, guidance=1.0)
    assert painted.shape == (1, 3, 64, 64)
    assert painted.abs().max() <= 1


@pytest.mark.parametrize(
    ("size", "fitted"),
    [((1024, 1024), (1024, 1024)), ((500, 301), (496, 304)), ((3000, 1500), (1456, 720)), ((32, 48), (64, 96))],
)
def test_pictures_fit_the_models(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert fitted_size(Size(*size), 16) == Size(*fitted)


@pytest.mark.filterwarnings(
    "ignore:at..frobenius_norm is deprecated:UserWarning"
)  # by which torch.norm computes on MPS
@pytest.mark.parametrize("device", ["cuda", pytest.param("mps", marks=pytest.mark.slow)])
@pytest.mark.parametrize("vram", mostly_slow(["auto", "low"], pushed=["low"]))
def test_on_another_device_the_pixels_are_the_cpus(device: str, name: str, vram: Vram, families: Load) -> None:
    settings: dict[str, Any] = {"seeds": [4], "steps": 2, "guidance": 2.0}
    (here,) = editor_named(families, name).edits([picture()], WORDS[:1], **settings)
    with PRETENDED[device]():
        models = load_backbones(families(name).name, device=device, dtype="float32", vram=vram)
        assert models.editor is not None
        (there,) = models.editor.edits([picture().to(device)], WORDS[:1], **settings)
    assert there.device.type == "cpu"
    assert (there - here).abs().max() < 1e-4
