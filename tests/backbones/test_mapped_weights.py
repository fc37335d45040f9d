"""Weights in another layout: the same numbers, in memory once."""

from __future__ import annotations

import copy
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from intarsia.backbones import mapped_weights
from intarsia.backbones.mapped_weights import give_back_after_use, give_back_pages, to_channels_last

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what is mapped")


def mapped_network(folder: Path) -> nn.Sequential:
    """A network whose weights lie in a file of 9 MB."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(256, 256, 3), nn.Conv2d(256, 256, 1), nn.Flatten(), nn.Linear(1024, 1600))
    save_file(network.state_dict(), folder / "weights.safetensors")
    network.load_state_dict(load_file(folder / "weights.safetensors"), assign=True)
    return network.requires_grad_(False)


def resident_file_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[2]) * os.sysconf("SC_PAGE_SIZE")


def test_weights_keep_their_values_in_the_other_layout(tmp_path: Path) -> None:
    network = mapped_network(tmp_path)
    plain: Any = copy.deepcopy(network)
    wanted = plain.to(memory_format=torch.channels_last).state_dict()
    to_channels_last(network)
    weights = network.state_dict()
    assert not weights["0.weight"].is_contiguous()
    assert all(torch.equal(weight, wanted[name]) for name, weight in weights.items())
    # Kernels of one pixel too: by its strides a convolution chooses how it computes.
    assert all(weight.stride() == wanted[name].stride() for name, weight in weights.items())


@linux
def test_pages_of_the_file_are_given_back_and_read_again(tmp_path: Path) -> None:
    network = mapped_network(tmp_path)
    total = sum(float(weight.sum()) for weight in network.parameters())
    read = resident_file_bytes()
    to_channels_last(network)
    assert read - resident_file_bytes() > 8e6
    assert sum(float(weight.sum()) for weight in network.parameters()) == pytest.approx(total, rel=1e-5)


@linux
def test_what_was_written_into_a_mapping_is_not_lost(tmp_path: Path) -> None:
    network = mapped_network(tmp_path)
    last = network.state_dict()["3.weight"]
    last[0, 0] = 7.0
    give_back_pages([parameter.data_ptr() for parameter in network.parameters()])
    assert float(last[0, 0]) == 7.0


def test_where_nothing_says_what_is_mapped_pages_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped_weights, "MAPPINGS", tmp_path / "nothing")
    to_channels_last(mapped_network(tmp_path))


@linux
def test_a_large_network_gives_back_its_pages_after_use_and_answers_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, picture = mapped_network(tmp_path), torch.ones(1, 256, 4, 4)
    give_back_after_use(network)
    assert not network._forward_hooks  # too small
    monkeypatch.setattr(mapped_weights, "LARGE", 1)
    before = network(picture)
    read = resident_file_bytes()
    give_back_after_use(network)
    after = network(picture)
    assert read - resident_file_bytes() > 8e6
    assert torch.equal(before, after) and torch.equal(before, network(picture))
