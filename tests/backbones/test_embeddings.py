"""Textual inversions: words with learned vectors, read as diffusers reads them, in every layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from intarsia.backbones import load_backbones
from intarsia.backbones.embedding_files import expanded, read_embeddings, unused_messages
from intarsia.backbones.placement import quiet_loading
from intarsia.backbones.prompt_chunks import prompt_ids, weighted_tokens
from intarsia.backbones.protocols import Backbones
from intarsia.backbones.stable_diffusion import StableDiffusion
from intarsia.backbones.tokens import tokenize, unread_words
from intarsia.errors import TERMINAL, ModelError
from intarsia.layout.concepts import tokens_added
from intarsia.layout.prompts import token_positions
from tests import tiny
from tests.backbones.test_lora import PROMPTS, painted, sd_pipeline
from tests.backbones.test_lora import masks as masks  # a fixture
from tests.backbones.test_lora import picture as picture  # a fixture
from tests.backbones.test_pipelines import own_pipeline
from tests.pretended_cuda import pretended_cuda

WIDTH = tiny.WIDTH


def save(tensors: dict[str, Tensor], file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file)
    return file


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """Three vectors of <toy>, as diffusers writes them."""
    torch.manual_seed(1)
    return save({"<toy>": torch.randn(3, WIDTH)}, tmp_path / "toy" / "learned_embeds.safetensors")


def with_words(folder: Path, *words: object, **machine: Any) -> Backbones:
    return load_backbones(str(folder), embedding=[str(word) for word in words], **({"device": "cpu"} | machine))


def parts_of(models: Backbones) -> StableDiffusion:
    assert isinstance(models.in_parts, StableDiffusion)
    return models.in_parts


TEXTS = ["a <toy>", "<toy>, a <TOY>", "a cat"]


@pytest.mark.parametrize("layout", ["diffusers", "folder", "A1111", "other word"])
def test_a_prompt_that_says_a_word_gets_all_its_vectors(
    layout: str, toy: Path, tiny_models: Path, tmp_path: Path
) -> None:
    tensors = {"emb_params": load_file(toy)["<toy>"]}
    given = {
        "diffusers": toy,
        "folder": toy.parent,
        "A1111": f"{save(tensors, tmp_path / 'any.safetensors')}:<toy>",
        "other word": f"{toy}:thing",
    }[layout]
    pipeline = sd_pipeline(tiny_models)
    pipeline.load_textual_inversion(toy.parent, weight_name=toy.name)
    ours = parts_of(with_words(tiny_models, given))
    say = (lambda text: text.replace("<toy>", "thing").replace("<TOY>", "Thing")) if layout == "other word" else str
    states = ours.encode_text([say(text) for text in TEXTS])
    for text, state in zip([text.replace("<TOY>", "<toy>") for text in TEXTS], states, strict=True):
        told = pipeline.maybe_convert_prompt(text, pipeline.tokenizer)
        tokens = pipeline.tokenizer(
            told, padding="max_length", truncation=True, max_length=tiny.TEXT_LIMIT, return_tensors="pt"
        )
        with torch.no_grad():
            assert torch.allclose(state, pipeline.text_encoder(tokens.input_ids)[0][0], atol=1e-5)


def test_the_word_of_a_file_without_one_is_its_name_and_stands_alone(tiny_models: Path, tmp_path: Path) -> None:
    file = save({"emb_params": torch.randn(1, WIDTH)}, tmp_path / "Toy.safetensors")
    tokenizer = parts_of(with_words(tiny_models, file)).tokenizer
    new = len(tokenizer) - 1
    ids = tokenize(tokenizer, ["a toy", "a Toy.", "a toyshop"], 16)["input_ids"]
    assert [(row == new).sum().item() for row in ids] == [1, 1, 0]


def test_both_text_encoders_of_stable_diffusion_xl_learn_a_word(
    families: Callable[[str], Backbones], picture: Tensor, masks: Tensor, tmp_path: Path
) -> None:
    torch.manual_seed(2)
    tensors = {"clip_l": torch.randn(2, WIDTH), "clip_g": torch.randn(2, WIDTH)}
    models = with_words(Path(families("sdxl").name), f"{save(tensors, tmp_path / 'x.safetensors')}:<toy>")
    pipeline = own_pipeline(families, "sdxl")
    for number, name in enumerate(tensors):
        encoder, tokenizer = (getattr(pipeline, f"{part}{'_2' * number}") for part in ("text_encoder", "tokenizer"))
        pipeline.load_textual_inversion(tensors[name], token="<toy>", text_encoder=encoder, tokenizer=tokenizer)
    for prompt in ("a <toy>", "a cat"):
        with quiet_loading():
            expected, _, pooled, _ = pipeline.encode_prompt(prompt, do_classifier_free_guidance=False)
        told = models.in_parts.encode_text([prompt])
        assert torch.allclose(told[:, :-1], expected, atol=1e-5)
        assert torch.allclose(told[:, -1, : pooled.shape[-1]], pooled, atol=1e-5)
    same, other = (
        one.inpainter.inpaint(picture, masks, ["a <toy>", "a cat"], seeds=[1, 2], steps=2, guidance=1.0)
        for one in (families("sdxl"), models)
    )
    assert torch.allclose(same[1], other[1], atol=1e-4) and not torch.allclose(same[0], other[0], atol=1e-3)


def test_the_wrong_end_token_of_old_configurations_is_mended(tiny_models: Path, toy: Path) -> None:
    from intarsia.backbones.additions import read_additions

    pipeline = sd_pipeline(tiny_models)
    for module in pipeline.text_encoder.modules():
        if hasattr(module, "eos_token_id"):
            module.eos_token_id = 2
    read_additions([], [str(toy)], model="tiny").add_to(pipeline)
    ends = {module.eos_token_id for module in pipeline.text_encoder.modules() if hasattr(module, "eos_token_id")}
    assert ends <= {pipeline.tokenizer.eos_token_id}


@pytest.mark.slow
@pytest.mark.parametrize("vram", ["low", "min"])
def test_networks_that_take_turns_read_the_words(
    vram: Any, toy: Path, tiny_models: Path, picture: Tensor, masks: Tensor
) -> None:
    prompts = ["a <toy>", "a cat"]
    expected = with_words(tiny_models, toy).inpainter.inpaint(
        picture, masks, prompts, seeds=[1, 2], steps=2, guidance=2.0
    )
    with pretended_cuda():
        models = with_words(tiny_models, toy, device="cuda", dtype="float32", vram=vram)
        ours = models.inpainter.inpaint(picture, masks, prompts, seeds=[1, 2], steps=2, guidance=2.0)
    assert torch.allclose(ours, expected, atol=1e-4)


def test_prompts_without_the_word_are_read_as_before(
    toy: Path, tiny_models: Path, tiny_backbones: Backbones, picture: Tensor, masks: Tensor
) -> None:
    models = with_words(tiny_models, toy)
    assert torch.equal(painted(models, picture, masks), painted(tiny_backbones, picture, masks))
    assert models.versions["embedding 1"].endswith(":<toy>") and models.cache_key != tiny_backbones.cache_key
    assert PROMPTS  # of `painted`


def test_learned_objects_and_added_words_stand_side_by_side(toy: Path, tiny_models: Path) -> None:
    diffusion = parts_of(with_words(tiny_models, toy))
    before = diffusion.encode_text(["a <toy>"])
    with tokens_added(diffusion, torch.randn(2, WIDTH)) as tokens:
        assert torch.allclose(diffusion.encode_text(["a <toy>"]), before, atol=1e-6)
        prompt = f"<toy> {tokens[1]} {tokens[0]}"
        ids = tokenize(diffusion.tokenizer, [prompt], 16)["input_ids"][0].tolist()
        positions = token_positions(diffusion.tokenizer, prompt, tokens, 16)
        assert positions == [5, 4], "behind the begin and the word's three vectors"
        assert [ids[position] for position in positions] == diffusion.tokenizer.convert_tokens_to_ids(tokens)
    assert torch.equal(diffusion.encode_text(["a <toy>"]), before)


def test_words_that_are_cut_are_counted_with_their_vectors(toy: Path, tiny_models: Path) -> None:
    tokenizer = parts_of(with_words(tiny_models, toy)).tokenizer
    assert expanded(tokenizer, "a <Toy> b") == "a <toy> <toy>_1 <toy>_2 b"
    assert unread_words(tokenizer, "a <toy> b", 7) == ""
    assert unread_words(tokenizer, "a <toy> b", 6) == "b"


def test_a_weight_holds_for_all_vectors_of_a_word_and_long_prompts_have_them_too(toy: Path, tiny_models: Path) -> None:
    diffusion = parts_of(with_words(tiny_models, toy))
    ids, weights = weighted_tokens(diffusion.tokenizer, "a (<toy>:1.3) b")
    new = diffusion.tokenizer.convert_tokens_to_ids(["<toy>", "<toy>_1", "<toy>_2"])
    assert ids[1:4] == new and weights == [1, 1.3, 1.3, 1.3, 1]
    long = " ".join(["a"] * 13 + ["<toy>"])
    assert [i for i in prompt_ids(diffusion.tokenizer, long, tiny.TEXT_LIMIT) if i in new] == new
    assert diffusion.encode_text([long]).shape[1] == 2 * tiny.TEXT_LIMIT


# What is refused


WRONG: dict[str, tuple[dict[str, Tensor], str, str]] = {
    "another width": ({"emb_params": torch.zeros(1, 24)}, "tiny", "are 24 wide, but those of .* 16"),
    "another family": (
        {"emb_params": torch.zeros(1, 768)},
        "sdxl",
        "is a textual inversion for Stable Diffusion 1, but",
    ),
    "one encoder of two": ({"<toy>": torch.zeros(1, WIDTH)}, "sdxl", "for one text encoder alone"),
    "a family without": ({"<toy>": torch.zeros(1, WIDTH)}, "flux", "learns no words"),
    "a LoRA": ({"lora_te_x.lora_up.weight": torch.zeros(4, 4)}, "tiny", "is no textual inversion, but a LoRA"),
    "two words": (
        {"<a>": torch.zeros(1, WIDTH), "<b>": torch.zeros(WIDTH)},
        "tiny",
        r"holds several words \(<a>, <b>\)",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_file_is_refused(
    kind: str, tiny_models: Path, families: Callable[[str], Backbones], tmp_path: Path
) -> None:
    tensors, models, sentence = WRONG[kind]
    file = save(tensors, tmp_path / "x.safetensors")
    word = ":word" if kind == "two words" else ""
    with pytest.raises(ModelError, match=sentence):
        with_words(tiny_models if models == "tiny" else Path(families(models).name), f"{file}{word}")


def test_words_that_are_known_or_given_twice_are_refused(toy: Path, tiny_models: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"'a' of .* is one that the checkpoint knows already"):
        with_words(tiny_models, f"{toy}:a")
    with pytest.raises(ModelError, match="The word '<toy>' stands for"):
        with_words(tiny_models, toy, toy)
    with pytest.raises(ModelError, match="There is no textual inversion"):
        with_words(tiny_models, tmp_path / "none.safetensors")
    (tmp_path / "x.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(ModelError, match="may be a pickle"):
        with_words(tiny_models, tmp_path / "x.pt")


def test_a_file_may_hold_several_words(tiny_models: Path, tmp_path: Path) -> None:
    file = save({"<a>": torch.randn(2, WIDTH), "<b>": torch.randn(WIDTH)}, tmp_path / "x.safetensors")
    models = with_words(tiny_models, file)
    assert expanded(models.in_parts.tokenizer, "<a> <b>") == "<a> <a>_1 <b>"
    assert {"embedding 1", "embedding 2"} <= set(models.versions)


def test_a_word_that_stands_in_no_prompt_is_told_of(toy: Path) -> None:
    word = read_embeddings([str(toy)])[0].word
    assert unused_messages([str(toy)], ["a cat", f"a {word}"]) == unused_messages([], ["a cat"]) == []
    (message,) = unused_messages([str(toy)], ["a cat", ""])
    assert TERMINAL.sentence(message) == (
        f"The word {word!r} of {toy.name} stands in no prompt, and had no effect: write it there."
    )
