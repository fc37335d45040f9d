"""How a batch's jobs are done, in a form that is light enough for the process that only hands them out."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from intarsia.app.flags import Machine
from intarsia.batch.work import Perform


@dataclass(frozen=True, kw_only=True)
class BatchWork:
    """The commands edit, arrange and learn, to be sent to workers.

    Attributes:
        threads: of each worker on the CPU; pixels depend on it.
        cached: whether what edits by layout compute is kept on the disk and shared.
    """

    machine: Machine
    threads: int = 1
    cached: bool = True

    def open(self, index: int) -> Perform:
        """Get ready on device number `index`; networks are loaded with the first job that needs them."""
        import torch

        from intarsia.app.batch_performer import Performer

        torch.set_num_threads(self.threads)
        device = self.machine.device
        if device == "auto" and torch.cuda.is_available():
            device = f"cuda:{index % torch.cuda.device_count()}"
        return Performer(dataclasses.replace(self.machine, device=device), cached=self.cached)
