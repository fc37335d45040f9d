"""Networks that come as one file with their code: TorchScript and ONNX, behind one interface. They run on the CPU.

`torch.jit.load` reads a format of its own, but its documentation warns that what is loaded must be trusted, and
PyTorch's security policy counts TorchScript as code that runs on the machine. TorchScript is deprecated since torch
2.11 (and "may break" from Python 3.14 on), in favour of `torch.export`, which reads no such files.
"""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from intarsia.backbones.checkpoint_files import short_reason
from intarsia.backbones.fill_files import network_format
from intarsia.errors import MissingExtraError, ModelError

Values = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class NetworkInput:
    """What a network reads.

    Attributes:
        kind: "float32", "uint8" or another; "" where the file does not say.
        shape: its length in each dimension, None for one that may vary; empty where the file does not say.
    """

    name: str
    kind: str = ""
    shape: tuple[int | None, ...] = ()

    @property
    def channels(self) -> int | None:
        return self.shape[1] if len(self.shape) == 4 else None

    @property
    def sides(self) -> tuple[int, int] | None:
        """Height and width, where they are fixed."""
        if len(self.shape) != 4 or self.shape[2] is None or self.shape[3] is None:
            return None
        return self.shape[2], self.shape[3]

    def __str__(self) -> str:
        lengths = ", ".join("?" if length is None else str(length) for length in self.shape)
        return " ".join(filter(None, (self.name, self.kind, f"({lengths})" if self.shape else "")))


class Program(Protocol):
    """A network and what it reads."""

    file: Path
    inputs: tuple[NetworkInput, ...]

    def run(self, *values: Values) -> Values:
        """The network's first or only output.

        Args:
            values: in the order of `inputs`.

        Raises:
            ModelError: it fails, or gives no numbers.
        """
        ...


def load_program(file: Path) -> Program:
    """The network in a file.

    Raises:
        ModelError: the file is no network, or damaged.
        MissingExtraError: it is ONNX, and onnxruntime is not installed.
    """
    return TorchScriptProgram(file) if network_format(file) == "torchscript" else OnnxProgram(file)


class TorchScriptProgram:
    """A network that was saved by `torch.jit.save`. The file does not say the shapes of its inputs."""

    def __init__(self, file: Path) -> None:
        import torch

        load: Any = torch.jit.load
        self.file = file
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", r"`torch\.jit\.load` is", DeprecationWarning)
                self.module = load(str(file), map_location="cpu").eval()
            arguments = self.module.forward.schema.arguments[1:]
        except Exception as fault:  # a damaged archive shows as almost any exception
            raise not_loaded(file, "TorchScript") from fault
        self.inputs = tuple(NetworkInput(name=argument.name) for argument in arguments)

    def run(self, *values: Values) -> Values:
        """See `Program`."""
        import torch

        try:
            with torch.inference_mode():
                output = self.module(*(torch.from_numpy(np.ascontiguousarray(value)) for value in values))
        except Exception as fault:  # whatever the network's own code raises
            raise unusable(self.file, "failed", fault) from fault
        if not isinstance(output, torch.Tensor):
            raise ModelError(f"The network {self.file} gives a {type(output).__name__}, not one picture: give another.")
        result: Values = output.detach().float().numpy()
        return result


class OnnxProgram:
    """A network in ONNX, run by onnxruntime."""

    def __init__(self, file: Path) -> None:
        try:
            onnxruntime: Any = importlib.import_module("onnxruntime")
        except ImportError:
            raise MissingExtraError(
                f"The network {file} is ONNX, for which onnxruntime is not installed. Install it with: "
                "pip install 'intarsia[onnx]'"
            ) from None
        self.file = file
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what fails is raised
        try:
            self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as fault:  # onnxruntime has an exception for each of its states, without a common base
            raise not_loaded(file, "ONNX") from fault
        self.inputs = tuple(
            NetworkInput(
                name=given.name,
                kind=given.type.removeprefix("tensor(").removesuffix(")").replace("float", "float32"),
                shape=tuple(length if isinstance(length, int) else None for length in given.shape),
            )
            for given in self.session.get_inputs()
        )

    def run(self, *values: Values) -> Values:
        """See `Program`."""
        given = {wanted.name: value for wanted, value in zip(self.inputs, values, strict=True)}
        try:
            output: Values = self.session.run(None, given)[0]
        except Exception as fault:  # see above
            raise unusable(self.file, "failed", fault) from fault
        return output


def not_loaded(file: Path, form: str) -> ModelError:
    """What its library says of a damaged file is for those who wrote the library."""
    return ModelError(
        f"The network {file} could not be loaded as {form}: it is damaged, or of a kind that is not known here. Download "
        "it again, or give another."
    )


def unusable(file: Path, fact: str, fault: BaseException) -> ModelError:
    return ModelError(f"The network {file} {fact} ({short_reason(fault)}): download it again, or give another.")
