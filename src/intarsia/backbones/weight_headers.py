"""The header of a .safetensors file: which tensors it holds, without reading one of them; or why it has none.

A file is eight bytes for the header's length, the header as JSON, and the tensors' bytes. The header says where each
tensor ends, so that a file that was cut off is known before gigabytes are read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from intarsia.backbones.downloads import AGAIN, ANEW, START, no_file, refused
from intarsia.errors import Message, ModelError, Remedy, Setting
from intarsia.stand_ins import ITSELF, WHITE, Fault, stand_in

# The longest header that is read; those of the largest checkpoints have a few hundred kilobytes.
LONGEST = 32 * 2**20
SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<rest>(?:\.[\w-]+)?\.safetensors)")

BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("BOOL", "I8", "U8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    "F4": 4,
}
"""Bits of one number, by the names that the format has for the types that torch reads."""

PICKLE = (
    "it is a pickle, which can run any code when it is opened",
    Remedy("convert it to .safetensors, or download that version of the checkpoint"),
)
OTHER_TYPE = Remedy("take the version of the file in float16, bfloat16 or float32")
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


def read_header(file: Path, *, placed: bool = True) -> WeightHeader:
    """The header of a .safetensors file.

    Args:
        placed: whether the places that it gives to its tensors must be right, as they must where these are read.

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
        spans = {name: tuple(map(int, entry["data_offsets"])) for name, entry in content.items()}
        end = max((after for _, after in spans.values()), default=0)
        types = {name: str(entry["dtype"]) for name, entry in content.items()}
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
        raise ModelError(f"{file} is not a safetensors file, or its header is damaged", AGAIN) from None
    if 8 + length + end > size:
        raise ModelError(f"{file} is only part of a safetensors file ({size:,} of {8 + length + end:,} bytes)", AGAIN)
    wrong = layout_fault(shapes, types, spans, size - 8 - length) if placed else None
    if wrong is not None:
        fact, remedy = wrong
        raise ModelError(f"{file} is damaged, since {fact}", remedy)
    return WeightHeader(shapes=shapes, types=frozenset(types.values()), metadata=metadata)


def layout_fault(
    shapes: Mapping[str, tuple[int, ...]], types: Mapping[str, str], spans: Mapping[str, tuple[int, ...]], size: int
) -> Fault | None:
    """What a header says that cannot be: tensors must follow each other without a gap, each of its size.

    Args:
        types: of the tensors' numbers, by name.
        spans: the first byte of each tensor and the one after its last.
        size: bytes of all of them in the file.
    """
    place = 0
    for name, (start, after) in sorted(spans.items(), key=lambda item: item[1]):
        bits = BITS.get(types[name])
        if bits is None:
            kind = types[name][:20]
            return f"its tensor {name} is of numbers of the type {kind}, which are not read", OTHER_TYPE
        if start != place or after < start:
            return f"its tensor {name} overlaps another, or leaves a gap before it", AGAIN
        if any(length < 0 for length in shapes[name]) or math.prod(shapes[name]) * bits != 8 * (after - start):
            return (
                f"its tensor {name} has {after - start:,} bytes, which its shape {list(shapes[name])} does not fit",
                AGAIN,
            )
        place = after
    return None if place == size else (f"{size - place:,} bytes behind its tensors belong to none", AGAIN)


def read_headers(files: Iterable[Path], *, placed: bool = True) -> WeightHeader:
    """The headers of all the shards as one; arguments as above.

    Raises:
        ModelError: one of them cannot be read.
    """
    headers = [read_header(file, placed=placed) for file in files]
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
    """What a file is, from its first bytes, that is no safetensors file, and what helps; None where it may be one.

    Raises:
        ModelError: there is no file, or none that can be read.
    """
    fault = no_file(file)
    try:
        with file.open("rb") as stream:
            head = stream.read(START)
    except OSError as problem:
        fact, remedy = fault or refused(problem)
        raise ModelError(f"{file} {fact}", remedy) from problem
    if len(head) > 8 and head[8:9] == b"{":
        return None
    fault = stand_in(head, ANEW)
    if fault is not None:
        fact, remedy = fault
        return f"it {fact}", remedy
    text = head.lstrip(WHITE)
    if text.startswith(b"<"):
        return "it is a web page, not what was to be downloaded", ITSELF
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
