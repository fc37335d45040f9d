"""Memory of an accelerator: what is free, and what to do when it is short.

When it is short, work goes on by itself, from the very call that failed: in smaller batches, then with the autoencoder
in tiles, then with networks that take turns on the accelerator, then layer by layer.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from intarsia.backbones.offload import Offloader, Vram
from intarsia.errors import ModelError, Remedy, Setting
from intarsia.notes import note

Value = TypeVar("Value")

RELIEF: dict[Vram, str] = {
    "low": "networks take turns on it",
    "min": "layers take turns on it",
}
"""What a level of offloading does, for the log."""


SHORTAGES = ("out of memory", "alloc_failed", "invalid buffer size", "failed to allocate memory on mps")
"""What CUDA's libraries and MPS say where memory is short, and where one tensor is larger than MPS allows."""


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether an exception says that an accelerator's memory is short: CUDA's libraries and MPS have words of their own."""
    if isinstance(problem, torch.OutOfMemoryError):
        return True
    return isinstance(problem, RuntimeError) and any(words in str(problem).lower() for words in SHORTAGES)


def free_memory(device: str | torch.device) -> int | None:
    """Bytes that new tensors may take on an accelerator; None where that is not known.

    Blocks that torch has reserved and does not use count as free: the driver takes them for used.
    """
    device = torch.device(device)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    if device.type == "mps":
        return max(0, int(torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()))
    return None


def clear_memory(device: torch.device) -> None:
    """Give back to the driver what nothing refers to."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


class Memory:
    """The memory of the accelerator on which the networks of a checkpoint work.

    Args:
        device: the accelerator, or cpu.
        vram: how hard to save it from the beginning; see `Offloader`.

    Attributes:
        offloader: where the networks lie.
        most: cells or pixels that one call of a network may be given, by the network, once more were too many.
    """

    def __init__(self, device: str = "cpu", vram: Vram = "auto") -> None:
        self.offloader = Offloader(device, vram)
        self.most: dict[str, int] = {}
        self._state = threading.local()

    @property
    def device(self) -> torch.device:
        """Where the networks work."""
        return self.offloader.device

    def attempt(
        self, work: Callable[[], Value], *, fewer: Callable[[], str | None] = lambda: None, alone: bool = True
    ) -> Value:
        """Do some work; when the memory is short, find relief and do it again.

        Of calls within each other the outermost begins again, since what it holds is what takes the room.

        Args:
            work: may be begun again, as if it had not been before.
            fewer: makes the work smaller, and says how; None where it cannot be. It is asked first.
            alone: whether calls within the work find no relief of their own; else they do so first.

        Raises:
            ModelError: nothing is left to do.
        """
        if getattr(self._state, "attempting", False):
            return work()
        self._state.attempting = alone
        try:
            while True:
                try:
                    return work()
                except RuntimeError as problem:
                    if not is_out_of_memory(problem):
                        raise
                # Past the block, so that the exception no longer holds the tensors of what failed.
                relief = fewer() or self._tighten()
                if relief is None:
                    raise self.shortage()
                note(f"The memory of {self.device} is short: going on, {relief}.")
                clear_memory(self.device)
        finally:
            self._state.attempting = False

    def in_parts(
        self,
        count: int,
        cells: int,
        network: str,
        work: Callable[[slice], Tensor],
        *,
        room: int | None = None,
        fewer: Callable[[], str | None] = lambda: None,
    ) -> Tensor:
        """Give a network a batch, in as many parts as the memory demands.

        Args:
            count: rows of the batch.
            cells: of each row.
            network: its name; how much was too much is remembered by it.
            work: (rows) -> (n, ...), what the network answers for a part.
            room: cells for which memory is free, where that is known.
            fewer: more relief, once a single row is too much.

        Returns:
            (count, ...), the parts together.
        """
        done: list[Tensor] = []
        most = [known for known in (self.most.get(network), room) if known is not None]
        start, rows = 0, min(count, max(1, min(most) // cells)) if most else count

        def smaller() -> str | None:
            nonlocal rows
            if rows == 1:
                return fewer()
            rows //= 2
            self.most[network] = rows * cells
            return f"the {network} with {rows} at once"

        while start < count:
            done.append(self.attempt(lambda: work(slice(start, start + rows)), fewer=smaller))  # noqa: B023
            start += len(done[-1])
        return done[0] if len(done) == 1 else torch.cat(done)

    def shortage(self) -> ModelError:
        """The sentence for when nothing is left to do."""
        saving = [Remedy(Setting("vram", "low", verb="pass"), " (or min)")] if self.offloader.level != "min" else []
        return ModelError(
            f"The memory of {self.device} is too short even for one picture",
            *saving,
            Remedy("a smaller ", Setting("size"), page=("choose a smaller ", Setting("size"))),
            Remedy("close other programs that use it"),
        )

    def _tighten(self) -> str | None:
        level = self.offloader.tighten()
        return None if level is None else RELIEF[level]


class FittingDenoiser:
    """A denoising network that is called as the whole one is, and is given as many latents at once as fit the memory."""

    def __init__(self, unet: Any, memory: Memory) -> None:
        self.unet, self.config, self.dtype = unet, unet.config, unet.dtype
        self.memory = memory

    def __call__(
        self, sample: Tensor, timestep: Any, *, encoder_hidden_states: Tensor, return_dict: bool = False, **rest: Any
    ) -> tuple[Tensor]:
        """(B, C, h, w) latents and what is told with them -> a tuple of (B, C, h, w).

        Args:
            encoder_hidden_states: (B, L, D) states of the text encoder.
            rest: what the network is given besides; tensors of B rows are given row by row.
        """
        assert not return_dict, "a tuple is all that is returned"
        count = len(sample)

        def answer(part: slice) -> Tensor:
            told = {
                name: value[part] if isinstance(value, Tensor) and value.dim() and len(value) == count else value
                for name, value in rest.items()
            }
            answers: tuple[Tensor] = self.unet(
                sample[part], timestep, encoder_hidden_states=encoder_hidden_states[part], return_dict=False, **told
            )
            return answers[0]

        cells = sample.shape[-2] * sample.shape[-1]
        return (self.memory.in_parts(count, cells, "denoiser", answer),)
