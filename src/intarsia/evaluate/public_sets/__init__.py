"""Public sets of edits, read from a local folder: no picture of them ships with the package, and none is downloaded.

A reader (`pie`, `pie_plus`, `dle`, `pixelman`) makes items of a set's own files; `measure` edits each and takes the
figures of `metrics`; `report` keeps them in a file from which a run goes on.
"""
