"""LoRAs: the picture is that of diffusers' own pipeline with the same LoRA, in every layout, and wrong ones are refused."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTokenizer

from intarsia.backbones import load_backbones
from intarsia.backbones.additions import family_of, read_additions
from intarsia.backbones.lora_keys import DENOISER, LayerTable, first_release_names, lora_layers
from intarsia.backbones.placement import quiet_loading
from intarsia.backbones.protocols import Backbones
from intarsia.backbones.sd_inpainting import StableDiffusionInpainter, load_inpainter
from intarsia.backbones.shipped_configs import family_settings
from intarsia.backbones.stable_diffusion import StableDiffusion
from intarsia.errors import ModelError
from tests import tiny
from tests.backbones.test_pipelines import own_pipeline
from tests.lora_files import as_kohya, save_diffusers_lora
from tests.pretended_cuda import pretended_cuda
from tests.slow import mostly_slow

SIDE = 32
PROMPTS = ["a cat", "a dog by a tree"]


@pytest.fixture
def picture() -> Tensor:
    return torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture
def masks() -> Tensor:
    masks = torch.zeros(2, 1, SIDE, SIDE)
    masks[0, :, :16] = masks[1, :, 8:24, 8:24] = 1
    return masks


def sd_pipeline(folder: Path, unet: str = "inpainting_unet") -> Any:
    """The parts of the tiny Stable Diffusion in diffusers' own pipeline, with the scheduler that it names."""
    with quiet_loading():
        return diffusers.StableDiffusionInpaintPipeline(
            vae=diffusers.AutoencoderKL.from_pretrained(folder / "vae"),
            text_encoder=load_inpainter(folder, name="tiny", unet=unet, dtype=torch.float32).pipeline.text_encoder,
            tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
            unet=diffusers.UNet2DConditionModel.from_pretrained(folder / unet),
            scheduler=diffusers.DDIMScheduler.from_pretrained(folder / "scheduler"),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )


@pytest.fixture(scope="session")
def loras(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """The file of a random LoRA of the tiny Stable Diffusion, by its seed."""
    folder = tmp_path_factory.mktemp("loras")

    def made(seed: int) -> Path:
        file = folder / str(seed) / "pytorch_lora_weights.safetensors"
        return file if file.exists() else save_diffusers_lora(file.parent, sd_pipeline(tiny_models), seed=seed)

    return made


def theirs(pipeline: Any, picture: Tensor, masks: Tensor, loras: Sequence[tuple[Path, float]]) -> Tensor:
    """What diffusers paints with LoRAs that stay beside the weights."""
    pipeline.set_progress_bar_config(disable=True)
    with quiet_loading():
        for number, (file, _) in enumerate(loras):
            pipeline.load_lora_weights(file.parent, weight_name=file.name, adapter_name=f"lora{number}")
        pipeline.set_adapters([f"lora{k}" for k in range(len(loras))], [weight for _, weight in loras])
    noise = torch.cat(
        [torch.randn(1, 4, SIDE // 4, SIDE // 4, generator=torch.Generator().manual_seed(s)) for s in (4, 5)]
    )
    with torch.no_grad():
        hidden = pipeline.vae.encode(picture * (masks < 0.5)).latent_dist.mode() * pipeline.vae.config.scaling_factor
    images: Tensor = pipeline(
        prompt=PROMPTS,
        image=(picture.expand(2, -1, -1, -1) + 1) / 2,
        mask_image=masks,
        masked_image_latents=hidden,
        height=SIDE,
        width=SIDE,
        num_inference_steps=3,
        guidance_scale=5.0,
        latents=noise,
        output_type="pt",
    ).images
    return images * 2 - 1


def painted(models: Backbones, picture: Tensor, masks: Tensor) -> Tensor:
    return models.inpainter.inpaint(picture, masks, PROMPTS, seeds=[4, 5], steps=3, guidance=5.0)


@pytest.fixture
def plain(tiny_backbones: Backbones, picture: Tensor, masks: Tensor) -> Tensor:
    return painted(tiny_backbones, picture, masks)


def with_loras(folder: Path, *loras: str, **machine: Any) -> Backbones:
    return load_backbones(str(folder), lora=loras, **({"device": "cpu"} | machine))


# The same pictures


@pytest.mark.parametrize(
    "layout", mostly_slow(["diffusers", "folder", "kohya", "first release", "peft"], pushed=["diffusers", "kohya"])
)
def test_a_lora_gives_the_picture_of_diffusers_own_pipeline(
    layout: str, loras: Any, tiny_models: Path, picture: Tensor, masks: Tensor, plain: Tensor, tmp_path: Path
) -> None:
    file = loras(0)
    given = file
    if layout == "folder":
        given = file.parent
    elif layout == "kohya":
        given = as_kohya(file, tmp_path / "style.safetensors")
    elif layout == "first release":
        unet = load_file(tiny_models / "inpainting_unet" / "diffusion_pytorch_model.safetensors")
        names = dict(first_release_names(name.removesuffix(".weight") for name in unet))
        given = as_kohya(file, tmp_path / "style.safetensors", names=names.__getitem__)
    elif layout == "peft":
        given = as_peft(file, tmp_path / "adapter")
    weight = 1.0 if layout == "peft" else 0.7
    expected = theirs(
        sd_pipeline(tiny_models), picture, masks, [(without_text(file, tmp_path) if layout == "peft" else file, weight)]
    )
    ours = painted(with_loras(tiny_models, f"{given}:{weight:g}"), picture, masks)
    assert torch.allclose(ours, expected, atol=1e-4)
    assert not torch.allclose(ours, plain, atol=1e-2)


def without_text(file: Path, folder: Path) -> Path:
    """A LoRA of the denoiser alone, with the strength that diffusers wrote into the header."""
    tensors = {name: tensor for name, tensor in load_file(file).items() if name.startswith("unet.")}
    layers = [name.removeprefix("unet.").partition(".lora_")[0] for name in tensors]
    settings = {"unet.r": 3, "unet.lora_alpha": 2.0, "unet.target_modules": layers}
    (folder / "unet").mkdir()
    save_file(
        tensors, folder / "unet" / file.name, metadata={"format": "pt", "lora_adapter_metadata": json.dumps(settings)}
    )
    return folder / "unet" / file.name


def as_peft(file: Path, folder: Path) -> Path:
    """The denoiser's part as peft itself saves it: a prefix of its own, and the strength in a file beside."""
    folder.mkdir()
    tensors = {
        f"base_model.model.{name.removeprefix('unet.')}": tensor
        for name, tensor in load_file(file).items()
        if name.startswith("unet.")
    }
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 3, "lora_alpha": 2.0}))
    return folder


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`:UserWarning")  # which is what two of them are
def test_loras_add_up_in_any_order(loras: Any, tiny_models: Path, picture: Tensor, masks: Tensor) -> None:
    one, two = loras(0), loras(1)
    expected = theirs(sd_pipeline(tiny_models), picture, masks, [(one, 0.6), (two, -0.4)])
    ours = painted(with_loras(tiny_models, f"{one}:0.6", f"{two}:-0.4"), picture, masks)
    turned = painted(with_loras(tiny_models, f"{two}:-0.4", f"{one}:0.6"), picture, masks)
    assert torch.allclose(ours, expected, atol=1e-4)
    assert torch.allclose(turned, ours, atol=1e-4)


def test_a_weight_of_0_gives_the_plain_picture(
    loras: Any, tiny_models: Path, picture: Tensor, masks: Tensor, plain: Tensor
) -> None:
    assert torch.equal(painted(with_loras(tiny_models, f"{loras(0)}:0"), picture, masks), plain)


def test_both_denoisers_of_a_checkpoint_are_changed_and_its_text_encoder_once(
    loras: Any, tiny_models: Path, tiny_backbones: Backbones
) -> None:
    changed, before = with_loras(tiny_models, str(loras(0))).in_parts, tiny_backbones.in_parts
    assert isinstance(changed, StableDiffusion) and isinstance(before, StableDiffusion)
    assert changed.unet.config.in_channels == 4
    layer = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
    down, up = (load_file(loras(0))[f"unet.{layer}.lora_{x}.weight"] for x in "AB")
    difference = changed.unet.get_submodule(layer).weight - before.unet.get_submodule(layer).weight
    assert torch.allclose(difference, up @ down * 2 / 3, atol=1e-5)
    reading = "encoder.layers.0.self_attn.q_proj"
    down, up = (load_file(loras(0))[f"text_encoder.{reading}.lora_{x}.weight"] for x in "AB")
    difference = changed.text_encoder.get_submodule(reading).weight - before.text_encoder.get_submodule(reading).weight
    assert torch.allclose(difference, up @ down * 2 / 3, atol=1e-5)


@pytest.mark.parametrize("vram", mostly_slow(["low", "min"], pushed=["low"]))
def test_networks_that_take_turns_paint_with_a_lora(
    vram: Any, loras: Any, tiny_models: Path, picture: Tensor, masks: Tensor
) -> None:
    expected = painted(with_loras(tiny_models, f"{loras(0)}:0.7"), picture, masks)
    with pretended_cuda():
        models = with_loras(tiny_models, f"{loras(0)}:0.7", device="cuda", dtype="float32", vram=vram)
        assert torch.allclose(painted(models, picture, masks), expected, atol=1e-4)


def test_sums_are_made_in_float32_and_rounded_once(loras: Any, tiny_models: Path) -> None:
    whole, half = (
        with_loras(tiny_models, f"{loras(0)}:0.3", f"{loras(1)}:0.2", dtype=dtype).in_parts.unet
        for dtype in ("float32", "bfloat16")
    )
    plain = load_inpainter(tiny_models, name="tiny", dtype=torch.bfloat16).parts.unet
    for name, parameter in half.named_parameters():
        exact = whole.get_parameter(name) + (plain.get_parameter(name).float() - load_plain(tiny_models, name))
        assert torch.equal(parameter, exact.bfloat16()) or torch.allclose(
            parameter.float(), exact, rtol=2**-8, atol=1e-6
        )


def load_plain(folder: Path, name: str) -> Tensor:
    return load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")[name]


@pytest.mark.parametrize("name", mostly_slow(["sdxl", "sdxl_inpainting", "sd3", "flux"], pushed=["sdxl"]))
def test_other_families_give_what_their_pipelines_give(
    name: str, families: Callable[[str], Backbones], picture: Tensor, masks: Tensor, tmp_path: Path
) -> None:
    pipeline = own_pipeline(families, name)
    targets = ("to_q", "to_k", "to_v", "to_out.0")
    file = save_diffusers_lora(tmp_path, pipeline, targets=targets, text=name.startswith("sdxl"))
    plain = painted(families(name), picture, masks)
    given = with_loras(Path(families(name).name), f"{file}")
    ours = painted(given, picture, masks)
    assert not torch.allclose(ours, plain, atol=1e-3)
    # The adapters that the LoRA was made with are still in the pipeline: its networks answer with them.
    with_adapters = type(families(name).inpainter)(pipeline, name="theirs")  # type: ignore[call-arg]
    assert torch.allclose(
        with_adapters.inpaint(picture, masks, PROMPTS, seeds=[4, 5], steps=3, guidance=5.0), ours, atol=1e-4
    )
    if name.startswith("sdxl"):
        kohya = as_kohya(file, tmp_path / "kohya.safetensors")
        again = painted(with_loras(Path(families(name).name), str(kohya)), picture, masks)
        assert torch.allclose(again, ours, atol=1e-4)


# What is refused, and what is said


def shapes_of(layers: dict[str, tuple[int, int]], rank: int = 2) -> dict[str, Tensor]:
    """A LoRA of zeros in kohya's layout: (out, in) of each layer by its name."""
    tensors: dict[str, Tensor] = {}
    for name, (out, into) in layers.items():
        tensors[f"{name}.lora_down.weight"] = torch.zeros(rank, into)
        tensors[f"{name}.lora_up.weight"] = torch.zeros(out, rank)
    return tensors


CROSS = "down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
WRONG = {
    "another family": (
        shapes_of({f"lora_unet_{CROSS}": (320, 768)}),
        "is a LoRA for Stable Diffusion 1, but .* is a Stable Diffusion XL",
    ),
    "a transformer's": (
        shapes_of({"lora_unet_double_blocks_0_img_attn_qkv": (64, 64)}),
        "is a LoRA for Flux, but .* is a Stable Diffusion XL",
    ),
    "other layers": (
        shapes_of({"lora_unet_down_blocks_7_attentions_0_proj_in": (8, 8)}),
        "None of the 1 layers of .* has a place in",
    ),
    "no LoRA": (
        {"first_stage_model.encoder.down.0.block.0.conv1.weight": torch.zeros(4, 4)},
        "is no LoRA, but an autoenc",
    ),
    "a DoRA": (
        shapes_of({f"lora_unet_{CROSS}": (16, 32)}) | {f"lora_unet_{CROSS}.dora_scale": torch.zeros(16, 1)},
        "is a DoRA",
    ),
    "a LyCORIS": (
        {f"lora_unet_{CROSS}.hada_w1_a": torch.zeros(16, 2), f"lora_unet_{CROSS}.hada_w1_b": torch.zeros(2, 32)},
        "is a LyCORIS of a kind",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_file_is_refused_before_networks_are_loaded(
    kind: str, families: Callable[[str], Backbones], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors, sentence = WRONG[kind]
    checkpoint = families("sdxl").name
    save_file(tensors, tmp_path / "x.safetensors")
    monkeypatch.setattr("intarsia.backbones.load.load_painters", lambda *_, **__: pytest.fail("something was loaded"))
    with pytest.raises(ModelError, match=sentence):
        with_loras(Path(checkpoint), str(tmp_path / "x.safetensors"))


@pytest.mark.parametrize("content", [None, b"", b"<html>no</html>", b"\x80\x02pickle" * 99])
def test_a_file_that_is_missing_or_no_safetensors_is_refused(
    content: bytes | None, tiny_models: Path, tmp_path: Path
) -> None:
    file = tmp_path / "x.safetensors"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelError, match=r"There is no LoRA|is not a safetensors file"):
        with_loras(tiny_models, str(file))
    with pytest.raises(ModelError, match="no folder of a LoRA"):
        with_loras(tiny_models, str(tiny_models))


def test_layers_without_a_place_are_counted(
    loras: Any, tiny_models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    more = shapes_of({"lora_unet_down_blocks_9_attentions_0_proj_in": (8, 8), f"lora_unet_{CROSS}": (99, 16)})
    file = as_kohya(loras(0), tmp_path / "x.safetensors")
    known = load_file(file)
    count = sum(name.endswith("lora_up.weight") for name in known)
    extra = {name: tensor for name, tensor in more.items() if name not in known}
    save_file(known | extra, file, metadata={"modelspec.trigger_phrase": "sks style"})
    with caplog.at_level(logging.INFO, logger="intarsia"):
        with_loras(tiny_models, str(file))
    assert f"1 of the {count + 1} layers of {file} have no place in" in caplog.text
    assert "answers to the words: sks style" in caplog.text


def test_families_are_told_from_configurations(
    tiny_models: Path, families: Callable[[str], Backbones], tmp_path: Path
) -> None:
    assert family_of(tiny_models) == "sd"
    assert {name: family_of(Path(families(name).name)) for name in ("sdxl", "flux", "z_image")} == {
        "sdxl": "sdxl", "flux": "flux", "z_image": "z-image",
    }  # fmt: skip
    folder = tmp_path / "sd1"
    (folder / "unet").mkdir(parents=True)
    (folder / "unet" / "config.json").write_text('{"cross_attention_dim": 768}')
    assert family_of(folder) == "sd1"


# Records and caches


def test_versions_and_cache_keys_tell_loras_and_weights_apart(
    loras: Any, tiny_models: Path, tiny_backbones: Backbones
) -> None:
    file = loras(0)
    given = [with_loras(tiny_models, f"{file}:{weight}") for weight in (1, 0.5)]
    assert given[0].versions["lora 1"].startswith("pytorch_lora_weights.safetensors#")
    assert given[0].versions["lora 1"].endswith(":1") and given[1].versions["lora 1"].endswith(":0.5")
    assert len({models.cache_key for models in (*given, tiny_backbones)}) == 3


def test_a_convolution_of_the_inpainting_denoiser_takes_a_lora_of_fewer_channels() -> None:
    names = ["lora_unet_conv_in.lora_down.weight", "lora_unet_conv_in.lora_up.weight"]
    shapes = dict(zip(names, [(2, 4, 3, 3), (8, 2, 1, 1)], strict=True))
    (layer,) = lora_layers(names)
    assert LayerTable({DENOISER: {"conv_in": (8, 9, 3, 3)}}).find(layer, shapes) == "conv_in"
    assert LayerTable({DENOISER: {"conv_in": (8, 3, 3, 3)}}).find(layer, shapes) is None


def test_a_tucker_core_stands_between_its_factors(tiny_models: Path, tmp_path: Path, tiny_backbones: Backbones) -> None:
    torch.manual_seed(3)
    layer = "mid_block.resnets.0.conv1"
    weight = tiny_backbones.in_parts.unet.get_submodule(layer).weight
    out, into = weight.shape[:2]
    flat = f"lora_unet_{layer.replace('.', '_')}"
    down, mid, up = torch.randn(2, into, 1, 1), torch.randn(2, 2, 3, 3), torch.randn(out, 2, 1, 1)
    file = tmp_path / "x.safetensors"
    save_file({f"{flat}.lora_down.weight": down, f"{flat}.lora_mid.weight": mid, f"{flat}.lora_up.weight": up}, file)
    changed = with_loras(tiny_models, str(file)).in_parts.unet.get_submodule(layer)
    signal = torch.randn(1, into, 5, 5)
    expected = torch.nn.functional.conv2d(
        torch.nn.functional.conv2d(torch.nn.functional.conv2d(signal, down), mid, padding=1), up
    )
    before = tiny_backbones.in_parts.unet.get_submodule(layer)
    with torch.no_grad():
        assert torch.allclose(changed(signal) - before(signal), expected, atol=1e-3)


def test_a_single_file_takes_a_lora(
    loras: Any, tiny_models: Path, picture: Tensor, masks: Tensor, tmp_path: Path
) -> None:
    tiny.save_single_file(tiny_models, tmp_path / "one.safetensors")
    tiny.save_file_configuration(tiny_models, tmp_path / "one")
    additions = read_additions([f"{loras(0)}:0.7"], model="one")
    from intarsia.backbones.sd_inpainting import load_single_file

    single = load_single_file(
        tmp_path / "one.safetensors", tmp_path / "one", name="one", dtype=torch.float32, additions=additions
    )
    folder = load_inpainter(
        tiny_models,
        name="tiny",
        unet="inpainting_unet",
        dtype=torch.float32,
        additions=read_additions([f"{loras(0)}:0.7"], model="t"),
    )
    assert isinstance(single, StableDiffusionInpainter)
    ours, expected = (
        one.inpaint(picture, masks, PROMPTS, seeds=[4, 5], steps=2, guidance=3.0) for one in (single, folder)
    )
    assert torch.allclose(ours, expected, atol=1e-4)


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_names_of_the_first_release_are_those_that_diffusers_reads(family: Any) -> None:
    with torch.device("meta"):
        unet: Any = diffusers.UNet2DConditionModel.from_config(family_settings(family)["unet"])
    weights = {name.removesuffix(".weight"): w for name, w in unet.state_dict().items() if w.ndim in (2, 4)}
    tensors: dict[str, Tensor] = {}
    for layer, first in first_release_names(weights):
        if ".attentions." in layer:
            flat, weight = f"lora_unet_{first.replace('.', '_')}", weights[layer]
            tensors[f"{flat}.lora_down.weight"] = torch.empty(2, weight.shape[1], device="meta")
            tensors[f"{flat}.lora_up.weight"] = torch.empty(weight.shape[0], 2, device="meta")
    table = LayerTable({DENOISER: {name: tuple(weight.shape) for name, weight in weights.items()}})
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    ours = {table.find(layer, shapes) for layer in lora_layers(tensors)}
    kind: Any = diffusers.StableDiffusionXLInpaintPipeline
    read, _ = kind.lora_state_dict(tensors, unet_config=unet.config)
    names = (name.removeprefix("unet.").replace(".processor.", ".") for name in read if name.endswith("down.weight"))
    theirs = {
        name.replace("to_out_lora", "to_out.0.lora").replace("_lora.", ".lora.").partition(".lora")[0] for name in names
    }
    assert ours == theirs and len(ours) > 100


def test_names_of_other_families_are_read_as_diffusers_reads_them(
    families: Callable[[str], Backbones], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(7)
    tensors: dict[str, Tensor] = {}
    for name, (out, into) in {"img_attn_qkv": (96, 32), "img_mlp_0": (128, 32)}.items():
        tensors[f"lora_unet_double_blocks_0_{name}.lora_down.weight"] = torch.randn(2, into)
        tensors[f"lora_unet_double_blocks_0_{name}.lora_up.weight"] = torch.randn(out, 2)
        tensors[f"lora_unet_double_blocks_0_{name}.alpha"] = torch.tensor(1.0)
    save_file(tensors, tmp_path / "x.safetensors")
    before, after = (
        models.inpainter.pipeline.transformer.transformer_blocks[0]  # type: ignore[attr-defined]
        for models in (families("flux"), with_loras(Path(families("flux").name), str(tmp_path / "x.safetensors")))
    )
    flat = "lora_unet_double_blocks_0_img_attn_qkv"
    change = (tensors[f"{flat}.lora_up.weight"] @ tensors[f"{flat}.lora_down.weight"] / 2).chunk(3)
    for layer, expected in zip(("to_q", "to_k", "to_v"), change, strict=True):
        difference = getattr(after.attn, layer).weight - getattr(before.attn, layer).weight
        assert torch.allclose(difference, expected, atol=1e-5)
    assert "left out" not in caplog.text
