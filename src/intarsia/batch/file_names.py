"""Names of the files that a batch writes into its output folder."""

from __future__ import annotations

RESULTS = "results"
"""Folder of the jobs' folders, in the output folder."""

MARK = "job.json"
"""The file of a job's folder that says whose it is, and what it took."""

UNFINISHED = ".part-"
"""How the folder of a job that is being done begins."""

LEDGER = "ledger.sqlite"
LOCK = ".lock"

INDEX = "index.html"
PAGE = "page"
"""The page, and the folder of its data."""
