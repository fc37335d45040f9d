"""On which device and in which precision networks run."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intarsia.errors import Command, ModelError, Remedy, Setting
from intarsia.notes import note

if TYPE_CHECKING:
    import torch


NVIDIA = Path("/proc/driver/nvidia/version")
"""There where Linux drives a card of NVIDIA."""

LARGE = 10**9
"""Bytes of weights from which networks take seconds a step on a CPU."""


def choose_device(device: str) -> str:
    """The torch device for --device.

    Raises:
        ModelError: it is unknown, or this machine does not have it.
    """
    import torch

    if device == "auto":
        found = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        if found == "cpu" and NVIDIA.exists():
            note(
                "This machine has an NVIDIA card that torch cannot use: the CPU was used, which is much slower",
                Remedy("look at what ", Command("doctor"), " says"),
            )
        return found
    if device == "cpu":
        return device
    if device == "mps" and torch.backends.mps.is_available():
        return device
    if re.fullmatch(r"cuda(:\d+)?", device) and torch.cuda.is_available():
        number = int(device.partition(":")[2] or 0)
        if number < torch.cuda.device_count():
            return device
        raise ModelError(
            f"There is no device {device}: this machine has {torch.cuda.device_count()} CUDA devices, from 0."
        )
    if device == "mps" or re.fullmatch(r"cuda(:\d+)?", device):
        raise ModelError(
            f"The device {device} is not available to the installed torch",
            Remedy(Setting("device", "cpu", verb="pass"), ", or install a torch that was built for it"),
        )
    raise ModelError(f"{device!r} is no known device: pass auto, cpu, cuda, cuda:0 or mps.")


def choose_dtype(dtype: str, device: str) -> torch.dtype:
    """The precision of the painting networks for --dtype.

    Raises:
        ModelError: it is unknown, or too slow to be of use on this device.
    """
    import torch

    known = {
        "float32": torch.float32,
        "fp32": torch.float32,
        "bfloat16": torch.bfloat16,
        "bf16": torch.bfloat16,
        "float16": torch.float16,
        "fp16": torch.float16,
    }
    if dtype == "auto":
        return torch.float16 if device.startswith("cuda") else torch.float32
    if dtype not in known:
        raise ModelError(f"{dtype!r} is no known precision: pass auto, float32, bfloat16 or float16.")
    if known[dtype] == torch.float16 and device == "cpu":
        raise ModelError(
            "float16 is not for CPUs",
            Remedy(Setting("dtype", "bfloat16", verb="pass"), " to save memory there, or float32"),
        )
    return known[dtype]


def choose_helper_dtype(dtype: str, device: str) -> torch.dtype:
    """The precision of the networks that look and judge, for --dtype.

    Half precision is for accelerators, and where it is asked for: cosines of near-equal pictures need the digits.
    """
    import torch

    chosen = choose_dtype(dtype, device)
    return torch.float32 if dtype == "auto" or device == "cpu" else chosen


def computes_bfloat16() -> bool | None:
    """Whether this machine's processor has units for bfloat16, of x86 or ARM; None where torch cannot tell.

    Others compute it slower than float32.
    """
    import torch

    known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(known.get(unit) for unit in ("amx_bf16", "avx512_bf16", "bf16")) if known else None


def advise_precision(asked: str, dtype: torch.dtype, device: str, weights: int) -> None:
    """Say where another precision would be much faster on this processor.

    Args:
        asked: by the user, or auto.
        dtype: chosen for the painting networks.
        device: where they work; nothing is said of accelerators.
        weights: of the painting networks, bytes; of a small checkpoint nothing is said.
    """
    import torch

    if device != "cpu" or weights < LARGE:
        return
    if dtype == torch.bfloat16 and computes_bfloat16() is False:
        note(
            "This processor has no units for bfloat16, which it computes slower than float32.",
            Remedy(Setting("dtype", "float32", verb="pass")),
        )
    elif asked == "auto" and computes_bfloat16():
        note(
            "This processor has units for bfloat16, which takes half the memory of float32 and is faster and less exact.",
            Remedy(Setting("dtype", "bfloat16", verb="pass"), " for that"),
        )


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Hold back what diffusers and transformers say while they load, and give the host its settings back.

    They draw a bar for each network and advise packages that are not needed here; what matters is checked
    and said by `load_network`.
    """
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    libraries = (diffusers_logging, transformers_logging)
    before = [(library, library.get_verbosity(), library.is_progress_bar_enabled()) for library in libraries]
    for library in libraries:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            # The pipeline of XL warns of its own way to decode in half precision (diffusers 0.42).
            warnings.filterwarnings("ignore", "`upcast_vae` is deprecated", FutureWarning)
            yield
    finally:
        for library, verbosity, bars in before:
            library.set_verbosity(verbosity)
            if bars:
                library.enable_progress_bar()
