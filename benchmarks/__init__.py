"""Measurements of the methods on fresh scenes of the pocket world."""
