"""What a user adds to a checkpoint: checked before anything large is loaded, and added before anything is moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intarsia.backbones.checkpoint_files import unet_part, version_of
from intarsia.backbones.checkpoint_kind import SD_FAMILIES, kind_of
from intarsia.backbones.embedding_files import FAMILIES, Embedding, read_embeddings
from intarsia.backbones.lora_files import Lora, check_family, none_fits, read_loras
from intarsia.backbones.lora_keys import DENOISER, LayerTable, Shape
from intarsia.backbones.pipeline_index import other_pipeline
from intarsia.backbones.weight_headers import read_header, read_headers
from intarsia.backbones.weight_sets import folder_weights
from intarsia.backbones.wrong_kinds import settings_of
from intarsia.errors import ModelError, Remedy, Setting

PIPELINE_FAMILIES = (
    ("StableDiffusion3", "sd3"),
    ("StableDiffusionXL", "sdxl"),
    ("Flux2", "flux2"),
    ("Flux", "flux"),
    ("Chroma", "chroma"),
    ("QwenImage", "qwen-image"),
    ("ZImage", "z-image"),
)
"""Families by the beginnings of their pipelines' names."""

OWN_SIZE = "sd"
"""The family of a Stable Diffusion of a size of its own, for which no published LoRA is made."""


@dataclass(frozen=True, kw_only=True)
class Additions:
    """What is added to a checkpoint.

    Attributes:
        loras: changes of its weights.
        embeddings: words for its text encoders.
        denoiser: file that takes the place of the checkpoint's own.
        model: the checkpoint's name, for messages.
    """

    loras: tuple[Lora, ...] = ()
    embeddings: tuple[Embedding, ...] = ()
    denoiser: Path | None = None
    model: str = ""

    def check(self, place: Path) -> None:
        """Raise `ModelError` where something cannot be added to a checkpoint, as far as headers tell.

        Args:
            place: the checkpoint's folder in diffusers layout, or its one file.
        """
        if not self.loras and not self.embeddings:
            return
        family = family_of(place)
        for embedding in self.embeddings:
            check_family("textual inversion", embedding.file, embedding.family, family, self.model)
            if family not in FAMILIES:
                raise ModelError(
                    f"{self.model} learns no words: textual inversions are read for Stable Diffusion 1, 2 and XL alone",
                    Remedy("leave out ", Setting("embedding")),
                )
        for lora in self.loras:
            check_family("LoRA", lora.file, lora.family, family, self.model)
        networks = layers_in(place) if self.loras and place.is_dir() and other_family(family) is None else {}
        if networks:
            table = LayerTable(networks)
            for lora in self.loras:
                layers = lora.layers()
                if not any(table.find(layer, lora.header.shapes) for layer in layers):
                    raise none_fits(lora.file, len(layers), self.model)

    def add_to(self, pipeline: Any) -> None:
        """Change the networks of a pipeline that was just loaded.

        Raises:
            ModelError: something does not fit them.
        """
        if self.embeddings:
            from intarsia.backbones.embedding_tokens import add_words

            add_words(pipeline, self.embeddings, model=self.model)
        if self.loras:
            from intarsia.backbones.lora_fusing import fuse_into_pipeline

            fuse_into_pipeline(pipeline, self.loras, model=self.model)

    def add_to_denoiser(self, unet: Any) -> None:
        """Change a second denoiser, which works with the text encoder of the first."""
        if self.loras:
            from intarsia.backbones.lora_fusing import fuse

            fuse({DENOISER: unet}, self.loras, model=self.model, quiet=True)

    @property
    def versions(self) -> dict[str, str]:
        """What was added, for the record: by "lora 1", "lora 2", "embedding 1", ... in the order of use."""
        replaced = {} if self.denoiser is None else {"denoiser": version_of(self.denoiser)}
        kinds: dict[str, Sequence[Lora | Embedding]] = {"lora": self.loras, "embedding": self.embeddings}
        added = {f"{kind} {number}": one.version for kind, all_ in kinds.items() for number, one in enumerate(all_, 1)}
        return replaced | added


NOTHING = Additions()


def read_additions(
    loras: Sequence[str] = (), embeddings: Sequence[str] = (), *, model: str, denoiser: Path | None = None
) -> Additions:
    """What a record adds to a checkpoint.

    Args:
        denoiser: file that takes the place of the checkpoint's own.

    Raises:
        ModelError: a file is missing, damaged, or not of the kind expected.
    """
    return Additions(loras=read_loras(loras), embeddings=read_embeddings(embeddings), denoiser=denoiser, model=model)


def family_of(place: Path) -> str:
    """The family of a checkpoint: a key of `FAMILY_NAMES`, or `OWN_SIZE`; empty where nothing tells.

    Args:
        place: its folder in diffusers layout, or its one file.
    """
    if place.is_file():
        return kind_of(read_header(place)).family
    index = other_pipeline(place)
    if index is not None:
        return next((family for name, family in PIPELINE_FAMILIES if index.pipeline.startswith(name)), "")
    width = (settings_of(place / unet_part(place) / "config.json") or {}).get("cross_attention_dim")
    return SD_FAMILIES.get(width, OWN_SIZE) if isinstance(width, int) else ""


def other_family(family: str) -> str | None:
    """A family whose denoiser is no UNet; None for those over UNets."""
    return None if family in (*SD_FAMILIES.values(), OWN_SIZE, "") else family


def layers_in(folder: Path) -> dict[str, dict[str, Shape]]:
    """The shapes of the layers of a checkpoint over a UNet, by part and name, from the headers of its files."""
    networks: dict[str, dict[str, Shape]] = {}
    for part in (unet_part(folder), "text_encoder", "text_encoder_2"):
        place = folder / part
        weights = folder_weights(place) if place.is_dir() else None
        if weights is None:
            continue
        shapes = read_headers(place / name for name in weights.files).shapes
        layers = {
            name.removesuffix(".weight"): shape
            for name, shape in shapes.items()
            if name.endswith(".weight") and len(shape) in (2, 4)
        }
        networks[DENOISER if part == unet_part(folder) else part] = layers
    return networks
