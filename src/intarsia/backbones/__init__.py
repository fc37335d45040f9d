"""The pretrained networks: real checkpoints and the pocket models, behind the same protocols.

Importing this package is cheap; torch, diffusers and transformers are imported when something is loaded.
"""

import os

from intarsia.backbones.catalog import CATALOG, POCKET, Entry
from intarsia.backbones.download import download
from intarsia.backbones.from_pipe import from_pipe
from intarsia.backbones.hub import cached
from intarsia.backbones.load import load_backbones
from intarsia.backbones.resolve import ModelSource

__all__ = ["CATALOG", "POCKET", "Entry", "ModelSource", "cached", "download", "from_pipe", "load_backbones"]

# Read by diffusers when it is first imported: code that lies beside weights must never run.
os.environ["DIFFUSERS_DISABLE_REMOTE_CODE"] = "1"
