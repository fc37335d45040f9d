"""Large files of the hub, fetched so that an interrupted download goes on where it stopped.

The hub's own client keeps whole files alone, and such a file may have ten gigabytes. Here a file grows in the cache under
a name of its own, is compared with its digest when it is complete, and only then gets the name by which it is read.
"""

from __future__ import annotations

import importlib
import logging
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import constants, hf_hub_url
from huggingface_hub.file_download import repo_folder_name

from intarsia.errors import ModelError
from intarsia.files import file_digest

logger = logging.getLogger(__name__)

OnBytes = Callable[[int, int], None]
"""Called with the bytes of a repository that are here, and how many are wanted; may raise to stop."""

PART = ".intarsia.incomplete"
"""Ending of a file that is not complete."""
TRIES = 5
"""Connections that may break one after another without a byte between them."""
PAUSE = 1.0
"""Seconds before the second try; each further one waits twice as long."""
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files of a repository at one commit.

    Attributes:
        sizes: bytes of each file, by its name with its folders.
        digests: SHA-256 of the large ones.
        commit: what the revision stands for; empty where it is unknown.
    """

    sizes: Mapping[str, int]
    digests: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""


def cache_folder(repository: str) -> Path:
    """Where the hub's cache keeps a repository on this machine."""
    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model")


def bytes_here(repository: str) -> int:
    """Bytes of a repository's files in the cache, complete or not."""
    blobs = cache_folder(repository) / "blobs"
    return sum(blob.stat().st_size for blob in blobs.iterdir()) if blobs.is_dir() else 0


def fetch_large(repository: str, listing: Listing, names: list[str], on_bytes: OnBytes | None = None) -> None:
    """Bring the large ones of these files into the cache, going on with what is there of them.

    Files without a known digest are left to the hub's client.

    Raises:
        ModelError: a file that arrived is not the one that the hub lists.
        Exception: of the network.
    """
    total = sum(listing.sizes[name] for name in names)
    large = [name for name in names if DIGEST.fullmatch(listing.digests.get(name, "")) and listing.commit]
    done = total - sum(listing.sizes[name] for name in large)
    with shown_bytes(repository, total) if on_bytes is None else passed(on_bytes) as report:
        for name in large:
            start = done
            fetch_file(
                repository,
                name,
                commit=listing.commit,
                size=listing.sizes[name],
                digest=listing.digests[name],
                on_size=lambda here, start=start: report(start + here, total),  # type: ignore[misc]
            )
            done += listing.sizes[name]
            report(done, total)


def fetch_file(
    repository: str, name: str, *, commit: str, size: int, digest: str, on_size: Callable[[int], None]
) -> Path:
    """Bring one file into the cache, where it is called by its digest.

    Args:
        on_size: told of the bytes that are here; may raise to stop, which keeps them.

    Raises:
        ModelError: what arrived is not the file that the hub lists.
    """
    root = cache_folder(repository)
    blob, part = root / "blobs" / digest, root / "blobs" / f"{digest}{PART}"
    blob.parent.mkdir(parents=True, exist_ok=True)
    lock = Path(constants.HF_HUB_CACHE) / ".locks" / root.name / f"{digest}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with hub_tools().WeakFileLock(lock):
        if blob.exists():
            return blob
        if part.exists() and part.stat().st_size > size:
            part.unlink()
        url = hf_hub_url(repository, name, revision=commit)
        failures = 0
        while (here := part.stat().st_size if part.exists() else 0) < size or not part.exists():
            try:
                stream_to(part, url, here, on_size)
            except connection_errors() as fault:
                grown = part.exists() and part.stat().st_size > here
                failures = 0 if grown else failures + 1
                if failures == TRIES:
                    raise
                logger.debug("%s broke off (%s) and goes on.", name, type(fault).__name__)
                time.sleep(PAUSE * 2 ** max(failures - 1, 0))
        found = part.stat().st_size
        if found != size or file_digest(part) != digest:
            part.unlink()
            raise ModelError(
                f"{name} of {repository} arrived damaged, and was thrown away: download it again. A proxy that changes "
                "what passes through it may be the cause."
            )
        part.replace(blob)
    return blob


def stream_to(part: Path, url: str, here: int, on_size: Callable[[int], None]) -> None:
    """Append to a file what a server has beyond its first `here` bytes."""
    tools = hub_tools()
    headers = {**tools.build_hf_headers(library_name="intarsia"), "Accept-Encoding": "identity"}
    if here:
        headers["Range"] = f"bytes={here}-"
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    with tools.get_session().stream("GET", url, headers=headers, follow_redirects=True, timeout=timeout) as response:
        tools.hf_raise_for_status(response)
        with part.open("r+b" if part.exists() else "wb") as file:
            # A server that knows no ranges sends all of it again.
            file.seek(here if response.status_code == 206 else 0)
            file.truncate()
            on_size(file.tell())
            for chunk in response.iter_raw():
                file.write(chunk)
                on_size(file.tell())


def hub_tools() -> Any:
    """What the hub's client shares: its session with the user's token and proxies, its locks and bars."""
    return importlib.import_module("huggingface_hub.utils")


def connection_errors() -> tuple[type[Exception], ...]:
    """What the hub's client raises where a connection breaks, so that another may do, and no server refused."""
    kinds = type(hub_tools().get_session()).__mro__
    libraries = [sys.modules[kind.__module__.partition(".")[0]] for kind in kinds]
    return tuple(library.TransportError for library in libraries if hasattr(library, "TransportError"))


@contextmanager
def passed(on_bytes: OnBytes) -> Iterator[OnBytes]:
    """A callback as it is, where another would need to be closed."""
    yield on_bytes


@contextmanager
def shown_bytes(repository: str, total: int) -> Iterator[OnBytes]:
    """A bar on a terminal's standard error; nothing elsewhere, nor where HF_HUB_DISABLE_PROGRESS_BARS forbids it."""
    settings = {"unit": "B", "unit_scale": True, "disable": None, "name": "intarsia.download"}
    with hub_tools().tqdm(total=total, desc=repository, **settings) as bar:

        def show(done: int, _total: int) -> None:
            bar.update(done - bar.n)

        yield show
