"""The connection to a Ray cluster."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from intarsia.errors import ClusterError, Command, Message, MissingExtraError, Remedy, Setting
from intarsia.notes import note

logger = logging.getLogger(__name__)


CONNECT_TIMEOUT = 5.0
"""Seconds that a cluster has to answer."""

PROBE = ".shared"
"""A file in the output folder: a machine that does not see it does not share the folder."""

RAY_START = Command("start", program="ray", quoted=False, head=True)
"""What starts a cluster, and prints its address."""
SETTINGS = b"\4"
"""In HTTP/2, which Ray speaks, the kind of the first frame of both sides; it stands in the fourth byte."""

GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + SETTINGS + bytes(5)


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


@contextlib.contextmanager
def connected(ray: Any, address: str, *, cpus: int) -> Iterator[None]:
    """Be the driver of a cluster.

    Args:
        cpus: of a cluster that is started here; as many as the workers are told to have.

    Raises:
        ClusterError: there is no answer, or none that this Ray understands.
    """
    own: dict[str, Any] = {"num_cpus": cpus, "include_dashboard": False} if address == "local" else {}
    if address not in ("local", "auto"):
        check_address(address)
    # Ray installs its own handler of SIGTERM; the batch has one already.
    main = threading.current_thread() is threading.main_thread()
    former = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **own)
    except Exception as problem:  # Ray has no class of its own for it
        ray.shutdown()
        reason = " ".join(str(problem).split())
        where = "could not be started here" if address == "local" else f"cannot be reached at {address!r}"
        remedy: Message = (
            ("Start one with: ", RAY_START)
            if address == "auto"
            else ("Does it want a token, set RAY_AUTH_MODE=token here, too; ray status tells more.",)
        )
        raise ClusterError(f"A Ray cluster {where} ({reason[:300]}). ", *remedy) from problem
    finally:
        if main:
            signal.signal(signal.SIGTERM, former)
    # Ray tells of every lost worker on the output, which belongs to the answer; of the last ones when it is shut down.
    with contextlib.redirect_stdout(LogSink()):
        try:
            yield
        except ConnectionError as problem:
            raise ClusterError(
                f"The Ray cluster was lost ({first_line(problem)}). Start it again; the same command goes on from there."
            ) from problem
        finally:
            ray.shutdown()


class LogSink(io.TextIOBase):
    """Where Ray prints; it is logged, for --debug."""

    def write(self, text: str) -> int:
        if text.strip():
            logger.debug("%s", text.strip())
        return len(text)


def check_address(address: str) -> None:
    """Make sure that a cluster is there: Ray itself would try for minutes.

    Raises:
        ClusterError: there is none, another program answers, or the address is malformed.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise ClusterError(
            f"{address!r} is no address of a Ray cluster: give local, auto, HOST:PORT or ray://HOST:PORT."
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT) as line:
            if os.environ.get("RAY_USE_TLS", "0") == "1":
                return
            line.sendall(GREETING)
            answer = line.recv(4)
    except (OSError, OverflowError) as problem:
        raise ClusterError(
            f"Nobody answers at {address} ({problem})",
            Remedy("check the address that ", RAY_START, " has printed, and the firewall"),
        ) from problem
    if answer[3:] != SETTINGS:
        raise ClusterError(
            f"What answers at {address} is no Ray cluster",
            Remedy("check the port that ", RAY_START, " has printed"),
        )


def worker_resources(ray: Any, threads: int, gpus: float | None, workers: int) -> dict[str, float]:
    """Resources of the cluster that each worker takes.

    Raises:
        ClusterError: no machine has as much.
    """
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if gpus is None:
        gpus = 1.0 if any(machine.get("GPU", 0) >= 1 for machine in machines) else 0.0
    capacities = [machine.get("CPU", 0) // threads for machine in machines]
    if gpus:
        capacities = [
            min(capacity, machine.get("GPU", 0) // gpus) for capacity, machine in zip(capacities, machines, strict=True)
        ]
    if not sum(capacities):
        cards = f" and {gpus:g} graphics cards" if gpus else ""
        raise ClusterError(
            f"No machine of the Ray cluster has the {threads} processor cores{cards} that a worker takes",
            Remedy(
                "give ",
                Setting("threads"),
                " or ",
                Setting("ray_gpus"),
                " that one of them has (ray status shows it)",
            ),
        )
    if sum(capacities) < workers:
        note(f"The Ray cluster has room for {int(sum(capacities))} of {workers} workers; the others wait for it.")
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


def first_line(problem: BaseException) -> str:
    """What Ray says of a loss, in short."""
    return next((line.strip() for line in str(problem).splitlines() if line.strip()), type(problem).__name__)[:200]
