"""What ships with the package so that a bare .safetensors file loads offline: configurations and CLIP's tokenizer.

A single-file checkpoint holds weights alone. How large its networks are, which schedule they were trained with and
how words become tokens is the same in all checkpoints of a family; what differs within one is read from the file.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Literal

FAMILIES = Path(__file__).with_name("families")

Family = Literal["sd1", "sd2", "sdxl"]

# Classes of the parts, as model_index.json names them; a part whose configuration a family lacks is left out.
CLASSES = {
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "tokenizer_2": ["transformers", "CLIPTokenizer"],
}
PIPELINES = {
    "sd1": "StableDiffusionInpaintPipeline",
    "sd2": "StableDiffusionInpaintPipeline",
    "sdxl": "StableDiffusionXLInpaintPipeline",
}
# Stable Diffusion 2 has one release for pictures of 768 px, which predicts v; its others are for 512 px.
V_CELLS = 96


def family_settings(family: Family, *, channels: int = 4, prediction: str = "epsilon") -> dict[str, Any]:
    """The configurations of a family's parts, by part.

    Args:
        channels: that the denoiser reads: 4, or 9 where it was trained to inpaint.
        prediction: epsilon or v_prediction.
    """
    settings: dict[str, Any] = json.loads((FAMILIES / f"{family}.json").read_text(encoding="utf-8"))
    settings["unet"]["in_channels"] = channels
    settings["scheduler"]["prediction_type"] = prediction
    if family == "sd2" and prediction == "v_prediction":
        settings["unet"]["sample_size"] = V_CELLS
    return settings


def write_configuration(folder: Path, settings: dict[str, Any], *, pipeline: str) -> None:
    """Lay configurations out as a folder in diffusers layout, without weights and without tokenizers."""
    index: dict[str, Any] = {"_class_name": pipeline, "safety_checker": [None, None], "feature_extractor": [None, None]}
    for part, values in settings.items():
        name = "scheduler_config.json" if part == "scheduler" else "config.json"
        index[part] = ["diffusers", values["_class_name"]] if part == "scheduler" else CLASSES[part]
        if not part.startswith("tokenizer"):
            (folder / part).mkdir(parents=True, exist_ok=True)
            (folder / part / name).write_text(json.dumps(values), encoding="utf-8")
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")


def clip_tokenizer(*, pad_token: str = "<|endoftext|>", limit: int = 77) -> Any:
    """CLIP's tokenizer, which all these families read their texts with.

    Args:
        pad_token: what fills a text up: its end again in Stable Diffusion 1 and the first text encoder of XL, an
            exclamation mark (token 0) in Stable Diffusion 2 and the second one of XL.
        limit: tokens that the text encoder reads, begin and end included.
    """
    from transformers import CLIPTokenizer

    merges: Any = clip_merges()
    return CLIPTokenizer(
        vocab=clip_vocabulary(merges), merges=list(merges), pad_token=pad_token, model_max_length=limit
    )


@cache
def clip_merges() -> tuple[tuple[str, str], ...]:
    """Which two pieces of a word are joined, the most frequent pair first."""
    _version, *lines = (FAMILIES / "clip_tokenizer" / "merges.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split() for line in lines)
    return tuple((first, second) for first, second in pairs)


def clip_vocabulary(merges: tuple[tuple[str, str], ...]) -> dict[str, int]:
    """Pieces of words and their ids: the bytes, the bytes at a word's end, what merges make, begin and end.

    Source: Radford et al. 2021, arXiv:2103.00020, sec. 2.4; Radford et al. 2019 (byte pairs over bytes), sec. 2.2.
    """
    letters = byte_letters()
    pieces = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in merges)]
    return {piece: place for place, piece in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}


def byte_letters() -> list[str]:
    """The printable letter that stands for each of the 256 bytes: its own, or one of those after Latin-1."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [*map(chr, printable), *(chr(256 + place) for place in range(256 - len(printable)))]
