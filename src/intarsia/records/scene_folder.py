"""The names of the files in a scene folder."""

from __future__ import annotations

SCENE_ENDING = ".scene"
SCENE_FILES = {"photo": "photo.png", "mask": "mask.png", "colours": "colours.json", "overlay": "overlay.png"}
"""What a scene's folder holds."""
FOUND_FILE = "found.json"
"""Beside them where objects were found by words: how sure each of them is, and of which mask that holds."""
