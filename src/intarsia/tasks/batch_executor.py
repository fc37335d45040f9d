"""The executor of a batch's jobs: light, since the process that hands out jobs imports it, too."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from intarsia.batch.executor import Worker
from intarsia.notes import hush_libraries
from intarsia.tasks.options import Machine


@dataclass(frozen=True, kw_only=True)
class BatchExecutor:
    """Sent to each worker, where it loads networks and does jobs of every kind.

    Attributes:
        threads: of each worker on the CPU; pixels depend on it.
        cached: whether what edits by layout compute is kept on the disk and shared.
    """

    machine: Machine
    threads: int = 1
    cached: bool = True

    def open(self, index: int) -> Worker:
        """Get ready on device number `index`; networks are loaded with the first job that needs them."""
        hush_libraries()
        import torch

        from intarsia.tasks.batch_worker import BatchWorker
        from intarsia.tasks.model_pool import ModelPool

        torch.set_num_threads(self.threads)
        device = self.machine.device
        if device == "auto" and torch.cuda.is_available():
            device = f"cuda:{index % torch.cuda.device_count()}"
        pool = ModelPool(dataclasses.replace(self.machine, device=device))
        return BatchWorker(pool, cached=self.cached)
