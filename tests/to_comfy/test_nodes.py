"""Each node on small pictures with the pocket models, as ComfyUI's executor runs it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import intarsia as ia
from intarsia.backbones.protocols import Backbones
from intarsia.imaging.photo import Photo
from intarsia.results.document import pixel_digest
from tests.to_comfy.stubs import Host, Interrupted, box_of_ones, load_image, saved_levels, scene
from to_comfy import NODE_CLASS_MAPPINGS
from to_comfy.arrange_node import arranged
from to_comfy.host import NodeError, at_work

pytestmark = pytest.mark.usefixtures("as_comfy_runs")

TREE = box_of_ones(64, 64, 9, 23, 37, 54)
"""Of the scene 0."""


def run(name: str, *given: Any, **settings: Any) -> Any:
    node = NODE_CLASS_MAPPINGS[name]()
    return getattr(node, node.FUNCTION)(*given, **settings)


def check_exact(image: torch.Tensor, blend: torch.Tensor, before: torch.Tensor, *files: int) -> None:
    """Where the blend is 0 the picture is what it was: its values, and its levels once it is saved."""
    assert image.shape == before.shape and image.dtype == blend.dtype == torch.float32
    assert blend.shape == image.shape[:3] and blend.min() >= 0 and blend.max() <= 1
    kept = blend == 0
    assert kept.any() and not kept.all()
    assert torch.equal(image[kept], before[kept])
    assert not torch.equal(image, before)
    originals = np.stack([np.asarray(Image.open(scene(number)).convert("RGB")) for number in files])
    assert (saved_levels(image)[kept] == originals[kept]).all()


# Load models


def test_models_are_loaded_once_comfyuis_own_have_left(host: Host) -> None:
    (models,) = run("IntarsiaModels", " pocket ")
    assert isinstance(models, Backbones) and models.name == "pocket"
    assert host.unloaded == 1
    parameters = list(models.inpainter.parts.unet.parameters())  # type: ignore[attr-defined]
    assert parameters and not any(p.is_inference() for p in parameters), "gradients could never be taken through them"


def test_on_the_cpu_comfyuis_own_models_stay(host: Host) -> None:
    with pytest.raises(NodeError, match='set "models" to pocket'):
        run("IntarsiaModels", "nothing/here", device="cpu")
    assert host.unloaded == 0


def test_a_path_that_is_no_checkpoint_is_one_sentence() -> None:
    with pytest.raises(NodeError) as caught:
        run("IntarsiaModels", "pocket", device="toaster")
    said = str(caught.value)
    assert "toaster" in said and "--" not in said and said.endswith(".")


# Edit by words


def test_edit_by_words_finds_the_place_itself(pocket: Backbones, host: Host) -> None:
    before = load_image(scene())
    image, candidates, blend, record = run("IntarsiaEdit", pocket, before, "a cat", source="tree", steps=4)
    check_exact(image, blend, before, 0)
    assert torch.equal(candidates, image)
    document = json.loads(record)
    assert document["record"]["prompt"] == "a cat" and document["record"]["source"] == "tree"
    assert document["record"]["steps"] == 4 and document["record"]["guidance"] == 5.0
    levels = np.ascontiguousarray(saved_levels(image)[0])
    assert document["output_sha256"] == pixel_digest(Photo(pixels=levels)), "what ComfyUI saves is what was made"
    assert host.bars and all(done <= total for bar in host.bars for done, total in bar)
    assert host.bars[0][-1][0] == host.bars[0][-1][1]
    assert host.unloaded == 0, "the models are on the CPU"


def test_a_mask_overrules_the_search_and_is_where_it_is_one(pocket: Backbones) -> None:
    before = load_image(scene())
    mask = box_of_ones(64, 64, 40, 8, 60, 30)
    image, candidates, blend, _ = run("IntarsiaEdit", pocket, before, "a cat", mask=mask, steps=2, keep=2)
    check_exact(image, blend, before, 0)
    assert not blend[mask == 0].any()
    assert blend[mask == 1].all()
    assert candidates.shape == (2, 64, 64, 3)
    assert torch.equal(candidates[0], image[0]) and not torch.equal(candidates[1], image[0])


def test_a_box_overrules_it_too_beside_an_empty_mask(pocket: Backbones) -> None:
    before = load_image(scene())
    _, _, blend, record = run(
        "IntarsiaEdit", pocket, before, "a cat", box="40,8,60,30", mask=torch.zeros(1, 64, 64), steps=2
    )
    assert torch.equal(blend > 0, box_of_ones(64, 64, 40, 8, 60, 30) > 0)
    assert json.loads(record)["record"]["box"] == [40, 8, 60, 30]
    with pytest.raises(NodeError, match='Both a box and a mask were given: pass one of "box" and "mask"'):
        run("IntarsiaEdit", pocket, before, "a cat", box="40,8,60,30", mask=TREE)


def test_a_batch_is_edited_picture_by_picture(pocket: Backbones) -> None:
    before = load_image(scene(0), scene(1))
    settings = {"box": "20,20,50,50", "steps": 2, "seed": 3, "keep": 2}
    image, candidates, blend, records = run("IntarsiaEdit", pocket, before, "a cat", **settings)
    check_exact(image, blend, before, 0, 1)
    assert candidates.shape == (4, 64, 64, 3)
    documents = [json.loads(line) for line in records.splitlines()]
    assert [d["record"]["photo"] for d in documents] == ["IMAGE 1 of 2", "IMAGE 2 of 2"]
    for number in range(2):
        alone = run("IntarsiaEdit", pocket, before[number : number + 1], "a cat", **settings)
        assert torch.equal(image[number], alone[0][0])


def test_a_preset_fills_in_what_is_not_said(pocket: Backbones, monkeypatch: pytest.MonkeyPatch) -> None:
    class Asked(Exception):
        pass

    def ask(photo: Photo, record: ia.EditRecord, models: Backbones, **rest: Any) -> Any:
        raise Asked(record)

    monkeypatch.setattr("to_comfy.edit_node.ia.edit", ask)
    with pytest.raises(Asked) as caught:
        run("IntarsiaEdit", pocket, load_image(scene()), "a cat", preset="released", guidance=3.0, size=32)
    record = caught.value.args[0]
    assert (record.steps, record.guidance, record.size) == (50, 3.0, 32)


def test_the_edit_is_what_the_package_gives(pocket: Backbones) -> None:
    before = load_image(scene())
    image, _, blend, _ = run("IntarsiaEdit", pocket, before, "a cat", box="10,20,40,50", steps=3, seed=7)
    record = ia.EditRecord(photo="0000.png", prompt="a cat", box=(10, 20, 40, 50), steps=3, seed=7)
    with torch.inference_mode(mode=False):
        result = ia.edit(ia.read_photo(scene()), record, pocket)
    assert (saved_levels(image)[0] == result.photo.pixels).all()
    assert (blend[0].numpy() == result.blend).all()


# Remove


def test_what_a_mask_covers_is_removed_without_models(host: Host) -> None:
    before = load_image(scene())
    image, blend, record = run("IntarsiaRemove", before, mask=TREE)
    check_exact(image, blend, before, 0)
    assert blend[TREE == 1].all()
    document = json.loads(record)
    assert [thing["name"] for thing in document["objects"]] == ["mask"]
    assert document["record"]["fill"] == "patch"
    assert host.bars and host.unloaded == 0


def test_what_is_found_by_words_is_removed_too(pocket: Backbones) -> None:
    before = load_image(scene(3))
    other = box_of_ones(64, 64, 50, 2, 60, 8)
    image, blend, record = run("IntarsiaRemove", before, models=pocket, find="car, ball", mask=other)
    check_exact(image, blend, before, 3)
    assert [thing["name"] for thing in json.loads(record)["objects"]] == ["car", "ball", "mask"]
    assert blend[other == 1].all() and blend[0, 45, 15] == blend[0, 20, 30] == 1


def test_models_paint_the_gap_where_they_are_asked_to(pocket: Backbones) -> None:
    before = load_image(scene())
    image, blend, record = run("IntarsiaRemove", before, mask=TREE, models=pocket, fill="diffusion", prompt="snow")
    check_exact(image, blend, before, 0)
    assert json.loads(record)["cost"]["evaluations"] > 0


def test_masks_of_a_batch_go_with_its_pictures() -> None:
    before = load_image(scene(0), scene(1))
    masks = torch.cat([TREE, box_of_ones(64, 64, 30, 31, 50, 56)])
    image, blend, records = run("IntarsiaRemove", before, mask=masks)
    check_exact(image, blend, before, 0, 1)
    assert len(records.splitlines()) == 2
    for number in range(2):
        alone = run("IntarsiaRemove", before[number : number + 1], mask=masks[number : number + 1])
        assert torch.equal(image[number], alone[0][0])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, 'Nothing says what to remove: pass "box" X0,Y0,X1,Y1, "object", "mask" or "find".'),
        ({"mask": torch.zeros(64, 64)}, "Nothing says what to remove"),
        ({"find": "tree"}, 'no models are connected: connect "models", or give "mask", "object" instead of "find".'),
        ({"mask": TREE, "fill": "diffusion"}, 'none are connected: connect "models", or set "fill" to patch.'),
        ({"box": "3,4"}, "The box '3,4' is not four numbers"),
        ({"mask": torch.ones(1, 20, 30)}, "another shape"),
        ({"mask": torch.ones(3, 64, 64)}, '"mask" has 3 of a batch for 1 pictures'),
    ],
)
def test_what_cannot_be_removed_is_one_sentence(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(NodeError) as caught:
        run("IntarsiaRemove", load_image(scene()), **settings)
    assert said in str(caught.value) and "--" not in str(caught.value)


# Arrange


def test_objects_are_found_and_moved(pocket: Backbones, host: Host) -> None:
    before = load_image(scene())
    image, blend, record = run("IntarsiaArrange", before, "--move tree=+15,0 --scale tree=.8", pocket, find="tree")
    check_exact(image, blend, before, 0)
    document = json.loads(record)
    assert document["mode"] == "compose" and document["record"]["move"] == ["tree=+15,0"]
    assert document["placements"][0]["matrix"][0] == 0.8
    assert host.bars


def test_what_a_mask_covers_is_moved_without_models() -> None:
    before = load_image(scene(0), scene(0))
    image, blend, record = run("IntarsiaArrange", before, "--move mask=+20,0", mask=TREE)
    check_exact(image, blend, before, 0, 0)
    assert torch.equal(image[0], image[1])
    assert json.loads(record.splitlines()[1])["cost"]["evaluations"] == 0


def test_a_picture_of_which_nothing_is_named_is_one_sentence(pocket: Backbones) -> None:
    before = load_image(scene())
    with pytest.raises(NodeError, match='give "find" their names, "object" a box or points each, or a "mask"'):
        run("IntarsiaArrange", before, "--move tree=+15,0", pocket)
    with pytest.raises(NodeError, match=r"^--move names 'cat', but the scene has 'mask'"):
        run("IntarsiaArrange", before, "--move cat=1,0", mask=TREE)
    with pytest.raises(NodeError, match="Two objects are called 'mask'"):
        run("IntarsiaArrange", before, "--move mask=1,0", object="mask=9,23,37,54", mask=TREE)


def test_looks_are_learned_by_gradients_within_comfyuis_inference_mode(tiny_backbones: Backbones) -> None:
    record = ia.ArrangeRecord(
        photo="IMAGE", move=("mask=+9,0",), mode="regenerate", steps=2,
        learn=ia.LearnSettings(token_steps=1, weight_steps=1, batch=1),
        guide=ia.GuideSettings(refine_at=(), refine_to=()),
    )  # fmt: skip
    mask = TREE[0].numpy() > 0
    photo = ia.read_photo(scene())
    with pytest.raises(RuntimeError, match="grad"):
        arranged(photo, record, mask, tiny_backbones)
    with at_work():
        result = arranged(photo, record, mask, tiny_backbones)
    assert result.mode == "regenerate"


# Cancel and memory


def test_cancelling_stops_within_a_step_with_comfyuis_own_exception(pocket: Backbones, host: Host) -> None:
    host.cancel_after = 3
    with pytest.raises(Interrupted):
        run("IntarsiaEdit", pocket, load_image(scene()), "a cat", box="10,20,40,50", steps=30)
    assert sum(len(bar) for bar in host.bars) == 2


def test_before_each_use_of_an_accelerator_comfyuis_own_models_leave_it(
    pocket: Backbones, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nodes between may have loaded them again."""
    elsewhere = dataclasses.replace(pocket, device="cuda:7")
    monkeypatch.setattr("to_comfy.edit_node.ia.edit", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # what is no error of Intarsia's passes as it is
        run("IntarsiaEdit", elsewhere, load_image(scene()), "a cat")
    assert host.unloaded == 1
