"""ComfyUI's modules and its executor, as far as nodes notice them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch

from tests.to_comfy.stubs import Host


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host()

    class ProgressBar:
        def __init__(self, total: float) -> None:
            self.told: list[tuple[float, float]] = []
            host.bars.append(self.told)

        def update_absolute(self, value: float, total: float | None = None, preview: object = None) -> None:
            assert total is not None
            self.told.append((value, total))

    comfy, utils, management = (ModuleType(n) for n in ("comfy", "comfy.utils", "comfy.model_management"))
    utils.ProgressBar = ProgressBar  # type: ignore[attr-defined]
    management.throw_exception_if_processing_interrupted = host.check  # type: ignore[attr-defined]
    management.unload_all_models = host.unload  # type: ignore[attr-defined]
    for module in (comfy, utils, management):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return host


@pytest.fixture
def as_comfy_runs() -> Iterator[None]:
    """ComfyUI's executor runs nodes in torch's inference mode."""
    with torch.inference_mode():
        yield
