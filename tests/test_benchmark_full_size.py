"""The full-size benchmark, with tiny networks: what it reports adds up, and is what the package itself counts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch

from benchmarks import full_size, full_size_report, full_size_runs
from benchmarks.full_size import Budget, FamilyRun
from benchmarks.full_size_runs import SPECS, picture_of
from benchmarks.part_clock import PARTS, REST, PartClock, flops_of
from benchmarks.random_checkpoints import KINDS, save_checkpoint, settings_of
from tests.pretended_cuda import pretended_cuda

ROWS = ("plain", "words", "compose_first", "compose_next")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("report") / "results" / "out.json"
    command = ["full_size", "--tiny", "--device", "cpu", "--columns", "plain,words,compose,low", "--json", str(file)]
    with mock.patch.object(sys, "argv", command):
        full_size.main()
    read: dict[str, Any] = json.loads(file.read_text())
    return read


def test_the_report_says_what_was_measured_and_on_what(report: dict[str, Any]) -> None:
    assert list(report["families"]) == ["sd15", "sdxl"]
    assert set(report["versions"]) == {"intarsia", "torch", "diffusers"}
    assert report["device"]["kind"] == "cpu" and report["device"]["name"]
    assert report["tiny"] is True
    for family in report["families"].values():
        assert tuple(family["runs"]) == ROWS
        assert list(family["skipped"]) == ["words_low"]
        assert family["dtype"] == "float32" and family["native_side"] == 32
        assert set(family["figures"]) == set(full_size_report.GOALS)
        assert family["figures"]["cost_over_plain"] > 0
        assert 0 < family["figures"]["denoiser_share"] < 1
        assert family["figures"]["words_speedup"] is None, "nothing is said of what was not run"


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_parts_add_up_and_counts_are_the_records_own(report: dict[str, Any], family: str) -> None:
    for row in report["families"][family]["runs"].values():
        assert row["complete"]
        assert row["seconds"] == row["measured_seconds"] > 0
        assert set(row["parts"]) == {*PARTS, REST}
        assert sum(row["parts"].values()) == pytest.approx(row["measured_seconds"], rel=1e-6)
        assert all(seconds >= 0 for seconds in row["parts"].values())
        assert row["parts"]["denoiser"] > 0 and row["parts"]["decode"] > 0
        assert row["evaluations"] == row["measured_evaluations"] == row["counted_evaluations"]
        assert row["seconds_per_evaluation"] * row["evaluations"] == pytest.approx(row["seconds"])
        assert row["peak_memory_mb"] > 100
    runs = report["families"][family]["runs"]
    assert runs["words"]["evaluations"] == 2 * full_size_runs.STEPS, "one region, painted once, guided"
    assert runs["words"]["parts"]["segmenter"] > 0 and runs["plain"]["parts"]["segmenter"] == 0
    assert runs["words"]["images_encoded"] >= runs["plain"]["images_encoded"], "warming up left nothing remembered"
    assert runs["compose_first"]["images_encoded"] > runs["compose_next"]["images_encoded"]
    assert runs["words"]["images_decoded"] == runs["plain"]["images_decoded"] == 1
    assert runs["compose_next"]["evaluations"] < runs["compose_first"]["evaluations"]


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> FamilyRun:
    """A family whose checkpoint is made and of which one row was measured, in no time."""
    run = FamilyRun("sd15-base", tiny=True, device="cpu", folder=tmp_path_factory.mktemp("family"))
    run.tiny = False  # to ask for the count of the whole
    rows = ["compose_first", "compose_next"]
    with (
        mock.patch.object(full_size, "save_checkpoint", lambda *args, **_: save_checkpoint(*args, tiny=True)),
        mock.patch.object(full_size, "counted_on_tiny", lambda *_: (1000, 0)),
        mock.patch.object(full_size, "matmul_peak", lambda *_, **__: 1e11),
    ):
        run.measure(rows, Budget(1e-6, rows))
    return run


def test_a_stopped_run_is_extrapolated_from_its_evaluations(tiny_run: FamilyRun) -> None:
    row = tiny_run.rows["compose_first"]
    assert not row["complete"]
    assert 0 < row["measured_evaluations"] == row["counted_evaluations"] < 56
    assert row["evaluations"] == 1000
    most = row["measured_seconds"] * 1000 / row["measured_evaluations"]
    assert row["measured_seconds"] < row["seconds"] < most, "what comes before the first evaluation is done once"
    assert sum(row["parts"].values()) == pytest.approx(row["measured_seconds"])
    assert "did not come to its end" in tiny_run.skipped["compose_next"]


def test_a_row_has_a_picture_of_its_own_and_warms_up_on_another() -> None:
    own = [picture_of(row) for row in SPECS if not row.endswith("_next")]
    others = [picture_of(row, short=True) for row in SPECS if not row.endswith("_next")]
    assert len({*own, *others}) == len(own) + len(others)
    assert picture_of("compose_next") == picture_of("compose_first"), "what is kept of a picture is for its next edit"
    first, second = (full_size_runs.draw_picture(32, number) for number in (0, 1))
    assert (first[0] != second[0]).any() and (first[1] == second[1]).all()


def test_time_goes_to_the_innermost_part() -> None:
    clock, layer = PartClock("cpu"), torch.nn.Linear(2, 2)
    pipeline = mock.Mock(spec=["unet", "vae"], unet=layer, vae=mock.Mock())
    pipeline.vae.encode = lambda picture: layer(picture)
    with mock.patch("time.perf_counter", side_effect=[0.0, 1.0, 3.0, 7.0, 15.0, 31.0]), clock.running(pipeline):
        pipeline.vae.encode(torch.zeros(3, 2))
    assert clock.seconds["denoiser"] == 4.0
    assert clock.seconds["encode"] == 2.0 + 8.0
    assert clock.seconds[REST] == 1.0 + 16.0
    assert (clock.total, clock.starting, clock.evaluations, clock.batch) == (31.0, 3.0, 3, 3)
    assert clock.images == {"encode": 3, "decode": 0}
    pipeline.vae.encode(torch.zeros(1, 2))
    assert clock.evaluations == 3, "nothing is counted outside"


def test_real_size_is_that_of_the_published_checkpoints() -> None:
    """GFLOP of one evaluation: 803 of Stable Diffusion 1 at 512 px, and parameters as published."""
    import diffusers

    small, large = (settings_of(KINDS[name], tiny=False)["unet"] for name in ("sd15", "sdxl-base"))
    assert flops_of(small) == pytest.approx(803e9, rel=0.01)
    with torch.device("meta"):
        networks = [diffusers.UNet2DConditionModel.from_config(settings) for settings in (small, large)]
    assert [sum(p.numel() for p in n.parameters()) for n in networks] == [859_535_364, 2_567_463_684]


@pytest.mark.slow
def test_it_runs_on_an_accelerator(tmp_path: Path) -> None:
    rows = ["words_low"]
    with (
        pretended_cuda(),
        mock.patch.object(torch.cuda, "max_memory_reserved", lambda *_: 2**21),
        mock.patch.object(full_size, "matmul_peak", lambda *_, **__: 1e11),  # half precision is slow on a CPU
        # The pretended device uses the one on which evaluations are counted.
        mock.patch.object(full_size, "flops_of", lambda _config: 10**6),
    ):
        run = FamilyRun("sd15", tiny=True, device="cuda", folder=tmp_path)
        run.measure(rows, Budget(60, rows))
    assert run.rows["words_low"]["complete"] and run.report["dtype"] == "float16"
    assert run.rows["words_low"]["reserved_memory_mb"] == 2
