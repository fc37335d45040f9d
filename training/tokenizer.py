"""Build the pocket tokenizer: a byte-level BPE in which every word of the world is one token."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path

from transformers import CLIPTokenizer

from training import world

MAX_LENGTH = 32
EXTRA_WORDS = [
    "a",
    "an",
    "the",
    "and",
    "on",
    "in",
    "at",
    "of",
    "with",
    "next",
    "to",
    "left",
    "right",
    "center",
    "centre",
    "middle",
    "top",
    "bottom",
    "big",
    "large",
    "small",
    "little",
    "tiny",
    "huge",
    "photo",
    "picture",
    "image",
    "photograph",
    "high",
    "quality",
    "low",
    "best",
    "bad",
    "blurry",
    "no",
    "not",
    "red",
    "green",
    "blue",
    "yellow",
    "orange",
    "purple",
    "pink",
    "brown",
    "black",
    "white",
    "gray",
    "grey",
    "golden",
    "silver",
    "dark",
    "bright",
    "light",
    "colorful",
    "old",
    "new",
    "young",
    "two",
    "three",
    "one",
    "many",
    "few",
    "some",
    "painting",
    "drawing",
    "sketch",
    "cartoon",
    "style",
    "nice",
    "beautiful",
    "cute",
    "under",
    "above",
    "below",
    "behind",
    "beside",
    "near",
    "sitting",
    "standing",
    "is",
    "it",
    "this",
    "that",
    "background",
    "object",
    "objects",
    "room",
    "scene",
    "empty",
    "wood",
    "wooden",
    "field",
    "ground",
    "beach",
    "desk",
    "flowers",
    "flower",
    "fur",
    "leaves",
    "soft",
    "drink",
    "coffee",
    "vase",
    "puppy",
    "kitten",
    "bunny",
    "shrub",
    "animal",
    "toy",
    "sky",
    "night",
    "water",
    "winter",
    "summer",
]


def words() -> list[str]:
    found = set(world.NAMES) | {n + "s" for n in world.NAMES} | set(world.BACKGROUNDS) | set(EXTRA_WORDS)
    for places in world.PLACES.values():
        for place in places:
            found |= set(place.split())
    return sorted(found | {".", ",", "!", "?"})


def byte_symbols() -> dict[int, str]:
    """A printable character for each of the 256 bytes, as the byte-level BPE of GPT-2 and CLIP defines it."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    symbols = {b: chr(b) for b in printable}
    symbols.update({b: chr(256 + i) for i, b in enumerate(others)})
    return symbols


def learn_merges(vocabulary: list[str]) -> list[tuple[str, str]]:
    """Merge the most frequent neighbouring pair until every word is one token."""
    symbols = byte_symbols()
    pieces = {w: [symbols[b] for b in w.encode()] for w in vocabulary}
    for parts in pieces.values():
        parts[-1] += "</w>"
    merges: list[tuple[str, str]] = []
    while True:
        pairs: Counter[tuple[str, str]] = Counter()
        for parts in pieces.values():
            pairs.update(itertools.pairwise(parts))
        if not pairs:
            return merges
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        for word, parts in pieces.items():
            joined: list[str] = []
            for part in parts:
                if joined and (joined[-1], part) == best:
                    joined[-1] += part
                else:
                    joined.append(part)
            pieces[word] = joined


def build(folder: Path) -> CLIPTokenizer:
    """Write the tokenizer to `folder` in CLIP's file layout, and return it."""
    merges = learn_merges(words())
    alphabet = sorted(byte_symbols().values())
    tokens = list(dict.fromkeys([*alphabet, *(c + "</w>" for c in alphabet), *(a + b for a, b in merges)]))
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(m) for m in merges) + "\n")
    special = {"bos_token": "<|startoftext|>"} | dict.fromkeys(("eos_token", "unk_token", "pad_token"), "<|endoftext|>")
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": MAX_LENGTH,
        "do_lower_case": True,
        "errors": "replace",
        "add_prefix_space": False,
        **special,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1))
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=1))
    built: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder)
    return built
