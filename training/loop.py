"""What every training script shares: the clock, the learning rate, the average weights, the checkpoint."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from training.data import RUNS

POCKET = Path(__file__).parents[1] / "src" / "intarsia" / "backbones" / "pocket"


def options(about: str, minutes: float) -> argparse.Namespace:
    """Command-line options that all training scripts take."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--minutes", type=float, default=minutes, help="training time in all, earlier runs included")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in training/runs")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    return chosen


def rate(progress: float, peak: float, *, warm: float = 0.02, decay: float = 0.3) -> float:
    """Learning rate: a short warm-up, a long plateau, a straight way down at the end.

    A plateau lets a run be prolonged: resume it with more minutes and only the descent moves.
    """
    return peak * min(1.0, progress / warm, (1 - progress) / decay + 0.01)


class Average:
    """Exponential moving average of a module's parameters."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module, self.decay, self.updates = module, decay, 0
        self.values = [p.detach().clone() for p in module.parameters()]

    @torch.no_grad()
    def update(self) -> None:
        self.updates += 1
        keep = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self.values, [p.detach() for p in self.module.parameters()], 1 - keep)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the module's parameters with their averages (call it again to undo)."""
        for parameter, value in zip(self.module.parameters(), self.values, strict=True):
            kept = parameter.detach().clone()
            parameter.copy_(value)
            value.copy_(kept)


class Run:
    """One training run: its clock, optimiser, average weights and checkpoint file."""

    def __init__(
        self,
        name: str,
        module: nn.Module,
        *,
        peak: float,
        decay: float,
        chosen: argparse.Namespace,
        weight_decay: float = 0.01,
    ) -> None:
        self.name, self.module, self.peak, self.minutes = name, module, peak, chosen.minutes
        wide = [p for p in module.parameters() if p.requires_grad and p.dim() > 1]
        flat = [p for p in module.parameters() if p.requires_grad and p.dim() <= 1]
        groups = [{"params": wide, "weight_decay": weight_decay}, {"params": flat, "weight_decay": 0.0}]
        self.parameters = wide + flat
        self.optimiser = torch.optim.AdamW(groups, peak, betas=(0.9, 0.99), fused=True)
        self.average = Average(module, decay)
        self.elapsed, self.steps = 0.0, 0
        self.losses: list[float] = []
        self.file = RUNS / f"{name}.pt"
        if chosen.resume:
            self.load(chosen.device)

    def load(self, device: str) -> None:
        state = torch.load(self.file, map_location=device, weights_only=True)
        self.module.load_state_dict(state["module"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average.values = state["average"]
        self.average.updates = state["updates"]
        self.elapsed, self.steps = state["elapsed"], state["steps"]

    def save(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        partial = self.file.with_suffix(".partial")
        torch.save(
            {
                "module": self.module.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "average": self.average.values,
                "updates": self.average.updates,
                "elapsed": self.elapsed,
                "steps": self.steps,
            },
            partial,
        )
        partial.replace(self.file)

    def clock(self, *, report_every: int = 200, save_minutes: float = 5.0) -> Iterator[float]:
        """Yield the progress in [0, 1) until the minutes are spent, and keep the checkpoint fresh."""
        last_tick = time.monotonic()
        saved_at, reported = self.elapsed, self.steps
        reported_at = self.elapsed
        while (progress := self.elapsed / 60 / self.minutes) < 1:
            for group in self.optimiser.param_groups:
                group["lr"] = rate(progress, self.peak)
            yield progress
            now = time.monotonic()
            self.elapsed += min(now - last_tick, 60.0)  # a stopped process spends no training time
            last_tick = now
            if self.steps - reported >= report_every:
                speed = (self.steps - reported) / max(1e-9, self.elapsed - reported_at)
                mean = sum(self.losses) / max(1, len(self.losses))
                print(
                    f"{self.name}: step {self.steps}, {self.elapsed / 60:.1f} min, {speed:.2f} steps/s, loss {mean:.4f}",
                    flush=True,
                )
                self.losses.clear()
                reported, reported_at = self.steps, self.elapsed
            if self.elapsed - saved_at > save_minutes * 60:
                self.save()
                saved_at = self.elapsed
        self.save()

    def step(self, loss: torch.Tensor, *, clip: float = 1.0) -> None:
        """One update from a scalar loss."""
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, clip)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.average.update()
        self.steps += 1
        self.losses.append(float(loss.detach()))
