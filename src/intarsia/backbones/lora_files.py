"""LoRA files: what they are, for which family and of which strength, from their headers alone."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from intarsia.backbones.checkpoint_kind import FAMILY_NAMES, LORA, kind_of
from intarsia.backbones.lora_keys import DENOISER, LoraLayer, lora_layers
from intarsia.backbones.text_files import read_json
from intarsia.backbones.weight_headers import WeightHeader, read_header
from intarsia.backbones.wrong_kinds import LORA_FILES
from intarsia.errors import ModelError, Remedy, Setting
from intarsia.files import file_digest
from intarsia.records.added_files import parse_lora

NORMS = (".dora_scale", ".lora_magnitude_vector", ".lora_magnitude_vector.weight")
"""Tensors of a DoRA, which changes the norms of weights besides."""

PASS = Remedy("pass a LoRA as .safetensors, of diffusers, peft or kohya's scripts, with ", Setting("lora", "FILE"))


@dataclass(frozen=True, kw_only=True)
class Lora:
    """A LoRA before its numbers are read.

    Attributes:
        file: of its weights.
        weight: how strongly it changes the checkpoint; 1 as it was made.
        header: of the file.
        family: a key of `FAMILY_NAMES`; empty where it cannot be told.
        settings: of peft, where they lie beside the file or in its header: lora_alpha, alpha_pattern, use_rslora.
        digest: sha256 of the file.
    """

    file: Path
    weight: float
    header: WeightHeader
    family: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def version(self) -> str:
        """For the record: its name, what its content is, and its weight."""
        return f"{self.file.name}#{self.digest[:12]}:{self.weight:g}"

    @property
    def trigger(self) -> str:
        """The words that the LoRA answers to, where its maker left them; else empty."""
        return self.header.metadata.get("modelspec.trigger_phrase", "").strip()

    def layers(self) -> list[LoraLayer]:
        """What it holds, by layers."""
        return lora_layers(self.header.shapes)

    def scale(self, layer: LoraLayer, rank: int, alpha: float | None) -> float:
        """What the product of a layer's factors is multiplied by: alpha / rank, or over its root (rsLoRA).

        Args:
            alpha: the file's own number for the layer, None where it has none.
        """
        if alpha is None:
            parts = ("unet.", "transformer.") if layer.part == DENOISER else (f"{layer.part}.",)
            own = dict(self.settings)
            for name, value in self.settings.items():
                for part in parts:
                    if name.startswith(part):
                        own[name.removeprefix(part)] = value
            patterns = own.get("alpha_pattern") or {}
            special = (value for key, value in patterns.items() if re.fullmatch(rf"(?:.*\.)?(?:{key})", layer.name))
            alpha = next(special, own.get("lora_alpha", rank))
            if own.get("use_rslora"):
                return float(alpha) / math.sqrt(rank)
        return float(alpha) / rank


def read_loras(texts: Sequence[str]) -> tuple[Lora, ...]:
    """The LoRAs that a record names, checked by their headers.

    Args:
        texts: FILE or FILE:WEIGHT each.

    Raises:
        ModelError: one is missing, damaged, no LoRA, or of a kind that cannot be used.
    """
    return tuple(read_lora(*parse_lora(text)) for text in texts)


def read_lora(path: str, weight: float) -> Lora:
    """See `read_loras`."""
    place = Path(path).expanduser()
    file = place
    if place.is_dir():
        named = [place / name for name in LORA_FILES if name.endswith(".safetensors")]
        found = [file for file in named if file.exists() or file.is_symlink()]
        alone = sorted(place.glob("*.safetensors"))
        if not found and len(alone) != 1:
            raise ModelError(
                f"{place} is no folder of a LoRA, since it has no {LORA_FILES[1]} and no {LORA_FILES[2]}", PASS
            )
        file = (found or alone)[0]
    if not file.exists() and not file.is_symlink():
        raise ModelError(f"There is no LoRA {file}", Remedy("check the path"))
    header = read_header(file)
    kind = kind_of(header)
    if kind.group != "lora":
        advice = {
            "checkpoint": Remedy("pass it with ", Setting("models", file)),
            "concepts": Remedy("pass it with ", Setting("concepts")),
        }.get(kind.group, PASS)
        raise ModelError(f"{file} is no LoRA, but {kind.what}", advice)
    names = "\n".join([*header.shapes, ""])
    if any(f"{ending}\n" in names for ending in NORMS):
        raise ModelError(f"{file} is a DoRA, which changes the norms of weights too and cannot be used here", PASS)
    if not any(fragment in names for fragment in LORA) or not lora_layers(header.shapes):
        raise ModelError(f"{file} is a LyCORIS of a kind (such as LoHa or LoKr) that cannot be used here", PASS)
    return Lora(
        file=file,
        weight=weight,
        header=header,
        family=kind.family,
        settings=_peft_settings(file, header),
        digest=file_digest(file),
    )


def _peft_settings(file: Path, header: WeightHeader) -> Mapping[str, Any]:
    """What peft keeps in a file of its own, or diffusers in the header, there with the part before each name."""
    beside = file.with_name("adapter_config.json")
    if file.name == "adapter_model.safetensors" and (beside.exists() or beside.is_symlink()):
        # Without it the LoRA would change the checkpoint more or less strongly than it was made to.
        settings: Mapping[str, Any] = read_json(beside)
        return settings
    try:
        inside = json.loads(header.metadata.get("lora_adapter_metadata", "{}"))
    except ValueError:
        return {}
    return inside if isinstance(inside, dict) else {}


def check_family(name: str, file: Path, family: str, checkpoint: str, model: str) -> None:
    """Raise `ModelError` where something was made for another family than a checkpoint's.

    Args:
        name: what it is: "LoRA".
        family: for which it was made; empty where that is not known.
        checkpoint: the checkpoint's family; empty where that is not known.
        model: the checkpoint's name.
    """
    related = {checkpoint, "flux"} if checkpoint in ("chroma", "flux2") else {checkpoint}
    if family and checkpoint and family not in related:
        known = FAMILY_NAMES.get(checkpoint, "Stable Diffusion of a size of its own")
        raise ModelError(
            f"{file} is a {name} for {FAMILY_NAMES[family]}, but {model} is a {known}",
            Remedy("pass one that was made for it"),
            Remedy("pass the checkpoint that it was made for with ", Setting("models")),
        )


def digest_of(texts: Sequence[str]) -> str:
    """What tells the contents of files apart cheaply: their paths, sizes and times of change."""
    digest = hashlib.sha256()
    for text in texts:
        path = Path(text).expanduser()
        files = sorted(path.glob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file():
                facts = file.stat()
                digest.update(f"{file} {facts.st_size} {facts.st_mtime_ns}".encode())
    return digest.hexdigest()


def none_fits(file: Path, count: int, model: str) -> ModelError:
    """The error for a LoRA none of whose layers a checkpoint has in that size."""
    return ModelError(
        f"None of the {count} layers of {file} has a place in {model}: it was made for another kind of checkpoint",
        Remedy("pass the checkpoint that it was made for with ", Setting("models")),
    )
