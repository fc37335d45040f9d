"""intarsia ui: serve the web pages."""

from __future__ import annotations

from dataclasses import dataclass

import tyro

from intarsia.cli.options import CommandResult, OutputOptions
from intarsia.tasks.options import Machine
from intarsia.web.options import ServeOptions


@dataclass(frozen=True, kw_only=True)
class Ui(ServeOptions):
    """Serve the web pages: drop a photo, say what it should become, choose, download. Ctrl-C ends it."""

    machine: tyro.conf.OmitArgPrefixes[Machine] = Machine()
    output: tyro.conf.OmitArgPrefixes[OutputOptions] = OutputOptions()


def ui_command(command: Ui) -> CommandResult:
    from intarsia.web.startup import open_pages

    return open_pages(command)
