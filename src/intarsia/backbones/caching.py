"""Encoders that remember: what several jobs ask of one picture, or of one text, is computed once."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from intarsia.backbones.confidence import SURE_FROM, calibration_of
from intarsia.backbones.protocols import Backbones, ImageTextScorer, KnowsNouns, PatchEncoder, PatchFeatures, Segmenter

Value = TypeVar("Value")

CAPACITY = 64
"""Values that are kept of each kind; the one not used for longest goes first."""


class ValueCache:
    """Values by their inputs."""

    def __init__(self, most: int = CAPACITY) -> None:
        self.most = most
        self.values: OrderedDict[object, object] = OrderedDict()

    def get(self, key: object, compute: Callable[[], Value]) -> Value:
        if key not in self.values:
            self.values[key] = compute()
            if len(self.values) > self.most:
                self.values.popitem(last=False)
        self.values.move_to_end(key)
        return self.values[key]  # type: ignore[return-value]


def content_key(tensor: Tensor) -> tuple[object, ...]:
    """What tells a tensor from others: its shape, its type and a digest of its bytes."""
    plain = tensor.detach().cpu().contiguous()
    return tuple(plain.shape), str(plain.dtype), hashlib.sha256(plain.view(torch.uint8).numpy().tobytes()).digest()


class CachedPatchEncoder:
    """A `PatchEncoder` that remembers."""

    def __init__(self, encoder: PatchEncoder) -> None:
        self.encoder, self.memory = encoder, ValueCache()

    def encode(self, picture: Tensor) -> PatchFeatures:
        return self.memory.get(content_key(picture), lambda: self.encoder.encode(picture))


class CachedSegmenter:
    """A `Segmenter` that remembers."""

    def __init__(self, segmenter: Segmenter) -> None:
        self.segmenter, self.memory = segmenter, ValueCache()
        self.nouns: tuple[str, ...] = segmenter.nouns if isinstance(segmenter, KnowsNouns) else ()
        self.calibration = calibration_of(segmenter)
        self.sure_from: float = getattr(segmenter, "sure_from", SURE_FROM)
        self.text_limit: int | None = getattr(segmenter, "text_limit", None)

    def predict_masks(self, picture: Tensor, texts: Sequence[str]) -> Tensor:
        return self.memory.get(
            (content_key(picture), tuple(texts)), lambda: self.segmenter.predict_masks(picture, texts)
        )


class CachedTextScorer:
    """An `ImageTextScorer` that remembers its texts; pictures pass through, each is new and may carry a gradient."""

    def __init__(self, scorer: ImageTextScorer) -> None:
        self.scorer, self.memory = scorer, ValueCache()
        self.text_limit: int | None = getattr(scorer, "text_limit", None)

    def embed_images(self, pictures: Tensor) -> Tensor:
        return self.scorer.embed_images(pictures)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        return self.memory.get(tuple(texts), lambda: self.scorer.embed_texts(texts))

    def patch_tokens(self, pictures: Tensor) -> Tensor:
        return self.scorer.patch_tokens(pictures)

    def inner_tokens(self, pictures: Tensor) -> Tensor:
        return self.scorer.inner_tokens(pictures)


def with_caches(backbones: Backbones) -> Backbones:
    """The same networks, with encoders that remember; their answers must not be changed in place."""
    return dataclasses.replace(
        backbones,
        patches=CachedPatchEncoder(backbones.patches),
        segmenter=CachedSegmenter(backbones.segmenter),
        scorer=CachedTextScorer(backbones.scorer),
    )
