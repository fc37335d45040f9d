"""Samplers: which scheduler of diffusers steps through a checkpoint's schedule of noise."""

from __future__ import annotations

import inspect
from typing import Any

import diffusers

from intarsia.backbones.placement import quiet_loading
from intarsia.backbones.protocols import Inpainter, StepsBySamplers
from intarsia.backbones.stable_diffusion import PREDICTIONS
from intarsia.errors import ModelError, Remedy, Setting
from intarsia.records.choices import Sampler

PLAIN: dict[str, Any] = {
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
    "use_lu_lambdas": False,
}
"""Spacings of noise levels, of which a checkpoint's own scheduler may name one."""

KINDS: dict[Sampler, tuple[str, dict[str, Any]]] = {
    "dpmpp-2m-karras": (
        "DPMSolverMultistepScheduler",
        {**PLAIN, "use_karras_sigmas": True, "algorithm_type": "dpmsolver++", "solver_order": 2},
    ),
    "euler-a": ("EulerAncestralDiscreteScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {**PLAIN, "solver_order": 2}),
    "ddim": ("DDIMScheduler", {}),
    "lcm": ("LCMScheduler", {}),
}
"""Class, and what makes a sampler of it; the rest of its settings are the checkpoint's."""


def scheduler_of(sampler: Sampler, own: Any, checkpoint: str) -> Any:
    """The scheduler of a sampler, for a checkpoint.

    Args:
        own: the checkpoint's scheduler: what its denoiser predicts and how noisy its timesteps are carries over, as does
            all else that the sampler's class knows.
        checkpoint: what it is called.

    Raises:
        ModelError: the sampler is not made for such a checkpoint.
    """
    settings = own.config
    if "beta_schedule" not in settings or settings.get("use_flow_sigmas") or not known_prediction(sampler, settings):
        why = f"steps by {type(own).__name__}, for whose schedule of noise the sampler {sampler!r} is not made"
        raise ModelError(f"{checkpoint} {why}", Remedy(Setting("sampler", "checkpoint", verb="pass")))
    name, changes = KINDS[sampler]
    kind: Any = getattr(diffusers, name)
    known = inspect.signature(kind.__init__).parameters
    taken = {name: value for name, value in changes.items() if name in known}
    if sampler == "ddim" and "clip_sample" not in set(settings) - set(settings.get("_use_default_values", ())):
        taken["clip_sample"] = False  # its default is meant for pixels: latents go beyond 1
    with quiet_loading():  # it warns of settings that the other class alone knows
        return kind.from_config(settings, **taken)


def wastes_steps(inpainter: Inpainter, sampler: Sampler) -> bool:
    """Whether a sampler spends most of a short schedule on noise alone.

    Karras's noise levels fall evenly from the highest one in a power of them. That is 4096 for a checkpoint of zero terminal
    signal, and 15 for others: what an image is made of is decided between 15 and 0.1.
    """
    return (
        sampler == "dpmpp-2m-karras"
        and isinstance(inpainter, StepsBySamplers)
        and bool(inpainter.own_scheduler.config.get("rescale_betas_zero_snr"))
    )


def known_prediction(sampler: Sampler, settings: Any) -> bool:
    """Whether a sampler reads what the denoiser predicts."""
    known = PREDICTIONS if sampler != "euler-a" else ("epsilon", "v_prediction")
    return settings.get("prediction_type") in known


def stepping_by(inpainter: Inpainter, sampler: Sampler, *, own: bool = False) -> Inpainter:
    """An inpainter that steps by a sampler; `checkpoint` is itself.

    Args:
        own: with the checkpoint's own scheduler, where no other sampler is asked for.

    Raises:
        ModelError: it does not.
    """
    if sampler == "checkpoint":
        return inpainter.with_own_scheduler() if own else inpainter
    if not isinstance(inpainter, StepsBySamplers):
        raise ModelError(
            f"{inpainter.name} has steps of its own, and no sampler",
            Remedy(Setting("sampler", "checkpoint", verb="pass")),
        )
    return inpainter.with_sampler(sampler)
