"""A model that edits by instructions as an inpainter: it edits the picture, and the mask takes its part of the result."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from intarsia.backbones.batches import checked_size
from intarsia.backbones.protocols import InstructionEditor, OnStep
from intarsia.imaging.tensors import levels_of, levels_to_tensor
from intarsia.imaging.undo_drift import undo_drift
from intarsia.records.weighted_prompt import without_weights


class EditorInpainter:
    """An `Inpainter` for what needs masks, of a checkpoint that takes none.

    The prompt is its instruction. What comes back lies over the picture, in its colours. It knows no middle steps and no
    tiles: strength and tile have no effect, and a soft mask counts in the paste-back alone.
    """

    def __init__(self, editor: InstructionEditor) -> None:
        self.editor, self.name = editor, editor.name
        self.native_side, self.stride, self.cell = editor.native_side, editor.stride, editor.cell
        self.counter, self.dtype = editor.counter, editor.dtype
        self.tokenizer, self.text_limit = editor.tokenizer, editor.text_limit

    def with_own_scheduler(self) -> EditorInpainter:
        """Itself: it steps as the checkpoint's own scheduler does."""
        return self

    def inpaint(
        self,
        picture: Tensor,
        masks: Tensor,
        prompts: Sequence[str],
        *,
        negative_prompt: str = "",
        seeds: Sequence[int],
        steps: int,
        guidance: float,
        strength: float = 1.0,
        tile: int | None = None,
        on_step: OnStep | None = None,
    ) -> Tensor:
        """Edit a picture for each of B masks; see `Inpainter.inpaint` and the class."""
        checked_size(picture, masks, prompts, seeds, self.stride)
        assert 0 < strength <= 1 and (tile is None or tile > 0), f"a strength of {strength}, tiles of {tile}"
        pictures = list(picture.float().cpu().expand(len(masks), -1, -1, -1))
        edited = self.editor.edits(
            pictures, [without_weights(p) for p in prompts], negative_prompt=negative_prompt, seeds=seeds, steps=steps, guidance=guidance,
            on_step=on_step,
        )  # fmt: skip
        laid = [undo_drift(levels_of(p), levels_of(e)).picture for p, e in zip(pictures, edited, strict=True)]
        return torch.cat([levels_to_tensor(p.clip(0, 255)) for p in laid])
