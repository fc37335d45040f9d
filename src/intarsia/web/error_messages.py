"""What went wrong, in the words of the pages: settings are controls, and what is the operator's is told to the operator."""

from __future__ import annotations

import logging
import re

from intarsia.errors import Command, FrontEnd, IntarsiaError, Setting
from intarsia.web.field_labels import label

logger = logging.getLogger("intarsia")

OPERATOR = "tell whoever runs these pages"
"""The remedy where no control helps."""

OPERATORS_SETTINGS = frozenset(
    {"models", "lora", "embedding", "device", "dtype", "vram", "threads"}  # where and with what the networks run
    | {"out", "name", "overwrite", "no_metadata", "resume", "regions", "fill_model"}  # files of the server
    | {"image_dir", "workers", "ray_files", "ray_gpus"}  # batches of the command line
    | {"json", "pie", "dle", "res"}  # public sets on the command line
    | {"host", "port", "share", "auth", "hosts", "forget", "api", "mcp", "mcp_folder"}  # the pages themselves
)
"""Settings that visitors cannot choose: a remedy that needs one is left out."""

CONTROLS = {
    "source": "“What to change”",
    "prompt": "“Change it to”",
    "box": "“Box”",
    "find": "“Select by words”",
    # Moves of objects are drawn, and masks are files of a list: they have no field of their own.
    **{
        name: f"“{name}”"
        for name in ("move", "to", "scale", "rotate", "flip", "copy", "remove", "front", "back", "masks")
    },
}
"""Controls of the canvas that are not called as their setting is."""

FOLDERS = re.compile(r"(?<![\w/.:~])/(?:[^\s/'\":;,]+/)+")
"""Folders before a file's name; where on the server something lies is nobody's business."""


def control(name: str) -> str:
    """The name of a setting's control: learn.token_steps is “Learn token steps”."""
    return CONTROLS.get(name) or f"“{label(name.replace('.', ' '))}”"


def on_page(named: Setting | Command) -> str:
    """The words of the pages: set “Tolerance” to 4."""
    if isinstance(named, Command):
        return "a command"
    value = "" if named.value is None or named.value is True else str(named.value)
    if named.verb:
        return f"set {control(named.name)}" + (f" to {value}" if value else "")
    return f"{control(named.name)} {value}".rstrip()


def visitors_choice(named: Setting | Command) -> bool:
    return isinstance(named, Setting) and named.name not in OPERATORS_SETTINGS


PAGES = FrontEnd(word=on_page, offers=visitors_choice, otherwise=OPERATOR, by_hand=True)


def message_for(problem: BaseException) -> str:
    """An error in words for a visitor; one that nobody has foreseen goes to the log as well."""
    if isinstance(problem, IntarsiaError):
        return for_pages(problem)
    logger.error("a visitor's request failed", exc_info=problem)
    if isinstance(problem, MemoryError) or "out of memory" in str(problem).lower():
        return "Out of memory: choose a smaller “Size”, or try it later."
    return f"It failed for a reason that nobody has foreseen ({type(problem).__name__}): {OPERATOR}."


def for_pages(problem: IntarsiaError) -> str:
    """An error with the page's own controls as remedies, and no folder of the server."""
    return FOLDERS.sub("", problem.message_for(PAGES))


# What another program has written: the sentence is all that is left of the error

BETWEEN_CLAUSES = re.compile(r"((?:: |; |\. |, or |, )(?=[A-Za-z'-]))")
FLAG = re.compile(r"(?<![\w'-])--([a-z][a-z-]*(?:\.[a-z-]+)?)")
PASSED = re.compile(r"\b[Pp]ass --([a-z][a-z.-]*) (\d[\d.]*)\b")
COMMAND_LINE = re.compile(r"\b(?:intarsia|hf|ray) [a-z]")


def stored_for_pages(sentence: str) -> str:
    """A sentence in the words of the command line, as a ledger keeps it, for the pages.

    Clauses that need a command or a setting of the operator are left out; other flags are named as controls.
    """
    fact, *rest = BETWEEN_CLAUSES.split(sentence.removesuffix("."))
    said, before, complete = fact, "", True
    for between, clause in zip(rest[::2], rest[1::2], strict=True):
        before = before or between
        if COMMAND_LINE.search(clause) or {as_field(flag) for flag in FLAG.findall(clause)} & OPERATORS_SETTINGS:
            complete = False
            continue
        said += before + (clause[:1].upper() + clause[1:] if before == ". " else clause)
        before, complete = "", True
    if not complete:
        said += f": {OPERATOR}"
    said = PASSED.sub(lambda found: on_page(Setting(as_field(found[1]), found[2], verb="pass")), said)
    said = FLAG.sub(lambda found: control(as_field(found[1])), said)
    return FOLDERS.sub("", said + "." * sentence.endswith("."))


def as_field(flag: str) -> str:
    return flag.replace("-", "_")
