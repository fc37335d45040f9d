"""Edit by layout on the pages: moves in the browser are the record's moves, and a session sees only its own files."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.paths import PACKAGE_SCENES

pytest.importorskip("gradio", reason="the web pages are an extra")

from intarsia.errors import Cancelled, LayoutError, RecordError
from intarsia.imaging.affine import apply, warp_mask
from intarsia.imaging.geometry import Box, Point, Size
from intarsia.imaging.masks import bounding_box
from intarsia.imaging.photo import Photo
from intarsia.layout.layout_files import read_layout
from intarsia.layout.scene import Scene, SceneObject
from intarsia.layout.scene_files import read_scene_folder
from intarsia.progress import Progress
from intarsia.records.arrange import ArrangeRecord
from intarsia.tasks.options import Machine
from intarsia.web.api import error_text, read_request
from intarsia.web.arrange_cards import history_cards, message_html, progress_html
from intarsia.web.arrange_examples import EXAMPLES, example_cards
from intarsia.web.arrange_service import ArrangeService, append_move, rename_move, run_unless_cancelled
from intarsia.web.arrange_settings import ADVANCED, setting_of, with_settings
from intarsia.web.arrange_store import (
    list_arrangements,
    names_of,
    parse_names,
    result_facts,
    scene_record,
    source_path,
    unique_name,
    write_moves,
)
from intarsia.web.canvas import (
    MAX_CANVAS_SIDE,
    Move,
    canvas_matrix,
    canvas_value,
    fill_ground,
    identity_moves,
    mask_at_size,
    parse_canvas_value,
    read_moves,
    record_from_moves,
    split_layers,
    stacking_changes,
)
from intarsia.web.loss_plot import Loss, Painted, loss_plot, loss_plot_html
from intarsia.web.queue import WorkQueue
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.work import Step

YARD = PACKAGE_SCENES / "yard.scene"
NAMES = ("house", "tree", "dog")
BASE = ArrangeRecord(photo="photo.png")


@pytest.fixture(scope="module")
def yard() -> Scene:
    return read_scene_folder(YARD)


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    return SessionStore(tmp_path / "sessions", models="pocket", machine=Machine(device="cpu"))


def moved(**dog: Any) -> tuple[Move, ...]:
    return Move(name="house"), Move(name="tree"), Move(name="dog", **dog)


def as_browsers_do(move: Move, box: Box, point: Point) -> Point:
    """translate(middle + move) rotate(turn) scale(wide, high) translate(-middle), the right one first."""
    middle, angle = box.center, math.radians(move.turn)
    x, y = (point.x - middle.x) * move.wide * (-1 if move.flip else 1), (point.y - middle.y) * move.high
    x, y = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
    return Point(x + middle.x + move.x, y + middle.y + move.y)


WISHES = [
    {"x": 40.0, "y": -25.0},
    {"wide": 1.3, "high": 0.6},
    {"turn": 33.5},
    {"flip": True},
    {"x": -30.0, "y": 8.0, "wide": 0.7, "high": 1.4, "turn": -70.0},
    {"x": 12.0, "y": -9.0, "wide": 1.25, "high": 1.25, "turn": 20.0, "flip": True},
    {"x": 5.5, "wide": 0.8, "high": 1.3, "turn": -135.0, "flip": True},
]


@pytest.mark.parametrize("wish", WISHES)
def test_the_canvas_shows_what_a_browser_makes_of_the_same_words(wish: dict[str, Any]) -> None:
    move, box = Move(name="dog", **wish), Box(100, 60, 180, 200)
    for point in (Point(100, 60), Point(171, 133), Point(-5, 9)):
        here, there = apply(canvas_matrix(move, box), point), as_browsers_do(move, box, point)
        assert (here.x, here.y) == pytest.approx((there.x, there.y))


@pytest.mark.parametrize("wish", WISHES)
def test_the_record_puts_an_object_where_the_canvas_shows_it(yard: Scene, wish: dict[str, Any]) -> None:
    moves = moved(**wish)
    placed = {p.name: p for p in read_layout(record_from_moves(moves, NAMES, BASE), yard).placements}
    mask = yard.objects[2].mask
    matrix = canvas_matrix(moves[2], bounding_box(mask))
    assert placed["dog"].matrix == pytest.approx(matrix, abs=1e-3)
    expected = warp_mask(mask, matrix, yard.photo.size)
    both, either = (placed["dog"].mask & expected).sum(), (placed["dog"].mask | expected).sum()
    assert both / either > 0.999
    assert not placed["house"].moved and not placed["tree"].moved


def test_a_drag_by_whole_pixels_is_said_in_whole_pixels() -> None:
    record = record_from_moves(moved(x=40.0, y=-3.0), NAMES, BASE)
    assert record.move == ("dog=+40,-3",)
    assert (record.scale, record.rotate, record.flip, record.front, record.back) == ((), (), (), (), ())


def test_nothing_moved_leaves_the_record_as_it_was() -> None:
    assert record_from_moves(moved(), NAMES, BASE) == BASE


def test_a_flipped_object_turns_the_other_way_in_the_record() -> None:
    record = record_from_moves(moved(turn=20.0, flip=True), NAMES, BASE)
    assert (record.rotate, record.flip) == (("dog=-20",), ("dog",))


def test_what_is_off_the_canvas_is_removed_and_nothing_else_is_said_of_it() -> None:
    record = record_from_moves(moved(x=4.0, turn=9.0, gone=True), NAMES, BASE)
    assert record == dataclasses.replace(BASE, remove=("dog",))


@pytest.mark.parametrize(
    ("after", "back", "front"),
    [
        ("abcd", "", ""),
        ("bcda", "", "a"),
        ("dabc", "d", ""),
        ("acdb", "", "b"),
        ("dcba", "dcb"[::-1], ""),
        ("cadb", "", "adb"),
    ],
)
def test_any_order_is_said_by_few_names(after: str, back: str, front: str) -> None:
    said = stacking_changes("abcd", after)
    order = list("abcd")
    for name in said[0]:
        order.remove(name)
        order.insert(0, name)
    for name in said[1]:
        order.remove(name)
        order.append(name)
    assert "".join(order) == after
    assert len(said[0]) + len(said[1]) == len(back) + len(front)


def test_the_order_on_the_canvas_is_the_order_in_the_picture(yard: Scene) -> None:
    moves = (Move(name="dog"), Move(name="tree", gone=True), Move(name="house"))
    layout = read_layout(record_from_moves(moves, NAMES, BASE), yard)
    assert [p.name for p in layout.placements] == ["dog", "house"]
    assert layout.removed == ("tree",)


def test_moves_are_read_and_what_is_not_named_stays() -> None:
    moves = read_moves([{"name": "dog", "x": 3, "flip": True}], NAMES)
    assert [m.name for m in moves] == ["house", "tree", "dog"]
    assert moves[2] == Move(name="dog", x=3.0, flip=True)


@pytest.mark.parametrize(
    "given",
    [
        "dog",
        [{"name": "cat"}],
        [{"name": ["dog"]}],
        [3],
        [{"name": "dog"}, {"name": "dog"}],
        [{"name": "dog", "x": "3"}],
        [{"name": "dog", "x": True}],
        [{"name": "dog", "x": float("nan")}],
        [{"name": "dog", "y": 1e9}],
        [{"name": "dog", "wide": 0}],
        [{"name": "dog", "high": -1}],
        [{"name": "dog", "flip": 1}],
        [{"name": "dog", "z": 1}],
    ],
)
def test_moves_that_are_none_are_refused_with_a_sentence(given: Any) -> None:
    with pytest.raises(RecordError, match=r"[:.]"):
        read_moves(given, NAMES)


def test_ground_and_cut_outs_are_the_picture_again(yard: Scene) -> None:
    picture = yard.photo.pixels.astype(np.float32)
    ground, layers = split_layers(picture, {o.name: o.mask for o in yard.objects})
    again = ground
    for layer in layers.values():
        again = layer.over(again)
    for thing in yard.objects:
        assert np.abs(again - picture)[thing.mask].mean() < 0.5
        assert np.abs(ground - picture)[thing.mask].mean() > 20


def test_the_canvas_gets_cut_outs_at_their_places(yard: Scene) -> None:
    value = canvas_value(yard, "scene-0001")
    assert (value["width"], value["height"]) == (320, 240)
    assert [o["name"] for o in value["objects"]] == list(NAMES)
    dog = value["objects"][2]
    assert dog["box"] == list(bounding_box(yard.objects[2].mask).as_tuple())
    image = Image.open(io.BytesIO(base64.b64decode(dog["picture"].partition(",")[2])))
    x0, y0, x1, y1 = dog["around"]
    assert image.mode == "RGBA" and image.size == (x1 - x0, y1 - y0)
    middle = bounding_box(yard.objects[2].mask).center
    column, row = int(middle.x), int(middle.y)
    pixel = image.getpixel((column - int(x0), row - int(y0)))
    assert isinstance(pixel, tuple)
    assert pixel[3] == 255
    assert pixel[:3] == pytest.approx(list(map(int, yard.photo.pixels[row, column])), abs=1)
    assert value["moves"] == [dataclasses.asdict(m) for m in identity_moves(yard)]
    json.dumps(value)


def test_a_large_photo_is_shown_smaller_and_measured_in_its_own_pixels() -> None:
    mask = np.zeros((1000, 1600), np.bool_)
    mask[400:800, 600:1200] = True
    pixels = np.full((1000, 1600, 3), 200, np.uint8)
    pixels[mask] = (200, 20, 20)
    scene = Scene(photo=Photo(pixels=pixels), objects=(SceneObject(name="box", words="box", mask=mask),))
    value = canvas_value(scene, "scene-0001")
    ground = Image.open(io.BytesIO(base64.b64decode(value["ground"].partition(",")[2])))
    assert max(ground.size) == MAX_CANVAS_SIDE and (value["width"], value["height"]) == (1600, 1000)
    thing = value["objects"][0]
    assert thing["box"] == [600, 400, 1200, 800]
    assert thing["around"] == pytest.approx([600, 400, 1200, 800], abs=8)


def test_a_speck_does_not_vanish_from_the_canvas() -> None:
    mask = np.zeros((100, 100), np.bool_)
    mask[50, 50] = True
    assert mask_at_size(mask, Size(10, 10)).any()


def test_what_a_browser_says_may_be_anything() -> None:
    assert parse_canvas_value(None) == ("", [])
    assert parse_canvas_value([1]) == ("", [])
    assert parse_canvas_value({"id": 3, "moves": None}) == ("3", [])


# The tab


def test_every_advanced_setting_is_the_records_own() -> None:
    record = ArrangeRecord(photo="p")
    values = {name: setting_of(name).default for name in ADVANCED}
    assert with_settings(record, values) == record
    assert all(setting_of(name).help for name in ADVANCED)


def test_settings_go_to_their_groups_and_emptied_ones_stay_default() -> None:
    record = with_settings(ArrangeRecord(photo="p"), {"compose.strength": 0.5, "steps": None, "prompt": "a cat"})
    assert (record.compose.strength, record.steps, record.prompt) == (0.5, 50, "a cat")
    for empty in (None, "", "  "):
        assert with_settings(ArrangeRecord(photo="p"), {"size": empty, "seed": 0}).size is None
    assert with_settings(ArrangeRecord(photo="p"), {"size": " 256 "}).size == 256
    for bad in ("a few", "0", "-3", "1e3"):
        with pytest.raises(RecordError, match=r"[Ss]ize"):
            with_settings(ArrangeRecord(photo="p"), {"size": bad})
    with pytest.raises(RecordError, match="strength"):
        with_settings(ArrangeRecord(photo="p"), {"compose.strength": 5})


def test_a_records_numbers_are_of_its_own_kind_whatever_a_browser_sends() -> None:
    record = with_settings(ArrangeRecord(photo="p"), {"guidance": 3, "compose.strength": 1, "steps": 20, "seed": 2})
    assert repr((record.guidance, record.compose.strength, record.steps, record.seed)) == "(3.0, 1.0, 20, 2)"


def test_names_are_parted_by_commas_and_lines() -> None:
    assert parse_names(" cat, potted plant;\n dog 1 ,, ") == ("cat", "potted plant", "dog 1")


def test_hostile_words_are_shown_as_text() -> None:
    bad = '<img src=x onerror="alert(1)">'
    for shown in (
        message_html(bad),
        message_html(bad, error=True),
        progress_html(Step(progress=Progress(stage=bad, done=1, total=2))),
    ):
        assert "<img" not in shown and "&lt;img" in shown.lower()
    assert "<img" not in loss_plot([Loss(stage=bad, step=1, value=1.0)])


def test_the_losses_are_a_line_for_each_stage() -> None:
    losses = [Loss(stage="tokens", step=k, value=1 / k) for k in range(1, 6)]
    losses += [Loss(stage="keys and values", step=k, value=0.1) for k in range(6, 9)]
    drawn = loss_plot(losses)
    assert drawn.count("<polyline") == 4 and "keys and values" in drawn and "update 8" in drawn
    assert loss_plot([]) == ""
    assert "nan" not in loss_plot([Loss(stage="tokens", step=1, value=0.0)])


def test_stopping_is_no_failure() -> None:
    assert error_text(Cancelled("x")).startswith("Stopped")
    assert error_text(LayoutError("a fact")) == "a fact"
    assert "KeyError" in error_text(KeyError("x"))


@pytest.mark.parametrize("name", ["", "scene-0001", "../scene-0001", "photo-0001/..", "/etc", "arrange-0001"])
def test_a_page_names_only_what_is_in_its_own_folder(store: SessionStore, name: str) -> None:
    session = store.join(None)
    (session.folder.parent / "scene-0001").mkdir()
    with pytest.raises(LayoutError, match="no picture"):
        source_path(session, name)


def session_with_yard(store: SessionStore) -> tuple[Session, str]:
    import shutil

    session = store.join(None)
    folder = session.new_folder("scene")
    shutil.copytree(YARD, folder / "yard.scene")
    return session, folder.name


def values() -> dict[str, Any]:
    return {"mode": "auto", **{name: setting_of(name).default for name in ADVANCED}}


def test_a_request_is_the_record_of_the_scene_and_the_moves(store: SessionStore) -> None:
    session, scene = session_with_yard(store)
    value = {"id": scene, "moves": [{"name": "dog", "x": 9}]}
    record, moves = ArrangeService(store).build_record(session, value, values(), None, None)
    assert record.move == ("dog=+9,+0",)
    assert record.photo == str(session.folder / scene / "yard.scene" / "photo.png")
    assert [m.name for m in moves] == list(NAMES)
    with pytest.raises(LayoutError, match="move an object first"):
        ArrangeService(store).build_record(session, {"id": scene, "moves": []}, values(), None, None)


def test_a_drawn_layout_with_its_own_key_leaves_the_scene_its_own(store: SessionStore, tmp_path: Path) -> None:
    session, scene = session_with_yard(store)
    key = tmp_path / "key.json"
    key.write_text('{"house": [1, 1, 1], "tree": [2, 2, 2], "dog": [3, 3, 3], "background": [0, 0, 0]}')
    mask = np.asarray(Image.open(YARD / "mask.png").convert("RGB"))
    colours = json.loads((YARD / "colours.json").read_text())
    drawn = np.zeros_like(mask)
    for number, name in enumerate(NAMES, 1):
        drawn[(mask == colours[name]).all(-1)] = number
    Image.fromarray(np.roll(drawn, 6, axis=1)).save(tmp_path / "layout.png")
    record, _ = ArrangeService(store).build_record(
        session, {"id": scene, "moves": []}, values(), str(tmp_path / "layout.png"), str(key)
    )
    layout = read_layout(record, read_scene_folder(Path(record.photo)))
    assert all(p.matrix == pytest.approx((1, 0, 6, 0, 1, 0), abs=0.2) for p in layout.placements)


def test_learned_looks_are_used_from_then_on(store: SessionStore) -> None:
    session, scene = session_with_yard(store)
    value = {"id": scene, "moves": [{"name": "dog", "x": 9}]}
    for number in (1, 2):
        (session.folder / scene / f"looks-000{number}.safetensors").touch()
    record, _ = ArrangeService(store).build_record(session, value, values(), None, None)
    assert record.concepts == str(session.folder / scene / "looks-0002.safetensors")


def test_results_are_found_again_in_the_order_they_were_made(store: SessionStore) -> None:
    session, scene = session_with_yard(store)
    for number in (1, 2):
        folder = session.new_folder("arrange")
        files = {kind: str(folder / f"{kind}.x") for kind in ("picture", "record", "layout", "mask")}
        record = dataclasses.asdict(record_from_moves(moved(x=float(number)), NAMES, BASE))
        write_moves(folder, {"files": {**files, "others": []}, "record": record}, scene, moved(x=float(number)))
    session.new_folder("arrange")  # one that was stopped
    found = list_arrangements(session)
    assert [m.words for m in found] == ["dog moved by +1,+0", "dog moved by +2,+0"]
    assert read_moves(found[1].moves, NAMES) == moved(x=2.0)


def test_other_programs_ask_by_scene_and_moves(store: SessionStore) -> None:
    owner, scene = session_with_yard(store)
    wish = {"scene": f"{owner.token}/{scene}", "moves": [{"name": "dog", "gone": True}]}
    record, _, _ = read_request(ArrangeService(store), store.join(None), None, wish)
    assert record.remove == ("dog",)
    assert record.mask == scene_record(owner.folder / scene / "yard.scene").mask
    given = {"scene": wish["scene"], "record": {"mask": "/etc/passwd", "move": ["dog=+3,0"], "seed": 4}}
    record, _, _ = read_request(ArrangeService(store), store.join(None), None, given)
    assert (record.move, record.seed) == (("dog=+3,0",), 4)
    assert record.mask == scene_record(owner.folder / scene / "yard.scene").mask


@pytest.mark.parametrize(
    "record",
    [
        {"layout": "/etc/passwd"},
        {"boxes": "/etc/passwd"},
        {"concepts": "x"},
        {"learn": {"prior": "/"}},
        {"masks": ["a=b"]},
    ],
)
def test_other_programs_cannot_name_files_of_this_machine(store: SessionStore, record: dict[str, Any]) -> None:
    owner, scene = session_with_yard(store)
    with pytest.raises(RecordError, match="files"):
        read_request(
            ArrangeService(store), store.join(None), None, {"scene": f"{owner.token}/{scene}", "record": record}
        )


@pytest.mark.parametrize("wish", [None, 3, {}, {"record": 3}, {"scene": "nobody/scene-0001"}])
def test_other_programs_are_told_what_is_wrong(store: SessionStore, wish: Any) -> None:
    with pytest.raises(RecordError):
        read_request(ArrangeService(store), store.join(None), None, wish)


# A page's work, results and examples


def test_a_page_has_one_piece_of_work_at_a_time() -> None:
    queue: WorkQueue[str] = WorkQueue()
    assert queue.add("one", "first") and not queue.add("one", "second") and queue.add("two", "other")
    assert queue.begin("one") == "first"
    assert queue.begin("one") is None
    assert not queue.is_cancelled("one") and not queue.cancel("one")  # it goes on already
    assert queue.is_cancelled("one") and not queue.is_cancelled("two")
    assert not queue.add("one", "second")
    queue.end("one")
    assert queue.begin("one") is None
    assert queue.add("one", "second")


def test_what_waits_is_called_off_and_something_else_wanted() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("one", "first")
    assert queue.cancel("one") == "first" and queue.cancel("one") is None
    assert queue.begin("one") is None
    queue.add("one", "second")
    # The queue comes to what was called off: it finds what is wanted now, and the next time nothing.
    assert queue.begin("one") == "second"
    queue.end("one")
    assert queue.begin("one") is None


def test_work_that_was_to_stop_counts_for_nothing(store: SessionStore) -> None:
    session = store.join(None)
    with pytest.raises(Cancelled):
        list(run_unless_cancelled(session, session.stop.set))
    steps = run_unless_cancelled(session, lambda: 3)
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == 3


def test_every_object_has_a_name_of_its_own() -> None:
    assert unique_name("dog", ()) == "dog"
    assert unique_name("dog", ("cat",)) == "dog"
    assert unique_name("dog", ("dog", "cat")) == "dog 2"
    assert unique_name("dog", ("dog", "dog 2", "dog 3")) == "dog 4"
    assert unique_name("dog 2", ("dog", "dog 2")) == "dog 3"


def test_one_more_object_comes_to_the_front_and_leaves_the_others() -> None:
    moves = append_move(moved(x=9.0), "cat")
    assert moves == (*moved(x=9.0), Move(name="cat"))
    assert rename_move(moves, "dog", "wolf")[2] == Move(name="wolf", x=9.0)


def test_an_object_gets_another_name_in_a_scene_of_its_own(store: SessionStore) -> None:
    session, scene = session_with_yard(store)
    place = source_path(session, scene)
    name, made = ArrangeService(store).rename(session, place, "dog", "  my   wolf ")
    assert name != scene and names_of(source_path(session, name)) == ("house", "tree", "my wolf") == made.names
    assert names_of(place) == NAMES
    for former, wanted in (("dog", "tree"), ("dog", " "), ("dog", "Background"), ("cat", "wolf")):
        with pytest.raises(LayoutError):
            ArrangeService(store).rename(session, place, former, wanted)


def test_examples_come_with_all_that_they_need(tmp_path: Path) -> None:
    cards = example_cards()
    assert len(cards) == len(EXAMPLES) >= 2
    for card in cards:
        assert card["title"] and card["picture"].startswith("data:image/jpeg;base64,")
    for example in EXAMPLES:
        record = example.record(tmp_path / "photo.png", "pocket")
        assert bool(record.find) != bool(record.mask)
        for file in filter(None, (record.mask, record.colours)):
            assert Path(file).is_file()


def test_pictures_of_learning_say_how_far_it_was() -> None:
    drawn = loss_plot_html(
        [Loss(stage="tokens", step=1, value=1.0)], [Painted(done=30, total=140, url='data:"><img onerror=1>')]
    )
    assert "update 30 of 140" in drawn and drawn.count("<img") == 1 and "<svg" in drawn
    assert loss_plot_html([], []) == ""


def test_a_result_shows_its_files_and_where_it_began(store: SessionStore) -> None:
    session, scene = session_with_yard(store)
    folder = session.new_folder("arrange")
    files = {kind: str(folder / name) for kind, name in FILES.items()}
    record = dataclasses.asdict(record_from_moves(moved(x=5.0), NAMES, BASE))
    write_moves(
        folder, {"files": {**files, "others": [str(folder / "yard.2.png")]}, "record": record}, scene, moved(x=5.0)
    )
    facts = result_facts(list_arrangements(session)[0], Path("photo.png"))
    assert [p["picture_name"] for p in facts["pictures"]] == ["yard.png", "yard.2.png"]
    assert [p["record_name"] for p in facts["pictures"]] == ["yard.json", "yard.2.json"]
    assert (facts["layout_name"], facts["mask_name"]) == ("yard.layout.png", "yard.mask.png")
    assert facts["before"].endswith("file=photo.png") and facts["folder"] == folder.name


FILES = {"picture": "yard.png", "record": "yard.json", "layout": "yard.layout.png", "mask": "yard.mask.png"}


def test_the_history_has_the_results_of_both_ways_in_their_order(store: SessionStore) -> None:
    session, scene = session_with_yard(store)
    by_words = session.new_folder("edit")
    Image.new("RGB", (8, 8)).save(by_words / "a.png")
    (by_words / "a.json").write_text('{"record": {"prompt": "a cat"}}')
    folder = session.new_folder("arrange")
    files = {kind: str(folder / name) for kind, name in FILES.items()}
    record = dataclasses.asdict(record_from_moves(moved(x=5.0), NAMES, BASE))
    write_moves(folder, {"files": {**files, "others": []}, "record": record}, scene, moved(x=5.0))
    cards = history_cards(session)
    assert [(card["kind"], card["words"]) for card in cards] == [("words", "a cat"), ("layout", "dog moved by +5,+0")]
    assert cards[0]["folder"] == by_words.name and cards[1]["index"] == 0


def test_models_are_chosen_only_where_there_is_a_choice(tmp_path: Path) -> None:
    from intarsia.web.server import build

    for names, seen in ((("pocket",), False), (("pocket", "sd15"), True)):
        page = build(SessionStore(tmp_path / "-".join(names), models=names, machine=Machine(device="cpu")))
        found: Any
        [found] = (b for b in page.blocks.values() if getattr(b, "elem_id", None) == "layout-models")
        assert found.visible is seen
        assert found.value == "pocket" and [value for _, value in found.choices] == list(names)


def test_an_empty_number_is_shown_empty() -> None:
    from intarsia.web.arrange_settings import control

    assert control(setting_of("size")).value is None
    assert control(setting_of("seed")).value == 0


def test_a_large_ground_is_filled_as_smoothly_and_leaves_what_is_known() -> None:
    rows, columns = np.mgrid[:700, :901].astype(np.float32)
    picture = np.dstack([rows / 4, columns / 4, rows / 8 + columns / 8])
    known = np.ones(picture.shape[:2], np.bool_)
    known[200:500, 300:651] = False
    filled = fill_ground(np.where(known[..., None], picture, 0).astype(np.float32), known)
    assert np.array_equal(filled[known], picture[known])
    # A slope is a membrane of its own.
    assert np.abs(filled - picture).max() < 2
