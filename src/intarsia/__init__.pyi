"""The public names, written once: `__init__.py` loads each from here when it is first asked for."""

from .backbones import from_pipe as from_pipe
from .backbones import load_backbones as load_backbones
from .errors import Cancelled as Cancelled
from .errors import ClusterError as ClusterError
from .errors import EmptyMaskError as EmptyMaskError
from .errors import IntarsiaError as IntarsiaError
from .errors import LayoutError as LayoutError
from .errors import MissingExtraError as MissingExtraError
from .errors import ModelError as ModelError
from .errors import OutputError as OutputError
from .errors import PictureError as PictureError
from .errors import RecordError as RecordError
from .errors import RegionError as RegionError
from .errors import WorkersError as WorkersError
from .imaging.photo import Photo as Photo
from .imaging.read import read_photo as read_photo
from .imaging.write import write_photo as write_photo
from .layout.concepts import Concepts as Concepts
from .layout.edit import ArrangeResult as ArrangeResult
from .layout.edit import arrange as arrange
from .layout.layout import Layout as Layout
from .layout.layout import Placement as Placement
from .layout.layout_files import read_layout as read_layout
from .layout.removal_files import read_removal as read_removal
from .layout.remove import RemoveResult as RemoveResult
from .layout.remove import remove as remove
from .layout.scene import Scene as Scene
from .layout.scene import SceneObject as SceneObject
from .layout.scene_files import read_scene as read_scene
from .layout.train import learn as learn
from .records.arrange import ArrangeRecord as ArrangeRecord
from .records.arrange import ComposeSettings as ComposeSettings
from .records.arrange import GuideSettings as GuideSettings
from .records.arrange import LearnSettings as LearnSettings
from .records.edit import EditRecord as EditRecord
from .records.edit import FitSettings as FitSettings
from .records.edit import ScoreSettings as ScoreSettings
from .records.edit import SearchSettings as SearchSettings
from .records.remove import RemoveRecord as RemoveRecord
from .regions.edit import EditResult as EditResult
from .regions.edit import edit as edit
from .results.save import save as save
from .version import __version__ as __version__

__all__: list[str]
