"""--lora on the command line: from flags to records, and again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from intarsia.cli.main import main
from tests.cli.edit_files import QUICK, WORDS


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A photo, and a LoRA of the tiny checkpoint in kohya's layout."""
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8))
    picture.save(tmp_path / "photo.png")
    torch.manual_seed(0)
    layer = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_v"
    tensors = {f"{layer}.lora_down.weight": torch.randn(2, 16), f"{layer}.lora_up.weight": torch.randn(16, 2)}
    mask = Image.new("L", (64, 64))
    mask.paste(255, (10, 10, 40, 40))
    mask.save(tmp_path / "mask.png")
    for name in ("a", "b"):
        save_file(tensors, tmp_path / f"{name}.safetensors")
    return tmp_path


def digest_of(file: Path) -> Any:
    return json.loads(file.read_text())["output_sha256"]


def test_an_edit_takes_loras_again_and_again_and_is_replayed_with_them(
    shelf: Path, tiny_models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(shelf)
    common = ["edit", "photo.png", *WORDS, *QUICK, "--models", str(tiny_models), "--device", "cpu", "--quiet"]
    assert main([*common, "--out", "plain"]) == 0
    assert main([*common, "--out", "made", "--lora", "a.safetensors:0.5", "--lora", "b.safetensors"]) == 0
    assert main([*common, "--out", "none", "--lora", "a.safetensors:1", "b.safetensors:-1"]) == 0
    assert digest_of(shelf / "made" / "photo.json") != digest_of(shelf / "plain" / "photo.json")
    assert digest_of(shelf / "none" / "photo.json") == digest_of(shelf / "plain" / "photo.json")
    document = json.loads((shelf / "made" / "photo.json").read_text())
    assert document["record"]["lora"] == [f"{shelf / 'a.safetensors'}:0.5", str(shelf / "b.safetensors")]
    assert document["inputs"]["lora.1"]["name"] == "a.safetensors"
    assert document["versions"]["lora 1"].endswith(":0.5") and document["versions"]["lora 2"].endswith(":1")
    capsys.readouterr()
    assert main(["replay", "made/photo.json", "--device", "cpu", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["same_pixels"]
    save_file({"x.lora_up.weight": torch.zeros(1, 1)}, shelf / "a.safetensors")
    assert main(["replay", "made/photo.json", "--device", "cpu", "--out", "again"]) == 2
    assert "is not the lora.1 that" in capsys.readouterr().err


def test_removing_and_learning_take_loras(shelf: Path, tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shelf)
    common = ["--models", str(tiny_models), "--device", "cpu", "--quiet", "--lora", "a.safetensors:0.5"]
    assert main(["remove", "photo.png", "--box", "10,10,40,40", "--fill", "diffusion", "--out", "gone", *common]) == 0
    assert "lora 1" in json.loads((shelf / "gone" / "photo.json").read_text())["versions"]
    learning = ["--masks", "cat=mask.png", "--learn.token-steps", "1", "--learn.weight-steps", "1"]
    assert main(["learn", "photo.png", *learning, *common]) == 0
    assert b"lora 1" in (shelf / "concepts.safetensors").read_bytes()


def test_what_no_checkpoint_paints_says_that_they_are_not_used(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(shelf)
    added = ["--lora", "a.safetensors", "--models", "pocket"]
    for name in ("photo.png", "mask.png"):  # larger than what pocket would be asked to paint
        Image.open(name).resize((512, 512), Image.Resampling.NEAREST).save(name)
    assert main(["remove", "photo.png", "--box", "10,10,40,40", "--out", "gone", *added]) == 0
    assert "LoRAs and textual inversions had no effect" in capsys.readouterr().out
    assert (
        main(["arrange", "photo.png", "--masks", "cat=mask.png", "--move", "cat=+5,0", "--fill", "patch", *added]) == 0
    )
    assert "LoRAs and textual inversions had no effect" in capsys.readouterr().out


def test_learned_looks_are_exported_and_paint_the_same_from_there(
    shelf: Path, tiny_models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(shelf)
    common = ["photo.png", "--masks", "cat=mask.png", "--models", str(tiny_models), "--device", "cpu"]
    learning = ["--learn.token-steps", "1", "--learn.weight-steps", "2", "--export"]
    assert main(["learn", *common, *learning, "--out", "looks.safetensors", "--json"]) == 0
    exported = json.loads(capsys.readouterr().out)["exported"]
    folder = Path("looks.diffusers")
    assert [Path(file) for file in exported] == [
        folder / "learned_embeds.safetensors",
        folder / "pytorch_lora_weights.safetensors",
    ]
    assert main(["learn", *common, *learning, "--out", "looks.safetensors", "--overwrite", "--quiet"]) == 0
    Path("looks.safetensors").rename("others.safetensors")
    assert main(["learn", *common, *learning, "--out", "looks.safetensors"]) == 2
    assert "looks.diffusers/pytorch_lora_weights.safetensors exists already" in capsys.readouterr().err
    moved = ["arrange", *common, "--move", "cat=+9,0", "--mode", "regenerate", "--steps", "2", "--quiet"]
    for concepts in ("others.safetensors", "looks.diffusers"):
        assert main([*moved, "--concepts", concepts, "--out", f"by-{concepts}"]) == 0
    one, two = (
        digest_of(shelf / f"by-{concepts}" / "photo.json") for concepts in ("others.safetensors", "looks.diffusers")
    )
    assert one == two
