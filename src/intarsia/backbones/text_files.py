"""The small files of a checkpoint (configurations, tokenizers, indexes): why one cannot be read, before any is used.

The libraries that read them answer with whatever their parsers raise, which names neither the file nor the cause; some
go on without the file, and make a tokenizer that knows no word.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from intarsia.backbones.downloads import AGAIN, ANEW, START, no_file, refused
from intarsia.errors import ModelError, Remedy
from intarsia.stand_ins import ITSELF, Fault, stand_in

ANSWERS = frozenset({"error", "errors", "message", "detail", "statusCode", "status", "sha", "cause"})
"""Names in what a server answers in place of a file."""

BINARY = (
    (b"PK\x03\x04", "is a zip archive"),
    (b"\x1f\x8b", "is a gzip archive"),
    (b"\x80\x02", "is a pickle"),
    (b"\x80\x03", "is a pickle"),
    (b"\x80\x04", "is a pickle"),
    (b"\x80\x05", "is a pickle"),
    (b"GGUF", "is a GGUF file"),
)
ENCODED = {
    b"\xff\xfe": ("utf-16", "UTF-16"),
    b"\xfe\xff": ("utf-16", "UTF-16"),
    b"\xef\xbb\xbf": ("utf-8-sig", "UTF-8 with a byte order mark"),
}
"""Encodings by their marks: a codec, and what people call it."""

SAVED = Remedy("save it as UTF-8 without a byte order mark, or download the checkpoint again")

SENTENCEPIECE = ("spiece.model", "tokenizer.model", "sentencepiece.bpe.model")
"""Names of tokenizers in the format of SentencePiece, a protocol buffer."""

UNREACHED = 0.01
"""Share of a vocabulary's tokens that may have no merge: names such as <|endoftext|> have none."""


def text_fault(file: Path) -> Fault | None:
    """What keeps a small file of a checkpoint from being read, as a predicate; None if nothing.

    JSON is parsed where the name says that it is JSON, and must have the shape that files of this name have.
    """
    fault = no_file(file)
    if fault is not None:
        return fault
    try:
        content = file.read_bytes()
    except OSError as problem:
        return refused(problem)
    fault = stand_in(content[:START], ANEW)
    if fault is not None:
        return fault
    if file.name in SENTENCEPIECE:
        return None if is_message(content) else ("is damaged, or only part of it came", AGAIN)
    kind = next((what for start, what in BINARY if content.startswith(start)), None)
    if kind is not None:
        return f"{kind}, not the text that belongs there", AGAIN
    encoding = encoding_of(content)
    if encoding is not None:
        return f"is text in {encoding}, as editors save it, but UTF-8 is read", SAVED
    try:
        text = content.decode("utf-8")
    except ValueError:
        return "is damaged, since it is no UTF-8 text", AGAIN
    if file.suffix == ".json":
        return json_fault(file.name, text)
    return merges_fault(file, text) if file.name == "merges.txt" else None


def encoding_of(content: bytes) -> str | None:
    """In which other encoding text is, by its first bytes; None of UTF-8, and of what is no text."""
    for mark, (codec, name) in ENCODED.items():
        if content.startswith(mark):
            return name if content[:200].decode(codec, "replace")[:1].isascii() else None
    return None


def json_fault(name: str, text: str) -> Fault | None:
    """What is wrong with the text of a JSON file of this name; None if nothing."""
    try:
        parsed: Any = json.loads(text)
    except json.JSONDecodeError as problem:
        if text.lstrip().startswith("<"):
            return "is a web page, not what was to be downloaded", ITSELF
        cut = problem.pos >= len(text.rstrip()) - 1 or problem.msg.startswith("Unterminated string")
        where = f"no JSON at line {problem.lineno}, column {problem.colno}"
        return f"is damaged, {'cut off before its end' if cut else where}", AGAIN
    except (ValueError, RecursionError):
        return "is damaged, no JSON that can be read", AGAIN
    if isinstance(parsed, dict) and parsed and "error" in parsed and parsed.keys() <= ANSWERS:
        return f"is a server's answer ({str(parsed['error'])[:80]}), not what was to be downloaded", ITSELF
    right, lacking = shape_of(name)
    return None if right(parsed) else (f"is damaged, since it holds no {lacking}", AGAIN)


def shape_of(name: str) -> tuple[Callable[[Any], bool], str]:
    """Of what shape the content of a JSON file by this name is, and what it lacks otherwise."""
    if name == "vocab.json":
        return is_vocabulary, "vocabulary"
    if name == "tokenizer.json":
        return (lambda value: isinstance(value, dict) and isinstance(value.get("model"), dict)), "tokenizer"
    if ".safetensors.index" in name:
        return is_index, "list of files"
    if name == "names.json":
        return (lambda value: isinstance(value, list) and all(isinstance(noun, str) for noun in value)), "list of nouns"
    return (lambda value: isinstance(value, dict)), "settings"


def is_vocabulary(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(type(number) is int for number in value.values())


def is_index(value: Any) -> bool:
    files = value.get("weight_map") if isinstance(value, dict) else None
    return isinstance(files, dict) and bool(files) and all(is_plain_name(name) for name in files.values())


def is_plain_name(name: Any) -> bool:
    """Whether a text names a file in the same folder."""
    return isinstance(name, str) and bool(name) and not set(name) & {"/", "\\", "\0"}


def merges_fault(file: Path, text: str) -> Fault | None:
    """What is wrong with the text of a merges.txt, by itself and with the vocab.json beside it; None if nothing."""
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    pairs = [tuple(line.split(" ")) for line in lines if not line.startswith("#version")]
    wrong = next((pair for pair in pairs if len(pair) != 2 or not all(pair)), None)
    if wrong is not None:
        number = lines.index(" ".join(wrong)) + 1
        return f"is damaged, since its line {number:,} of {len(lines):,} is no pair of tokens", AGAIN
    if (file.parent / "tokenizer.json").is_file() or text_fault(file.parent / "vocab.json"):
        return None  # which is not read where there is the one, and named by itself where the other is broken
    vocabulary = json.loads((file.parent / "vocab.json").read_text(encoding="utf-8"))
    made = {first + second for first, second in pairs}
    strange = next((token for pair in pairs for token in (*pair, "".join(pair)) if token not in vocabulary), None)
    if strange is not None:
        shown = repr(strange[:40]) if strange.isprintable() else "one of its tokens"
        return f"does not fit the vocab.json beside it, which has no {shown}, or is cut off", AGAIN
    single = {token for token in vocabulary if len(token.removesuffix("</w>")) <= 1}
    unreached = [token for token in vocabulary if token not in made and token not in single]
    if len(unreached) > max(UNREACHED * len(vocabulary), 64):
        return f"is cut off, since it has no pair for {len(unreached):,} tokens of the vocab.json beside it", AGAIN
    return None


def is_message(content: bytes) -> bool:
    """Whether bytes are the fields of a protocol buffer from the first to the last."""
    place, length = 0, len(content)
    while place < length:
        tag, place = number_at(content, place)
        kind = tag & 7
        if kind == 0:
            _, place = number_at(content, place)
        elif kind == 2:
            size, place = number_at(content, place)
            place += size
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        else:
            return False
    return place == length


def number_at(content: bytes, place: int) -> tuple[int, int]:
    """A number of variable length, and the place behind it; beyond the end where it is cut off."""
    value = shift = 0
    while place < len(content):
        byte = content[place]
        place += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, place
    return value, len(content) + 1


def read_json(file: Path) -> Any:
    """The content of a checkpoint's JSON file.

    Raises:
        ModelError: it is missing or cannot be read; the message names it and says why.
    """
    fault = text_fault(file)
    if fault is not None:
        fact, remedy = fault
        raise ModelError(f"{file} {fact}", remedy)
    return json.loads(file.read_text(encoding="utf-8"))
