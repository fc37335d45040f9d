"""Checkpoints of learning, in one file, so that an interrupted run can be resumed."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
from torch import Tensor

from intarsia.backbones.own_files import entry, read_own
from intarsia.errors import ModelError, RecordError, Remedy
from intarsia.files import check_absent, write_bytes_atomically

DELETE = Remedy("delete it, and learn from the beginning")

SAVED_EVERY = 10
"""Updates between two checkpoints."""


class Checkpointer:
    """Saves and restores what is learned and the optimiser's state.

    Args:
        path: None saves nothing.
        key: a digest of everything that learning depends on.
        resume: read the file, and go on writing it.

    Raises:
        OutputError: the file exists, but is not to be resumed.
    """

    def __init__(self, path: Path | None, key: str, *, resume: bool) -> None:
        self.path, self.key, self.resume = path, key, resume
        self.moments: dict[str, Tensor] = {}
        if path is not None:
            check_absent(path, resume)

    def restore(self, learned: dict[str, Tensor]) -> int:
        """Bring back what was learned into `learned`; returns the updates that it took, 0 where there is no file.

        Raises:
            ModelError: the file is damaged.
            RecordError: it is of another scene, model or settings.
        """
        if self.path is None or not self.resume or not self.path.exists():
            return 0
        about, tensors = read_own(self.path, DELETE, unread="cannot be read")
        if about.get("key") != self.key:
            raise RecordError(
                f"The checkpoint {self.path} is of another scene, model, seed or of other settings. Resume with those, or "
                "learn from the beginning with another checkpoint."
            )
        done = entry(about, "done", int, self.path, DELETE)
        for name, tensor in learned.items():
            saved = tensors.pop(name, None)
            if saved is None or saved.shape != tensor.shape:
                raise ModelError(f"{self.path} is damaged, since it does not hold {name} as it is learned.", DELETE)
            tensor.copy_(saved)
        self.moments = tensors
        return int(done)

    def due(self, done: int, total: int) -> bool:
        """Whether to save after so many updates of so many."""
        return done % SAVED_EVERY == 0 or done == total

    def save(self, learned: dict[str, Tensor], moments: dict[str, Tensor], done: int) -> None:
        if self.path is not None:
            tensors = {n: t.detach().cpu().contiguous() for n, t in {**learned, **moments}.items()}
            content = safetensors.torch.save(tensors, metadata={"key": self.key, "done": str(done)})
            write_bytes_atomically(self.path, content, overwrite=True)
