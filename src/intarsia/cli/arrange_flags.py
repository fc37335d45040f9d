"""The commands of edit by layout as flags; light, since help imports it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from intarsia.records.arrange import ArrangeRecord, ComposeSettings, GuideSettings, LearnSettings
from intarsia.records.choices import LayoutPreset, Mode, OutputFormat, Unsure
from intarsia.records.scene_folder import SCENE_FILES

MANY = (
    "masks",
    "find",
    "object",
    "move",
    "to",
    "scale",
    "rotate",
    "flip",
    "copy",
    "remove",
    "front",
    "back",
    "lora",
    "embedding",
)
"""Settings that take several words, and whose flags may be given several times."""

MANY_OF_REMOVE = ("box",)
"""Those that have one word with other commands."""


@dataclass(frozen=True, kw_only=True)
class ArrangeFlags(ArrangeRecord):
    """An arrangement's record in the form of flags; checked only when it becomes a record, for a plain message."""

    photo: tyro.conf.Positional[str]

    def __post_init__(self) -> None:
        """Nothing yet: see `record`."""

    def record(self) -> ArrangeRecord:
        """The record; a scene's folder becomes the files in it.

        Raises:
            RecordError: a setting is out of range, or two contradict each other.
        """
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(ArrangeRecord)}
        inside = {kind: Path(self.photo) / name for kind, name in SCENE_FILES.items() if kind != "overlay"}
        if self.mask or self.masks or self.find or self.object:
            if inside["photo"].is_file():
                values["photo"] = str(inside["photo"])
        elif all(file.is_file() for file in inside.values()):
            values.update({kind: str(file) for kind, file in inside.items()})
            values["colours"] = self.colours or values["colours"]
        return ArrangeRecord(**values)


@dataclass(frozen=True, kw_only=True)
class SceneFlags(ArrangeFlags):
    """The part of the record that says what is in the picture."""

    layout: tyro.conf.Suppress[str | None] = None
    boxes: tyro.conf.Suppress[str | None] = None
    move: tyro.conf.Suppress[tuple[str, ...]] = ()
    to: tyro.conf.Suppress[tuple[str, ...]] = ()
    scale: tyro.conf.Suppress[tuple[str, ...]] = ()
    rotate: tyro.conf.Suppress[tuple[str, ...]] = ()
    flip: tyro.conf.Suppress[tuple[str, ...]] = ()
    copy: tyro.conf.Suppress[tuple[str, ...]] = ()
    remove: tyro.conf.Suppress[tuple[str, ...]] = ()
    front: tyro.conf.Suppress[tuple[str, ...]] = ()
    back: tyro.conf.Suppress[tuple[str, ...]] = ()
    protect: tyro.conf.Suppress[str | None] = None
    mode: tyro.conf.Suppress[Mode] = "auto"
    concepts: tyro.conf.Suppress[str | None] = None
    negative_prompt: tyro.conf.Suppress[str] = ""
    background: tyro.conf.Suppress[str] = ""
    seeds: tyro.conf.Suppress[int] = 1
    steps: tyro.conf.Suppress[int] = 50
    guidance: tyro.conf.Suppress[float] = 3.0
    feather: tyro.conf.Suppress[float] = 0.02
    format: tyro.conf.Suppress[OutputFormat] = "keep"
    quality: tyro.conf.Suppress[int | None] = None
    watermark: tyro.conf.Suppress[str] = ""
    compose: tyro.conf.Suppress[ComposeSettings] = ComposeSettings()
    guide: tyro.conf.Suppress[GuideSettings] = GuideSettings()


@dataclass(frozen=True, kw_only=True)
class FindFlags(SceneFlags):
    """The same without what only learning needs. What is found is written, sure or not: it is looked at first."""

    unsure: tyro.conf.Suppress[Unsure] = "keep"
    lora: tyro.conf.Suppress[tuple[str, ...]] = ()
    embedding: tyro.conf.Suppress[tuple[str, ...]] = ()
    prompt: tyro.conf.Suppress[str] = ""
    preset: tyro.conf.Suppress[LayoutPreset] = "default"
    seed: tyro.conf.Suppress[int] = 0
    learn: tyro.conf.Suppress[LearnSettings] = LearnSettings()


def join_repeated(arguments: Sequence[str], *, exists: Callable[[str], bool] = os.path.lexists) -> list[str]:
    """Put the words of a repeated flag together: --move cat=9,0 --move dog=0,9 means --move cat=9,0 dog=0,9.

    Without it the last one would count alone, in silence. And take a file out of the words of such a flag where it
    ends them and no other was named: remove --box 1,2,3,4 photo.png means remove photo.png --box 1,2,3,4.

    Args:
        exists: whether there is a file of a name.
    """
    many = (*MANY, *MANY_OF_REMOVE) if arguments[:1] == ["remove"] else MANY
    flags = {f"--{name}" for name in (*many, "set")}
    groups: dict[str | int, list[str]] = {0: []}
    group = groups[0]
    for place, argument in enumerate(arguments, 1):
        name, equals, value = argument.partition("=")
        if name in flags:
            group = groups.setdefault(name, [name])
            group.extend([value] if equals else [])
        elif argument.startswith("--"):
            group = groups[place] = [argument]
        else:
            group.append(argument)
    if len(groups[0]) == 1:
        ending = next((g for key, g in groups.items() if key in flags and len(g) > 2 and exists(g[-1])), None)
        groups[0].extend([ending.pop()] if ending else [])
    return [word for words in groups.values() for word in words]
