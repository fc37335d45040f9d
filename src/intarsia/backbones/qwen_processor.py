"""What Qwen-Image-Edit's text encoder reads, a text and pictures, made without torchvision.

The library's own processor also prepares videos, and cannot be loaded where torchvision is not installed; for pictures
it does no more than this.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import transformers

PICTURE = "<|image_pad|>"
"""Stands for a picture in a text, once; for the network, once for each place of the picture."""


class QwenProcessor:
    """Texts and pictures as the tensors that Qwen2.5-VL takes.

    Args:
        image_processor: cuts pictures into patches.
        tokenizer: knows `PICTURE` as one token.
    """

    def __init__(self, image_processor: Any, tokenizer: Any) -> None:
        self.image_processor, self.tokenizer = image_processor, tokenizer

    @classmethod
    def from_pretrained(cls, folder: Path, **settings: Any) -> QwenProcessor:
        """Of a checkpoint's folder processor/; settings as the library's own."""
        images = transformers.Qwen2VLImageProcessorPil.from_pretrained(folder, **settings)  # nosec B615 # a folder
        return cls(images, transformers.Qwen2Tokenizer.from_pretrained(folder, **settings))  # nosec B615 # a folder

    def __call__(self, text: Sequence[str], images: Any, *, padding: bool, return_tensors: str) -> Any:
        """A batch of input_ids, attention_mask, pixel_values and image_grid_thw.

        Args:
            text: with a `PICTURE` for each picture, in their order.
        """
        seen = self.image_processor(images=images, return_tensors=return_tensors)
        places = [int(grid.prod()) // self.image_processor.merge_size**2 for grid in seen["image_grid_thw"]]
        texts, number = [], 0
        for words in text:
            first, *rest = words.split(PICTURE)
            for part in rest:
                first += PICTURE * places[number] + part
                number += 1
            texts.append(first)
        read = self.tokenizer(texts, padding=padding, return_tensors=return_tensors)
        return transformers.BatchFeature({**read, **seen})
