"""Where a file lies, as people write it: addresses, the home folder, other systems' paths, and what copying puts around them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://|data:[\w/.+-]*[;,]", re.IGNORECASE)
"""Begins an address; a letter and a colon alone begin a path of Windows."""

DRIVE = re.compile(r"([A-Za-z]):[\\/]|\\\\[^\\]")
"""Begins a path of Windows, on a drive or of another machine."""

AROUND = "'\"\u2018\u2019\u201c\u201d\u00ab\u00bb \t\r\n\u00a0\u200b\u200e\u200f\u202a\u202c\u2066\u2069\ufeff"
"""What is around a path that was copied: quotation marks, blanks, and marks of direction that nobody sees."""

Exists = Callable[[str], bool]


def no_file(text: str) -> str:
    """Why a text is no path, as the rest of a sentence: an address, or a picture itself ("data:"); empty for a path, and for
    "file:", which is one."""
    found = SCHEME.match(text)
    if found is None or (found[1] or "").lower() == "file":
        return ""
    if found[1] is None:
        return "is a picture written as text: save it as a file and give that."
    return "is an address, and nothing is fetched: download it and give the file."


def missing(path: str, *, exists: Exists = os.path.lexists, system: str = os.name) -> str:
    """What helps who named a file that is not there, as a clause.

    Args:
        exists: whether there is a file of a name.
        system: as `os.name` calls it.
    """
    if (found := SCHEME.match(path)) and (found[1] or "").lower() == "file":
        return f"give its path, {unquote(urlsplit(path).path)}, and no address"
    bare = path.strip(AROUND)
    if bare != path and bare and exists(bare):
        return f"{bare} is there, without the signs around it"
    if system != "nt" and (drive := DRIVE.match(path)):
        there = f", under WSL /mnt/{drive[1].lower()}/..." if drive[1] else ""
        return f"that is a path of Windows, which is called otherwise here{there}"
    if system != "nt" and "\\" in path and exists(path.replace("\\", "/")):
        return f"write it with /, as {path.replace(chr(92), '/')}"
    if "*" in re.split(r"[\\/]", path)[-1]:
        return "name one, since patterns are not filled in, or give the folder to a batch"
    return "check the name and the folder"


def in_list(name: str, folder: str, *, home: bool, exists: Exists = os.path.lexists, system: str = os.name) -> str:
    """A path of a list, as this system reads it: the list may come from another, and no shell fills in its home folder.

    What it becomes depends on no file but the one of that very name: nobody learns by it what else is there.

    Args:
        folder: that the path is meant in.
        home: whether "~" is filled in, where the folder has nothing of that name.
    """
    if exists(os.path.join(folder, name)):  # noqa: PTH118  # a pure text
        return name
    if home and name.startswith(("~/", "~\\")):
        name = os.path.expanduser(name)  # noqa: PTH111  # as for flags
    return name if system == "nt" else name.replace("\\", "/")
