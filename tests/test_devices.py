"""Every flow on another device than the CPU: nothing stays behind there, and the pixels are the CPU's.

The devices are pretended ones (tests/pretended_cuda.py, tests/pretended_mps.py), which refuse what CUDA and MPS refuse.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from intarsia.backbones import load_backbones
from intarsia.backbones.protocols import Backbones
from intarsia.backbones.sam import Sam3Segmenter, load_mask_refiner, load_sam3
from intarsia.backbones.segmenters import RefinedSegmenter
from intarsia.batch.jobs import Job
from intarsia.imaging.geometry import Box, Point
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import photo_from_image, read_photo
from intarsia.imaging.tensors import to_tensor
from intarsia.imaging.write import write_photo
from intarsia.layout import regenerate as regenerating
from intarsia.layout.concepts import Concepts
from intarsia.layout.detect_at_point import detect_at_point
from intarsia.layout.edit import arrange
from intarsia.layout.layout_files import read_layout
from intarsia.layout.prior import prior
from intarsia.layout.scene import Scene, SceneObject
from intarsia.layout.scene_files import read_scene
from intarsia.layout.train import learn
from intarsia.records.arrange import ArrangeRecord, ComposeSettings, GuideSettings, LearnSettings
from intarsia.records.choices import LayoutPreset
from intarsia.records.edit import EditRecord, FitSettings, SearchSettings
from intarsia.regions.edit import edit
from intarsia.regions.train import fit
from intarsia.tasks.batch_worker import BatchWorker
from intarsia.tasks.model_pool import ModelPool
from intarsia.tasks.options import Machine
from tests.backbones.conftest import sams as sams  # a fixture
from tests.pretended_cuda import pretended_cuda
from tests.pretended_mps import pretended_mps

SCENES = Path(__file__).parent / "scenes"
PHOTO = SCENES / "0003.png"
QUICK = SearchSettings(anchors=2, proposals=3, preview_steps=(1,), survivors=(1,))
EDIT = EditRecord(photo=str(PHOTO), source="car", prompt="a house", models="pocket", steps=2, search=QUICK)
ARRANGE = ArrangeRecord(
    photo=str(PHOTO),
    models="pocket",
    move=("car=+9,0",),
    steps=3,
    compose=ComposeSettings(plates=2, plate_steps=3, refine_steps=4),
    guide=GuideSettings(refine_at=(0,), refine_to=(0.1,), refine_most=1),
    learn=LearnSettings(token_steps=1, weight_steps=1, batch=2),
)


PRETENDED = {"cuda": pretended_cuda, "mps": pretended_mps}
EVERYWHERE = pytest.mark.parametrize("device", list(PRETENDED), indirect=True, scope="module")
"""Of the tests that are quick enough to be run on each kind of device every time."""


@pytest.fixture(scope="module", params=["cuda", pytest.param("mps", marks=pytest.mark.slow)])
def device(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def card(device: str) -> Iterator[None]:
    with PRETENDED[device]():
        yield


@pytest.fixture(scope="module")
def on_card(device: str) -> Backbones:
    """The pocket models on the card, in the CPU's precision."""
    return loaded(device, dtype="float32")


def loaded(device: str, **settings: Any) -> Backbones:
    with PRETENDED[device]():
        return load_backbones("pocket", device=device, **settings)


@pytest.fixture(scope="module")
def scene() -> Scene:
    """A car and a ball."""
    masks = {name: np.zeros((64, 64), np.bool_) for name in ("car", "ball")}
    masks["car"][30:50, 6:30] = masks["ball"][12:26, 36:52] = True
    things = tuple(SceneObject(name=name, words=name, mask=mask) for name, mask in masks.items())
    return Scene(photo=read_photo(PHOTO), objects=things)


# By words


EDITS: dict[str, dict[str, Any]] = {
    "search": {},
    "box": {"box": (8.0, 16.0, 40.0, 60.0)},
    "anywhere": {"source": ""},
    "exhaustive": {"preset": "exhaustive", "steps": 1},
    "paper": {"preset": "paper", "steps": 1, "fit": FitSettings(rounds=1)},
    "released": {"preset": "released", "steps": 1, "fit": FitSettings(rounds=1)},
    "released-exact": {"preset": "released-exact", "steps": 1, "fit": FitSettings(rounds=1)},
}


@pytest.mark.parametrize(
    "name",
    # These two take no line that the others do not.
    [pytest.param(name, marks=[pytest.mark.slow] if name in ("anywhere", "exhaustive") else []) for name in EDITS],
)
def test_an_edit_by_words_gives_the_pixels_of_the_cpu(
    name: str, card: None, on_card: Backbones, pocket: Backbones
) -> None:
    record, photo = dataclasses.replace(EDIT, **EDITS[name]), read_photo(PHOTO)
    there, here = edit(photo, record, on_card), edit(photo, record, pocket)
    assert np.array_equal(there.photo.pixels, here.photo.pixels)
    assert [c.scores for c in there.candidates] == [c.scores for c in here.candidates]
    assert there.cost.evaluations == here.cost.evaluations


@EVERYWHERE
def test_a_mask_keeps_an_edit_in_its_place(card: None, on_card: Backbones, pocket: Backbones) -> None:
    mask = np.zeros((64, 64), np.bool_)
    mask[20:50, 10:30] = mask[30:40, 10:60] = True
    photo = read_photo(PHOTO)
    there, here = (edit(photo, EDIT, models, mask=mask).photo.pixels for models in (on_card, pocket))
    assert np.array_equal(there, here)
    assert np.array_equal(there[~mask], photo.pixels[~mask])


def test_a_fitted_network_is_fitted_and_used(card: None, on_card: Backbones, pocket: Backbones, tmp_path: Path) -> None:
    settings = FitSettings(epochs=1, boxes=2, steps=1)
    losses, pictures = [], []
    for name, models in (("there", on_card), ("here", pocket)):
        file = tmp_path / f"{name}.safetensors"
        losses.append(fit([EDIT], models, settings, file).last_loss)
        record = dataclasses.replace(EDIT, regions=str(file), steps=1)
        pictures.append(edit(read_photo(PHOTO), record, models).photo.pixels)
    assert losses[0] == losses[1]
    assert np.array_equal(pictures[0], pictures[1])


@pytest.mark.parametrize("vram", ["auto", "low"])
def test_half_precision_and_little_memory(vram: str, device: str, card: None) -> None:
    models = loaded(device, dtype="float16", vram=vram)
    assert models.inpainter.pipeline.unet.dtype == torch.float16  # type: ignore[attr-defined]
    photo = read_photo(PHOTO)
    result = edit(photo, dataclasses.replace(EDIT, box=(8.0, 16.0, 40.0, 60.0), steps=1), models)
    assert (result.photo.pixels != photo.pixels).any()


# By layout


@pytest.mark.parametrize("changes", [{}, {"remove": ("ball",)}], ids=["move", "remove"])
def test_composing_gives_the_pixels_of_the_cpu(
    changes: dict[str, Any], card: None, on_card: Backbones, pocket: Backbones, scene: Scene
) -> None:
    record = dataclasses.replace(ARRANGE, mode="compose", **changes)
    there, here = (arrange(scene, read_layout(record, scene), record, models) for models in (on_card, pocket))
    assert there.mode == "compose" and there.cost.evaluations > 0
    assert np.array_equal(there.photo.pixels, here.photo.pixels)


@pytest.fixture(scope="module")
def looks(device: str, on_card: Backbones, pocket: Backbones, scene: Scene) -> dict[str, Concepts]:
    """What was learned of the scene on each device."""
    with PRETENDED[device]():
        return {name: learn(scene, ARRANGE, models, seed=0) for name, models in (("there", on_card), ("here", pocket))}


@EVERYWHERE
def test_what_is_learned_is_what_the_cpu_learns_and_lies_on_the_cpu(looks: dict[str, Concepts]) -> None:
    there, here = looks["there"], looks["here"]
    # Gradients are added up in another order, so that last bits differ.
    assert (there.embeddings - here.embeddings).abs().max() < 1e-4
    assert there.updates.keys() == here.updates.keys()
    assert type(there.embeddings) is torch.Tensor
    assert all(
        type(u) is torch.Tensor and torch.allclose(u, here.updates[n], atol=1e-4) for n, u in there.updates.items()
    )


@pytest.mark.parametrize("changes", [{}, {"remove": ("ball",), "seeds": 2}], ids=["move", "remove"])
def test_regenerating_gives_the_pixels_of_the_cpu(
    changes: dict[str, Any],
    device: str,
    card: None,
    on_card: Backbones,
    pocket: Backbones,
    scene: Scene,
    looks: dict[str, Concepts],
) -> None:
    record = dataclasses.replace(ARRANGE, mode="regenerate", **changes)
    layout = read_layout(record, scene)
    there, here = (arrange(scene, layout, record, m, concepts=looks["here"]).photo.pixels for m in (on_card, pocket))
    if device == "mps":  # on which products are told apart, and rounded otherwise
        difference = there.astype(int) - here
        assert np.abs(difference).max() <= 1 and (difference != 0).mean() < 1e-3
    else:
        assert np.array_equal(there, here)


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_learning_goes_on_from_a_checkpoint_with_prior_pictures(
    preset: LayoutPreset,
    card: None,
    on_card: Backbones,
    scene: Scene,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = LearnSettings(token_steps=1, weight_steps=1, batch=2, prior=str(tmp_path / "prior"))
    monkeypatch.setattr("intarsia.layout.train.PAPER", few)
    (tmp_path / "prior").mkdir()
    write_photo(read_photo(PHOTO), tmp_path / "prior" / "car-1.png")
    record = dataclasses.replace(ARRANGE, preset=preset, learn=few)
    file = tmp_path / "kept.safetensors"
    samples: list[object] = []
    first = learn(scene, record, on_card, seed=0, checkpoint=file, on_sample=samples.append)
    again = learn(scene, record, on_card, seed=0, checkpoint=file, resume=True)
    assert torch.equal(first.embeddings, again.embeddings) and samples


@EVERYWHERE
@pytest.mark.parametrize(("scale", "levels"), [(20.0, 1), pytest.param(0.0, 0, marks=pytest.mark.slow)])
def test_the_published_way_gives_the_pixels_of_the_cpu_but_for_what_gradients_round(
    scale: float,
    levels: int,
    card: None,
    on_card: Backbones,
    pocket: Backbones,
    scene: Scene,
    looks: dict[str, Concepts],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(regenerating, "PAPER_STEPS", 2)
    monkeypatch.setattr(regenerating, "PAPER", dataclasses.replace(regenerating.PAPER, refine_most=1, scale=scale))
    record = dataclasses.replace(ARRANGE, preset="paper", mode="regenerate")
    layout = read_layout(record, scene)
    there, here = (arrange(scene, layout, record, m, concepts=looks["here"]) for m in (on_card, pocket))
    difference = there.photo.pixels.astype(int) - here.photo.pixels
    assert np.abs(difference).max() <= levels
    assert (difference != 0).mean() < 1e-3


@EVERYWHERE
def test_prior_pictures_are_those_of_the_cpu(card: None, on_card: Backbones, pocket: Backbones) -> None:
    there, here = (next(prior("cat", 1, models, seed=3, steps=2)) for models in (on_card, pocket))
    assert np.array_equal(there.pixels, here.pixels)


# Finding


@EVERYWHERE
def test_objects_are_found_by_words(card: None, on_card: Backbones, pocket: Backbones) -> None:
    record = ArrangeRecord(photo=str(PHOTO), models="pocket", find=("car", "ball"))
    there, here = (read_scene(record, read_photo(PHOTO), m.segmenter, native_side=64) for m in (on_card, pocket))
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(there.objects, here.objects, strict=True))


@EVERYWHERE
def test_a_click_finds_an_object(card: None, on_card: Backbones, pocket: Backbones) -> None:
    record = ArrangeRecord(photo=str(PHOTO), models="pocket", find=("car",))
    mask = read_scene(record, read_photo(PHOTO), pocket.segmenter, native_side=64).objects[0].mask
    rows, columns = np.nonzero(mask)
    point = Point(float(columns[len(columns) // 2]), float(rows[len(rows) // 2]))
    there, here = (
        detect_at_point(read_photo(PHOTO), point, ["car", "ball"], m.segmenter, side=64) for m in (on_card, pocket)
    )
    assert there.name == here.name and np.array_equal(there.mask, here.mask)


@pytest.mark.parametrize("kind", ["sam", "sam2"])
def test_outlines_are_those_of_the_cpu(kind: Any, device: str, card: None, on_card: Backbones, sams: Path) -> None:
    photo = speckled()
    ours = [load_mask_refiner(sams / kind, kind, device=name) for name in (device, "cpu")]
    boxes, points = [Box(4, 6, 30, 28), Box(10, 12, 36, 40)], [Point(12.5, 14.5), Point(20.5, 30.5)]
    there, here = (refiner.refine_masks(to_tensor(photo, photo.size), boxes, points) for refiner in ours)
    assert torch.equal(there.masks, here.masks) and torch.allclose(there.scores, here.scores, atol=1e-5)
    assert 0 < there.masks.float().mean() < 1

    both = RefinedSegmenter(on_card.segmenter, ours[0])  # type: ignore[arg-type]
    record = ArrangeRecord(photo=str(PHOTO), models="pocket", find=("car",))
    assert read_scene(record, read_photo(PHOTO), both, native_side=64).objects[0].mask.any()


def test_sam3_finds_by_words(device: str, card: None, sams: Path) -> None:
    there, here = (heat(load_sam3(sams / "sam3", device=name)) for name in (device, "cpu"))
    assert torch.allclose(there, here, atol=1e-5)


def heat(segmenter: Sam3Segmenter) -> torch.Tensor:
    photo = speckled()
    return segmenter.predict_masks(to_tensor(photo, photo.size), ["cat", "potted plant"])


def speckled() -> Photo:
    return photo_from_image(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))


# Batches


JOBS: dict[str, EditRecord | ArrangeRecord] = {
    "edit": dataclasses.replace(EDIT, box=(8.0, 16.0, 40.0, 60.0), steps=1),
    "arrange": dataclasses.replace(ARRANGE, find=("car",), mode="compose"),
    "learn": dataclasses.replace(ARRANGE, find=("car",), move=()),
}


@pytest.fixture(scope="module")
def performer(device: str) -> BatchWorker:
    return BatchWorker(ModelPool(Machine(device=device, dtype="float32")), cached=False)


@pytest.mark.parametrize("kind", JOBS)
def test_a_batch_does_its_jobs(kind: str, card: None, performer: BatchWorker, tmp_path: Path) -> None:
    job = Job(id="0", number=1, kind=kind, photo=PHOTO.name, words="", folder="0", record=JOBS[kind])
    done = performer(job, tmp_path, lambda _: None)
    assert done.evaluations > 0 and len(done.sha256) == 64 and any(tmp_path.iterdir())
