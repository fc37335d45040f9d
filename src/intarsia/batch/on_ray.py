"""Jobs on a Ray cluster: workers are Ray's actors, and one driver hands out jobs and keeps the ledger.

Ray places the workers, finds out that a process or a machine is lost, and places the new worker that is
asked for in its stead. Which job goes next is the driver's to say, so that a lost job goes to whoever is
free: Ray's own retries keep it for its worker, which waits for ever where the cluster has no room left.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import json
import logging
import os
import signal
import socket
import struct
import tempfile
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import intarsia
from intarsia.batch.jobs import Job
from intarsia.batch.ledger import Ledger, Outcome
from intarsia.batch.local import DEATHS, PATIENCE, Listen, News, Shares
from intarsia.batch.work import Perform, Work, do, sentence
from intarsia.errors import Cancelled, ClusterError, MissingExtraError
from intarsia.files import write_bytes_atomically
from intarsia.inputs import input_files, with_files
from intarsia.progress import OnProgress, Progress

logger = logging.getLogger(__name__)

WAITING = 1
"""Jobs that wait at a worker for the end of the one it does: their pictures are there when it is free."""

KNOCK = 5.0
"""Seconds that a cluster has to answer."""

PROBE = ".shared"
"""A file in the output folder: who does not see it does not share the folder."""

LOOK = 5.0
"""Seconds until a file that another machine wrote must be seen: network folders remember what was not there."""

SETTINGS = b"\4"
"""In HTTP/2, which Ray speaks, the kind of the first frame of both sides; it stands in the fourth byte."""

GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + SETTINGS + bytes(5)

PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True)
class Greeting:
    """What a worker says when it has got ready.

    Attributes:
        machine: its address.
        problem: why it cannot work, in one sentence; else empty.
    """

    machine: str
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Came:
    """What came of a job.

    Attributes:
        outcome: where it is done.
        files: that it made, by their names in its folder, where they are to travel.
        error: why it failed.
    """

    said: Literal["done", "failed", "stopped"]
    outcome: Outcome | None = None
    files: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    error: str = ""


def run_on_ray(
    jobs: Sequence[Job],
    work: Work,
    ledger: Ledger,
    *,
    address: str,
    workers: int,
    files: str = "store",
    gpus: float | None = None,
    stopping: Callable[[], bool] = lambda: False,
    listen: Listen | None = None,
) -> None:
    """Do jobs with `workers` workers of a Ray cluster and enter what comes of them.

    Pixels are those of a run on one machine: threads, seeds and the order within a job are the same.

    Args:
        jobs: that are to be done; those of one picture go to one worker where that keeps all busy.
        work: how. Each worker has as many threads as OMP_NUM_THREADS says here.
        ledger: of the output folder; only this process writes it.
        address: "local": Ray is started on this machine, for this run; else the cluster's: "auto",
            "HOST:PORT" or "ray://HOST:PORT".
        workers: who finds no room in the cluster waits for it.
        files: "store": pictures travel through Ray; "shared": all machines see the folders by the same names.
        gpus: graphics cards of each worker; None: 1 where the cluster has any, else 0.
        stopping: asked often; once it is true, workers stop within one step, and jobs that were begun wait again.
        listen: told when a job begins and how it ends.

    Raises:
        MissingExtraError: Ray is not installed.
        ClusterError: the cluster does not answer, has no room for a worker, or no worker can get ready.
    """
    if files not in ("store", "shared"):
        raise ClusterError(f"--ray-files is {files!r}, but must be store or shared.")
    ray = import_ray()
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    with connected(ray, address, cpus=workers * threads):
        each = needed(ray, threads, gpus, workers)
        out = ledger.folder.resolve() if files == "shared" else None
        with probe(out) as token:
            kind = ray.remote(
                **each,
                max_restarts=0,
                max_task_retries=0,
                concurrency_groups={"control": 1},
                runtime_env={"env_vars": environment(threads)},
            )(Worker)
            places = range(min(workers, len(jobs)))
            hands = [Hand(ray, k, functools.partial(kind.remote, work, k, out, token)) for k in places]
            tell: Listen = listen or (lambda news: None)
            Driver(ray, jobs, ledger, hands, away=out is None, stopping=stopping, tell=tell).run()


def import_ray() -> Any:
    """The package ray.

    Raises:
        MissingExtraError: it is not installed.
    """
    # Read when it is imported: a batch tells nobody that it runs.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise MissingExtraError("Ray is not installed. Install it with: pip install 'intarsia[ray]'") from None
    return ray


def environment(threads: int) -> dict[str, str]:
    """Of this process, what its workers must have alike: libraries read it when they are loaded."""
    asked = {name: os.environ[name] for name in ("HF_HUB_OFFLINE",) if name in os.environ}
    return {"OMP_NUM_THREADS": str(threads), **asked}


@contextlib.contextmanager
def connected(ray: Any, address: str, *, cpus: int) -> Iterator[None]:
    """Be the driver of a cluster.

    Args:
        cpus: of a cluster that is started here; as many as the workers are told to have.

    Raises:
        ClusterError: nobody answers there, or not in the way of this Ray.
    """
    own: dict[str, Any] = {"num_cpus": cpus, "include_dashboard": False} if address == "local" else {}
    if address not in ("local", "auto"):
        knock(address)
    # Ray takes SIGTERM for itself; who stops us decides what it does.
    main = threading.current_thread() is threading.main_thread()
    former = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **own)
    except Exception as problem:  # Ray has no class of its own for it
        ray.shutdown()
        said = " ".join(str(problem).split())
        where = "could not be started here" if address == "local" else f"cannot be reached at {address!r}"
        remedy = (
            "Start one with: ray start --head"
            if address == "auto"
            else "Does it want a token, set RAY_AUTH_MODE=token here, too; ray status tells more."
        )
        raise ClusterError(f"A Ray cluster {where} ({said[:300]}). {remedy}") from problem
    finally:
        if main:
            signal.signal(signal.SIGTERM, former)
    # Ray tells of every lost worker on the output, which belongs to the answer; of the last ones when it is shut down.
    with contextlib.redirect_stdout(Told()):
        try:
            yield
        except ConnectionError as problem:
            raise ClusterError(
                f"The Ray cluster was lost ({first_line(problem)}). Start it again; the same command goes on from there."
            ) from problem
        finally:
            ray.shutdown()


class Told(io.TextIOBase):
    """Where Ray prints; it is logged, for --debug."""

    def write(self, text: str) -> int:
        if text.strip():
            logger.debug("%s", text.strip())
        return len(text)


def knock(address: str) -> None:
    """Make sure that a cluster is there: Ray itself would try for minutes.

    Raises:
        ClusterError: nobody is, or somebody else, or the address is none.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise ClusterError(
            f"{address!r} is no address of a Ray cluster: give local, auto, HOST:PORT or ray://HOST:PORT."
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK) as line:
            if os.environ.get("RAY_USE_TLS", "0") == "1":
                return
            line.sendall(GREETING)
            answer = line.recv(4)
    except (OSError, OverflowError) as problem:
        raise ClusterError(
            f"Nobody answers at {address} ({problem}): check the address that ray start --head has printed, and the "
            "firewall."
        ) from problem
    if answer[3:] != SETTINGS:
        raise ClusterError(
            f"What answers at {address} is no Ray cluster: check the port that ray start --head has printed."
        )


def needed(ray: Any, threads: int, gpus: float | None, workers: int) -> dict[str, float]:
    """What each worker takes of the cluster.

    Raises:
        ClusterError: no machine has as much.
    """
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if gpus is None:
        gpus = 1.0 if any(machine.get("GPU", 0) >= 1 for machine in machines) else 0.0
    rooms = [machine.get("CPU", 0) // threads for machine in machines]
    if gpus:
        rooms = [min(room, machine.get("GPU", 0) // gpus) for room, machine in zip(rooms, machines, strict=True)]
    if not sum(rooms):
        cards = f" and {gpus:g} graphics cards" if gpus else ""
        raise ClusterError(
            f"No machine of the Ray cluster has the {threads} processor cores{cards} that a worker takes: give "
            "--threads or --ray-gpus that one of them has (ray status shows it)."
        )
    if sum(rooms) < workers:
        logger.warning("The Ray cluster has room for %d of %d workers; the others wait for it.", sum(rooms), workers)
    return {"num_cpus": threads, "num_gpus": gpus}


@contextlib.contextmanager
def probe(out: Path | None) -> Iterator[str]:
    """A mark in a folder that is to be shared; yields its content."""
    token = os.urandom(8).hex()
    if out is None:
        yield ""
        return
    file = out / f"{PROBE}-{token}"
    file.touch()
    try:
        yield file.name
    finally:
        file.unlink(missing_ok=True)


class Worker:
    """One worker; Ray makes it an actor. It does one job at a time, and hears `stop` meanwhile.

    Attributes:
        out: the output folder, where it is shared; None where files travel.
        token: name of the mark in it.
    """

    def __init__(self, work: Work, index: int, out: Path | None, token: str) -> None:
        self.work = work
        self.index = index
        self.out = out
        self.token = token
        self.stopped = threading.Event()
        self.perform: Perform | None = None

    def ready(self, version: str) -> Greeting:
        """Get ready for a driver of this version of Intarsia."""
        machine = import_ray().util.get_node_ip_address()
        if version != intarsia.__version__:
            return Greeting(
                machine=machine,
                problem=f"The machine {machine} has Intarsia {intarsia.__version__}, but the run is started with "
                f"{version}: install the same on all.",
            )
        if self.out is not None and not seen(self.out / self.token):
            return Greeting(
                machine=machine,
                problem=f"The machine {machine} does not see {self.out}: mount it there, or leave --ray-files at store.",
            )
        try:
            self.perform = self.work.open(self.index)
        except Exception as problem:
            return Greeting(machine=machine, problem=f"The machine {machine} cannot get ready. {sentence(problem)}")
        return Greeting(machine=machine)

    def stop(self) -> None:
        """Stop within one step; from another thread."""
        self.stopped.set()

    def do(self, job: Job, files: Mapping[str, bytes]) -> Came:
        """Do a job.

        Args:
            files: what its record names, by whole paths.
        """
        assert self.perform is not None, "ready comes before do"
        try:
            if self.out is not None:
                return Came(said="done", outcome=do(job, self.perform, self.out, self.on_progress))
            return do_away(job, files, self.perform, self.on_progress)
        except Cancelled:
            return Came(said="stopped")
        except Exception as problem:
            return Came(said="failed", error=sentence(problem))

    def on_progress(self, progress: Progress) -> None:
        if self.stopped.is_set():
            raise Cancelled("stopped")


def seen(file: Path) -> bool:
    """Whether a file is there, soon."""
    until = time.monotonic() + LOOK
    while not file.exists():
        if time.monotonic() > until:
            return False
        time.sleep(0.25)
    return True


def files_of(job: Job) -> dict[str, bytes]:
    """What a job's record names, by whole paths; a scene's folder as the files in it.

    What cannot be read is left out: whoever does the job says what is wrong with it.
    """
    assert job.record is not None
    found: dict[str, bytes] = {}
    for name in input_files(job.record).values():
        path = Path(name)
        with contextlib.suppress(OSError):
            for file in sorted(path.iterdir()) if path.is_dir() else [path]:
                if file.is_file():
                    found[str(file)] = file.read_bytes()
    return found


def do_away(job: Job, files: Mapping[str, bytes], perform: Perform, on_progress: OnProgress) -> Came:
    """Do a job away from its pictures: they are laid down here, below a folder that stands for the root.

    So all names and neighbours stay what they were, and what is told and written of a path becomes
    right when that folder's name is taken away.
    """
    assert job.record is not None
    with tempfile.TemporaryDirectory(prefix="intarsia-") as made:
        root = str(Path(made).resolve() / "from")
        folder = Path(made).resolve() / "made"
        folder.mkdir()
        for name, data in files.items():
            place = Path(root + name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        placed = {k: root + name for k, name in input_files(job.record).items() if Path(root + name).exists()}
        record = with_files(job.record, {**input_files(job.record), **placed})
        try:
            outcome = perform(dataclasses.replace(job, record=record), folder, on_progress)
        except Cancelled:
            raise
        except Exception as problem:
            return Came(said="failed", error=sentence(problem).replace(root, ""))
        results = {
            file.relative_to(folder).as_posix(): without(root, file.read_bytes())
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }
        return Came(said="done", outcome=outcome, files=results)


def without(root: str, data: bytes) -> bytes:
    """A file's content with a root taken away from the paths in its record: of JSON, and of PNG's text."""
    name = json.dumps(root)[1:-1].encode()
    if data.startswith(b"{"):
        return data.replace(name, b"")
    if not data.startswith(PNG) or name not in data:
        return data
    parts, at = [PNG], len(PNG)
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length
        if kind == b"iTXt":
            body = body.replace(name, b"")
        parts += [struct.pack(">I", len(body)), kind, body, struct.pack(">I", zlib.crc32(kind + body))]
    return b"".join(parts)


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """Does a job that has been done elsewhere: lays down its files."""

    came: Came

    def __call__(self, job: Job, folder: Path, on_progress: OnProgress) -> Outcome:
        for name, data in self.came.files.items():
            write_bytes_atomically(folder / name, data)
        assert self.came.outcome is not None
        return self.came.outcome


class Hand:
    """One worker, as the driver sees it.

    Attributes:
        greeting: what it will say when it is ready; None when it has.
        calls: the job that it does, and those that wait there, with what will come of them.
        ends: how many times in a row it ended before it was ready.
    """

    def __init__(self, ray: Any, index: int, start: Callable[[], Any]) -> None:
        self.ray = ray
        self.index = index
        self.start = start
        self.machine = ""
        self.calls: deque[tuple[Job, Any]] = deque()
        self.greeting: Any = None
        self.ends = 0
        self.actor = start()
        self.greet()

    @property
    def name(self) -> str:
        return f"worker {self.index + 1} on {self.machine}"

    @property
    def awaited(self) -> Any:
        """What it says next: jobs end in their order."""
        if self.greeting is not None:
            return self.greeting
        return self.calls[0][1] if self.calls else None

    def greet(self) -> None:
        """Let it get ready as soon as Ray has found a place for it."""
        self.greeting = self.actor.ready.remote(intarsia.__version__)

    def anew(self) -> None:
        """A new worker in the place of one that ended."""
        self.kill()
        self.calls.clear()
        self.actor = self.start()
        self.greet()

    def stop(self) -> None:
        self.actor.stop.options(concurrency_group="control").remote()

    def kill(self) -> None:
        with contextlib.suppress(Exception):  # it is gone already, or the whole cluster is
            self.ray.kill(self.actor)


class Driver:
    """Hands out jobs and enters what comes of them.

    Attributes:
        away: whether files travel with the jobs.
        waiting: how many jobs nobody has.
        asked_at: when all were told to stop; None: they were not.
    """

    def __init__(
        self,
        ray: Any,
        jobs: Sequence[Job],
        ledger: Ledger,
        hands: list[Hand],
        *,
        away: bool,
        stopping: Callable[[], bool],
        tell: Listen,
    ) -> None:
        self.ray = ray
        self.ledger = ledger
        self.hands = hands
        self.away = away
        self.stopping = stopping
        self.tell = tell
        self.shares = Shares(jobs, len(hands))
        self.waiting = len(jobs)
        self.asked_at: float | None = None

    def run(self) -> None:
        """Until every job is done or failed, or all stand still because they shall.

        Raises:
            ClusterError: no worker is left.
        """
        try:
            while self.left():
                self.hand_out()
                self.hear()
                if self.asked_at is None and self.stopping():
                    self.asked_at = time.monotonic()
                    for hand in self.hands:
                        hand.stop()
                if self.asked_at is not None and time.monotonic() - self.asked_at > PATIENCE:
                    return
        finally:
            self.ledger.put_back([hand.calls[0][0].id for hand in self.hands if hand.calls])
            for hand in self.hands:
                hand.kill()

    def left(self) -> bool:
        """Whether there is something to do, or to wait for."""
        return any(hand.calls for hand in self.hands) or (self.asked_at is None and self.waiting > 0)

    def hand_out(self) -> None:
        """Give each worker what it does next; near the end nothing waits at one while another is free."""
        for depth in range(1 + WAITING):
            for hand in self.hands:
                full = hand.greeting is not None or len(hand.calls) > depth
                if full or self.asked_at is not None or (depth and self.waiting <= len(self.hands)):
                    continue
                job = self.shares.next_for(hand.index)
                if job is None:
                    return
                self.waiting -= 1
                hand.calls.append((job, hand.actor.do.remote(job, files_of(job) if self.away else {})))
                if len(hand.calls) == 1:
                    self.begin(hand)

    def begin(self, hand: Hand) -> None:
        """Enter that a worker's next job is being done."""
        job, _ = hand.calls[0]
        self.ledger.begin(job.id, hand.name)
        self.tell(News(what="began", job=job, worker=hand.name))

    def hear(self) -> None:
        """Wait a moment for what any worker says, and enter it."""
        awaited = {hand.awaited: hand for hand in self.hands if hand.awaited is not None}
        said, _ = self.ray.wait(list(awaited), num_returns=1, timeout=0.25)
        for ref in said:
            hand = awaited[ref]
            if ref is hand.greeting:
                self.welcome(hand)
            else:
                self.enter(hand)

    def welcome(self, hand: Hand) -> None:
        """Take on a worker that is ready; do without one that cannot be.

        Raises:
            ClusterError: it was the last one.
        """
        try:
            greeting: Greeting = self.ray.get(hand.greeting)
        except self.ray.exceptions.RayError as problem:
            hand.ends += 1
            if hand.ends < DEATHS:
                hand.anew()
                return
            greeting = Greeting(machine="", problem=f"A worker ended before it began ({first_line(problem)}).")
        if not greeting.problem:
            hand.greeting, hand.machine, hand.ends = None, greeting.machine, 0
            return
        hand.kill()
        self.hands.remove(hand)
        if not self.hands:
            raise ClusterError(greeting.problem)
        logger.warning("%s The run goes on without this worker.", greeting.problem)

    def enter(self, hand: Hand) -> None:
        """Enter what came of the job that a worker did."""
        job, ref = hand.calls[0]
        try:
            came: Came = self.ray.get(ref)
            if came.said == "done":
                assert came.outcome is not None
                if self.away:
                    do(job, Arrived(came=came), self.ledger.folder, lambda progress: None)
                self.ledger.done(job.id, came.outcome)
        except self.ray.exceptions.RayTaskError as problem:
            came = Came(said="failed", error=sentence(problem.cause))
        except self.ray.exceptions.RayError as problem:
            self.lost(hand, first_line(problem))
            return
        except Exception as problem:  # of this machine's disk
            came = Came(said="failed", error=sentence(problem))
        hand.calls.popleft()
        if came.said == "failed":
            self.ledger.failed(job.id, came.error)
        elif came.said == "stopped":
            self.ledger.put_back([job.id])
        self.tell(News(what=came.said, job=job, worker=hand.name, error=came.error))
        if hand.calls:
            self.begin(hand)

    def lost(self, hand: Hand, why: str) -> None:
        """A worker ended, with its process or its machine: whoever is free tries its job again."""
        (job, _), *later = hand.calls
        hand.anew()
        for other, _ in reversed(later):
            self.shares.put_back(hand.index, other)
        self.waiting += len(later)
        deaths = self.ledger.count_death(job.id)
        if deaths < DEATHS or self.asked_at is not None:
            self.ledger.put_back([job.id])
            self.shares.put_back(hand.index, job)
            self.waiting += 1
            return
        error = (
            f"The worker that did it ended {deaths} times ({why}), probably for want of memory: give a smaller size, "
            "or fewer workers."
        )
        self.ledger.failed(job.id, error)
        self.tell(News(what="failed", job=job, worker=hand.name, error=error))


def first_line(problem: BaseException) -> str:
    """What Ray says of a loss, in short."""
    return next((line.strip() for line in str(problem).splitlines() if line.strip()), type(problem).__name__)[:200]
