"""Edit a picture by words, or by moving what is in it.

    import intarsia as ia

    photo = ia.read_photo("street.jpg")
    models = ia.load_backbones("pocket")
    result = ia.edit(photo, ia.EditRecord(photo="street.jpg", source="trees", prompt="a red house"), models)
    result.photo.as_image()

    record = ia.ArrangeRecord(photo="street.jpg", find=("car",), move=("car=+120,0",))
    scene = ia.read_scene(record, photo, models.segmenter)
    ia.arrange(scene, ia.read_layout(record, scene), record, models).photo.as_image()

The names below are public; each is loaded when it is first asked for, so that `import intarsia` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from intarsia.version import __version__ as __version__

if TYPE_CHECKING:
    from intarsia.backbones import load_backbones as load_backbones
    from intarsia.errors import Cancelled as Cancelled
    from intarsia.errors import ClusterError as ClusterError
    from intarsia.errors import EmptyMaskError as EmptyMaskError
    from intarsia.errors import IntarsiaError as IntarsiaError
    from intarsia.errors import LayoutError as LayoutError
    from intarsia.errors import MissingExtraError as MissingExtraError
    from intarsia.errors import ModelError as ModelError
    from intarsia.errors import OutputError as OutputError
    from intarsia.errors import PictureError as PictureError
    from intarsia.errors import RecordError as RecordError
    from intarsia.errors import RegionError as RegionError
    from intarsia.errors import WorkersError as WorkersError
    from intarsia.imaging.photo import Photo as Photo
    from intarsia.imaging.read import read_photo as read_photo
    from intarsia.imaging.write import write_photo as write_photo
    from intarsia.layout.concepts import Concepts as Concepts
    from intarsia.layout.edit import ArrangeResult as ArrangeResult
    from intarsia.layout.edit import arrange as arrange
    from intarsia.layout.layout import Layout as Layout
    from intarsia.layout.layout import Placement as Placement
    from intarsia.layout.layout_files import read_layout as read_layout
    from intarsia.layout.scene import Scene as Scene
    from intarsia.layout.scene import SceneObject as SceneObject
    from intarsia.layout.scene_files import read_scene as read_scene
    from intarsia.layout.train import learn as learn
    from intarsia.records.arrange import ArrangeRecord as ArrangeRecord
    from intarsia.records.arrange import ComposeSettings as ComposeSettings
    from intarsia.records.arrange import GuideSettings as GuideSettings
    from intarsia.records.arrange import LearnSettings as LearnSettings
    from intarsia.records.edit import EditRecord as EditRecord
    from intarsia.records.edit import FitSettings as FitSettings
    from intarsia.records.edit import ScoreSettings as ScoreSettings
    from intarsia.records.edit import SearchSettings as SearchSettings
    from intarsia.regions.edit import EditResult as EditResult
    from intarsia.regions.edit import edit as edit

HOMES = {
    "ArrangeRecord": "records.arrange",
    "ArrangeResult": "layout.edit",
    "Cancelled": "errors",
    "ClusterError": "errors",
    "ComposeSettings": "records.arrange",
    "Concepts": "layout.concepts",
    "EditRecord": "records.edit",
    "EditResult": "regions.edit",
    "EmptyMaskError": "errors",
    "FitSettings": "records.edit",
    "GuideSettings": "records.arrange",
    "IntarsiaError": "errors",
    "Layout": "layout.layout",
    "LayoutError": "errors",
    "LearnSettings": "records.arrange",
    "MissingExtraError": "errors",
    "ModelError": "errors",
    "OutputError": "errors",
    "Photo": "imaging.photo",
    "PictureError": "errors",
    "Placement": "layout.layout",
    "RecordError": "errors",
    "RegionError": "errors",
    "Scene": "layout.scene",
    "SceneObject": "layout.scene",
    "ScoreSettings": "records.edit",
    "SearchSettings": "records.edit",
    "WorkersError": "errors",
    "arrange": "layout.edit",
    "edit": "regions.edit",
    "learn": "layout.train",
    "load_backbones": "backbones",
    "read_layout": "layout.layout_files",
    "read_photo": "imaging.read",
    "read_scene": "layout.scene_files",
    "write_photo": "imaging.write",
}
__all__ = ["__version__", *HOMES]


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'intarsia' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"intarsia.{HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
