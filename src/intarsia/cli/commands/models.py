"""intarsia models: list and download checkpoints."""

from __future__ import annotations

from dataclasses import dataclass

import tyro

from intarsia.cli.options import CommandResult, OutputOptions
from intarsia.errors import Cancelled, UsageError


@dataclass(frozen=True, kw_only=True)
class Models:
    """List the checkpoints that are known to work, tell more of one, or download one for work without network."""

    action: tyro.conf.Positional[str] = "list"
    """list, a name of the list to be told more of, or download NAME."""
    name: tyro.conf.Positional[str] = ""
    """To download: a name of the list, or a hub id owner/name, either with @revision."""
    output: tyro.conf.OmitArgPrefixes[OutputOptions] = OutputOptions()


def models_command(command: Models) -> CommandResult:
    if command.action == "download":
        return fetched(command)
    if command.name:
        raise UsageError(f"intarsia models {command.action} takes no name, but {command.name!r} was given.")
    return listed() if command.action == "list" else told(command.action)


def listed() -> CommandResult:
    """All checkpoints of the catalogue."""
    from intarsia.backbones import CATALOG, cached
    from intarsia.cli.models_view import catalogue_lines

    here = [name for name, e in CATALOG.items() if e.repository is None or cached(e.repository, e.revision)]
    entries = [{"name": name, "here": name in here, **entry.as_dict()} for name, entry in CATALOG.items()]
    return {"models": entries}, catalogue_lines(CATALOG, here)


def told(name: str) -> CommandResult:
    """One checkpoint of the catalogue."""
    from intarsia.backbones import CATALOG, POCKET
    from intarsia.backbones.catalog import REDIRECTS
    from intarsia.backbones.hub import cached_folder
    from intarsia.cli.models_view import entry_lines

    repository = REDIRECTS.get(name, name)
    found = next((known for known, entry in CATALOG.items() if repository in (known, entry.repository)), None)
    if found is None:
        raise UsageError(
            f"intarsia models knows no {name!r}: it takes list, download NAME, or one of {', '.join(CATALOG)}."
        )
    entry = CATALOG[found]
    place = POCKET if entry.repository is None else cached_folder(entry.repository, entry.revision)
    facts = {"name": found, "here": place is not None, **entry.as_dict(), "folder": str(place) if place else None}
    return facts, entry_lines(found, entry, str(place) if place else None)


def fetched(command: Models) -> CommandResult:
    """A checkpoint and what it is used with, on this machine."""
    from intarsia.backbones import download
    from intarsia.backbones.checkpoint_files import version_of

    if not command.name:
        raise UsageError("intarsia models download needs a name, e.g. intarsia models download sd15.")
    try:
        folders = download(command.name, on_bytes=(lambda *_: None) if command.output.quiet else None)
    except (KeyboardInterrupt, Cancelled) as stop:
        again = f"intarsia models download {command.name}"
        raise Cancelled(f"stopped; what has come is kept, and {again} goes on with it.") from stop
    served = [version_of(folder) for folder in folders]
    lines = [f"{version} is on this machine: {folder}" for version, folder in zip(served, folders, strict=True)]
    facts = {"name": command.name, "folders": [str(folder) for folder in folders], "served": served}
    return facts, lines or [f"{command.name} needs no download."]
