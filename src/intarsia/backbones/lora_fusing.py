"""Adding LoRAs to the weights of networks that were just loaded, once for all: what samples with them need not know.

The sum is made in float32 and rounded once, whatever the networks' precision and however many LoRAs there are. A
changed weight is a new tensor; pages of its file that were read for it are given back. Quantised weights cannot be
added to: their layers get the LoRA's answer beside their own, at every call.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from intarsia.backbones.lora_files import Lora, none_fits
from intarsia.backbones.lora_keys import DENOISER, LayerTable, LoraLayer, lora_layers
from intarsia.backbones.mapped_weights import AT_ONCE, give_back_pages
from intarsia.notes import note

logger = logging.getLogger(__name__)

TEXT_ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")


def fuse_into_pipeline(pipeline: Any, loras: Sequence[Lora], *, model: str) -> None:
    """Add LoRAs to the denoiser and the text encoders of a pipeline of diffusers.

    Args:
        pipeline: just loaded; nothing has moved or copied its networks.
        model: the checkpoint's name, for messages.

    Raises:
        ModelError: a LoRA changes no layer of these networks.
    """
    parts = {DENOISER: getattr(pipeline, "unet", None) or pipeline.transformer}
    parts |= {name: part for name in TEXT_ENCODERS if (part := getattr(pipeline, name, None)) is not None}
    converts = getattr(pipeline, "lora_state_dict", None) if getattr(pipeline, "unet", None) is None else None
    fuse(parts, loras, model=model, converts=converts)


@torch.no_grad()
def fuse(
    networks: Mapping[str, nn.Module], loras: Sequence[Lora], *, model: str, converts: Any = None, quiet: bool = False
) -> None:
    """Add LoRAs to networks.

    Args:
        networks: by the parts of the checkpoint that they are; layers of parts that are not among them are left out.
        converts: reads a file's tensors as diffusers names them, where their names are not those of the layers.
        quiet: whether nothing is said of layers that do not fit, as of a second denoiser.

    Raises:
        ModelError: a LoRA fits no layer.
    """
    layers = {
        part: {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)}
        for part, network in networks.items()
    }
    table = LayerTable({part: {name: shape_of(layer) for name, layer in own.items()} for part, own in layers.items()})
    changes: dict[nn.Module, list[tuple[Lora, LoraLayer, Mapping[str, Tensor]]]] = {}
    for lora in loras:
        tensors: Mapping[str, Tensor] = load_file(lora.file)
        fitting, count = _fitting(table, tensors)
        if converts is not None and not fitting:
            tensors = _as_diffusers_names_them(converts, tensors)
            fitting, count = _fitting(table, tensors)
        if not quiet:
            _tell(lora, fitting=len(fitting), count=count, model=model)
        for layer, name in fitting:
            changes.setdefault(layers[layer.part][name], []).append((lora, layer, tensors))
    addresses = {
        parameter.data_ptr()
        for network in networks.values()
        for parameter in network.parameters()
        if parameter.device.type == "cpu"
    }
    copied = 0
    for module, updates in changes.items():
        weight: Any = module.weight
        if is_quantised(module):
            for lora, layer, tensors in updates:
                if lora.weight:
                    _answer_beside(module, lora, layer, tensors)
            continue
        changed = weight.detach().to(torch.float32, copy=True)
        for lora, layer, tensors in updates:
            if lora.weight:
                _add(changed, lora, layer, tensors)
        weight.data = changed.to(weight.dtype)
        copied += weight.nbytes
        if copied >= AT_ONCE:
            give_back_pages(addresses)
            copied = 0
    give_back_pages(addresses)


def _fitting(table: LayerTable, tensors: Mapping[str, Tensor]) -> tuple[list[tuple[LoraLayer, str]], int]:
    """The layers of a file that have a place, each with its name there; and how many it has in all."""
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    places = [(layer, table.find(layer, shapes)) for layer in lora_layers(tensors)]
    return [(layer, name) for layer, name in places if name is not None], len(places)


def shape_of(layer: Any) -> tuple[int, ...]:
    """Of a layer's weight, as it is before it is quantised."""
    if isinstance(layer, nn.Linear):
        return layer.out_features, layer.in_features
    return tuple(layer.weight.shape)


def is_quantised(layer: Any) -> bool:
    """Whether a layer's weight is quantised: no plain tensor of numbers that can be added to."""
    weight = layer.weight
    return type(weight) is not nn.Parameter or not weight.is_floating_point() or tuple(weight.shape) != shape_of(layer)


def _answer_beside(module: Any, lora: Lora, layer: LoraLayer, tensors: Mapping[str, Tensor]) -> None:
    """Add the factors' answer to that of a linear layer, whenever it is asked."""
    down, up = (tensors[layer.tensors[role]].flatten(1) for role in ("down", "up"))
    alpha = float(tensors[layer.tensors["alpha"]]) if "alpha" in layer.tensors else None
    scale = lora.weight * lora.scale(layer, len(down), alpha)

    def add(_layer: Any, inputs: tuple[Tensor, ...], answer: Tensor) -> Tensor:
        states = inputs[0]
        # Copied at each call: on an accelerator the factors would take the room that quantising has saved.
        more = F.linear(F.linear(states, down.to(states)), up.to(states))
        return answer + (scale * more).to(answer)

    module.register_forward_hook(add)


def _add(weight: Tensor, lora: Lora, layer: LoraLayer, tensors: Mapping[str, Tensor]) -> None:
    """Add the product of a layer's factors to its weight (out, in, ...), float32."""
    own = {role: tensors[name].to(weight) for role, name in layer.tensors.items()}
    down, up, mid = own["down"], own["up"], own.get("mid")
    if mid is None:
        product = (up.flatten(1) @ down.flatten(1)).reshape(len(up), *(down.shape[1:] if weight.ndim == 4 else (-1,)))
    else:  # a core between two factors (LoCon's Tucker decomposition)
        product = torch.einsum("or, rs..., si -> oi...", up.flatten(1), mid, down.flatten(1))
    alpha = own.get("alpha")
    scale = lora.weight * lora.scale(layer, len(down), None if alpha is None else float(alpha))
    weight[:, : product.shape[1]] += scale * product.reshape(-1, product.shape[1], *weight.shape[2:])


def _as_diffusers_names_them(converts: Any, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """What diffusers reads a file as, for a family whose trainers name and split layers in ways of their own."""
    try:
        read = converts(dict(tensors))
    except Exception:  # whatever its arithmetic on names raises, down to AssertionError: these are not such names
        return tensors
    named: dict[str, Tensor] = read[0] if isinstance(read, tuple) else read
    return named


def _tell(lora: Lora, *, fitting: int, count: int, model: str) -> None:
    """Say what a LoRA's maker and the fit of its layers have to say.

    Raises:
        ModelError: no layer fits.
    """
    if not fitting:
        raise none_fits(lora.file, count, model)
    if fitting < count:
        note(f"{count - fitting} of the {count} layers of {lora.file} have no place in {model} and are left out.")
    if lora.trigger:
        logger.info("%s answers to the words: %s", lora.file.name, lora.trigger)
