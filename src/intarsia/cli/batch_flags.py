"""The flags of intarsia batch; light, since help imports it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from intarsia.cli.options import OutputOptions
from intarsia.tasks.options import Machine


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Do many jobs, and go on where a run stopped; or say how a run stands (--status DIR)."""

    jobs: tyro.conf.Positional[Path | None] = None
    """JSON Lines of records, images.json {"1.png": ["source words", "prompt"]}, CSV, or a folder of pictures."""
    out: Path = Path("out")
    """Folder to write to: results/, the ledger, index.html."""
    image_dir: Path | None = None
    """Folder that holds all pictures of the list; by default the list's own."""
    set: tuple[str, ...] = ()
    """Settings for jobs that do not say them: --set prompt='a red house' steps=20 search.anchors=4."""
    seed: int = 0
    """Jobs without a seed draw their own from this, their record and their picture."""
    workers: int = 1
    """Processes on this machine, each with its own networks and, where there are several, its own graphics card."""
    threads: int = 1
    """Threads of each process for work on the CPU. The pixels depend on it, and on nothing else of this list."""
    ray: str | None = None
    """Do the jobs on a Ray cluster: its address, or "local" for one on this machine."""
    ray_files: str = "store"
    """How pictures travel to and from the cluster: store (through Ray), or shared (a folder that all see)."""
    ray_gpus: float | None = None
    """Graphics cards of each worker on the cluster; by default 1 where there are any, else 0."""
    retry_failed: bool = False
    """Also do again what failed before."""
    status: Path | None = None
    """Say how the run in this output folder stands, and do nothing."""
    machine: tyro.conf.OmitArgPrefixes[Machine] = Machine()
    output: tyro.conf.OmitArgPrefixes[OutputOptions] = OutputOptions()
