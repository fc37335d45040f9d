"""A pretended CUDA device: its tensors say cuda:0, compute on the CPU, and refuse to meet those of the CPU as CUDA would.

    with pretended_cuda() as traffic:
        models = load_backbones("pocket", device="cuda", dtype="float32")
    print(traffic.to_card, traffic.to_host)

Inside the block torch says that it has one CUDA device; afterwards torch is as it was. What is not pretended:
streams, the kernels' own arithmetic, generators on the device, shapes that change in place, and gradient checkpoints.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

CARD = torch.device("cuda:0")
CPU = torch.device("cpu")

COPIES = ("aten::_to_copy", "aten::copy_", "aten::copy")
"""What takes tensors from one device to another."""

INDEXES = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_", "aten::_unsafe_index")
"""What indices on the CPU may be given to, after the tensor itself."""

TOGETHER = ("aten::cat", "aten::stack")
"""What takes no tensor without dimensions from the CPU either: it is not computed element by element."""

READS = ("aten::_local_scalar_dense", "aten::nonzero", "aten::equal", "aten::is_nonzero", "aten::item")
"""What makes the host wait for a value of the card."""


@dataclass
class Traffic:
    """What went between the host and the card, in tensors.

    Attributes:
        to_card: copies from the host, which a graphics card does beside its work.
        to_host: copies to the host and values that were read there, for which the host waits.
    """

    to_card: int = 0
    to_host: int = 0


TRAFFIC = Traffic()
"""Of the block that runs; a new block begins at zero."""


class CardTensor(torch.Tensor):
    """A tensor on the pretended device.

    For torch's own code it lies on the device `meta`, whose tensors have a shape alone; every operation on it comes
    to `answer`.
    """

    inner: Tensor  # type: ignore[assignment]
    """Its numbers, on the CPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, inner: Tensor) -> CardTensor:
        made: CardTensor = torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            device=torch.device("meta"),
        )  # fmt: skip
        made.inner = inner
        return made

    def __init__(self, inner: Tensor) -> None:
        """Nothing is left to do after `__new__`."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return CARD

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True

    @property
    def is_meta(self) -> bool:  # type: ignore[override]
        return False

    def get_device(self) -> int:
        return 0

    def numpy(self, *, force: bool = False) -> np.ndarray:
        if not force:
            raise TypeError(
                "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory "
                "first."
            )
        return self.detach().cpu().numpy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.numpy()

    def tolist(self) -> Any:
        TRAFFIC.to_host += 1
        return self.inner.tolist()

    def __repr__(self, *, tensor_contents: object = None) -> str:  # type: ignore[override]
        return f"CardTensor(shape={tuple(self.shape)}, dtype={self.dtype})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return answer(func, args, kwargs or {}, meta=False)


def answer(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, meta: bool) -> Any:
    """Compute an operation on the CPU, and put what comes out on the device that CUDA would.

    Args:
        func: the operation.
        meta: whether the device `meta` is meant where it is asked for, rather than that of a `CardTensor`.

    Raises:
        RuntimeError: its tensors, or its generator, lie on different devices.
    """
    leaves = list(flat((*args, *kwargs.values())))
    cards = {id(t.inner): t for t in leaves if isinstance(t, CardTensor)}
    device = kwargs.get("device")
    asked = None if device is None else torch.device(device)
    on_card = bool(cards) if asked is None else asked.type == "cuda" or (asked.type == "meta" and not meta)
    if cards:
        refuse_other_devices(func, args, leaves)
    count_traffic(func, args, leaves, on_card=on_card)
    if on_card and any(isinstance(g, torch.Generator) and g.device == CPU for g in leaves):
        raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
    plain_args = mapped(plain, args)
    plain_kwargs = {name: mapped(plain, value) for name, value in kwargs.items()}
    if on_card and asked is not None:
        plain_kwargs["device"] = CPU
    result = func(*plain_args, **plain_kwargs)
    if not on_card and not func._schema.is_mutable:
        return result
    for card in cards.values() if func._schema.is_mutable else ():
        assert card.inner.shape == card.shape, f"{func} changes a shape in place, which is not pretended"

    def placed(value: Any) -> Any:
        if not isinstance(value, Tensor) or isinstance(value, CardTensor):
            return value
        if func._schema.is_mutable and id(value) in cards:
            return cards[id(value)]
        if func._schema.is_mutable and any(value is leaf for leaf in leaves):
            return value
        return CardTensor(value) if on_card else value

    return mapped(placed, result)


def count_traffic(func: Any, args: tuple[Any, ...], leaves: Sequence[Any], *, on_card: bool) -> None:
    """Count what an operation carries to the card or to the host."""
    name = func._schema.name
    here = [t for t in leaves if isinstance(t, Tensor) and not isinstance(t, CardTensor)]
    there = len(here) < sum(isinstance(t, Tensor) for t in leaves)
    if name in COPIES:
        on_card = isinstance(args[0], CardTensor) if func._schema.is_mutable else on_card
        TRAFFIC.to_card += bool(here and on_card)
        TRAFFIC.to_host += bool(there and not on_card)
    elif name in READS:
        TRAFFIC.to_host += there
    elif name in INDEXES and there:
        TRAFFIC.to_card += len(here)


def flat(values: Any) -> Iterator[Any]:
    """What lists in lists hold: an operation's arguments, one by one."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from flat(value)
        else:
            yield value


def mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """A value, or each of those in its lists, changed."""
    if isinstance(value, list | tuple):
        return type(value)([mapped(change, part) for part in value])
    return change(value)


def plain(value: Any) -> Any:
    return value.inner if isinstance(value, CardTensor) else value


def refuse_other_devices(func: Any, args: tuple[Any, ...], leaves: Sequence[Any]) -> None:
    """Raise what CUDA raises where a tensor of the CPU meets one of the card and may not."""
    name = func._schema.name
    if name in COPIES:
        return
    least = 0 if name in TOGETHER else 1
    others = [t for t in leaves if isinstance(t, Tensor) and not isinstance(t, CardTensor) and t.dim() >= least]
    if name in INDEXES:
        others = [t for t in others if not any(t is index for index in args[1])]
    if others:
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and "
            f"{others[0].device}! (when checking arguments of {name}, a tensor of shape {tuple(others[0].shape)})"
        )


class Operations(TorchDispatchMode):
    """What torch computes in the block, factories included."""

    def __init__(self, calls: Calls) -> None:
        super().__init__()
        self.calls = calls

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return answer(func, args, kwargs or {}, meta=self.calls.meta)


class Calls(TorchFunctionMode):
    """What is asked of torch in the block and decided before it becomes an operation."""

    meta = False
    """Whether the call that is being answered names the device `meta`."""

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        args = tuple(numbered(a) for a in args)
        kwargs = {name: numbered(value) for name, value in (kwargs or {}).items()}
        if func is Tensor.cuda:
            return args[0].to(CARD)
        if func in (torch.tensor, torch.as_tensor) and names("cuda", kwargs.get("device")):
            return made_there(func, args, kwargs)
        if func is torch.tensor and isinstance(args[0], list):  # their numbers are read, as of tensors on the CPU
            args = ([value.inner if isinstance(value, CardTensor) else value for value in args[0]], *args[1:])
        if func is F.scaled_dot_product_attention and any(isinstance(t, CardTensor) for t in (*args, *kwargs.values())):
            return attention(*args, **kwargs)
        if func is F.group_norm and isinstance(args[0], CardTensor):
            return normalised(*args, **kwargs)
        if func is Tensor.__getitem__ and isinstance(args[0], CardTensor):
            return func(args[0], without_lists(args[1]))
        before, self.meta = self.meta, self.meta or any(names("meta", a) for a in (*args, *kwargs.values()))
        if self.meta and func is Tensor.to and isinstance(args[0], CardTensor):
            args = (args[0].inner, *args[1:])  # torch would take it to lie there already
        try:
            return func(*args, **kwargs)
        finally:
            self.meta = before


def numbered(value: Any) -> Any:
    """A value, with the card's number where it names no more than its kind: torch would ask CUDA for the number."""
    bare = isinstance(value, str | torch.device) and str(value) == "cuda"
    return CARD if bare else value


def names(kind: str, device: Any) -> bool:
    """Whether a value names a device of this kind."""
    if isinstance(device, str):
        return device == kind or device.startswith(f"{kind}:")
    return isinstance(device, torch.device) and device.type == kind


def made_there(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """`torch.tensor` and `torch.as_tensor` on the card, which torch would not make as an operation."""
    device, needs_gradient = kwargs.pop("device"), kwargs.pop("requires_grad", False)
    if isinstance(args[0], CardTensor):
        return args[0].to(dtype=kwargs.get("dtype") or args[0].dtype)
    return func(*args, **kwargs).to(device).requires_grad_(needs_gradient)


def without_lists(index: Any) -> Any:
    """An index whose lists are tensors."""
    if isinstance(index, tuple):
        return tuple(without_lists(part) for part in index)
    return torch.tensor(index) if isinstance(index, list) else index


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Attention by the kernel that the CPU would choose, so that the numbers are the CPU's."""
    inner = mapped(plain, [query, key, value, attn_mask])
    settings: dict[str, Any] = {"dropout_p": dropout_p, "is_causal": is_causal, "scale": scale}
    flash = torch._fused_sdp_choice(*inner, enable_gqa=enable_gqa, **settings) == 1  # of torch.nn.attention.SDPBackend
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill(~attn_mask, -torch.inf)
    if not flash:
        by_parts = torch.ops.aten._scaled_dot_product_attention_math
        return by_parts(query, key, value, attn_mask, enable_gqa=enable_gqa, **settings)[0]
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, attn_mask=attn_mask, **settings
    )[0]


def normalised(
    states: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Group normalisation in the memory format that the CPU would keep, so that the numbers are the CPU's."""
    count, channels, *sides = states.shape
    last = states.dim() == 4 and states.is_contiguous(memory_format=torch.channels_last)
    states = states.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    return torch.native_group_norm(states, weight, bias, count, channels, math.prod(sides), groups, eps)[0]


GIGABYTE = 2**30
STANDINS: dict[str, Any] = {
    "is_available": lambda: True,
    "device_count": lambda: 1,
    "current_device": lambda: 0,
    "get_device_name": lambda *_: "Pretended",
    "get_device_properties": lambda *_: SimpleNamespace(total_memory=12 * GIGABYTE, name="Pretended"),
    "mem_get_info": lambda *_: (8 * GIGABYTE, 12 * GIGABYTE),
    "memory_allocated": lambda *_: 2**30,
    "memory_reserved": lambda *_: 2**30,
    "max_memory_allocated": lambda *_: 2**20,
    "reset_peak_memory_stats": lambda *_: None,
    "empty_cache": lambda: None,
    "synchronize": lambda *_: None,
    "get_rng_state": lambda *_: torch.get_rng_state(),
    "set_rng_state": lambda *_: None,
    "_lazy_init": lambda: None,
}
"""What `torch.cuda` answers in the block."""


@contextmanager
def pretended_cuda() -> Iterator[Traffic]:
    """A machine with one CUDA device, for the time of a block and for this thread.

    Yields:
        What goes between host and card, counted as it goes.
    """
    swapped = torch.__future__.get_swap_module_params_on_conversion()
    with ExitStack() as stack:
        for name, standin in STANDINS.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, standin))
        # A module's parameters become another class on the card, which assigning their data does not allow.
        torch.__future__.set_swap_module_params_on_conversion(True)
        stack.callback(torch.__future__.set_swap_module_params_on_conversion, swapped)
        calls = Calls()
        stack.enter_context(calls)
        stack.enter_context(Operations(calls))
        TRAFFIC.to_card = TRAFFIC.to_host = 0
        yield TRAFFIC
