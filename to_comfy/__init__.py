"""Nodes of ComfyUI that edit with Intarsia. ComfyUI reads the two mappings when it starts."""

from .arrange_node import Arrange
from .edit_node import EditByWords
from .keep_node import KeepTheRest
from .models_node import LoadModels
from .remove_node import Remove

NODE_CLASS_MAPPINGS: dict[str, type] = {
    "IntarsiaModels": LoadModels,
    "IntarsiaEdit": EditByWords,
    "IntarsiaRemove": Remove,
    "IntarsiaArrange": Arrange,
    "IntarsiaKeepTheRest": KeepTheRest,
}

NODE_DISPLAY_NAME_MAPPINGS = {
    "IntarsiaModels": "Load Models (Intarsia)",
    "IntarsiaEdit": "Edit by Words (Intarsia)",
    "IntarsiaRemove": "Remove (Intarsia)",
    "IntarsiaArrange": "Arrange Objects (Intarsia)",
    "IntarsiaKeepTheRest": "Keep the Rest Exact (Intarsia)",
}

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
