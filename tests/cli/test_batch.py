"""intarsia batch from the command line: hostile jobs, going on after a stop, what it says and how it ends."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import intarsia as ia
from intarsia.backbones.caching import ValueCache, content_key, with_caches
from intarsia.backbones.protocols import Backbones
from intarsia.batch import runner
from intarsia.batch.executor import RESULTS
from intarsia.batch.jobs import Job, read_jobs
from intarsia.batch.ledger import Counts, Ledger
from intarsia.cli import batch_run, main
from intarsia.layout.names import BACKGROUND
from intarsia.tasks.batch_executor import BatchExecutor
from intarsia.tasks.batch_worker import BatchWorker
from intarsia.tasks.model_pool import ModelPool
from intarsia.tasks.options import Machine
from tests.fake_work import FakeWork

QUICK: dict[str, Any] = {
    "steps": 2,
    "search": {"preview_steps": [1], "survivors": [1]},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for k in range(3):
        pixels = np.random.default_rng(k).integers(0, 255, (40, 48, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{k}.png")
    return tmp_path


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers without networks."""
    monkeypatch.setattr(batch_run, "BatchExecutor", lambda machine, threads: FakeWork())


def write(folder: Path, *entries: object) -> str:
    file = folder / "jobs.jsonl"
    file.write_text("\n".join(e if isinstance(e, str) else json.dumps(e) for e in entries))
    return str(file)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main.main(["batch", *arguments, "--json"])
    out = capsys.readouterr().out
    return code, json.loads(out) if out else {}


def bomb() -> bytes:
    """The header of a PNG of 40,000 x 40,000 pixels, and hardly any of them."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def test_a_batch_goes_through_and_a_second_run_has_nothing_to_do(
    folder: Path, fake: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = write(folder, *({"photo": f"{k}.png", "prompt": "a cat"} for k in range(3)))
    out = folder / "out"
    code, summary = said(capsys, jobs, "--out", str(out))
    assert code == 0 and (summary["done"], summary["failed"], summary["left"]) == (3, 0, 0)
    assert (out / "index.html").is_file()
    monkeypatch.setattr(batch_run, "run_local", lambda *a, **k: pytest.fail("there was something to do"))
    assert said(capsys, jobs, "--out", str(out)) == (0, summary)
    assert said(capsys, "--status", str(out)) == (0, summary)


def test_a_second_run_imports_no_networks(folder: Path, fake: None, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = write(folder, {"photo": "0.png", "prompt": "a cat"})
    said(capsys, jobs, "--out", str(folder / "out"))
    code = (
        "import sys; from intarsia.cli.main import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'numpy', 'PIL', 'diffusers', 'transformers'} & set(sys.modules); "
        "assert not heavy, heavy; sys.exit(code)"
    )
    command = [sys.executable, "-c", code, "batch", jobs, "--out", str(folder / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 jobs done" in done.stdout


def test_results_that_are_gone_are_made_again(folder: Path, fake: None, capsys: pytest.CaptureFixture[str]) -> None:
    jobs, out = write(folder, {"photo": "0.png", "prompt": "a"}, {"photo": "1.png", "prompt": "b"}), folder / "out"
    said(capsys, jobs, "--out", str(out))
    with Ledger.open(out) as ledger:
        first = ledger.rows()[0]
    (out / RESULTS / first.folder).rename(folder / "moved away")
    assert said(capsys, jobs, "--out", str(out))[0] == 0
    with Ledger.open(out) as ledger:
        assert [row.attempts for row in ledger.rows()] == [2, 1]


def test_what_was_finished_but_not_entered_is_not_done_again(
    folder: Path, fake: None, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs, out = write(folder, {"photo": "0.png", "prompt": "a"}), folder / "out"
    said(capsys, jobs, "--out", str(out))
    with Ledger.open(out) as ledger:
        row = ledger.rows()[0]
        ledger.connection.execute("UPDATE jobs SET state = 'running', sha256 = ''")
    assert said(capsys, jobs, "--out", str(out))[0] == 0
    with Ledger.open(out) as ledger:
        again = ledger.rows()[0]
    assert (again.state, again.attempts, again.sha256) == ("done", 1, row.sha256)


def test_failures_end_in_3_and_are_tried_again_when_asked(
    folder: Path, fake: None, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs, out = write(folder, {"photo": "0.png", "prompt": "fail"}, {"photo": "1.png", "prompt": "b"}), folder / "out"
    code, summary = said(capsys, jobs, "--out", str(out))
    assert code == 3 and summary["failures"][0]["error"] == "The picture is no picture: give another."
    assert said(capsys, "--status", str(out))[0] == 3
    assert said(capsys, jobs, "--out", str(out))[0] == 3
    with Ledger.open(out) as ledger:
        assert ledger.rows()[0].attempts == 1
    said(capsys, jobs, "--out", str(out), "--retry-failed")
    with Ledger.open(out) as ledger:
        assert [row.attempts for row in ledger.rows()] == [2, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "No list of jobs"),
        (["none.jsonl"], "There is no list of jobs none.jsonl"),
        (["--status", "none"], "holds no ledger"),
        (["jobs.jsonl", "--workers", "0"], "workers is 0"),
        (["jobs.jsonl", "--set", "steps"], "has no value"),
        (["jobs.jsonl", "--image-dir", "none"], "There is no folder none"),
        (["jobs.jsonl", "--out", "0.png"], "0.png cannot be written to"),
    ],
)
def test_bad_input_is_one_sentence(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(folder)
    write(folder, {"photo": "0.png", "prompt": "a"})
    assert main.main(["batch", *arguments]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1 and "Traceback" not in told


def test_two_runs_do_not_work_in_one_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = write(folder, {"photo": "0.png", "prompt": "a"})
    with runner.one_run(folder / "out"):
        assert main.main(["batch", jobs, "--out", str(folder / "out")]) == 2
    assert f"Another run (process {os.getpid()}) is at work" in capsys.readouterr().err


def test_settings_for_all_jobs(folder: Path, fake: None, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (str(folder), "--set", "prompt=snow", "--set", "steps=5", "--out", str(folder / "out"))
    assert said(capsys, *arguments)[0] == 0
    with Ledger.open(folder / "out") as ledger:
        assert [row.words for row in ledger.rows()] == ["snow"] * 3


# With networks


def performed(job: Job, perform: BatchWorker, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    outcome = perform(job, folder, lambda progress: None)
    return {"sha256": outcome.sha256, "facts": outcome.facts, "evaluations": outcome.evaluations}


def test_each_kind_of_job_leaves_its_files(folder: Path, tiny_models: Path) -> None:
    masks = {"dog": [255, 0, 0], BACKGROUND: [0, 0, 0]}
    (folder / "colours.json").write_text(json.dumps(masks))
    drawn = np.zeros((40, 48, 3), np.uint8)
    drawn[10:30, 8:28] = (255, 0, 0)
    Image.fromarray(drawn).save(folder / "mask.png")
    scene = {"photo": "0.png", "mask": "mask.png", "colours": "colours.json", "models": str(tiny_models)}
    edit, arrange, learn = read_jobs(
        Path(
            write(
                folder,
                {"photo": "0.png", "prompt": "a cat", "models": str(tiny_models), **QUICK},
                {"kind": "arrange", **scene, "move": ["dog=+9,0"]},
                {"kind": "learn", **scene, "learn": {"token_steps": 1, "weight_steps": 1}},
            )
        )
    )
    perform = BatchWorker(ModelPool(Machine(device="cpu")), cached=False)
    made = {job.kind: performed(job, perform, folder / job.kind) for job in (edit, arrange, learn)}
    for kind in ("edit", "arrange"):
        facts = made[kind]["facts"]
        for name in ("picture", "record", "mask", "sheet", "before", "after"):
            assert (folder / kind / facts[name]).is_file(), name
        assert facts["size"] == [48, 40] and len(facts["boxes"][0]) == 4
    assert sorted(p.name for p in (folder / "learn").iterdir()) == ["concepts.safetensors"]
    assert len({m["sha256"] for m in made.values()}) == 3


def test_what_a_worker_remembers_changes_no_pixel(folder: Path, tiny_models: Path) -> None:
    entries = [{"photo": "0.png", "source": "dog", "prompt": p, "models": str(tiny_models), **QUICK} for p in "ab"]
    first, second = read_jobs(Path(write(folder, *entries)))
    warm = BatchWorker(ModelPool(Machine(device="cpu")), cached=False)
    performed(first, warm, folder / "1")
    after = performed(second, warm, folder / "2")
    alone = performed(second, BatchWorker(ModelPool(Machine(device="cpu")), cached=False), folder / "3")
    assert after == alone


def test_encoders_remember_and_forget(tiny_backbones: Backbones) -> None:
    import torch

    calls = []
    memory = ValueCache(most=2)
    for key in ("a", "b", "a", "c", "b"):
        memory.get(key, lambda key=key: calls.append(key))  # type: ignore[misc]
    assert calls == ["a", "b", "c", "b"]
    picture = torch.rand(1, 3, 32, 32) * 2 - 1
    wise = with_caches(tiny_backbones)
    assert wise.patches.encode(picture) is wise.patches.encode(picture.clone())
    assert torch.equal(wise.patches.encode(picture).features, tiny_backbones.patches.encode(picture).features)
    assert content_key(picture) != content_key(picture.flip(3)) and content_key(picture) != content_key(
        picture.double()
    )
    assert torch.equal(wise.scorer.embed_texts(["a", "b"]), tiny_backbones.scorer.embed_texts(["a", "b"]))


def test_a_workers_threads_are_those_that_were_asked_for(tiny_models: Path) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        perform = BatchExecutor(machine=Machine(device="cpu"), threads=3).open(0)
        assert torch.get_num_threads() == 3 and isinstance(perform, BatchWorker)
    finally:
        torch.set_num_threads(before)


def hostile_jobs(folder: Path) -> list[object]:
    """Twenty jobs that cannot be done, each in its own way."""
    whole = (folder / "0.png").read_bytes()
    (folder / "empty.png").write_bytes(b"")
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("this is no picture")
    (folder / "bomb.png").write_bytes(bomb())
    (folder / "folder.png").mkdir()
    good = {"photo": "0.png", "prompt": "a cat", **QUICK}
    return [
        {**good, "photo": "missing.png"},
        {**good, "photo": "cut.png"},
        {**good, "photo": "empty.png"},
        {**good, "photo": "folder.png"},
        {**good, "photo": "text.png"},
        {**good, "photo": "bomb.png"},
        {**good, "photo": 7},
        {**good, "steps": "2"},
        {**good, "search": []},
        {**good, "prompt": None},
        {**good, "prompt": " ".join(["word"] * 5000)},
        {**good, "photo": "../outside.png"},
        {**good, "mask": "/etc/hostname"},
        {**good, "seed": 1},  # the very job of the good ones
        {**good, "kind": "destroy"},
        {**good, "box": [5, 5, 5, 5]},
        {**good, "models": "no such checkpoint"},
        {"prompt": "no photo"},
        "[1, 2, 3]",
        '{"photo": "0.png", "prompt": ',
    ]


@pytest.mark.slow
def test_hostile_jobs_are_sentences_and_the_others_are_done(folder: Path) -> None:
    good = [
        {"photo": f"{k % 3}.png", "prompt": "a cat", "seed": k + 1 if k else 1, "models": "pocket", **QUICK}
        for k in range(50)
    ]
    good[0] = {"photo": "0.png", "prompt": "a cat", "seed": 1, **QUICK}
    jobs = write(folder, *good, *hostile_jobs(folder))
    command = [sys.executable, "-m", "intarsia", "batch", jobs, "--out", str(folder / "out"), "--set", "models=pocket"]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    summary = json.loads(done.stdout)
    assert done.returncode == 3 and (summary["done"], summary["failed"]) == (50, 20), summary
    for failure in summary["failures"]:
        assert len(failure["error"]) > 20 and "\n" not in failure["error"], failure
        assert "unforeseen" not in failure["error"], failure


def test_ctrl_c_stops_within_a_step_and_the_same_command_goes_on(folder: Path, tiny_models: Path) -> None:
    jobs = write(folder, *({"photo": f"{k}.png", "prompt": "a cat", **QUICK, "steps": 400} for k in range(3)))
    out = folder / "out"
    command = [sys.executable, "-m", "intarsia", "batch", jobs, "--out", str(out), "--set", f"models={tiny_models}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    waited_until = time.monotonic() + 60
    while time.monotonic() < waited_until:
        time.sleep(0.2)
        if (out / "ledger.sqlite").exists():
            with Ledger.open(out) as ledger:
                if ledger.counts().running:
                    break
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "The same command goes on from there." in told and "Traceback" not in told
    with Ledger.open(out) as ledger:
        counts = ledger.counts()
    assert counts.running == 0 and counts == Counts(waiting=counts.waiting, done=counts.done)
    assert not [p for p in (out / RESULTS).iterdir() if p.name.startswith(".")]


def test_batch_and_edit_make_the_same_picture(folder: Path, tiny_models: Path, tiny_backbones: Backbones) -> None:
    (job,) = read_jobs(Path(write(folder, {"photo": "0.png", "prompt": "a cat", "models": str(tiny_models), **QUICK})))
    made = performed(job, BatchWorker(ModelPool(Machine(device="cpu")), cached=False), folder / "1")
    assert isinstance(job.record, ia.EditRecord)
    from intarsia.results.document import pixel_digest

    assert made["sha256"] == pixel_digest(ia.edit(ia.read_photo(folder / "0.png"), job.record, tiny_backbones).photo)
