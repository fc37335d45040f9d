"""The demo: scenes that ship with the package, edited by words and by layout, on one sheet and one page."""
