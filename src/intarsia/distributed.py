"""Several processes that work on one thing, started by torchrun or accelerate launch.

Each process knows its place in the world and takes its share; what they must agree on goes through
the few functions below, each of which every process has to reach. A process on its own passes
through all of them unchanged, and torch.distributed is not touched.

What is exchanged is small and lies on the CPU, so gloo carries it wherever the networks run.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle  # nosec B403 # of what this process has pickled itself
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")

PATIENCE = timedelta(days=7)
"""How long a process waits for the others: a share may take hours longer than another, and the
launcher ends everybody anyway when a process dies."""


@dataclass(frozen=True, kw_only=True)
class World:
    """The processes that work together, and which of them this is.

    Attributes:
        rank: number of this process, from 0.
        size: how many there are.
        local_rank: its number on its machine, from 0.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes and talks."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """This process's own of some items: item i is that of process i modulo size."""
        return items[self.rank :: self.size]

    def device(self, asked: str) -> str:
        """The torch device of this process: 'auto' and 'cuda' become a graphics card of its own.

        Processes beyond the number of cards share them in turn.
        """
        import torch

        if self.size == 1 or asked not in ("auto", "cuda") or not torch.cuda.is_available():
            return asked
        return f"cuda:{self.local_rank % torch.cuda.device_count()}"


ALONE = World()


def world() -> World:
    """This process's place among those that were launched with it, and the connection to them.

    A launcher says so in WORLD_SIZE and LOCAL_RANK; without it the process is alone.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "LOCAL_RANK" not in os.environ:
        return ALONE
    from accelerate import PartialState  # type: ignore[import-untyped]

    # cpu: also where there is no graphics card; it says where messages lie, not where networks run.
    state = PartialState(cpu=True, backend="gloo", timeout=PATIENCE)
    assert state.num_processes == size, "accelerate was set up before, for one process"
    atexit.register(state.destroy_process_group)  # its threads must not outlive the interpreter
    return World(rank=state.process_index, size=size, local_rank=state.local_process_index)


@contextlib.contextmanager
def in_step(world: World) -> Iterator[None]:
    """Wait for each other at the end of a block; if it failed in one process, it fails in all.

    Without it the others would wait forever for the one that failed. There must be nothing in
    the block that waits for others.

    Raises:
        Exception: what was raised in the block by the first process, by rank, in which it failed.
    """
    if world.size == 1:
        yield
        return
    own: Exception | None = None
    try:
        yield
    except Exception as problem:
        own = problem
    from accelerate.utils import gather_object  # type: ignore[import-untyped]

    problems = gather_object([None if own is None else portable(own)])
    first = next((rank for rank, told in enumerate(problems) if told is not None), None)
    if first is not None:
        raise own if own is not None and first == world.rank else problems[first]


def portable(problem: Exception) -> Exception:
    """An error in a form that other processes can read: some cannot be pickled, or not be read again."""
    try:
        copy = pickle.loads(pickle.dumps(problem))  # nosec B301 # of our own
    except Exception:
        return RuntimeError(f"{type(problem).__name__}: {problem}")
    return problem if isinstance(copy, Exception) else RuntimeError(str(problem))


def sum_over(world: World, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The sum of each tensor over all processes, the same to the last bit in each of them.

    Args:
        world: the processes.
        tensors: on the CPU, of the same shapes everywhere; they are not changed.
    """
    if world.size == 1:
        return list(tensors)
    from accelerate.utils import reduce

    summed: list[Tensor] = reduce(list(tensors), "sum")
    return summed


def from_main(world: World, value: T) -> T:
    """What the main process has, in every process; theirs is ignored. It is pickled."""
    if world.size == 1:
        return value
    from accelerate.utils import broadcast_object_list

    (received,) = broadcast_object_list([value])
    return received  # type: ignore[no-any-return]
