"""Networks that share an accelerator: they lie there together, take turns as wholes, or layer by layer.

    offloader = Offloader("cuda", "low")
    unet = offloader.admit(unet)
    unet(...)  # is copied to the accelerator; others leave it

The weights on the host are the ones that count, since all networks are frozen: leaving the accelerator costs no copy.
A gradient keeps the copies that it needs until it is taken, so that it is safe to let their network leave before.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

Vram = Literal["auto", "low", "min"]

LEVELS: tuple[Vram, ...] = ("auto", "low", "min")
"""From all networks on the accelerator to one layer at a time."""


class Offloader:
    """Decides which networks lie on the accelerator.

    Args:
        device: where they work.
        vram: auto keeps all of them there; low the one that works, and others while they take no more room than the
            largest; min the layer that works. On a CPU all three are the same.
    """

    def __init__(self, device: str, vram: Vram = "auto") -> None:
        self.device = torch.device(device)
        self.level: Vram = "auto" if self.device.type == "cpu" else vram
        self.visitors: list[Visitor] = []
        self.last: Visitor | None = None
        self.present: dict[Visitor, None] = {}
        self.staying: list[Visitor] = []

    def admit(self, network: Any, *, finest: Vram = "min") -> Any:
        """Take a frozen network in.

        Args:
            network: a torch module; whatever calls it, or a part of it, need not know where its weights lie.
            finest: the least that it is moved by: low for networks that use weights of layers that they do not call.

        Returns:
            The network.
        """
        known = visitor_of(network)
        if known is None or known.offloader is not self:
            visitor = Visitor(network, self, finest)
            self.visitors.append(visitor)
            visitor.settle(self.level)
        return network

    def tighten(self) -> Vram | None:
        """Go one level down, in the middle of work as well; returns the new level, None where there is none."""
        if self.device.type == "cpu" or self.level == LEVELS[-1] or not self.visitors:
            return None
        self.level = LEVELS[LEVELS.index(self.level) + 1]
        for visitor in self.visitors:
            visitor.settle(self.level)
        return self.level

    def arrive(self, visitor: Visitor) -> None:
        """Bring a network to the accelerator, after as many others have left as must."""
        if visitor is self.last:
            return
        self.last = visitor
        if visitor not in self.present:
            room = max(v.size for v in self.visitors)
            for other in list(self.present):
                if visitor.size + sum(v.size for v in self.present) <= room:
                    break
                if other not in self.staying:
                    other.leave()
            visitor.bring()
        # The dictionary is in the order of use, the one that was used last at its end.
        self.present.pop(visitor, None)
        self.present[visitor] = None

    def forget(self, visitor: Visitor) -> None:
        """Note that a network is no longer on the accelerator."""
        self.present.pop(visitor, None)
        if self.last is visitor:
            self.last = None


class Visitor:
    """One network of an `Offloader`.

    Attributes:
        size: of its weights, bytes.
        units: groups of modules whose own weights and buffers are used together; of almost all networks one module each.
    """

    def __init__(self, network: Any, offloader: Offloader, finest: Vram) -> None:
        self.network, self.offloader, self.finest = network, offloader, finest
        self.level: Vram = "auto"
        # Listed once: a module that is replaced for a while, such as the embedding of a text encoder to which tokens
        # are added, is still used by what stands in its place.
        self.units = list(_units(network))
        self.size = self._measured()
        self.kept: dict[nn.Module, tuple[dict[str, Any], dict[str, Any]]] = {}
        self.hooks: list[Any] = []
        network._intarsia_visitor = self
        network._apply = self.apply  # through which a module changes its precision

    def apply(self, function: Any, recurse: bool = True) -> Any:
        """Change all weights and buffers: those of the host, since copies are forgotten."""
        self.leave()
        changed = type(self.network)._apply(self.network, function, recurse)
        self.size = self._measured()
        return changed

    def _measured(self) -> int:
        return sum(tensor.nbytes for tensor in {id(t): t for unit in self.units for t in _own(unit)}.values())

    @torch.inference_mode(False)  # weights may serve a gradient later, whatever the evaluation that moves them
    def settle(self, level: Vram) -> None:
        """Lie as a level has it: on the accelerator, or on the host until it is called."""
        level = self.finest if level == "min" else level
        if self.hooks and level == self.level:
            return
        self.leave()
        for hook in self.hooks:
            hook.remove()
        self.level, self.hooks = level, []
        if level == "auto":
            self.network.to(self.offloader.device)
            return
        self.network.to("cpu")
        for unit in self.units:
            module = unit[0]
            if level == "low":
                self.hooks.append(module.register_forward_pre_hook(lambda *_: self.offloader.arrive(self)))
                continue

            def bring(*_: Any, unit: list[nn.Module] = unit) -> None:
                self.bring([unit])

            def leave(*_: Any, unit: list[nn.Module] = unit) -> None:
                self.leave([unit])

            self.hooks += [
                module.register_forward_pre_hook(bring),
                module.register_forward_hook(leave, always_call=True),
            ]

    @torch.inference_mode(False)  # a gradient may be taken through the copies later
    def bring(self, units: list[list[nn.Module]] | None = None) -> None:
        """Put copies on the accelerator in the place of weights and buffers."""
        copies: dict[int, Tensor] = {}  # weights that several modules share stay shared
        for module in itertools.chain.from_iterable(self.units if units is None else units):
            if module in self.kept:
                continue
            self.kept[module] = dict(module._parameters), dict(module._buffers)
            for table in (module._parameters, module._buffers):
                for name, tensor in table.items():
                    if tensor is not None:
                        if id(tensor) not in copies:
                            copies[id(tensor)] = tensor.detach().to(self.offloader.device)
                        table[name] = copies[id(tensor)]  # type: ignore[assignment]

    def leave(self, units: list[list[nn.Module]] | None = None) -> None:
        """Put the weights of the host back, and forget the copies."""
        for module in itertools.chain.from_iterable(self.units if units is None else units):
            if module in self.kept:
                parameters, buffers = self.kept.pop(module)
                module._parameters.update(parameters)
                module._buffers.update(buffers)
        if units is None:
            self.offloader.forget(self)


def visitor_of(network: Any) -> Visitor | None:
    """What moves a network, if anything does."""
    return getattr(network, "_intarsia_visitor", None)


@contextmanager
def staying(*networks: Any) -> Iterator[None]:
    """Within it, none of these networks leaves the accelerator for another one: they are called by turns, often."""
    visitors = [v for v in map(visitor_of, networks) if v is not None]
    for visitor in visitors:
        visitor.offloader.staying.append(visitor)
    try:
        yield
    finally:
        for visitor in visitors:
            visitor.offloader.staying.remove(visitor)


@torch.inference_mode(False)  # as for moving them
def to_precision(network: Any, dtype: torch.dtype) -> None:
    """Change the precision of a network's weights, wherever they lie."""
    network.to(dtype)


def _units(network: nn.Module) -> Iterator[list[nn.Module]]:
    inside: set[nn.Module] = set()
    for module in network.modules():
        if module in inside:
            continue
        # torch's own attention reads the weights of its output layer without calling it.
        unit = list(module.modules()) if isinstance(module, nn.MultiheadAttention) else [module]
        inside.update(unit)
        if any(True for _ in _own(unit)):
            yield unit


def _own(unit: list[nn.Module]) -> Iterator[Tensor]:
    for module in unit:
        for table in (module._parameters, module._buffers):
            yield from (tensor for tensor in table.values() if tensor is not None)
