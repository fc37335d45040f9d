"""A batch: its ledger, its workers, and that nothing is lost, done twice or half-written."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from intarsia.batch.executor import MARK, RESULTS, clear_unfinished, do_job, failure_message, finished, whole_folder
from intarsia.batch.jobs import Job, read_jobs
from intarsia.batch.ledger import Counts, Ledger, Outcome
from intarsia.batch.local import MAX_DEATHS, JobEvent, Shares, run_local
from intarsia.errors import Cancelled, OutputError, PictureError, WorkersError
from tests.fake_work import FakeWork

OUTCOME = Outcome(seconds=1.0, evaluations=2, memory_mb=3.0, score=None, sha256="ab", facts={"picture": "1.png"})


def make_jobs(folder: Path, prompts: Sequence[str], pictures: int = 3) -> tuple[Job, ...]:
    """Jobs on a few pictures, one a prompt."""
    for k in range(pictures):
        (folder / f"{k}.png").write_bytes(f"picture {k}".encode())
    entries = [{"photo": f"{k % pictures}.png", "prompt": prompt, "seed": k} for k, prompt in enumerate(prompts)]
    file = folder / "jobs.jsonl"
    file.write_text("\n".join(map(json.dumps, entries)))
    return read_jobs(file)


def sums(ledger: Ledger) -> dict[int, str]:
    return {row.number: row.sha256 for row in ledger.rows(state="done")}


def results(out: Path) -> list[str]:
    return sorted(p.name for p in (out / RESULTS).iterdir())


class Fleeing:
    """Work whose workers end before they begin."""

    def open(self, index: int) -> object:
        raise SystemExit(7)


# The ledger


def test_a_job_goes_through_its_states(tmp_path: Path) -> None:
    jobs = make_jobs(tmp_path, ["a", "b", "c"])
    with Ledger.open(tmp_path / "out") as ledger:
        ledger.enter(jobs)
        assert ledger.counts() == Counts(waiting=3)
        ledger.begin(jobs[0].id, "worker 1")
        ledger.begin(jobs[1].id, "worker 2")
        assert ledger.counts() == Counts(waiting=1, running=2)
        ledger.done(jobs[0].id, OUTCOME)
        ledger.failed(jobs[1].id, "It was no picture.")
        first, second = ledger.rows(last=2)
    assert (first.state, first.attempts, first.sha256, first.facts) == ("done", 1, "ab", {"picture": "1.png"})
    assert (second.state, second.error, second.worker) == ("failed", "It was no picture.", "worker 2")


def test_a_ledger_outlives_its_process(tmp_path: Path) -> None:
    jobs = make_jobs(tmp_path, ["a", "b", "c"])
    with Ledger.open(tmp_path / "out") as ledger:
        ledger.enter(jobs)
        ledger.begin(jobs[0].id, "worker 1")
        ledger.done(jobs[0].id, OUTCOME)
        ledger.begin(jobs[1].id, "worker 1")
        ledger.failed(jobs[2].id, "no")
    with Ledger.open(tmp_path / "out") as ledger:
        ledger.enter(jobs)
        assert [row.state for row in ledger.rows()] == ["done", "waiting", "failed"]
        ledger.enter(jobs, retry_failed=True)
        assert [(row.state, row.error) for row in ledger.rows()][2] == ("waiting", "")


def test_a_job_that_is_no_longer_listed_is_put_aside_and_comes_back_as_it_was(tmp_path: Path) -> None:
    jobs = make_jobs(tmp_path, ["a", "b"])
    with Ledger.open(tmp_path / "out") as ledger:
        ledger.enter(jobs)
        ledger.done(jobs[0].id, OUTCOME)
        ledger.enter(jobs[1:])
        assert [row.words for row in ledger.rows()] == ["b"] and ledger.counts().total == 1
        ledger.enter(jobs)
        assert ledger.counts() == Counts(done=1, waiting=1)


def test_rows_can_be_asked_for_by_place_state_and_time(tmp_path: Path) -> None:
    jobs = make_jobs(tmp_path, ["a", "b", "c", "d"])
    with Ledger.open(tmp_path / "out") as ledger:
        ledger.enter(jobs)
        ledger.begin(jobs[2].id, "w")
        began = ledger.rows(state="running")[0].began
        assert began is not None
        assert [row.number for row in ledger.rows(first=2, last=3)] == [2, 3]
        assert [row.number for row in ledger.rows(changed_since=began)] == [3]
        assert ledger.rows(changed_since=began + 1) == []


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_text("these are no tables, but many words " * 100)
    with pytest.raises(OutputError, match="cannot be used"):
        Ledger.open(tmp_path)
    with pytest.raises(OutputError, match="holds no ledger"):
        Ledger.open(tmp_path / "none", create=False)


def test_a_ledger_that_is_refused_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ledger.sqlite").write_text("these are no tables, but many words " * 100)
    made, connect = [], sqlite3.connect

    def kept(*words: Any, **settings: Any) -> sqlite3.Connection:
        made.append(connect(*words, **settings))
        return made[-1]

    monkeypatch.setattr(sqlite3, "connect", kept)
    with pytest.raises(OutputError, match="cannot be used"):
        Ledger.open(tmp_path)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        made[0].execute("SELECT 1")


def test_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    Ledger.open(tmp_path).connection.close()
    connection = sqlite3.connect(tmp_path / "ledger.sqlite")
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(OutputError, match="newer Intarsia"):
        Ledger.open(tmp_path)


# Folders that are there whole or not at all


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "one"
    with pytest.raises(RuntimeError), whole_folder(target) as stage:
        (stage / "a").write_text("half")
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    for content in ("first", "second"):
        with whole_folder(target) as stage:
            (stage / content).write_text(content)
            assert stage.name.startswith(".")
    assert [p.name for p in target.iterdir()] == ["second"] and [p.name for p in tmp_path.iterdir()] == ["one"]


def test_results_are_known_by_their_job(tmp_path: Path) -> None:
    first, second = make_jobs(tmp_path, ["a", "b"])
    out = tmp_path / "out"
    outcome = do_job(first, FakeWork().open(0), out, lambda progress: None)
    assert finished(first, out) == outcome
    assert finished(second, out) is None
    (out / RESULTS / second.folder).mkdir()
    (out / RESULTS / second.folder / MARK).write_text((out / RESULTS / first.folder / MARK).read_text())
    assert finished(second, out) is None


def test_what_a_killed_run_left_half_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / RESULTS / ".part-xyz").mkdir(parents=True)
    (tmp_path / RESULTS / "whole").mkdir()
    clear_unfinished(tmp_path)
    assert results(tmp_path) == ["whole"]


def test_every_problem_becomes_one_sentence() -> None:
    assert failure_message(PictureError("It is\nno picture.")) == "It is no picture."
    assert "Out of memory" in failure_message(RuntimeError("CUDA out of memory. Tried to allocate"))
    assert "ZeroDivisionError: no message" in failure_message(ZeroDivisionError())


# Who does which job


def test_each_job_goes_to_one_worker_and_pictures_stay_together(tmp_path: Path) -> None:
    jobs = make_jobs(tmp_path, [f"p{k}" for k in range(12)])
    shares, given = Shares(jobs, 2), []
    for turn in range(12):
        job = shares.next_for(turn % 2)
        assert job is not None
        given.append((turn % 2, job))
    assert shares.next_for(0) is None and shares.next_for(1) is None
    assert Counter(job.id for _, job in given) == Counter(job.id for job in jobs)
    # Four jobs of each of three pictures: two workers share the last picture alone.
    assert sorted(len({worker for worker, job in given if job.photo == f"{k}.png"}) for k in range(3)) == [1, 1, 2]


def test_one_picture_still_keeps_all_workers_busy(tmp_path: Path) -> None:
    shares = Shares(make_jobs(tmp_path, [f"p{k}" for k in range(8)], pictures=1), 4)
    assert all(shares.next_for(worker) is not None for worker in range(4))


# Workers


def test_any_number_of_workers_makes_the_same(tmp_path: Path) -> None:
    jobs = make_jobs(tmp_path, [f"p{k}" for k in range(7)])
    made = []
    for workers in (1, 3):
        with Ledger.open(tmp_path / f"out{workers}") as ledger:
            ledger.enter(jobs)
            run_local(jobs, FakeWork(), ledger, workers=workers)
            assert ledger.counts() == Counts(done=7)
            made.append(sums(ledger))
        assert results(tmp_path / f"out{workers}") == sorted(job.folder for job in jobs)
    assert made[0] == made[1] and len(set(made[0].values())) == 7


def test_what_fails_is_a_row_and_the_rest_is_done(tmp_path: Path) -> None:
    jobs = make_jobs(tmp_path, ["a", "fail", "b", "stumble", "die", "die once", "c"])
    heard: list[JobEvent] = []
    with Ledger.open(tmp_path / "out") as ledger:
        ledger.enter(jobs)
        run_local(jobs, FakeWork(), ledger, workers=2, on_event=heard.append)
        rows = {row.words: row for row in ledger.rows()}
    assert {w for w, row in rows.items() if row.state == "done"} == {"a", "b", "c", "die once"}
    assert rows["fail"].error == "The picture is no picture: give another."
    assert "ZeroDivisionError: divided by nothing" in rows["stumble"].error
    assert f"ended {MAX_DEATHS} times (signal SIGKILL)" in rows["die"].error
    assert (rows["die"].attempts, rows["die once"].attempts) == (MAX_DEATHS, 2)
    assert Counter(n.what for n in heard if n.what != "step") == {"began": 10, "done": 4, "failed": 3}


def test_stopping_ends_within_a_step_and_the_next_run_goes_on(tmp_path: Path) -> None:
    jobs = make_jobs(tmp_path, [f"p{k}" for k in range(6)])
    heard: list[JobEvent] = []
    with Ledger.open(tmp_path / "out") as ledger:
        ledger.enter(jobs)
        run_local(
            jobs,
            FakeWork(steps=200, pause=0.01),
            ledger,
            workers=2,
            stopping=lambda: any(n.what == "step" for n in heard),
            on_event=heard.append,
        )
        assert ledger.counts() == Counts(waiting=6)
        assert {n.what for n in heard} == {"began", "step", "stopped"}
        assert results(tmp_path / "out") == []
        run_local(jobs, FakeWork(), ledger, workers=2)
        assert ledger.counts() == Counts(done=6)


def test_workers_that_cannot_begin_end_the_run(tmp_path: Path) -> None:
    jobs = make_jobs(tmp_path, ["a"])
    with Ledger.open(tmp_path / "out") as ledger:
        ledger.enter(jobs)
        with pytest.raises(WorkersError, match="exit code 7"):
            run_local(jobs, Fleeing(), ledger, workers=1)  # type: ignore[arg-type]
        assert ledger.counts() == Counts(waiting=1)


def test_a_listener_that_raises_leaves_no_worker_and_no_running_job(tmp_path: Path) -> None:
    jobs = make_jobs(tmp_path, ["a", "b"])

    def raising(news: JobEvent) -> None:
        raise Cancelled("enough")

    with Ledger.open(tmp_path / "out") as ledger:
        ledger.enter(jobs)
        with pytest.raises(Cancelled):
            run_local(jobs, FakeWork(steps=100, pause=0.05), ledger, workers=1, on_event=raising)
        assert ledger.counts() == Counts(waiting=2)
