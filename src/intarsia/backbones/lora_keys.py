"""Which layer of a checkpoint each tensor of a LoRA changes: told from names and shapes alone, before a number is read.

Writers name tensors in three ways, all of which say a layer's name in full: diffusers and peft with dots
(unet.down_blocks.0...lora_A.weight), kohya's scripts with underscores (lora_unet_down_blocks_0_...lora_down.weight),
and these, of Stable Diffusion XL, after the blocks of its first release (lora_unet_input_blocks_4_1_...). Dots and
underscores are not told apart here, so that one table serves all of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

Shape = tuple[int, ...]

DENOISER = "denoiser"
"""The part of a checkpoint that denoises, be it a UNet or a transformer."""

ROLES = {"A": "down", "B": "up"}
TENSORS = (
    re.compile(r"(?P<layer>.+)\.lora_(?P<role>down|up|mid)\.weight"),
    re.compile(r"(?P<layer>.+)\.lora_(?P<role>A|B)(?:\.(?!weight$)[\w-]+)?\.weight"),
    re.compile(r"(?P<layer>.+)\.lora(?:_linear_layer)?\.(?P<role>down|up)\.weight"),
    re.compile(r"(?P<layer>.+\.to_(?:q|k|v|out))_lora\.(?P<role>down|up)\.weight"),
    re.compile(r"(?P<layer>.+)\.(?P<role>alpha)"),
)
PREFIXES = (
    ("lora_unet_", DENOISER),
    ("lora_transformer_", DENOISER),
    ("lora_te1_", "text_encoder"),
    ("lora_te2_", "text_encoder_2"),
    ("lora_te3_", "text_encoder_3"),
    ("lora_te_", "text_encoder"),
    ("unet.", DENOISER),
    ("transformer.", DENOISER),
    ("diffusion_model.", DENOISER),
    ("text_encoder.", "text_encoder"),
    ("text_encoder_2.", "text_encoder_2"),
    ("text_encoder_3.", "text_encoder_3"),
    ("text_model.", "text_encoder"),
)
# As diffusers wrote them at first: by the attention's processor, and with one set of names for all networks.
FIRST_NAMES = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj", "to_out_0": "out_proj"}


@dataclass(kw_only=True)
class LoraLayer:
    """What a LoRA holds for one layer.

    Attributes:
        part: of the checkpoint: denoiser, text_encoder, text_encoder_2, ...
        name: of the layer as the file has it, without the part's prefix.
        tensors: their names in the file by what they are: down (rank, in, ...), up (out, rank, ...), mid, alpha.
    """

    part: str
    name: str
    tensors: dict[str, str] = field(default_factory=dict)


def lora_layers(names: Iterable[str]) -> list[LoraLayer]:
    """The layers that a LoRA's tensors belong to; what is none of a LoRA is left out, and so is a layer without both
    factors."""
    layers: dict[tuple[str, str], LoraLayer] = {}
    for name in names:
        match = next((match for pattern in TENSORS if (match := pattern.fullmatch(name))), None)
        if match is None:
            continue
        part, layer = part_of(match["layer"])
        known = layers.setdefault((part, plain(layer)), LoraLayer(part=part, name=layer))
        known.tensors[ROLES.get(match["role"], match["role"])] = name
    return [layer for layer in layers.values() if {"down", "up"} <= set(layer.tensors)]


def part_of(layer: str) -> tuple[str, str]:
    """The part of a checkpoint that a layer's name begins with, and the rest of the name."""
    layer = layer.removeprefix("base_model.model.").replace(".processor.", ".")
    for prefix, part in PREFIXES:
        if layer.startswith(prefix):
            return part, layer.removeprefix(prefix)
    return DENOISER, layer


def plain(layer: str) -> str:
    """A layer's name as it is compared: without dots, and without the outer module of a text encoder."""
    return layer.replace(".", "_").removeprefix("text_model_")


class LayerTable:
    """The layers of a checkpoint's networks, found by the names that LoRAs give them.

    Args:
        networks: of each part, the shapes of its layers' weights by the layers' names.
    """

    def __init__(self, networks: Mapping[str, Mapping[str, Shape]]) -> None:
        self.networks = networks
        self.known: dict[str, dict[str, str]] = {}
        for part, layers in networks.items():
            names = {plain(name): name for name in layers}
            if part == DENOISER:
                names |= {plain(first): name for name, first in first_release_names(layers)}
            self.known[part] = names

    def find(self, layer: LoraLayer, shapes: Mapping[str, Shape]) -> str | None:
        """The name of the layer that a LoRA's changes; None where there is none of that name and size.

        Args:
            shapes: of the LoRA's tensors.
        """
        known = self.known.get(layer.part, {})
        name = known.get(plain(layer.name))
        if name is None:
            stem, _, last = layer.name.rpartition(".")
            other = f"{stem}.{FIRST_NAMES[last]}" if last in FIRST_NAMES else f"{layer.name}.0"
            name = known.get(plain(other))
        if name is None:
            return None
        return name if fits(layer, shapes, self.networks[layer.part][name]) else None


def fits(layer: LoraLayer, shapes: Mapping[str, Shape], weight: Shape) -> bool:
    """Whether the product of a LoRA's factors has a weight's shape, or that of its first input channels.

    The first convolution of an inpainting denoiser reads the latents before the mask, as that of the text-to-image
    denoiser does that a LoRA was made with.
    """
    down, up, mid = (shapes[layer.tensors[role]] if role in layer.tensors else () for role in ("down", "up", "mid"))
    if len(down) < 2 or len(up) < 2 or down[0] != (mid[1] if mid else up[1]) or (mid and mid[0] != up[1]):
        return False
    window = math.prod(mid[2:]) if mid else math.prod(down[2:])
    if up[0] != weight[0] or math.prod(up[2:]) != 1 or window != math.prod(weight[2:]):
        return False
    return down[1] == weight[1] or (len(weight) == 4 and down[1] < weight[1] == 9)


RESNET_NAMES = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
OUTER_NAMES = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}


def first_release_names(layers: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Names of a UNet's layers, and those that Stable Diffusion's first release had for them."""
    layers = list(layers)
    places = _places(layers)
    for layer in layers:
        if layer in OUTER_NAMES:
            yield layer, OUTER_NAMES[layer]
        place = next((place for place in places if layer.startswith(place)), None)
        if place is not None:
            rest = layer.removeprefix(place)
            yield layer, places[place] + (RESNET_NAMES.get(rest, rest) if ".resnets." in place else rest)


def _places(layers: Iterable[str]) -> dict[str, str]:
    """Where the blocks of a UNet lie in the first release's layout, by the beginnings of their names."""
    found = {
        name for layer in layers for name in re.findall(r"^(?:(?:down|up)_blocks\.\d+|mid_block)\.\w+\.\d+", layer)
    }
    places: dict[str, str] = {}
    index = 1
    for block in _numbered(found, "down_blocks"):
        for number in _numbered(found, f"down_blocks.{block}.resnets"):
            places[f"down_blocks.{block}.resnets.{number}."] = f"input_blocks.{index}.0."
            places[f"down_blocks.{block}.attentions.{number}."] = f"input_blocks.{index}.1."
            index += 1
        if f"down_blocks.{block}.downsamplers.0" in found:
            places[f"down_blocks.{block}.downsamplers.0.conv"] = f"input_blocks.{index}.0.op"
            index += 1
    places |= {
        "mid_block.resnets.0.": "middle_block.0.",
        "mid_block.attentions.0.": "middle_block.1.",
        "mid_block.resnets.1.": "middle_block.2.",
    }
    index = 0
    for block in _numbered(found, "up_blocks"):
        attends = f"up_blocks.{block}.attentions.0" in found
        for number in _numbered(found, f"up_blocks.{block}.resnets"):
            places[f"up_blocks.{block}.resnets.{number}."] = f"output_blocks.{index}.0."
            places[f"up_blocks.{block}.attentions.{number}."] = f"output_blocks.{index}.1."
            index += 1
        places[f"up_blocks.{block}.upsamplers.0."] = f"output_blocks.{index - 1}.{2 if attends else 1}."
    return places


def _numbered(names: Iterable[str], stem: str) -> list[int]:
    """The numbers that follow a stem, in their order."""
    return sorted({int(match[1]) for name in names if (match := re.match(rf"{re.escape(stem)}\.(\d+)", name))})
