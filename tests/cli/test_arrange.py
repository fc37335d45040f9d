"""intarsia arrange: what it writes, replay, flags."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from intarsia.cli.arrange_flags import ArrangeFlags, SceneFlags, join_repeated
from intarsia.cli.main import main
from intarsia.demo import layouts
from intarsia.imaging.read import read_photo, read_text_chunk
from intarsia.layout import scene_files as scenes
from intarsia.layout.concepts import Concepts
from intarsia.records import scene_folder
from intarsia.records.arrange import ArrangeRecord, LearnSettings
from intarsia.results.document import describe, pixel_digest
from tests.cli.arrange_files import ANEW, GIVEN, LESSON, MOVE, QUICK, pixels, stopping_after


def test_arrange_writes_picture_record_mask_and_layout(tiny: Callable[..., int], folder: Path, capsys) -> None:
    assert tiny("arrange", "photo.png", *GIVEN, *MOVE, *QUICK) == 0
    written = sorted(p.name for p in (folder / "out").iterdir())
    assert written == ["photo.json", "photo.layout.png", "photo.mask.png", "photo.png"]
    told = capsys.readouterr()
    assert told.err == ""
    assert "cat moved by +20,0" in told.out and "compose, as all objects keep their shape" in told.out
    assert "denoiser evaluations" in told.out and " s, " in told.out
    facts = json.loads((folder / "out" / "photo.json").read_text())
    assert json.loads(read_text_chunk("out/photo.png") or "") == facts
    assert facts["mode"] == "compose" and facts["record"]["kind"] == "ArrangeRecord"
    assert set(facts["inputs"]) == {"photo", "mask", "colours"}
    assert [o["box"] for o in facts["objects"]] == [[8, 10, 32, 34], [60, 30, 84, 58]]
    assert facts["output_sha256"] == pixel_digest(read_photo("out/photo.png"))


def test_where_the_mask_is_black_nothing_was_touched(tiny: Callable[..., int], folder: Path) -> None:
    assert tiny("arrange", "photo.png", *GIVEN, *MOVE, *QUICK, "--quiet") == 0
    kept = pixels("out/photo.mask.png") == 0
    before, after = pixels("photo.png"), pixels("out/photo.png")
    assert kept.any() and (before[kept] == after[kept]).all()
    assert (before != after).any()


@pytest.mark.parametrize("how", [QUICK, (*ANEW, *LESSON)], ids=["composed", "regenerated"])
def test_a_copy_is_made_by_either_method_and_again_by_a_replay(
    tiny: Callable[..., int], folder: Path, capsys, how: tuple[Any, ...]
) -> None:
    flags = ["--copy", "cat:kitten=+40,0", "--copy", "cat=+4,26", "--flip", "kitten", "--json"]
    assert tiny("arrange", "photo.png", *GIVEN, *flags, *how) == 0
    facts = json.loads(capsys.readouterr().out)
    placed = [(p["name"], p.get("copy_of"), p["box"]) for p in facts["placements"]]
    assert placed[:3] == [
        ("cat", None, [8, 10, 32, 34]), ("kitten", "cat", [48, 10, 72, 34]), ("cat 2", "cat", [12, 36, 36, 60]),
    ]  # fmt: skip
    kept = pixels("out/photo.mask.png") == 0
    before, after = pixels("photo.png"), pixels("out/photo.png")
    assert kept[12:32, 10:30].all() and not kept[14:30, 52:68].any() and (before[kept] == after[kept]).all()
    assert tiny("replay", "out/photo.png") == 0
    assert "The same pixels came out." in capsys.readouterr().out


def test_the_format_of_the_photo_can_be_kept(tiny: Callable[..., int], folder: Path, capsys) -> None:
    with Image.open("photo.png") as picture:
        picture.convert("RGB").save("shot.jpg", quality=70, subsampling=2)
    with Image.open("shot.jpg") as before:
        tables = before.quantization  # type: ignore[attr-defined]
    flags = [*GIVEN, *MOVE, *QUICK, "--seeds", 2, "--out", "kept"]
    assert tiny("arrange", "shot.jpg", *flags, "--format", "keep") == 0
    assert "note: The picture is written as JPEG" in capsys.readouterr().out
    written = sorted(p.name for p in (folder / "kept").iterdir())
    assert written == ["shot.2.jpg", "shot.jpg", "shot.json", "shot.layout.png", "shot.mask.png"]
    with Image.open("kept/shot.2.jpg") as kept:
        assert list(kept.quantization[0]) == list(tables[0])  # type: ignore[attr-defined]
    assert tiny("replay", "kept/shot.2.jpg", "--out", "again") == 0
    assert "The same pixels came out." in capsys.readouterr().out
    assert tiny("history", "kept") == 0
    assert "shot.json  shot.jpg  shot.2.jpg" in capsys.readouterr().out
    assert tiny("arrange", "shot.jpg", *flags, "--format", "webp", "--quality", 80, "--overwrite", "--quiet") == 0
    assert (folder / "kept" / "shot.webp").is_file()


def test_json_names_the_files_and_further_seeds(tiny: Callable[..., int], folder: Path, capsys) -> None:
    flags = ["--seeds", 2, "--json", "--name", "step 1"]
    assert tiny("arrange", "photo.png", *GIVEN, *MOVE, *QUICK, *flags) == 0
    summary = json.loads(capsys.readouterr().out)
    files = summary["files"]
    assert all(Path(files[kind]).is_file() for kind in ("picture", "record", "mask", "layout"))
    assert files["picture"] == str(Path("out/step 1.png")) and files["others"] == [str(Path("out/step 1.2.png"))]
    assert [p["seed"] for p in summary["pictures"]] == [0, 1]
    second = json.loads(read_text_chunk("out/step 1.2.png") or "")
    assert (second["chosen"], second["seed"]) == (1, 1)
    assert second["output_sha256"] == pixel_digest(read_photo("out/step 1.2.png"))


def test_without_metadata_the_picture_says_nothing(tiny: Callable[..., int], folder: Path) -> None:
    assert tiny("arrange", "photo.png", *GIVEN, *MOVE, *QUICK, "--no-metadata", "--quiet") == 0
    assert read_text_chunk("out/photo.png") is None
    assert (folder / "out" / "photo.json").is_file()


def test_the_next_edit_costs_less_and_no_cache_keeps_nothing(tiny: Callable[..., int], folder: Path, capsys) -> None:
    costs = []
    painted = [*QUICK, "--fill", "diffusion"]
    for name in ("a", "b"):
        assert tiny("arrange", "photo.png", *GIVEN, *MOVE, *painted, "--name", name, "--json") == 0
        costs.append(json.loads(capsys.readouterr().out)["cost"]["evaluations"])
    assert costs[1] < costs[0] and (folder / "cache").is_dir()
    assert (pixels("out/a.png") == pixels("out/b.png")).all()
    again = ["--name", "c", "--no-cache", "--json"]
    files = sorted((folder / "cache").iterdir())
    assert tiny("arrange", "photo.png", *GIVEN, *MOVE, *painted, *again) == 0
    assert json.loads(capsys.readouterr().out)["cost"]["evaluations"] == costs[0]
    assert sorted((folder / "cache").iterdir()) == files


def test_regenerate_learns_on_the_way_and_says_where_it_is_kept(tiny: Callable[..., int], folder: Path, capsys) -> None:
    assert tiny("arrange", "photo.png", *GIVEN, *MOVE, *ANEW, *LESSON) == 0
    told = capsys.readouterr().out
    assert "regenerate, as --mode regenerate asks" in told
    assert "learned on the way" in told and str(folder / "cache") in told
    assert tiny("arrange", "photo.png", *GIVEN, "--move", "cat=-4,9", *ANEW, *LESSON, "--name", "next") == 0
    told = capsys.readouterr().out
    assert "learned before" in told and str(folder / "cache") in told


def test_learned_looks_are_a_file_that_arrange_takes(tiny: Callable[..., int], folder: Path, capsys) -> None:
    assert tiny("learn", "photo.png", *GIVEN, *LESSON, "--out", "looks.safetensors", "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["names"] == ["cat", "fig tree"] and summary["evaluations"] > 0
    assert Concepts.load(Path("looks.safetensors")).names == ("cat", "fig tree")
    assert not Path("looks.partial").exists()
    flags = [*GIVEN, *MOVE, *ANEW, "--concepts", "looks.safetensors"]
    assert tiny("arrange", "photo.png", *flags) == 0
    assert "learned on the way" not in capsys.readouterr().out
    assert "concepts" in json.loads(Path("out/photo.json").read_text())["inputs"]
    assert tiny("replay", "out/photo.png") == 0
    assert "The same pixels came out." in capsys.readouterr().out


def test_an_interrupted_lesson_goes_on(
    tiny: Callable[..., int], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    long = ["--learn.token-steps", "14"]
    command = ["learn", "photo.png", *GIVEN, *LESSON, *long, "--out", "looks.safetensors"]
    with monkeypatch.context() as patch:
        patch.setattr("intarsia.cli.commands.learn.progress_bar", stopping_after(12))
        assert tiny(*command) == 130
    told = capsys.readouterr().err
    assert "looks.partial" in told and "--resume" in told
    assert Path("looks.partial").is_file() and not Path("looks.safetensors").exists()
    assert tiny(*command) == 2
    assert "--resume" in capsys.readouterr().err
    assert tiny(*command, "--resume") == 0
    straight = ["learn", "photo.png", *GIVEN, *LESSON, *long, "--out", "straight.safetensors"]
    assert tiny(*straight) == 0
    resumed, whole = (Concepts.load(Path(f"{name}.safetensors")) for name in ("looks", "straight"))
    assert torch.equal(resumed.embeddings, whole.embeddings)
    assert sorted(resumed.updates) == sorted(whole.updates)
    assert all(torch.equal(resumed.updates[name], whole.updates[name]) for name in whole.updates)


@pytest.mark.parametrize("command", ["arrange", "prior"])
def test_ctrl_c_writes_nothing(
    command: str, tiny: Callable[..., int], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    before = sorted(p for p in folder.rglob("*") if "cache" not in p.parts)
    monkeypatch.setattr(f"intarsia.cli.commands.{command}.progress_bar", stopping_after(3))
    arguments = {
        "arrange": ["photo.png", *GIVEN, *MOVE, *ANEW, *LESSON],
        "prior": ["cat", "--count", "2", "--steps", "4"],
    }
    assert tiny(command, *arguments[command]) == 130
    assert "stopped; nothing was written" in capsys.readouterr().err
    assert sorted(p for p in folder.rglob("*") if "cache" not in p.parts) == before


def test_replay_gives_the_same_pixels_of_the_seed_that_the_file_shows(
    tiny: Callable[..., int], folder: Path, capsys
) -> None:
    assert tiny("arrange", "photo.png", *GIVEN, *MOVE, *QUICK, "--seeds", 2, "--seed", 5, "--quiet") == 0
    for number, file in enumerate(("out/photo.json", "out/photo.2.png")):
        assert tiny("replay", file, "--out", f"again{number}", "--json") == 0
        assert json.loads(capsys.readouterr().out)["same_pixels"] is True
    assert (pixels("again1/photo.png") == pixels("out/photo.2.png")).all()


@pytest.mark.parametrize("name", ["photo", "mask", "colours", "boxes"])
def test_replay_notices_a_changed_input(name: str, tiny: Callable[..., int], folder: Path, capsys) -> None:
    Path("boxes.json").write_text('{"cat": [40, 10, 64, 34]}')
    assert tiny("arrange", "photo.png", *GIVEN, "--boxes", "boxes.json", *QUICK, "--quiet") == 0
    file = next(p for p in (Path(f"{name}.png"), Path(f"{name}.json")) if p.is_file())
    file.write_bytes(file.read_bytes() + b" ")
    assert tiny("replay", "out/photo.json") == 2
    assert "sha256 differs" in capsys.readouterr().err


def test_every_setting_of_the_record_is_a_flag() -> None:
    names = {f.name for f in dataclasses.fields(ArrangeRecord)}
    assert {f.name for f in dataclasses.fields(ArrangeFlags)} == names
    defaults = {f.name: f.default for f in dataclasses.fields(ArrangeRecord)}
    for field in dataclasses.fields(SceneFlags):
        assert field.name == "photo" or field.default == defaults[field.name]


def test_scene_folders_are_named_alike_everywhere() -> None:
    files = scene_folder.SCENE_FILES
    assert (files["photo"], files["mask"], files["colours"]) == (
        scenes.PHOTO_FILE,
        scenes.MASK_FILE,
        scenes.COLOURS_FILE,
    )


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("--move a=1,0 --seed 1 --move b=2,0", "--move a=1,0 b=2,0 --seed 1"),
        ("--move=a=1,0 --move b=2,0 c=3,0", "--move a=1,0 b=2,0 c=3,0"),
        ("photo.png --steps 1 --steps 2", "photo.png --steps 1 --steps 2"),
        ("--object cat=1,2,9,9 --object dog@3,4@5,6", "--object cat=1,2,9,9 dog@3,4@5,6"),
        ("--remove cat --quiet --remove dog", "--remove cat dog --quiet"),
    ],
)
def test_a_repeated_flag_adds_to_the_first(given: str, read: str) -> None:
    assert join_repeated(given.split()) == read.split()


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("remove --box 1,2,3,4 p.png", "remove p.png --box 1,2,3,4"),
        ("remove --seed 1 --box 1,2,3,4 5,6,7,8 p.png", "remove p.png --seed 1 --box 1,2,3,4 5,6,7,8"),
        ("remove --box 1,2,3,4 p.png --seed 1", "remove p.png --box 1,2,3,4 --seed 1"),
        ("arrange --masks cat=m.png p.png", "arrange p.png --masks cat=m.png"),
        ("arrange --object cat=1,2,9,9 --move cat=9,0 p.png", "arrange p.png --object cat=1,2,9,9 --move cat=9,0"),
        ("batch --set models=pocket steps=2 p.png", "batch p.png --set models=pocket steps=2"),
        # What was named already, what is no file, and what a flag needs stays.
        ("remove p.png --mask m.png p.png", "remove p.png --mask m.png p.png"),
        ("remove --box 1,2,3,4 5,6,7,8", "remove --box 1,2,3,4 5,6,7,8"),
        ("remove --mask m.png", "remove --mask m.png"),
        ("edit --prompt a p.png", "edit --prompt a p.png"),
    ],
)
def test_a_file_that_ends_the_words_of_a_flag_is_the_photo(given: str, read: str) -> None:
    assert join_repeated(given.split(), exists={"p.png", "m.png"}.__contains__) == read.split()


def test_flags_become_the_record(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    seen: list[ArrangeRecord] = []

    def made(record: ArrangeRecord, *_: Any, **__: Any) -> Any:
        seen.append(record)
        return SimpleNamespace(saved=SimpleNamespace(summary={}))

    monkeypatch.setattr("intarsia.tasks.arrange.run_arrange", made)
    monkeypatch.setattr("intarsia.cli.result_lines.arrange_lines", lambda done: [])
    flags = ["--move", "cat=+1,2", "--move", "dog 1=3,4", "--learn.rank", "8", "--mode", "compose", "--front", "cat"]
    assert main(["arrange", "photo.png", "--find", "cat", "dog 1", *flags]) == 0
    record = seen[0]
    assert record.move == ("cat=+1,2", "dog 1=3,4") and record.find == ("cat", "dog 1")
    assert record.learn == LearnSettings(rank=8) and (record.mode, record.front) == ("compose", ("cat",))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"move": ("cat=+120,0",), "remove": ("pot",)}, "cat moved by +120,0; pot removed"),
        ({"layout": "maps/layout1.png", "colours": "c.json"}, "as in layout1.png"),
        ({"scale": ("a=b=2",), "flip": ("dog 1",)}, "a=b scaled by 2; dog 1 mirrored"),
        ({"front": ("cat",), "back": ("dog",)}, "cat to the front; dog to the back"),
        ({}, "nothing moved"),
    ],
)
def test_an_arrangement_is_told_in_words(settings: dict[str, Any], words: str) -> None:
    assert describe(dataclasses.asdict(ArrangeRecord(photo="p.png", **settings))) == words


def test_the_demo_ships_a_scene_that_is_rearranged_three_times(tmp_path: Path) -> None:
    plan = layouts.plan_layouts(tmp_path / "demo-out")
    assert len(plan.steps) == 3
    for step in plan.steps:
        scene = scenes.read_scene(step.record, read_photo(step.record.photo))
        assert len(scene.objects) == 3 and scene.photo.size.short >= 192
    assert sum(f.stat().st_size for f in layouts.LAYOUTS.parent.rglob("yard.scene/*")) < 100_000
