"""What a network's file is, told from its content before anything of it is run.

A TorchScript archive is a zip of the network's code and constants beside its weights; a checkpoint of `torch.save`
is a zip or a stream that is one pickle. Only the first is opened, and never with `torch.load`.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

from intarsia.errors import ModelError, Part, Remedy, Setting

NetworkFormat = Literal["torchscript", "onnx"]

WANTED = "take it as TorchScript, such as IOPaint's big-lama.pt or migan_traced.pt, or as ONNX"

PICKLE = "is a pickle, which can run any code when it is opened"


def network_format(file: Path) -> NetworkFormat:
    """The format of a network's file.

    Raises:
        ModelError: it is missing, damaged, or no network that can be run.
    """
    if file.is_dir():
        raise refused(file, "is a folder")
    try:
        with file.open("rb") as stream:
            head = stream.read(512)
    except FileNotFoundError:
        remedy = Remedy("pass its file with ", Setting("fill_model", "FILE"), page="choose another fill")
        fact = "is a link to a file that is not there" if file.is_symlink() else "is not there"
        raise ModelError(f"The network {file} {fact}", remedy) from None
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise ModelError(f"The network {file} cannot be read ({reason})", Remedy("give another file")) from problem
    if head.startswith(b"PK\x03\x04"):
        return zipped_format(file)
    fault = foreign_format(head)
    if fault is not None:
        raise refused(file, *fault)
    # ONNX has no signature; its writers put the version of the format first, which is field 1.
    if head.startswith(b"\x08") or file.suffix.lower() == ".onnx":
        return "onnx"
    raise refused(file, "is of no known kind")


def zipped_format(file: Path) -> NetworkFormat:
    """The format of a file that begins as a zip archive does."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError) as problem:
        raise refused(file, "is damaged, or only a part of it came", "download it again") from problem
    inside = {name.partition("/")[2] for name in names}
    if "constants.pkl" in inside and any(name.startswith("code/") for name in inside):
        return "torchscript"
    if "data.pkl" in inside:
        raise refused(file, PICKLE)
    raise refused(file, "is a zip archive, but no TorchScript")


def foreign_format(head: bytes) -> tuple[str, ...] | None:
    """What a file is that is no network, from its first bytes, and what helps if that is special; else None."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not text.strip(b"\0"):
        return "is nothing but zeros" if text else "is empty", "download it again"
    if text.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, not what it points to", "download the file itself (git lfs pull)"
    if text.startswith(b"<"):
        return "is a web page, not what was to be downloaded", "download the file itself"
    if head.startswith(b"\x80"):
        return (PICKLE,)
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32:
        return ("holds weights alone (safetensors), without the network that they are of",)
    return None


def refused(file: Path, fact: str, remedy: str = WANTED) -> ModelError:
    """The error for a file that is not run."""
    parts: tuple[Part, ...] = (remedy,)
    return ModelError(f"The network {file} {fact}", Remedy(*parts, page="choose another fill"))
