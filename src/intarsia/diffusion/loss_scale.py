"""A factor of losses, without which the smallest gradients of half precision would become zero."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

START = 2.0**16
"""Where half precision begins: of gradients as small as 1e-9, bits are left."""


@dataclass
class LossScale:
    """A power of two, so that multiplying by it and dividing again rounds nothing.

    Half precision holds numbers from 6e-8 to 65504: a loss is scaled up so that its small gradients are kept, and less
    where its large ones overflow. Other precisions reach as far as float32, and need none.

    Attributes:
        value: the factor, at least 1; it only ever falls.

    Source: Micikevicius et al. 2018, arXiv:1710.03740, sec. 3.2.
    """

    value: float = 1.0

    @classmethod
    def of(cls, dtype: torch.dtype, start: float = START) -> LossScale:
        """For gradients that pass through a network in this precision; in half precision it begins at `start`."""
        return cls(start if dtype == torch.float16 else 1.0)

    def fits(self, gradient: Tensor, loss: Tensor) -> bool:
        """Whether a scaled gradient is finite; where it is not, the factor is halved, for the next time.

        It also fits where no smaller factor is left, or would help: where the loss itself is not finite.
        """
        if self.value <= 1 or bool(gradient.isfinite().all()):
            return True
        if not bool(loss.isfinite().all()):
            return True
        self.halve()
        return False

    def halve(self) -> None:
        """A smaller factor, down to 1."""
        self.value = max(self.value / 2, 1.0)
