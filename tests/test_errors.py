"""Errors: one sentence, remedies as data, and the same after a journey to another process."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from intarsia.batch.jobs import read_jobs
from intarsia.errors import (
    PYTHON,
    TERMINAL,
    Cancelled,
    ClusterError,
    Command,
    EmptyMaskError,
    FrontEnd,
    IntarsiaError,
    LayoutError,
    MissingExtraError,
    ModelError,
    OutputError,
    PictureError,
    RecordError,
    RegionError,
    Remedy,
    Setting,
    UsageError,
    WorkersError,
    one_of,
)
from intarsia.web.error_messages import for_pages

KINDS = [
    IntarsiaError,
    PictureError,
    RegionError,
    EmptyMaskError,
    LayoutError,
    RecordError,
    UsageError,
    OutputError,
    ModelError,
    WorkersError,
    ClusterError,
    MissingExtraError,
    Cancelled,
]


# One error in the words of each front end


@pytest.mark.parametrize(
    ("parts", "terminal", "page", "python"),
    [
        (("It is wrong: correct it.",),) + ("It is wrong: correct it.",) * 3,
        (
            ("It is too small", Remedy("draw more"), Remedy("work at a larger ", Setting("size"))),
            "It is too small: draw more, or work at a larger --size.",
            "It is too small: draw more, or work at a larger “Size”.",
            "It is too small: draw more, or work at a larger size.",
        ),
        (
            ("It is off.", Remedy(Setting("tolerance", 4, verb="pass"), " to read it")),
            "It is off. Pass --tolerance 4 to read it.",
            "It is off. Set “Tolerance” to 4 to read it.",
            "It is off. Pass tolerance=4 to read it.",
        ),
        (
            ("It is there", Remedy(Setting("overwrite", True, verb="pass")), Remedy("choose another name")),
            "It is there: pass --overwrite, or choose another name.",
            "It is there: choose another name.",
            "It is there: pass overwrite=True, or choose another name.",
        ),
        (
            ("There is none.", Remedy("learn it with ", Command("learn", "SCENE", out=Path("a b.safetensors")))),
            "There is none. Learn it with 'intarsia learn SCENE --out a b.safetensors'.",
            "There is none. Tell whoever runs these pages.",
            "There is none. Learn it with intarsia.learn.",
        ),
        (
            ("There is none", Remedy("run ", Command("download", "o/n", program="hf", revision="v2"))),
            "There is none: run 'hf download o/n --revision v2'.",
            "There is none: tell whoever runs these pages.",
            "There is none: run 'hf download o/n --revision v2'.",
        ),
        (
            ("Too much was given", one_of("mask", "masks", "find")),
            "Too much was given: pass one of --mask, --masks and --find.",
            "Too much was given: keep one of them.",
            "Too much was given: pass one of mask, masks and find.",
        ),
        (
            (Setting("scale"), " cat=90 is wrong", Remedy("write ", Setting("scale", "'a cat=2'"))),
            "--scale cat=90 is wrong: write --scale 'a cat=2'.",
            "“scale” cat=90 is wrong: write “scale” 'a cat=2'.",
            "scale cat=90 is wrong: write scale='a cat=2'.",
        ),
        (
            ("It is short", Remedy("one"), Remedy("two"), Remedy("leave ", Setting("learn.prior"), " out")),
            "It is short: one, two, or leave --learn.prior out.",
            "It is short: one, two, or leave “Learn prior” out.",
            "It is short: one, two, or leave learn.prior out.",
        ),
        (("The name {x} and {0} %s stays.",),) + ("The name {x} and {0} %s stays.",) * 3,
    ],
)
def test_each_front_end_has_its_words(
    parts: tuple[str | Setting | Remedy, ...], terminal: str, page: str, python: str
) -> None:
    error = LayoutError(*parts)
    assert str(error) == terminal and error.args == (terminal,)
    assert error.message_for(TERMINAL) == terminal
    assert error.message_for(PYTHON) == python
    assert for_pages(error) == page


def test_settings_and_commands_in_a_text_are_those_of_the_command_line() -> None:
    assert f"as {Setting('mode', 'auto')} asks" == "as --mode auto asks"
    assert f"{Command('learn', quoted=False)} writes it" == "intarsia learn writes it"
    assert f"{Setting('no_metadata', True)}" == "--no-metadata"


# In other processes


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_errors_are_pickled_and_copied_whole(kind: type[IntarsiaError]) -> None:
    error = kind(
        "It is wrong",
        Remedy("pass ", Setting("masks"), page=("give ", Setting("masks"))),
        Remedy("run ", Command("learn", "SCENE", out=Path("a"))),
        Remedy(Setting("size", 64, verb="pass")),
    )
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(other) is kind and other.parts == error.parts
        assert (
            str(other)
            == str(error)
            == "It is wrong: pass --masks, run 'intarsia learn SCENE --out a', or pass --size 64."
        )
        assert for_pages(other) == for_pages(error)


def test_an_error_without_a_sentence_is_empty() -> None:
    assert str(Cancelled()) == "" and str(pickle.loads(pickle.dumps(Cancelled()))) == ""


@pytest.mark.parametrize("front_end", [TERMINAL, PYTHON])
def test_bytes_of_a_name_that_are_no_text_are_shown_by_their_numbers(front_end: FrontEnd) -> None:
    problem = PictureError(
        "There is no picture caf\udce9 \ud83d", Remedy("rename caf\udce9"), Remedy("pass ", Setting("mask"))
    )
    for said in (str(problem), problem.message_for(front_end)):
        assert said.startswith(r"There is no picture caf\udce9 \ud83d: rename caf\udce9, or pass ")
        said.encode()
    assert problem.replace("caf\udce9", "tea").parts[0] == "There is no picture tea \ud83d"


def test_an_output_error_has_no_error_number() -> None:
    """OSError reads two arguments as a number and its text."""
    error = OutputError("It is there", Remedy("choose another"))
    assert error.errno is None and error.strerror is None and isinstance(error, OSError)


def test_a_cause_stays() -> None:
    with pytest.raises(OutputError) as caught:
        try:
            raise OSError(28, "full")
        except OSError as full:
            raise OutputError("The disk is full", Remedy("free some space")) from full
    assert isinstance(caught.value.__cause__, OSError)


def test_words_of_an_error_are_replaced_in_all_its_texts() -> None:
    error = PictureError(
        "/srv/a.png is wrong", Remedy("look at /srv/a.png", page="look at /srv/a.png again"), Remedy("skip it")
    )
    other = error.replace("/srv/", "")
    assert type(other) is PictureError and str(other) == "a.png is wrong: look at a.png, or skip it."
    assert for_pages(other) == "a.png is wrong: look at a.png again, or skip it."
    assert str(error) == "/srv/a.png is wrong: look at /srv/a.png, or skip it."


def test_a_job_that_cannot_be_read_keeps_its_error(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "list.jsonl").write_text('{"photo": "/etc/shadow.png", "prompt": "a"}\n{"photo": 1, "prompt": "a"}\n')
    outside, wrong = read_jobs(tmp_path / "list.jsonl", image_dir=tmp_path / "in")
    assert outside.error is not None and outside.problem == str(outside.error)
    assert "pass --image-dir with the folder" in outside.problem
    assert for_pages(outside.error).endswith(": send it along with the list.")
    assert wrong.error is not None and pickle.loads(pickle.dumps(outside)).error.parts == outside.error.parts
