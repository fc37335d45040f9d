"""Measuring edits: the judge, an observer that no editing method ever asks."""
