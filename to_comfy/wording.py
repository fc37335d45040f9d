"""What Intarsia's errors name, in the words of a graph: settings are inputs of nodes, moves are flags as in a terminal."""

from __future__ import annotations

from intarsia.errors import Command, FrontEnd, Setting, as_flag

MOVES = ("move", "to", "scale", "rotate", "flip", "copy", "remove", "front", "back")
"""Flags that the text of an arrangement's moves may hold."""

INPUTS = frozenset(
    {"models", "device", "dtype", "vram", "scorer", "patches", "segmenter"}
    | {"source", "prompt", "negative_prompt", "background", "find", "object", "box", "mask"}
    | {"seed", "steps", "guidance", "preset", "size", "keep", "feather", "refine", "context"}
    | {"fill", "shadows", "mode"}
)
"""Settings that are inputs of a node by the same name. A remedy that needs another one is left out."""


def in_graph(named: Setting | Command) -> str:
    """The words of a graph: set "size" to 512, --move cat=+120,0."""
    if isinstance(named, Command) or named.name in MOVES:
        return as_flag(named)
    value = "" if named.value is None or named.value is True else str(named.value)
    if named.verb:
        return f'set "{named.name}"' + (f" to {value}" if value else "")
    return f'"{named.name}" {value}'.rstrip()


def choosable(named: Setting | Command) -> bool:
    return isinstance(named, Command) or named.name in INPUTS or named.name in MOVES


GRAPH = FrontEnd(word=in_graph, offers=choosable, otherwise="change what the node is given")
