"""Names and shapes by which kinds of files are known, as their writers publish them; sizes that say nothing are 1.

Of each kind a handful of the tensors that a real file has.
"""

from __future__ import annotations

UNET = "model.diffusion_model."


def original(width: int, channels: int, *further: str, prefix: str = UNET) -> dict[str, tuple[int, ...]]:
    """Stable Diffusion in its first layout."""
    denoiser: dict[str, tuple[int, ...]] = {
        f"{prefix}input_blocks.0.0.weight": (1, channels, 3, 3),
        f"{prefix}input_blocks.4.1.transformer_blocks.0.attn1.to_k.weight": (1, 1),
        f"{prefix}input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (1, width),
        f"{prefix}time_embed.0.weight": (1, 1),
    }
    return denoiser | dict.fromkeys(further, (1, 1))


VAE1 = ("first_stage_model.encoder.down.0.block.0.conv1.weight", "first_stage_model.quant_conv.weight")
TEXT1 = ("cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",)
TEXT2 = ("cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight",)
TEXTS_XL = (
    "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight",
    "conditioner.embedders.1.model.transformer.resblocks.9.mlp.c_proj.bias",
)
REFINER = ("conditioner.embedders.0.model.transformer.resblocks.9.mlp.c_proj.bias",)
FLUX = ("double_blocks.0.img_attn.norm.key_norm.scale", "single_blocks.0.norm.key_norm.scale")


def ones(*names: str) -> dict[str, tuple[int, ...]]:
    return dict.fromkeys(names, (1, 1))


def kohya(width: int, part: str = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k") -> dict:
    return {f"{part}.lora_down.weight": (4, width), f"{part}.lora_up.weight": (1, 4), f"{part}.alpha": ()}


SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "sd1": original(768, 4, *VAE1, *TEXT1),
    "sd1 inpainting": original(768, 9, *VAE1, *TEXT1),
    "sd2": original(1024, 4, *VAE1, *TEXT2),
    "sd2 inpainting": original(1024, 9, *VAE1, *TEXT2),
    "sd2 depth": original(1024, 5, *VAE1, *TEXT2),
    "instruct-pix2pix": original(768, 8, *VAE1, *TEXT1),
    "sd1 without vae": original(768, 4, *TEXT1),
    "sd1 without texts": original(768, 4, *VAE1),
    "sdxl": original(2048, 4, *VAE1, *TEXTS_XL),
    "sdxl inpainting": original(2048, 9, *VAE1, *TEXTS_XL),
    "sdxl refiner": original(1280, 4, *VAE1, *REFINER),
    "unet of sd1": original(768, 4),
    "unet of sdxl": original(2048, 4, prefix=""),
    "unet of diffusers": {
        "conv_in.weight": (1, 9, 3, 3),
        "time_embedding.linear_1.weight": (1, 1),
        "down_blocks.0.resnets.0.conv1.weight": (1, 1, 3, 3),
        "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (1, 768),
    },
    "upscaler of sd": original(1024, 7, *VAE1, *TEXT2),
    "sd3": ones(
        f"{UNET}joint_blocks.0.context_block.adaLN_modulation.1.bias", f"{UNET}pos_embed", "first_stage_model.x.weight"
    ),
    "flux": {**ones(*FLUX), "img_in.weight": (1, 64)},
    "flux with all": {**ones(*(UNET + name for name in FLUX), *VAE1), f"{UNET}img_in.weight": (1, 64)},
    "flux fill": {**ones(*FLUX), "img_in.weight": (1, 384)},
    "chroma": ones(*FLUX, "distilled_guidance_layer.in_proj.bias"),
    "flux2": ones(*FLUX, "single_stream_modulation.lin.weight", "double_stream_modulation_img.lin.weight"),
    "z-image": ones(
        "layers.0.adaLN_modulation.0.weight", "noise_refiner.0.attention.qkv.weight",
        "context_refiner.0.attention.qkv.weight", "cap_embedder.0.weight", "x_embedder.weight",
    ),
    "qwen-image": ones(f"{UNET}transformer_blocks.0.img_mod.1.weight", f"{UNET}txt_norm.weight"),
    "wan": ones(f"{UNET}head.modulation", f"{UNET}blocks.0.self_attn.q.weight"),
    "svd": original(1024, 8, *VAE1, f"{UNET}input_blocks.1.0.time_stack.in_layers.0.weight"),
    "lora": kohya(768),
    "lora of sd2": kohya(1024),
    "lora of sdxl": {**kohya(2048), **kohya(1, "lora_te2_text_model_encoder_layers_0_mlp_fc1")},
    "lora of diffusers": {
        "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight": (4, 768),
        "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_B.weight": (1, 4),
    },
    "lora of flux": ones(
        "transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight",
        "transformer.single_transformer_blocks.0.attn.to_q.lora_B.weight",
    ),
    "lora of old diffusers": {
        "down_blocks.0.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.down.weight": (4, 768),
        "down_blocks.0.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.up.weight": (1, 4),
    },
    "lycoris": ones("lora_unet_mid_block_attentions_0_proj_in.hada_w1_a", "lora_unet_mid_block_attentions_0_proj_in.alpha"),
    "lokr": ones("lycoris_blocks_0_attn.lokr_w1", "lycoris_blocks_0_attn.lokr_w2"),
    "textual inversion": {"emb_params": (4, 768)},
    "textual inversion of diffusers": {"<my-cat>": (1024,)},
    "textual inversion of sdxl": {"clip_l": (2, 768), "clip_g": (2, 1280)},
    "vae": ones("encoder.down.0.block.0.conv1.weight", "decoder.up.0.block.0.conv1.weight", "quant_conv.weight"),
    "vae of a checkpoint": ones(*VAE1),
    "half a tiny vae": ones("1.weight", "1.bias", "3.conv.0.weight"),
    "controlnet": ones("control_model.time_embed.0.weight", "control_model.input_hint_block.0.weight"),
    "ip-adapter": ones("image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight"),
    "t2i-adapter": ones("body.0.block1.weight", "body.0.block2.weight", "conv_in.weight"),
    "esrgan": ones("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight"),
    "esrgan new": ones("conv_first.weight", "body.0.rdb1.conv1.weight"),
    "text encoder": ones("text_model.encoder.layers.0.mlp.fc1.weight", "text_model.embeddings.token_embedding.weight"),
    "t5": ones("encoder.block.0.layer.0.SelfAttention.q.weight", "shared.weight"),
    "language model": ones("model.layers.0.self_attn.q_proj.weight", "model.embed_tokens.weight"),
    "openclip": ones("transformer.resblocks.0.mlp.c_fc.weight", "visual.conv1.weight", "token_embedding.weight"),
    "sam": ones("image_encoder.blocks.0.attn.qkv.weight", "mask_decoder.iou_token.weight", "prompt_encoder.x.weight"),
    "dino": ones("cls_token", "pos_embed", "blocks.0.attn.qkv.weight"),
    "nothing known": ones("head.weight", "head.bias"),
}  # fmt: skip

EXPECTED: dict[str, tuple[str, str, int]] = {
    "sd1": ("checkpoint", "sd1", 4),
    "sd1 inpainting": ("checkpoint", "sd1", 9),
    "sd2": ("checkpoint", "sd2", 4),
    "sd2 inpainting": ("checkpoint", "sd2", 9),
    "sd2 depth": ("checkpoint", "sd2", 5),
    "instruct-pix2pix": ("checkpoint", "sd1", 8),
    "sd1 without vae": ("checkpoint", "sd1", 4),
    "sd1 without texts": ("checkpoint", "sd1", 4),
    "sdxl": ("checkpoint", "sdxl", 4),
    "sdxl inpainting": ("checkpoint", "sdxl", 9),
    "sdxl refiner": ("checkpoint", "sdxl-refiner", 4),
    "unet of sd1": ("unet", "sd1", 4),
    "unet of sdxl": ("unet", "sdxl", 4),
    "unet of diffusers": ("unet", "sd1", 9),
    "upscaler of sd": ("upscaler", "", 7),
    "sd3": ("transformer", "sd3", 0),
    "flux": ("transformer", "flux", 64),
    "flux with all": ("transformer", "flux", 64),
    "flux fill": ("transformer", "flux", 384),
    "chroma": ("transformer", "chroma", 0),
    "flux2": ("transformer", "flux2", 0),
    "z-image": ("transformer", "z-image", 0),
    "qwen-image": ("transformer", "qwen-image", 0),
    "wan": ("transformer", "", 0),
    "svd": ("transformer", "", 0),
    "lora": ("lora", "sd1", 0),
    "lora of sd2": ("lora", "sd2", 0),
    "lora of sdxl": ("lora", "sdxl", 0),
    "lora of diffusers": ("lora", "sd1", 0),
    "lora of flux": ("lora", "flux", 0),
    "lora of old diffusers": ("lora", "sd1", 0),
    "lycoris": ("lora", "", 0),
    "lokr": ("lora", "", 0),
    "textual inversion": ("embedding", "sd1", 0),
    "textual inversion of diffusers": ("embedding", "sd2", 0),
    "textual inversion of sdxl": ("embedding", "sdxl", 0),
    "vae": ("vae", "", 0),
    "vae of a checkpoint": ("vae", "", 0),
    "half a tiny vae": ("vae", "", 0),
    "controlnet": ("controlnet", "", 0),
    "ip-adapter": ("adapter", "", 0),
    "t2i-adapter": ("adapter", "", 0),
    "esrgan": ("upscaler", "", 0),
    "esrgan new": ("upscaler", "", 0),
    "text encoder": ("text-encoder", "", 0),
    "t5": ("text-encoder", "", 0),
    "language model": ("text-encoder", "", 0),
    "openclip": ("scorer", "", 0),
    "sam": ("segmenter", "", 0),
    "dino": ("patches", "", 0),
    "nothing known": ("unknown", "", 0),
}
"""Group, family and channels of each."""

SAID: dict[str, str] = {
    "sd2 depth": "a Stable Diffusion 2 whose denoiser reads 5 channels",
    "instruct-pix2pix": "a Stable Diffusion 1 whose denoiser reads 8 channels",
    "sd1 without vae": "a Stable Diffusion 1 without its autoencoder",
    "sd1 without texts": "a Stable Diffusion 1 without its text encoder",
    "sdxl refiner": "a refiner of Stable Diffusion XL",
    "unet of sd1": "the denoiser alone of a Stable Diffusion 1",
    "upscaler of sd": "the upscaler of Stable Diffusion",
    "sd3": "a Stable Diffusion 3",
    "flux": "a Flux: pass it behind the checkpoint that has its other parts, e.g. --models CHECKPOINT+FILE",
    "flux fill": "a Flux Fill",
    "chroma": "a Chroma",
    "flux2": "a Flux.2",
    "z-image": "a Z-Image",
    "qwen-image": "a Qwen-Image",
    "wan": "a Wan, which makes videos",
    "lora": "a LoRA for Stable Diffusion 1: pass the checkpoint that it was made for, e.g. --models sd15, and this with --lora",
    "lora of sdxl": "a LoRA for Stable Diffusion XL",
    "lora of flux": "a LoRA for Flux",
    "lycoris": "a LyCORIS, a kind of LoRA",
    "textual inversion": "a textual inversion, one word for Stable Diffusion 1",
    "vae": "an autoencoder (VAE) alone: pass the checkpoint that it belongs to",
    "half a tiny vae": "one half of a tiny autoencoder",
    "controlnet": "a ControlNet: pass the checkpoint that it steers",
    "ip-adapter": "an IP-Adapter: pass the checkpoint that it adds to",
    "t2i-adapter": "a T2I-Adapter",
    "esrgan": "an upscaler (such as ESRGAN)",
    "text encoder": "a text encoder (CLIP) alone",
    "t5": "a text encoder (T5) alone",
    "language model": "a language model",
    "openclip": "a CLIP (OpenCLIP's layout)",
    "sam": "a SAM, which outlines",
    "dino": "a DINO or another vision transformer",
    "nothing known": "of no kind that is known here",
}
"""What is said of each that is no checkpoint of ours."""
