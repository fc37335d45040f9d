"""A page's work, results and examples."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.web.arrange.yard_scene import BASE, NAMES, moved, session_with_yard

pytest.importorskip("gradio", reason="the web pages are an extra")
from intarsia.errors import Cancelled, LayoutError
from intarsia.tasks.options import Machine
from intarsia.web.arrange_cards import history_cards
from intarsia.web.arrange_examples import EXAMPLES, example_cards
from intarsia.web.arrange_service import ArrangeService, append_move, rename_move, run_unless_cancelled
from intarsia.web.arrange_settings import setting_of
from intarsia.web.arrange_store import (
    list_arrangements,
    names_of,
    result_facts,
    source_path,
    unique_name,
    write_moves,
)
from intarsia.web.canvas import (
    Move,
    fill_ground,
    record_from_moves,
)
from intarsia.web.loss_plot import Loss, Painted, loss_plot_html
from intarsia.web.queue import WorkQueue
from intarsia.web.sessions import SessionStore


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
