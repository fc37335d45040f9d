"""What happens on the canvas: each event of the page changes what the server knows, and is answered by all of it."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import gradio as gr
from gradio.utils import get_upload_folder

from intarsia.errors import Cancelled, RecordError
from intarsia.web import studio_examples, uploads
from intarsia.web.arrange_store import read_source
from intarsia.web.error_messages import message_for
from intarsia.web.sessions import SessionStore
from intarsia.web.studio_drafts import Draft, checked_saved, decoded, new_draft
from intarsia.web.studio_export import export
from intarsia.web.studio_jobs import STOPPED, Job
from intarsia.web.studio_models import Models
from intarsia.web.studio_scenes import lift, scene_answer, scene_source
from intarsia.web.studio_selecting import found_answer, outline_answer, read_selection, wanted_names
from intarsia.web.studio_settings import all_fields
from intarsia.web.studio_visitors import Page, State, Visitor, Visitors, arriving
from intarsia.web.studio_work import Verbs, Wish, size_of
from intarsia.web.uploads import Facts

Data = Mapping[str, Any]
"""What the page sent with an event; its parts may be anything."""

WATCH_SECONDS = 0.25
"""Seconds between two looks whether a page has something new to show."""
MOST_LIVE = 4
"""Jobs of a visitor whose threads still run, those that were stopped included."""
MOST_ASKED = 8
"""Questions of a visitor that are not answered yet."""
TOO_MUCH = "Too much was asked at once: try it again in a moment."


class StudioHandlers:
    """Event handlers of the canvas: `handle` for what is done at once, `ask` for questions, `watch` for jobs.

    Args:
        store: of the sessions.
        local: whether visitors sit at this machine.
    """

    def __init__(self, store: SessionStore, *, local: bool = False) -> None:
        self.store = store
        self.models = Models(store, local=local)
        self.visitors = Visitors(store, self.models)
        self.fields = all_fields(store)
        self.verbs = Verbs(store, self.models, self.fields, uploads_folder)
        self.at_once: dict[str, Callable[[Visitor, Page, Data], None]] = {
            name: getattr(self, f"_{name}")
            for name in (
                *("arrived", "opened", "tried", "reopened", "dropped", "saved"),
                *("changed", "removed", "arranged", "named", "replayed", "stopped", "chosen", "fetched"),
            )
        }
        self.asked: dict[str, Callable[[Visitor, Draft, Data], Facts]] = {
            name: getattr(self, f"_{name}") for name in ("pointed", "lifted", "gone_on", "scene_again", "exported")
        }
        self._asking: dict[str, int] = {}

    # The three kinds of handlers

    def handle(self, name: str, token: str, request: gr.Request, event: gr.EventData) -> State:
        """Do what an event asks for at once, or begin it."""
        try:
            visitor = self.visitors.get(token)
        except RecordError as error:
            return lost(error)
        data, page = data_of(event), self._page(visitor, request)
        try:
            self.at_once[name](visitor, page, data)
        except Exception as error:
            text = STOPPED if isinstance(error, Cancelled) else message_for(error)
            with visitor.lock:
                if "ticket" in data:
                    page.answer(data["ticket"], {"kind": "problem", "text": text})
                else:
                    page.say(text, problem=True)
        return self._state(visitor, page)

    async def ask(self, name: str, token: str, request: gr.Request, event: gr.EventData) -> State:
        """Answer a question, which takes a moment: in its turn, as all of them together take longer."""
        try:
            visitor = self.visitors.get(token)
        except RecordError as error:
            return lost(error)
        data, page = data_of(event), self._page(visitor, request)
        if self._asking.get(token, 0) >= MOST_ASKED:
            answer: Facts = {"kind": "problem", "text": TOO_MUCH}
        else:
            answer = await self._answer(name, token, visitor, data)
        with visitor.lock:
            page.answer(data.get("ticket"), answer)
        return await anyio.to_thread.run_sync(self._state, visitor, page)

    async def _answer(self, name: str, token: str, visitor: Visitor, data: Data) -> Facts:
        def work() -> Facts:
            with visitor.lock:
                draft = visitor.draft(data.get("draft"))
            return self.asked[name](visitor, draft, data)

        stop, line = threading.Event(), self.store.lines.without_networks
        self._asking[token] = self._asking.get(token, 0) + 1
        visitor.session.stops.add(stop)
        place = line.join()
        try:
            await line.wait_async(place, stop)
            return await anyio.to_thread.run_sync(work)
        except Cancelled:
            return {"kind": "problem", "text": STOPPED}
        except Exception as error:
            return {"kind": "problem", "text": message_for(error)}
        finally:
            line.leave(place)
            visitor.session.stops.discard(stop)
            self._asking[token] -= 1
            if not self._asking[token]:
                del self._asking[token]

    async def watch(self, token: str, request: gr.Request) -> AsyncIterator[State]:
        """Show what goes on until nothing does; of a page's watches the latest alone goes on."""
        try:
            visitor = self.visitors.get(token)
        except RecordError as error:
            yield lost(error)
            return
        page = self._page(visitor, request)
        page.watch += 1
        mine, seen = page.watch, -1
        while page.watch == mine:
            with visitor.lock:
                busy, version = visitor.is_busy(page), visitor.version
                state = visitor.state(page) if version != seen or not busy else None
            if state is not None:
                seen = version
                yield state
            if not busy:
                return
            await asyncio.sleep(WATCH_SECONDS)

    def _page(self, visitor: Visitor, request: gr.Request) -> Page:
        with visitor.lock:
            return visitor.page(str(request.session_hash))

    def _state(self, visitor: Visitor, page: Page) -> State:
        with visitor.lock:
            draft, chosen = visitor.drafts.get(page.draft or ""), visitor.chosen
        if draft is not None:
            self.models.toy_banner(chosen, draft.photo)  # takes a moment the first time, in which nobody waits for us
        with visitor.lock:
            return visitor.state(page)

    def leave(self, token: str, page: str) -> None:
        """A page was closed."""
        self.visitors.leave(token, page)

    # Photos

    def _arrived(self, visitor: Visitor, page: Page, data: Data) -> None:
        wanted = data.get("draft")
        with visitor.lock:
            page.draft, page.fresh = None, True
            page.answers.clear()
            if wanted is not None:
                page.draft = visitor.draft(wanted).id

    def _opened(self, visitor: Visitor, page: Page, data: Data) -> None:
        sent = data.get("path")
        upload = Path(sent) if isinstance(sent, str) and "\0" not in sent else Path()
        photo = uploads.take_upload(upload, uploads_folder(), visitor.session)
        self._add(visitor, page, new_draft(visitor.session, photo, str(data.get("name") or photo.name)))

    def _tried(self, visitor: Visitor, page: Page, data: Data) -> None:
        example = studio_examples.get_example(data.get("index"))
        photo = uploads.take_photo(example.photo, visitor.session)
        self._add(visitor, page, new_draft(visitor.session, photo, photo.name, example.suggest()))

    def _add(self, visitor: Visitor, page: Page, draft: Draft) -> None:
        with visitor.lock:
            visitor.drafts[draft.id] = draft
            page.draft, page.fresh = draft.id, True
            visitor.changed()

    def _reopened(self, visitor: Visitor, page: Page, data: Data) -> None:
        with visitor.lock:
            page.draft, page.fresh = visitor.draft(data.get("draft")).id, True

    def _dropped(self, visitor: Visitor, page: Page, data: Data) -> None:
        with visitor.lock:
            visitor.drop(data.get("draft"))
            visitor.changed()

    def _saved(self, visitor: Visitor, page: Page, data: Data) -> None:
        saved = checked_saved(data.get("saved"))
        with visitor.lock:
            draft = visitor.draft(data.get("draft"))
            draft.saved = saved
            draft.write()

    # Questions

    def _pointed(self, visitor: Visitor, draft: Draft, data: Data) -> Facts:
        photo = decoded(draft.picture(data.get("base"), data.get("candidate")))
        return outline_answer(visitor.session, photo, data)

    def _lifted(self, visitor: Visitor, draft: Draft, data: Data) -> Facts:
        base, earlier = str(data.get("base") or ""), data.get("scene")
        picture = draft.picture(base, data.get("candidate"))
        mask = read_selection(data.get("path"), uploads_folder(), size_of(draft)).mask
        name, scene, joined = lift(
            visitor.session,
            draft,
            decoded(picture),
            mask,
            picture=picture,
            scene=earlier,
            name=str(data.get("name") or ""),
        )
        with visitor.lock:
            draft.scenes[name] = draft.scenes[str(earlier)] if joined else base
            shown = draft.step(base) if base else None
            draft.write()
        moves = shown["moves"] if joined and shown is not None and shown["scene"] == earlier else ()
        answer = scene_answer(visitor.session, name, scene, draft.scenes[name], moves)
        return {"kind": "scene", "scene": answer}

    def _gone_on(self, visitor: Visitor, draft: Draft, data: Data) -> Facts:
        step = draft.step(data.get("step"))
        if step["scene"] is None:
            raise RecordError("Nothing was moved there: select what is to move.")
        scene = read_source(scene_source(visitor.session, draft, step["scene"]))
        base = draft.scenes[step["scene"]]
        answer = scene_answer(visitor.session, step["scene"], scene, base, step["moves"] or ())
        return {"kind": "scene", "scene": answer}

    def _scene_again(self, visitor: Visitor, draft: Draft, data: Data) -> Facts:
        name = data.get("scene")
        scene = read_source(scene_source(visitor.session, draft, name))
        return {"kind": "scene", "scene": scene_answer(visitor.session, str(name), scene, draft.scenes[str(name)])}

    def _exported(self, visitor: Visitor, draft: Draft, data: Data) -> Facts:
        return export(visitor.session, draft, data)

    # Jobs

    def _changed(self, visitor: Visitor, page: Page, data: Data) -> None:
        self._begin(visitor, page, data, lambda draft: self.verbs.change(visitor.session, draft, data, visitor.chosen))

    def _removed(self, visitor: Visitor, page: Page, data: Data) -> None:
        self._begin(visitor, page, data, lambda draft: self.verbs.remove(visitor.session, draft, data))

    def _arranged(self, visitor: Visitor, page: Page, data: Data) -> None:
        self._begin(visitor, page, data, lambda draft: self.verbs.arrange(visitor.session, draft, data, visitor.chosen))

    def _begin(self, visitor: Visitor, page: Page, data: Data, check: Callable[[Draft], Wish]) -> None:
        draft = self._free_draft(visitor, page, data)
        wish = check(draft)
        job = Job(verb=wish.verb, draft=draft.id, base=wish.base, line=wish.line)

        def finish(folder: Path) -> tuple[str, bool]:
            step = wish.step(folder)
            with visitor.lock:
                draft.put(step)
                draft.write()
                job.quick = None
            return f"{step['facts']}.", False

        def show_quick(step: Facts) -> None:
            with visitor.lock:
                job.check()
                job.quick = step["id"]
                draft.put(step)
                draft.write()

        job.show_quick = show_quick
        self._start(visitor, page, job, wish.work, finish)

    def _named(self, visitor: Visitor, page: Page, data: Data) -> None:
        draft, names = self._free_draft(visitor, page, data), wanted_names(data)
        models = self.models.choose(data.get("models") or visitor.chosen)
        picture = draft.picture(data.get("base"), data.get("candidate"))
        job = Job(verb="find", draft=draft.id, base=str(data.get("base") or ""), line=self.store.lines.networks)

        def work(job: Job) -> Facts:
            job.stage = f"Looking for {', '.join(names)}"
            return found_answer(visitor.session, decoded(picture), names, models, self.store.pool.segmenter)

        def finish(answer: Facts) -> tuple[str, bool]:
            with visitor.lock:
                page.answer(data.get("ticket"), answer)
            return "", False

        self._start(visitor, page, job, work, finish, ticket=data.get("ticket"))

    def _replayed(self, visitor: Visitor, page: Page, data: Data) -> None:
        draft = self._free_draft(visitor, page, data)
        step, line, work = self.verbs.replay(visitor.session, draft, data)
        job = Job(verb="replay", draft=draft.id, base=step, line=line)

        def finish(said: str) -> tuple[str, bool]:
            with visitor.lock:
                page.answer(data.get("ticket"), {"kind": "done"})
            return said, not said.startswith("The same")

        self._start(visitor, page, job, work, finish, ticket=data.get("ticket"))

    def _free_draft(self, visitor: Visitor, page: Page, data: Data) -> Draft:
        """The draft that an event names, which nothing goes on with.

        Raises:
            RecordError: something does, or there is no such draft.
        """
        with visitor.lock:
            draft = visitor.draft(data.get("draft"))
            page.draft = draft.id
            check_free(visitor, draft)
            return draft

    def _start(
        self,
        visitor: Visitor,
        page: Page,
        job: Job,
        work: Callable[[Job], Any],
        finish: Callable[[Any], tuple[str, bool]],
        *,
        ticket: Any = None,
    ) -> None:
        """Begin a job.

        Args:
            finish: takes the result; gives what is said then, and whether that is a problem.
            ticket: of the question that it answers, which gets an answer however it ends.
        """

        def on_end(result: Any, problem: BaseException | None) -> None:
            said, is_problem = "", False
            if problem is None and not job.stop.is_set():
                try:
                    said, is_problem = finish(result)
                except Exception as error:
                    problem = error
            with visitor.lock:
                visitor.session.stops.discard(job.stop)
                stopped = visitor.jobs.get(job.draft) is not job
                if job.stop.is_set() or problem is not None:
                    if isinstance(result, Path):
                        shutil.rmtree(result, ignore_errors=True)
                    cancelled = job.stop.is_set() or isinstance(problem, Cancelled)
                    said = STOPPED if cancelled else message_for(problem or Cancelled("stopped"))
                    is_problem = not cancelled
                    drop_quick(visitor, job)
                visitor.ghosts = [each for each in visitor.ghosts if each is not job]
                if not stopped:
                    del visitor.jobs[job.draft]
                    tell(visitor, page, job, said, is_problem, ticket)
                visitor.changed()

        job.on_change = visitor.changed
        with visitor.lock:
            check_free(visitor, visitor.draft(job.draft))
            visitor.jobs[job.draft] = job
            visitor.session.stops.add(job.stop)
            page.say("")
            job.ticket, job.page = ticket, page
            visitor.changed()
            job.start(work, on_end=on_end)

    def _stopped(self, visitor: Visitor, page: Page, data: Data) -> None:
        with visitor.lock:
            job = visitor.jobs.pop(page.draft or "", None)
            if job is None:
                self.models.stop_download()
                return
            job.stop.set()
            drop_quick(visitor, job)
            visitor.ghosts.append(job)
            tell(visitor, job.page, job, STOPPED, False, job.ticket)
            visitor.changed()

    # Models

    def _chosen(self, visitor: Visitor, page: Page, data: Data) -> None:
        chosen = self.models.choose(data.get("models"))
        with visitor.lock:
            visitor.chosen = chosen
            visitor.changed()

    def _fetched(self, visitor: Visitor, page: Page, data: Data) -> None:
        name = data.get("name")

        def on_end(said: str, problem: bool) -> None:
            with visitor.lock:
                for each in visitor.pages.values():
                    each.say(said, problem=problem)
                visitor.changed()

        self.models.fetch(name, visitor.changed, on_end)


def tell(visitor: Visitor, page: Page | None, job: Job, said: str, problem: bool, ticket: Any) -> None:
    """Tell all pages of a draft how its job ended; who asked a question gets an answer to it."""
    if ticket is not None and page is not None and str(ticket) not in page.answers:
        page.answer(ticket, {"kind": "problem", "text": said})
        if problem:
            return
    for each in visitor.pages_of(job.draft) if said else ():
        each.say(said, problem=problem)


def drop_quick(visitor: Visitor, job: Job) -> None:
    """Take the quick view of a job back, as nothing follows it."""
    draft = visitor.drafts.get(job.draft)
    if job.quick is not None and draft is not None:
        draft.drop_step(job.quick)
        draft.write()
    job.quick = None


def check_free(visitor: Visitor, draft: Draft) -> None:
    """Raise `RecordError` where something goes on with a draft, or too much for one visitor."""
    if draft.id in visitor.jobs:
        raise RecordError("Something goes on with this photo already: wait for it, or stop it.")
    live = [job for job in (*visitor.jobs.values(), *visitor.ghosts) if job.thread and job.thread.is_alive()]
    if len(live) >= MOST_LIVE:
        raise RecordError("What was stopped has not ended yet: try it again in a moment.")


def uploads_folder() -> Path:
    return Path(get_upload_folder())


def data_of(event: gr.EventData) -> Data:
    return event._data if isinstance(event._data, dict) else {}


def lost(error: Exception) -> State:
    """The state of a page whose visitor was forgotten."""
    return arriving({"text": message_for(error), "problem": True, "n": 1})
