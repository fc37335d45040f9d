"""The command line of edit by layout, what it writes and what it draws; on tiny random networks."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from intarsia.backbones.protocols import Backbones
from intarsia.cli import load_models
from intarsia.cli.arrange_flags import ArrangeFlags, SceneFlags, join_repeated
from intarsia.cli.main import main
from intarsia.demo import layouts
from intarsia.errors import Cancelled
from intarsia.imaging.affine import IDENTITY
from intarsia.imaging.masks import Mask
from intarsia.imaging.read import photo_from_image, read_photo, read_text_chunk
from intarsia.imaging.write import write_photo
from intarsia.layout import scene_files as scenes
from intarsia.layout.concepts import Concepts
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.layout_files import read_layout
from intarsia.layout.scene_files import read_scene_folder
from intarsia.records import scene_folder
from intarsia.records.arrange import ArrangeRecord, LearnSettings
from intarsia.results import overlay_arrange
from intarsia.results.document import describe, pixel_digest
from intarsia.results.drawing import drawing_on, plate
from intarsia.results.overlay_arrange import PALETTE, change, colours_of, draw_scene, draw_wish, notes_on
from tests.paths import SCENES

KEY = {"cat": [251, 216, 1], "fig tree": [75, 254, 1], "background": [254, 254, 254]}
QUICK = ["--compose.plates", "1", "--compose.plate-steps", "2", "--compose.refine-steps", "2"]
ANEW = ["--prompt", "cat, fig tree", "--mode", "regenerate", "--steps", "2", "--guide.refine-at", "--guide.refine-to"]
LESSON = ["--prompt", "cat, fig tree", "--learn.token-steps", "2", "--learn.weight-steps", "2", "--learn.batch", "1"]
GIVEN = ["--mask", "mask.png", "--colours", "colours.json"]
MOVE = ["--move", "cat=+20,0"]


def draw_scene_files(folder: Path) -> None:
    """A photo with a cat (left, upper) and a fig tree (right, lower), 96 x 64; the map is half as large."""
    rows, columns = np.mgrid[:64, :96].astype(np.uint8)
    shades = np.stack([90 + rows, 90 + columns // 2, 150 - rows], axis=-1)
    shades[10:34, 8:32] = (220, 120, 40)
    shades[30:58, 60:84] = (40, 160, 60)
    Image.fromarray(shades).save(folder / "photo.png")
    marks = np.full((32, 48, 3), 254, np.uint8)
    marks[5:17, 4:16] = KEY["cat"]
    marks[15:29, 30:42] = KEY["fig tree"]
    Image.fromarray(marks).save(folder / "mask.png")
    (folder / "colours.json").write_text(json.dumps(KEY))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scene's files in a folder that is also the current one; the cache is there, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTARSIA_CACHE", str(tmp_path / "cache"))
    draw_scene_files(tmp_path)
    return tmp_path


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tiny_backbones: Backbones) -> Callable[..., int]:
    """The command line on tiny random networks that are loaded once."""
    monkeypatch.setattr(load_models, "load", lambda models, machine: tiny_backbones)
    return lambda *arguments: main([str(a) for a in arguments])


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


# arrange


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
    for name in ("a", "b"):
        assert tiny("arrange", "photo.png", *GIVEN, *MOVE, *QUICK, "--name", name, "--json") == 0
        costs.append(json.loads(capsys.readouterr().out)["cost"]["evaluations"])
    assert costs[1] < costs[0] and (folder / "cache").is_dir()
    assert (pixels("out/a.png") == pixels("out/b.png")).all()
    again = ["--name", "c", "--no-cache", "--json"]
    files = sorted((folder / "cache").iterdir())
    assert tiny("arrange", "photo.png", *GIVEN, *MOVE, *QUICK, *again) == 0
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


def stopping_after(steps: int) -> Any:
    """A progress bar whose reader stops the work."""
    import contextlib

    seen: list[object] = []

    @contextlib.contextmanager
    def bar(output: object) -> Any:
        def show(progress: object) -> None:
            seen.append(progress)
            if len(seen) >= steps:
                raise Cancelled

        yield show

    return bar


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


# objects, prior, history


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


def test_a_layout_over_a_scene_folder_needs_no_key_neither_here_nor_in_python(
    tiny: Callable[..., int], folder: Path
) -> None:
    assert tiny("objects", "photo.png", *GIVEN, "--quiet") == 0
    Image.fromarray(np.roll(pixels("mask.png"), 3, axis=1)).save("layout.png")
    assert tiny("arrange", "out/photo.scene", "--layout", "layout.png", *QUICK, "--quiet") == 0
    facts = json.loads(Path("out/photo.json").read_text())
    record = ArrangeRecord(photo="out/photo.scene", layout="layout.png")
    scene = scenes.read_scene(record, read_photo(scenes.photo_of(record)))
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
    meter = tiny_backbones.diffusion.meter
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


# replay


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


# flags


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
        ("--remove cat --quiet --remove dog", "--remove cat dog --quiet"),
    ],
)
def test_a_repeated_flag_adds_to_the_first(given: str, read: str) -> None:
    assert join_repeated(given.split()) == read.split()


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


# what goes wrong


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, tiny_backbones: Backbones) -> Path:
    """A folder with good and bad files."""
    w = tmp_path_factory.mktemp("shelf")
    draw_scene_files(w)
    marks = pixels(w / "mask.png").copy()
    Image.fromarray(marks[:20]).save(w / "flat.png")
    strange = marks.copy()
    strange[20:30, 2:12] = (10, 20, 200)
    Image.fromarray(strange).save(w / "strange.png")
    Image.fromarray(np.full_like(marks, 254)).save(w / "empty.png")
    alone = marks.copy()
    alone[:, 24:] = 254
    Image.fromarray(alone).save(w / "alone.png")
    slips = {
        "list": [1],
        "same": {"cat": [1, 2, 3], "dog": [1, 2, 3]},
        "levels": {"cat": [1, 2]},
        "box-unknown": {"horse": [0, 0, 9, 9]},
        "box-inverted": {"cat": [50, 10, 20, 34]},
        "box-words": {"cat": "left"},
        "no-objects": {"background": [254, 254, 254]},
    }
    for name, content in slips.items():
        (w / f"{name}.json").write_text(json.dumps(content))
    (w / "broken.json").write_text('{"cat": ')
    Image.new("L", (96, 64), 0).save(w / "black.png")
    half = np.zeros((64, 96), np.uint8)
    half[:, :40] = 255
    Image.fromarray(half).save(w / "half.png")
    (w / "broken.safetensors").write_text("no weights")
    (w / "bare").mkdir()
    (w / "file-out").touch()
    (w / "taken").mkdir()
    (w / "taken" / "photo.layout.png").touch()
    (w / "taken" / "cat-0002.png").touch()
    (w / "cut.scene").mkdir()
    Image.open(w / "photo.png").save(w / "cut.scene" / "photo.png")
    cat = Concepts(names=("dog",), words=("dog",), embeddings=tiny_backbones.diffusion.encode_text(["a"])[0, :1])
    cat.save(w / "dog.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load_models, "load", lambda models, machine: tiny_backbones)
        patch.setenv("INTARSIA_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.chdir(w)
        assert main(["arrange", "photo.png", *GIVEN, *MOVE, *QUICK, "--out", "made", "--quiet"]) == 0
    good = json.loads((w / "made" / "photo.json").read_text())
    changes: dict[str, dict[str, Any]] = {
        "unknown-kind": {"record": {**good["record"], "kind": "PaintRecord"}},
        "unknown-setting": {"record": {**good["record"], "colour": "red"}},
        "bad-type": {"record": {**good["record"], "move": "cat"}},
        "other-index": {"chosen": 3},
    }
    for name, slip in changes.items():
        (w / f"{name}.json").write_text(json.dumps({**good, **slip}))
    return w


def arranged(*flags: str, given: list[str] = GIVEN) -> list[str]:
    return ["arrange", "photo.png", *given, *flags]


def keyed(mask: str, colours: str) -> list[str]:
    return arranged(*MOVE, given=["--mask", mask, "--colours", colours])


BAD_INPUT = {
    "missing photo": (["arrange", "none.png", *GIVEN, *MOVE], "There is no picture none.png"),
    "folder that is no scene": (["arrange", "bare", *MOVE], "not a scene"),
    "scene that lacks a file": (["arrange", "cut.scene", *MOVE], "mask.png"),
    "no objects given": (["arrange", "photo.png", *MOVE], "Nothing says which objects"),
    "two ways to give objects": (arranged("--find", "cat"), "in more than one way"),
    "mask without key": (["arrange", "photo.png", "--mask", "mask.png"], "without its key"),
    "layout without key": (["arrange", "photo.png", "--find", "cat", "--layout", "mask.png"], "without its key"),
    "two targets": (arranged("--layout", "mask.png", "--boxes", "list.json"), "both as a layout and as boxes"),
    "mask missing": (keyed("none.png", "colours.json"), "none.png"),
    "key missing": (keyed("mask.png", "none.json"), "none.json"),
    "key broken": (keyed("mask.png", "broken.json"), "is not JSON"),
    "key is a list": (keyed("mask.png", "list.json"), "list.json"),
    "key with one colour twice": (keyed("mask.png", "same.json"), "the same colour"),
    "key with two levels": (keyed("mask.png", "levels.json"), "three whole numbers"),
    "key without objects": (keyed("mask.png", "no-objects.json"), "names no object"),
    "unknown colour": (keyed("strange.png", "colours.json"), "(10, 20, 200)"),
    "map of another shape": (keyed("flat.png", "colours.json"), "another shape"),
    "map without an object": (keyed("empty.png", "colours.json"), "'cat'"),
    "masks without name": (arranged(*MOVE, given=["--masks", "half.png"]), "no name"),
    "masks all black": (arranged(*MOVE, given=["--masks", "cat=black.png"]), "all black"),
    "masks missing": (arranged(*MOVE, given=["--masks", "cat=none.png"]), "none.png"),
    "mask hidden by others": (
        arranged(*MOVE, given=["--masks", "cat=half.png", "dog=half.png"]),
        "wholly behind",
    ),
    "empty layout": (arranged("--layout", "empty.png"), "empty.png"),
    "layout with unknown colour": (arranged("--layout", "strange.png"), "(10, 20, 200)"),
    "layout of another shape": (arranged("--layout", "flat.png"), "another shape"),
    "layout missing": (arranged("--layout", "none.png"), "none.png"),
    "boxes missing": (arranged("--boxes", "none.json"), "none.json"),
    "boxes broken": (arranged("--boxes", "broken.json"), "is not JSON"),
    "boxes of unknown object": (arranged("--boxes", "box-unknown.json"), "'horse'"),
    "box inverted": (arranged("--boxes", "box-inverted.json"), "cat"),
    "box of words": (arranged("--boxes", "box-words.json"), "cat"),
    "move of unknown object": (arranged("--move", "horse=+9,0"), "'horse'"),
    "move without place": (arranged("--move", "cat"), "cat"),
    "move by words": (arranged("--move", "cat=left"), "cat=left"),
    "move by one number": (arranged("--move", "cat=9"), "cat=9"),
    "move not finite": (arranged("--move", "cat=inf,0"), "cat=inf,0"),
    "scale to nothing": (arranged("--scale", "cat=0"), "cat=0"),
    "scale by words": (arranged("--scale", "cat=big"), "cat=big"),
    "turn by words": (arranged("--rotate", "cat=left"), "cat=left"),
    "flip of unknown object": (arranged("--flip", "horse"), "'horse'"),
    "remove unknown object": (arranged("--remove", "horse"), "'horse'"),
    "front of removed object": (arranged("--remove", "cat", "--front", "cat"), "cat"),
    "nothing to do": (arranged(), "move"),
    "steps 0": (arranged(*MOVE, "--steps", "0"), "steps is 0"),
    "seeds 0": (arranged(*MOVE, "--seeds", "0"), "seeds is 0"),
    "tolerance too high": (arranged(*MOVE, "--tolerance", "99"), "tolerance is 99"),
    "unequal refinement": (arranged(*MOVE, "--guide.refine-to", "0.3"), "as long as each other"),
    "concepts missing": (arranged(*MOVE, "--concepts", "none.safetensors"), "do not exist"),
    "concepts broken": (arranged(*MOVE, "--concepts", "broken.safetensors"), "no readable safetensors"),
    "concepts of other objects": (arranged(*MOVE, "--concepts", "dog.safetensors"), "'cat' is not among them"),
    "output exists": (arranged(*MOVE, "--out", "taken"), "exists already"),
    "output is a file": (arranged(*MOVE, "--out", "file-out"), "file-out is a file"),
    "output over the photo": (arranged(*MOVE, "--out", ".", "--overwrite"), "what the edit is made from"),
    "unknown model": (arranged(*MOVE, "--models", "no such"), "is no known checkpoint"),
    "find with unknown model": (arranged(*MOVE, "--models", "no such", given=["--find", "cat"]), "is no known"),
    "find nothing": (arranged("--move", "=1,1", "--models", "pocket", given=["--find", " "]), "empty"),
    "find the same twice": (
        arranged(*MOVE, "--models", "pocket", given=["--find", "cat", "cat"]),
        "number them",
    ),
    "objects of nothing": (["objects", "photo.png"], "Nothing says which objects"),
    "objects into a file": (["objects", "photo.png", *GIVEN, "--out", "file-out"], "is a file"),
    "learn into another format": (["learn", "photo.png", *GIVEN, "--out", "looks.bin"], "must end in .safetensors"),
    "learn without objects": (["learn", "photo.png"], "Nothing says which objects"),
    "learn with a stranger in brackets": (
        ["learn", "photo.png", *GIVEN, "--prompt", "a <cow> on grass"],
        "names <cow>, but the scene has <cat>, <fig tree>",
    ),
    "start of nothing": (arranged(*MOVE, "--guide.start", "0"), "guide.start is 0.0"),
    "rate that is no number": (["learn", "photo.png", *GIVEN, "--learn.token-rate", "nan"], "learn.token_rate is nan"),
    "endless weight": (
        ["edit", "photo.png", "--prompt", "a dog", "--score.text", "inf"],
        "score.text is inf, but must be a finite number",
    ),
    "layout over a bare picture": (["arrange", "photo.png", "--layout", "mask.png"], "Nothing says which objects"),
    "resume nothing": (["learn", "photo.png", *GIVEN, "--resume"], "no interrupted run"),
    "prior of nothing": (["prior", " "], "The words are empty"),
    "prior of none": (["prior", "cat", "--count", "0"], "count is 0"),
    "prior exists": (["prior", "cat", "--count", "2", "--out", "taken"], "exists already"),
    "history of nowhere": (["history", "none"], "There is no folder none"),
    "history of nothing": (["history", "bare"], "holds no record"),
    "replay of unknown kind": (["replay", "unknown-kind.json"], "'PaintRecord'"),
    "replay with unknown setting": (["replay", "unknown-setting.json"], "'colour'"),
    "replay with bad type": (["replay", "bad-type.json"], "'move'"),
    "replay of a picture too many": (["replay", "other-index.json"], "picture 4"),
}


@pytest.mark.parametrize(("arguments", "told"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_bad_input_is_answered_with_a_sentence_before_models_are_loaded(
    arguments: list[str], told: str, shelf: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    if "no such" not in arguments:
        monkeypatch.setattr(load_models, "load", lambda models, machine: pytest.fail("models were loaded"))
    monkeypatch.chdir(shelf)
    before = sorted(shelf.rglob("*"))
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("intarsia: ") and told in said.err
    assert "Traceback" not in said.err and said.err.count("\n") == 1 and len(said.err) < 400
    assert sorted(shelf.rglob("*")) == before


def test_an_object_too_small_to_be_painted_anew_is_named(tiny: Callable[..., int], folder: Path, capsys) -> None:
    dot = np.zeros((64, 96), np.uint8)
    dot[20, 20] = 255
    Image.fromarray(dot).save("dot.png")
    flags = ["--masks", "flea=dot.png", "--move", "flea=+9,0", *ANEW, *LESSON, "--prompt", "flea"]
    assert tiny("arrange", "photo.png", *flags) == 2
    assert "'flea'" in capsys.readouterr().err
    assert not Path("out").exists()


def test_what_fails_later_exits_with_1(tiny: Callable[..., int], folder: Path, monkeypatch, capsys) -> None:
    def fail(*arguments: object, **more: object) -> None:
        raise RuntimeError("the denoiser caught a cold")

    monkeypatch.setattr("intarsia.tasks.arrange.arrange", fail)
    assert tiny("arrange", "photo.png", *GIVEN, *MOVE) == 1
    assert "caught a cold" in capsys.readouterr().err
    assert not Path("out").exists()


# drawing


def block(x0: int, y0: int, x1: int, y1: int) -> Mask:
    mask = np.zeros((60, 90), np.bool_)
    mask[y0:y1, x0:x1] = True
    return mask


GREY = photo_from_image(np.full((60, 90, 3), 128, np.uint8))


def test_the_palette_is_far_apart_and_names_never_share_a_colour() -> None:
    for place, colour in enumerate(PALETTE):
        others = PALETTE[:place] + PALETTE[place + 1 :]
        assert min(max(abs(a - b) for a, b in zip(colour, other, strict=True)) for other in others) > 64
    many = colours_of([f"dog {k}" for k in range(40)])
    assert len(set(many.values())) == 40


def test_outlines_lie_on_the_borders_of_objects() -> None:
    drawing = np.asarray(draw_scene(GREY, {"cat": block(20, 30, 60, 55)}, {"cat": (255, 0, 0)}, side=240)).astype(int)
    red = (drawing[..., 0] > 200) & (drawing[..., 1] < 80)
    scale = 240 / 60
    assert red[round(42 * scale), round(20 * scale) : round(23 * scale)].any()
    assert not red[round(42 * scale), round(30 * scale) : round(50 * scale)].any()
    assert not red[round(5 * scale) :][: round(8 * scale), : round(15 * scale)].any()


def test_a_wish_shows_the_place_the_way_and_what_goes() -> None:
    before = {"cat": block(5, 30, 25, 50), "pot": block(60, 5, 80, 25)}
    after = {"cat": block(55, 35, 75, 55)}
    colours = {"cat": (255, 0, 255), "pot": (0, 255, 0)}
    drawing = np.asarray(draw_wish(GREY, before, after, colours, {"cat": "moved", "pot": "removed"}, side=240)).astype(
        int
    )
    purple = (drawing[..., 0] - drawing[..., 1] > 50) & (drawing[..., 2] - drawing[..., 1] > 50)
    scale = 4
    assert purple[36 * scale : 38 * scale, 57 * scale : 59 * scale].all()  # filled at its place
    assert purple[38 * scale : 46 * scale, 40 * scale].any()  # the arrow on its way
    red = (drawing[..., 0] > 200) & (drawing[..., 1] < 100) & (drawing[..., 2] < 100)
    assert red[10 * scale : 20 * scale, 65 * scale : 75 * scale].any()  # the cross


def test_names_do_not_cover_each_other() -> None:
    plates = []
    for masks in ({"a": block(5, 5, 85, 20), "b": block(5, 21, 85, 40), "c": block(5, 41, 85, 60)},):
        drawing = drawing_on(GREY, 240)
        for name, mask in masks.items():
            plate(drawing, mask, f"object {name}", (255, 0, 0), overlay_arrange.others(masks, name))
        plates = drawing.plates
    for k, (x0, y0, x1, y1) in enumerate(plates):
        assert 0 <= x0 < x1 <= drawing.image.width and 0 <= y0 < y1 <= drawing.image.height
        for a0, b0, a1, b1 in plates[:k]:
            assert x0 >= a1 or a0 >= x1 or y0 >= b1 or b0 >= y1


def test_what_stands_in_front_covers_what_is_behind() -> None:
    behind, front = block(10, 10, 50, 50), block(30, 10, 80, 50)
    shows = Layout(
        placements=(
            Placement(name="behind", matrix=IDENTITY, mask=behind),
            Placement(name="front", matrix=IDENTITY, mask=front),
        )
    ).visible_masks()
    assert list(shows) == ["behind", "front"]
    assert (shows["front"] == front).all() and (shows["behind"] == (behind & ~front)).all()


@pytest.mark.parametrize(
    ("matrix", "note"),
    [
        (IDENTITY, ""),
        ((1, 0, 9, 0, 1, 0), "moved"),
        ((1.5, 0, 0, 0, 1.5, 0), "1.5x"),
        ((2, 0, 0, 0, 1, 0), "2x wide, 1x high"),
        ((-1, 0, 40, 0, 1, 0), "mirrored"),
        ((0, -1, 0, 1, 0, 0), "turned 90°"),
        ((0, 1, 0, 1, 0, 0), "turned -90°, mirrored"),
    ],
)
def test_a_map_is_told_in_words(matrix: Any, note: str) -> None:
    assert change(matrix) == note


def test_a_target_of_another_shape_is_noted() -> None:
    placements = (
        Placement(name="cat", matrix=(1, 0, 5, 0, 1, 0), mask=block(1, 1, 9, 9), fit=0.3),
        Placement(name="dog", matrix=IDENTITY, mask=block(20, 1, 29, 9)),
    )
    assert notes_on(Layout(placements=placements, removed=("pot",))) == {"cat": "new shape", "pot": "removed"}


def test_a_very_wide_picture_is_shown_from_top_to_bottom() -> None:
    wide, square = Image.new("RGB", (900, 200)), Image.new("RGB", (300, 300))
    tall = overlay_arrange.captioned([wide] * 3, overlay_arrange.CAPTIONS)
    flat = overlay_arrange.captioned([square] * 3, overlay_arrange.CAPTIONS)
    assert tall.height > 600 and tall.width < 1000 and flat.width > 900 and flat.height < 400


# the demo


def test_the_demo_ships_a_scene_that_is_rearranged_three_times(tmp_path: Path) -> None:
    plan = layouts.plan_layouts(tmp_path / "demo-out")
    assert len(plan.steps) == 3
    for step in plan.steps:
        scene = scenes.read_scene(step.record, read_photo(step.record.photo))
        assert len(scene.objects) == 3 and scene.photo.size.short >= 192
    assert sum(f.stat().st_size for f in layouts.LAYOUTS.parent.rglob("yard.scene/*")) < 100_000
