"""Learned looks in the formats of diffusers, written and read: a LoRA of keys and values, and textual inversions.

The files lie in one folder, with the names that diffusers gives them:

    pytorch_lora_weights.safetensors      what was learned of the denoiser's keys and values
    learned_embeds.safetensors            the token of the object; of several objects one file each,
    learned_embeds-NAME.safetensors       since diffusers reads one word a file
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from intarsia.backbones.embedding_files import FIRST, Embedding, embedding_files, read_embedding
from intarsia.backbones.lora_files import read_lora
from intarsia.backbones.lora_keys import DENOISER
from intarsia.backbones.protocols import LatentDiffusion
from intarsia.backbones.wrong_kinds import LORA_FILES
from intarsia.errors import ModelError
from intarsia.files import check_absent, write_bytes_atomically
from intarsia.layout.concepts import LEARNED, NO_ADDITIONS, READS_TEXT, Concepts
from intarsia.notes import note

LORA_FILE = LORA_FILES[1]
ABOUT = "intarsia"
"""In the header of each file: what the formats have no place for, as JSON."""

SMALLEST = 1e-6
"""Singular values of whole weights' changes below this part of their layer's largest are left out: as small as the
rounding of float32."""


def labels_of(names: Sequence[str], additions: int) -> list[str]:
    """A label for each token, of objects and then of further ones, that can stand in a file's name and in a prompt."""
    labels: list[str] = []
    for name in (*names, *(f"addition {number}" for number in range(1, additions + 1))):
        stem = re.sub(r"\W+", "-", name.lower()).strip("-") or "object"
        number, free = 2, stem
        while free in labels:
            free, number = f"{stem}-{number}", number + 1
        labels.append(free)
    return labels


def exchange_files(labels: Sequence[str]) -> list[str]:
    """The names of the files of tokens, by their labels."""
    if len(labels) == 1:
        return ["learned_embeds.safetensors"]
    return [f"learned_embeds-{label}.safetensors" for label in labels]


def check_exchange(folder: Path, names: Sequence[str], additions: int, overwrite: bool) -> None:
    """Raise `OutputError` where one of the files is there already."""
    for name in (LORA_FILE, *exchange_files(labels_of(names, additions))):
        check_absent(folder / name, overwrite)


def write_exchange(
    concepts: Concepts, diffusion: LatentDiffusion, folder: Path, *, overwrite: bool = False
) -> list[Path]:
    """Write concepts as a LoRA and textual inversions.

    Low-rank updates are written as they are. Whole weights, as the published method learns them, become factors of what
    changed in them, of the rank that the change has; what is left out is below `SMALLEST`. All layers get one rank,
    filled up with zeros, which every reader takes for a strength of 1.

    Args:
        diffusion: on which they were learned, without them.
        folder: made where it is missing.

    Raises:
        ModelError: the concepts are of another model.
        OutputError: a file is there already, or the disk refuses.
    """
    concepts.check(diffusion)
    count = len(concepts.additions)
    check_exchange(folder, concepts.names, count, overwrite)
    labels = labels_of(concepts.names, count)
    files, words = exchange_files(labels), [f"<{label}>" for label in labels]
    about = {
        "names": concepts.names,
        "words": concepts.words,
        "tokens": words,
        "model": concepts.model,
        "versions": dict(concepts.versions),
    }
    header = {"format": "pt", ABOUT: json.dumps(about)}
    made: list[Path] = []
    for file, word, vector in zip(files, words, concepts.tokens, strict=True):
        content = safetensors.torch.save({word: vector.detach().cpu().float()[None].contiguous()}, metadata=header)
        made.append(write_bytes_atomically(folder / file, content, overwrite=overwrite))
    factors = factors_of(concepts.updates, diffusion)
    if factors:
        tensors = {
            f"unet.{layer}.lora_{side}.weight": factor.contiguous()
            for layer, pair in factors.items()
            for side, factor in zip("AB", pair, strict=True)
        }
        content = safetensors.torch.save(tensors, metadata=header)
        made.append(write_bytes_atomically(folder / LORA_FILE, content, overwrite=overwrite))
    return made


@torch.no_grad()
def factors_of(updates: Mapping[str, Tensor], diffusion: LatentDiffusion) -> dict[str, tuple[Tensor, Tensor]]:
    """(rank, in) and (out, rank) of each layer that is updated, all of one rank, float32 on the CPU."""
    layers = dict(diffusion.unet.named_modules())
    factors: dict[str, tuple[Tensor, Tensor]] = {}
    for name in dict.fromkeys(update.rpartition(".")[0] for update in updates):
        whole = updates.get(f"{name}.weight")
        if whole is None:
            pair = updates[f"{name}.down"], updates[f"{name}.up"]
            factors[name] = pair[0].detach().cpu().float(), pair[1].detach().cpu().float()
        else:
            change = whole.detach().cpu().float() - layers[name].weight.detach().cpu().float()
            factors[name] = _factored(change)
    rank = max((len(down) for down, _ in factors.values()), default=0)
    return {
        name: (
            torch.cat([down, down.new_zeros(rank - len(down), down.shape[1])]),
            torch.cat([up, up.new_zeros(up.shape[0], rank - len(down))], 1),
        )
        for name, (down, up) in factors.items()
    }


def _factored(change: Tensor) -> tuple[Tensor, Tensor]:
    """(out, in) -> (rank, in) and (out, rank), whose product it is but for `SMALLEST`."""
    left, sizes, right = torch.linalg.svd(change.double(), full_matrices=False)
    rank = max(1, int((sizes > SMALLEST * sizes[0]).sum()))
    roots = sizes[:rank].sqrt()
    return (roots[:, None] * right[:rank]).float(), (left[:, :rank] * roots).float()


def read_concepts(path: Path) -> Concepts:
    """Learned looks from a file, or from a folder in the formats of diffusers, of ours or another program's.

    Of a folder without our header the textual inversions are taken as the scene's objects in their order; of a LoRA, keys
    and values alone, since nothing else is changed while a scene is painted.

    Raises:
        ModelError: the file is missing, damaged, or holds something else.
    """
    if not path.is_dir():
        return Concepts.load(path)
    words = [word for file in embedding_files(path) for word in read_embedding(str(file), "")]
    if not words:
        raise ModelError(
            f"{path} is a folder without learned_embeds.safetensors, so that it holds no learned looks", LEARNED
        )
    about = _about(words)
    order: Sequence[str] = about.get("tokens", [word.word for word in words])
    by_word = {word.word: word for word in words}
    missing = [token for token in order if token not in by_word]
    if missing:
        raise ModelError(f"{path} lacks the file of {missing[0]}, which was learned with the others", LEARNED)
    vectors = torch.cat([_vectors(by_word[token]) for token in order])
    count = len(about["names"]) if "names" in about else len(vectors)
    lora = path / LORA_FILE
    return Concepts(
        names=tuple(about.get("names", [token.strip("<>") for token in order])),
        words=tuple(about.get("words", [""] * len(order))),
        embeddings=vectors[:count],
        additions=vectors[count:] if len(vectors) > count else NO_ADDITIONS,
        updates=_updates(lora) if lora.is_file() else {},
        model=str(about.get("model", "")),
        versions=about.get("versions", {}),
    )


def _about(words: Iterable[Embedding]) -> dict[str, Any]:
    """What our header says besides; empty where it is not ours, or damaged."""
    for word in words:
        with safetensors.safe_open(str(word.file), framework="pt") as file:
            text = (file.metadata() or {}).get(ABOUT)
        try:
            about = json.loads(text) if text else None
        except ValueError:
            continue
        if isinstance(about, dict) and all(isinstance(about.get(k), list) for k in ("names", "words", "tokens")):
            return about
    return {}


def _vectors(word: Embedding) -> Tensor:
    """(1, D): an object has one token.

    Raises:
        ModelError: the word has more.
    """
    vectors: Tensor = safetensors.torch.load_file(str(word.file))[word.tensors[FIRST]].float()
    vectors = vectors.reshape(-1, vectors.shape[-1])
    if len(vectors) != 1:
        raise ModelError(f"{word.word} of {word.file} has {len(vectors)} vectors, but an object has one token", LEARNED)
    return vectors


def _updates(file: Path) -> dict[str, Tensor]:
    """The factors of keys and values in a LoRA's file, as `Concepts.updates` has them."""
    lora, tensors = read_lora(str(file), 1.0), safetensors.torch.load_file(str(file))
    updates: dict[str, Tensor] = {}
    layers = lora.layers()
    for layer in layers:
        if layer.part != DENOISER or not READS_TEXT.search(layer.name) or "mid" in layer.tensors:
            continue
        down, up = (tensors[layer.tensors[role]].float() for role in ("down", "up"))
        alpha = tensors[layer.tensors["alpha"]].item() if "alpha" in layer.tensors else None
        updates[f"{layer.name}.down"] = down
        updates[f"{layer.name}.up"] = up * lora.scale(layer, len(down), alpha)
    if 2 * len(layers) > len(updates):
        note(f"{file}: {len(layers) - len(updates) // 2} layers that are not keys or values are left out.")
    return updates
