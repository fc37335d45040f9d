"""JSON and JSON Lines as lists of jobs: forms that are read, and what is wrong in one sentence with its line."""

from __future__ import annotations

import json
import operator
from pathlib import Path
from typing import Any

import pytest

from intarsia.batch.jobs import Job, read_jobs
from intarsia.errors import RecordError
from intarsia.notes import collected
from intarsia.records.arrange import ArrangeRecord
from tests.paths import SAMPLES

ONE: dict[str, Any] = {"photo": "1.png", "prompt": "a dog"}
TWO: dict[str, Any] = {"photo": "2.png", "prompt": "a cat"}


def read(folder: Path, text: str | bytes, name: str = "jobs.jsonl") -> tuple[list[Job], list[str]]:
    file = folder / name
    file.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    with collected() as notes:
        return list(read_jobs(file)), notes


LINES = f"{json.dumps(ONE)}\n{json.dumps(TWO)}\n"


@pytest.mark.parametrize(
    "text",
    [
        LINES,
        LINES.replace("\n", "\r\n"),
        LINES.replace("\n", "\r"),
        "\ufeff" + LINES,
        ("\ufeff" + LINES).encode("utf-16-le"),
        ("\ufeff" + LINES).encode("utf-16-be"),
        LINES.encode("utf-16-le"),
        f"\n \n{LINES}\n\n\t\n",
        json.dumps([ONE, TWO]),
        json.dumps([ONE, TWO], indent=2),
        f"[\n{json.dumps(ONE)},\n{json.dumps(TWO)}\n]\n",
        f"{json.dumps(ONE, indent=1)}\n{json.dumps(TWO, indent=1)}\n",
        '{ "photo": "1.png",\n  "prompt": "a dog" }\n{ "photo": "2.png",\n  "prompt": "a cat" }',
        json.dumps({"1.png": ["", "a dog"], "2.png": ["", "a cat"]}, indent=1),
    ],
)
@pytest.mark.parametrize("name", ["jobs.jsonl", "jobs.ndjson", "jobs.JSONL"])
def test_lists_are_read_in_every_form(tmp_path: Path, text: str | bytes, name: str) -> None:
    jobs, notes = read(tmp_path, text, name)
    assert [(job.photo, job.words, job.problem) for job in jobs] == [("1.png", "a dog", ""), ("2.png", "a cat", "")]
    assert notes == []


@pytest.mark.parametrize("text", [LINES, json.dumps([ONE, TWO]), "\ufeff" + LINES])
def test_lines_under_the_name_of_json_are_read(tmp_path: Path, text: str) -> None:
    jobs, _ = read(tmp_path, text, "jobs.json")
    assert [job.problem for job in jobs] == ["", ""]


@pytest.mark.parametrize("name", ["jobs.json", "jobs.jsonl"])
def test_a_list_may_have_a_name(tmp_path: Path, name: str) -> None:
    jobs, _ = read(tmp_path, json.dumps({"jobs": [ONE, TWO]}, indent=1), name)
    assert [job.problem for job in jobs] == ["", ""]


def test_a_list_with_a_comma_too_many_is_one_sentence(tmp_path: Path) -> None:
    place = f"line 3, column {len(json.dumps(TWO)) + 1}"
    with pytest.raises(RecordError, match=f"a comma stands before the closing bracket, {place}"):
        read(tmp_path, f"[\n{json.dumps(ONE)},\n{json.dumps(TWO)},\n]\n")


def test_one_record_is_a_list_of_one(tmp_path: Path) -> None:
    (job,), _ = read(tmp_path, json.dumps(ONE, indent=1), "jobs.json")
    assert (job.photo, job.problem) == ("1.png", "")


@pytest.mark.parametrize("letter", ["\u2028", "\u2029", "\x85"])
def test_separators_in_texts_end_no_line(tmp_path: Path, letter: str) -> None:
    (job,), _ = read(tmp_path, json.dumps({**ONE, "prompt": f"a dog{letter}on grass"}, ensure_ascii=False))
    assert job.record is not None and job.record.prompt == f"a dog{letter}on grass"


def test_comments_are_left_out_and_said(tmp_path: Path) -> None:
    jobs, notes = read(tmp_path, f"# the first\n{LINES}  // the last\n")
    assert [job.problem for job in jobs] == ["", ""]
    assert notes == ["Of jobs.jsonl, lines 1 and 4 were left out as comments."]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"photo": "1.png", "prompt": "a dog",}', "Line 1 is not valid JSON (a comma stands before the closing bracket"),
        ('{"photo": "1.png", "prompt": "a dog"},', "Line 1 is not valid JSON (a comma stands at the end, column 38"),
        ('{"photo": "1.png", "prompt": "a", "prompt": "b"}', "'prompt' stands there twice"),
        ('{"photo": "1.png", "prompt": "a", "search": {"anchors": 1, "anchors": 2}}', "'anchors' stands there twice"),
        ('{"photo": "1.png", "prompt": "a", "seed": ' + "9" * 5000 + "}", "a number has 5,000 digits"),
        ('{"photo": "1.png", "prompt": "a", "guidance": NaN}', "Line 1: guidance is nan, but must lie between"),
        ('{"photo": "1.png", "prompt": "a", "guidance": 1e999}', "Line 1: guidance is inf, but must lie between"),
        ('{"photo": "1.png", "prompt": "a", "steps": NaN}', "Line 1 gives 'steps' as nan, but a whole number is expected"),
        ('{"photo": "1.png", "prompt": "a", "steps": "4"}', "Line 1 gives 'steps' as '4', but a whole number is expected"),
        ('{"photo": "1.png", "prompt": "a", "refine": "yes"}', "Line 1 gives 'refine' as 'yes', but true or false is expected"),
        ('{"photo": "1.png", "prompt": ["a"]}', 'Line 1 gives \'prompt\' as ["a"], but a text is expected'),
        ('{"photo": "1.png", "prompt": ["é", true, null, 2.5]}', """'prompt' as ["é", true, null, 2.5], but a text"""),
        ('{"photo": "1.png", "prompt": {"a": []}}', """'prompt' as {"a": []}, but a text is expected"""),
        ('{"photo": "1.png", "prompt": ["\\udc41\\u0007"]}', r"""'prompt' as ["\udc41\u0007"], but a text is expected"""),
        ('{"photo": "1.png", "prompt": [[[[1]]]]}', "'prompt' as [[[...]]], but a text is expected"),
        ('{"photo": "1.png", "prompt": true}', "'prompt' as true, but a text is expected"),
        ('{"photo": "1.png", "promt": "a"}', "'promt', which this version does not know. Was 'prompt' meant?"),
        ("{'photo': '1.png'}", "Line 1 is not valid JSON (Expecting property name enclosed in double quotes"),
        ('{"photo": "1.png", "prompt": "a\tb"}', "Line 1 is not valid JSON (Invalid control character"),
        ('{"a":' * 400 + "1" + "}" * 400, "Line 1 holds braces or brackets over 12 deep"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "too many braces or brackets lie in each other"),
        ('{"photo": "1.png", "prompt": "a", "box": ' + "[" * 50 + "]" * 50 + "}", "over 12 deep"),
        ('"photo"', "Line 1 is no record: each job is settings in braces"),
        ("null", "Line 1 is no record"),
        ("photo: 1.png", "Line 1 is not valid JSON"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_one_sentence_and_the_others_are_done(tmp_path: Path, line: str, expected: str) -> None:
    (wrong, right), _ = read(tmp_path, f"{line}\n{json.dumps(TWO)}")
    assert expected in wrong.problem and "\n" not in wrong.problem and len(wrong.problem) < 400
    assert wrong.record is None and right.problem == ""


@pytest.mark.parametrize(
    ("values", "setting", "right"),
    [
        ('"seed": 7.0', "seed", 7),
        ('"steps": 4.0', "steps", 4),
        ('"search": {"preview_steps": [4.0, 10.0]}', "search.preview_steps", (4, 10)),
        ('"seed": null', "seed", 0),
        ('"source": null, "mask": null', "source", ""),
        ('"box": [10.0, 10.0, 40.0, 40.0], "keep": 1.0', "keep", 1),
    ],
)
def test_what_tables_write_as_json_is_read(tmp_path: Path, values: str, setting: str, right: Any) -> None:
    (job,), _ = read(tmp_path, f"{json.dumps(ONE)[:-1]}, {values}}}")
    assert job.record is not None, job.problem
    found = operator.attrgetter(setting)(job.record)
    assert found == right and type(found) is type(right)


@pytest.mark.parametrize("escape", ["\\ud83d", "\\udc36", "\ud83d"])
@pytest.mark.parametrize("setting", ["photo", "prompt", "source", "mask"])
def test_half_a_character_is_one_sentence(tmp_path: Path, escape: str, setting: str) -> None:
    if not escape.startswith("\\"):
        with pytest.raises(RecordError, match="no text in UTF-8"):
            read(tmp_path, json.dumps({**ONE, setting: escape}, ensure_ascii=False))
        return
    if setting in ("photo", "mask") and escape == "\\udc36":
        pytest.skip("of a path, a byte that is not UTF-8")
    line = json.dumps({**ONE, setting: "a dog X"}).replace("X", escape)
    (wrong,), _ = read(tmp_path, line)
    assert wrong.record is None and f"Line 1: {setting} holds half a character" in wrong.problem


def test_the_line_that_once_failed_in_the_networks_is_one_sentence() -> None:
    file = SAMPLES / "faults" / "lone-surrogate.jsonl"
    if not file.exists():
        pytest.skip("the samples are not here")
    (job,) = read_jobs(file)
    assert "half a character" in job.problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[{"photo": "1.png"},]', "a comma stands before the closing bracket, column 20)"),
        ('[{"photo": "1.png"}\n,\t\n] ', "a comma stands before the closing bracket, line 2, column 1)"),
        ('["a,\n]"]', "(Invalid control character at line 1, column 5)"),
        ('{"1.png": ["a", "b"]', "is not valid JSON (Expecting ',' delimiter, column"),
        ("{\n\"1.png\": [\"a\", \"b\"],\n}", "(a comma stands before the closing bracket, line 2, column 20)"),
        ("[" * 100_000, "too many braces"),
        ("[]", "is empty"),
        ("{}", "is empty"),
        ("", "not valid JSON"),
        ('{"a": 1}\0', "holds a NUL"),
    ],
)  # fmt: skip
def test_json_that_cannot_be_read_is_one_sentence(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(RecordError) as raised:
        read(tmp_path, text, "jobs.json")
    assert expected in str(raised.value) and len(str(raised.value)) < 400


def test_a_list_that_is_no_file_is_refused(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "jobs.jsonl")
    with pytest.raises(RecordError, match="no regular file"):
        read_jobs(tmp_path / "jobs.jsonl")
    with pytest.raises(RecordError, match="There is no list of jobs"):
        read_jobs(tmp_path / "none.xlsx")


def test_equals_signs_in_paths_of_masks_are_part_of_them(tmp_path: Path) -> None:
    (tmp_path / "seed=1").mkdir()
    (tmp_path / "seed=1" / "cat.png").write_bytes(b"mask")
    (job,), _ = read(tmp_path, json.dumps({"kind": "arrange", "photo": "1.png", "masks": ["cat=seed=1/cat.png"], "move": ["cat=+3,0"]}))  # fmt: skip
    assert isinstance(job.record, ArrangeRecord)
    assert job.record.masks == (f"cat={tmp_path.resolve()}/seed=1/cat.png",)
