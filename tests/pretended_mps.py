"""A pretended MPS device, of Apple's graphics processors: see tests/pretended_device.py.

    with pretended_mps() as traffic:
        models = load_backbones("pocket", device="mps")

What is pretended was looked up in the builds for macOS of torch 2.11.0, 2.12.1 and 2.13.0:

- Which operations have a kernel, in the table that each of them brings (torchgen's native_functions.yaml). That of the
  installed torch is read; what 2.11.0 or 2.12.1 lacked besides is listed in `LACKED`. An operation without one is refused
  in torch's words, as it is where PYTORCH_ENABLE_MPS_FALLBACK is not set. Those that torch computes on the CPU by itself
  (src: MPSFallback.mm) are `ON_THE_CPU`.
- No float64 and no complex128: neither copied there, made there, computed there, nor made of what lies there while it is
  copied to the CPU. Of numbers alone, and of CPU tensors without dimensions, float64 is allowed.
- Averages over an adaptive grid are refused where sides do not divide (the words stand in all three builds).
- macOS 14, the oldest on which these builds run, so that bfloat16 is there.
- Generators of the CPU, tensors on two devices, and numpy: as on CUDA, in words that name mps.

What is stricter here than on the device, as far as is known: maxima over an adaptive grid whose sides do not divide.
torch's source had windows that overlap otherwise than the CPU's; whether those builds still have them was not found out.

What is not pretended: kernels that refuse some precisions or shapes (3-dim transposed convolutions in half precision,
more than 65536 output channels, dropout within attention in 2.13), differences between macOS versions, wrong results of
kernels, autocast, and memory that is really short. No such device was at hand to compare with.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
import torchgen
import yaml
from torch import Tensor

from tests.pretended_device import COPIES, CardTensor, Kind, Traffic, flat, pretended

GIGABYTE = 2**30

NO_FLOAT64 = (
    "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. Please use float32 "
    "instead."
)
NO_COMPLEX128 = "Trying to convert ComplexDouble to the MPS backend but it does not have support for that dtype."

LACKED = frozenset(
    """
    _assert_async _assert_async.msg _cdist_backward _cholesky_solve_helper _dirichlet_grad _sample_dirichlet
    _standard_gamma _standard_gamma_grad grid_sampler_2d_backward grid_sampler_3d_backward index_reduce index_reduce.out
    index_reduce_ lcm lcm.out lcm_ linalg_qr linalg_qr.out mvlgamma.out nonzero_static nonzero_static.out
    """.split()  # noqa: SIM905 -- as a list it would take a line a name
)
"""Operations that 2.11.0 or 2.12.1 have no kernel for, and 2.13.0 has. The gradient of group normalisation is none of
them, since torch/backends/mps gave it one."""

ON_THE_CPU = frozenset(("_linalg_svd", "_linalg_svd.U", "embedding_renorm_"))
"""Operations that torch computes on the CPU without being asked to."""

OF_PRETENDING = ("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention_for_cpu_backward")
"""The kernels by which tests/pretended_device.py computes attention."""


@functools.cache
def lacking() -> frozenset[str]:
    """The names of aten's operations that some torch from 2.11 to the installed one has no kernel for."""
    table = Path(torchgen.__file__).parent / "packaged" / "ATen" / "native" / "native_functions.yaml"
    rows = {row["func"].partition("(")[0]: row for row in yaml.load(table.read_text(), Loader=yaml.CSafeLoader)}
    without = {name for name in rows if not any(k == "MPS" or k.startswith("Composite") for k in keys_of(name, rows))}
    return (frozenset(without) | LACKED) - ON_THE_CPU - set(OF_PRETENDING)


def keys_of(name: str, rows: Mapping[str, Any]) -> Iterator[str]:
    """For what an operation has kernels, of the devices and of all of them (Composite...)."""
    row = rows[name]
    for keys in row.get("dispatch", {}):
        yield from keys.split(", ")
    if "structured_delegate" in row:
        yield from keys_of(row["structured_delegate"], rows)
    elif "dispatch" not in row:
        yield "CompositeImplicitAutograd"


def refuse(func: Any, args: tuple[Any, ...]) -> None:
    """Raise where an operation has no kernel, or none for these sizes."""
    space, _, name = func._schema.name.partition("::")
    if space != "aten":
        return
    full = f"{name}.{func._schema.overload_name}".removesuffix(".")
    if full in lacking():
        raise NotImplementedError(
            f"The operator 'aten::{full}' is not currently implemented for the MPS device. If you want this op to be "
            "considered for addition please comment on the issue of operations that are lacking."
        )
    if name in ("_adaptive_avg_pool2d", "adaptive_max_pool2d"):
        refuse_pooling(args[0].shape[-2:], args[1])
    elif name in ("_adaptive_avg_pool2d_backward", "adaptive_max_pool2d_backward"):
        refuse_pooling(args[1].shape[-2:], args[0].shape[-2:])


def refuse_pooling(given: Any, wanted: Any) -> None:
    """Raise where the windows of an adaptive grid are not all alike."""
    if any(a >= b for a, b in zip(given, wanted, strict=True)) and any(
        a < b for a, b in zip(given, wanted, strict=True)
    ):
        raise NotImplementedError(
            "Adaptive pool MPS: Input height and width must both be greater than, or equal to, or lesser than output "
            "height and width"
        )
    if any(max(pair) % min(pair) for pair in zip(given, wanted, strict=True)):
        raise NotImplementedError(
            "Adaptive pool MPS: input sizes must be divisible by output sizes. Non-divisible input sizes are not "
            "implemented on MPS device yet."
        )


def refuse_values(func: Any, args: tuple[Any, ...], result: Any) -> None:
    """Raise where what comes out of an operation has a precision that the device does not know."""
    name = func._schema.name
    if name in COPIES and func._schema.is_mutable:
        # Into what lies there, numbers are converted before they leave the CPU; out of it, before they leave the device.
        made = [] if isinstance(args[0], CardTensor) else [args[0]]
    else:
        made = [value for value in flat((result,)) if isinstance(value, Tensor)]
    for value in made:
        if value.dtype == torch.float64:
            raise TypeError(NO_FLOAT64)
        if value.dtype == torch.complex128:
            raise TypeError(NO_COMPLEX128)


MPS_STANDINS: dict[str, Any] = {
    "is_available": lambda: True,
    "device_count": lambda: 1,
    "recommended_max_memory": lambda: 12 * GIGABYTE,
    "driver_allocated_memory": lambda: 4 * GIGABYTE,
    "current_allocated_memory": lambda: 3 * GIGABYTE,
    "empty_cache": lambda: None,
    "synchronize": lambda: None,
    "manual_seed": lambda seed: None,
    "seed": lambda: None,
    "get_rng_state": lambda *_: torch.get_rng_state(),
    "set_rng_state": lambda *_: None,
    "set_per_process_memory_fraction": lambda fraction: None,
}
"""What `torch.mps` answers in the block."""

BACKEND_STANDINS: dict[str, Any] = {
    "is_available": lambda: True,
    "is_built": lambda: True,
    "is_macos_or_newer": lambda major, minor: (major, minor) <= (14, 0),
    "is_macos13_or_newer": lambda minor=0: True,
    "get_name": lambda: "Pretended",
    "get_core_count": lambda: 8,
}
"""What `torch.backends.mps` answers there."""

MPS = Kind(
    card=torch.device("mps:0"),
    standins={
        torch.mps: MPS_STANDINS,
        torch.backends.mps: BACKEND_STANDINS,
        torch.cuda: {"is_available": lambda: False, "device_count": lambda: 0},
    },
    refuse=refuse,
    refuse_values=refuse_values,
    takes_apart=True,
)


def pretended_mps() -> AbstractContextManager[Traffic]:
    """A Mac with its one MPS device, for the time of a block and for this thread."""
    return pretended(MPS)
