"""Reading one network of a checkpoint: from this machine, from safetensors, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from intarsia.backbones.checkpoint_files import short_reason
from intarsia.errors import ModelError


def load_network(kind: Any, folder: Path, *, dtype: torch.dtype = torch.float32, **settings: Any) -> Any:
    """A frozen network in evaluation mode.

    Weights that the files lack would be drawn at random in silence, so they are an error.

    Args:
        kind: a class of diffusers or transformers with `from_pretrained`.
        folder: with its configuration and its weights; half-precision files (*.fp16.safetensors) will do.
        dtype: to work in.
        settings: more for `from_pretrained`.

    Raises:
        ModelError: files are damaged, do not fit each other, or lack weights.
    """
    files = list(folder.glob("*.safetensors"))
    half_only = bool(files) and all(".fp16." in file.name for file in files)
    try:
        network, found = kind.from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            variant="fp16" if half_only else None,
            output_loading_info=True,
            **settings,
        )
    # A damaged file shows as almost any exception: of safetensors, of json, or a shape that does not fit.
    except Exception as fault:
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
