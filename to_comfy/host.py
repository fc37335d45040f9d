"""What ComfyUI offers to its nodes: a bar of progress, a button to cancel, and the memory that its own models hold.

Its modules are looked up when they are needed, since outside of ComfyUI there are none; then nothing is done.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from intarsia.errors import IntarsiaError
from intarsia.progress import OnProgress, Progress

from .wording import GRAPH


class NodeError(RuntimeError):
    """What went wrong, in one sentence that names inputs of nodes; ComfyUI shows it at the node."""


@contextmanager
def at_work() -> Iterator[None]:
    """A node's work, as a decorator.

    Raises:
        NodeError: for any error that Intarsia raises on purpose. All others pass, among them those with which ComfyUI
            is interrupted or notices that its memory is short.
    """
    # ComfyUI runs its nodes in torch's inference mode, in which no gradient can be taken, nor ever one of what was
    # loaded there. Layouts are guided by gradients, and looks are learned by them.
    with torch.inference_mode(mode=False):
        try:
            yield
        except IntarsiaError as problem:
            raise NodeError(problem.message_for(GRAPH)) from problem


def stop_if_cancelled() -> None:
    """Raise ComfyUI's own exception where its user has cancelled."""
    management = _module("comfy.model_management")
    if management is not None:
        management.throw_exception_if_processing_interrupted()


def make_room(device: str) -> None:
    """Have ComfyUI's own models leave an accelerator before ours work there.

    Args:
        device: of our models; auto may be an accelerator.
    """
    # ComfyUI's manager of memory does not know of our networks: it would keep its own on the accelerator, and ours
    # would find no room. They come back by themselves when a node of ComfyUI needs them.
    management = _module("comfy.model_management")
    if management is not None and device != "cpu":
        management.unload_all_models()


def watch() -> OnProgress:
    """Show progress at the node that runs, and stop where its user has cancelled."""
    utils = _module("comfy.utils")
    bar: Any = None

    def listen(progress: Progress) -> None:
        nonlocal bar
        stop_if_cancelled()
        if utils is not None:
            bar = bar or utils.ProgressBar(progress.total)
            bar.update_absolute(progress.done, progress.total)

    return listen


def _module(name: str) -> Any | None:
    """A module of ComfyUI; None outside of it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as problem:
        if problem.name not in {name, name.partition(".")[0]}:  # ComfyUI is there, but something that it needs is not
            raise
        return None
