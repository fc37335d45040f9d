"""Tiny networks with the interfaces of LaMa and MI-GAN, as files: TorchScript, and ONNX written by hand."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

COLOUR = (51, 153, 102)
"""What the networks paint, in levels."""


class Painting(torch.nn.Module):
    """Knows the colour, in [0, 1]."""

    colour: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("colour", torch.tensor(COLOUR).view(1, 3, 1, 1) / 255)


class TinyLama(Painting):
    """One colour in the hole, and what it was shown outside; in [0, 1]."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return image * (1 - mask) + mask * self.colour


class BrightestLama(torch.nn.Module):
    """In the hole the highest level of each channel that it was shown."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return image * (1 - mask) + mask * (image * (1 - mask)).amax((2, 3), keepdim=True)


class TinyMiGan(Painting):
    """One colour in the hole, added to what it is shown there, which must be 0; in [-1, 1]."""

    def forward(self, given: Tensor) -> Tensor:
        return given[:, 1:] + torch.where(given[:, :1] < 0, 2 * self.colour - 1, torch.zeros(1))


class NotFiniteLama(torch.nn.Module):
    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return image / (mask * 0)


class HalfSizeLama(torch.nn.Module):
    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return (image * mask)[:, :, ::2, ::2]


class TwoPicturesLama(torch.nn.Module):
    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        return image, mask


class FixedSizeLama(torch.nn.Module):
    """It can be used with pictures of one size alone, which the file does not say."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return image * torch.ones(1, 1, 24, 24) * mask


def save_traced(network: torch.nn.Module, file: Path, *shapes: tuple[int, ...]) -> Path:
    """A network as TorchScript; `shapes` of what it is traced with."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)
        torch.jit.trace(network.eval(), tuple(torch.zeros(shape) for shape in shapes)).save(str(file))
    return file


def save_lama(file: Path, network: torch.nn.Module | None = None) -> Path:
    return save_traced(network or TinyLama(), file, (1, 3, 24, 24), (1, 1, 24, 24))


def save_migan(file: Path) -> Path:
    return save_traced(TinyMiGan(), file, (1, 4, 512, 512))


# ONNX. The fields are those of onnx.proto: number << 3, or with 2 for what has a length; numbers are varints.

FLOAT, UINT8 = 1, 2


def varint(number: int) -> bytes:
    low, high = number & 127, number >> 7
    return bytes([low | 128]) + varint(high) if high else bytes([low])


def field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def constant(name: str, values: Any) -> bytes:
    array = np.asarray(values, np.float32)
    dims = b"".join(field(1, length) for length in array.shape)
    return field(5, dims + field(2, FLOAT) + field(8, name) + field(9, array.tobytes()))


def node(operation: str, inputs: Sequence[str], output: str, to: int | None = None) -> bytes:
    attribute = b"" if to is None else field(5, field(1, "to") + field(3, to) + field(20, 2))
    return field(1, b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, operation) + attribute)


def value(number: int, name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    dims = b"".join(field(1, field(1 if isinstance(length, int) else 2, length)) for length in shape)
    return field(number, field(1, name) + field(2, field(1, field(1, kind) + field(2, dims))))


def save_onnx(file: Path, *graph: bytes) -> Path:
    file.write_bytes(field(1, 7) + field(7, b"".join(graph) + field(2, "tiny")) + field(8, field(1, "") + field(2, 12)))
    return file


def save_onnx_lama(file: Path, *, side: int | str = 64, levels: int = 255, mask_first: bool = False) -> Path:
    """TinyLama in ONNX; `levels` is what its output's white is."""
    inputs = [value(11, "image", FLOAT, ["batch", 3, side, side]), value(11, "mask", FLOAT, ["batch", 1, side, side])]
    return save_onnx(
        file,
        node("Sub", ["one", "mask"], "known"),
        node("Mul", ["image", "known"], "kept"),
        node("Mul", ["mask", "colour"], "painted"),
        node("Add", ["kept", "painted"], "both"),
        node("Mul", ["both", "white"], "output"),
        constant("one", 1),
        constant("white", levels),
        constant("colour", np.reshape(COLOUR, (1, 3, 1, 1)) / 255),
        *(reversed(inputs) if mask_first else inputs),
        value(12, "output", FLOAT, ["batch", 3, side, side]),
    )


def save_onnx_migan(file: Path) -> Path:
    """The pipeline of MI-GAN, which reads and gives uint8 of any size."""
    return save_onnx(
        file,
        node("Cast", ["image"], "image_", to=FLOAT),
        node("Cast", ["mask"], "mask_", to=FLOAT),
        node("Div", ["mask_", "white"], "known"),
        node("Sub", ["one", "known"], "gap"),
        node("Mul", ["image_", "known"], "kept"),
        node("Mul", ["gap", "colour"], "painted"),
        node("Add", ["kept", "painted"], "both"),
        node("Cast", ["both"], "result", to=UINT8),
        constant("one", 1),
        constant("white", 255),
        constant("colour", np.reshape(COLOUR, (1, 3, 1, 1))),
        value(11, "image", UINT8, ["batch_size", 3, "height", "width"]),
        value(11, "mask", UINT8, ["batch_size", 1, "height", "width"]),
        value(12, "result", UINT8, ["batch_size", 3, "height", "width"]),
    )
