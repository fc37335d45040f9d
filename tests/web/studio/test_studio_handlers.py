"""What happens on the canvas: photos come, are selected in, edited and taken home; wrong data gets a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")
from intarsia.web import studio_drafts
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.studio import EVENTS
from intarsia.web.studio_handlers import StudioHandlers
from intarsia.web.studio_visitors import MOST_ANSWERS
from tests.web.studio.conftest import DISC, SIDE, SQUARE, Canvas, file_of, image_of

Mask = Callable[..., str]


# Photos


def test_a_page_arrives_empty_and_with_what_may_be_chosen(handlers: StudioHandlers, session: Session) -> None:
    page = Canvas(handlers, session.token)
    assert (page.state["phase"], page.state["draft"], page.state["drafts"]) == ("empty", None, [])
    models = page.state["models"]
    assert models["current"] == "pocket" and models["downloads"] == [] and models["download"] is None
    assert models["choices"] == [
        {"name": "pocket", "label": "pocket", "toy": True, "can": "toy model: emoji pictures only"}
    ]


def test_a_photo_becomes_a_draft_that_a_reload_and_another_page_find(
    canvas: Canvas, handlers: StudioHandlers, session: Session
) -> None:
    draft = canvas.draft
    assert (draft["name"], draft["format"], draft["steps"]) == ("square.png", "PNG", [])
    assert (draft["original"]["width"], draft["original"]["height"]) == (SIDE, SIDE)
    canvas.do("saved", saved={"undo": [1, 2]})
    reloaded = Canvas(handlers, session.token, "reloaded")
    assert reloaded.state["phase"] == "empty" and reloaded.state["drafts"][0]["id"] == draft["id"]
    reloaded.do("arrived", draft=draft["id"])
    assert reloaded.state["phase"] == "ready" and reloaded.draft["saved"] == {"undo": [1, 2]}
    reloaded.do("chosen", models="pocket")
    assert reloaded.draft["saved"] is None, "only the first message has it"


def test_a_draft_is_rebuilt_from_its_files(canvas: Canvas, session: Session, mask: Mask) -> None:
    canvas.do("removed", path=mask(), keep=None, settings={})
    canvas.watch()
    canvas.do("saved", saved=[{"step": canvas.steps[0]["id"]}])
    read = studio_drafts.read_drafts(session)
    draft = read[canvas.draft["id"]]
    assert draft.steps == canvas.steps and draft.original == {**canvas.draft["original"], "name": "square.png"}
    assert draft.saved == [{"step": canvas.steps[0]["id"]}]
    (draft.folder / "draft.json").write_text("{")
    assert studio_drafts.read_drafts(session) == {}


def test_the_size_of_a_rotated_photo_is_that_of_the_upright_one(canvas: Canvas, uploads: Path) -> None:
    image = Image.new("RGB", (4000, 3000), (90, 120, 60))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(uploads / "sideways.jpg", exif=exif, quality=80)
    draft = canvas.open(uploads / "sideways.jpg", "IMG_0001.JPG")
    assert (draft["original"]["width"], draft["original"]["height"]) == (3000, 4000)
    assert (draft["name"], draft["format"]) == ("IMG_0001.JPG", "JPEG")
    levels = np.zeros((4000, 3000), np.uint8)
    levels[1000:1600, 900:1500] = 255
    Image.fromarray(levels).save(uploads / "upright.png")
    answer = canvas.ask("lifted", scene=None, name="", path=str(uploads / "upright.png"))
    assert (answer["scene"]["width"], answer["scene"]["height"]) == (3000, 4000)
    assert answer["scene"]["objects"][0]["box"] == [900, 1000, 1500, 1600]


@pytest.mark.parametrize("path", [None, 3, "", "/etc/passwd", "\0", "../x", ["a"]])
def test_what_is_no_upload_is_no_photo(canvas: Canvas, path: Any) -> None:
    before = canvas.draft["id"]
    canvas.do("opened", path=path, name="x")
    text, problem = canvas.said
    assert problem and text.endswith(".") and "/etc" not in text
    assert canvas.draft["id"] == before and len(canvas.state["drafts"]) == 1


def test_an_example_comes_with_a_suggestion(canvas: Canvas) -> None:
    for index in range(20):
        state = canvas.do("tried", index=index)
        if state["said"]["problem"]:
            break
        suggest = canvas.draft["suggest"]
        assert suggest["verb"] in ("remove", "change", "arrange")
    assert 5 <= index <= 8
    assert "not here any more" in canvas.said[0]
    assert canvas.do("tried", index="0")["said"]["problem"]


def test_photos_are_reopened_and_forgotten(canvas: Canvas, session: Session, photo: Path) -> None:
    first = canvas.draft["id"]
    second = canvas.open(photo, "second.png")["id"]
    assert [each["id"] for each in canvas.state["drafts"]] == [second, first]
    assert canvas.do("reopened", draft=first)["draft"]["id"] == first
    canvas.do("dropped", draft=first)
    assert canvas.state["phase"] == "empty" and [each["id"] for each in canvas.state["drafts"]] == [second]
    assert not (session.folder / first).exists()
    assert canvas.do("reopened", draft=first)["said"]["problem"]


def test_a_draft_of_another_visitor_is_refused(canvas: Canvas, store: SessionStore, handlers: StudioHandlers) -> None:
    stranger = Canvas(handlers, store.join(None).token, "stranger")
    draft = canvas.draft["id"]
    for name in ("arrived", "reopened", "dropped", "saved", "changed", "removed", "arranged", "named", "replayed"):
        stranger.do(name, draft=draft)
        assert stranger.said[1] and "not here any more" in stranger.said[0], name
        assert stranger.state["draft"] is None
    stranger.state["draft"] = {"id": draft}
    for name in ("pointed", "lifted", "gone_on", "exported"):
        answer = stranger.ask(name, points=[[40, 40, 1]])
        assert answer["kind"] == "problem" and "not here any more" in answer["text"], name
        stranger.state["draft"] = {"id": draft}
    assert canvas.do("chosen", models=None)["draft"]["id"] == draft


@pytest.mark.parametrize("draft", ["../x", "draft-0001/..", 3, {}, "draft-9999", ""])
def test_a_draft_must_be_named(canvas: Canvas, draft: Any) -> None:
    assert canvas.do("saved", draft=draft, saved=1)["said"]["problem"]


def test_too_much_is_not_kept(canvas: Canvas) -> None:
    canvas.do("saved", saved="x" * (studio_drafts.MOST_SAVED + 1))
    assert canvas.said[1] and "cannot be kept" in canvas.said[0]


def test_a_page_of_a_forgotten_visitor_is_told(handlers: StudioHandlers) -> None:
    request: Any = type("Request", (), {"session_hash": "page"})()
    state = handlers.handle("arrived", "0" * 32, request, type("Event", (), {"_data": {}})())
    assert state["phase"] == "arriving" and state["said"]["problem"] and state["n"] > 0


@pytest.mark.parametrize("data", [None, [], "x", 3])
@pytest.mark.parametrize("name", sorted(set(EVENTS) - {"pointed", "lifted", "gone_on", "exported"}))
def test_whatever_a_page_sends_gets_an_answer(canvas: Canvas, name: str, data: Any) -> None:
    state = canvas.handlers.handle(name, canvas.token, canvas.request, type("Event", (), {"_data": data})())
    assert set(state) == {"n", "phase", "job", "said", "models", "drafts", "draft", "answers"}
    json.dumps(state)


# Selecting


def test_an_object_is_outlined_by_a_click_or_a_box(canvas: Canvas) -> None:
    for wish in ({"points": [[40, 42, 1]], "box": None}, {"points": [], "box": [24, 24, 60, 60]}):
        answer = canvas.ask("pointed", **wish)
        assert answer["kind"] == "outline", answer
        found = np.asarray(image_of(answer["url"]).convert("L")) > 0
        meant = np.zeros((SIDE, SIDE), bool)
        meant[SQUARE, SQUARE] = True
        assert (found & meant).sum() / (found | meant).sum() > 0.9


@pytest.mark.parametrize(
    "wish",
    [
        {"points": [[40, 40, 0]]},
        {"points": []},
        {"points": [[40, 40]]},
        {"points": "40,40"},
        {"points": [["a", 1, 1]]},
        {"box": [1, 2, 3]},
        {"box": [500, 500, 600, 600]},
        {"points": [[500, 500, 1]]},
        {"points": [[1, 1, 1]] * 1000},
        {"points": [[40, 40, 1]], "base": "edit-0099"},
        {"points": [[40, 40, 1]], "base": "../photo-0001"},
    ],
)
def test_a_wrong_click_gets_a_sentence(canvas: Canvas, wish: dict[str, Any]) -> None:
    answer = canvas.ask("pointed", **wish)
    assert answer["kind"] == "problem" and answer["text"].endswith(".")
    assert not canvas.state["said"]["problem"]


def test_the_last_answers_are_sent_again(canvas: Canvas) -> None:
    for _ in range(MOST_ANSWERS + 3):
        canvas.ask("exported", step="", candidate=0, format="png")
    assert len(canvas.state["answers"]) == MOST_ANSWERS


def test_what_is_asked_too_much_at_once_is_refused(canvas: Canvas) -> None:
    canvas.handlers._asking[canvas.token] = 1000
    assert canvas.ask("pointed", points=[[40, 40, 1]])["text"].startswith("Too much")


# Results


def test_a_removal_is_a_step_in_plain_words(canvas: Canvas, mask: Mask) -> None:
    canvas.do("removed", path=mask(), keep=None, settings={"shadows": False, "seed": 3})
    assert canvas.state["phase"] in ("waiting", "working") and canvas.state["job"]["verb"] == "remove"
    canvas.watch()
    (step,) = canvas.steps
    assert canvas.state["phase"] == "ready" and canvas.state["job"] is None and not canvas.said[1]
    assert step["verb"] == "remove" and step["base"] == "" and step["facts"] + "." == canvas.said[0]
    assert "evaluations" not in step["facts"] and "record" not in step["facts"]
    assert step["method"] == "filled from its surroundings" and step["box"][0] <= 30
    assert step["picture"]["width"] == SIDE and file_of(step["picture"]["url"]).is_file()
    assert file_of(step["thumb"]).is_file() and file_of(step["advanced"]["record"]).is_file()
    record = json.loads(file_of(step["advanced"]["record"]).read_text())["record"]
    assert (record["shadows"], record["seed"]) == (False, 3)


def test_one_step_is_made_from_another(canvas: Canvas, mask: Mask) -> None:
    canvas.do("removed", path=mask(), settings={})
    canvas.watch()
    first = canvas.steps[0]["id"]
    canvas.do("removed", path=mask(DISC), base=first, settings={})
    canvas.watch()
    second = canvas.steps[1]
    assert second["base"] == first
    pixels = np.asarray(image_of(second["picture"]["url"]).convert("RGB")).astype(int)
    assert abs(pixels[SQUARE, SQUARE] - 120).max() < 60 and abs(pixels[DISC, DISC] - 120).max() < 60


def test_what_is_to_be_kept_is_kept(canvas: Canvas, mask: Mask, photo: Path) -> None:
    canvas.do("removed", path=mask(), keep=mask(slice(40, 54)), settings={"shadows": False, "grow": 0})
    canvas.watch()
    before, after = (np.asarray(image_of(url)) for url in (str(photo), canvas.steps[0]["picture"]["url"]))
    assert (before[44:54, 44:54] == after[44:54, 44:54, :3]).all() and (before[32, 32] != after[32, 32, :3]).any()
    canvas.do("removed", path=mask(), keep=mask(), settings={})
    assert canvas.said == ("All of the selection is to be kept: select more, or keep less.", True)


@pytest.mark.parametrize(
    "settings",
    [{"mask": "/etc/passwd"}, {"fill_model": "x"}, {"seed": "x"}, {"seed": 1.5}, {"shadows": 1}, {"grow": 7}, "x", [1]],
)
def test_wrong_settings_get_a_sentence(canvas: Canvas, mask: Mask, settings: Any) -> None:
    canvas.do("removed", path=mask(), settings=settings)
    assert canvas.said[1] and canvas.said[0].endswith(".") and canvas.state["job"] is None


@pytest.mark.parametrize("kind", ["nothing", "size", "text", "missing", "colour"])
def test_a_wrong_selection_gets_a_sentence(canvas: Canvas, mask: Mask, uploads: Path, kind: str) -> None:
    if kind == "colour":
        Image.new("RGB", (SIDE, SIDE), (255, 0, 0)).save(uploads / "colour.png")
    (uploads / "text.png").write_text("no picture")
    path = {
        "nothing": mask(level=0),
        "size": mask(side=40),
        "text": str(uploads / "text.png"),
        "missing": None,
        "colour": str(uploads / "colour.png"),
    }[kind]
    canvas.do("removed", path=path, settings={})
    assert canvas.said[1] and canvas.said[0].endswith(".") and str(uploads) not in canvas.said[0]
    assert canvas.state["job"] is None and not canvas.steps


def test_a_picture_is_taken_home(canvas: Canvas, mask: Mask) -> None:
    canvas.do("removed", path=mask(), settings={})
    canvas.watch()
    answer = canvas.ask("exported", step=canvas.steps[0]["id"], candidate=0, format="keep")
    assert answer["kind"] == "file" and file_of(answer["url"]).is_file() and answer["name"].endswith(".png")
    for wrong in ({"step": "remove-0099"}, {"step": canvas.steps[0]["id"], "candidate": 7}, {"step": 3}):
        assert canvas.ask("exported", format="png", **wrong)["kind"] == "problem"


def test_a_result_is_made_again(canvas: Canvas, mask: Mask) -> None:
    canvas.do("removed", path=mask(), settings={})
    canvas.watch()
    canvas.do("replayed", ticket="again", step=canvas.steps[0]["id"], candidate=0)
    canvas.watch()
    assert canvas.state["answers"]["again"] == {"kind": "done"} and canvas.said == ("The same pixels came out.", False)
    assert len(canvas.steps) == 1


def test_a_toy_model_asks_before_it_smears_a_photograph(handlers: StudioHandlers, session: Session) -> None:
    pytest.importorskip("skimage")
    page = Canvas(handlers, session.token)
    page.do("tried", index=0)
    assert page.draft["toy"]["command"] == "intarsia models download sd15"
    page.do("changed", path=None, source="", prompt="a cake", settings={}, anyway=False)
    assert page.said[1] and "toy world" in page.said[0] and page.state["job"] is None
    assert not list(session.folder.glob("edit-*"))
