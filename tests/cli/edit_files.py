"""A photo in a folder, and the flags of a quick edit."""

from __future__ import annotations

QUICK = ["--steps", "2"]


WORDS = ["--source", "cat", "--prompt", "a house"]
