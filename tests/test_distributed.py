"""Several processes that work on one thing: two real ones, over gloo, against one alone.

Run as a program, this module is what each of the two processes does.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from intarsia.cli import load_models
from intarsia.distributed import ALONE, World, from_main, in_step, portable, sum_over, world
from intarsia.errors import OutputError, PictureError
from intarsia.imaging.geometry import Box, Size
from intarsia.records.edit import FitSettings
from intarsia.regions.analysis import ImageAnalysis
from intarsia.regions.losses import expected_loss
from intarsia.regions.network import RegionNetwork
from intarsia.regions.train import Example, fit_network
from tests.paths import ROOT

PATCHES, TEXT = 8, 12
SETTINGS = FitSettings(epochs=3, accumulate=2)
COUNTS = (5, 1)  # in groups of four: the last group leaves a process without any, and of one picture it owns none
GONE = "There is no picture gone.png."


def example(seed: int, dtype: torch.dtype) -> Example:
    """One picture of noise with four boxes and their losses."""
    dice = torch.Generator().manual_seed(seed)
    saliency = torch.rand(8, 8, generator=dice) + 0.1
    analysis = ImageAnalysis(
        picture=torch.zeros(1, 3, 64, 64, dtype=dtype),
        size=Size(64, 64),
        features=torch.randn(PATCHES, 8, 8, generator=dice).to(dtype),
        saliency=(saliency / saliency.sum()).to(dtype),
        relevance=torch.rand(64, 64, generator=dice).to(dtype),
        has_text_relevance=True,
        source=torch.randn(TEXT, generator=dice).to(dtype),
        prompt=torch.randn(TEXT, generator=dice).to(dtype),
    )
    boxes = (Box(2, 2, 20, 20), Box(36, 8, 56, 24), Box(4, 40, 24, 60), Box(0, 0, 64, 64))
    return Example(analysis=analysis, boxes=boxes, losses=torch.rand(4, generator=dice).to(dtype))


def network(dtype: torch.dtype) -> RegionNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return RegionNetwork(PATCHES, TEXT).to(dtype)


def fitted(
    count: int, dtype: torch.dtype, settings: FitSettings, here: World
) -> tuple[dict[str, Tensor], tuple[float, float]]:
    """Weights, and losses before and after, of a fit over so many pictures."""
    fresh = network(dtype)
    losses = fit_network(fresh, here.share([example(i, dtype) for i in range(count)]), settings, seed=5, world=here)
    return fresh.state_dict(), losses


def work(folder: Path) -> None:
    """What each of the processes does: everything the tests ask about, written to a file of its own."""
    here = world()
    told: dict[str, object] = {"world": dataclasses.asdict(here)}
    for dtype in (torch.float32, torch.float64):
        told |= {f"{count} {dtype}": fitted(count, dtype, SETTINGS, here) for count in COUNTS}
    told["sum"] = sum_over(here, [torch.tensor([1.0, 10.0]) * (here.rank + 1), torch.tensor(here.rank)])
    told["from main"] = from_main(here, f"of {here.rank}")
    with in_step(here):
        told["in step"] = "reached"
    for rank in (0, 1):
        try:
            with in_step(here):
                if here.rank == rank:
                    raise PictureError(f"{GONE} {rank}")
        except PictureError as problem:
            told[f"failed in {rank}"] = str(problem)
    try:
        with in_step(here):
            raise OutputError(f"in {here.rank}")
    except OutputError as problem:
        told["failed in both"] = str(problem)
    torch.save(told, folder / f"{here.rank}.pt")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """What two processes under torchrun wrote."""
    folder = tmp_path_factory.mktemp("two")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launch, "-m", "tests.test_distributed", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]


# two processes


def test_each_process_knows_its_place(told: list[dict]) -> None:
    assert [t["world"] for t in told] == [{"rank": k, "size": 2, "local_rank": k} for k in (0, 1)]


def farthest(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.mark.parametrize("count", COUNTS)
def test_two_processes_fit_as_one_that_accumulates_twice_as_much(told: list[dict], count: int) -> None:
    twice = dataclasses.replace(SETTINGS, accumulate=2 * SETTINGS.accumulate)
    weights, losses = fitted(count, torch.float64, twice, ALONE)
    two, two_losses = told[0][f"{count} torch.float64"]
    assert farthest(weights, network(torch.float64).state_dict()) > 1e-3
    assert farthest(weights, two) < 1e-10
    assert two_losses == pytest.approx(losses, rel=1e-6)

    weights, _ = fitted(count, torch.float32, twice, ALONE)
    two, _ = told[0][f"{count} torch.float32"]
    # All boxes' logits move with the last bias, their softmax does not: its gradient is rounding alone,
    # which Adam makes as large as any other.
    for each in (weights, two):
        del each["head.4.bias"]
    assert farthest(weights, two) < 1e-5


@pytest.mark.parametrize("dtype", ["torch.float32", "torch.float64"])
@pytest.mark.parametrize("count", COUNTS)
def test_both_processes_end_with_the_same_bits(told: list[dict], count: int, dtype: str) -> None:
    (one, one_losses), (other, other_losses) = (t[f"{count} {dtype}"] for t in told)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert one_losses == other_losses


def test_what_is_exchanged_arrives(told: list[dict]) -> None:
    for t in told:
        assert [v.tolist() for v in t["sum"]] == [[3.0, 30.0], 1]
        assert t["from main"] == "of 0"


def test_what_fails_in_one_process_fails_in_all(told: list[dict]) -> None:
    for t in told:
        assert t["in step"] == "reached"
        assert (t["failed in 0"], t["failed in 1"]) == (f"{GONE} 0", f"{GONE} 1")
        assert t["failed in both"] == "in 0"


# one process


def reference(fresh: RegionNetwork, examples: Sequence[Example], settings: FitSettings, seed: int) -> None:
    """The plain loop, as for one process."""
    optimiser = torch.optim.Adam(fresh.parameters(), settings.rate)
    groups = -(-len(examples) // settings.accumulate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.epochs * groups)
    dice = random.Random(seed)
    for _ in range(settings.epochs):
        order = list(examples)
        dice.shuffle(order)
        for start in range(0, len(order), settings.accumulate):
            optimiser.zero_grad()
            group = order[start : start + settings.accumulate]
            every = torch.ones(4, dtype=torch.bool)
            torch.stack([expected_loss(fresh(e.analysis, e.boxes), e.losses, every) for e in group]).mean().backward()
            optimiser.step()
            schedule.step()


@pytest.mark.parametrize("accumulate", [1, 3])
def test_one_process_alone_takes_the_plain_loop_to_the_last_bit(accumulate: int) -> None:
    plain, settings = network(torch.float32), dataclasses.replace(SETTINGS, accumulate=accumulate)
    reference(plain, [example(i, torch.float32) for i in range(5)], settings, seed=5)
    weights, _ = fitted(5, torch.float32, settings, ALONE)
    assert all(torch.equal(value, weights[name]) for name, value in plain.state_dict().items())


def test_without_a_launcher_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert world() is ALONE
    monkeypatch.setenv("WORLD_SIZE", "8")  # a cluster's, which started no process of ours
    assert world() is ALONE
    tensors = [torch.ones(2)]
    assert sum_over(ALONE, tensors)[0] is tensors[0]
    assert from_main(ALONE, tensors) is tensors
    with pytest.raises(PictureError, match="gone"), in_step(ALONE):
        raise PictureError("gone")


@pytest.mark.parametrize("count", [0, 1, 5, 6])
def test_the_shares_are_all_there_is_and_each_once(count: int) -> None:
    items = list(range(count))
    shares = [World(rank=k, size=3).share(items) for k in range(3)]
    assert sorted(i for share in shares for i in share) == items
    assert all(i % 3 == k for k, share in enumerate(shares) for i in share)


def test_each_process_has_a_card_of_its_own_as_long_as_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    third = World(rank=7, size=8, local_rank=3)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert third.device("auto") == "auto"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert third.device("auto") == third.device("cuda") == "cuda:3"
    assert third.device("cuda:0") == "cuda:0"
    assert third.device("cpu") == "cpu"
    assert ALONE.device("auto") == "auto"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert third.device("auto") == "cuda:1"


class Unreadable(Exception):
    """Can be pickled, and not be read again."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one)


def test_an_error_travels_as_itself_where_it_can() -> None:
    gone = PictureError(GONE)
    assert portable(gone) is gone
    assert str(portable(Unreadable("out of memory", "x"))) == "Unreadable: out of memory"


# the command


def fail_in(rank: int) -> int:
    """The command, where one process's picture cannot be painted; the networks are none."""
    from types import SimpleNamespace

    from intarsia.cli import main
    from intarsia.regions import train

    def paint(*_: object) -> Example:
        if os.environ["RANK"] == str(rank):
            raise PictureError(GONE)
        return example(0, torch.float32)

    cast(Any, train).paint_example = paint
    inpainter = SimpleNamespace(counter=SimpleNamespace(evaluations=0))
    load_models.load = lambda *_: SimpleNamespace(inpainter=inpainter)  # type: ignore[assignment]
    return main.main(["regions", "fit", "jobs.json"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.slow
@pytest.mark.parametrize("rank", [1, 9])
def test_the_command_ends_everywhere_and_says_why_once(tmp_path: Path, rank: int) -> None:
    """As the launchers start it, without one: they end all processes once one has gone, and hide the codes."""
    scene = str(ROOT / "tests" / "scenes" / "0000.png")
    jobs = [{"photo": scene, "source": "cat", "prompt": "a house"}] * 3
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    meeting = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.test_distributed", "fail", str(rank)],
            cwd=tmp_path,
            env={**os.environ, **meeting, "RANK": str(k), "LOCAL_RANK": str(k), "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for k in (0, 1)
    ]
    try:
        (out, error), silent = (p.communicate(timeout=120) for p in processes)
    finally:
        for process in processes:
            process.kill()
    assert silent == ("", "")
    written = tmp_path / "regions.safetensors"
    if rank == 9:  # none fails
        assert [p.returncode for p in processes] == [0, 0]
        assert "fitted on 3 pictures" in out
        RegionNetwork.load(written)
        return
    assert [p.returncode for p in processes] == [2, 2]
    assert error == f"intarsia: {GONE}\n"
    assert not written.exists()


if __name__ == "__main__":
    if sys.argv[1] == "fail":
        sys.exit(fail_in(int(sys.argv[2])))
    work(Path(sys.argv[1]))
