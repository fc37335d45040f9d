"""The learned looks of a scene's objects: one new token each, and an update of what the denoiser reads from text.

Attached to a text-to-image model for as long as a block runs, they leave no trace: the model's own
tokenizer, embedding and layers are never written to. The update is a handful of forward hooks rather
than adapter layers, since replacing layers would rename the network's weights while it lasts, and
since one hook serves low-rank updates and the full weights of the published method alike.
"""

from __future__ import annotations

import copy
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from intarsia.backbones.own_files import read_own
from intarsia.backbones.protocols import LatentDiffusion
from intarsia.backbones.weight_headers import PICKLE, SOMETHING, foreign_file
from intarsia.errors import Command, LayoutError, ModelError, Remedy, Setting
from intarsia.files import write_bytes_atomically
from intarsia.layout.scene import Scene
from intarsia.notes import note

READS_TEXT = re.compile(r"attn2\.to_[kv]$")
"""The layers whose input is the text: keys and values of the cross-attention."""


NO_ADDITIONS = torch.zeros(0, 0)
"""The tokens besides the objects' where there are none."""


class Phrases(dict[str, str]):
    """The text of each object's token, by the object's name.

    Attributes:
        additions: texts of the further tokens, which are no object's.
    """

    def __init__(self, names: Sequence[str], tokens: Sequence[str]) -> None:
        super().__init__(zip(names, tokens, strict=False))
        self.additions: tuple[str, ...] = tuple(tokens[len(names) :])

    def of(self, names: Sequence[str]) -> Phrases:
        """Those of some objects, in the order given, with all further tokens."""
        return Phrases(names, [*(self[name] for name in names), *self.additions])


LEARNED = Remedy("pass what ", Command("learn"), " wrote", page="learn how the objects look here, and take that")
"""Where a file of concepts comes from."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Concepts:
    """What was learned of the objects of a scene.

    Attributes:
        names: the scene's objects, one new token each.
        words: what each of them is; empty for tokens of another program.
        embeddings: (N, D) float32, the tokens.
        additions: (E, D) float32, further tokens that are no object's; they end the sentence of the whole image.
        updates: of the denoiser's layers, by the layer's name and a suffix: `.down` (rank, in) and
            `.up` (out, rank) add their product to the layer's weight, `.weight` (out, in) takes its place.
        model: what they were learned on.
        versions: of its parts.
    """

    names: tuple[str, ...]
    words: tuple[str, ...]
    embeddings: Tensor
    additions: Tensor = NO_ADDITIONS
    updates: Mapping[str, Tensor] = field(default_factory=dict)
    model: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def attached(self, diffusion: LatentDiffusion) -> Iterator[Phrases]:
        """Teach the model the concepts for the time of a block.

        Yields:
            The text of each object's token, by the object's name, and those of further tokens, for prompts.

        Raises:
            ModelError: they were learned on a model of other widths.
        """
        self.check(diffusion)
        # Moved once, rather than at every step.
        here = {name: update.to(diffusion.device, diffusion.unet.dtype) for name, update in self.updates.items()}
        known = self.tokens.to(diffusion.device)
        with tokens_added(diffusion, known) as tokens, weights_updated(diffusion.unet, here):
            yield Phrases(self.names, tokens)

    @property
    def tokens(self) -> Tensor:
        """(N + E, D): the objects' tokens, then the further ones."""
        return (
            torch.cat([self.embeddings, self.additions.to(self.embeddings)]) if len(self.additions) else self.embeddings
        )

    def check(self, diffusion: LatentDiffusion) -> None:
        """Raise `ModelError` unless the concepts fit the model; warn where they were learned on another one."""
        width = diffusion.text_encoder.get_input_embeddings().weight.shape[1]
        if self.embeddings.shape[1] != width:
            raise ModelError(
                f"The concepts were learned on a model whose tokens are {self.embeddings.shape[1]} wide ({self.model or 'unnamed'}), "
                f"but those of {diffusion.name} are {width} wide.",
                Remedy("pass ", Setting("models"), " with the one they were learned on"),
                Remedy("learn anew"),
            )
        layers = dict(diffusion.unet.named_modules())
        for name, update in self.updates.items():
            layer, _, kind = name.rpartition(".")
            shape = getattr(getattr(layers.get(layer), "weight", None), "shape", None)
            wanted = {"down": shape and shape[1], "up": shape and shape[0], "weight": shape}.get(kind)
            have = {"down": update.shape[-1], "up": update.shape[0], "weight": update.shape}.get(kind)
            if wanted is None or have != wanted:
                raise ModelError(
                    f"The concepts change the layer {layer or name}, which {diffusion.name} does not have in this size: they were "
                    f"learned on {self.model or 'another model'}.",
                    Remedy("pass ", Setting("models"), " with that one"),
                    Remedy("learn anew"),
                )
        if self.model and self.model != diffusion.name:
            note(f"The concepts were learned on {self.model} and were used with {diffusion.name}.")

    def for_scene(self, scene: Scene) -> Concepts:
        """The concepts of a scene's objects, in the scene's order.

        Tokens of another program have no objects' names; they are taken in their order.

        Raises:
            LayoutError: an object of the scene was not learned.
        """
        words = tuple(obj.words for obj in scene.objects)
        missing = [name for name in scene.names if name not in self.names]
        if not missing:
            order = [self.names.index(name) for name in scene.names]
            return replace(self, names=scene.names, words=words, embeddings=self.embeddings[order])
        if not any(self.words) and len(self.names) == len(scene.names):
            return replace(self, names=scene.names, words=words)
        raise LayoutError(
            f"The concepts are of {', '.join(self.names)}, but the scene's {missing[0]!r} is not among them.",
            Remedy("learn the scene's objects with ", Command("learn"), page="learn anew how the objects look"),
            Remedy("leave ", Setting("concepts"), " out"),
        )

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Write them as safetensors, whole or not at all.

        Raises:
            OutputError: the file exists and `overwrite` is False, or the folder or disk refuses.
        """
        about = {
            "kind": "Concepts",
            "names": json.dumps(self.names),
            "words": json.dumps(self.words),
            "model": self.model,
            "versions": json.dumps(dict(self.versions)),
        }
        further = {"additions": self.additions} if len(self.additions) else {}
        tensors = (
            {"embeddings": self.embeddings}
            | further
            | {f"updates.{name}": update for name, update in self.updates.items()}
        )
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        write_bytes_atomically(path, safetensors.torch.save(tensors, metadata=about), overwrite=overwrite)

    @classmethod
    def load(cls, path: Path) -> Concepts:
        """Read what `save` wrote, or the `delta.bin` of the published method's code.

        Raises:
            ModelError: the file is missing, damaged, or holds something else.
        """
        if not path.is_file():
            raise ModelError(
                f"The concepts {path} do not exist.",
                Remedy(
                    "learn them with ",
                    Command("learn", "SCENE", out=path),
                    page="learn how the objects look first",
                ),
            )
        if path.suffix in (".bin", ".pt", ".pth"):
            return read_delta(path)
        about, tensors = read_own(path, LEARNED)
        if about.get("kind") != "Concepts":
            raise ModelError(f"{path} holds something else than learned objects.", LEARNED)
        return cls(**_content(path, about, tensors))


def _content(path: Path, about: Mapping[str, str], tensors: dict[str, Tensor]) -> dict[str, Any]:
    """What a file of learned looks holds, by the fields of `Concepts`.

    Raises:
        ModelError: its header or its tensors are not as `save` writes them.
    """
    damaged = ModelError(f"{path} is damaged, since its header does not tell what was learned.", LEARNED)
    try:
        names, words = (json.loads(about[key]) for key in ("names", "words"))
        versions = json.loads(about.get("versions", "{}"))
        embeddings = tensors.pop("embeddings")
    except (ValueError, LookupError, RecursionError):
        raise damaged from None
    texts = all(isinstance(part, list) and all(isinstance(text, str) for text in part) for part in (names, words))
    if not texts or not isinstance(versions, dict):
        raise damaged
    additions = tensors.pop("additions", NO_ADDITIONS)
    fitting = embeddings.ndim == 2 and len(embeddings) == len(names) == len(words) > 0 and additions.ndim == 2
    if not fitting or (len(additions) > 0 and additions.shape[1] != embeddings.shape[1]):
        raise ModelError(f"{path} is damaged, since its numbers do not fit the {len(names)} objects it names.", LEARNED)
    return {
        "names": tuple(names),
        "words": tuple(words),
        "embeddings": embeddings,
        "additions": additions,
        "updates": {name.removeprefix("updates."): tensor for name, tensor in tensors.items()},
        "model": about.get("model", ""),
        "versions": versions,
    }


def read_delta(path: Path) -> Concepts:
    """Tokens and full weights of keys and values as custom diffusion's code saves them; nothing in the file is run.

    Its layout: {"unet": {weight's name: tensor}, "modifier_token": {token: embedding}}.

    Raises:
        ModelError: the file is of another layout, or holds more than tensors.
    """
    fault = foreign_file(path)
    if fault not in (None, PICKLE, SOMETHING):
        raise ModelError(f"{path} holds no learned objects, since {fault[0]}.", fault[1], LEARNED)
    try:
        with warnings.catch_warnings(action="ignore"):  # of a pickle's version
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a damaged pickle shows as almost any of them
        raise ModelError(
            f"{path} is damaged, or no file of plain tensors, and nothing else is ever loaded from it.", LEARNED
        ) from None
    tokens = content.get("modifier_token") if isinstance(content, dict) else None
    weights = content.get("unet", {}) if isinstance(content, dict) else None
    plain = (
        isinstance(tokens, dict)
        and isinstance(weights, dict)
        and len(tokens) > 0
        and all(isinstance(v, Tensor) for v in (*tokens.values(), *weights.values()))
        and len({v.numel() for v in tokens.values()}) == 1
    )
    if not plain:
        raise ModelError(f"{path} lacks the parts 'modifier_token' and 'unet' of a delta.bin.", LEARNED)
    assert isinstance(tokens, dict) and isinstance(weights, dict)
    known = {
        name: w.float()
        for name, w in weights.items()
        if READS_TEXT.search(name.removesuffix(".weight")) and w.ndim == 2
    }
    if len(known) < len(weights):
        note(f"{path}: {len(weights) - len(known)} weights that are not keys or values are left out.")
    return Concepts(
        names=tuple(str(token).strip("<>") for token in tokens),
        words=("",) * len(tokens),
        embeddings=torch.stack([v.detach().float().reshape(-1) for v in tokens.values()]),
        updates=known,
    )


class Vocabulary(nn.Module):
    """A text encoder's embedding and more tokens after it, without a copy of its matrix."""

    def __init__(self, known: Any, more: Tensor) -> None:
        super().__init__()
        # Neither is registered: the text encoder's parameters stay what they were, by name and by number.
        self._parts: tuple[Any, Tensor] = (known, more)

    @property
    def weight(self) -> Tensor:
        """(tokens + N, D), as a plain embedding has it."""
        known, more = self._parts
        return torch.cat([known.weight, more.to(known.weight)])

    def forward(self, ids: Tensor) -> Tensor:
        known, more = self._parts
        count = known.weight.shape[0]
        old = known(ids.clamp(max=count - 1))
        new = F.embedding((ids - count).clamp(min=0), more.to(old))
        return torch.where((ids >= count)[..., None], new, old)


@contextmanager
def tokens_added(diffusion: LatentDiffusion, embeddings: Tensor) -> Iterator[list[str]]:
    """New tokens in a model's vocabulary for the time of a block.

    Args:
        embeddings: (N, D); text states are differentiable in it.

    Yields:
        N texts, one token each, that the tokenizer did not know.
    """
    tokenizer, encoder = diffusion.tokenizer, diffusion.text_encoder
    known = encoder.get_input_embeddings()
    # A tokenizer cannot forget a token, so a copy learns it; the original stays as it is.
    learned = copy.deepcopy(tokenizer)
    vocabulary = learned.get_vocab()
    free = (f"<intarsia-{i}>" for i in range(len(vocabulary) + len(embeddings)))
    tokens = [token for token, _ in zip((t for t in free if t not in vocabulary), embeddings, strict=False)]
    # New ids begin where the embedding ends; an embedding may be longer than its vocabulary.
    gap = known.weight.shape[0] - len(learned)
    assert gap >= 0, "a tokenizer with more tokens than its text encoder has embeddings"
    learned.add_tokens([f"<intarsia-unused-{i}>" for i in range(gap)] + tokens)
    try:
        diffusion.tokenizer = learned
        encoder.set_input_embeddings(Vocabulary(known, embeddings))
        yield tokens
    finally:
        encoder.set_input_embeddings(known)
        diffusion.tokenizer = tokenizer


@contextmanager
def weights_updated(unet: Any, updates: Mapping[str, Tensor], *, hold_begin: int = 0) -> Iterator[None]:
    """Layers of a network changed for the time of a block, differentiably.

    Args:
        updates: as `Concepts.updates`.
        hold_begin: let no gradient through the keys and values of the begin token, which every chunk of so many
            tokens of a prompt has (custom diffusion, Kumari et al. 2023, arXiv:2212.04488); 0 lets all through.
    """
    layers = dict(unet.named_modules())
    with ExitStack() as hooks:
        for name in dict.fromkeys(update.rpartition(".")[0] for update in updates):
            parts = {kind: updates.get(f"{name}.{kind}") for kind in ("down", "up", "weight")}
            hook = layers[name].register_forward_hook(changed(**parts, hold_begin=hold_begin))
            hooks.callback(hook.remove)
        yield


def changed(*, down: Tensor | None, up: Tensor | None, weight: Tensor | None, hold_begin: int) -> Any:
    """A forward hook of a linear layer without bias that answers with changed weights."""

    def answer(_layer: Any, inputs: tuple[Tensor, ...], old: Tensor) -> Tensor:
        states = inputs[0]
        if weight is not None:
            new = F.linear(states, weight.to(states))
        else:
            assert down is not None and up is not None
            new = old + F.linear(F.linear(states, down.to(states)), up.to(states))
        if not hold_begin:
            return new
        held = ((chunk[:, :1].detach(), chunk[:, 1:]) for chunk in torch.split(new, hold_begin, 1))
        return torch.cat([part for chunk in held for part in chunk], 1)

    return answer
