"""intarsia objects, learn, prior and history."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from intarsia.backbones.protocols import Backbones
from intarsia.cli import load_models
from intarsia.cli.main import main
from intarsia.imaging.read import read_photo
from intarsia.imaging.write import write_photo
from intarsia.layout import scene_files as scenes
from intarsia.layout.layout_files import read_layout
from intarsia.layout.scene_files import read_scene_folder
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.scene_folder import photo_of
from tests.cli.arrange_files import GIVEN, LESSON, MOVE, QUICK, pixels, stopping_after
from tests.paths import SCENES


def test_objects_writes_a_scene_that_reads_back_and_can_be_arranged(
    tiny: Callable[..., int], folder: Path, capsys
) -> None:
    assert tiny("objects", "photo.png", *GIVEN) == 0
    told = capsys.readouterr().out
    assert "2 objects" in told and "fig tree" in told and "overlay.png" in told
    place = Path("out/photo.scene")
    assert sorted(p.name for p in place.iterdir()) == ["colours.json", "mask.png", "overlay.png", "photo.png"]
    assert (pixels(place / "photo.png") == pixels("photo.png")).all()
    scene = read_scene_folder(place)
    assert scene.names == ("cat", "fig tree")
    assert scene.objects[0].mask[10:34, 8:32].all() and scene.objects[0].mask.sum() == 24 * 24
    assert tiny("objects", "photo.png", *GIVEN) == 2
    assert "exists already" in capsys.readouterr().err
    assert tiny("arrange", place, *MOVE, *QUICK, "--out", "there") == 0
    assert Path("there/photo.png").is_file()
    assert tiny("replay", "there/photo.json") == 0
    assert "The same pixels came out." in capsys.readouterr().out


def test_marked_objects_are_outlined_arranged_and_replayed(tiny: Callable[..., int], folder: Path, capsys) -> None:
    marked = ["--object", "cat=7,8,34,36", "--object", "fig tree@72,44"]
    assert tiny("objects", "photo.png", *marked, "--quiet") == 0
    scene = read_scene_folder(Path("out/photo.scene"))
    assert scene.names == ("cat", "fig tree")
    for mask, (rows, columns) in zip(
        scene.masks.values(), ((slice(10, 34), slice(8, 32)), (slice(30, 58), slice(60, 84))), strict=True
    ):
        truth = np.zeros_like(mask)
        truth[rows, columns] = True
        assert (mask & truth).sum() / (mask | truth).sum() > 0.9
    assert tiny("arrange", "photo.png", *marked, *MOVE, *QUICK, "--out", "there") == 0
    record = json.loads(Path("there/photo.json").read_text())["record"]
    assert record["object"] == ["cat=7,8,34,36", "fig tree@72,44"]
    assert tiny("replay", "there/photo.json") == 0
    assert "The same pixels came out." in capsys.readouterr().out


def test_a_layout_over_a_scene_folder_needs_no_key_neither_here_nor_in_python(
    tiny: Callable[..., int], folder: Path
) -> None:
    assert tiny("objects", "photo.png", *GIVEN, "--quiet") == 0
    Image.fromarray(np.roll(pixels("mask.png"), 3, axis=1)).save("layout.png")
    assert tiny("arrange", "out/photo.scene", "--layout", "layout.png", *QUICK, "--quiet") == 0
    facts = json.loads(Path("out/photo.json").read_text())
    record = ArrangeRecord(photo="out/photo.scene", layout="layout.png")
    scene = scenes.read_scene(record, read_photo(photo_of(record)))
    placements = read_layout(record, scene).placements
    assert [p.name for p in placements] == [o["name"] for o in facts["placements"]]
    for placement, told in zip(placements, facts["placements"], strict=True):
        assert placement.matrix == pytest.approx(told["matrix"], abs=1e-5)


def test_objects_takes_one_mask_an_object(tiny: Callable[..., int], folder: Path) -> None:
    for name, part in (("a", np.s_[10:34, 8:32]), ("b", np.s_[30:58, 60:84])):
        mask = np.zeros((64, 96), np.uint8)
        mask[part] = 255
        Image.fromarray(mask).save(f"{name}.png")
    assert tiny("objects", "photo.png", "--masks", "dog 1=a.png", "--masks", "dog 2=b.png", "--quiet") == 0
    scene = read_scene_folder(Path("out/photo.scene"))
    assert scene.names == ("dog 1", "dog 2") and {o.words for o in scene.objects} == {"dog"}


def test_objects_are_found_by_words_without_the_painting_networks(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def load(models: str, machine: object) -> Backbones:
        raise AssertionError("painting networks were loaded")

    monkeypatch.setattr(load_models, "load", load)
    picture = SCENES / "0003.png"
    assert main(["objects", str(picture), "--find", "car", "ball", "--models", "pocket", "--json"]) == 0
    found = {o["name"]: o["box"] for o in json.loads(capsys.readouterr().out)["objects"]}
    x0, _, x1, y1 = found["car"]
    assert 16 - 6 < x0 < 16 + 6 and 45 - 6 < x1 < 45 + 6 and y1 < 36
    assert found["ball"][1] > 24


def test_a_missing_tracker_is_told_with_the_command_that_installs_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(load_models, "load", lambda models, machine: pytest.fail("models were loaded"))
    monkeypatch.setattr("accelerate.tracking.is_tensorboard_available", lambda: False)
    assert main(["learn", "photo.png", *GIVEN, "--tracker", "tensorboard"]) == 2
    assert "pip install" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_another_segmenter_is_taken(folder: Path, capsys) -> None:
    assert main(["objects", "photo.png", "--find", "cat", "--models", "pocket", "--segmenter", "no such"]) == 2
    assert "'no such' is neither a folder nor a hub id" in capsys.readouterr().err


def test_prior_pictures_teach_what_a_class_is(tiny: Callable[..., int], folder: Path, capsys) -> None:
    assert tiny("prior", "fig tree", "--count", 2, "--steps", 1, "--out", "kinds", "--json") == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert [Path(f).name for f in files] == ["fig tree-0001.png", "fig tree-0002.png"]
    assert (pixels(files[0]) != pixels(files[1])).any()
    assert tiny("learn", "photo.png", *GIVEN, *LESSON, "--learn.prior", "kinds", "--quiet") == 0


def test_interrupted_prior_pictures_are_kept_and_the_same_command_goes_on(
    tiny: Callable[..., int], folder: Path, tiny_backbones: Backbones, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    flags = ["--count", 6, "--steps", 2, "--seed", 3]
    command = ["prior", "cat", *flags, "--out", "kinds"]
    assert tiny("prior", "cat", *flags, "--out", "straight", "--quiet") == 0
    with monkeypatch.context() as patch:  # two steps for each of the first four, and one for the others
        patch.setattr("intarsia.cli.commands.prior.progress_bar", stopping_after(3))
        assert tiny(*command) == 130
    said = capsys.readouterr().err
    assert "stopped; 4 of 6 pictures are in kinds: the same command goes on from there." in said
    assert sorted(f.name for f in Path("kinds").iterdir()) == [f"cat-000{k}.png" for k in range(1, 5)]
    meter = tiny_backbones.in_parts.counter
    kept, before = [f.stat().st_mtime_ns for f in sorted(Path("kinds").iterdir())], meter.evaluations
    assert tiny(*command, "--json") == 0
    assert json.loads(capsys.readouterr().out)["painted"] == 2
    assert meter.evaluations - before == 2 * 2 * 2
    assert [f.stat().st_mtime_ns for f in sorted(Path("kinds").iterdir())][:4] == kept
    for file in sorted(Path("straight").iterdir()):
        assert (pixels(file) == pixels(Path("kinds") / file.name)).all()
    assert tiny(*command) == 0 and meter.evaluations - before == 2 * 2 * 2
    assert "6 of them were there already" in capsys.readouterr().out


def test_prior_pictures_lost_within_a_batch_come_out_to_the_last_bit(tiny: Callable[..., int], folder: Path) -> None:
    command = ["prior", "cat", "--count", 6, "--steps", 2, "--quiet"]
    assert tiny(*command) == 0
    whole = {file.name: pixels(file) for file in Path("prior").iterdir()}
    for number in (3, 4, 5, 6):
        Path(f"prior/cat-000{number}.png").unlink()
    assert tiny(*command) == 0
    assert all((pixels(f"prior/{name}") == before).all() for name, before in whole.items())


@pytest.mark.parametrize("changed", [["--seed", 9], ["--steps", 3], ["--guidance", 2]])
def test_prior_pictures_of_other_settings_are_replaced_only_when_asked(
    changed: list[Any], tiny: Callable[..., int], folder: Path, capsys
) -> None:
    command = ["prior", "cat", "--count", 1, "--steps", 1]
    assert tiny(*command) == 0
    before = pixels("prior/cat-0001.png")
    assert tiny(*command, *changed) == 2
    assert "made with other settings" in capsys.readouterr().err
    assert (pixels("prior/cat-0001.png") == before).all()
    assert tiny(*command, *changed, "--overwrite") == 0
    assert (pixels("prior/cat-0001.png") != before).any()


def test_prior_pictures_are_written_as_they_are_made(
    tiny: Callable[..., int], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from intarsia.tasks import prior

    there: list[list[str]] = []
    write = write_photo

    def watched(*arguments: Any, **more: Any) -> Path:
        written = write(*arguments, **more)
        there.append(sorted(f.name for f in Path("prior").iterdir()))
        if len(there) == 2:
            raise KeyboardInterrupt
        return written

    monkeypatch.setattr(prior, "write_photo", watched)
    assert tiny("prior", "cat", "--count", 3, "--steps", 1) == 130
    assert there == [["cat-0001.png"], ["cat-0001.png", "cat-0002.png"]]
    monkeypatch.setattr(prior, "write_photo", write)
    assert tiny("prior", "cat", "--count", 3, "--steps", 1) == 0
    assert len(list(Path("prior").iterdir())) == 3


def test_history_lists_edits_in_their_order(tiny: Callable[..., int], folder: Path, capsys) -> None:
    assert tiny("arrange", "photo.png", *GIVEN, *MOVE, *QUICK, "--name", "b", "--quiet") == 0
    flags = ["--remove", "fig tree", "--scale", "cat=1.5", "--name", "a", "--quiet"]
    assert tiny("arrange", "photo.png", *GIVEN, *QUICK, *flags) == 0
    (folder / "out" / "other.json").write_text('{"a": 1}')
    assert tiny("history", "out") == 0
    told = capsys.readouterr().out
    assert told.index("cat moved by +20,0") < told.index("cat scaled by 1.5; fig tree removed")
    assert tiny("history", "out", "--json") == 0
    listed = json.loads(capsys.readouterr().out)["edits"]
    assert [Path(e["record"]).name for e in listed] == ["b.json", "a.json"]
    assert listed[0]["pictures"] == [str(Path("out/b.png"))]
