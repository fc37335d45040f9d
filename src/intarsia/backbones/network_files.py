"""Reading one network of a checkpoint: from this machine, from safetensors, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from intarsia.backbones.checkpoint_files import network_fault, short_reason, tokenizer_fault
from intarsia.backbones.weight_sets import folder_weights, plain_folder, precision_named
from intarsia.errors import ModelError, Remedy


def load_network(kind: Any, folder: Path, *, dtype: torch.dtype = torch.float32, **settings: Any) -> Any:
    """A frozen network in evaluation mode.

    Weights that the files lack would be drawn at random in silence, so they are an error.

    Args:
        kind: a class of diffusers or transformers with `from_pretrained`.
        folder: with its configuration and its weights. Where these are there in several precisions, those that suit
            `dtype` are read; in shards, with or without an index; under any variant's name.
        dtype: to work in.
        settings: more for `from_pretrained`.

    Raises:
        ModelError: files are damaged, do not fit each other, or lack weights.
    """
    try:
        with readable_folder(kind, folder, dtype) as readable:
            network, found = kind.from_pretrained(
                readable,
                dtype=dtype,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                **settings,
            )
    # A damaged file shows as almost any exception: of safetensors, of json, or a shape that does not fit.
    except Exception as fault:
        packed = quantised_by(folder)
        if packed is not None and isinstance(fault, ImportError | RuntimeError):
            raise ModelError(
                f"{folder} is quantised by {packed}, which could not be used here ({short_reason(fault)})",
                Remedy(f"install {packed}, or take the checkpoint that is not quantised"),
            ) from fault
        damaged = network_fault(folder)
        if damaged is not None:
            raise ModelError(f"{folder} could not be loaded as {kind.__name__}, since ", *damaged) from fault
        raise ModelError(
            f"{folder} could not be loaded as {kind.__name__} ({short_reason(fault)}): download the checkpoint again."
        ) from fault
    missing = sorted(found["missing_keys"])
    if missing:
        raise ModelError(
            f"{folder} lacks {len(missing)} weights of a {kind.__name__}, first {missing[0]}: it is another kind of "
            "model, or incomplete. Download the checkpoint again."
        )
    return network.eval().requires_grad_(False)


def quantised_by(folder: Path) -> str | None:
    """The library by which the weights in a network's folder are quantised, as its configuration says."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return str(config["quantization_config"]["quant_method"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


@contextmanager
def readable_folder(kind: Any, folder: Path, dtype: torch.dtype) -> Iterator[Path]:
    """A network's folder in which the weights for a precision have the names that `kind` looks for."""
    stem = "model" if kind.__module__.startswith("transformers.") else "diffusion_pytorch_model"
    weights = folder_weights(folder, precision_named(str(dtype)))
    if weights is None or weights.files == (f"{stem}.safetensors",):
        yield folder
    else:
        with plain_folder(folder, weights, stem) as plain:
            yield plain


def load_tokenizer(kind: Any, folder: Path) -> Any:
    """A tokenizer of a checkpoint.

    Raises:
        ModelError: one of its files is missing or damaged; the message names it.
    """
    try:
        return kind.from_pretrained(folder, local_files_only=True)
    # tokenizers raises plain exceptions for what it cannot parse.
    except Exception as fault:
        damaged = tokenizer_fault(folder) or (f"{short_reason(fault)}: download the checkpoint again.",)
        raise ModelError(f"The tokenizer in {folder} could not be loaded: ", *damaged) from fault
