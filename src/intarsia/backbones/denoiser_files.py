"""A denoiser in a file of its own, as many are published for checkpoints that share all other parts.

Either .safetensors, named as its makers do or as diffusers does, or .gguf, whose weights stay quantised in memory and
become numbers layer by layer.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
from intarsia.backbones.checkpoint_files import DENOISERS, short_reason
from intarsia.backbones.checkpoint_kind import UNKNOWN, kind_of
from intarsia.backbones.downloads import AGAIN
from intarsia.backbones.weight_headers import foreign_file, is_gguf, read_header
from intarsia.errors import MissingExtraError, ModelError, Remedy, Setting

ENDINGS = (".safetensors", ".gguf")

SCALED = (".scale_weight", ".weight_scale", ".scale_input", ".input_scale")
"""Endings of names in files whose weights are numbers of 8 bits that count by a scale beside them."""


def split_denoiser(models: str) -> tuple[str, Path | None]:
    """A checkpoint, and the file of the denoiser that takes the place of its own: CHECKPOINT+FILE."""
    if "+" not in models or not models.lower().endswith(ENDINGS) or Path(models).expanduser().exists():
        return models, None
    pieces = models.split("+")
    splits = [("+".join(pieces[:n]), Path("+".join(pieces[n:])).expanduser()) for n in range(1, len(pieces))]
    checkpoint, file = next(((c, f) for c, f in splits if f.is_file()), splits[-1])
    return (checkpoint, file) if checkpoint else (models, None)


def check_denoiser_file(file: Path) -> None:
    """Look at a file before anything is loaded; of a .gguf at its first bytes alone.

    Raises:
        ModelError: it is not there, or no denoiser alone that can be read.
        MissingExtraError: it is a .gguf, and what reads it is not installed.
    """
    if not file.exists() and not file.is_symlink():
        raise ModelError(
            f"There is no file {file}", Remedy("check the path behind the plus sign of ", Setting("models"))
        )
    fault = foreign_file(file)
    if is_gguf(file):
        if find_spec("gguf") is None:
            raise MissingExtraError(
                f"{file} is a GGUF file, for which a package is needed. Install it with: pip install 'intarsia[gguf]'"
            )
        check_gguf(file)
        return
    if fault is not None:
        fact, remedy = fault
        raise ModelError(f"The denoiser {file} cannot be read, since {fact}", remedy)
    header = read_header(file)
    kind = kind_of(header)
    if kind != UNKNOWN and kind.group not in DENOISERS:
        raise ModelError(
            f"{file} is {kind.what}, not a denoiser alone",
            Remedy("pass a whole checkpoint with ", Setting("models"))
            if kind.group == "checkpoint"
            else Remedy("pass the denoiser (transformer or UNet) alone"),
        )
    if any(name.endswith(SCALED) for name in header.shapes):
        raise ModelError(
            f"{file} has weights of 8 bits with scales of their own, which diffusers does not read",
            Remedy("take its version of 16 bits, or one that is quantised as .gguf"),
        )


def check_gguf(file: Path) -> None:
    """Read the header of a GGUF file, and see that all of its tensors are there.

    Raises:
        ModelError: it is damaged or cut off.
    """
    import gguf

    try:
        tensors = gguf.GGUFReader(file).tensors
    # A header that is cut off or lies shows as almost any exception: of numpy, of struct, of an unknown number.
    except Exception as fault:
        raise ModelError(f"{file} is a GGUF file that is damaged or cut off", AGAIN) from fault
    if not tensors:
        raise ModelError(f"{file} is a GGUF file without tensors", AGAIN)


def load_denoiser_file(kind: Any, file: Path, folder: Path, *, dtype: torch.dtype) -> Any:
    """A frozen denoiser in evaluation mode, of one file.

    Args:
        kind: its class in diffusers.
        file: see `check_denoiser_file`.
        folder: of the denoiser that it takes the place of, with its configuration.
        dtype: to work in; that of a .gguf's computations.

    Raises:
        ModelError: it is damaged, of another family or size, or lacks weights.
    """
    settings: dict[str, Any] = {"dtype": dtype}
    if is_gguf(file):
        from diffusers import GGUFQuantizationConfig

        settings["quantization_config"] = GGUFQuantizationConfig(compute_dtype=dtype)
    try:
        network = kind.from_single_file(str(file), config=str(folder), local_files_only=True, **settings)
    # Its converters index names that they take to be there; a file of another family shows as almost any exception.
    except Exception as fault:
        reason = "" if isinstance(fault, LookupError) else f" ({short_reason(fault)})"
        raise ModelError(
            f"{file} does not hold the weights of the {kind.__name__} of {folder.parent}{reason}",
            Remedy("pass a denoiser that was made for this checkpoint, or the checkpoint that it was made for"),
        ) from fault
    missing = [name for name, weight in network.state_dict().items() if weight.is_meta]
    if missing:
        raise ModelError(
            f"{file} lacks {len(missing)} weights of the {kind.__name__} of {folder.parent}, first {missing[0]}",
            Remedy("pass a denoiser that was made for this checkpoint"),
        )
    return network.eval().requires_grad_(False)
