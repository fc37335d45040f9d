"""Records refuse texts that are none with one clear sentence, whichever front end they come from."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any

import pytest

from intarsia.errors import RecordError
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.edit import EditRecord
from intarsia.records.remove import RemoveRecord
from intarsia.records.serialize import from_json, to_json
from intarsia.records.texts import PATHS, blank, wrong_in_path, wrong_in_words

KINDS: dict[type, dict[str, str]] = {
    RemoveRecord: {"photo": "p.png"},
    EditRecord: {"photo": "p.png", "prompt": "a house"},
    ArrangeRecord: {"photo": "p.png"},
}
BAD_WORDS = {
    "half an emoji": ("a dog \ud83d", "half a character (U+D83D, number 7"),
    "other half": ("\udc36 a dog", "half a character (U+DC36, number 1"),
    "halves in the wrong order": ("\udc36\ud83d", "U+DC36"),
    "a byte that is not UTF-8": (os.fsdecode(b"caf\xe9"), "half a character (U+DCE9, number 4"),
    "NUL": ("a\0dog", "control character U+0000"),
    "escape": ("\x1b[31ma red dog", "control character U+001B"),
    "bell": ("a dog\a", "control character U+0007"),
    "backspace": ("a dog\b", "control character U+0008"),
    "delete": ("a dog\x7f", "control character U+007F"),
    "C1": ("a dog\x9b31m", "control character U+009B"),
}
GOOD_WORDS = {
    "Chinese": "一只狗",
    "emoji alone": "🐕",
    "joined emoji": "👩🏽\u200d🌾",
    "variation selector": "a ❤\ufe0f",
    "flag": "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "Hindi": "एक कुत्ता",
    "vowelled Arabic": "كَلْب",
    "Hebrew with points": "כֶּלֶב",
    "decomposed": "cafe\u0301",
    "replacement character": "caf\ufffd",
    "lines": "a dog\nbeside\r\na cat",
    "tabulator": "a\tdog",
    "what spreadsheets write": "a dog\x0bbeside\x85a\u2028cat\x1c",
    "no-break space": "a\u00a0dog",
    "direction marks": "\u200fa dog\u200e",
    "private use": "a \uf8ff",
}


def words_of(kind: type) -> list[str]:
    """The settings of a record that hold words."""
    return [f.name for f in dataclasses.fields(kind) if f.type in ("str", "str | None") and f.name not in PATHS]


@pytest.mark.parametrize(("text", "said"), BAD_WORDS.values(), ids=BAD_WORDS)
@pytest.mark.parametrize("kind", KINDS)
def test_words_that_are_none_are_refused_in_one_sentence(kind: type, text: str, said: str) -> None:
    for name in words_of(kind):
        values = {**to_json(kind(**KINDS[kind])), name: text}
        with pytest.raises(RecordError) as caught:
            from_json(kind, json.loads(json.dumps(values)))
        message = str(caught.value)
        assert message.startswith(f"{name} holds ") and said in message
        assert message.isprintable() and message.encode()


@pytest.mark.parametrize("text", GOOD_WORDS.values(), ids=GOOD_WORDS)
def test_words_of_every_script_pass_as_they_are(text: str) -> None:
    assert wrong_in_words(text) == ""
    assert EditRecord(photo="p.png", prompt=text).prompt == text
    assert ArrangeRecord(photo="p.png", prompt=text, find=(text,)).find == (text,)


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u3000", "\u200b", "\ufeff \u200f", "\u2060\u00ad"])
def test_a_prompt_that_shows_nothing_is_empty(text: str) -> None:
    assert blank(text)
    with pytest.raises(RecordError, match="The prompt is empty"):
        EditRecord(photo="p.png", prompt=text)


def test_words_in_lists_are_looked_at() -> None:
    for name in ("find", "object", "move", "remove", "front"):
        with pytest.raises(RecordError, match=f"^{name} holds half a character"):
            ArrangeRecord(photo="p.png", **{name: ("cat", "\ud83d")})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["photo", "masks", "protect", "models", "lora", "learn.prior"])
def test_paths_may_hold_bytes_that_are_not_utf8_and_nothing_else_that_is_no_name(name: str) -> None:
    def record(path: str) -> Any:
        group, dot, setting = name.rpartition(".")
        value: Any = [f"cat={path}"] if name == "masks" else [path] if name == "lora" else path
        values = {"photo": "p.png", **({group: {setting: value}} if dot else {setting: value})}
        return from_json(ArrangeRecord, json.loads(json.dumps(values)))

    name_of_bytes = os.fsdecode(b"caf\xe9.png")
    kept = record(name_of_bytes)
    assert from_json(ArrangeRecord, json.loads(json.dumps(to_json(kept)))) == kept
    for path, said in {"a\0.png": "U+0000", "\ud83d.png": "U+D83D"}.items():
        with pytest.raises(RecordError, match=r"no file's name") as caught:
            record(path)
        assert said in str(caught.value) and str(caught.value).isprintable()


def test_a_path_outside_the_systems_encoding_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsencode", lambda path: path.encode("latin-1", "surrogateescape"))
    assert wrong_in_path("café.png") == ""
    assert "a character (U+72D7) that no file's name here can hold" in wrong_in_path("狗.png")
