"""The part of the suite that kills: a few of each kind, as CI runs them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

from intarsia.results.staging import png
from trust.figures import Part
from trust.kill_runs import Tally, contents

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, signals and small disks as Linux has them")


PNG = png(Image.new("L", (2, 2)))


@pytest.fixture(scope="module")
def part() -> Part:
    from trust import kills

    return kills.run(seed=1, quick=True)


def test_a_few_kills_of_each_kind_hold(part: Part) -> None:
    told = {figure.name: figure for figure in part.figures}
    assert part.holds, part.left
    assert told["files half-written"].value == "0"
    assert sum(int(f.value) for name, f in told.items() if "ended" in name) >= 6


def test_a_kill_that_mixes_results_is_seen(tmp_path: Path) -> None:
    from trust.kill_steps import settled

    tally, out = Tally(), tmp_path / "out"
    out.mkdir()
    (out / "photo.json").write_text("{")
    settled(out, {}, "case", tally)
    assert set(tally.wrong) == {"files half-written", "results lost, mixed or doubled"}
    (out / "photo.json").write_text("{}")
    former, tally = contents(out), Tally()
    settled(out, former, "case", tally)
    assert not tally.wrong
    (out / "photo.mask.png").write_bytes(PNG)
    settled(out, former, "case", tally)
    assert list(tally.wrong) == ["results lost, mixed or doubled"]
