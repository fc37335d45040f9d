"""The checkpoints that a page offers: what they can do, which of them are here, and how others come."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intarsia.backbones.catalog import CATALOG, entry_named
from intarsia.backbones.download import download, wanted_for
from intarsia.backbones.fills import PHOTOGRAPHIC
from intarsia.backbones.hub import cached, gigabytes
from intarsia.backbones.resolve import expected_side, resolve
from intarsia.errors import Cancelled, IntarsiaError, RecordError
from intarsia.progress import Progress
from intarsia.web import edit_service
from intarsia.web.error_messages import message_for
from intarsia.web.notes import banner_ahead
from intarsia.web.sessions import SessionStore
from intarsia.web.uploads import Facts
from intarsia.web.work import EtaEstimator

logger = logging.getLogger("intarsia")

TOY = "toy model: emoji pictures only"
REAL = "photographs"
UNKNOWN = "not on this machine"
MOST_TOLD = 1000
"""Photos of which it is remembered whether a choice of models can paint in them."""
TOLD_AFTER = 4 << 20
"""Bytes between two reports of a download."""


@dataclass
class Download:
    """A checkpoint on its way."""

    name: str
    total: int
    stop: threading.Event
    done: int = 0
    eta: float | None = None

    def facts(self) -> Facts:
        return {"name": self.name, "done": self.done, "total": self.total, "eta": self.eta}


class Models:
    """The checkpoints of a server, as all of its pages see them.

    Args:
        store: whose choices they are.
        local: whether visitors sit at this machine, so that they may download to it.
    """

    def __init__(self, store: SessionStore, *, local: bool = False) -> None:
        self.store, self.local = store, local
        self.download: Download | None = None
        self._lock = threading.Lock()
        self._offered: list[Facts] | None = None
        self._toy: dict[tuple[str, Path], Facts | None] = {}

    def facts(self, chosen: str) -> Facts:
        return {
            "current": chosen,
            "choices": [choice_facts(choice) for choice in self.store.choices],
            "downloads": self.downloads(),
            "download": None if self.download is None else self.download.facts(),
        }

    def downloads(self) -> list[Facts]:
        """What may be downloaded; nothing for visitors from elsewhere."""
        if not self.local:
            return []
        if self._offered is None:
            self._offered = [
                {"name": name, "label": f"{name}: {entry.purpose}", **size_facts(name)}
                for name, entry in CATALOG.items()
                if entry.paints and entry.repository is not None
            ]
        return self._offered

    def toy_banner(self, chosen: str, photo: Path) -> Facts | None:
        """That a choice of models cannot paint in a photo; None where it can."""
        key = (chosen, photo)
        with self._lock:
            if key in self._toy:
                return self._toy[key]
        banner = banner_ahead(chosen, photo)
        with self._lock:
            self._toy[key] = banner
            while len(self._toy) > MOST_TOLD:
                del self._toy[next(iter(self._toy))]
        return banner

    def choose(self, models: Any) -> str:
        """The choice that a page names; see `edit_service.resolve_models`."""
        return edit_service.resolve_models(self.store, models)

    def fetch(self, name: Any, on_change: Callable[[], None], on_end: Callable[[str, bool], None]) -> None:
        """Begin to download a checkpoint, in a thread.

        Args:
            on_change: called as it goes on.
            on_end: told how it ended: a sentence, and whether that is a problem.

        Raises:
            RecordError: it is not offered, or another is on its way.
        """
        offered = next((each for each in self.downloads() if each["name"] == name), None)
        if offered is None:
            raise RecordError("That model is not offered here: choose another.")
        with self._lock:
            if self.download is not None:
                raise RecordError(f"{self.download.name} is being downloaded: wait for it, or stop it first.")
            self.download = Download(name=str(name), total=int(offered["bytes"]), stop=threading.Event())
        arguments = (self.download, on_change, on_end)
        threading.Thread(target=self._fetch, args=arguments, daemon=True, name=f"download of {name}").start()

    def stop_download(self) -> bool:
        """Stop what is on its way; what has come is kept. Whether there was anything."""
        going = self.download
        if going is None or not self.local:
            return False
        going.stop.set()
        return True

    def _fetch(self, going: Download, on_change: Callable[[], None], on_end: Callable[[str, bool], None]) -> None:
        said, problem = f"{going.name} is here: choose it to change photographs.", False
        try:
            download(going.name, on_bytes=byte_counter(going, on_change))
            self.store.offer(going.name)
        except Cancelled:
            said = f"Stopped. What has come of {going.name} is kept, and goes on from there."
        except IntarsiaError as error:
            said, problem = str(error), True  # whoever may download sits at this machine, and has its command line
        except Exception as error:
            said, problem = message_for(error), True
        finally:
            with self._lock:
                self.download, self._offered = None, None
                choice_facts.cache_clear()
        on_end(said, problem)


def byte_counter(going: Download, on_change: Callable[[], None]) -> Callable[[int, int], None]:
    """What `download` calls with the bytes of one repository after another."""
    eta = EtaEstimator()
    before, repository, told = 0, (0, 0), 0

    def count(here: int, total: int) -> None:
        nonlocal before, repository, told
        if going.stop.is_set():
            raise Cancelled("stopped; what has come is kept.")
        if repository != (0, 0) and total != repository[1]:
            before += repository[1]
        repository = (here, total)
        going.done = before + here
        going.total = max(going.total, before + total)
        if abs(going.done - told) >= TOLD_AFTER or here == total:
            told = going.done
            going.eta = eta.estimate(Progress(stage="download", done=going.done, total=going.total))
            on_change()

    return count


def size_facts(name: str) -> Facts:
    """The bytes of a checkpoint and its helpers, in the precision of this machine, and whether all are here."""
    wanted = wanted_for(name)
    here = [cached(one.repository, one.revision) for one in wanted]
    missing = sum(one.size for one, is_here in zip(wanted, here, strict=True) if not is_here)
    return {"bytes": missing or sum(one.size for one in wanted), "here": all(here)}


@functools.cache
def choice_facts(choice: str) -> Facts:
    """A choice of models in plain words."""
    try:
        source = resolve(choice, quiet=True)
    except IntarsiaError:
        return {"name": choice, "label": edit_service.models_label(choice), "toy": False, "can": UNKNOWN}
    toy = expected_side(source) < PHOTOGRAPHIC
    entry = entry_named(source.name)
    can = TOY if toy else f"{REAL}, {gigabytes(entry.memory_gb * 1e9)} of memory" if entry else REAL
    return {"name": choice, "label": edit_service.models_label(source.name), "toy": toy, "can": can}
