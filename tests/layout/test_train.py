"""Learning the looks of a scene's objects."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from intarsia.backbones.protocols import Backbones
from intarsia.diffusion.ddim import add_noise, masked_noise_loss
from intarsia.errors import (
    Cancelled,
    EmptyMaskError,
    LayoutError,
    MissingExtraError,
    ModelError,
    OutputError,
    RecordError,
)
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import read_photo
from intarsia.imaging.write import write_photo
from intarsia.layout import checkpoint
from intarsia.layout import prior as prior_module
from intarsia.layout import train as learning
from intarsia.layout.concepts import Concepts
from intarsia.layout.prior import prior
from intarsia.layout.prompts import prompt_for
from intarsia.layout.scene import Scene, SceneObject
from intarsia.layout.tracking import open_tracker
from intarsia.layout.train import SAMPLES, Sample, learn, shows
from intarsia.layout.train_objective import emphasis, spread_timesteps
from intarsia.progress import Progress
from intarsia.records.arrange import LearnSettings
from tests.layout.concept_scenes import record_of, same, scene_of
from tests.paths import SCENES


def rendered(name: str) -> Scene:
    """One of the scenes that stand beside the tests."""
    listed = json.loads((SCENES / "scenes.json").read_text())
    (about,) = [entry for entry in listed if entry["image"] == f"{name}.png"]
    colours = np.asarray(Image.open(SCENES / f"{name}.mask.png").convert("RGB"))
    objects = tuple(
        SceneObject(name=o["name"], words=o["name"], mask=(colours == o["colour"]).all(2)) for o in about["objects"]
    )
    return Scene(photo=read_photo(SCENES / f"{name}.png"), objects=objects)


def test_learning_leaves_the_models_as_they_were_even_when_cancelled(
    tiny_backbones: Backbones, untouched: None
) -> None:
    told: list[Progress] = []

    def stop_in_the_second_stage(progress: Progress) -> None:
        told.append(progress)
        if progress.done == 4:
            raise Cancelled("stop")

    settings = LearnSettings(token_steps=3, weight_steps=2, batch=2, checkpointing=True)
    with pytest.raises(Cancelled):
        learn(
            scene_of("cat", "dog"),
            record_of(learn=settings),
            tiny_backbones,
            seed=0,
            on_progress=stop_in_the_second_stage,
        )
    assert [(p.stage, p.done, p.total) for p in told][2:] == [
        ("learning tokens", 3, 5),
        ("learning keys and values", 4, 5),
    ]


def test_learning_is_the_same_each_time_and_with_checkpointing(tiny_backbones: Backbones, learned: Concepts) -> None:
    again = learn(scene_of("cat", "dog"), record_of(), tiny_backbones, seed=0)
    assert same(again, learned)
    other = learn(scene_of("cat", "dog"), record_of(), tiny_backbones, seed=1)
    assert not torch.equal(other.embeddings, learned.embeddings)
    settings = dataclasses.replace(record_of().learn, checkpointing=True)
    lean = learn(scene_of("cat", "dog"), record_of(learn=settings), tiny_backbones, seed=0)
    assert torch.allclose(lean.embeddings, learned.embeddings, atol=1e-5)


def test_pictures_on_the_way_show_what_is_learned_and_change_nothing_of_it(
    tiny_backbones: Backbones, learned: Concepts, untouched: None
) -> None:
    shown: list[Sample] = []
    again = learn(scene_of("cat", "dog"), record_of(), tiny_backbones, seed=0, on_sample=shown.append)
    assert same(again, learned)
    assert [(sample.done, sample.total) for sample in shown] == [(2, 5), (3, 5), (4, 5), (5, 5)]
    assert len({sample.photo.pixels.tobytes() for sample in shown}) == len(shown)


@pytest.mark.parametrize("total", [1, 3, 4, 9, 250])
def test_pictures_on_the_way_are_few_and_the_last_is_at_the_end(total: int) -> None:
    due = [done for done in range(1, total + 1) if shows(done, total)]
    assert len(due) == min(SAMPLES, total) and due[-1] == total


LONG = LearnSettings(token_steps=7, weight_steps=5, batch=1, accumulate=2)


@pytest.fixture(scope="module")
def undisturbed(tiny_backbones: Backbones) -> Concepts:
    return learn(scene_of("cat", "dog"), record_of(learn=LONG), tiny_backbones, seed=3)


def stopped_at(step: int) -> Any:
    """What is told of the progress, and stops after an update."""

    def stop(progress: Progress) -> None:
        if progress.done == step:
            raise Cancelled("stop")

    return stop


# The tokens take 7 updates: within them, at their end, at the beginning, in and at the end of keys and values.
@pytest.mark.parametrize(("stop_at", "saved_every"), [(1, 1), (4, 2), (5, 2), (7, 1), (7, 2), (8, 1), (9, 2), (12, 1)])
def test_learning_goes_on_from_a_checkpoint_as_if_nothing_had_happened(
    tiny_backbones: Backbones,
    undisturbed: Concepts,
    tmp_path: Path,
    stop_at: int,
    saved_every: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checkpoint, "SAVED_EVERY", saved_every)
    scene, file, told = scene_of("cat", "dog"), tmp_path / "learning.safetensors", list[Progress]()
    with pytest.raises(Cancelled):
        learn(scene, record_of(learn=LONG), tiny_backbones, seed=3, checkpoint=file, on_progress=stopped_at(stop_at))
    resumed = learn(
        scene, record_of(learn=LONG), tiny_backbones, seed=3, checkpoint=file, resume=True, on_progress=told.append
    )
    assert [p.done for p in told] == list(range(stop_at - stop_at % saved_every + 1, 13))
    assert same(resumed, undisturbed)


@pytest.mark.parametrize("stop_at", [1, 2, 3, 4, 6])
def test_the_published_schedule_goes_on_as_well(
    tiny_backbones: Backbones, tmp_path: Path, stop_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SAVED_EVERY", 1)
    monkeypatch.setattr(learning, "PAPER", dataclasses.replace(learning.PAPER, token_steps=2, weight_steps=3))
    write_photo(scene_of("cat").photo, tmp_path / "cat-0001.png")
    settings = dataclasses.replace(LONG, prior=str(tmp_path))
    scene, record = scene_of("cat", "dog"), record_of(preset="paper", learn=settings)
    file = tmp_path / "learning.safetensors"
    straight = learn(scene, record, tiny_backbones, seed=3)
    with pytest.raises(Cancelled):
        learn(scene, record, tiny_backbones, seed=3, checkpoint=file, on_progress=stopped_at(stop_at))
    # Twice interrupted is no different from once.
    if stop_at < 6:
        with pytest.raises(Cancelled):
            learn(
                scene, record, tiny_backbones, seed=3, checkpoint=file, resume=True, on_progress=stopped_at(stop_at + 1)
            )
    assert same(learn(scene, record, tiny_backbones, seed=3, checkpoint=file, resume=True), straight)


def test_a_checkpoint_is_not_replaced_unasked_nor_taken_for_another_lesson(
    tiny_backbones: Backbones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SAVED_EVERY", 1)
    scene, file = scene_of("cat", "dog"), tmp_path / "learning.safetensors"
    with pytest.raises(Cancelled):
        learn(scene, record_of(), tiny_backbones, seed=3, checkpoint=file, on_progress=stopped_at(1))
    with pytest.raises(OutputError, match="exists already"):
        learn(scene, record_of(), tiny_backbones, seed=3, checkpoint=file)
    with pytest.raises(RecordError, match="another scene, model, seed"):
        learn(scene, record_of(), tiny_backbones, seed=4, checkpoint=file, resume=True)
    file.write_bytes(b"junk")
    with pytest.raises(ModelError, match="cannot be read"):
        learn(scene, record_of(), tiny_backbones, seed=3, checkpoint=file, resume=True)


def test_resuming_without_a_checkpoint_begins(tiny_backbones: Backbones, learned: Concepts, tmp_path: Path) -> None:
    file = tmp_path / "learning.safetensors"
    begun = learn(scene_of("cat", "dog"), record_of(), tiny_backbones, seed=0, checkpoint=file, resume=True)
    assert same(begun, learned) and file.exists()


def test_tokens_learn_from_their_own_pixels_alone(tiny_backbones: Backbones) -> None:
    """Without the attention loss, what lies outside all masks has no say in the tokens."""
    plain = LearnSettings(token_steps=1, weight_steps=0, batch=2, attention_weight=0.0, token_rate=0.1)
    scene = scene_of("cat", "dog")
    tokens = learn(scene, record_of(learn=plain), tiny_backbones, seed=0).embeddings
    initial = learn(
        scene, record_of(learn=dataclasses.replace(plain, token_steps=0)), tiny_backbones, seed=0
    ).embeddings
    assert bool((tokens != initial).any(1).all())


def test_what_was_learned_explains_each_object_better_than_its_word(pocket: Backbones) -> None:
    diffusion, scene = pocket.in_parts, rendered("0002")
    data = learning.training_data_of(scene, record_of(), diffusion)
    noise = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(9))
    timesteps = torch.tensor([300, 500, 700])
    alpha = diffusion.alphas_cumprod[timesteps]
    noisy = add_noise(data.clean.expand(3, -1, -1, -1), noise, alpha.reshape(-1, 1, 1, 1))

    def errors(token_steps: int, weight_steps: int) -> list[float]:
        settings = LearnSettings(token_steps=token_steps, weight_steps=weight_steps)
        concepts = learn(scene, record_of(learn=settings), pocket, seed=0)
        with torch.no_grad(), concepts.attached(diffusion) as phrases:
            text = diffusion.encode_text([prompt_for("", scene, phrases)] * 3)
            seen = diffusion.predict(noisy, timesteps, text).noise
        shares = [masked_noise_loss(seen, noise, cells.expand(3, -1, -1, -1)) for cells in data.cells]
        return [float((emphasis(alpha) * share).mean()) for share in shares]

    assert np.less(errors(8, 10), errors(0, 0)).all()


def test_the_published_schedule_learns_one_token_after_the_other_and_full_weights(
    tiny_backbones: Backbones, monkeypatch: pytest.MonkeyPatch, untouched: None
) -> None:
    scene, meter = scene_of("cat", "dog"), tiny_backbones.in_parts.counter
    short = dataclasses.replace(learning.PAPER, token_steps=2, weight_steps=3)
    monkeypatch.setattr(learning, "PAPER", short)
    told: list[Progress] = []
    before = meter.backward
    concepts = learn(scene, record_of(preset="paper"), tiny_backbones, seed=0, on_progress=told.append)
    assert [p.stage for p in told][::2] == [
        "learning token of cat",
        "learning token of dog",
        "learning keys and values",
        "learning keys and values",
    ]
    assert meter.backward - before == 2 * 2 * 4 + 3 * 2
    assert all(name.endswith(".weight") for name in concepts.updates)


def test_the_default_costs_at_most_a_quarter_of_the_published_learning() -> None:
    ours, things = LearnSettings(), 3
    cost = (ours.token_steps + 2 * ours.weight_steps) * ours.batch * ours.accumulate
    published = learning.PAPER.token_steps * learning.PAPER.batch * things + learning.PAPER.weight_steps * 4
    assert published == 1400 and 4 * cost <= published


def test_scenes_that_cannot_be_learned_are_named(tiny_backbones: Backbones, untouched: None) -> None:
    with pytest.raises(LayoutError, match="has no objects"):
        learn(Scene(photo=scene_of().photo, objects=()), record_of(), tiny_backbones, seed=0)
    photo = Photo(pixels=np.zeros((256, 256, 3), np.uint8))
    dot = np.zeros((256, 256), dtype=np.bool_)
    dot[100, 100:103] = True
    tiny_thing = SceneObject(name="pot", words="pot", mask=dot)
    with pytest.raises(EmptyMaskError, match="'pot' covers 3 pixels"):
        learn(Scene(photo=photo, objects=(tiny_thing,)), record_of(), tiny_backbones, seed=0)


def test_names_that_the_tokenizer_does_not_know_are_learned_from_their_letters(pocket: Backbones) -> None:
    settings = LearnSettings(token_steps=1, weight_steps=0, batch=1)
    concepts = learn(scene_of("Waschbär", "日本", side=64), record_of(learn=settings), pocket, seed=0)
    assert concepts.embeddings.isfinite().all()


def test_prior_pictures_are_painted_saved_and_read(tiny_backbones: Backbones, tmp_path: Path, untouched: None) -> None:
    pictures = list(prior("cat", 3, tiny_backbones, seed=5, steps=2, batch=2))
    assert [p.size.width for p in pictures] == [32, 32, 32]
    (alone,) = prior("cat", 1, tiny_backbones, seed=7, steps=2)
    off = np.abs(alone.pixels.astype(int) - pictures[2].pixels.astype(int)).max()
    assert off <= 1  # one seed a picture, whatever the batch
    (tmp_path / "potted plant").mkdir()
    write_photo(pictures[0], tmp_path / "potted plant" / "0001.png")
    write_photo(pictures[1], tmp_path / "cat-0002.png")
    found = prior_module.read_prior(tmp_path, tiny_backbones.in_parts)
    assert sorted(words for words, _ in found) == ["cat", "potted plant"]
    settings = LearnSettings(token_steps=0, weight_steps=2, batch=1, prior=str(tmp_path))
    meter = tiny_backbones.in_parts.counter
    before = meter.backward
    with_prior = learn(scene_of("cat"), record_of(learn=settings), tiny_backbones, seed=0)
    assert meter.backward - before == 2 * (1 + 1)
    without = learn(scene_of("cat"), record_of(learn=dataclasses.replace(settings, prior=None)), tiny_backbones, seed=0)
    assert not same(with_prior, without)
    with pytest.raises(RecordError, match="holds no pictures"):
        prior_module.read_prior(tmp_path / "nothing", tiny_backbones.in_parts)


def test_timesteps_are_spread_and_noisy_ones_count_more() -> None:
    drawn = spread_timesteps(4, 1000, torch.Generator().manual_seed(0))
    assert sorted(int(t) // 250 for t in drawn) == [0, 1, 2, 3]
    assert emphasis(torch.tensor([1.0, 0.5, 0.01, 0.0])).tolist() == pytest.approx([1, 2, 5, 5])


def test_a_tracker_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerate import tracking  # type: ignore[import-untyped]

    monkeypatch.setattr(tracking, "is_wandb_available", lambda: False)
    with pytest.raises(MissingExtraError, match="pip install"):
        open_tracker("wandb", tmp_path)


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_tokens_besides_the_objects_learn_with_keys_and_values(
    tiny_backbones: Backbones, tmp_path: Path, preset: Any, monkeypatch: pytest.MonkeyPatch, untouched: None
) -> None:
    monkeypatch.setattr(learning, "PAPER", dataclasses.replace(learning.PAPER, token_steps=1, weight_steps=2, batch=2))
    scene, few = scene_of("cat", "dog"), LearnSettings(token_steps=1, weight_steps=2, batch=1, additions=2)
    record = record_of(preset=preset, learn=few)
    concepts = learn(scene, record, tiny_backbones, seed=0)
    assert concepts.embeddings.shape[0] == 2 and concepts.additions.shape == concepts.embeddings.shape
    start = learning.token_of(tiny_backbones.in_parts, learning.ADDITION)
    assert not torch.equal(concepts.additions[0], start) and torch.allclose(concepts.additions[0], start, atol=0.1)
    # The objects' tokens are those of the first stage, as they are without further ones.
    without = learn(
        scene, record_of(preset=preset, learn=dataclasses.replace(few, additions=0)), tiny_backbones, seed=0
    )
    assert len(without.additions) == 0
    assert torch.equal(concepts.embeddings, without.embeddings)

    concepts.save(tmp_path / "learned.safetensors")
    again = Concepts.load(tmp_path / "learned.safetensors")
    assert same(again, concepts) and torch.equal(again.additions, concepts.additions)
    with again.for_scene(scene_of("dog")).attached(tiny_backbones.in_parts) as phrases:
        assert list(phrases) == ["dog"] and len(phrases.additions) == 2
        assert len({*phrases.values(), *phrases.additions}) == 3


def test_the_published_schedule_adds_up_batches_where_it_is_asked_to(
    tiny_backbones: Backbones, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "PAPER", dataclasses.replace(learning.PAPER, token_steps=1, weight_steps=1))
    meter, spent = tiny_backbones.in_parts.counter, []
    for batches in (1, 3):
        before = meter.backward
        record = record_of(preset="paper", learn=LearnSettings(accumulate=batches))
        learn(scene_of("cat"), record, tiny_backbones, seed=0)
        spent.append(meter.backward - before)
    assert spent == [4 + 2, 3 * (4 + 2)]
