"""The options of serving the pages; light, since the command line imports them for its help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from intarsia.tasks.options import Machine


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Where the pages are, who may come in, and with which networks they work."""

    host: str = "127.0.0.1"
    """Address to listen at; 0.0.0.0 lets other machines in, and then --auth is needed."""
    port: int = 7860
    """Port to listen at; 0 takes a free one."""
    share: bool = False
    """Also make a public link through Gradio's servers, which lasts a week; then --auth is needed."""
    auth: str | None = None
    """user:password that visitors must give; the variable INTARSIA_UI_AUTH says it too, and is in no list of processes."""
    hosts: tuple[str, ...] = ()
    """Names under which a proxy that asks for passwords itself hands on requests; with --auth, any name will do."""
    api: bool = False
    """Also take pictures at /v1/images/edits, as clients of such APIs send them; the variable INTARSIA_API_KEY is the key that they give, else the password of --auth."""
    mcp: bool = False
    """Also offer tools for language models (MCP) at /mcp, with the same key."""
    mcp_folder: Path | None = None
    """Folder whose pictures MCP clients may name by their paths; without it they send pictures themselves."""
    out: Path | None = None
    """Folder for the visitors' results, each in a folder of its own; by default a temporary one."""
    models: tuple[str, ...] = ("auto",)
    """Checkpoints that visitors work with, as for intarsia edit; among several they choose, the first is the default."""
    lora: tuple[str, ...] = ()
    """LoRAs that change these checkpoints, as for intarsia edit; each must have been made for all of them."""
    embedding: tuple[str, ...] = ()
    """Textual inversions, words for prompts, as for intarsia edit; each must have been made for all checkpoints."""
    forget: float = 30.0
    """Minutes after which the results of a visitor who has left are removed."""
    machine: Machine = Machine()
