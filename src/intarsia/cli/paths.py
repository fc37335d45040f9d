"""What shells and other systems do to paths on the command line, set right before flags are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from intarsia.file_names import split_ending

OTHER_ENDINGS = (".json", ".jsonl", ".ndjson", ".csv", ".safetensors", ".scene")
"""Endings of what else is named on the command line."""


def readable_paths(
    arguments: Sequence[str],
    *,
    exists: Callable[[str], bool] = os.path.lexists,
    home: Callable[[str], str] = os.path.expanduser,
) -> list[str]:
    """Arguments whose paths are no flags, and begin with no "~".

    A file that is called -x.png, or --help.png, becomes ./-x.png, where there is one. Not every shell fills in the home
    folder, and none does so in --out=~/x. What stands behind "--" is taken as it is.

    Args:
        exists: whether there is a file of a name.
        home: fills in the home folder.
    """
    read: list[str] = []
    for place, argument in enumerate(arguments):
        if argument == "--":
            return [*read, *arguments[place:]]
        flag, sign, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
        if value.startswith(("~/", "~\\")) and not exists(value):
            argument = f"{flag}{sign}{home(value)}"
        elif argument.startswith("-") and is_file_name(argument) and exists(argument):
            argument = f"./{argument}"
        read.append(argument)
    return read


def is_file_name(argument: str) -> bool:
    """Whether an argument ends as no flag does."""
    return bool(split_ending(argument)[1]) or argument.lower().endswith(OTHER_ENDINGS)
