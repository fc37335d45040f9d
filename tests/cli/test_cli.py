"""The command line, in this process and as a program."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import intarsia
from intarsia.batch.edit_jobs import read_edits
from intarsia.cli.commands.edit import EditFlags
from intarsia.cli.main import main
from intarsia.demo import photographs
from intarsia.demo import run as demo
from intarsia.imaging.read import read_photo, read_text_chunk
from intarsia.records.edit import EditRecord
from intarsia.records.serialize import to_json
from tests.cli.edit_files import QUICK, WORDS

QUICK += ["--search.preview-steps", "1", "--search.survivors", "1"]


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_edit_writes_picture_record_and_mask(tiny: Callable[..., int], photo: Path, capsys) -> None:
    assert tiny("edit", photo, *WORDS, *QUICK) == 0
    written = sorted(p.name for p in (photo.parent / "out").iterdir())
    assert written == ["photo.json", "photo.mask.png", "photo.png"]
    told = capsys.readouterr()
    assert "photo.png" in told.out and "'a house' in place of 'cat'" in told.out
    assert told.err == ""


def test_the_format_of_the_photo_is_kept_where_it_is_asked_for(tiny: Callable[..., int], photo: Path, capsys) -> None:
    with Image.open(photo) as picture:
        picture.save("shot.jpg", quality=70, subsampling=2)
    flags = [*WORDS, *QUICK, "--box", "20,20,60,60", "--keep", 2, "--format"]
    assert tiny("edit", "shot.jpg", *flags, "keep") == 0
    assert "note: The picture is written as JPEG" in capsys.readouterr().out
    assert sorted(p.name for p in Path("out").iterdir()) == ["shot.2.jpg", "shot.jpg", "shot.json", "shot.mask.png"]
    with Image.open("shot.jpg") as before, Image.open("out/shot.2.jpg") as after:
        assert list(after.quantization[0]) == list(before.quantization[0])  # type: ignore[attr-defined]
    assert json.loads(read_text_chunk("out/shot.2.jpg") or "")["picture"] == "shot.2.jpg"
    assert tiny("edit", "shot.jpg", *flags, "png", "--quality", 90, "--out", "no") == 2
    assert "PNG keeps every pixel: leave out --quality, or write --format jpeg or webp" in capsys.readouterr().err


def test_what_is_protected_stays_in_an_edit(tiny: Callable[..., int], photo: Path, capsys) -> None:
    kept = np.zeros((80, 112), np.uint8)
    kept[:40] = 255
    Image.fromarray(kept).save("kept.png")
    flags = [*WORDS, *QUICK, "--protect", "kept.png", "--quiet", "--box"]
    assert tiny("edit", photo, *flags, "20,20,70,70") == 0
    before, after = pixels(photo), pixels("out/photo.png")
    assert (before[:40] == after[:40]).all() and (before != after).any()
    assert tiny("edit", photo, *flags, "20,10,60,30", "--out", "no") == 2
    assert "All of the box is protected" in capsys.readouterr().err
    assert tiny("replay", "out/photo.png", "--out", "again", "--json") == 0
    assert json.loads(capsys.readouterr().out)["same_pixels"] is True


def test_json_is_the_only_thing_on_stdout(tiny: Callable[..., int], photo: Path, capsys) -> None:
    assert tiny("edit", photo, *WORDS, *QUICK, "--json", "--out", "here", "--keep", 2, "--draw-boxes") == 0
    summary = json.loads(capsys.readouterr().out)
    files = summary["files"]
    assert all(Path(files[kind]).is_file() for kind in ("picture", "record", "mask", "boxes"))
    assert files["others"] == [str(Path("here/photo.2.png"))]
    assert summary["record"]["prompt"] == "a house"
    assert summary["record"]["photo"] == str(photo)


def test_quiet_says_nothing(tiny: Callable[..., int], photo: Path, capsys) -> None:
    assert tiny("edit", photo, *WORDS, *QUICK, "--quiet") == 0
    told = capsys.readouterr()
    assert told.out == told.err == ""


def test_every_setting_of_the_record_is_a_flag() -> None:
    assert {f.name for f in dataclasses.fields(EditFlags)} == {f.name for f in dataclasses.fields(EditRecord)}


def test_flags_become_the_record(asked_edits: list[EditRecord], photo: Path) -> None:
    flags = ["--box", "1,2,30.5,40", "--seed", "7", "--negative_prompt", "fog", "--search.survivors", "5", "2"]
    assert main(["edit", str(photo), *WORDS, *flags, "--fit.rate", "0.1", "--keep", "3"]) == 0
    record = asked_edits[0]
    assert record.box == (1, 2, 30.5, 40)
    assert (record.seed, record.negative_prompt, record.keep) == (7, "fog", 3)
    assert (record.search.survivors, record.fit.rate) == ((5, 2), 0.1)


def test_a_sampler_is_written_down_and_replayed(tiny: Callable[..., int], photo: Path, capsys) -> None:
    assert tiny("edit", photo, *WORDS, *QUICK, "--sampler", "euler-a", "--quiet") == 0
    assert json.loads(Path("out/photo.json").read_text())["record"]["sampler"] == "euler-a"
    assert (read_text_chunk("out/photo.png", "parameters") or "").endswith(", Sampler: Euler a")
    assert tiny("replay", "out/photo.png", "--out", "again", "--json") == 0
    assert json.loads(capsys.readouterr().out)["same_pixels"] is True
    assert tiny("edit", photo, *WORDS, *QUICK, "--out", "usual", "--quiet") == 0
    assert (pixels("usual/photo.png") != pixels("out/photo.png")).any()
    assert "Sampler" not in (read_text_chunk("usual/photo.png", "parameters") or "")


def test_replay_gives_the_same_pixels_from_picture_and_record(tiny: Callable[..., int], photo: Path, capsys) -> None:
    assert tiny("edit", photo, *WORDS, *QUICK, "--seed", 3, "--quiet") == 0
    first = pixels("out/photo.png")
    for number, result in enumerate(("out/photo.png", "out/photo.json")):
        assert tiny("replay", result, "--out", f"again{number}", "--json") == 0
        assert json.loads(capsys.readouterr().out)["same_pixels"] is True
        assert (pixels(f"again{number}/photo.png") == first).all()


def test_replay_makes_the_candidate_that_the_file_shows(tiny: Callable[..., int], photo: Path, capsys) -> None:
    assert tiny("edit", photo, *WORDS, *QUICK, "--keep", 2, "--quiet") == 0
    second = pixels("out/photo.2.png")
    assert (second != pixels("out/photo.png")).any()
    assert tiny("replay", "out/photo.2.png") == 0
    assert "The same pixels came out." in capsys.readouterr().out
    assert (pixels("replayed/photo.png") == second).all()


def test_replay_finds_a_photo_that_moved_with_its_record(tiny: Callable[..., int], photo: Path) -> None:
    assert tiny("edit", photo, *WORDS, *QUICK, "--quiet") == 0
    moved = photo.parent / "elsewhere"
    (photo.parent / "out").rename(moved)
    photo.rename(moved / "original.png")
    assert tiny("replay", moved / "photo.png", "--photo", moved / "original.png") == 0
    (moved / "photo.png").unlink()
    (moved / "original.png").rename(moved / "photo.png")
    assert tiny("replay", moved / "photo.json", "--out", "third") == 0


def test_replay_says_when_other_pixels_come_out(tiny: Callable[..., int], photo: Path, capsys) -> None:
    assert tiny("edit", photo, *WORDS, *QUICK, "--quiet") == 0
    file = Path("out/photo.json")
    file.write_text(file.read_text().replace('"steps": 2,\n  "guidance"', '"steps": 3,\n  "guidance"'))
    assert tiny("replay", file) == 0
    assert "Other pixels" in capsys.readouterr().out


def test_a_mask_overrules_the_search(tiny: Callable[..., int], photo: Path) -> None:
    where = np.zeros((80, 112), np.uint8)
    where[20:60, 30:70] = 255
    Image.fromarray(where).save("where.png")
    assert tiny("edit", photo, "--prompt", "a house", "--steps", 2, "--mask", "where.png", "--quiet") == 0
    before, after = pixels(photo), pixels("out/photo.png")
    assert (before[where == 0] == after[where == 0]).all()
    assert (before != after).any()


def test_doctor_says_what_a_report_needs(capsys) -> None:
    assert main(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["intarsia"] == intarsia.__version__
    assert {"torch", "diffusers", "devices", "hub_cache", "memory_free_gb"} <= set(facts)
    assert main(["doctor"]) == 0


@pytest.mark.slow
def test_demo_writes_sheet_and_page(tiny: Callable[..., int], tmp_path: Path, monkeypatch, capsys) -> None:
    quick = {"steps": 2, "search": {"proposals": 6, "preview_steps": [1], "survivors": [3]}}
    jobs = [{**to_json(job), **quick} for job in read_edits(demo.JOBS)[1:4]]
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    monkeypatch.setattr(demo, "JOBS", tmp_path / "jobs.json")
    entries = json.loads(photographs.PHOTOGRAPHS.read_text())
    (tmp_path / "photographs.json").write_text(json.dumps([e for e in entries if e["name"] == "coffee-mirrored"]))
    monkeypatch.setattr(photographs, "PHOTOGRAPHS", tmp_path / "photographs.json")
    out = tmp_path / "shown"
    assert tiny("demo", "--out", out) == 0
    told = capsys.readouterr().out
    assert str(out / "demo.png") in told and str(out / "index.html") in told
    assert pixels(out / "demo.png").shape[1] > 1000
    page = (out / "index.html").read_text()
    shown = [name.split('"')[0] for name in page.split('src="')[1:]]
    assert len(shown) == 2 + 3 * (1 + 1 + 3 + 1) + 3 * 3  # photographs, by words, and by layout
    assert shown[:2] == ["coffee.before.png", "coffee-mirrored.png"]
    assert all((out / name).is_file() for name in shown)
    assert "prefers-color-scheme: dark" in page and "plant becomes a cake" in page
    assert tiny("demo", "--out", out) == 2
    assert tiny("demo", "--out", out, "--overwrite") == 0


def test_the_demo_ships_its_scenes() -> None:
    jobs = read_edits(demo.JOBS)
    assert len(jobs) == 5
    for job in jobs:
        assert read_photo(job.photo).size.short >= 120


def test_regions_fit_takes_the_published_form_of_jobs(tiny: Callable[..., int], photo: Path, capsys) -> None:
    Path("jobs.json").write_text(json.dumps({"photo.png": ["cat", "a house"]}))
    quick = ["--fit.epochs", "1", "--fit.boxes", "2", "--fit.steps", "1"]
    assert tiny("regions", "fit", "jobs.json", "--out", "fitted.safetensors", *quick) == 0
    assert "fitted on 1 pictures" in capsys.readouterr().out
    assert tiny("edit", photo, *WORDS, *QUICK, "--regions", "fitted.safetensors", "--quiet") == 0
    record = json.loads(Path("out/photo.json").read_text())
    assert record["inputs"]["regions"]["name"] == "fitted.safetensors"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "intarsia", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_it_is_a_program() -> None:
    version = run("--version")
    assert (version.returncode, version.stdout) == (0, f"intarsia {intarsia.__version__}\n")
    assert run("edit", "none.png", "--prompt", "a house").returncode == 2


@pytest.mark.parametrize("arguments", [["--help"], ["edit", "--help"]], ids=" ".join)
def test_help_needs_no_torch(arguments: list[str]) -> None:
    code = (
        "import sys; from intarsia.cli.main import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'numpy', 'PIL', 'diffusers', 'transformers', 'rich', 'huggingface_hub'} & set(sys.modules); "
        "assert not heavy, heavy; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: intarsia" in done.stdout


def test_help_does_little() -> None:
    """Counted in calls of functions, which with one Python are as many on every machine: 130,600 with 3.11, 84,900 with 3.13."""
    code = """
import sys
from sysconfig import get_paths

calls, before = 0, {*sys.modules}

def count(frame, event, argument):
    global calls
    calls += event == "call"

sys.setprofile(count)
from intarsia.cli.main import main
code = main(["--help"])
sys.setprofile(None)
installed = {name.partition(".")[0] for name, module in list(sys.modules.items())
             if name not in before and (getattr(module, "__file__", None) or "").startswith(get_paths()["purelib"])}
print(code, calls, *sorted(installed), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    ended, calls, *installed = done.stderr.split()
    assert ended == "0" and int(calls) < 170_000, done.stderr
    assert {*installed} <= {"docstring_parser", "lazy_loader", "typeguard", "typing_extensions", "tyro"}, done.stderr


def test_a_replay_takes_as_many_threads_as_the_edit(
    tiny: Callable[..., int], photo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert tiny("edit", photo, *WORDS, *QUICK, "--quiet", "--out", out) == 0
    record = out / f"{photo.stem}.json"
    facts = json.loads(record.read_text())
    assert facts["threads"] == torch.get_num_threads()
    record.write_text(json.dumps({**facts, "threads": 3}))
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    assert tiny("replay", record, "--quiet", "--out", tmp_path / "again") == 0
    assert asked == [3]
