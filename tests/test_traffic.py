"""What goes between the host and a graphics card in each step of the loops, counted on the pretended one.

Before loops were rid of it, a step of an edit by words read 6 values of the card, for each of which the host waits; one
of composing carried 14.5 tensors there, of painting a background 7.5, of regenerating 51, under guidance 75; and an
update of keys and values read 27 values. The bounds are what is counted today, diffusers' own pipelines included.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from intarsia.backbones import load_backbones
from intarsia.backbones.protocols import Backbones
from intarsia.layout.concepts import Concepts
from intarsia.layout.edit import arrange
from intarsia.layout.layout_files import read_layout
from intarsia.layout.prior import prior
from intarsia.layout.scene import Scene
from intarsia.layout.train import learn
from intarsia.records.arrange import ComposeSettings, GuideSettings, LearnSettings
from intarsia.regions.edit import edit
from tests.pretended_cuda import pretended_cuda
from tests.slow import mostly_slow
from tests.test_devices import ARRANGE, EDIT
from tests.test_devices import scene as scene  # a fixture

FEW, MORE = 4, 8
"""Steps of the runs whose difference is counted."""


@dataclasses.dataclass(frozen=True)
class Work:
    scene: Scene
    models: Backbones
    looks: Concepts


def edited(work: Work, steps: int) -> None:
    record = dataclasses.replace(EDIT, steps=steps, refine=False, box=(8.0, 16.0, 40.0, 60.0))
    edit(work.scene.photo, record, work.models)


def composed(work: Work, steps: int) -> None:
    settings = ComposeSettings(plates=2, refine_steps=2 * steps)
    record = dataclasses.replace(ARRANGE, mode="compose", fill="patch", compose=settings)
    arrange(work.scene, read_layout(record, work.scene), record, work.models)


def background(work: Work, steps: int) -> None:
    settings = ComposeSettings(plates=2, plate_steps=2 * steps, refine_steps=2)
    record = dataclasses.replace(ARRANGE, mode="compose", fill="diffusion", compose=settings)
    arrange(work.scene, read_layout(record, work.scene), record, work.models)


def regenerated(work: Work, steps: int, until: float = 0.0) -> None:
    guide = GuideSettings(refine_at=(), refine_to=(), until=until)
    record = dataclasses.replace(ARRANGE, mode="regenerate", steps=steps, guide=guide)
    arrange(work.scene, read_layout(record, work.scene), record, work.models, concepts=work.looks)


def guided(work: Work, steps: int) -> None:
    regenerated(work, steps, until=1.0)


def tokens(work: Work, steps: int) -> None:
    settings = LearnSettings(token_steps=steps, weight_steps=0, batch=2)
    learn(work.scene, dataclasses.replace(ARRANGE, learn=settings), work.models, seed=0)


def weights(work: Work, steps: int) -> None:
    settings = LearnSettings(token_steps=0, weight_steps=steps, batch=2)
    learn(work.scene, dataclasses.replace(ARRANGE, learn=settings), work.models, seed=0)


def prior_picture(work: Work, steps: int) -> None:
    next(prior("cat", 1, work.models, seed=3, steps=steps))


BOUNDS: dict[Callable[[Work, int], None], tuple[float, float]] = {
    edited: (1, 0),
    composed: (0.5, 0),
    background: (5.5, 0.25),
    regenerated: (1.75, 0),
    guided: (4, 0),
    tokens: (10, 4),
    weights: (9, 4),
    prior_picture: (1, 0),
}
"""Tensors a step to the card, and to the host, at most."""


@pytest.fixture(scope="module")
def work(scene: Scene) -> Work:
    with pretended_cuda():
        models = load_backbones("pocket", device="cuda", dtype="float32")
        return Work(scene, models, learn(scene, ARRANGE, models, seed=0))


@pytest.mark.parametrize("flow", mostly_slow(BOUNDS, pushed=(edited, composed, tokens)), ids=lambda flow: flow.__name__)
def test_few_tensors_go_between_host_and_card_in_a_step(flow: Callable[[Work, int], None], work: Work) -> None:
    assert_few(lambda steps: flow(work, steps), BOUNDS[flow])


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("flux", (2, 0)),
        pytest.param("sdxl", (3, 0), marks=pytest.mark.slow),
        pytest.param("sd3", (2, 0), marks=pytest.mark.slow),
        pytest.param("z_image", (2, 1), marks=pytest.mark.slow),  # its pipeline asks each step how far it is
        pytest.param("qwen_image", (2, 0), marks=pytest.mark.slow),
    ],
)
def test_few_tensors_go_between_host_and_card_in_a_step_of_a_pipeline(
    name: str, bounds: tuple[float, float], families: Callable[[str], Backbones], scene: Scene
) -> None:
    folder = families(name).name
    with pretended_cuda():
        models = load_backbones(folder, device="cuda", dtype="float32")
    record = dataclasses.replace(EDIT, size=32, refine=False, box=(8.0, 16.0, 40.0, 60.0))
    assert_few(lambda steps: edit(scene.photo, dataclasses.replace(record, steps=steps), models), bounds)


def assert_few(work: Callable[[int], object], bounds: tuple[float, float]) -> None:
    """Compare what goes between host and card in a step of some work, told how many steps to do, with the bounds."""
    counts = []
    with pretended_cuda() as traffic:
        for steps in (FEW, FEW, MORE):  # the first run encodes what the others remember
            traffic.to_card = traffic.to_host = 0
            work(steps)
            counts.append((traffic.to_card, traffic.to_host))
    to_card, to_host = ((more - few) / (MORE - FEW) for few, more in zip(*counts[1:], strict=True))
    assert to_card <= bounds[0] and to_host <= bounds[1], (to_card, to_host)
