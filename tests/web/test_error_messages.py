"""What the pages say of errors: no flag of the command line, no folder of the server."""

from __future__ import annotations

import ast
import dataclasses
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from intarsia.batch.executor import as_error
from intarsia.errors import (
    TERMINAL,
    Command,
    EmptyMaskError,
    FrontEnd,
    IntarsiaError,
    LayoutError,
    ModelError,
    OutputError,
    RecordError,
    Remedy,
    Setting,
    one_of,
)
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.edit import EditRecord
from intarsia.records.remove import RemoveRecord
from intarsia.web.error_messages import OPERATORS_SETTINGS, PAGES, for_pages, message_for, stored_for_pages
from tests.paths import ROOT

SOURCE = ROOT / "src" / "intarsia"
COMMANDS = (
    "edit|objects|arrange|learn|prior|history|batch|ui|replay|models|demo|regions|doctor|download|auth|start"  # of all
)
FLAG = re.compile(rf"(?<![\w-])--[a-z]|\b(?:intarsia|hf|ray) (?:{COMMANDS})\b")
MODULES = [
    module
    for module in sorted(SOURCE.rglob("*.py"))
    if module.relative_to(SOURCE).parts[0] != "cli" and module.name != "__main__.py"
]


def literals(tree: ast.AST) -> Iterator[str]:
    """Every text of a module but its docstrings; what is put into one as it runs is a word."""
    helped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if id(node) in helped | parts:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "3" for part in node.values)


def is_style_sheet(text: str) -> bool:
    """Whether a text is CSS, whose variables look like flags."""
    return text.lstrip().startswith(":root {")


# The sources


def test_the_modules_are_found() -> None:
    assert len(MODULES) > 100
    assert FLAG.search("pass --tolerance 4") and FLAG.search("Learn them with 'intarsia learn SCENE'")


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(SOURCE)))
def test_no_text_outside_the_command_line_names_a_flag_or_a_command(module: Path) -> None:
    texts = literals(ast.parse(module.read_text(encoding="utf-8")))
    assert not [text for text in texts if FLAG.search(text) and not is_style_sheet(text)]


NODES = [node for module in MODULES for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))]


def calls_of(name: str) -> list[ast.Call]:
    calls = [node for node in NODES if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == name and call.args]


def named_settings() -> set[str]:
    """Every setting that an error of the sources names; names that come as it runs are tested with the errors."""
    nodes = [call.args[0] for call in calls_of("Setting")] + [arg for call in calls_of("one_of") for arg in call.args]
    return {str(node.value) for node in nodes if isinstance(node, ast.Constant)}


def fields_of(kind: type, before: str = "") -> Iterator[str]:
    for field in dataclasses.fields(kind):
        yield before + field.name
        if dataclasses.is_dataclass(field.default):
            yield from fields_of(type(field.default), f"{field.name}.")


NAMED = sorted(named_settings())
FIELDS = {*fields_of(EditRecord), *fields_of(ArrangeRecord), *fields_of(RemoveRecord)}


def test_settings_are_found() -> None:
    assert len(NAMED) > 30
    assert {"tolerance", "masks", "overwrite", "vram", "learn.prior"} <= set(NAMED)


@pytest.mark.parametrize("name", NAMED)
def test_each_setting_is_a_field_of_a_record_or_the_operators(name: str) -> None:
    assert name in FIELDS or name in OPERATORS_SETTINGS
    offered = PAGES.offers(Setting(name))
    assert offered == (name not in OPERATORS_SETTINGS)
    said = for_pages(IntarsiaError("It is wrong", Remedy(Setting(name, verb="pass"))))
    if offered:
        assert re.fullmatch(r"It is wrong: set “[A-Za-z ]+”\.", said)
    else:
        assert said == "It is wrong: tell whoever runs these pages."


def evaluated(node: ast.expr) -> Any:
    """A remedy as it stands in the sources; what is put in as it runs is a word."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "word" for part in node.values)
    if isinstance(node, ast.Tuple):
        return tuple(evaluated(each) for each in node.elts)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Setting", "Command"):
        kind: Any = {"Setting": Setting, "Command": Command}[node.func.id]
        named = {str(keyword.arg): evaluated(keyword.value) for keyword in node.keywords}
        return kind(*(evaluated(each) for each in node.args), **named)
    return "word"


REMEDIES = [
    Remedy(
        *(evaluated(part) for part in call.args),
        **{str(keyword.arg): evaluated(keyword.value) for keyword in call.keywords},
    )
    for call in calls_of("Remedy")
    if not any(isinstance(part, ast.Starred) for part in call.args)
]


def test_remedies_are_found() -> None:
    assert len(REMEDIES) > 80


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda remedy: TERMINAL.text(remedy.parts)[:50])
def test_each_remedy_of_the_sources_is_free_of_flags_on_the_pages(remedy: Remedy) -> None:
    said = for_pages(IntarsiaError("It is wrong", remedy))
    assert not FLAG.search(said) and "--" not in said and "a command" not in said
    assert said.startswith("It is wrong: ") and said.endswith(".") and "  " not in said


# What the pages say


def errors() -> dict[str, tuple[IntarsiaError, str]]:
    return {
        "a mask": (
            LayoutError(
                "'cat' was not found in the picture",
                Remedy("try another word for it"),
                Remedy("pass its mask with ", Setting("masks"), page="select it by hand"),
            ),
            "'cat' was not found in the picture: try another word for it, or select it by hand.",
        ),
        "a number": (
            LayoutError(
                "the nearest is 'plant'.",
                Remedy("redraw with hard edges"),
                Remedy(Setting("tolerance", 4, verb="pass"), " to read it as 'plant'"),
            ),
            "the nearest is 'plant'. Redraw with hard edges, or set “Tolerance” to 4 to read it as 'plant'.",
        ),
        "one of several": (
            RecordError("Both were given", one_of("box", "mask")),
            "Both were given: keep one of them.",
        ),
        "a setting in the fact": (
            LayoutError(Setting("scale"), " cat=90 asks for 90 times the size: give less."),
            "“scale” cat=90 asks for 90 times the size: give less.",
        ),
        "a switch": (
            EmptyMaskError(
                "The mask /tmp/intarsia-ui-x1/uploads/0a1b/mask.png is all black",
                Remedy("paint white what should change"),
                Remedy("try with ", Setting("invert_mask", True), page=("set ", Setting("invert_mask"))),
            ),
            "The mask mask.png is all black: paint white what should change, or set “Invert mask”.",
        ),
        "a command and the operator's setting": (
            ModelError(
                "owner/name is not on this machine",
                Remedy("run ", Command("download", "owner/name", program="hf"), " where there is a network"),
                Remedy(Setting("models", "pocket", verb="try")),
            ),
            "owner/name is not on this machine: tell whoever runs these pages.",
        ),
        "one of two is the operator's": (
            ModelError(
                "The device's memory is too short.",
                Remedy(Setting("vram", "low", verb="pass"), " (or min)"),
                Remedy("a smaller ", Setting("size"), page=("choose a smaller ", Setting("size"))),
            ),
            "The device's memory is too short. Choose a smaller “Size”.",
        ),
        "fields and tools of the canvas": (
            RecordError(
                Setting("prompt"),
                " says nothing",
                Remedy("say it in ", Setting("source")),
                Remedy("say where with ", Setting("box")),
                Remedy("name it under ", Setting("find")),
            ),
            "“Change it to” says nothing: say it in “What to change”, say where with “Box”, or name it under “Select by "
            "words”.",
        ),
        "of no help on the pages": (
            OutputError("a.png cannot be written, since the disk is full", Remedy("free some space", page=())),
            "a.png cannot be written, since the disk is full: tell whoever runs these pages.",
        ),
        "no memory": (as_error(MemoryError()), "Out of memory: give a smaller size."),
        "words that look like folders": (
            IntarsiaError("A picture of 2/3 and and/or at https://a.example/b/c stays."),
            "A picture of 2/3 and and/or at https://a.example/b/c stays.",
        ),
        "well-known words": (
            IntarsiaError("Nothing is wrong with well-known words - or dashes."),
            "Nothing is wrong with well-known words - or dashes.",
        ),
    }


@pytest.mark.parametrize("case", errors())
def test_a_remedy_is_one_of_the_page(case: str) -> None:
    error, said = errors()[case]
    assert for_pages(error) == said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"prompt": "a", "box": (0, 0, 9, 9), "mask": "m.png"},
            "Both a box and a mask were given: keep one of them.",
        ),
        ({"prompt": " "}, "The prompt is empty: say what the picture should become, e.g. a red car."),
        ({"prompt": "a", "invert_mask": True}, "“Invert mask” was given without a mask: give one."),
    ],
)
def test_records_of_edits_speak_the_words_of_the_page(values: dict[str, Any], said: str) -> None:
    with pytest.raises(RecordError) as caught:
        EditRecord(photo="a.png", **values)
    assert for_pages(caught.value) == said


def test_what_nobody_has_foreseen_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    named = LayoutError("It is too small", Remedy("name some, e.g. with ", Setting("size")))
    assert message_for(named) == "It is too small: name some, e.g. with “Size”."
    with caplog.at_level(logging.ERROR):
        said = message_for(ZeroDivisionError("a secret word"))
    assert "ZeroDivisionError" in said and "secret" not in said
    assert len(caplog.records) == 1 and caplog.records[0].exc_info
    assert "Out of memory" in message_for(RuntimeError("CUDA out of memory"))


# Sentences that another program stored


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (
            "'cat' was not found: try another word for it, or pass its mask with --masks.",
            "'cat' was not found: try another word for it, or pass its mask with “masks”.",
        ),
        (
            "the nearest is 'plant'. Redraw with hard edges, or pass --tolerance 4 to read it as 'plant'.",
            "the nearest is 'plant'. Redraw with hard edges, or set “Tolerance” to 4 to read it as 'plant'.",
        ),
        (
            "The memory is too short for 8 x 8 pixels. Pass --vram low (or min), or a smaller --size.",
            "The memory is too short for 8 x 8 pixels. A smaller “Size”.",
        ),
        (
            "owner/name is not on this machine, and HF_HUB_OFFLINE forbids to fetch it: run 'hf download owner/name "
            "--revision abc' with HF_HUB_OFFLINE=0 where there is a network, or try --models pocket.",
            "owner/name is not on this machine, and HF_HUB_OFFLINE forbids to fetch it: tell whoever runs these pages.",
        ),
        (
            "Out of memory: give a smaller size, fewer workers, or --vram low.",
            "Out of memory: give a smaller size, fewer workers: tell whoever runs these pages.",
        ),
        ("Nothing is wrong with well-known words - or dashes.",) * 2,
        ("'--ar 16:9', '--no hat' in the prompt were read as plain words: leave it out.",) * 2,
    ],
)
def test_a_stored_sentence_names_no_flag(stored: str, said: str) -> None:
    assert stored_for_pages(stored) == said


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda remedy: TERMINAL.text(remedy.parts)[:50])
def test_each_remedy_as_it_is_stored_loses_its_flags(remedy: Remedy) -> None:
    said = stored_for_pages(str(IntarsiaError("It is wrong", remedy)))
    assert not FLAG.search(said) and "--" not in said, said


def test_a_front_end_says_all_by_default() -> None:
    assert FrontEnd(word=str).sentence(("It is wrong", Remedy("write it", page=()))) == "It is wrong: write it."
