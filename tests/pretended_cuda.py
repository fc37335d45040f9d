"""A pretended CUDA device: see tests/pretended_device.py.

with pretended_cuda() as traffic:
    models = load_backbones("pocket", device="cuda", dtype="float32")
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import torch

from tests.pretended_device import CardTensor as CardTensor  # of the tests that use this kind
from tests.pretended_device import Kind, Traffic, pretended

GIGABYTE = 2**30
STANDINS: dict[str, Any] = {
    "is_available": lambda: True,
    "device_count": lambda: 1,
    "current_device": lambda: 0,
    "get_device_name": lambda *_: "Pretended",
    "get_device_properties": lambda *_: SimpleNamespace(total_memory=12 * GIGABYTE, name="Pretended"),
    "mem_get_info": lambda *_: (8 * GIGABYTE, 12 * GIGABYTE),
    "memory_allocated": lambda *_: 2**30,
    "memory_reserved": lambda *_: 2**30,
    "max_memory_allocated": lambda *_: 2**20,
    "reset_peak_memory_stats": lambda *_: None,
    "empty_cache": lambda: None,
    "synchronize": lambda *_: None,
    "get_rng_state": lambda *_: torch.get_rng_state(),
    "set_rng_state": lambda *_: None,
    "_lazy_init": lambda: None,
}
"""What `torch.cuda` answers in the block."""

CUDA = Kind(
    card=torch.device("cuda:0"),
    standins={
        torch.cuda: STANDINS,
        # As torch that is built for the CPU answers: optimizers ask one that is built for CUDA for its streams.
        torch.accelerator: {"current_accelerator": lambda *_, **__: None},
    },
)


def pretended_cuda() -> AbstractContextManager[Traffic]:
    """A machine with one CUDA device, for the time of a block and for this thread."""
    return pretended(CUDA)
