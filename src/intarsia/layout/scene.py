"""A scene: a photo and the objects in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from intarsia.errors import LayoutError
from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Photo
from intarsia.layout.names import words_of


@dataclass(frozen=True, kw_only=True)
class SceneObject:
    """One object of a scene.

    Attributes:
        name: unique in its scene, e.g. "dog 2".
        words: what it is, for models: the name without its number, e.g. "dog".
        mask: (H, W) at the photo's size, the pixels that show it; those of different objects are disjoint.
        grain: pixels of the photo to a side of a pixel of the mask, as it was drawn; more than 1 for a coarse one.
        confidence: the chance, in [0, 1], that it is there, of an object that was found by words; None of one that was
            drawn or marked.
        sure_from: confidence from which that counts as sure.
        doubt: where it is not sure that it is there, the likeliest cause, as a clause; else empty.
    """

    name: str
    words: str
    mask: Mask
    grain: float = 1.0
    confidence: float | None = None
    sure_from: float = 0.0
    doubt: str = ""

    @property
    def sure(self) -> bool:
        """Whether it is taken to be there: found with confidence, or shown by hand."""
        return not self.doubt


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A photo and its objects, as many as there are; the rest is background."""

    photo: Photo
    objects: tuple[SceneObject, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(obj.name for obj in self.objects)

    @property
    def masks(self) -> dict[str, Mask]:
        """(H, W) mask of each object, by name."""
        return {obj.name: obj.mask for obj in self.objects}


def scene_of_objects(photo: Photo, objects: Sequence[SceneObject]) -> Scene:
    """A scene of objects whose masks are disjoint and none of them empty."""
    if not objects:
        raise LayoutError("The scene has no objects, so that nothing can be moved: name at least one.")
    return Scene(photo=photo, objects=tuple(objects))


def scene_of(photo: Photo, masks: Mapping[str, Mask], *, grain: float = 1.0) -> Scene:
    """A scene of named masks that are disjoint and none of them empty; see `SceneObject.grain`."""
    objects = [
        SceneObject(name=name, words=words_of(name), mask=mask, grain=max(1.0, grain)) for name, mask in masks.items()
    ]
    return scene_of_objects(photo, objects)
