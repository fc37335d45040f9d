"""A folder as a list of jobs: what is a picture, what is left out and said, and that no batch takes its own output."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intarsia.batch import folder
from intarsia.batch.entries import named
from intarsia.batch.folder import FolderPictures, find_pictures, is_hidden
from intarsia.batch.jobs import read_jobs
from intarsia.errors import RecordError
from intarsia.imaging.formats import READABLE
from intarsia.imaging.read import READERS
from intarsia.notes import collected

SNOW = {"prompt": "snow"}


def picture(file: Path, kind: str = "PNG", **settings: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 24, 3), len(file.name), np.uint8)).save(file, kind, **settings)
    return file


def frames(file: Path, kind: str) -> None:
    first, *others = (Image.fromarray(np.full((20, 20, 3), shade, np.uint8)) for shade in (0, 120, 250))
    first.save(file, kind, save_all=True, append_images=others)


def raw(file: Path, tag: int, value: int) -> None:
    """A TIFF whose first directory has one tag."""
    file.write_bytes(b"II*\0" + struct.pack("<IHHHII", 8, 1, tag, 4, 1, value) + bytes(600))


def names(place: Path) -> list[str]:
    return [path.as_posix() for path in find_pictures(place).pictures]


def said(place: Path) -> list[str]:
    with collected() as notes:
        find_pictures(place).say()
    return notes


def test_what_is_listed_as_readable_is_read() -> None:
    assert set(READERS) - {"HEIC"} == READABLE - {"HEIC"}  # which takes a package


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jfif", "JPEG"),
        ("a.jpe", "JPEG"),
        ("a.JPG", "JPEG"),
        ("a.JpEg", "JPEG"),
        ("no ending", "JPEG"),
        ("png named.jpg", "PNG"),
        ("jpeg named.png", "JPEG"),
        ("webp named.gif", "WEBP"),
        ("tiff named.raw picture", "TIFF"),
        ("bitmap.dib", "BMP"),
        ("photo.png.bak", "PNG"),
        ("photo.heic", "JPEG"),
        ("still.gif", "GIF"),
        ("a.avif", "AVIF"),
        ("deeper/and deeper/a.png", "PNG"),
    ],
)
def test_pictures_are_known_by_their_content(tmp_path: Path, name: str, kind: str) -> None:
    picture(tmp_path / name, kind)
    assert names(tmp_path) == [name] and said(tmp_path) == []


HEADS = {
    "a.heic": (b"\0\0\0\x18ftypheic", "HEIC"),
    "named.jpg": (b"\0\0\0\x18ftypmif1", "HEIC"),
    "a.heif": (b"\0\0\0\x1cftypmif1\0\0\0\0heic", "HEIC"),
    "a.gif": (b"GIF89a" + bytes(13) + b"!\xff\x0bNETSCAPE2.0", "animated"),
    "a.avif": (b"\0\0\0\x18ftypavis", "animated"),
    "film.mp4": (b"\0\0\0\x18ftypisom", "film"),
    "film.avi": (b"RIFF\0\0\0\0AVI ", "film"),
    "a.psd": (b"8BPS", "PSD"),
    "a.svg": (b"<svg xmlns=''>", "SVG"),
    "a.pdf": (b"%PDF-1.7", "PDF"),
    "a.cr2": (b"II*\0\x10\0\0\0CR", "raw"),
    "a.raf": (b"FUJIFILMCCD-RAW 0201", "raw"),
    "a.orf": (b"IIRO", "raw"),
    "a.rw2": (b"IIU\0", "raw"),
    "a.nef": (b"MM\0*\0\0\0\x08", "raw"),
}


@pytest.mark.parametrize("name", HEADS)
def test_other_formats_are_named(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "READABLE", READABLE - {"HEIC"})  # as without its package
    head, kind = HEADS[name]
    (tmp_path / name).write_bytes(head.ljust(100, b"\0"))
    picture(tmp_path / "b.png")
    assert names(tmp_path) == ["b.png"]
    (note,) = said(tmp_path)
    assert note.startswith("1 file of a kind that is not edited was left out") and name in note and kind in note
    assert ("pip install" in note) == (kind == "HEIC")


def test_animated_pictures_and_previews_in_raw_ones_are_named(tmp_path: Path) -> None:
    frames(tmp_path / "moves.png", "PNG")
    frames(tmp_path / "moves.webp", "WEBP")
    raw(tmp_path / "preview.tif", 254, 1)
    raw(tmp_path / "dng.tif", 50706, 1)
    picture(tmp_path / "still.webp", "WEBP")
    picture(tmp_path / "still.tif", "TIFF")
    assert names(tmp_path) == ["still.tif", "still.webp"]
    (note,) = said(tmp_path)
    assert note.startswith("4 files") and "moves.png: animated" in note and "and 1 more" in note


def test_what_is_no_picture_is_counted_and_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    for name in ("notes.txt", "jobs.csv", "a.xmp", "list.jsonl", "x.docx"):
        (tmp_path / name).write_text("words")
    assert said(tmp_path) == ["5 files left out as no pictures: a.xmp, jobs.csv, list.jsonl and 2 more."]


def test_a_damaged_picture_is_a_job_whose_failure_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.png").write_text("no picture")
    assert names(tmp_path) == ["empty.jpg", "text.png"]


@pytest.mark.parametrize(
    "name",
    [
        "._x.png",
        ".hidden.png",
        ".git/x.png",
        ".thumbnails/x.png",
        ".picasaoriginals/x.png",
        ".Trash-1000/files/x.png",
        "__MACOSX/x.png",
        "@eaDir/x.png/SYNOPHOTO_THUMB_M.jpg",
        "SYNOPHOTO_THUMB_XL.jpg",
        "#recycle/x.png",
        "$RECYCLE.BIN/x.png",
        "System Volume Information/x.png",
        "Previews.lrdata/0/x.png",
        "x.png~",
        "~$x.png",
        "x.png.part",
        "x.jpg.crdownload",
        "Thumbs.db",
        "desktop.ini",
        "Desktop.INI",
        "Photos Library.photoslibrary/x.png",
    ],
)
def test_hidden_and_system_files_are_one_number(tmp_path: Path, name: str) -> None:
    picture(tmp_path / name)
    picture(tmp_path / "a.png")
    assert names(tmp_path) == ["a.png"]
    assert said(tmp_path) == ["1 hidden or system file was left out."]


def test_a_resource_fork_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"\0\x05\x16\x07\0\x02\0\0Mac OS X")
    assert names(tmp_path) == [] and find_pictures(tmp_path).hidden == 1


@pytest.mark.parametrize("name", ["a~b.png", "@home.png", "#1.png", "my.tmp.png", "thumbs.png", "_x.png", "trash.jpg"])
def test_names_that_only_look_like_it_are_pictures(name: str) -> None:
    assert not is_hidden(name)


def test_links_are_followed_to_files_alone(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "circle").symlink_to(tmp_path)
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "up").symlink_to("..")
    (tmp_path / "itself").symlink_to("itself")
    (tmp_path / "nothing.png").symlink_to("gone.png")
    (tmp_path / "same.png").symlink_to("a.png")
    assert names(tmp_path) == ["a.png", "same.png"]
    (note,) = said(tmp_path)
    assert note.startswith("4 links left out") and "circle, deeper/up, itself and 1 more" in note


def test_pipes_and_sockets_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(tmp_path / "s.png"))
        picture(tmp_path / "a.png")
        assert names(tmp_path) == ["a.png"]
        assert said(tmp_path)[0].startswith("4 files left out as pipes, sockets or devices")


def test_what_cannot_be_opened_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, mode: str) -> object:
        raise FileNotFoundError if "gone" in path else PermissionError(13, "Permission denied")

    for name in ("gone.png", "a.png", "unknown"):
        picture(tmp_path / name)
    monkeypatch.setattr("intarsia.batch.folder.open", refuse, raising=False)
    assert names(tmp_path) == ["a.png"]
    assert said(tmp_path) == ["1 file or folder left out as not readable: unknown (Permission denied)."]


def test_names_in_notes_stay_in_their_line() -> None:
    assert named(["a\nb\x1b[31m", "\udc80.png"]) == "a?b?[31m and ?.png"


def test_ten_thousand_pictures_are_listed_by_their_beginnings(tmp_path: Path) -> None:
    data = picture(tmp_path / "0.png").read_bytes()
    for k in range(1, 300):
        (tmp_path / f"{k}.png").write_bytes(data)
    (tmp_path / "large.png").touch()
    with (tmp_path / "large.png").open("r+b") as file:
        file.write(data[:1000])
        file.truncate(1 << 40)  # a sparse file, which nobody reads to its end
    assert len(names(tmp_path)) == 301


# What Intarsia wrote


def record(place: Path, name: str, **own: object) -> Path:
    """A record as edits leave it beside their pictures."""
    file = place / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    facts = {"intarsia": "0.1.0", "record": {"kind": "EditRecord", "photo": "x.png"}, "output_sha256": "0", **own}
    file.write_text(json.dumps(facts, indent=1))
    return file


def job_folder(place: Path) -> None:
    for name in ("a.png", "a.mask.png", "a.boxes.png", "before.jpg", "after.jpg"):
        picture(place / name)
    record(place, "a")
    (place / "job.json").write_text(json.dumps({"id": "0123", "outcome": {"seconds": 1.0}}))


def test_results_of_an_edit_are_left_out_with_all_that_lies_beside_them(tmp_path: Path) -> None:
    for name in ("cat.png", "cat.2.png", "cat.mask.png", "cat.boxes.png", "cat.layout.png", "cat.before.png"):
        picture(tmp_path / name)
    record(tmp_path, "cat", picture="cat.png")
    for name in ("cat.jpg", "cat 2.png", "cat.old.png", "dog.png", "cat.3.jpg"):
        picture(tmp_path / name)
    assert names(tmp_path) == ["cat 2.png", "cat.3.jpg", "cat.jpg", "cat.old.png", "dog.png"]
    (note,) = said(tmp_path)
    assert note.startswith("6 results of Intarsia were left out (cat.2.png, cat.before.png, cat.boxes.png and 3 more)")
    assert "copy it without its record" in note


def test_a_result_may_have_its_photos_format(tmp_path: Path) -> None:
    for name in ("cat.jpg", "cat.2.jpg", "cat.png"):
        picture(tmp_path / name)
    record(tmp_path, "cat", picture="cat.jpg")
    assert names(tmp_path) == ["cat.png"]


def test_a_result_without_its_record_is_a_picture_like_any_other(tmp_path: Path) -> None:
    picture(tmp_path / "edited.png")
    with Image.open(tmp_path / "edited.png") as image:
        from PIL.PngImagePlugin import PngInfo

        text = PngInfo()
        text.add_itxt("intarsia", "{}")
        image.save(tmp_path / "edited.png", pnginfo=text)
    assert names(tmp_path) == ["edited.png"]


def test_a_photo_whose_record_was_copied_to_it_stays_a_photo(tmp_path: Path) -> None:
    photo = picture(tmp_path / "cat.png")
    facts = {"photo": {"name": "cat.png", "sha256": hashlib.sha256(photo.read_bytes()).hexdigest()}}
    record(tmp_path, "cat", picture="cat.png", inputs=facts)
    assert names(tmp_path) == ["cat.png"]


@pytest.mark.parametrize(
    "text", ["{", "[]", "3", '{"intarsia": 1}', '{"intarsia": "0.1.0", "record": 3}', "[" * 5000, ""]
)
def test_other_json_beside_a_picture_means_nothing(tmp_path: Path, text: str) -> None:
    picture(tmp_path / "cat.png")
    for name in ("cat.json", "job.json", "cat.png.json"):
        (tmp_path / name).write_text(text)
    assert names(tmp_path) == ["cat.png"]


def test_folders_of_jobs_and_scenes_and_demos_are_left_out_whole(tmp_path: Path) -> None:
    job_folder(tmp_path / "moved away")
    for name in ("photo.png", "mask.png", "overlay.png"):
        picture(tmp_path / "x" / name)
    (tmp_path / "x" / "colours.json").write_text("{}")
    picture(tmp_path / "demo" / "demo.png")
    picture(tmp_path / "demo" / "astronaut.jpg")
    record(tmp_path / "demo", "bird")
    (tmp_path / "demo" / "index.html").write_text("page")
    picture(tmp_path / "scene-like" / "mask.png")
    assert names(tmp_path) == ["scene-like/mask.png"]
    assert "3 results of Intarsia were left out (demo, moved away and x)" in said(tmp_path)[0]


def test_a_batch_in_the_very_folder_leaves_its_pictures(tmp_path: Path) -> None:
    for name in ("ledger.sqlite", "ledger.sqlite-wal", "index.html", ".lock", "page/0001.js", "page/summary.js"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    job_folder(tmp_path / "results" / "a-0123456789")
    picture(tmp_path / "results" / "b-abcdef0123" / "after.jpg")  # its mark is gone
    for name in ("a.png", "results/mine.png", "page/mine.png"):
        picture(tmp_path / name)
    assert names(tmp_path) == ["a.png", "page/mine.png", "results/mine.png"]
    (note,) = said(tmp_path)
    assert note.startswith("2 results of Intarsia were left out (results/a-0123456789 and results/b-abcdef0123)")


def test_links_into_results_are_left_out(tmp_path: Path) -> None:
    job_folder(tmp_path / "elsewhere" / "results" / "a-0123456789")
    photos = tmp_path / "photos"
    picture(photos / "a.png")
    (photos / "latest.png").symlink_to(tmp_path / "elsewhere/results/a-0123456789/a.png")
    assert names(photos) == ["a.png"] and "latest.png" in said(photos)[0]


def test_painted_pictures_of_a_class_are_left_out(tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_itxt("intarsia-prior", "key")
    picture(tmp_path / "cat-0001.png", pnginfo=text)
    picture(tmp_path / "a.png")
    assert names(tmp_path) == ["a.png"]


def test_a_folder_without_pictures_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "READABLE", READABLE - {"HEIC"})
    with pytest.raises(RecordError, match=r"^There is no picture to edit in .*: give PNG, JPEG"):
        read_jobs(tmp_path, settings=SNOW)
    (tmp_path / "a.heic").write_bytes(HEADS["a.heic"][0])
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".DS_Store").write_text("x")
    with pytest.raises(RecordError, match=r"\(1 of a kind .* such as a\.heic: HEIC; 1 no picture, .*; 1 hidden\)"):
        read_jobs(tmp_path, settings=SNOW)
    job_folder(tmp_path / "results")
    with pytest.raises(RecordError, match="Intarsia has written all that is there"):
        read_jobs(tmp_path / "results", settings=SNOW)


def test_a_mask_for_all_is_not_edited_itself(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "masks/m.png"):
        picture(tmp_path / name)
    with collected() as notes:
        jobs = read_jobs(tmp_path, settings={**SNOW, "mask": "masks/m.png"})
    assert [job.photo for job in jobs] == ["a.png", "b.png"]
    assert notes == ["masks/m.png is used for all pictures, and not edited."]


def test_pictures_of_one_name_get_folders_of_their_own(tmp_path: Path) -> None:
    twins = ["a.png", "a.jpg", "a.PNG", "A.png", "deeper/a.png", "caf\u00e9.png", "cafe\u0301.png"]
    for name in twins:
        picture(tmp_path / name)
    jobs = read_jobs(tmp_path, settings=SNOW)
    assert len(jobs) == len({job.id for job in jobs}) == len({job.folder.casefold() for job in jobs}) == len(twins)


def test_nothing_found_is_nothing_said() -> None:
    with collected() as notes:
        FolderPictures().say()
    assert notes == [] and FolderPictures().reasons() == ""
