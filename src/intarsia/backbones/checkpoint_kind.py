"""What a file of weights is, from the names and shapes of its tensors alone.

Every family of models names its tensors in its own way, so a header tells a checkpoint from a LoRA, an autoencoder or
a ControlNet before one number is read. The rules go from the particular to the general: a LoRA repeats the names of
the network that it changes, and a checkpoint those of its parts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from intarsia.backbones.weight_headers import WeightHeader

Shapes = Mapping[str, tuple[int, ...]]

# Widths of the text states that a family's denoiser reads.
SD_FAMILIES = {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl-refiner"}
FAMILY_NAMES = {
    "sd1": "Stable Diffusion 1",
    "sd2": "Stable Diffusion 2",
    "sdxl": "Stable Diffusion XL",
    "sdxl-refiner": "refiner of Stable Diffusion XL",
    "sd3": "Stable Diffusion 3",
    "flux": "Flux",
    "flux2": "Flux.2",
    "chroma": "Chroma",
    "z-image": "Z-Image",
    "qwen-image": "Qwen-Image",
}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a file or a folder holds.

    Attributes:
        group: checkpoint (a whole one of Stable Diffusion 1, 2 or XL in its first layout), transformer (of a later
            family), or what else it is: see `backbones.wrong_kinds`.
        what: as a noun with its article, for a sentence: "a LoRA for Stable Diffusion XL".
        family: a key of `FAMILY_NAMES`; empty where it has none or it cannot be told.
        channels: that the denoiser reads; 0 where there is none.
        lacks: parts that a whole checkpoint has and this one has not: vae, text_encoder.
    """

    group: str
    what: str
    family: str = ""
    channels: int = 0
    lacks: tuple[str, ...] = ()

    @property
    def inpaints(self) -> bool:
        """Whether the denoiser is told of a mask and of the picture around it."""
        return self.channels == 9 or (self.family == "flux" and self.channels == 384)


UNKNOWN = Kind(group="unknown", what="of no kind that is known here")


class Names:
    """The names of tensors, made ready for many questions."""

    def __init__(self, shapes: Shapes) -> None:
        self.shapes = shapes
        self.text = "\n".join(["", *shapes, ""])

    def has(self, *fragments: str) -> bool:
        """Whether any of these occurs in a name; a line break stands for a name's begin or end."""
        return any(fragment in self.text for fragment in fragments)

    def shape(self, ending: str) -> tuple[int, ...]:
        """Of the first tensor whose name ends so; () where there is none."""
        return next((shape for name, shape in self.shapes.items() if name.endswith(ending)), ())


def kind_of(header: WeightHeader) -> Kind:
    """What the tensors of a header are; `UNKNOWN` where no rule knows them."""
    own = {"Concepts": "concepts", "RegionNetwork": "regions"}.get(header.metadata.get("kind", ""))
    if own is not None:
        whats = {"concepts": "what was learned of a scene's objects", "regions": "a region network"}
        return Kind(group=own, what=whats[own])
    names = Names(header.shapes)
    return next((kind for rule in RULES if (kind := rule(names)) is not None), UNKNOWN)


LORA = (".lora_down.", ".lora_up.", ".lora_A.", ".lora_B.", ".lora.down.", ".lora.up.", "_lora.down.", "_lora.up.")
LYCORIS = (".hada_w1_a\n", ".lokr_w1\n", ".lokr_w1_a\n", ".oft_blocks\n", ".oft_diag\n", ".dora_scale\n", ".on_input\n")
CROSS_KEY = re.compile(
    r"attn2[._](?:processor[._])?to_k[._](?:lora[._]?)?(?:down|A|lora_down|lora_A)\b.*|attn2_to_k\.hada_w1_b"
)


def lora(names: Names) -> Kind | None:
    if not names.has(*LORA, *LYCORIS):
        return None
    what = "a LoRA" if names.has(*LORA) else "a LyCORIS, a kind of LoRA,"
    family = lora_family(names)
    made_for = f" for {FAMILY_NAMES[family]}" if family else ""
    return Kind(group="lora", what=what.rstrip("," if not made_for else "") + made_for, family=family)


def lora_family(names: Names) -> str:
    """For which family a LoRA was made; empty where its names do not say."""
    if names.has("lora_te2_", "text_encoder_2."):
        return "sdxl"
    if names.has("double_blocks", "single_transformer_blocks"):
        return "flux"
    if names.has("joint_blocks"):
        return "sd3"
    if names.has("img_mod", "txt_mlp"):
        return "qwen-image"
    if names.has("context_refiner", "noise_refiner"):
        return "z-image"
    widths = [shape[-1] for name, shape in names.shapes.items() if len(shape) > 1 and CROSS_KEY.search(name)]
    return SD_FAMILIES.get(widths[0], "") if widths else ""


def embedding(names: Names) -> Kind | None:
    """A textual inversion: a few rows of a text encoder's table, under the word itself."""
    shapes = names.shapes
    widths = {shape[-1] for shape in shapes.values() if shape}
    few = 0 < len(shapes) <= 4 and all(len(shape) <= 2 for shape in shapes.values())
    if (
        not few
        or not widths <= {768, 1024, 1280, 2048, 4096}
        or any(name.endswith((".weight", ".bias")) for name in shapes)
    ):
        return None
    known = {frozenset({768, 1280}): "sdxl", frozenset({768}): "sd1", frozenset({1024}): "sd2"}
    family = known.get(frozenset(widths), "")
    return Kind(
        group="embedding",
        what="a textual inversion, one word" + (f" for {FAMILY_NAMES[family]}" if family else ""),
        family=family,
    )


def control(names: Names) -> Kind | None:
    if names.has(
        "control_model.", "controlnet_cond_embedding.", "controlnet_blocks.", "controlnet_down_blocks.", "controlnet_mid_block.",
        "input_hint_block.", "\nlllite_", "control_all_x_embedder.", "\ncontrol_layers.",
    ):  # fmt: skip
        return Kind(group="controlnet", what="a ControlNet")
    if names.has("ip_adapter.", ".to_k_ip.", "\nimage_proj."):
        return Kind(group="adapter", what="an IP-Adapter")
    if names.has("\nadapter.body.", "\nbody.0.resnets.", "\nbody.0.block1."):
        return Kind(group="adapter", what="a T2I-Adapter")
    if names.has("motion_modules.", "temporal_transformer."):
        return Kind(group="adapter", what="a motion module (AnimateDiff)")
    return None


def transformer(names: Names) -> Kind | None:
    """A denoiser of a family after Stable Diffusion XL, alone or with its text encoders and autoencoder."""
    other = next((what for fragments, what in OTHERS if names.has(*fragments)), None)
    if other is not None:
        return Kind(group="transformer", what=other)
    kind: tuple[str, str, int] | None = None
    if names.has("distilled_guidance_layer."):
        kind = "chroma", "a Chroma", 0
    elif names.has(
        "single_stream_modulation.lin.", "double_stream_modulation_img.lin", "single_stream_modulation.linear."
    ):
        kind = "flux2", "a Flux.2", 0
    elif names.has("double_blocks.0.img_attn.norm.") or (
        names.has("single_transformer_blocks.0.") and names.has("x_embedder.weight\n")
    ):
        channels = (names.shape("img_in.weight") or names.shape("x_embedder.weight") or (0, 0))[-1]
        what = {384: "a Flux Fill", 128: "a Flux for depth or edges"}.get(channels, "a Flux")
        kind = "flux", what, channels
    elif names.has("joint_blocks.0.") or (
        names.has("transformer_blocks.0.attn.add_q_proj.") and names.has("context_embedder.") and names.has("pos_embed")
    ):
        kind = "sd3", "a Stable Diffusion 3", 0
    elif names.has("transformer_blocks.0.img_mod.1.") or (
        names.has("txt_norm.") and names.has("transformer_blocks.0.")
    ):
        kind = "qwen-image", "a Qwen-Image", 0
    elif names.has("noise_refiner.0.") and names.has("context_refiner.0.") and names.has("cap_embedder."):
        zimage = names.has("layers.0.adaLN_modulation.0.") or names.has("all_x_embedder.")
        kind = ("z-image", "a Z-Image", 0) if zimage else ("", "a Lumina", 0)
    if kind is None:
        return None
    family, what, channels = kind
    return Kind(group="transformer", what=what, family=family, channels=channels)


# Families of which no more than the name is said.
OTHERS: tuple[tuple[tuple[str, ...], str], ...] = (
    ((".ff.conv_inverted.", ".mlp.inverted_conv."), "a Sana"),
    (("head.modulation\n", "vace_blocks.0.", "\ncondition_embedder.time_proj."), "a Wan, which makes videos"),
    (("individual_token_refiner.", "context_embedder.token_refiner."), "a HunyuanVideo, which makes videos"),
    (("patchify_proj.weight", "\ntime_embed.emb.timestep_embedder."), "an LTX-Video, which makes videos"),
    (("temporal_res_block.", ".time_stack.", ".time_mixer."), "a Stable Video Diffusion, which makes videos"),
    (("double_stream_blocks.0.",), "a HiDream"),
    (("double_layers.0.attn.w2q.", "joint_transformer_blocks.0."), "an AuraFlow"),
    (("time_caption_embed.",), "a Lumina"),
    (("blocks.0.cross_attn.q_linear.", "\nadaln_single.linear.", "\ncaption_projection.linear_1."), "a PixArt"),
    (("clip_txt_mapper.", "down_blocks.1.0.channelwise."), "a Stable Cascade"),
    (("net.extra_pos_embedder.", "net.pos_embedder."), "a Cosmos"),
)


def stable_diffusion(names: Names) -> Kind | None:
    """Stable Diffusion 1, 2 or XL in its first layout, whole or its denoiser alone."""
    first = names.shape("input_blocks.0.0.weight")
    if len(first) != 4:
        return None
    cross = names.shape("attn2.to_k.weight")
    width = cross[-1] if len(cross) == 2 else 0
    family, channels = SD_FAMILIES.get(width, ""), first[1]
    if names.has("noise_augmentor."):
        return Kind(group="other", what="a Stable unCLIP, which varies whole pictures", channels=channels)
    if names.has("input_blocks.0.0.weight") and channels == 7:
        return Kind(group="upscaler", what="the upscaler of Stable Diffusion", channels=channels)
    texts = names.has("cond_stage_model.", "conditioner.embedders.")
    decoder = names.has("first_stage_model.")
    name = FAMILY_NAMES.get(family, f"Stable Diffusion of a size of its own (texts {width} wide)")
    named = f"{name} for inpainting" if channels == 9 else name
    if not texts and not decoder:
        return Kind(group="unet", what=f"the denoiser alone of a {named}", family=family, channels=channels)
    lacks = tuple(part for part, there in (("vae", decoder), ("text_encoder", texts)) if not there)
    return Kind(group="checkpoint", what=f"a {named}", family=family, channels=channels, lacks=lacks)


def diffusers_unet(names: Names) -> Kind | None:
    """The denoiser of a folder in diffusers layout, taken out of it."""
    first = names.shape("conv_in.weight")
    if not names.has("\ndown_blocks.0.resnets.0.") or not names.has("\ntime_embedding.linear_1.") or len(first) != 4:
        return None
    cross = names.shape("attn2.to_k.weight")
    family = SD_FAMILIES.get(cross[-1], "") if cross else ""
    name = FAMILY_NAMES.get(family, "diffusion model")
    return Kind(group="unet", what=f"the denoiser alone of a {name}", family=family, channels=first[1])


def autoencoder(names: Names) -> Kind | None:
    if re.search(r"\n(?:en|de)coder\.layers\.\d+\.conv\.", names.text):
        return Kind(group="vae", what="a tiny autoencoder (TAESD) alone")
    if all(re.match(r"\d+\.(?:weight|bias|conv\.)", name) for name in names.shapes) and names.has("\n1.weight\n"):
        return Kind(group="vae", what="one half of a tiny autoencoder (TAESD)")
    if names.has(
        "encoder.down.0.block.0.", "decoder.up.0.block.0.", "encoder.down_blocks.0.resnets.", "decoder.up_blocks.0.resnets.",
        "decoder.middle.0.residual.", "first_stage_model.",
    ):  # fmt: skip
        return Kind(group="vae", what="an autoencoder (VAE) alone")
    return None


def helper(names: Names) -> Kind | None:
    """Networks that look at pictures, ours among them."""
    if names.has("mask_decoder.", "sam_mask_decoder."):
        return Kind(group="segmenter", what="a SAM, which outlines what is in a picture")
    if names.has("bbox_embed."):
        return Kind(group="segmenter", what="an object detector, which finds in a picture what words name")
    if names.has("clip.text_model.") and names.has("\ndecoder."):
        return Kind(group="segmenter", what="a CLIPSeg, which finds in a picture what words name")
    if names.has("text_model.") and names.has("vision_model."):
        return Kind(group="scorer", what="a CLIP, which scores pictures against texts")
    if names.has("\ntransformer.resblocks.0.") and names.has("\nvisual."):
        return Kind(group="scorer", what="a CLIP (OpenCLIP's layout), which scores pictures against texts")
    if names.has("embeddings.cls_token", "\ncls_token\n") and not names.has("text_model.", "vision_model."):
        return Kind(group="patches", what="a DINO or another vision transformer, which describes pictures")
    if names.has("vision_model.encoder.layers.0."):
        return Kind(group="text-encoder", what="an image encoder (CLIP) alone")
    return None


def text_encoder(names: Names) -> Kind | None:
    if names.has(
        "embeddings.token_embedding.", "transformer.resblocks.0.", "cond_stage_model.", "conditioner.embedders."
    ):
        return Kind(group="text-encoder", what="a text encoder (CLIP) alone")
    if names.has("encoder.block.0.layer.0.SelfAttention."):
        return Kind(group="text-encoder", what="a text encoder (T5) alone")
    if names.has("layers.0.self_attn.q_proj.", "layers.0.self_attn.qkv_proj.", "layers.0.linear_attn."):
        return Kind(group="text-encoder", what="a language model, such as newer checkpoints read their texts with")
    return None


def upscaler(names: Names) -> Kind | None:
    if names.has("\nswin2sr.", ".RDB1.", ".rdb1.", "residual_group.blocks.", "\nconv_first.weight\n") or (
        names.has("\nbody.0.weight\n") and names.has("\nbody.1.weight\n")
    ):
        return Kind(group="upscaler", what="an upscaler (such as ESRGAN)")
    return None


RULES: tuple[Callable[[Names], Kind | None], ...] = (
    lora,
    control,
    transformer,
    stable_diffusion,
    diffusers_unet,
    embedding,
    helper,
    upscaler,
    autoencoder,
    text_encoder,
)
