"""Time by part of an edit, peak memory, and what a device can do at most."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.utils.flop_counter import FlopCounterMode

from intarsia.backbones.protocols import Backbones
from intarsia.progress import peak_memory_mb

PARTS = ("denoiser", "gradients", "encode", "decode", "encoders", "segmenter")
"""The denoiser's evaluations forward; all gradients; the autoencoder's two ways; encoders of texts and images (those of the
checkpoint, CLIP, DINO); the segmenter."""

REST = "rest"
"""All else: Python, schedulers, image processing."""

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def wait_for(device: str) -> None:
    """Wait until a device has done what it was told."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device.startswith("mps"):
        torch.mps.synchronize()


class PartClock:
    """Divides the time of a block among `PARTS`; each moment counts for the innermost part alone.

    An accelerator is waited for at the borders of parts, and nowhere else.

    Attributes:
        seconds: of each part, and of `REST`; their sum is `total`.
        total: seconds of the whole block.
        starting: of them, seconds before the denoiser's first evaluation.
        evaluations: latents that the denoiser was given, one by one.
        batch: most of them at once.
        images: that the autoencoder has encoded and decoded.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self.seconds = dict.fromkeys((*PARTS, REST), 0.0)
        self.total = self.starting = 0.0
        self.images = {"encode": 0, "decode": 0}
        self.evaluations = self.batch = 0
        self._open = [REST]
        self._since = 0.0
        self._first: float | None = None

    @contextmanager
    def running(self, pipeline: Any, backbones: Backbones | None = None) -> Iterator[None]:
        """Within it, the time of these networks is counted.

        Args:
            pipeline: of diffusers, with a denoiser and an autoencoder.
            backbones: the networks beside it, and those that share its parts.
        """
        with ExitStack() as stack:
            for denoiser in denoisers_of(pipeline, backbones):
                self._hook(stack, denoiser, "denoiser", counted=True)
            for name in ("text_encoder", "text_encoder_2"):
                if getattr(pipeline, name, None) is not None:
                    self._hook(stack, getattr(pipeline, name), "encoders")
            self._wrap(stack, pipeline.vae, "encode", "encode")
            self._wrap(stack, pipeline.vae, "decode", "decode")
            for name in ("backward", "grad"):
                self._wrap(stack, torch.autograd, name, "gradients")
            if backbones is not None:
                for name in ("embed_images", "embed_texts", "patch_tokens", "inner_tokens"):
                    self._wrap(stack, backbones.scorer, name, "encoders")
                self._wrap(stack, backbones.patches, "encode", "encoders")
                self._wrap(stack, backbones.segmenter, "predict_masks", "segmenter")
            wait_for(self.device)
            started = self._since = time.perf_counter()
            try:
                yield
            finally:
                self._turn()
                self.total = self._since - started
                self.starting = (self._first or self._since) - started

    def _turn(self) -> None:
        """Charge the time since the last border to the part that is open."""
        wait_for(self.device)
        now = time.perf_counter()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def _enter(self, part: str) -> None:
        self._turn()
        self._open.append(part)

    def _leave(self) -> None:
        self._turn()
        self._open.pop()

    def _hook(self, stack: ExitStack, module: Any, part: str, *, counted: bool = False) -> None:
        def before(_module: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
            if counted:
                batch = len(positional[0] if positional else named["sample"])
                self.evaluations += batch
                self.batch = max(self.batch, batch)
            self._enter(part)
            if counted and self._first is None:
                self._first = self._since

        def after(*_: Any) -> None:
            self._leave()

        stack.callback(module.register_forward_pre_hook(before, prepend=True, with_kwargs=True).remove)
        # Evaluations for attention maps end where the last map was recorded, by an exception.
        stack.callback(module.register_forward_hook(after, always_call=True).remove)

    def _wrap(self, stack: ExitStack, owner: Any, name: str, part: str) -> None:
        original: Callable[..., Any] | None = getattr(owner, name, None)
        if original is None:
            return

        def timed(*positional: Any, **named: Any) -> Any:
            if part in self.images:
                self.images[part] += len(positional[0])
            self._enter(part)
            try:
                return original(*positional, **named)
            finally:
                self._leave()

        stack.enter_context(mock.patch.object(owner, name, timed))


def denoisers_of(pipeline: Any, backbones: Backbones | None) -> list[Any]:
    """The denoising networks of a pipeline and of what shares its parts, none twice."""
    found = [pipeline.unet]
    if backbones is not None and backbones.diffusion is not None:
        found.append(backbones.diffusion.unet)
    return list({id(network): network for network in found}.values())


def reset_peak(device: str) -> None:
    """Forget the memory that was held at most; on a CPU only Linux can."""
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    elif CLEAR.exists():
        CLEAR.write_text("5")


def peak_mb(device: str) -> dict[str, float]:
    """Most memory that was held since `reset_peak`, MiB: of the accelerator, or of the process with its weights."""
    if device.startswith("cuda"):
        reserved = torch.cuda.max_memory_reserved(device) / 2**20
        return {"peak_memory_mb": peak_memory_mb(device), "reserved_memory_mb": reserved}
    found = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text()) if STATUS.exists() else None
    return {"peak_memory_mb": int(found[1]) / 2**10 if found else peak_memory_mb(device)}


LONG = 0.1
"""Seconds of one multiplication from which larger matrices are not tried."""


def matmul_peak(device: str, dtype: torch.dtype, *, largest: int = 8192) -> float:
    """FLOP/s of the fastest multiplication of two square matrices, of sides from 512 to `largest`."""
    best, side = 0.0, 512
    while side <= largest:
        left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        once = _seconds_of(lambda a=left, b=right: a @ b, 2, device)  # type: ignore[misc]
        times = max(2, min(50, round(0.05 / once)))
        fastest = min(_seconds_of(lambda a=left, b=right: a @ b, times, device) for _ in range(3))  # type: ignore[misc]
        best = max(best, 2 * side**3 / fastest)
        if fastest > LONG:
            break
        side *= 2
    return best


def _seconds_of(work: Callable[[], Any], times: int, device: str) -> float:
    """Seconds of one of several calls."""
    work()
    wait_for(device)
    started = time.perf_counter()
    for _ in range(times):
        work()
    wait_for(device)
    return (time.perf_counter() - started) / times


def flops_of(config: dict[str, Any]) -> int:
    """FLOP of one evaluation of a UNet2DConditionModel for one picture of its native size; nothing is computed.

    Args:
        config: of the network.
    """
    import diffusers

    side, told = config["sample_size"], {}
    with torch.device("meta"), torch.no_grad():
        kind: Any = diffusers.UNet2DConditionModel
        network = kind.from_config(config)
        if config.get("addition_embed_type") == "text_time":
            pooled = config["projection_class_embeddings_input_dim"] - 6 * config["addition_time_embed_dim"]
            told["added_cond_kwargs"] = {"text_embeds": torch.zeros(1, pooled), "time_ids": torch.zeros(1, 6)}
        latents, text = (
            torch.zeros(1, config["in_channels"], side, side),
            torch.zeros(1, 77, config["cross_attention_dim"]),
        )
        with FlopCounterMode(display=False) as counter:
            network(latents, torch.zeros(1), text, **told)
    return int(counter.get_total_flops())
