"""Paths as people write and copy them: what is no path is told so, and what is not there gets the nearest cause."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from intarsia.batch.jobs import read_jobs
from intarsia.errors import PictureError
from intarsia.imaging.read import read_photo
from intarsia.places import in_list, missing, no_file
from tests.imaging.image_files import noise, save

CHECK = "check the name and the folder"
ADDRESS, ITSELF = "is an address, and nothing is fetched", "is a picture written as text"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://example.org/a.png", ADDRESS),
        ("HTTP://example.org/a.png", ADDRESS),
        ("s3://bucket/a.png", ADDRESS),
        ("gs://bucket/a.png", ADDRESS),
        ("ftp://host/a.png", ADDRESS),
        ("data:image/png;base64,iVBORw0KGgo=", ITSELF),
        ("data:,words", ITSELF),
        ("file:///home/a.png", ""),
        ("C:/photos/a.png", ""),
        ("C://photos/a.png", ""),
        ("data/a.png", ""),
        ("data:a.png", ""),
        ("photos:a.png", ""),
        ("a.png", ""),
    ],
)
def test_addresses_are_told_from_paths(text: str, told: str) -> None:
    assert told in no_file(text) and bool(told) == bool(no_file(text))


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("b.png", CHECK),
        ("file:///home/me/a%20b.png", "give its path, /home/me/a b.png, and no address"),
        ("'a.png'", "a.png is there, without the signs around it"),
        ("“a.png”", "a.png is there, without the signs around it"),
        ("\u202aa.png", "a.png is there, without the signs around it"),
        ("a.png ", "a.png is there, without the signs around it"),
        ("'b.png'", CHECK),
        ('""', CHECK),
        (r"C:\photos\a.png", "that is a path of Windows, which is called otherwise here, under WSL /mnt/c/..."),
        ("D:/photos/a.png", "that is a path of Windows, which is called otherwise here, under WSL /mnt/d/..."),
        (r"\\server\photos\a.png", "that is a path of Windows, which is called otherwise here"),
        (r"in\a.png", "write it with /, as in/a.png"),
        (r"in\b.png", CHECK),
        ("in/*.png", "name one, since patterns are not filled in, or give the folder to a batch"),
    ],
)
def test_what_is_not_there_gets_the_nearest_cause(path: str, advice: str) -> None:
    assert missing(path, exists={"a.png", "in/a.png"}.__contains__, system="posix") == advice


def test_on_windows_its_paths_are_as_any() -> None:
    for path in (r"C:\photos\a.png", r"in\b.png", r"\\server\photos\a.png"):
        assert missing(path, exists=lambda name: "/" in name, system="nt") == CHECK


def test_the_sentences_of_pictures_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.png").write_bytes(b"")
    for path, said in {
        "'a.png'": "There is no picture 'a.png': a.png is there, without the signs around it.",
        "s3://bucket/a.png": "'s3://bucket/a.png' is an address, and nothing is fetched: download it and give the file.",
        "data:image/png;base64," + "A" * 9000: "is a picture written as text: save it as a file and give that.",
        "file:///a.png": "There is no picture file:///a.png: give its path, /a.png, and no address.",
    }.items():
        with pytest.raises(PictureError) as refused:
            read_photo(path)
        assert said in str(refused.value) and len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("name", "home", "read"),
    [
        (r"in\a.png", False, "in/a.png"),
        (r".\a.png", False, "./a.png"),
        (r"in\b.png", False, "in/b.png"),
        (r"..\a.png", False, "../a.png"),
        (r"odd\name.png", False, r"odd\name.png"),  # as a file may be called here
        ("~/a.png", True, "/home/me/a.png"),
        ("~/a.png", False, "~/a.png"),
        ("~/there.png", True, "~/there.png"),
        ("~a.png", True, "~a.png"),
        ("a.png", True, "a.png"),
    ],
)
def test_paths_of_lists_are_read_as_here(name: str, home: bool, read: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    there = {"/in/a.png", "/./a.png", "/a.png", "/odd\\name.png", "/~/there.png"}
    assert in_list(name, "/", home=home, exists=there.__contains__, system="posix") == read


def test_on_windows_a_list_is_read_as_it_stands() -> None:
    assert in_list(r"in\a.png", "/", home=False, exists=lambda name: "\\" not in name, system="nt") == r"in\a.png"


@pytest.mark.parametrize("name", [r"..\{}", r"in\..\..\{}", r"..\outside\{}", "~/{}"])
def test_a_list_does_not_tell_what_lies_outside_its_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "outside" / "lists"
    folder.mkdir(parents=True)
    (folder.parent / "secret").write_bytes(b"")
    problems = []
    for each in ("secret", "absent"):
        (folder / "jobs.jsonl").write_text(
            json.dumps({"photo": name.format(each), "source": "cat", "prompt": "a dog"}), "utf-8"
        )
        (job,) = read_jobs(folder / "jobs.jsonl")
        problems.append(job.problem.replace(each, "") if job.problem else None)
    assert problems[0] == problems[1] and (problems[0] is None) == name.startswith("~")


def test_a_list_of_another_system_finds_its_pictures(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    save(tmp_path / "in" / "a.png", Image.fromarray(noise(32, 24)))
    table = tmp_path / "jobs.csv"
    table.write_text("photo,source,prompt\nin\\a.png,cat,a dog\nhttps://example.org/a.png,cat,a dog\n", "utf-8")
    found, elsewhere = read_jobs(table)
    assert found.record is not None and found.record.photo == str(tmp_path / "in" / "a.png")
    assert elsewhere.record is None
    assert elsewhere.problem == (
        "Row 3 gives photo as 'https://example.org/a.png', which is an address, and nothing is fetched: download it and give "
        "the file."
    )
