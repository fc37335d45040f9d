"""Networks that stay loaded: one checkpoint and one segmenter, for a batch and for the web pages alike."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Sequence

from intarsia.backbones import ModelSource, load_backbones
from intarsia.backbones.caching import with_caches
from intarsia.backbones.lora_files import digest_of
from intarsia.backbones.protocols import Backbones
from intarsia.backbones.segmenters import LoadedSegmenter
from intarsia.notes import collected, say
from intarsia.records.added_files import split_path
from intarsia.tasks.options import Machine
from intarsia.tasks.scene import load_segmenter


class ModelPool:
    """One checkpoint and one segmenter in memory; asking for another loads it in the place of the one before.

    Safe to use from several threads: a checkpoint is loaded once, and the others wait for it.

    Args:
        machine: where the networks run.
        choices: names of the checkpoints that may be asked for; any other name means the first. None: all may be.
        load: what loads a checkpoint, as `load_backbones` does.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        choices: Sequence[str] | None = None,
        load: Callable[..., Backbones] = load_backbones,
    ) -> None:
        self.machine = machine
        self.choices = choices
        self._load = load
        self._backbones: tuple[tuple[str, ...], Backbones, list[str]] | None = None
        self._segmenter: tuple[ModelSource, LoadedSegmenter, list[str]] | None = None
        self._loading_backbones = threading.Lock()
        self._loading_segmenter = threading.Lock()

    def backbones(self, models: str, **added: Sequence[str]) -> Backbones:
        """The networks of a checkpoint, with caches of what they compute for a picture.

        What was noted when they were loaded is said of each result that they are used for.

        Args:
            models: its name.
            added: files that are added to it, by the records' settings, as FILE or FILE:WORD each; with other files, or
                files that were changed, it is loaded again.

        Raises:
            ModelError: they cannot be loaded; none are in memory then.
        """
        name = models if self.choices is None or models in self.choices else self.choices[0]
        added = {setting: files for setting, files in added.items() if files}
        files = [split_path(text)[0] for texts in added.values() for text in texts]
        key = (name, repr(added), digest_of(files))
        with self._loading_backbones:
            if self._backbones is None or self._backbones[0] != key:
                self._backbones = None  # both at once may not fit
                gc.collect()  # networks and what is attached to them refer to each other
                machine = self.machine
                with collected() as said:
                    loaded = self._load(name, device=machine.device, dtype=machine.dtype, vram=machine.vram, **added)
                self._backbones = (key, with_caches(loaded), said)
            _, loaded, said = self._backbones
            say(*said)
            return loaded

    def segmenter(self, source: ModelSource) -> LoadedSegmenter:
        """The segmenter that belongs to a checkpoint.

        Raises:
            ModelError: it cannot be loaded.
        """
        with self._loading_segmenter:
            if self._segmenter is None or self._segmenter[0] != source:
                with collected() as said:
                    loaded = load_segmenter(source, self.machine.device)
                self._segmenter = (source, loaded, said)
            _, loaded, said = self._segmenter
            say(*said)
            return loaded
