"""Names of files that every system takes, whatever the names that they are made from; pure functions of texts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterator
from itertools import count

LONGEST = 200
"""Bytes of a name in UTF-8: most file systems take 255, of which endings, numbers and names meanwhile need some."""

LETTERS = 100
"""Characters of a name that people still read."""

ENDINGS = (
    ".png",
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".webp",
    ".tif",
    ".tiff",
    ".bmp",
    ".gif",
    ".avif",
    ".heic",
    ".heif",
)
"""Endings that pictures have, ours or others'."""

JOINER, NON_JOINER = "\u200d", "\u200c"
KEPT_SIGNS = re.compile(r"[\w. ()+-]", re.ASCII)
TAGS = range(0xE0020, 0xE0080)
"""Invisible letters that flags of regions are spelt with."""

RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)", re.IGNORECASE)
"""Names of devices on Windows, whatever ending is put behind them."""


def safe_name(text: str, longest: int = LONGEST, most: int = LETTERS) -> str:
    """A text as the name of a file on Linux, macOS and Windows, without an ending; "picture" where nothing is left.

    Letters, marks, numbers and symbols of every script stay, composed (NFC) as all systems compare them. Spaces become
    plain ones, invisible characters go, and what a system or a shell would take for something else becomes "_".

    Args:
        longest: bytes in UTF-8 that the name may have, at least 16; a longer one is cut between characters as people
            see them.
        most: characters that it may have.
    """
    # Composed first, since some signs become others thereby, and last, since some become neighbours only now.
    kept = unicodedata.normalize("NFC", "".join(safe_signs(unicodedata.normalize("NFC", text))))
    short = trimmed(shortened(trimmed(kept), longest, most))
    if RESERVED.fullmatch(short.partition(".")[0].rstrip()):
        short = trimmed(shortened(f"_{short}", longest, most))
    return short or "picture"


def trimmed(name: str) -> str:
    """A name without what some systems drop at its ends, or hide it for, or take for a flag."""
    return name.strip(f" .-{JOINER}{NON_JOINER}")


def safe_signs(text: str) -> Iterator[str]:
    """What the characters of a text become in a name. Joiners stay in emoji, and in scripts whose letters join."""
    for before, letter, after in zip(f" {text}", text, f"{text[1:]} ", strict=False):
        if letter not in (JOINER, NON_JOINER):
            yield safe_sign(letter)
        elif before > "\u00ff" and after > "\u00ff":
            yield letter


def safe_sign(letter: str) -> str:
    """What a character becomes in a name: itself, "_", a space or nothing."""
    kind = unicodedata.category(letter)
    if letter.isascii():
        return letter if KEPT_SIGNS.match(letter) else "_"
    if kind == "Zs":
        return " "
    if kind == "Cf":
        return letter if ord(letter) in TAGS else ""
    # Unassigned ones are perhaps newer than this Python, but some are no characters and never will be.
    nothing = kind == "Cn" and (ord(letter) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(letter) <= 0xFDEF)
    return "_" if kind in ("Cc", "Cs", "Zl", "Zp") or nothing else letter


def shortened(text: str, longest: int, most: int = LETTERS) -> str:
    """The beginning of a text, of at most so many bytes and characters, cut between characters as people see them."""
    if len(text) <= most and len(text.encode("utf-8", "surrogatepass")) <= longest:
        return text
    kept, size, letters = [], 0, 0
    for cluster in clusters(text):
        size += len(cluster.encode("utf-8", "surrogatepass"))
        letters += len(cluster)
        if size > longest or letters > most:
            break
        kept.append(cluster)
    if kept:
        return "".join(kept)
    # One letter with hundreds of marks.
    return text.encode("utf-8", "surrogatepass")[:longest].decode("utf-8", "ignore")[:most]


def clusters(text: str) -> Iterator[str]:
    """A text in characters as people see them: letters with their marks, flags, emoji that are joined.

    Source: extended grapheme clusters of Unicode Annex 29, sec. 3.1.1, without the rules of Hangul, which NFC composes.
    """
    cluster = ""
    for letter in text:
        if cluster and not belongs(cluster, letter):
            yield cluster
            cluster = ""
        cluster += letter
    if cluster:
        yield cluster


def belongs(cluster: str, letter: str) -> bool:
    """Whether a letter is seen as a part of the character before it."""
    last = cluster[-1]
    if unicodedata.category(letter) in ("Mn", "Mc", "Me") or letter in (JOINER, NON_JOINER):
        return True
    if 0x1F3FB <= ord(letter) <= 0x1F3FF or ord(letter) in TAGS or ord(letter) == 0xE007F:  # colours of skin, flags
        return True
    if last == JOINER or (unicodedata.combining(last) == 9 and unicodedata.category(letter) == "Lo"):  # a conjunct
        return True
    flag = range(0x1F1E6, 0x1F200)
    return ord(letter) in flag and ord(last) in flag and len(cluster) % 2 == 1


def name_key(name: str) -> str:
    """The same for two names that some system takes for one: it may know no case, and compare them decomposed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def free_name(name: str, taken: Container[str]) -> str:
    """The name, or "NAME (2)", "NAME (3)", ...: the first whose `name_key` is not taken."""
    candidates = (name if number == 1 else f"{name} ({number})" for number in count(1))
    return next(candidate for candidate in candidates if name_key(candidate) not in taken)


def split_ending(name: str) -> tuple[str, str]:
    """A name and the ending of a picture that it has; "" where it has none."""
    ending = next((ending for ending in ENDINGS if name.lower().endswith(ending)), "")
    return (name[: -len(ending)], name[-len(ending) :]) if ending else (name, "")
