"""What the server knows of a visitor: drafts, jobs and open pages; and the state that each page is sent."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from intarsia.errors import RecordError
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.studio_drafts import DRAFT, Draft, read_drafts
from intarsia.web.studio_jobs import Job
from intarsia.web.studio_models import Models
from intarsia.web.uploads import Facts

State = dict[str, Any]
"""What a page is sent: always the whole of it."""

MOST_ANSWERS = 12
"""Answers that a page is sent again with each state, as messages may be lost."""
MOST_PAGES = 50
"""Pages of one visitor that are kept apart; more belong to no person."""

_numbers = itertools.count(1)


@dataclass
class Page:
    """One open page.

    Attributes:
        draft: id of the draft that it shows; None at the start.
        said: the latest message, with a number of its own.
        answers: to what it asked, by its tickets.
        fresh: whether it must still be sent what it had kept with its draft.
        watch: number of its latest watch; earlier ones end.
    """

    draft: str | None = None
    said: Facts = field(default_factory=lambda: {"text": "", "problem": False, "n": 0})
    answers: OrderedDict[str, Facts] = field(default_factory=OrderedDict)
    fresh: bool = False
    watch: int = 0

    def say(self, text: str, *, problem: bool = False) -> None:
        self.said = {"text": text, "problem": problem, "n": next(_numbers)}

    def answer(self, ticket: Any, answer: Facts) -> None:
        """Keep an answer under the ticket that the page gave its question; without one nobody waits for it."""
        if isinstance(ticket, str | int) and len(str(ticket)) <= 64:
            self.answers[str(ticket)] = answer
            while len(self.answers) > MOST_ANSWERS:
                self.answers.popitem(last=False)


class Visitor:
    """A session as its pages see it. All of its methods are called with its lock held."""

    def __init__(self, session: Session, models: Models) -> None:
        self.session = session
        self.models = models
        self.lock = threading.RLock()
        self.drafts = read_drafts(session)
        self.jobs: dict[str, Job] = {}
        self.ghosts: list[Job] = []
        self.pages: OrderedDict[str, Page] = OrderedDict()
        self.chosen = models.store.models
        self.version = 0

    def page(self, name: str) -> Page:
        """The page of a request; a new one shows nothing yet."""
        if name not in self.pages:
            self.pages[name] = Page()
            while len(self.pages) > MOST_PAGES:
                self.pages.popitem(last=False)
        return self.pages[name]

    def draft(self, name: Any) -> Draft:
        """A draft by its name.

        Raises:
            RecordError: the visitor has none of that name.
        """
        if not (isinstance(name, str) and DRAFT.fullmatch(name) and name in self.drafts):
            raise RecordError("That photo is not here any more: open it again.")
        return self.drafts[name]

    def drop(self, name: Any) -> None:
        """Forget a draft and what was made of it."""
        draft = self.draft(name)
        if job := self.jobs.pop(draft.id, None):
            job.stop.set()
            self.ghosts.append(job)
        del self.drafts[draft.id]
        for page in self.pages.values():
            if page.draft == draft.id:
                page.draft = None
        for folder in (draft.photo.parent, *(draft.folder.parent / name for name in self._folders_of(draft))):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(draft.folder, ignore_errors=True)

    def _folders_of(self, draft: Draft) -> list[str]:
        return [*(str(step["id"]) for step in draft.steps), *draft.scenes]

    def pages_of(self, draft: str) -> list[Page]:
        return [page for page in self.pages.values() if page.draft == draft]

    def changed(self) -> None:
        self.version += 1

    def job_of(self, page: Page) -> Job | None:
        """The job that a page shows: of its draft."""
        return self.jobs.get(page.draft or "")

    def is_busy(self, page: Page) -> bool:
        """Whether something goes on that a page shows."""
        return self.job_of(page) is not None or self.models.download is not None

    def state(self, page: Page) -> State:
        """All that a page shows; what it had kept comes once."""
        draft, job = self.drafts.get(page.draft or ""), self.job_of(page)
        phase = "empty" if draft is None else "ready" if job is None else job.phase
        fresh, page.fresh = page.fresh, False
        return {
            "n": next(_numbers),
            "phase": phase,
            "job": None if job is None else job.facts(),
            "said": page.said,
            "models": self.models.facts(self.chosen),
            "drafts": [each.facts() for each in reversed(self.drafts.values())],
            "draft": None if draft is None else self._draft_facts(draft, with_saved=fresh),
            "answers": dict(page.answers),
        }

    def _draft_facts(self, draft: Draft, *, with_saved: bool) -> Facts:
        return {
            "id": draft.id,
            "name": draft.name,
            "format": draft.format,
            "original": {name: draft.original[name] for name in ("url", "width", "height")},
            "steps": list(draft.steps),
            "saved": draft.saved if with_saved else None,
            "toy": self.models.toy_banner(self.chosen, draft.photo),
            "suggest": draft.suggest,
        }


class Visitors:
    """All visitors, by their tokens."""

    def __init__(self, store: SessionStore, models: Models) -> None:
        self.store, self.models = store, models
        self._visitors: dict[str, Visitor] = {}
        self._lock = threading.Lock()

    def get(self, token: str) -> Visitor:
        """The visitor of a session.

        Raises:
            RecordError: there is no such session any more.
        """
        session = self.store.session(token)
        with self._lock:
            for gone in [each for each in self._visitors if each not in self.store.sessions]:
                del self._visitors[gone]
            if token not in self._visitors:
                self._visitors[token] = Visitor(session, self.models)
            return self._visitors[token]

    def leave(self, token: str, page: str) -> None:
        """A page was closed."""
        visitor = self._visitors.get(token)
        if visitor is not None:
            with visitor.lock:
                visitor.pages.pop(page, None)


def arriving(said: Facts | None = None, *, known: bool = False) -> State:
    """The state of a page that has shown nothing yet.

    Args:
        said: a message.
        known: whether its visitor is known by now.
    """
    return {
        "n": next(_numbers) if known or said else 0,
        "phase": "arriving",
        "job": None,
        "said": said or {"text": "", "problem": False, "n": 0},
        "models": {"current": "", "choices": [], "downloads": [], "download": None},
        "drafts": [],
        "draft": None,
        "answers": {},
    }
