"""intarsia models: list and download checkpoints."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import tyro

from intarsia.cli.options import CommandResult, OutputOptions
from intarsia.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Models:
    """List the checkpoints that are known to work, or download one for work without network."""

    action: tyro.conf.Positional[Literal["list", "download"]] = "list"
    """list, or download NAME."""
    name: tyro.conf.Positional[str] = ""
    """To download: a name of the list, or a hub id owner/name[@revision]."""
    output: tyro.conf.OmitArgPrefixes[OutputOptions] = OutputOptions()


def models_command(command: Models) -> CommandResult:
    from intarsia.backbones import CATALOG, cached, download

    if command.action == "download":
        if not command.name:
            raise UsageError("intarsia models download needs a name, e.g. intarsia models download sd15.")
        folders = [str(folder) for folder in download(command.name)]
        told = [f"{command.name} is on this machine: {folder}" for folder in folders]
        return {"name": command.name, "folders": folders}, told or [f"{command.name} needs no download."]
    if command.name:
        raise UsageError(f"intarsia models list takes no name, but {command.name!r} was given.")
    entries, lines = [], []
    for name, entry in CATALOG.items():
        here = entry.repository is None or cached(entry.repository, entry.revision)
        entries.append({"name": name, "here": here, **dataclasses.asdict(entry)})
        state = "here" if here else f"{entry.download_gb:g} GB to download"
        lines.append(f"{name:<11}{state:<21}{entry.repository or 'inside the package'}  ({entry.licence})")
        lines.append(f"{'':11}{entry.purpose}; {entry.native_side} px, about {entry.memory_gb:g} GB while working")
    return {"models": entries}, lines
