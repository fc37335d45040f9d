"""What was computed for a picture, kept by content: the next edit of the same picture pays for sampling only.

A key is a digest of everything that a value depends on, so that nothing stale can be found.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from platformdirs import user_cache_path
from safetensors.torch import load_file, save
from torch import Tensor

from intarsia.files import is_running
from intarsia.version import __version__

Values = dict[str, Tensor]


class Cache(Protocol):
    """Named tensors by key."""

    def get(self, key: str) -> Values | None: ...

    def put(self, key: str, values: Values) -> None: ...


def key_of(*parts: Any) -> str:
    """A digest of pictures, masks, tensors, numbers, texts and records (their repr), in their order.

    This package's version is a part of each: another version may compute otherwise.
    """
    digest = hashlib.sha256(__version__.encode())
    for part in parts:
        if isinstance(part, Tensor):
            part = part.detach().cpu().float().numpy()
        if isinstance(part, np.ndarray):
            digest.update(f"{part.shape}{part.dtype}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(f"{type(part).__name__}:{part!r}".encode())
        digest.update(b"\0")
    return digest.hexdigest()


class MemoryCache:
    """A cache that lives as long as its owner."""

    def __init__(self) -> None:
        self.kept: dict[str, Values] = {}

    def get(self, key: str) -> Values | None:
        return self.kept.get(key)

    def put(self, key: str, values: Values) -> None:
        self.kept[key] = values


class DiskCache:
    """A cache in a folder, one safetensors file a key; the longest unused ones go when it grows too large.

    It is only ever a saving: where the folder cannot be read or written, things are computed again.

    Args:
        folder: made when something is put in.
        limit_gb: of all files together.
    """

    def __init__(self, folder: Path, *, limit_gb: float = 2.0) -> None:
        self.folder, self.limit = folder, limit_gb * 2**30

    def get(self, key: str) -> Values | None:
        file = self.folder / f"{key}.safetensors"
        try:
            values: Values = load_file(file)
        except Exception:  # not there, half-written by a killed process, or of another version
            return None
        with contextlib.suppress(OSError):
            os.utime(file)
        return values

    def put(self, key: str, values: Values) -> None:
        content = save({name: tensor.detach().cpu().contiguous() for name, tensor in values.items()})
        partial = self.folder / f".{key}.{os.getpid()}"
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                partial.write_bytes(content)
                partial.replace(self.folder / f"{key}.safetensors")
            finally:
                partial.unlink(missing_ok=True)  # of a disk that is full
            self._shrink()

    def _shrink(self) -> None:
        for partial in self.folder.glob(".*.[0-9]*"):
            if not is_running(partial.name.rpartition(".")[2]):
                partial.unlink(missing_ok=True)
        files = sorted(self.folder.glob("*.safetensors"), key=lambda f: f.stat().st_mtime, reverse=True)
        total = 0
        for file in files:
            total += file.stat().st_size
            if total > self.limit and file != files[0]:
                file.unlink(missing_ok=True)


def default_cache() -> DiskCache:
    """In INTARSIA_CACHE, else in the system's folder of caches: XDG_CACHE_HOME or ~/.cache on Linux."""
    return DiskCache(Path(os.environ.get("INTARSIA_CACHE") or user_cache_path("intarsia", appauthor=False)))


def to_values(**tensors: Tensor) -> Values:
    return {name: torch.as_tensor(tensor) for name, tensor in tensors.items()}
