"""Batches on a Ray cluster. All run on this machine; machines that are lost are Ray's own nodes, whose processes are ended."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from intarsia.batch.executor import RESULTS, Executor, finished
from intarsia.batch.jobs import Job, read_jobs
from intarsia.batch.ledger import Ledger, Row
from intarsia.batch.local import MAX_DEATHS, JobEvent, run_local
from intarsia.batch.ray_cluster import check_address, connected, worker_resources
from intarsia.batch.ray_driver import run_on_ray
from intarsia.batch.ray_worker import do_detached, files_of, without_root
from intarsia.errors import Cancelled, ClusterError, MissingExtraError
from intarsia.imaging.read import read_text_chunk
from intarsia.progress import Progress
from intarsia.records.edit import EditRecord
from intarsia.results.replay import read_replay
from intarsia.tasks.batch_executor import BatchExecutor
from intarsia.tasks.options import Machine
from tests.paths import SCENES
from tests.ray_work import FakeWork

AWKWARD = 'ein "Bild" 100% + ünï\'\\ .png'


def jobs_of(folder: Path, words: list[str], photo: str = "trees.png") -> tuple[Job, ...]:
    """Jobs whose words say what is done with them; each has a picture of its own."""
    made = []
    for number, said in enumerate(words, 1):
        file = folder / "pictures" / str(number) / photo
        file.parent.mkdir(parents=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(file)
        record = EditRecord(photo=str(file), prompt="a dog")
        job = Job(
            id=f"id{number}", number=number, kind="edit", photo=str(file), words=said, folder=f"{number}", record=record
        )
        made.append(job)
    return tuple(made)


def ignore(progress: Progress) -> None:
    pass


# Without Ray


def test_ray_that_is_missing_is_named_with_its_install_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with Ledger.open(tmp_path) as ledger, pytest.raises(MissingExtraError, match=r"pip install 'intarsia\[ray\]'"):
        run_on_ray([], FakeWork(diary=tmp_path), ledger, address="local", workers=1)


def test_files_travel_in_one_of_two_ways(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger, pytest.raises(ClusterError, match="'stroe', but must be store or shared"):
        run_on_ray([], FakeWork(diary=tmp_path), ledger, address="local", workers=1, files="stroe")


@pytest.mark.parametrize("address", ["cluster", "ray://", "host:", ":", "host:http", "ray://host:-1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ClusterError, match="no address of a Ray cluster"):
        check_address(address)


def test_an_address_where_nobody_is_is_refused_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but it does not listen
        began = time.monotonic()
        with pytest.raises(ClusterError, match="Nobody answers at ray://127"):
            check_address(f"ray://127.0.0.1:{taken.getsockname()[1]}")
    assert time.monotonic() - began < 6


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n", b"", b"SSH"])
def test_somebody_else_at_the_address_is_told_from_a_cluster(answer: bytes) -> None:
    def serve() -> None:
        line, _ = server.accept()
        with line:
            line.recv(100)
            line.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        other = threading.Thread(target=serve)
        other.start()
        with pytest.raises(ClusterError, match="is no Ray cluster: check the port"):
            check_address(f"127.0.0.1:{server.getsockname()[1]}")
        other.join()


class FakeRay:
    """What `connected` and `worker_resources` use of Ray."""

    def __init__(self, *machines: dict[str, float]) -> None:
        self.machines = machines
        self.over = 0

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": m} for m in self.machines] + [{"Alive": False, "Resources": {"GPU": 8.0}}]

    def init(self, **settings: object) -> None:
        raise ConnectionError("Could not find any running\nRay instance.")

    def shutdown(self) -> None:
        self.over += 1


@pytest.mark.parametrize(
    ("machines", "gpus", "taken"),
    [
        ([{"CPU": 8.0}], None, 0.0),
        ([{"CPU": 8.0}, {"CPU": 8.0, "GPU": 2.0}], None, 1.0),
        ([{"CPU": 8.0, "GPU": 1.0}], 0.25, 0.25),
        ([{"CPU": 8.0, "GPU": 1.0}], 0.0, 0.0),
    ],
)
def test_workers_take_a_graphics_card_where_there_are_any(
    machines: list[dict[str, float]], gpus: float | None, taken: float
) -> None:
    assert worker_resources(FakeRay(*machines), 2, gpus, 1) == {"num_cpus": 2, "num_gpus": taken}


@pytest.mark.parametrize(
    ("machine", "threads", "gpus"),
    [({"CPU": 8.0}, 1, 1.0), ({"CPU": 2.0}, 4, None), ({"CPU": 2.0, "GPU": 1.0}, 4, 1.0)],
)
def test_a_cluster_without_room_for_a_single_worker_is_refused(
    machine: dict[str, float], threads: int, gpus: float | None
) -> None:
    with pytest.raises(ClusterError, match=f"No machine of the Ray cluster has the {threads} processor cores"):
        worker_resources(FakeRay(machine), threads, gpus, 1)


def test_workers_beyond_the_room_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    worker_resources(FakeRay({"CPU": 4.0, "GPU": 2.0}, {"CPU": 1.0, "GPU": 2.0}), 1, None, 5)
    assert "room for 3 of 5 workers" in caplog.text


def test_what_ray_says_of_a_cluster_that_is_not_there_becomes_a_sentence() -> None:
    ray = FakeRay()
    with (
        pytest.raises(ClusterError, match=r"cannot be reached at 'auto' \(Could not find any running Ray instance\.\)"),
        connected(ray, "auto", cpus=1),
    ):
        pass
    assert ray.over == 1


def test_a_job_that_was_done_away_from_its_pictures_names_them_where_they_are(tmp_path: Path) -> None:
    (job,) = jobs_of(tmp_path, ["do"], AWKWARD)
    assert job.record is not None
    files = files_of(job)
    Path(job.record.photo).unlink()  # another machine does not have it
    came = do_detached(job, files, FakeWork(diary=tmp_path).perform, ignore)
    assert (came.state, set(came.files)) == ("done", {"record.json", "picture.png"})
    picture = tmp_path / "picture.png"
    picture.write_bytes(came.files["picture.png"])
    for text in (came.files["record.json"].decode(), read_text_chunk(picture)):
        assert text is not None
        assert json.loads(text)["record"]["photo"] == job.record.photo
        assert json.loads(text)["inputs"]["photo"].keys() == {AWKWARD}


def test_a_scene_travels_with_all_its_files_and_a_name_twice_stays_two_files(tmp_path: Path) -> None:
    scene = tmp_path / "trees.scene"
    scene.mkdir()
    for name in ("photo.png", "mask.png", "colours.json"):
        (scene / name).write_text(name)
    mask = tmp_path / "own" / "mask.png"
    mask.parent.mkdir()
    mask.write_text("another")
    (job,) = jobs_of(tmp_path, ["do"])
    record = EditRecord(photo=str(scene), mask=str(mask), prompt="a dog")
    job = dataclasses.replace(job, record=record)
    here = FakeWork(diary=tmp_path).perform(job, made(tmp_path / "here"), ignore)
    files = files_of(job)
    for file in files:
        Path(file).unlink()
    came = do_detached(job, files, FakeWork(diary=tmp_path).perform, ignore)
    assert came.outcome == here
    assert came.files["record.json"] == (tmp_path / "here" / "record.json").read_bytes()
    assert came.files["picture.png"] == (tmp_path / "here" / "picture.png").read_bytes()


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_what_fails_away_from_its_pictures_names_them_where_they_are(tmp_path: Path) -> None:
    (job,) = jobs_of(tmp_path, ["fail"])
    assert job.record is not None
    came = do_detached(job, files_of(job), FakeWork(diary=tmp_path).perform, ignore)
    assert came.error == f"{job.record.photo} holds no picture."


def test_a_picture_that_is_not_there_is_told_of_by_who_does_the_job(tmp_path: Path) -> None:
    (job,) = jobs_of(tmp_path, ["fail"])
    assert job.record is not None
    Path(job.record.photo).unlink()
    assert files_of(job) == {}
    came = do_detached(job, {}, FakeWork(diary=tmp_path).perform, ignore)
    assert came.error == f"{job.record.photo} holds no picture."


def test_a_job_that_is_stopped_away_from_its_pictures_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(made(tmp_path / "temp")))
    (job,) = jobs_of(tmp_path, ["steps 3"])

    def stop(progress: Progress) -> None:
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        do_detached(job, files_of(job), FakeWork(diary=tmp_path).perform, stop)
    assert not list((tmp_path / "temp").iterdir())


def test_files_without_a_record_stay_as_they_are(tmp_path: Path) -> None:
    plain = tmp_path / "plain.png"
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(plain)
    for data in (plain.read_bytes(), b"\0/tmp/intarsia-1/from", b""):
        assert without_root("/tmp/intarsia-1/from", data) == data


# With Ray


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of one machine with two cores, for all tests that leave it as it was."""
    pytest.importorskip("ray")
    yield from clusters({"num_cpus": 2})


@pytest.fixture
def two_machines() -> Iterator[Any]:
    pytest.importorskip("ray")
    yield from clusters({"num_cpus": 1}, {"num_cpus": 1})


def clusters(head: dict[str, int], *others: dict[str, Any]) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={**head, "include_dashboard": False})
    try:
        for other in others:
            found.add_node(**other)
        yield found
    finally:
        found.shutdown()


def run(
    folder: Path,
    jobs: tuple[Job, ...],
    cluster: Any,
    *,
    work: Executor | None = None,
    workers: int = 2,
    files: str = "store",
    stopping: Callable[[], bool] = lambda: False,
    on_event: Callable[[JobEvent], None] | None = None,
) -> list[Row]:
    """Do jobs on a cluster; their rows."""
    if work is None:
        (folder / "diary").mkdir(exist_ok=True)
        work = FakeWork(diary=folder / "diary")
    out = folder / "out"
    with Ledger.open(out) as ledger:
        ledger.enter(jobs)
        run_on_ray(
            jobs,
            work,
            ledger,
            address=cluster.address,
            workers=workers,
            files=files,
            stopping=stopping,
            on_event=on_event,
        )
        for row in ledger.rows():
            job = jobs[row.number - 1]
            assert (row.state == "done") == (finished(job, out) is not None), "the ledger is right about the disk"
        return ledger.rows()


@pytest.mark.slow
@pytest.mark.parametrize("files", ["store", "shared"])
def test_jobs_come_back_from_a_cluster_as_from_this_machine(tmp_path: Path, cluster: Any, files: str) -> None:
    jobs = jobs_of(tmp_path, ["do"] * 6, AWKWARD)
    news: list[JobEvent] = []
    rows = run(tmp_path, jobs, cluster, files=files, on_event=news.append)
    assert [row.state for row in rows] == ["done"] * 6
    assert all(row.worker.startswith("worker ") for row in rows)
    assert sorted((n.job.number, n.what) for n in news) == sorted(
        (k, w) for k in range(1, 7) for w in ("began", "done")
    )
    here = tmp_path / "here"
    with Ledger.open(here) as ledger:
        ledger.enter(jobs)
        run_local(jobs, FakeWork(diary=tmp_path / "diary"), ledger, workers=1)
        assert [row.sha256 for row in ledger.rows()] == [row.sha256 for row in rows]
    assert contents(tmp_path / "out" / RESULTS) == contents(here / RESULTS)
    assert not list((tmp_path / "out").glob(".shared*"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.slow
def test_a_job_that_fails_or_ends_its_workers_takes_no_other_with_it(
    tmp_path: Path, cluster: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["do", "fail", "die", "do", "steps 3", "do", "do"]
    rows = run(tmp_path, jobs_of(tmp_path, words), cluster)
    assert "raylet" not in capsys.readouterr().out, "the output belongs to the answer"
    assert [row.state for row in rows] == ["done", "failed", "failed", "done", "done", "done", "done"]
    assert rows[1].error == f"{rows[1].photo} holds no picture."
    assert rows[2].error.startswith(f"The worker that did it ended {MAX_DEATHS} times (")
    assert (rows[2].attempts, len(list((tmp_path / "diary").glob("3-*")))) == (MAX_DEATHS, MAX_DEATHS)


@pytest.mark.slow
def test_a_machine_that_is_lost_takes_no_job_with_it(tmp_path: Path, two_machines: Any) -> None:
    lost: list[int] = []
    lone = two_machines.worker_nodes

    def listen(news: JobEvent) -> None:
        if news.what == "done" and lone:
            lost.append(news.job.number)
            two_machines.remove_node(next(iter(lone)), allow_graceful=False)

    jobs = jobs_of(tmp_path, ["steps 40"] * 8)
    rows = run(tmp_path, jobs, two_machines, on_event=listen)
    assert lost, "the machine was there when the first job was done"
    assert [row.state for row in rows] == ["done"] * 8
    assert sorted(row.attempts for row in rows) == [1] * 7 + [2]


@pytest.mark.slow
def test_who_is_stopped_stops_within_a_step_and_goes_on_later(tmp_path: Path, cluster: Any) -> None:
    jobs = jobs_of(tmp_path, ["steps 5000"] * 2 + ["do"] * 4)
    began: list[float] = []

    def listen(news: JobEvent) -> None:
        began.append(time.monotonic())

    rows = run(tmp_path, jobs, cluster, stopping=lambda: len(began) >= 2, on_event=listen)
    assert time.monotonic() - began[1] < 15
    assert {row.state for row in rows} <= {"waiting", "done"}
    assert [row.state for row in rows[:2]] == ["waiting"] * 2
    assert not list((tmp_path / "out" / RESULTS).glob(".part-*"))


@pytest.mark.slow
def test_workers_that_cannot_get_ready_end_the_run_with_their_sentence(tmp_path: Path, cluster: Any) -> None:
    jobs = jobs_of(tmp_path, ["do"])
    with pytest.raises(ClusterError, match=r"The machine [\d.]+ cannot get ready\. Nothing is here\."):
        run(tmp_path, jobs, cluster, work=FakeWork(diary=tmp_path, able=False))


@pytest.mark.slow
def test_edits_on_ray_have_the_pixels_of_edits_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    lines = []
    for number in ("0000", "0001"):
        os.link(SCENES / f"{number}.png", pictures / f"{number}.png")
        search = {"proposals": 2, "preview_steps": [1], "survivors": [1]}
        lines.append(
            {"photo": f"{number}.png", "prompt": "a red apple", "steps": 3, "models": "pocket", "search": search}
        )
    listed = tmp_path / "jobs.jsonl"
    listed.write_text("\n".join(map(json.dumps, lines)))
    jobs = read_jobs(listed, image_dir=pictures)
    work = BatchExecutor(machine=Machine(device="cpu"), threads=1)
    found: dict[str, list[str]] = {}
    for place in ("here", "ray"):
        with Ledger.open(tmp_path / place) as ledger:
            ledger.enter(jobs)
            if place == "here":
                run_local(jobs, work, ledger, workers=1)
            else:
                run_on_ray(jobs, work, ledger, address="local", workers=1)
            found[place] = [f"{row.state} {row.error} {row.sha256}" for row in ledger.rows()]
    assert found["ray"] == found["here"]
    assert all(row.startswith("done") for row in found["here"])
    for job in jobs:
        assert job.record is not None
        for ending in ("json", "png"):
            replay = read_replay(tmp_path / "ray" / RESULTS / job.folder / f"{Path(job.record.photo).stem}.{ending}")
            assert replay.record.photo == job.record.photo
