"""intarsia history: list the edits whose records lie in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from intarsia.cli.options import CommandResult, OutputOptions


@dataclass(frozen=True, kw_only=True)
class History:
    """List the edits whose records lie in a folder, in the order they were made; each can be replayed."""

    folder: tyro.conf.Positional[Path] = Path("out")
    """Folder that edits were written to."""
    output: tyro.conf.OmitArgPrefixes[OutputOptions] = OutputOptions()


def history_command(command: History) -> CommandResult:
    from intarsia.records.scene_folder import scene_stem
    from intarsia.results.history import read_history

    entries = read_history(command.folder)
    lines = []
    for number, entry in enumerate(entries, 1):
        when = entry.made_at[:19].replace("T", " ") or "time unknown"
        lines.append(f"{number:>3}  {when}  {scene_stem(Path(entry.photo))}: {entry.words}")
        lines.append(f"     {entry.file}" + "".join(f"  {picture.name}" for picture in entry.pictures))
    lines.append("Each can be made again: intarsia replay FILE.json")
    listed = [
        {
            "record": str(entry.file),
            "made_at": entry.made_at,
            "photo": entry.photo,
            "words": entry.words,
            "pictures": [str(picture) for picture in entry.pictures],
        }
        for entry in entries
    ]
    return {"edits": listed}, lines
