"""A pretended device: its tensors say cuda:0 or mps:0, compute on the CPU, and refuse to meet those of the CPU as theirs do.

    with pretended(KIND) as traffic:
        models = load_backbones("pocket", device="cuda", dtype="float32")
    print(traffic.to_card, traffic.to_host)

Inside the block torch says that it has one such device; afterwards torch is as it was. What is not pretended:
streams, the kernels' own arithmetic, generators on the device, shapes that change in place, and gradient checkpoints.
The kinds are those of tests/pretended_cuda.py and tests/pretended_mps.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

CPU = torch.device("cpu")

COPIES = ("aten::_to_copy", "aten::copy_", "aten::copy")
"""What takes tensors from one device to another."""

INDEXES = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_", "aten::_unsafe_index")
"""What indices on the CPU may be given to, after the tensor itself."""

TOGETHER = ("aten::cat", "aten::stack")
"""What takes no tensor without dimensions from the CPU either: it is not computed element by element."""

READS = ("aten::_local_scalar_dense", "aten::nonzero", "aten::equal", "aten::is_nonzero", "aten::item")
"""What makes the host wait for a value of the card."""


@dataclass(frozen=True)
class Kind:
    """A kind of device that is pretended.

    Attributes:
        card: the device.
        standins: what torch's modules answer in the block, by module and name.
        refuse: (operation, arguments) raises where the device cannot do what it is asked.
        refuse_values: (operation, arguments, result) raises where the device cannot hold what comes out.
        takes_apart: whether an operation that torch puts together from others is told by those, in inference mode too,
            so that none of them is missed.
    """

    card: torch.device
    standins: Mapping[Any, Mapping[str, Any]]
    refuse: Callable[[Any, tuple[Any, ...]], None] = lambda func, args: None
    refuse_values: Callable[[Any, tuple[Any, ...], Any], None] = lambda func, args, result: None
    takes_apart: bool = False


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

    kind: Kind

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, inner: Tensor, kind: Kind) -> CardTensor:
        made: CardTensor = torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            device=torch.device("meta"),
        )  # fmt: skip
        made.inner, made.kind = inner, kind
        return made

    def __init__(self, inner: Tensor, kind: Kind) -> None:
        """Nothing is left to do after `__new__`."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return self.kind.card

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return self.kind.card.type == "cuda"

    @property
    def is_mps(self) -> bool:  # type: ignore[override]
        return self.kind.card.type == "mps"

    @property
    def is_meta(self) -> bool:  # type: ignore[override]
        return False

    def get_device(self) -> int:
        return 0

    def numpy(self, *, force: bool = False) -> np.ndarray:
        if not force:
            raise TypeError(
                f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host "
                "memory first."
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
        kwargs = kwargs or {}
        kind = next(t.kind for t in flat((*args, *kwargs.values())) if isinstance(t, CardTensor))
        return answer(func, args, kwargs, kind, meta=False)


def answer(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], kind: Kind, *, meta: bool) -> Any:
    """Compute an operation on the CPU, and put what comes out on the device that torch would.

    Args:
        func: the operation.
        kind: of the device.
        meta: whether the device `meta` is meant where it is asked for, rather than that of a `CardTensor`.

    Raises:
        RuntimeError: its tensors, or its generator, lie on different devices.
    """
    leaves = list(flat((*args, *kwargs.values())))
    cards = {id(t.inner): t for t in leaves if isinstance(t, CardTensor)}
    device = kwargs.get("device")
    asked = None if device is None else torch.device(device)
    on_card = bool(cards) if asked is None else asked.type == kind.card.type or (asked.type == "meta" and not meta)
    if cards:
        refuse_other_devices(func, args, leaves, kind)
    if on_card:
        kind.refuse(func, args)
    count_traffic(func, args, leaves, on_card=on_card)
    if on_card and any(isinstance(g, torch.Generator) and g.device == CPU for g in leaves):
        raise RuntimeError(f"Expected a '{kind.card.type}' device type for generator but found 'cpu'")
    plain_args = mapped(plain, args)
    plain_kwargs = {name: mapped(plain, value) for name, value in kwargs.items()}
    if on_card and asked is not None:
        plain_kwargs["device"] = CPU
    result = func(*plain_args, **plain_kwargs)
    if cards or on_card:
        kind.refuse_values(func, args, result)
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
        return CardTensor(value, kind) if on_card else value

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


def refuse_other_devices(func: Any, args: tuple[Any, ...], leaves: Sequence[Any], kind: Kind) -> None:
    """Raise what torch raises where a tensor of the CPU meets one of the card and may not."""
    name = func._schema.name
    if name in COPIES:
        return
    least = 0 if name in TOGETHER else 1
    others = [t for t in leaves if isinstance(t, Tensor) and not isinstance(t, CardTensor) and t.dim() >= least]
    if name in INDEXES:
        others = [t for t in others if not any(t is index for index in args[1])]
    if others:
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"{kind.card} and {others[0].device}! (when checking arguments of {name}, a tensor of shape {tuple(others[0].shape)})"
        )


class Operations(TorchDispatchMode):
    """What torch computes in the block, factories included."""

    def __init__(self, calls: Calls) -> None:
        super().__init__()
        self.calls = calls

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kind, kwargs = self.calls.kind, kwargs or {}
        if kind.takes_apart and func._can_decompose() and concerns(kind, args, kwargs):
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        return answer(func, args, kwargs, kind, meta=self.calls.meta)


class Calls(TorchFunctionMode):
    """What is asked of torch in the block and decided before it becomes an operation."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.kind = kind

    meta = False
    """Whether the call that is being answered names the device `meta`."""

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        card = self.kind.card
        args = tuple(numbered(a, card) for a in args)
        kwargs = {name: numbered(value, card) for name, value in (kwargs or {}).items()}
        if func is Tensor.cuda:
            return args[0].to(card)
        if func in (torch.tensor, torch.as_tensor) and names(card.type, kwargs.get("device")):
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


def concerns(kind: Kind, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether the arguments of an operation have to do with the device."""
    device = kwargs.get("device")
    if device is not None:
        return torch.device(device).type == kind.card.type
    return any(isinstance(t, CardTensor) for t in flat((*args, *kwargs.values())))


def numbered(value: Any, card: torch.device) -> Any:
    """A value, with the card's number where it names no more than its kind: torch would ask the driver for the number."""
    bare = isinstance(value, str | torch.device) and str(value) == card.type
    return card if bare else value


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


@contextmanager
def pretended(kind: Kind) -> Iterator[Traffic]:
    """A machine with one device of a kind, for the time of a block and for this thread.

    Yields:
        What goes between host and card, counted as it goes.
    """
    swapped = torch.__future__.get_swap_module_params_on_conversion()
    with ExitStack() as stack:
        for module, standins in kind.standins.items():
            for name, standin in standins.items():
                stack.enter_context(mock.patch.object(module, name, standin))
        # A module's parameters become another class on the card, which assigning their data does not allow.
        torch.__future__.set_swap_module_params_on_conversion(True)
        stack.callback(torch.__future__.set_swap_module_params_on_conversion, swapped)
        calls = Calls(kind)
        stack.enter_context(calls)
        stack.enter_context(Operations(calls))
        TRAFFIC.to_card = TRAFFIC.to_host = 0
        yield TRAFFIC
