"""The page of a batch: what stands in its scripts, when they are written, and that texts of jobs stay texts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from intarsia.batch import report
from intarsia.batch.jobs import Job
from intarsia.batch.ledger import Ledger, Outcome
from intarsia.batch.report import Page, index_page, plain_name
from intarsia.errors import OutputError

HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "quotes \" ' ` \\ ${alert(1)}",
    "emoji 🦊👩‍🚀 and ünïcode",
    "lines \u2028 \u2029 \r\n",
    "control \x00 \x07 \x1b[31m \x7f",
    "turned \u202egnp.exe",
    "]]> &amp; &lt;b&gt;",
]


def job(number: int, *, photo: str = "", words: str = "cat → a dog", problem: str = "") -> Job:
    return Job(
        id=f"id{number}",
        number=number,
        kind="edit",
        photo=photo or f"{number}.jpg",
        words=words,
        folder=f"{number}-folder",
        record=None,
        problem=problem,
    )


def outcome(**facts: object) -> Outcome:
    files = {"picture": "1.png", "record": "1.json", "before": "before.jpg", "after": "after.jpg"}
    return Outcome(
        seconds=12.5,
        evaluations=480,
        memory_mb=900.0,
        score=0.25,
        sha256="0123456789abcdef",
        facts={**files, "boxes": [[1, 2, 30, 40]], "size": [64, 48], "scores": {"text": 0.3}, **facts},
    )


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger.open(tmp_path / "out") as opened:
        yield opened


def values_of(file: Path) -> list:
    """What a script hands to the page."""
    text = file.read_text(encoding="ascii")
    call = re.fullmatch(r"(\w+)\((.*)\);\n", text, re.DOTALL)
    assert call is not None
    name, values = call.groups()
    assert name == ("summary" if file.name == "summary.js" else "rows")
    return json.loads(f"[{values}]")


def rows_in(ledger: Ledger, chunk: int = 1) -> list[dict]:
    number, rows, version = values_of(ledger.folder / "page" / f"{chunk:04d}.js")
    assert number == chunk
    assert summary_of(ledger)["versions"][chunk - 1] == version
    return rows


def summary_of(ledger: Ledger) -> dict:
    return values_of(ledger.folder / "page" / "summary.js")[0]


def stamps(ledger: Ledger) -> dict[str, int]:
    """Each atomic write makes another file: a changed inode tells of one."""
    return {p.name: p.stat().st_ino for p in (ledger.folder / "page").iterdir()}


def rewritten(ledger: Ledger, page: Page, **how: Any) -> set[str]:
    # Hold the old files open: an inode that is free may be given to the next file.
    held = [p.open() for p in (ledger.folder / "page").iterdir()]
    before = stamps(ledger)
    page.write(ledger, **how)
    after = stamps(ledger)
    for file in held:
        file.close()
    return {name for name in after if before.get(name) != after[name]}


def test_rows_hold_what_the_page_shows(ledger: Ledger) -> None:
    ledger.enter([job(1), job(2), job(3), job(4, problem="There is no photo 4.jpg: check the name.")])
    ledger.begin("id1", "worker 1")
    notes = ["Nothing looks like 'cat'."]
    ledger.done("id1", outcome(mode="compose", mask="1.mask.png", sheet="1.boxes.png", notes=notes))
    ledger.begin("id2", "worker 2")
    Page(ledger.folder).write(ledger)
    done, running, waiting, failed = rows_in(ledger)
    assert done.pop("ended") > 1e9
    assert done == {
        "number": 1,
        "state": "done",
        "kind": "edit",
        "photo": "1.jpg",
        "words": "cat → a dog",
        "folder": "1-folder",
        "score": 0.25,
        "seconds": 12.5,
        "evaluations": 480,
        "memory": 900.0,
        "sha": "01234567",
        "mode": "compose",
        "files": {
            "picture": "1.png",
            "record": "1.json",
            "mask": "1.mask.png",
            "sheet": "1.boxes.png",
            "before": "before.jpg",
            "after": "after.jpg",
        },
        "boxes": [[1, 2, 30, 40]],
        "size": [64, 48],
        "scores": [["text", 0.3]],
        "notes": notes,
    }
    assert (running["state"], waiting["state"], failed["state"]) == ("running", "waiting", "failed")
    assert failed["error"] == "There is no photo 4.jpg: check the name."
    assert not {"files", "folder", "score"} & (failed.keys() | running.keys() | waiting.keys())


def test_learned_looks_are_a_file_without_pictures(ledger: Ledger) -> None:
    ledger.enter([job(1)])
    learned = Outcome(
        seconds=1, evaluations=5, memory_mb=1, score=None, sha256="ab", facts={"file": "concepts.safetensors"}
    )
    ledger.done("id1", learned)
    Page(ledger.folder).write(ledger)
    (row,) = rows_in(ledger)
    assert row["files"] == {"file": "concepts.safetensors"}
    assert not {"score", "boxes", "size", "scores"} & row.keys()


def test_the_summary_counts_and_tells_how_the_run_goes(ledger: Ledger) -> None:
    ledger.enter([job(k) for k in range(1, 6)])
    ledger.begin("id1", "worker 1")
    ledger.done("id1", outcome())
    ledger.begin("id2", "worker 1")
    ledger.failed("id2", "no")
    ledger.begin("id3", "worker 1")
    page = Page(ledger.folder)
    page.write(ledger, current=["worker 1  3.jpg  painting 2/30"], rate=41.2, eta=120.0)
    said = summary_of(ledger)
    assert said["counts"] == {"waiting": 2, "running": 1, "done": 1, "failed": 1}
    assert (said["name"], said["results"], said["size"]) == ("out", "results", 500)
    assert (said["rate"], said["eta"], said["over"]) == (41.2, 120.0, False)
    assert said["current"] == ["worker 1  3.jpg  painting 2/30"]
    assert 1e9 < said["began"] <= said["written"]
    page.write(ledger, over=True)
    assert summary_of(ledger)["over"] is True
    assert summary_of(ledger)["current"] == []


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_jobs_arrive_as_they_are_and_nowhere_as_html(ledger: Ledger, text: str) -> None:
    ledger.enter([job(1, photo=text, words=text), job(2, problem=text), job(3)])
    ledger.done("id3", outcome(scores={text: 0.5}, mode=text))
    page = Page(ledger.folder)
    page.notes = (text,)
    page.write(ledger, current=[text])
    done, failed, named = rows_in(ledger)
    assert (done["photo"], done["words"], failed["error"]) == (text, text, text)
    assert (named["scores"], named["mode"]) == ([[text, 0.5]], text)
    assert summary_of(ledger)["current"] == summary_of(ledger)["notes"] == [text]
    for file in (ledger.folder / "page").iterdir():
        script = file.read_bytes()
        assert script.isascii()
        assert not set(script) & set(b"<>&")
        assert not [byte for byte in script if byte < 32 and byte != 10]
        assert script.count(b"\n") == 1


@pytest.mark.parametrize("name", ["../secret.png", "..", ".", "", "/etc/passwd", "a\\b.png", "a\0.png", 3, None, ["x"]])
def test_a_file_name_that_leads_out_of_the_folder_is_no_link(ledger: Ledger, name: object) -> None:
    assert not plain_name(name)
    ledger.enter([job(1)])
    ledger.done("id1", outcome(picture=name))
    Page(ledger.folder).write(ledger)
    assert set(rows_in(ledger)[0]["files"]) == {"record", "before", "after"}


def test_file_names_may_be_strange() -> None:
    assert all(map(plain_name, ["1.png", "50 % #1?.png", "ünï 🦊.png", "..png", "a<b>.png"]))


def test_the_page_is_one_file_that_asks_nobody(ledger: Ledger) -> None:
    text = index_page().decode()
    assert not re.search(r"(src|href|url)\s*[=(]\s*[\"']?(https?:)?//", text)
    assert "@import" not in text
    assert not re.search(r"\.(innerHTML|outerHTML|insertAdjacentHTML)|document\.write|\beval\(|srcdoc", text)
    assert "%SCRIPT%" not in text and "%DIGEST%" not in text


def test_only_the_pages_own_script_may_run() -> None:
    text = index_page().decode()
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}' 'strict-dynamic'" in text
    assert "unsafe" not in text
    assert not re.search(r"\son\w+=", text)


def test_rows_stand_in_scripts_of_a_size_and_old_ones_go(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "CHUNK", 3)
    ledger.enter([job(k) for k in range(1, 8)])
    Page(ledger.folder).write(ledger)
    assert [[row["number"] for row in rows_in(ledger, k)] for k in (1, 2, 3)] == [[1, 2, 3], [4, 5, 6], [7]]
    ledger.enter([job(k) for k in range(1, 4)])
    Page(ledger.folder).write(ledger)
    assert sorted(stamps(ledger)) == ["0001.js", "summary.js"]
    assert len(summary_of(ledger)["versions"]) == 1


def test_only_changed_scripts_are_written_again(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "CHUNK", 3)
    ledger.enter([job(k) for k in range(1, 10)])
    page = Page(ledger.folder)
    page.write(ledger)
    assert rewritten(ledger, page) == {"summary.js"}
    ledger.begin("id5", "worker 1")
    assert rewritten(ledger, page) == {"0002.js", "summary.js"}
    assert rows_in(ledger, 2)[1]["state"] == "running"
    ledger.begin("id8", "worker 2")
    ledger.done("id5", outcome())
    assert rewritten(ledger, page) == {"0002.js", "0003.js", "summary.js"}
    assert rewritten(ledger, page) == {"summary.js"}
    assert rewritten(ledger, page, over=True) == {"summary.js"}


def test_a_job_that_was_put_back_waits_on_the_page(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "OVERLAP", -1000.0)  # as if it had begun long before the last look
    ledger.enter([job(1)])
    ledger.begin("id1", "worker 1")
    page = Page(ledger.folder)
    page.write(ledger)
    ledger.put_back(["id1"])
    page.write(ledger)
    assert rows_in(ledger)[0]["state"] == "waiting"


def test_the_last_writing_looks_at_every_row(ledger: Ledger) -> None:
    ledger.enter([job(1)])
    page = Page(ledger.folder)
    page.write(ledger)
    ledger.connection.execute("UPDATE jobs SET state = 'failed', error = 'no', ended = 5")
    page.write(ledger, over=True)
    assert rows_in(ledger)[0]["error"] == "no"


def test_a_write_that_fails_leaves_the_former_page(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.enter([job(1)])
    page = Page(ledger.folder)
    page.write(ledger)
    former = {p.name: p.read_bytes() for p in (ledger.folder / "page").iterdir()}

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    ledger.failed("id1", "no")
    with monkeypatch.context() as patched, pytest.raises(OutputError):
        patched.setattr("os.fsync", full)
        page.write(ledger)
    assert {p.name: p.read_bytes() for p in (ledger.folder / "page").iterdir()} == former
    page.write(ledger)
    assert rows_in(ledger)[0]["state"] == "failed"


def test_a_first_writing_that_failed_half_way_is_done_again(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "CHUNK", 1)
    ledger.enter([job(1), job(2)])
    page = Page(ledger.folder)
    save = page.save

    def refuse_the_second(name: str, script: str) -> None:
        if name == "0002.js":
            raise OutputError("the disk is full")
        save(name, script)

    with monkeypatch.context() as patched, pytest.raises(OutputError):
        patched.setattr(page, "save", refuse_the_second)
        page.write(ledger)
    page.write(ledger)
    assert [row["number"] for k in (1, 2) for row in rows_in(ledger, k)] == [1, 2]


def test_a_list_without_jobs_has_a_page(ledger: Ledger) -> None:
    ledger.enter([])
    Page(ledger.folder).write(ledger, over=True)
    assert (ledger.folder / "index.html").read_bytes() == index_page()
    assert summary_of(ledger)["versions"] == []
