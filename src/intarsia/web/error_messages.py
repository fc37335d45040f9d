"""What went wrong, in the words of the pages: a remedy that names a flag of the command line helps nobody there."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from intarsia.errors import IntarsiaError
from intarsia.web.field_labels import label

logger = logging.getLogger("intarsia")

OPERATOR = "tell whoever runs these pages"
MASKS = "“Masks instead of names”"

Remedy = str | Callable[[re.Match[str]], str]

REMEDIES: tuple[tuple[str, Remedy], ...] = (
    # Objects of a layout
    (r"say what it is, e\.g\. --find .*", "say what it is, e.g. cat, potted plant."),
    (r"pass (its mask|masks|their masks) with --masks", rf"give \1 under {MASKS}"),
    (
        r"pass --find with their names, .*",
        f"name them under “Objects”, or give masks under {MASKS}.",
    ),
    (r"name some, e\.g\. with --find", "name some under “Objects”"),
    (r"write it again with intarsia objects, or pass the picture .*", f"give the picture, and masks under {MASKS}."),
    (r", or a folder that intarsia objects wrote", ""),
    (r"pass --colours FILE, (\{.*?\})(?:, or a scene folder that has its own)?", r"give “Colours” too, such as \1"),
    (r"write --masks .*", "write name=file."),
    (r"pass one of --mask, --masks and --find", "keep one of them"),
    (r"pass one of --layout and --boxes", "keep one of them"),
    # Where they shall be
    (r"pass --move 'NAME=.*", "drag, scale, turn, flip or remove one of them first."),
    (
        r"pass --remove .+? if (it|they) shall go",
        lambda m: f"remove {'it' if m[1] == 'it' else 'them'} from the picture",
    ),
    (r"use --flip to mirror and --remove .+? to remove", "flip it to mirror, and remove it to have it gone"),
    (r": write --(?:move|to|scale|rotate) .*", "."),
    (r"--(move|to|scale|rotate|flip|remove|front|back) (?=\S)", r"“\1” "),
    # Words, boxes and masks
    (r"e\.g\. --prompt '(.*?)'", r"e.g. \1"),
    (r"shorten --prompt", "shorten the words"),
    (r"pass one of --box and --mask", "keep one of them"),
    (r"--invert-mask was given without a mask: pass --mask FILE too", "“Invert mask” is set without a mask: give one"),
    (r"try with --invert-mask", "set “Invert mask”"),
    (r"try without --invert-mask", "take “Invert mask” back"),
    # What was learned, and with what
    (r"Learn the scene's objects with 'intarsia learn', or leave --concepts out", "Learn anew how the objects look"),
    (r"Learn them with 'intarsia learn .*?'", "Learn how the objects look first"),
    (r"Pass --models with (?:that one|the one they were learned on), or learn anew", "Learn anew how the objects look"),
    (r"Pass what 'intarsia learn' wrote", "Learn how the objects look here, and take that"),
    (r"Make some with 'intarsia prior .*?'", "Leave the setting out"),
    # What only the operator can do
    (r"Pass what 'intarsia regions fit' wrote", OPERATOR.capitalize()),
    (r"Fit one (?:for them )?with 'intarsia regions fit.*?'(?:, or leave --regions out)?", OPERATOR.capitalize()),
    (r"\bPass --vram low \(or min\), or a smaller --size", "Choose a smaller “Size”"),
    (r"give a smaller size, fewer workers, or --vram low", "give a smaller size"),
    (r"\bpass --(?:dtype|device) [^.]*", OPERATOR),
    (r"run '.*?'(?: with HF_HUB_OFFLINE=0)? where there is a network, or try --models pocket", OPERATOR),
    (r"(?:, e\.g\.|[,:]? (?:or )?(?:try|pass)) --models \S+?(?=[.,;]?(?:\s|$))", f": {OPERATOR}"),
    (r"\bTry --models \S+?(?=[.,;]?(?:\s|$))", OPERATOR.capitalize()),
    (r" For photographs: intarsia models download \S+", ""),
    (r"pass --overwrite to replace it, or choose another name", "try it again"),
    (r", or leave the record out with --no-metadata", ""),
    # A batch
    (r"check --image-dir", "send pictures along with the list"),
    (
        r"which lies outside [^:]*: move it there, or pass --image-dir with the folder that holds all pictures",
        "which lies outside the files that came: send it along with the list",
    ),
    # Settings with a number
    (r"\bpass --([a-z][a-z-]*) (\d[\d.]*)\b", lambda m: f"set {control(m[1])} to {m[2]}"),
)
"""Remedies of the command line, and what to say of them on a page; the first that fits is taken, then the next."""

FLAG = re.compile(r"(?<![\w-])--([a-z][a-z-]*(?:\.[a-z-]+)?)")
FOLDERS = re.compile(r"(?<![\w/.:~])/(?:[^\s/'\":;,]+/)+")
"""Folders before a file's name; where on the server something lies is nobody's business."""


def message_for(problem: BaseException) -> str:
    """An error in words for a visitor; one that nobody has foreseen goes to the log as well."""
    if isinstance(problem, IntarsiaError):
        return for_pages(str(problem))
    logger.error("a visitor's request failed", exc_info=problem)
    if isinstance(problem, MemoryError) or "out of memory" in str(problem).lower():
        return "Out of memory: choose a smaller “Size”, or try it later."
    return f"It failed for a reason that nobody has foreseen ({type(problem).__name__}): {OPERATOR}."


def for_pages(text: str) -> str:
    """A message whose remedy is a flag, with the page's own controls instead."""
    for flags, words in REMEDIES:
        text = re.sub(flags, words, text, flags=re.DOTALL)
    text = FLAG.sub(lambda found: control(found[1]), text)
    return FOLDERS.sub("", text)


def control(flag: str) -> str:
    """The name of a flag's control: learn.token-steps is “Learn token steps”."""
    return f"“{label(flag.replace('-', '_').replace('.', ' '))}”"
