"""Random checkpoints of the families that are used through their pipeline: the same classes, keys and files, small.

Pictures of 32 px, autoencoders of factor 4; tokenizers of one token a letter, made here, since none may be fetched.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
import transformers
from tokenizers.pre_tokenizers import ByteLevel

from tests import tiny

WIDE = 2 * tiny.WIDTH
CHAT = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
HEAD: dict[str, Any] = {"attention_head_dim": 16, "num_attention_heads": 2}
ROPE = (4, 4, 8)


def clip_tokenizer(folder: Path) -> Any:
    return tiny.save_tokenizer(folder / "clip-tokenizer")


def t5_tokenizer() -> Any:
    letters = [(chr(code), -3.0) for code in range(33, 127)]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0), *letters]
    return transformers.T5Tokenizer(vocab=vocabulary, extra_ids=0, model_max_length=64)


VISION = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")


def qwen_tokenizer(more: tuple[str, ...] = ()) -> Any:
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *more, *sorted(ByteLevel.alphabet())]
    tokenizer = transformers.Qwen2Tokenizer(
        vocab={token: place for place, token in enumerate(tokens)},
        merges=[],
        additional_special_tokens=["<|im_start|>", "<|im_end|>", *more],
        model_max_length=512,
    )
    tokenizer.chat_template = CHAT
    return tokenizer


def clip_text(tokenizer: Any, *, projects: bool) -> Any:
    kind = transformers.CLIPTextModelWithProjection if projects else transformers.CLIPTextModel
    return kind(transformers.CLIPTextConfig(**tiny.text_settings(tokenizer)))


def t5_text(tokenizer: Any) -> Any:
    return transformers.T5EncoderModel(
        transformers.T5Config(
            vocab_size=len(tokenizer), d_model=WIDE, d_kv=8, d_ff=WIDE, num_layers=2, num_heads=2,
            feed_forward_proj="gated-gelu", pad_token_id=0, eos_token_id=1,
        )
    )  # fmt: skip


def qwen3_settings(tokenizer: Any, layers: int) -> Any:
    return transformers.Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=tiny.WIDTH, intermediate_size=tiny.WIDTH, num_hidden_layers=layers,
        num_attention_heads=2, num_key_value_heads=2, head_dim=8, max_position_embeddings=512,
    )  # fmt: skip


def autoencoder(channels: int, kind: str = "AutoencoderKL", **settings: Any) -> Any:
    usual: dict[str, Any] = {
        "down_block_types": ("DownEncoderBlock2D",) * 3,
        "up_block_types": ("UpDecoderBlock2D",) * 3,
        "block_out_channels": (8, 8, 16),
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "sample_size": tiny.SIDE,
        "mid_block_add_attention": False,
        "latent_channels": channels,
    }
    return getattr(diffusers, kind)(**usual | settings)


def flow_autoencoder(channels: int) -> Any:
    """As those of rectified flows: shifted, and without the convolutions around the latents."""
    return autoencoder(channels, use_quant_conv=False, use_post_quant_conv=False, scaling_factor=0.9, shift_factor=0.05)


def flow_scheduler(**settings: Any) -> Any:
    return diffusers.FlowMatchEulerDiscreteScheduler(**settings)


def sdxl(folder: Path, *, channels: int = 4, pipeline: str = "StableDiffusionXLPipeline") -> Any:
    tokenizer = clip_tokenizer(folder)
    unet = tiny.denoiser(
        channels,
        cross_attention_dim=WIDE,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 2),
        projection_class_embeddings_input_dim=6 * 8 + tiny.WIDTH,
    )
    scheduler = diffusers.EulerDiscreteScheduler(**tiny.SCHEDULE, timestep_spacing="leading")
    return getattr(diffusers, pipeline)(
        vae=autoencoder(4, scaling_factor=0.9),
        text_encoder=clip_text(tokenizer, projects=False),
        text_encoder_2=clip_text(tokenizer, projects=True),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet,
        scheduler=scheduler,
        add_watermarker=False,
    )


def sdxl_inpainting(folder: Path) -> Any:
    return sdxl(folder, channels=9, pipeline="StableDiffusionXLInpaintPipeline")


def sd3(folder: Path, *, t5: bool = True) -> Any:
    tokenizer, long = clip_tokenizer(folder), t5_tokenizer()
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=tiny.SIDE // 4, patch_size=2, in_channels=16, num_layers=1, attention_head_dim=8,
        num_attention_heads=4, joint_attention_dim=WIDE, caption_projection_dim=WIDE, pooled_projection_dim=WIDE,
        out_channels=16, pos_embed_max_size=32,
    )  # fmt: skip
    return diffusers.StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=flow_scheduler(shift=3.0),
        vae=flow_autoencoder(16),
        text_encoder=clip_text(tokenizer, projects=True),
        tokenizer=tokenizer,
        text_encoder_2=clip_text(tokenizer, projects=True),
        tokenizer_2=tokenizer,
        text_encoder_3=t5_text(long) if t5 else None,
        tokenizer_3=long if t5 else None,
    )


def sd3_without_t5(folder: Path) -> Any:
    return sd3(folder, t5=False)


def flux(folder: Path, *, pipeline: str = "FluxPipeline", channels: int = 16, distilled: bool = True) -> Any:
    tokenizer, long = clip_tokenizer(folder), t5_tokenizer()
    transformer = diffusers.FluxTransformer2DModel(
        in_channels=channels, out_channels=16, num_layers=1, num_single_layers=1, joint_attention_dim=WIDE,
        pooled_projection_dim=tiny.WIDTH, guidance_embeds=distilled, axes_dims_rope=ROPE, **HEAD,
    )  # fmt: skip
    return getattr(diffusers, pipeline)(
        scheduler=flow_scheduler(use_dynamic_shifting=distilled),
        vae=flow_autoencoder(4),
        text_encoder=clip_text(tokenizer, projects=False),
        tokenizer=tokenizer,
        text_encoder_2=t5_text(long),
        tokenizer_2=long,
        transformer=transformer,
    )


def flux_schnell(folder: Path) -> Any:
    return flux(folder, distilled=False)


def flux_fill(folder: Path) -> Any:
    """Told of the mask: latents, the masked picture's, and 4 x 4 pixels of the mask for each latent cell, packed."""
    return flux(folder, pipeline="FluxFillPipeline", channels=16 + 16 + 4 * 4**2)


def kontext(folder: Path) -> Any:
    return flux(folder, pipeline="FluxKontextPipeline")


def chroma(folder: Path) -> Any:
    long = t5_tokenizer()
    transformer = diffusers.ChromaTransformer2DModel(
        in_channels=16, num_layers=1, num_single_layers=1, joint_attention_dim=WIDE, axes_dims_rope=ROPE,
        approximator_num_channels=16, approximator_hidden_dim=WIDE, approximator_layers=1, **HEAD,
    )  # fmt: skip
    return diffusers.ChromaPipeline(
        scheduler=flow_scheduler(),
        vae=flow_autoencoder(4),
        text_encoder=t5_text(long),
        tokenizer=long,
        transformer=transformer,
    )


def klein(folder: Path) -> Any:
    tokenizer = qwen_tokenizer()
    transformer = diffusers.Flux2Transformer2DModel(
        in_channels=16, num_layers=1, num_single_layers=1, joint_attention_dim=3 * tiny.WIDTH,
        timestep_guidance_channels=32, axes_dims_rope=(4, 4, 4, 4), guidance_embeds=False, **HEAD,
    )  # fmt: skip
    return diffusers.Flux2KleinPipeline(
        scheduler=flow_scheduler(use_dynamic_shifting=True),
        vae=autoencoder(4, "AutoencoderKLFlux2"),
        text_encoder=transformers.Qwen3ForCausalLM(qwen3_settings(tokenizer, layers=28)),
        tokenizer=tokenizer,
        transformer=transformer,
        is_distilled=False,
    )


def z_image(folder: Path) -> Any:
    tokenizer = qwen_tokenizer()
    transformer = diffusers.ZImageTransformer2DModel(
        in_channels=16, dim=WIDE, n_layers=1, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=tiny.WIDTH,
        axes_dims=[8, 4, 4], axes_lens=[1024, 64, 64],
    )  # fmt: skip
    with torch.no_grad():  # which the class leaves as they lie in memory
        transformer.x_pad_token.fill_(1.0)
        transformer.cap_pad_token.fill_(1.0)
    return diffusers.ZImagePipeline(
        scheduler=flow_scheduler(shift=3.0),
        vae=flow_autoencoder(16),
        text_encoder=transformers.Qwen3Model(qwen3_settings(tokenizer, layers=2)),
        tokenizer=tokenizer,
        transformer=transformer,
    )


def qwen_image(folder: Path, tokenizer: Any = None, **changes: Any) -> Any:
    tokenizer = tokenizer or qwen_tokenizer()
    transformer = diffusers.QwenImageTransformer2DModel(
        in_channels=16, out_channels=4, num_layers=1, joint_attention_dim=tiny.WIDTH, axes_dims_rope=(8, 4, 4), **HEAD
    )
    vae = diffusers.AutoencoderKLQwenImage(
        **{"dim_mult": [1, 2, 2], "temperal_downsample": [False, True]} | changes,
        base_dim=8, z_dim=4, num_res_blocks=1, latents_mean=[0.0] * 4, latents_std=[1.0] * 4,
    )  # fmt: skip
    text = {
        "vocab_size": len(tokenizer), "hidden_size": tiny.WIDTH, "intermediate_size": tiny.WIDTH,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
        "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"},
    }  # fmt: skip
    vision = {
        "depth": 1, "hidden_size": tiny.WIDTH, "intermediate_size": tiny.WIDTH, "num_heads": 2,
        "out_hidden_size": tiny.WIDTH,
    }  # fmt: skip
    known = tokenizer.get_vocab()
    names = ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id")
    marks = {name: known[mark] for name, mark in zip(names, VISION, strict=True) if mark in known}
    settings = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **marks)
    return diffusers.QwenImagePipeline(
        scheduler=flow_scheduler(use_dynamic_shifting=True),
        vae=vae,
        text_encoder=transformers.Qwen2_5_VLForConditionalGeneration(settings),
        tokenizer=tokenizer,
        transformer=transformer,
    )


FAMILIES: dict[str, Callable[[Path], Any]] = {
    "sdxl": sdxl,
    "sdxl_inpainting": sdxl_inpainting,
    "sd3": sd3,
    "sd3_without_t5": sd3_without_t5,
    "flux": flux,
    "flux_schnell": flux_schnell,
    "flux_fill": flux_fill,
    "kontext": kontext,
    "chroma": chroma,
    "klein": klein,
    "z_image": z_image,
    "qwen_image": qwen_image,
}


def save_qwen_edit(folder: Path, pipeline: str) -> None:
    """Qwen-Image-Edit, with an autoencoder of factor 32, since its pictures are large (see `shrink_qwen`).

    Its processor is written file by file, since the library's own needs torchvision.
    """
    tokenizer = qwen_tokenizer(VISION)
    made = qwen_image(folder, tokenizer, dim_mult=[1] * 6, temperal_downsample=[False] * 4 + [True])
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder / "processor")
    few = {"shortest_edge": 28**2, "longest_edge": 16 * 28**2}
    transformers.Qwen2VLImageProcessorPil(size=few).save_pretrained(folder / "processor")
    index = json.loads((folder / "model_index.json").read_text())
    index |= {"_class_name": pipeline, "processor": ["transformers", "Qwen2VLProcessor"]}
    (folder / "model_index.json").write_text(json.dumps(index))


def shrink_qwen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Qwen-Image-Edit's pictures have 128 x 128 pixels, where its pipelines give them 1024 x 1024 always."""
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit, pipeline_qwenimage_edit_plus

    for module in (pipeline_qwenimage_edit, pipeline_qwenimage_edit_plus):
        own = module.calculate_dimensions
        monkeypatch.setattr(module, "calculate_dimensions", lambda area, ratio, own=own: own(area // 64, ratio))


EDITORS = {"qwen_edit": "QwenImageEditPipeline", "qwen_edit_plus": "QwenImageEditPlusPipeline"}
"""Families that edit by instructions alone, and their pipelines."""


def save_family(name: str, folder: Path, helpers: Path) -> Path:
    """A checkpoint of a family in a folder of its name, with the helpers of another checkpoint."""
    place = folder / name
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if name in EDITORS:
            save_qwen_edit(place, EDITORS[name])
        else:
            FAMILIES[name](folder).save_pretrained(place)
    for helper in ("clip", "dino", "clipseg"):
        shutil.copytree(helpers / helper, place / helper)
    return place
