"""Ten tasks that a newcomer has, each in no more presses of the mouse than the best of other editors needs.

docs/newcomer.md tells what was counted for those. A press is a click or a drag; keys are counted apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.paths import PACKAGE_SCENES
from tests.web.browser.conftest import Shoot
from tests.web.browser.studio.hand import Hand

pytestmark = [pytest.mark.ui, pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task.

    Attributes:
        words: as somebody would say it.
        photo: its file, of the demo's scenes or of scikit-image's photographs.
        best: fewest presses of the mouse that another editor takes.
        do: does it, and waits for its end.
        after: what was done before, which does not count.
    """

    words: str
    photo: str
    best: int
    do: Callable[[Hand], None]
    after: Callable[[Hand], None] = lambda hand: None


def remove_bird(hand: Hand) -> None:
    hand.click((31, 39))
    hand.selected()
    hand.key("Delete")
    hand.done(1)


def remove_rocket(hand: Hand) -> None:
    hand.drag([(305, 90), (352, 365)])
    hand.selected()
    hand.key("Delete")
    hand.done(1)


def plant_to_house(hand: Hand) -> None:
    hand.few_steps()
    hand.write("What to change", "plant")
    hand.key("Tab")
    hand.page.keyboard.type("a house")
    hand.key("Enter")
    hand.done(1)


def selected_car_to_house(hand: Hand) -> None:
    hand.few_steps()
    hand.click((36, 95))
    hand.selected()
    hand.write("Change it to", "a house")
    hand.key("Enter")
    hand.done(1)


def larger_cup_to_the_left(hand: Hand) -> None:
    hand.drag([(74, 14), (484, 394)])
    hand.selected()
    hand.drag([(300, 250), (290, 250), (270, 250)])
    hand.moving()
    hand.pull(hand.page.locator('.o-handle[data-handle="se"]'), (20, 20))
    hand.key("Enter")
    hand.done(1)


def removed_twice(hand: Hand) -> None:
    remove_bird(hand)
    hand.click((36, 95))
    hand.selected()
    hand.key("Delete")
    hand.done(2)


def undo_two_steps(hand: Hand) -> None:
    shown = hand.shown
    hand.press("Undo")
    hand.press("Undo")  # what was selected before the second removal is selected no more
    hand.page.locator('.s-verbs[data-phase="start"]').wait_for()
    assert hand.shown not in ("", shown)


def click_cat(hand: Hand) -> None:
    hand.click((240, 120))
    hand.selected()


def mend_outline(hand: Hand) -> None:
    before = int(hand.mask.sum())
    hand.press("Brush")
    hand.drag([(60, 60), (120, 90), (160, 110)])
    hand.page.wait_for_function("document.querySelector('.s-verbs').dataset.phase === 'selected'")
    assert int(hand.mask.sum()) > before


def duplicate_coin(hand: Hand) -> None:
    hand.drag([(130, 26), (182, 76)])
    hand.selected()
    hand.press("Duplicate")
    hand.moving()
    name = hand.now["moves"][-1]["name"]
    move = hand.now["moves"][-1]
    hand.drag([(156 + move["x"], 51 + move["y"]), (230, 20)])
    assert hand.now["moves"][-1]["name"] == name
    hand.key("Enter")
    hand.done(1)


def compare_and_take_home(hand: Hand) -> None:
    hand.press("Compare")
    hand.page.locator(".v-slider").wait_for()
    with hand.page.expect_download() as taken:
        hand.press("Download JPEG")
    assert taken.value.suggested_filename.endswith(".jpg")


def remove_two_at_once(hand: Hand) -> None:
    hand.click((31, 39))
    hand.selected()
    before = int(hand.mask.sum())
    hand.click((36, 95), held=["Shift"])
    for _ in range(50):
        if int(hand.mask.sum()) > 1.3 * before:
            break
        hand.page.wait_for_timeout(100)
    assert int(hand.mask.sum()) > 1.3 * before
    hand.key("Delete")
    hand.done(1)


TASKS = (
    Task(words="Remove the bird", photo="bird-and-car.png", best=1, do=remove_bird),
    Task(words="Remove the rocket", photo="rocket.jpg", best=1, do=remove_rocket),
    Task(words="Turn the plant into a house", photo="dog-and-plant.png", best=2, do=plant_to_house),
    Task(words="Turn this car into a house", photo="bird-and-car.png", best=2, do=selected_car_to_house),
    Task(words="Make the cup larger, and move it left", photo="coffee.png", best=4, do=larger_cup_to_the_left),
    Task(words="Undo two steps", photo="bird-and-car.png", best=2, do=undo_two_steps, after=removed_twice),
    Task(words="Mend the outline of the cat", photo="chelsea.png", best=2, do=mend_outline, after=click_cat),
    Task(words="Duplicate a coin", photo="coins.png", best=3, do=duplicate_coin),
    Task(
        words="Compare, and take it home as JPEG",
        photo="rocket.jpg",
        best=2,
        do=compare_and_take_home,
        after=remove_rocket,
    ),
    Task(words="Remove two things at once", photo="bird-and-car.png", best=2, do=remove_two_at_once),
)


@pytest.mark.parametrize("task", TASKS, ids=[task.words for task in TASKS])
def test_a_newcomer_does_it_in_no_more_presses_than_elsewhere(
    task: Task, hand: Hand, photographs: Path, shoot: Shoot
) -> None:
    here = PACKAGE_SCENES / task.photo
    hand.open(here if here.is_file() else photographs / task.photo)
    task.after(hand)
    hand.presses = hand.keys = 0
    task.do(hand)
    shoot(hand.page, f"newcomer-{task.words.lower().replace(' ', '-').replace(',', '')}")
    print(f"{task.words}: {hand.presses} presses, {hand.keys} keys; elsewhere {task.best}")
    assert hand.presses <= task.best
