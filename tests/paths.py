"""Where things lie that several tests read."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
SCENES = Path(__file__).parent / "scenes"
"""Scenes of the pocket world: python -m training.world --seed 424242 --count 6 --out tests/scenes"""
PACKAGE_SCENES = ROOT / "src" / "intarsia" / "demo" / "scenes"
SAMPLES = ROOT.parent / "shared" / "samples"
"""Real inputs in the published codes' formats; tests that need them skip where they are absent."""
