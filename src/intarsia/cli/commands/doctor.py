"""intarsia doctor: print what a report of a problem needs."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

import intarsia
from intarsia.cli.options import CommandResult, OutputOptions


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """Print what a report of a problem needs: versions, devices, folders, free memory."""

    output: tyro.conf.OmitArgPrefixes[OutputOptions] = OutputOptions()


def doctor_command(command: Doctor) -> CommandResult:
    from huggingface_hub import constants

    facts: dict[str, Any] = {
        "intarsia": intarsia.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        **{
            name: installed(name)
            for name in ("torch", "diffusers", "transformers", "huggingface_hub", "pillow", "numpy")
        },
        "extras": {name: installed(name) for name in ("gradio", "ray")},
        "devices": devices(),
        "cores": os.cpu_count(),
        "memory_free_gb": free_memory_gb(),
        "hub_cache": constants.HF_HUB_CACHE,
        "hub_cache_free_gb": free_disk_gb(Path(constants.HF_HUB_CACHE)),
        "hub_offline": constants.HF_HUB_OFFLINE,
        "output_folder": str(Path("out").resolve()),
    }
    shown = {**facts, "extras": ", ".join(f"{k} {v}" for k, v in facts["extras"].items())}
    shown["devices"] = ", ".join(facts["devices"])
    return facts, [f"{name.replace('_', ' '):<20}{value}" for name, value in shown.items()]


def installed(name: str) -> str:
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def devices() -> list[str]:
    import torch

    found = [f"cpu ({torch.get_num_threads()} threads)"]
    for k in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(k).total_memory / 2**30
        found.append(f"cuda:{k} ({torch.cuda.get_device_name(k)}, {memory:.0f} GB)")
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def free_memory_gb() -> float | None:
    """GB of memory that can be had; None where the system does not say."""
    try:
        return round(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None


def free_disk_gb(folder: Path) -> float:
    """GB free on the disk that holds a folder, or would."""
    place = next(p for p in (folder, *folder.parents) if p.exists())
    return round(shutil.disk_usage(place).free / 2**30, 1)
