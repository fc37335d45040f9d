"""Objects are cut out on the canvas, moved, and gone on from; words find them; pocket changes them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")
from intarsia.backbones.protocols import Backbones
from intarsia.imaging.geometry import Size
from intarsia.progress import Progress
from intarsia.records.arrange import ArrangeRecord
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.studio_drafts import read_draft
from intarsia.web.studio_handlers import StudioHandlers
from tests.paths import PACKAGE_SCENES
from tests.web.studio.conftest import DISC, SIDE, Canvas, file_of, image_of, until

Mask = Callable[..., str]


@pytest.fixture
def store(tmp_path: Path, pocket: Backbones) -> Iterator[SessionStore]:
    """With the pocket models, which mend what is moved in so small a picture."""
    store = SessionStore(tmp_path / "sessions", models="pocket", load=lambda *_, **__: pocket)
    yield store
    store.close()


def lifted(canvas: Canvas, path: str, **data: Any) -> dict[str, Any]:
    answer = canvas.ask("lifted", **{"scene": None, "name": "", "path": path, **data})
    assert answer["kind"] == "scene", answer
    scene: dict[str, Any] = answer["scene"]
    return scene


def moved(scene: dict[str, Any], **by_name: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**move, **by_name.get(move["name"].replace(" ", "_"), {})} for move in scene["moves"]]


def arranged(canvas: Canvas, scene: dict[str, Any], **by_name: Any) -> dict[str, Any]:
    canvas.do("arranged", scene=scene["id"], moves=moved(scene, **by_name), layout=None, settings={})
    assert not canvas.said[1], canvas.said
    canvas.watch()
    step: dict[str, Any] = canvas.steps[-1]
    return step


def test_a_selection_becomes_a_cut_out(canvas: Canvas, mask: Mask) -> None:
    scene = lifted(canvas, mask())
    (thing,) = scene["objects"]
    assert (scene["base"], scene["width"], scene["height"]) == ("", SIDE, SIDE)
    assert (thing["name"], thing["box"]) == ("object 1", [30, 30, 54, 54]) and len(thing["colour"]) == 3
    assert image_of(scene["ground"]).size == (SIDE, SIDE)
    cut = image_of(thing["picture"])
    assert cut.mode == "RGBA" and abs(thing["around"][2] - thing["around"][0] - cut.width) < 1
    marked = np.asarray(image_of(thing["mask"]).convert("L")) > 0
    assert marked.shape == (SIDE, SIDE) and marked.sum() == 24 * 24
    assert scene["moves"] == [
        {**dict.fromkeys(("x", "y", "turn"), 0.0), **scene["moves"][0], "name": "object 1", "wide": 1.0, "gone": False}
    ]


def test_objects_join_a_scene_and_are_moved_together(canvas: Canvas, mask: Mask, photo: Path) -> None:
    first = lifted(canvas, mask(), name="red")
    step = arranged(canvas, first, red={"x": -20.0, "y": -20.0})
    assert (step["verb"], step["base"], step["scene"], step["said"]) == ("arrange", "", first["id"], "red moved")
    assert step["method"] == "moved as it is" and step["facts"].startswith("Moved in")
    # The blue square has the pixels of the original still: it joins, and the red one keeps its move.
    both = lifted(canvas, mask(DISC), base=step["id"], scene=first["id"])
    assert [each["name"] for each in both["objects"]] == ["red", "object 1"] and both["base"] == ""
    assert {move["name"]: move["x"] for move in both["moves"]} == {"red": -20.0, "object 1": 0.0}
    second = arranged(canvas, both, object_1={"y": 8.0})
    assert second["base"] == "" and second["said"] == "red, object 1 moved"
    pixels = np.asarray(image_of(second["picture"]["url"]).convert("RGB")).astype(int)
    assert pixels[20, 20, 0] > 180 and pixels[82, 74, 2] > 180 and pixels[45, 45, 0] < 170
    going_on = canvas.ask("gone_on", step=second["id"])["scene"]
    assert going_on["id"] == both["id"] and {m["name"]: (m["x"], m["y"]) for m in going_on["moves"]} == {
        "red": (-20.0, -20.0),
        "object 1": (0.0, 8.0),
    }


def test_what_is_no_longer_in_the_original_starts_a_scene_of_its_own(canvas: Canvas, mask: Mask) -> None:
    first = lifted(canvas, mask())
    canvas.do("removed", path=mask(DISC), settings={})
    canvas.watch()
    removed = canvas.steps[-1]["id"]
    scene = lifted(canvas, mask(DISC), base=removed, scene=first["id"])
    assert scene["base"] == removed and [each["name"] for each in scene["objects"]] == ["object 1"]


def test_an_object_that_is_selected_again_is_mended(canvas: Canvas, mask: Mask) -> None:
    first = lifted(canvas, mask(), name="red")
    again = lifted(canvas, mask(slice(30, 56)), scene=first["id"])
    assert [(each["name"], each["box"]) for each in again["objects"]] == [("red", [30, 30, 56, 56])]


def test_a_photo_before_it_was_moved_is_the_same_as_the_original_elsewhere(
    canvas: Canvas, mask: Mask, photo: Path
) -> None:
    step = arranged(canvas, lifted(canvas, mask()), object_1={"x": 6.0})
    before, after = (np.asarray(image_of(url).convert("RGB")) for url in (str(photo), step["picture"]["url"]))
    assert (before[DISC, DISC] == after[DISC, DISC]).all() and (before[:10] == after[:10]).all()


@pytest.mark.parametrize(
    "data",
    [
        {"scene": None},
        {"scene": "scene-0099"},
        {"scene": "../x"},
        {"moves": "x"},
        {"moves": [{"name": "dog"}]},
        {"moves": [{"name": "object 1", "x": float("nan")}]},
        {"moves": []},
        {"layout": "/etc/passwd"},
        {"settings": {"concepts": "/etc/passwd"}},
        {"settings": {"compose.strength": "much"}},
        {"settings": {"steps": 0}},
        {"models": "other/models"},
    ],
)
def test_wrong_moves_get_a_sentence(canvas: Canvas, mask: Mask, data: dict[str, Any]) -> None:
    scene = lifted(canvas, mask())
    right = {"scene": scene["id"], "moves": moved(scene, object_1={"x": 4.0}), "layout": None, "settings": {}}
    canvas.do("arranged", **{**right, **data})
    assert canvas.said[1] and canvas.said[0].endswith(".") and canvas.state["job"] is None
    assert "/" not in canvas.said[0].replace("other/models", "")


@pytest.mark.parametrize("scene", ["scene-0099", "../x", 3])
def test_a_scene_must_be_there(canvas: Canvas, mask: Mask, scene: Any) -> None:
    assert canvas.ask("lifted", scene=scene, name="", path=mask())["kind"] == "problem"
    assert canvas.ask("gone_on", step="arrange-0099")["kind"] == "problem"


def test_a_painted_layout_moves_and_removes(canvas: Canvas, mask: Mask, uploads: Path) -> None:
    first = lifted(canvas, mask())
    both = lifted(canvas, mask(DISC), scene=first["id"])
    colours = {each["name"]: each["colour"] for each in both["objects"]}
    source = next((canvas.handlers.visitors.get(canvas.token).session.folder / both["id"]).glob("*.scene"))
    key = json.loads((source / "colours.json").read_text())
    layout = np.full((SIDE, SIDE, 3), key["background"], np.uint8)
    layout[10:34, 60:84] = colours["object 1"]
    Image.fromarray(layout).save(uploads / "layout.png")
    canvas.do("arranged", scene=both["id"], moves=[], layout=str(uploads / "layout.png"), settings={"fill": "patch"})
    assert canvas.said[1], "fill has no place on the page"
    canvas.do("arranged", scene=both["id"], moves=[], layout=str(uploads / "layout.png"), settings={})
    canvas.watch()
    step = canvas.steps[-1]
    assert step["said"] == "painted layout" and file_of(step["layout"]).is_file()
    assert {move["name"]: move["gone"] for move in step["moves"]} == {"object 1": False, "object 2": True}


# With the pocket models


@pytest.fixture
def drawn(handlers: StudioHandlers, session: Session, uploads: Path) -> Canvas:
    """A page with a drawing that the pocket models know."""
    page = Canvas(handlers, session.token)
    (uploads / "cat.png").write_bytes((PACKAGE_SCENES / "cat-and-plant.png").read_bytes())
    page.open(uploads / "cat.png", "cat.png")
    assert page.draft["toy"] is None
    return page


@pytest.mark.slow
def test_words_find_and_change(drawn: Canvas) -> None:
    drawn.do("named", ticket="find", words="cat, potted plant", models=None)
    assert drawn.state["job"]["verb"] == "find"
    drawn.watch()
    answer = drawn.state["answers"]["find"]
    assert answer["kind"] == "found", answer
    assert [thing["name"] for thing in answer["things"]] == ["cat", "potted plant"]
    assert all(0 <= thing["confidence"] <= 1 and file_of(thing["url"]).is_file() for thing in answer["things"])
    drawn.do("changed", path=None, source="plant", prompt="a tree", settings={"keep": 2}, models="pocket")
    seen = drawn.watch()
    assert any(state["job"] and state["job"]["look"] for state in seen)
    (step,) = drawn.steps
    assert (step["verb"], step["said"], step["method"]) == ("change", "a tree", "painted anew")
    assert len(step["candidates"]) == 2 and step["reason"] == "where it fits best"
    assert drawn.ask("exported", step=step["id"], candidate=1, format="png")["name"].endswith("2.png")


def test_a_change_where_was_selected_stays_there(drawn: Canvas, uploads: Path) -> None:
    width, height = drawn.draft["original"]["width"], drawn.draft["original"]["height"]
    levels = np.zeros((height, width), np.uint8)
    levels[10:40, 4:34] = 255
    Image.fromarray(levels).save(uploads / "where.png")
    drawn.do("changed", path=str(uploads / "where.png"), source="", prompt="a tree", settings={"keep": 1})
    drawn.watch()
    step = drawn.steps[-1]
    assert step["reason"] == "where you selected", drawn.said
    before, after = (
        np.asarray(image_of(url).convert("RGB")) for url in (drawn.draft["original"]["url"], step["picture"]["url"])
    )
    changed = (before != after).any(-1)
    assert changed.any() and not (changed & (levels == 0)).any()


@pytest.mark.parametrize("words", ["", " , ", "submarine", None, ", ".join("abcdefghijklmnop")])
def test_words_that_find_nothing_get_a_sentence(drawn: Canvas, words: Any) -> None:
    drawn.do("named", ticket="find", words=words)
    drawn.watch()
    answer = drawn.state["answers"]["find"]
    if answer["kind"] == "found":  # the small models see something in most things
        assert words == "submarine"
    else:
        assert answer["text"].endswith(".") and not drawn.said[0]


@pytest.mark.parametrize(
    "data", [{"prompt": ""}, {"prompt": "x" * 5000}, {"settings": {"regions": "x"}}, {"base": "x"}]
)
def test_wrong_words_get_a_sentence(drawn: Canvas, data: dict[str, Any]) -> None:
    drawn.do("changed", **{"path": None, "source": "", "prompt": "a tree", "settings": {}, **data})
    assert drawn.said[1] and drawn.said[0].endswith(".") and drawn.state["job"] is None


# Toy models, and the line


def on_a_photograph(handlers: StudioHandlers, monkeypatch: pytest.MonkeyPatch) -> None:
    banner = {"text": "The pocket models know a toy world alone.", "command": "a command"}
    monkeypatch.setattr(handlers.models, "toy_banner", lambda chosen, photo: banner)


def painted(canvas: Canvas, scene: dict[str, Any], uploads: Path) -> str:
    """A layout that shows the only object of a scene in quite another shape, as the page uploads it."""
    source = next((canvas.handlers.visitors.get(canvas.token).session.folder / scene["id"]).glob("*.scene"))
    key = json.loads((source / "colours.json").read_text())
    layout = np.full((SIDE, SIDE, 3), key["background"], np.uint8)
    rows, columns = np.mgrid[:40, :40]
    layout[5:45, 45:85][abs(rows - columns) < 6] = scene["objects"][0]["colour"]
    Image.fromarray(layout).save(uploads / "painted.png")
    return str(uploads / "painted.png")


def test_a_toy_model_moves_what_is_painted_into_a_photograph(
    canvas: Canvas, mask: Mask, uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_photograph(canvas.handlers, monkeypatch)
    scene = lifted(canvas, mask())
    layout = painted(canvas, scene, uploads)
    canvas.do("arranged", scene=scene["id"], moves=[], layout=layout, settings={})
    canvas.watch()
    step = canvas.steps[-1]
    assert (step["method"], step["reason"]) == (
        "moved as it is",
        "this model cannot paint in photos, so it was moved as it is",
    )
    assert not step["watermarked"]


def test_a_toy_model_paints_objects_anew_only_where_it_may(
    canvas: Canvas, mask: Mask, uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_photograph(canvas.handlers, monkeypatch)
    scene = lifted(canvas, mask(), name="red")
    wish = {
        "scene": scene["id"],
        "moves": [],
        "layout": painted(canvas, scene, uploads),
        "settings": {"mode": "regenerate", "steps": 2, "learn.token_steps": 1, "learn.weight_steps": 0},
    }
    canvas.do("arranged", **wish)
    assert canvas.said == (
        "The pocket models know a toy world alone. Models for photographs come with a command.",
        True,
    )
    assert canvas.state["job"] is None and not canvas.steps
    canvas.do("arranged", **wish, anyway=True)
    canvas.watch()
    step = canvas.steps[-1]
    assert (step["method"], step["reason"], step["watermarked"]) == ("painted anew", "as you set it", True)


def test_what_needs_no_networks_waits_in_the_other_line(canvas: Canvas, session: Session) -> None:
    verbs, lines = canvas.handlers.verbs, canvas.handlers.store.lines
    record = ArrangeRecord(photo="photo.png", models="pocket")
    large, small = Size(2000, 1500), Size(96, 96)
    assert verbs._line_of(record, large) is lines.without_networks
    assert verbs._line_of(replace(record, layout="layout.png", mode="compose", colours="c"), large) is (
        lines.without_networks
    )
    assert verbs._line_of(record, small) is lines.networks  # pocket mends what is moved in so small a picture
    for other in (
        replace(record, layout="layout.png", colours="c"),
        replace(record, mode="regenerate"),
        replace(record, fill="diffusion"),
        replace(record, models="sd15"),
    ):
        assert verbs._line_of(other, large) is lines.networks


# A quick view first


@pytest.fixture
def large(handlers: StudioHandlers, session: Session, photo: Path, monkeypatch: pytest.MonkeyPatch) -> Canvas:
    """A page with a photo that takes long, as they go."""
    monkeypatch.setattr("intarsia.web.studio_work.QUICK_FROM", SIDE * SIDE - 1)
    canvas = Canvas(handlers, session.token)
    canvas.open(photo)
    return canvas


def held(canvas: Canvas, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let full results wait for an event, or for being stopped."""
    go_on, arranging = threading.Event(), canvas.handlers.verbs.arranging
    full = arranging._run

    def run(record: Any, folder: Path, on_progress: Any, **others: Any) -> Any:
        while not go_on.wait(0.01):
            on_progress(Progress(stage="waiting", done=1, total=2))
        return full(record, folder, on_progress, **others)

    monkeypatch.setattr(arranging, "_run", run)
    return go_on


def test_a_quick_view_comes_first_and_the_full_size_takes_its_place(
    large: Canvas, mask: Mask, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = held(large, monkeypatch)
    scene = lifted(large, mask(), name="red")
    large.do("arranged", scene=scene["id"], moves=moved(scene, red={"x": -20.0}), layout=None, settings={})
    until(lambda: large.do("saved", saved={})["draft"]["steps"])
    (quick,) = large.steps
    assert quick["small"] and large.state["phase"] == "working" and quick["said"] == "red moved"
    assert (quick["picture"]["width"], quick["picture"]["height"]) == (SIDE, SIDE)
    assert np.asarray(image_of(quick["picture"]["url"]))[40, 20, 0] > 150
    # Nothing is made of it, or downloaded, before it is finished; a reload shows it still.
    for name, data in (
        ("lifted", {"scene": None, "name": "", "path": mask()}),
        ("pointed", {"points": [[40, 40, 1]], "box": None}),
        ("exported", {"step": quick["id"], "candidate": 0, "format": "png"}),
    ):
        answer = large.ask(name, **{"base": quick["id"], **data})
        assert answer["kind"] == "problem" and "full size" in answer["text"], answer
    large.do("removed", base=quick["id"], path=mask(DISC), settings={})
    assert large.said[1] and "goes on" in large.said[0]
    other = Canvas(large.handlers, large.token, "reloaded")
    assert other.do("arrived", draft=quick["id"] and large.draft["id"])["draft"]["steps"] == [quick]
    go_on.set()
    large.watch()
    (step,) = large.steps
    assert step["id"] == quick["id"] and not step["small"] and step["candidates"]
    assert large.ask("exported", step=step["id"], candidate=0, format="png")["kind"] == "file"


def test_a_quick_view_goes_with_what_is_stopped(large: Canvas, mask: Mask, monkeypatch: pytest.MonkeyPatch) -> None:
    held(large, monkeypatch)
    scene = lifted(large, mask(), name="red")
    large.do("arranged", scene=scene["id"], moves=moved(scene, red={"x": -20.0}), layout=None, settings={})
    until(lambda: large.do("saved", saved={})["draft"]["steps"])
    folder = file_of(large.steps[0]["picture"]["url"]).parent
    large.do("stopped")
    assert not large.steps and large.state["phase"] == "ready"
    until(lambda: not folder.exists())
    assert not large.do("saved", saved={})["draft"]["steps"]
    assert not read_draft(folder.parent / large.draft["id"]).steps


@pytest.mark.slow
def test_a_quick_view_that_nothing_followed_is_forgotten(
    large: Canvas, mask: Mask, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = held(large, monkeypatch)
    scene = lifted(large, mask(), name="red")
    large.do("arranged", scene=scene["id"], moves=moved(scene, red={"x": -20.0}), layout=None, settings={})
    until(lambda: large.do("saved", saved={})["draft"]["steps"])
    folder = file_of(large.steps[0]["picture"]["url"]).parent.parent
    assert not read_draft(folder / large.draft["id"]).steps
    go_on.set()
    large.watch()
    assert read_draft(folder / large.draft["id"]).steps


@pytest.mark.slow
def test_a_scene_is_opened_once_for_its_quick_views(large: Canvas, mask: Mask) -> None:
    scene, service = lifted(large, mask(), name="red"), large.handlers.verbs.arranging
    arranged(large, scene, red={"x": -20.0})
    ((_, opened),) = service._opened.values()
    arranged(large, scene, red={"x": -10.0})
    ((_, again),) = service._opened.values()
    assert again is opened
    other = lifted(large, mask(DISC))
    arranged(large, other, object_1={"x": -10.0})
    assert len(service._opened) == 1 and next(iter(service._opened.values()))[1] is not opened
