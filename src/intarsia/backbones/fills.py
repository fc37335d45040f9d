"""Background fills that need no checkpoint: copies of the image around a hole, or a smooth membrane.

A network of the user's own is loaded by `network_fill`, so that importing this module needs no torch.
"""

from __future__ import annotations

import importlib.metadata
import threading
from typing import TYPE_CHECKING

import numpy as np

from intarsia.errors import RegionError, Remedy
from intarsia.imaging.geometry import Size
from intarsia.imaging.infill import membrane_fill
from intarsia.imaging.masks import Mask
from intarsia.imaging.patch_infill import Guide, fill_by_copying
from intarsia.imaging.photo import Bytes, Picture, levels_to_bytes
from intarsia.progress import waited
from intarsia.records.checks import run_checks
from intarsia.records.fill_checks import OWN_NETWORKS, own_network_checks
from intarsia.version import __version__

if TYPE_CHECKING:
    from intarsia.backbones.protocols import BackgroundFill

_PATCHMATCH = threading.Lock()
"""Its random numbers are the process's."""

PATCH_RADIUS = 4
"""Of the patches that PatchMatch compares, in pixels."""

UNGUIDED = (
    "PatchMatch (pypatchmatch) is not installed, and there is none for every machine: the gap was filled without it, a "
    "little less surely."
)
"""What is said of a fill that had no guide."""

PHOTOGRAPHIC = 256
"""Native side from which a checkpoint counts as trained on photographs, in pixels."""

ENLARGED = 2.5
"""How many times larger than its native side an image may be for a smaller one."""


def paints_size(native_side: int, size: Size) -> bool:
    """Whether a checkpoint of such a native side can paint images of a size."""
    return native_side >= PHOTOGRAPHIC or size.short <= ENLARGED * native_side


class PatchFill:
    """Pieces of the image, guided by PatchMatch where that is installed."""

    name = "patch"

    def __init__(self, *, effort: float = 1.0) -> None:
        """Prepare for fills of an effort; see `fill_by_copying`."""
        self.effort = effort
        self.cache_key: tuple[object, ...] = () if effort == 1 else (effort,)
        found = _patchmatch_version()
        self.guided = found is not None
        self.version = f"pypatchmatch {found}" if found else f"intarsia {__version__}"

    def fill(self, image: Bytes, hole: Mask, others: Mask, *, seed: int = 0) -> Bytes:
        """See `BackgroundFill`."""
        source = ~(hole | others)
        check_source(hole, source)
        guide = _patchmatch_guide(seed) if self.guided else None
        return fill_by_copying(image, hole, source, source, seed=seed, guide=guide, effort=self.effort)


class MembraneFill:
    """As smooth as a membrane that is held by the hole's rim: for plain grounds, and a last resort elsewhere."""

    name = "membrane"
    cache_key: tuple[object, ...] = ()
    version = f"intarsia {__version__}"

    def fill(self, image: Bytes, hole: Mask, others: Mask, *, seed: int = 0) -> Bytes:
        """See `BackgroundFill`; it draws nothing by the seed."""
        check_source(hole, ~(hole | others))
        filled = membrane_fill(image.astype(np.float32), ~(hole | others))
        return np.where(hole[..., None], levels_to_bytes(filled), image)


def load_fill(name: str, file: str | None = None) -> BackgroundFill:
    """A fill by its name: auto (patch), patch, membrane, lama or migan.

    Args:
        file: of the network, for lama and migan.

    Raises:
        RecordError: a network's file is not given, or given for a fill that has none.
        ModelError: the file is no such network.
        MissingExtraError: the package that runs it is not installed.
    """
    assert name in ("auto", "patch", "membrane", *OWN_NETWORKS), f"a fill called {name}"
    run_checks(own_network_checks(name, file))
    if file is not None:
        from intarsia.backbones.network_fill import load_network_fill

        return load_network_fill(name, file)
    return MembraneFill() if name == "membrane" else PatchFill()


def check_source(hole: Mask, source: Mask) -> None:
    """Raise `RegionError` where nothing is left that a hole could be filled from."""
    if not hole.any() or source.any():
        return
    if hole.all():
        raise RegionError(
            "All of the picture would be replaced, so that nothing is left to fill it from",
            Remedy("mark less of it"),
        )
    raise RegionError(
        "Objects cover all of the picture, so that no background is left to fill the gap from",
        Remedy("name fewer objects"),
        Remedy("give smaller masks"),
    )


def _patchmatch_version() -> str | None:
    try:
        import patchmatch
    except (ImportError, OSError):
        return None
    return importlib.metadata.version("pypatchmatch") if patchmatch.patchmatch_available else None


def _patchmatch_guide(seed: int) -> Guide:
    import patchmatch

    def guide(picture: Picture, hole: Mask, source: Mask) -> Picture:
        levels, hidden = levels_to_bytes(picture), ~(source | hole)

        def filled() -> Picture:
            with _PATCHMATCH:
                patchmatch.set_random_seed(seed)
                found = patchmatch.inpaint(levels, hole, global_mask=hidden, patch_size=PATCH_RADIUS)
            return np.asarray(found, np.float32)

        return waited(filled)

    return guide
