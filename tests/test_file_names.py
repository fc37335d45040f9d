"""Names of files that every system takes, from names in every script."""

# ruff: noqa: RUF001  # letters that look like others are what is tested

from __future__ import annotations

import ntpath
import os
import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

import pytest

from intarsia.file_names import LONGEST, clusters, free_name, name_key, safe_name, shortened, split_ending

NFD = "cafe\u0301"
FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"

KEPT = {
    "plain": "photo",
    "spaces and signs": "a dog (1) + b-c.d_e",
    "Hindi": "कि",
    "Hindi, another vowel": "का",
    "Hindi conjunct": "क्षत्रिय",
    "Tamil": "பூனை",
    "Thai": "ที่นี่",
    "Khmer": "ឆ្កែ",
    "vowelled Arabic": "كَلْبٌ",
    "Persian with a non-joiner": "می\u200cخواهم",
    "Hebrew with points": "כֶּלֶב",
    "Vietnamese": "Tiếng Việt",
    "Greek": "Ελλάς",
    "Cyrillic": "ёжик",
    "Chinese": "一只狗",
    "rare Chinese": "\U00020000",
    "Japanese": "が・プロ",
    "Korean": "한국어",
    "emoji": "\U0001f600",
    "emoji with a selector": "\u2764\ufe0f",
    "joined emoji": FAMILY,
    "emoji of a colour of skin": "\U0001f44b\U0001f3fd",
    "flag of letters": "\U0001f1fa\U0001f1e6",
    "flag of tags": ENGLAND,
    "full width": "（１）",
    "quotation marks": "„so“ — ‚so‘",
}

CHANGED = {
    "decomposed Latin": (NFD, "café"),
    "decomposed Hangul": (unicodedata.normalize("NFD", "한국"), "한국"),
    "decomposed Japanese": (unicodedata.normalize("NFD", "が"), "が"),
    "what Windows forbids": ('a<b>c:d"e/f\\g|h?i*j', "a_b_c_d_e_f_g_h_i_j"),
    "what shells read": ("a$b`c!d;e&f'g%h#i~j[k]", "a_b_c_d_e_f_g_h_i_j_k_"),
    "becomes a semicolon when composed": ("a\u037eb", "a_b"),
    "becomes a grave accent when composed": ("a\u1fefb", "a_b"),
    "control characters": ("a\nb\tc\x00d\x1be\x7ff\x85g", "a_b_c_d_e_f_g"),
    "line separators": ("a\u2028b\u2029c", "a_b_c"),
    "halves of characters": ("caf\udce9 \ud83d", "caf_ _"),
    "no characters": ("a\ufffeb\ufdd0c\U0001ffffd", "a_b_c_d"),
    "direction overrides": ("photo\u202egnp.exe", "photognp.exe"),
    "direction marks": ("\u200fא\u200e b\u2066c\u2069", "א bc"),
    "invisible": ("a\u200bb\ufeffc\u00add\u2060e", "abcde"),
    "joiners of nothing": ("\u200da\u200db\u200c", "ab"),
    "spaces of other kinds": ("1.00\u202fPM\u00a0\u3000x", "1.00 PM  x"),
    "ends": (" .-a b.- ", "a b"),
    "a leading dash": ("-x", "x"),
    "a flag": ("--help", "help"),
    "hidden": (".hidden", "hidden"),
    "trailing dots": ("a...", "a"),
    "nothing": ("", "picture"),
    "dots": ("..", "picture"),
    "dots and spaces": (". .", "picture"),
    "only invisible": ("\u200b\u200d\u202e", "picture"),
    "device": ("CON", "_CON"),
    "device in lower case": ("aux", "_aux"),
    "device with an ending": ("nul.v2", "_nul.v2"),
    "device with a space": ("prn .x", "_prn .x"),
    "numbered device": ("com1", "_com1"),
    "device with a raised number": ("LPT²", "_LPT²"),
    "no device": ("console", "console"),
    "no device either": ("com10", "com10"),
}


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_names_of_every_script_stay(text: str) -> None:
    assert safe_name(text) == unicodedata.normalize("NFC", text) == text


@pytest.mark.parametrize(("text", "name"), CHANGED.values(), ids=CHANGED)
def test_what_a_system_would_misread_is_changed(text: str, name: str) -> None:
    assert safe_name(text) == name


LONG = {
    "Latin": "a" * 300,
    "Chinese": "狗" * 83,
    "Chinese, many": "狗" * 300,
    "emoji": "\U0001f600" * 90,
    "families": FAMILY * 30,
    "flags of letters": "\U0001f1fa\U0001f1e6" * 40,
    "flags of tags": ENGLAND * 20,
    "colours of skin": "\U0001f44b\U0001f3fd" * 40,
    "Hindi": "क्षि" * 60,
    "Thai": "ที่" * 60,
    "Hebrew": "כֶּ" * 60,
    "marks without end": "a" + "\u0323\u0308" * 200,
    "device": "con." + "a" * 300,
    "ends in dots where it is cut": "a" * 90 + "." * 200 + "b",
    "decomposed": NFD * 60,
}


@pytest.mark.parametrize("longest", [LONGEST, 100, 40])
@pytest.mark.parametrize("text", [*KEPT.values(), *(c for c, _ in CHANGED.values()), *LONG.values()])
def test_every_name_is_one_on_linux_macos_and_windows(text: str, longest: int) -> None:
    name = safe_name(text, longest)
    assert 0 < len(name.encode()) <= longest and len(name) <= 100
    assert safe_name(name, longest) == name
    for ending in (".png", ".mask.png", ".2.png", " (2).json"):
        file = name + ending
        assert unicodedata.normalize("NFC", file) == file
        assert PurePosixPath(file).name == PureWindowsPath(file).name == file
        assert not PureWindowsPath(file).drive and not PureWindowsPath(file).is_absolute()
        assert not set(file) & set('<>:"/\\|?*') and not file.startswith((".", "-", " "))
        assert not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in file)
        if hasattr(ntpath, "isreserved"):
            assert not ntpath.isreserved(file)
        # macOS hands names back decomposed; they are found again.
        assert name_key(unicodedata.normalize("NFD", file)) == name_key(file)


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_long_names_are_cut_between_characters_as_people_see_them(text: str) -> None:
    whole = unicodedata.normalize("NFC", text)
    short = shortened(whole, LONGEST)
    assert whole.startswith(short)
    if text != LONG["marks without end"]:
        seen = list(clusters(whole))
        assert list(clusters(short)) == seen[: len(list(clusters(short)))]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("ab", ["a", "b"]),
        (NFD, ["c", "a", "f", "e\u0301"]),
        ("किका", ["कि", "का"]),
        ("क्षि", ["क्षि"]),
        (f"{FAMILY}a", [FAMILY, "a"]),
        ("\U0001f1fa\U0001f1e6\U0001f1e9\U0001f1ea", ["\U0001f1fa\U0001f1e6", "\U0001f1e9\U0001f1ea"]),
        (f"{ENGLAND}!", [ENGLAND, "!"]),
        ("\u0301a", ["\u0301", "a"]),
        ("", []),
    ],
)
def test_characters_as_people_see_them(text: str, parts: list[str]) -> None:
    assert list(clusters(text)) == parts


TWINS = [("Photo", "photo"), (NFD, "café"), ("STRASSE", "straße"), ("Σίσυφος", "ΣΊΣΥΦΟΣ"), ("CAFE\u0301", "café")]


@pytest.mark.parametrize(("one", "other"), TWINS)
def test_names_that_a_system_takes_for_one_have_one_key(one: str, other: str) -> None:
    assert one != other and name_key(one) == name_key(other)
    assert free_name(one, {name_key(other)}) == f"{one} (2)"


def test_a_counter_finds_the_first_free_name() -> None:
    assert free_name("a", set()) == "a"
    assert free_name("a", {"a", "a (2)", "a (4)"}) == "a (3)"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("cat.png", ("cat", ".png")),
        ("cat.PNG", ("cat", ".PNG")),
        ("cat.v2.jpeg", ("cat.v2", ".jpeg")),
        ("cat", ("cat", "")),
        ("v1.2", ("v1.2", "")),
        (".png", ("", ".png")),
    ],
)
def test_endings_of_pictures_are_told_from_dots(name: str, parts: tuple[str, str]) -> None:
    assert split_ending(name) == parts


def test_a_name_of_bytes_that_are_not_utf8_becomes_one_that_is() -> None:
    assert safe_name(os.fsdecode(b"caf\xe9")) == "caf_"
