"""The header of a .safetensors file: which tensors it holds, without reading one of them; or why it has none.

A file is eight bytes for the header's length, the header as JSON, and the tensors' bytes. The header says where each
tensor ends, so that a file that was cut off is known before gigabytes are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intarsia.errors import Message, ModelError, Remedy, Setting

# The longest header that is read; those of the largest checkpoints have a few hundred kilobytes.
LONGEST = 32 * 2**20
SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<rest>(?:\.[\w-]+)?\.safetensors)")

AGAIN = Remedy("download the checkpoint again")
PICKLE = (
    "it is a pickle, which can run any code when it is opened",
    Remedy("convert it to .safetensors, or download that version of the checkpoint"),
)
SOMETHING = ("it holds something else, or only part of one came", AGAIN)


@dataclass(frozen=True, kw_only=True)
class WeightHeader:
    """What the header of one file, or those of all its shards, say.

    Attributes:
        shapes: of the tensors, by name.
        types: how the numbers are stored, such as F16; all that occur.
        metadata: texts that the writer left.
    """

    shapes: Mapping[str, tuple[int, ...]]
    types: frozenset[str]
    metadata: Mapping[str, str]


def read_header(file: Path) -> WeightHeader:
    """The header of a .safetensors file.

    Raises:
        ModelError: it is another kind of file, empty, damaged or cut off.
    """
    fault = foreign_file(file)
    if fault is not None:
        fact, remedy = fault
        raise ModelError(f"{file} is not a safetensors file, since {fact}", remedy)
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > LONGEST:
            raise ModelError(f"{file} is not a safetensors file, or its header is damaged", AGAIN)
        text = stream.read(length)
    if len(text) < length:
        raise ModelError(f"{file} is not a safetensors file, or only part of one, since its header is cut off", AGAIN)
    try:
        content = json.loads(text.decode("utf-8"))
        # Whatever else the header may hold, these three are read: a header without them is none.
        metadata = {str(key): str(value) for key, value in content.pop("__metadata__", {}).items()}
        shapes = {name: tuple(map(int, entry["shape"])) for name, entry in content.items()}
        end = max((int(entry["data_offsets"][1]) for entry in content.values()), default=0)
        types = frozenset(str(entry["dtype"]) for entry in content.values())
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
        raise ModelError(f"{file} is not a safetensors file, or its header is damaged", AGAIN) from None
    if 8 + length + end > size:
        raise ModelError(f"{file} is only part of a safetensors file ({size:,} of {8 + length + end:,} bytes)", AGAIN)
    return WeightHeader(shapes=shapes, types=types, metadata=metadata)


def read_headers(files: Iterable[Path]) -> WeightHeader:
    """The headers of all the shards as one.

    Raises:
        ModelError: one of them cannot be read.
    """
    headers = [read_header(file) for file in files]
    return WeightHeader(
        shapes={name: shape for header in headers for name, shape in header.shapes.items()},
        types=frozenset().union(*(header.types for header in headers)),
        metadata={key: text for header in headers for key, text in header.metadata.items()},
    )


def shards_of(file: Path) -> list[Path]:
    """All the files that weights were split into, of which this is one; the file alone if it is whole."""
    match = SHARD.fullmatch(file.name)
    if match is None:
        return [file]
    count = int(match["count"])
    return [
        file.with_name(f"{match['stem']}-{number:05}-of-{count:05}{match['rest']}")
        for number in range(1, min(count, 999) + 1)
    ]


def is_gguf(file: Path) -> bool:
    """Whether a file's weights are quantised as llama.cpp does, which diffusers reads for denoisers."""
    with file.open("rb") as stream:
        return stream.read(4) == b"GGUF"


def foreign_file(file: Path) -> tuple[str, Remedy] | None:
    """What a file is, from its first bytes, that is no safetensors file, and what helps; None where it may be one."""
    with file.open("rb") as stream:
        head = stream.read(512)
    if len(head) > 8 and head[8:9] == b"{":
        return None
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    lowered = text[:200].lower()
    if not text:
        return "it is empty", AGAIN
    if text.startswith(b"version https://git-lfs"):
        return (
            "it is a pointer of Git LFS, which names the file that was to be downloaded",
            Remedy("fetch that with git lfs pull, or download the checkpoint again"),
        )
    if lowered.startswith(b"<"):
        return "it is a web page, not what was to be downloaded", Remedy(
            "download the file itself, signed in if need be"
        )
    if text.startswith(b"GGUF"):
        return (
            "it is a GGUF file, which holds the quantised weights of one network",
            Remedy(
                "if that is a denoiser, pass it behind the checkpoint that has its other parts, e.g. ",
                Setting("models", "CHECKPOINT+FILE"),
            ),
        )
    if head.startswith((b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        return PICKLE
    if text.startswith((b"{", b"[")):
        return "it is JSON, such as a server's answer that was saved in its place", Remedy("download the file itself")
    if len(head) <= 8:
        return f"it has only {len(head)} bytes", AGAIN
    return SOMETHING


def text_fault(file: Path) -> str | None:
    """What keeps a small text file of a checkpoint (configuration, tokenizer, index) from being read; None if nothing.

    JSON is parsed where the name says that it is JSON.
    """
    try:
        content = file.read_bytes()
    except OSError as problem:
        return f"cannot be read ({problem.strerror})"
    start = content[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not start:
        return "is empty"
    if start.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, not the file that it names"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "is a web page, not what was to be downloaded"
    try:
        text = content.decode("utf-8")
        parsed: Any = json.loads(text) if file.suffix == ".json" else None
    except (ValueError, RecursionError) as problem:
        cut = isinstance(problem, json.JSONDecodeError) and problem.pos >= len(problem.doc.rstrip()) - 1
        return (
            "is damaged, cut off before its end"
            if cut
            else "is damaged" + (", no JSON" if file.suffix == ".json" else "")
        )
    if file.name.endswith("config.json") and not isinstance(parsed, dict):
        return "is damaged, since it holds no settings"
    return None


def weights_fault(file: Path, shown: str) -> Message | None:
    """What keeps a weights file from being read, as a sentence; None if nothing.

    Args:
        shown: how the file is named in the sentence.
    """
    try:
        read_header(file)
    except OSError as problem:
        return (f"{shown} cannot be read ({problem.strerror}).",)
    except ModelError as fault:
        return fault.replace(str(file), shown).parts
    return None
