"""Scenes whose objects are learned."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor

from intarsia.backbones.protocols import Backbones
from intarsia.imaging.photo import Photo
from intarsia.layout.concepts import Concepts
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.scene import Scene, SceneObject
from intarsia.records.arrange import ArrangeRecord, LearnSettings

SIDE = 32


def scene_of(*names: str, side: int = SIDE) -> Scene:
    """Squares of one colour each, side by side."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(90, 110, (side, side, 3)).astype(np.uint8)
    objects = []
    for k, name in enumerate(names):
        mask = np.zeros((side, side), dtype=np.bool_)
        x = 2 + k * (side // max(len(names), 1))
        mask[4 : 4 + side // 3, x : x + side // 4] = True
        pixels[mask] = (40 + 90 * k, 200 - 60 * k, 60)
        objects.append(SceneObject(name=name, words=name.rstrip(" 0123456789"), mask=mask))
    return Scene(photo=Photo(pixels=pixels), objects=tuple(objects))


def record_of(**changes: Any) -> ArrangeRecord:
    few = LearnSettings(token_steps=3, weight_steps=2, batch=2)
    return dataclasses.replace(ArrangeRecord(photo="", learn=few, steps=6), **changes)


def count_hooks(network: Any) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules())


def look(backbones: Backbones) -> Tensor:
    diffusion = backbones.in_parts
    noisy = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return diffusion.predict(noisy, 500, diffusion.encode_text(["a cat"])).noise


def same(first: Concepts, second: Concepts) -> bool:
    return (
        (first.names, first.words, first.model, dict(first.versions))
        == (second.names, second.words, second.model, dict(second.versions))
        and torch.equal(first.embeddings, second.embeddings)
        and sorted(first.updates) == sorted(second.updates)
        and all(torch.equal(first.updates[name], second.updates[name]) for name in first.updates)
    )


def shifted(scene: Scene, name: str, right: int) -> Layout:
    placements = []
    for thing in scene.objects:
        move = right if thing.name == name else 0
        mask = np.roll(thing.mask, move, axis=1)
        placements.append(Placement(name=thing.name, matrix=(1.0, 0.0, float(move), 0.0, 1.0, 0.0), mask=mask))
    return Layout(placements=tuple(placements))
