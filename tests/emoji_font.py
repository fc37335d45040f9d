"""The font that the pocket world's objects are drawn with, which not every machine has."""

from __future__ import annotations

import pytest

from training import world

needs_font = pytest.mark.skipif(
    not any(file.exists() for file in world.FONT_FILES), reason="the font Noto Color Emoji is not installed"
)
