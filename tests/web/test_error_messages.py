"""What the pages say of errors: no flag of the command line, no folder of the server."""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterator

import pytest

from intarsia.errors import LayoutError
from intarsia.web.error_messages import for_pages, message_for
from tests.paths import ROOT

SOURCE = ROOT / "src" / "intarsia"
FLAG = re.compile(r"--[a-z]|\bintarsia [a-z]")
MODULES = [
    *sorted((SOURCE / "layout").glob("*.py")),
    *sorted((SOURCE / "regions").glob("*.py")),
    *sorted((SOURCE / "backbones").glob("*.py")),
    *sorted((SOURCE / "imaging").glob("*.py")),
    *sorted((SOURCE / "records").glob("*.py")),
    SOURCE / "files.py",
    SOURCE / "batch" / "jobs.py",
    SOURCE / "batch" / "executor.py",
]


def messages() -> Iterator[str]:
    """Every text of the sources that names a flag; what is put into it as it runs is a word."""
    for module in MODULES:
        tree = ast.parse(module.read_text(encoding="utf-8"))
        helped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if id(node) in helped | parts:
                continue
            text = ""
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
            elif isinstance(node, ast.JoinedStr):
                text = "".join(str(part.value) if isinstance(part, ast.Constant) else "3" for part in node.values)
            if FLAG.search(text):
                yield text


MESSAGES = sorted(set(messages()))


def test_there_are_messages_to_try() -> None:
    assert len(MESSAGES) > 60
    assert any("--masks" in text for text in MESSAGES) and any("--tolerance" in text for text in MESSAGES)


@pytest.mark.parametrize("text", MESSAGES)
def test_no_flag_and_no_command_is_left(text: str) -> None:
    said = for_pages(text)
    assert not FLAG.search(said), said
    assert "--" not in said and " ," not in said and "::" not in said and ": :" not in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "'cat' was not found in the picture (its probability is at most 0.10, and 0.3 is needed): try another word "
            "for it, or pass its mask with --masks.",
            "'cat' was not found in the picture (its probability is at most 0.10, and 0.3 is needed): try another word "
            "for it, or give its mask under “Masks instead of names”.",
        ),
        (
            "the nearest is 'plant'. Redraw with hard edges, or pass --tolerance 4 to read it as 'plant'.",
            "the nearest is 'plant'. Redraw with hard edges, or set “Tolerance” to 4 to read it as 'plant'.",
        ),
        (
            "Nothing of 'potted plant' is left in the picture: move it back, or pass --remove 'potted plant' if it "
            "shall go.",
            "Nothing of 'potted plant' is left in the picture: move it back, or remove it from the picture.",
        ),
        (
            "map.png does not show 'cat' and 'dog', which the scene has: paint them there, or pass --remove cat dog if "
            "they shall go.",
            "map.png does not show 'cat' and 'dog', which the scene has: paint them there, or remove them from the "
            "picture.",
        ),
        (
            "--scale cat=90 asks for 90 times the size, but 0.02 to 50 is possible: use --flip to mirror and --remove "
            "cat to remove.",
            "“scale” cat=90 asks for 90 times the size, but 0.02 to 50 is possible: flip it to mirror, and remove it "
            "to have it gone.",
        ),
        (
            "The prompt is empty: say what the picture should become, e.g. --prompt 'a red car'.",
            "The prompt is empty: say what the picture should become, e.g. a red car.",
        ),
        (
            "The mask /tmp/intarsia-ui-x1/uploads/0a1b/mask.png is all black, so that nothing would be repainted: paint "
            "white what should change, or try with --invert-mask.",
            "The mask mask.png is all black, so that nothing would be repainted: paint white what should change, or "
            "set “Invert mask”.",
        ),
        (
            "owner/name is not on this machine, and HF_HUB_OFFLINE forbids to fetch it: run 'hf download owner/name "
            "--revision abc' with HF_HUB_OFFLINE=0 where there is a network, or try --models pocket.",
            "owner/name is not on this machine, and HF_HUB_OFFLINE forbids to fetch it: tell whoever runs these pages.",
        ),
        (
            "There is no file x.safetensors: check the path, or try --models pocket.",
            "There is no file x.safetensors: check the path: tell whoever runs these pages.",
        ),
        (
            "Job 1 gives photo as '/etc/shadow.png', which lies outside /srv/a/in: move it there, or pass --image-dir "
            "with the folder that holds all pictures.",
            "Job 1 gives photo as 'shadow.png', which lies outside the files that came: send it along with the list.",
        ),
        ("A picture of 2/3 and and/or at https://a.example/b/c stays.",) * 2,
        ("Nothing is wrong with well-known words - or dashes.",) * 2,
    ],
)
def test_a_remedy_is_one_of_the_page(text: str, said: str) -> None:
    assert for_pages(text) == said


def test_what_nobody_has_foreseen_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    assert message_for(LayoutError("Name some, e.g. with --size.")) == "Name some, e.g. with “Size”."
    with caplog.at_level(logging.ERROR):
        said = message_for(ZeroDivisionError("a secret word"))
    assert "ZeroDivisionError" in said and "secret" not in said
    assert len(caplog.records) == 1 and caplog.records[0].exc_info
    assert "Out of memory" in message_for(RuntimeError("CUDA out of memory"))
