"""Files of tensors that intarsia wrote itself (learned looks, region networks, checkpoints of learning), read whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from intarsia.backbones.downloads import PULL
from intarsia.backbones.weight_headers import read_header
from intarsia.errors import ModelError, Remedy

FETCH = Remedy("fetch the file itself with git lfs pull")


def read_own(
    file: Path, remedy: Remedy, *, unread: str = "is no readable safetensors file"
) -> tuple[Mapping[str, str], dict[str, Tensor]]:
    """The texts and the tensors of a file.

    Args:
        remedy: where such a file comes from.
        unread: what is said of one that is none.

    Raises:
        ModelError: it is another kind of file, empty, damaged or cut off.
    """
    try:
        about = read_header(file).metadata
        return about, safetensors.torch.load_file(str(file))
    except ModelError as fault:
        fact = "".join(part for part in fault.parts if isinstance(part, str))
        cause = fact.removeprefix(f"{file} ").removeprefix("is not a safetensors file, since ")
        remedies = (FETCH, remedy) if PULL in fault.parts else (remedy,)
        raise ModelError(f"{file} {unread} ({cause}).", *remedies) from fault
    except OSError as fault:
        raise ModelError(f"{file} {unread} ({fault.strerror or 'it cannot be read'}).", remedy) from fault
    except SafetensorError as fault:  # what it says is for those who wrote it
        raise ModelError(f"{file} {unread} (its header is damaged).", remedy) from fault


def entry(about: Mapping[str, str], name: str, kind: type, file: Path, remedy: Remedy) -> Any:
    """What a file's texts say under a name, as JSON of a kind.

    Raises:
        ModelError: they say nothing there, or something else.
    """
    try:
        value = json.loads(about[name])
    except (KeyError, ValueError, RecursionError):
        value = None
    if not isinstance(value, kind):
        raise ModelError(f"{file} is damaged, since its header does not give its {name}.", remedy)
    return value
