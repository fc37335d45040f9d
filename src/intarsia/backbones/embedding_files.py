"""Textual inversions: words whose vectors in a text encoder's table were learned; what a file holds, by its header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intarsia.backbones.checkpoint_kind import kind_of
from intarsia.backbones.weight_headers import WeightHeader, read_header
from intarsia.errors import Message, ModelError, Remedy, Setting
from intarsia.files import file_digest
from intarsia.records.added_files import split_path

ENCODERS = ("text_encoder", "text_encoder_2")
FIRST, SECOND = ENCODERS
NAMES = {
    "emb_params": FIRST,
    "clip_l": FIRST,
    "clip_g": SECOND,
    "text_encoders_0": FIRST,
    "text_encoders_1": SECOND,
}
"""Tensors that are named after what they are for; the word is then the file's name."""

LEARNED = "learned_embeds.safetensors"
"""The file's name in a folder, as diffusers writes it."""

FAMILIES = ("sd1", "sd2", "sdxl", "sd", "")
"""Families whose text encoders learn words."""

PASS = Remedy(
    "pass a textual inversion as .safetensors, of diffusers or AUTOMATIC1111, with ", Setting("embedding", "FILE")
)


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """A word and its vectors, before these are read.

    Attributes:
        word: that prompts say for them.
        tensors: names of the tensors in the file, (D,) or (N, D), by the text encoder that they are for.
        widths: D of each of them.
        family: a key of `FAMILY_NAMES`; empty where it cannot be told.
        digest: sha256 of the file.
    """

    file: Path
    word: str
    tensors: dict[str, str]
    widths: dict[str, int]
    family: str
    digest: str

    @property
    def version(self) -> str:
        """For the record: the file's name, what its content is, and the word."""
        return f"{self.file.name}#{self.digest[:12]}:{self.word}"


def read_embeddings(texts: Sequence[str]) -> tuple[Embedding, ...]:
    """The textual inversions that a record names, checked by their headers.

    Args:
        texts: FILE or FILE:WORD each.

    Raises:
        ModelError: one is missing, damaged or no textual inversion, or a word is there twice.
    """
    found: dict[str, Embedding] = {}
    for text in texts:
        for embedding in read_embedding(*split_path(text)):
            if embedding.word in found:
                raise ModelError(
                    f"The word {embedding.word!r} stands for {found[embedding.word].file} and for {embedding.file}",
                    Remedy("give one of them another word: ", Setting("embedding", "FILE:WORD")),
                )
            found[embedding.word] = embedding
    return tuple(found.values())


def unused_messages(texts: Sequence[str], prompts: Sequence[str]) -> list[Message]:
    """That words which were taught stand in no prompt, a message for each file.

    Args:
        texts: FILE or FILE:WORD each, as a record names them.
        prompts: all that was read.
    """
    unused = [
        each for each in read_embeddings(texts) if not any(each.word.lower() in prompt.lower() for prompt in prompts)
    ]
    return [
        (f"The word {each.word!r} of {each.file.name} stands in no prompt, and had no effect", Remedy("write it there"))
        for each in unused
    ]


def read_embedding(path: str, word: str) -> list[Embedding]:
    """The words of one file or folder: see `read_embeddings`; several, where a file names each of its tensors after one."""
    place = Path(path).expanduser()
    if place.is_dir():
        files = embedding_files(place)
        if not files:
            raise ModelError(f"{place} is no folder of a textual inversion, since it has no {LEARNED}", PASS)
        if word and len(files) > 1:
            raise ModelError(f"{place} holds {len(files)} textual inversions, so that it takes no other word", PASS)
        return [one for file in files for one in read_embedding(str(file), word)]
    file = place
    if not file.exists() and not file.is_symlink():
        raise ModelError(f"There is no textual inversion {file}", Remedy("check the path"))
    if file.suffix.lower() in (".pt", ".bin", ".ckpt"):
        raise ModelError(
            f"{file} may be a pickle, which can run any code when it is opened",
            Remedy("convert it to .safetensors, as training programs and web pages offer"),
        )
    header = read_header(file)
    named = {name: encoder for name, encoder in NAMES.items() if name in header.shapes}
    words = [] if named else list(header.shapes)
    kind = kind_of(header)
    vectors = all(len(shape) in (1, 2) and 0 not in shape for shape in header.shapes.values())
    if (
        not header.shapes
        or not vectors
        or kind.group not in ("embedding", "unknown")
        or len(named) < len(header.shapes) * bool(named)
    ):
        what = kind.what if kind.group != "unknown" else "of no kind that is known here"
        raise ModelError(f"{file} is no textual inversion, but {what}", PASS)
    if word and len(words) > 1:
        raise ModelError(f"{file} holds several words ({', '.join(words)}), so that it takes no other one", PASS)
    digest = file_digest(file)
    if named:
        tensors = {encoder: name for name, encoder in named.items()}
        return [_embedding(file, word or file.stem, tensors, header, kind.family, digest)]
    return [_embedding(file, word or name, {FIRST: name}, header, kind.family, digest) for name in words]


def embedding_files(folder: Path) -> list[Path]:
    """The textual inversions in a folder, as diffusers or `intarsia learn` name them."""
    return sorted(folder.glob("learned_embeds*.safetensors"))


def _embedding(
    file: Path, word: str, tensors: dict[str, str], header: WeightHeader, family: str, digest: str
) -> Embedding:
    if not word.strip() or any(letter.isspace() for letter in word):
        raise ModelError(
            f"The word {word!r} of {file} has spaces in it, so that prompts cannot say it",
            Remedy("give it another one: ", Setting("embedding", "FILE:WORD")),
        )
    widths = {encoder: header.shapes[name][-1] for encoder, name in tensors.items()}
    return Embedding(file=file, word=word, tensors=tensors, widths=widths, family=family, digest=digest)


def expanded(tokenizer: Any, text: str) -> str:
    """A text in which each added word of several vectors is followed by the tokens of the others."""
    known = tokenizer.get_added_vocab()
    for word in known:
        more: list[str] = []
        while f"{word}_{len(more) + 1}" in known:
            more.append(f"{word}_{len(more) + 1}")
        if more:
            told = " ".join([word, *more])
            text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", lambda _: told, text, flags=re.IGNORECASE)  # noqa: B023
    return text
