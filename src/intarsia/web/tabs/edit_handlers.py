"""What happens on the tab "Edit by words": photos come in, edits are wanted, performed, shown again and replayed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
from gradio.utils import get_upload_folder

from intarsia.errors import Cancelled, RecordError
from intarsia.imaging.read import read_photo
from intarsia.records.edit import EditRecord
from intarsia.web import edit_service, mask_uploads, result_store, uploads
from intarsia.web.error_messages import message_for
from intarsia.web.notes import banner_ahead
from intarsia.web.queue import QueuedTask, Update, Work
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.work import Intermediate, WatchedWork, progress_line, run_watched

Result = TypeVar("Result")

EditState = dict[str, Any]
"""What the tab shows, as JSON values: the keys of `EMPTY`."""
WORDS = ("source", "prompt")
"""Settings that are not under the fold."""
EMPTY: EditState = {
    "phase": "empty",
    "photo": None,
    "banner": None,
    "box": None,
    "mask": None,
    "outline": None,
    "outlining": False,
    "look": None,
    "round": None,
    "progress": None,
    "result": None,
    "history": [],
    "message": "",
    "problem": False,
}
"""The state before there is a photo.

`banner` is {"text", "command"} where the networks know no photographs, `mask` {"name", "url"} of the one that was painted, `outline` the URL of an object's to add to it.
"""
ARRIVING: EditState = {**EMPTY, "phase": "arriving"}
"""Before the page knows its session it takes no photo: one that came first would be lost when the past is shown."""


@dataclass(frozen=True, kw_only=True)
class EditControls:
    """The components that events read and update.

    Attributes:
        canvas: its value is the `EditState`.
        photo: path of the photo, or None.
        details: controls of further settings, by their names in an `EditRecord`.
    """

    canvas: Any
    photo: Any
    source: Any
    prompt: Any
    start: Any
    details: Mapping[str, Any]


class EditHandlers:
    """Event handlers of the tab; each returns or yields updates by component.

    Parameters that they share: `token` of the session, `value` of the canvas, `photo` as its path, and the
    settings in the order of the controls.
    """

    def __init__(self, store: SessionStore, controls: EditControls) -> None:
        self.store, self.controls = store, controls
        self.task = QueuedTask(
            store,
            busy={controls.start: gr.update(interactive=False)},
            idle={controls.start: gr.update(interactive=True)},
        )

    # Without the networks

    def restore(self, token: str) -> Update:
        """Show the session's latest edit and its history."""
        controls = self.controls
        if not token:
            return {controls.canvas: gr.skip()}
        session = self.store.session(token)
        latest = next((e["folder"] for e in result_store.history(session) if e["folder"].startswith("edit-")), None)
        if latest is None:
            state = {**EMPTY, "history": result_store.history(session)}
            return {controls.canvas: state, controls.photo: None}
        return self._result_update(session, session.folder / latest)

    def upload(self, event: gr.EventData, token: str, value: Any, *models: Any) -> Update:
        """Take a photo.

        Args:
            models: the choice of networks, where there is one.
        """
        try:
            session = self.store.session(token)
            file = uploads.take_upload(Path(str(event._data.get("path"))), Path(get_upload_folder()), session)
            state = photo_state(session, file, self._banner(file, *models))
            return {self.controls.canvas: state, self.controls.photo: str(file)}
        except Exception as error:
            return self._error_update(value, error)

    def take_mask(self, token: str, value: Any, photo: str | None, event: gr.EventData) -> Update:
        """Take the mask that is being painted, or none where nothing is marked any more."""
        state, path = read_state(value), event._data.get("path")
        try:
            session, mask = self.store.session(token), None
            if path is not None:
                image = read_photo(needed_photo(photo))
                file = mask_uploads.take_mask(path, Path(get_upload_folder()), session, image)
                mask = {"name": file.parent.name, "url": uploads.file_url(file)}
            place = {"mask": mask, "box": None if mask else state["box"]}  # one of both says where
            message = "" if state["problem"] else state["message"]
            return {self.controls.canvas: {**state, **place, "message": message, "problem": False}}
        except Exception as error:
            return self._error_update(value, error)

    def choose_models(self, value: Any, photo: str | None, models: Any) -> Update:
        """Say whether other networks can edit the photo."""
        state = read_state(value)
        if photo is None or state["phase"] != "ready":  # a result's banner is that of the networks that made it
            return {self.controls.canvas: gr.skip()}
        return {self.controls.canvas: {**state, "banner": self._banner(Path(photo), models)}}

    def _banner(self, file: Path, models: Any = None) -> uploads.Facts | None:
        return banner_ahead(edit_service.resolve_models(self.store, models), file)

    def use_result(self, event: gr.EventData, token: str, value: Any, *models: Any) -> Update:
        """Make a result the next photo."""
        try:
            session = self.store.session(token)
            folder = result_store.result_folder(session, event._data.get("folder"))
            file = uploads.take_photo(result_store.picture_of(folder, event._data.get("index", 0)), session)
            state = photo_state(session, file, self._banner(file, *models))
            state["message"] = "This is the photo now. Say what is next."
            return {self.controls.canvas: state, self.controls.photo: str(file)}
        except Exception as error:
            return self._error_update(value, error)

    def show_result(self, token: str, value: Any, event: gr.EventData) -> Update:
        """Show a result of the history."""
        try:
            session = self.store.session(token)
            folder = result_store.result_folder(session, event._data.get("folder"))
            if not folder.name.startswith("edit-"):
                raise RecordError("This was made in another tab: take it as the next photo, or see that tab.")
            return self._result_update(session, folder)
        except Exception as error:
            return self._error_update(value, error)

    def _result_update(self, session: Session, folder: Path) -> Update:
        result, settings = result_store.result_facts(folder), result_store.settings_of(folder)
        shown = {name: result[name] for name in ("photo", "look", "banner")} | {"phase": "done", "result": result}
        return {
            self.controls.canvas: {**EMPTY, **shown, "history": result_store.history(session)},
            self.controls.photo: settings["photo"],
            self.controls.source: settings["source"],
            self.controls.prompt: settings["prompt"],
        }

    def _error_update(self, value: Any, error: Exception) -> Update:
        return {self.controls.canvas: {**read_state(value), **error_state(error)}}

    # With the networks

    def want_edit(self, request: gr.Request, token: str, value: Any, photo: str | None, *settings: Any) -> Update:
        return self._queue_edit(request, token, read_state(value), photo, settings)

    def want_edit_again(self, request: gr.Request, token: str, value: Any, photo: str | None, *settings: Any) -> Update:
        """Edit with the next seed."""
        state, named = read_state(value), self._named(settings)
        boxed = state["box"] is not None or state["mask"] is not None
        named["seed"] = edit_service.next_seed(int(named["seed"] or 0), int(named["keep"] or 1), boxed)
        update = self._queue_edit(request, token, state, photo, tuple(named.values()))
        return {self.controls.details["seed"]: named["seed"], **update}

    def want_example(
        self, request: gr.Request, event: gr.EventData, token: str, value: Any, photo: str | None, *settings: Any
    ) -> Update:
        """Take an example's photo and words, and edit."""
        try:
            session, example = self.store.session(token), edit_service.get_example(event._data.get("index"))
            file = uploads.take_photo(example.photo, session)
        except Exception as error:
            return self._error_update(value, error)
        words = (example.source, example.prompt)
        update = self._queue_edit(
            request, token, photo_state(session, file), str(file), (*words, *settings[len(WORDS) :])
        )
        controls = self.controls
        return {controls.photo: str(file), controls.source: words[0], controls.prompt: words[1], **update}

    def want_outline(
        self, request: gr.Request, event: gr.EventData, token: str, value: Any, photo: str | None
    ) -> Update:
        """Outline the object in a box, or at a point, for the mask."""
        state, wish = read_state(value), {name: event._data.get(name) for name in ("box", "point")}
        return self._queue(request, state, lambda: self._outline_work(token, state, photo, wish))

    def want_replay(self, request: gr.Request, event: gr.EventData, token: str, value: Any) -> Update:
        """Make a result again from its record."""
        state, folder, index = read_state(value), event._data.get("folder"), event._data.get("index", 0)
        return self._queue(request, state, lambda: self._replay_work(token, state, folder, index))

    def _queue_edit(
        self, request: gr.Request, token: str, state: EditState, photo: str | None, settings: Sequence[Any]
    ) -> Update:
        def record() -> EditRecord:
            session, file = self.store.session(token), needed_photo(photo)
            mask = mask_uploads.session_mask(session, dict(state["mask"] or {}).get("name"))
            named = {name: value for name, value in self._named(settings).items() if value is not None}
            return edit_service.build_record(file, named, self.store, state["box"], mask)

        return self._queue(request, state, lambda: self._edit_work(token, state, record()), record)

    def _queue(
        self,
        request: gr.Request,
        state: EditState,
        start: Callable[[], Work],
        check: Callable[[], object] = lambda: None,
    ) -> Update:
        canvas = self.controls.canvas
        waiting = {"phase": "waiting", "message": "Waiting for a turn.", "problem": False, "progress": None}
        ended = {"phase": idle_phase(state), "progress": None, "round": None, "outlining": False}
        return self.task.want(
            request,
            start,
            waiting={canvas: {**state, **waiting}},
            on_error=lambda error: {canvas: {**state, **error_state(error), **ended}},
            check=check,
        )

    def _edit_work(self, token: str, state: EditState, record: EditRecord) -> Work:
        session = self.store.session(token)
        hidden = {"look": None, "round": None, "result": None, "outline": None}
        state = {**state, **hidden, "phase": "working", "message": "Looking at the photo.", "problem": False}
        yield {self.controls.canvas: state}
        folder, state = yield from self._watch(
            state,
            run_watched(
                session,
                lambda on_progress, on_intermediate: edit_service.run_session_edit(
                    session, self.store, record, on_progress, on_intermediate
                ),
            ),
        )
        result = result_store.result_facts(folder)
        shown = {name: result[name] for name in ("look", "banner")}
        shown |= {"result": result, "message": "Done. " + result["facts"]}
        history = result_store.history(session)
        return {self.controls.canvas: {**state, **shown, "phase": "done", "progress": None, "history": history}}

    def _outline_work(self, token: str, state: EditState, photo: str | None, wish: Mapping[str, Any]) -> Work:
        session, file = self.store.session(token), needed_photo(photo)
        message = "Outlining what is there."
        yield {
            self.controls.canvas: {**state, "phase": "working", "outlining": True, "message": message, "problem": False}
        }
        mask, _ = yield from self._watch(
            state, run_watched(session, lambda on_progress, _: mask_uploads.outline(read_photo(file), wish))
        )
        outline = uploads.file_url(mask_uploads.write_mask(mask, session))
        shown = {"phase": idle_phase(state), "outline": outline, "message": "Outlined. Mend it with the brush."}
        return {self.controls.canvas: {**state, **shown, "problem": False}}

    def _replay_work(self, token: str, state: EditState, name: Any, index: Any) -> Work:
        session = self.store.session(token)
        picture = result_store.picture_of(result_store.result_folder(session, name), index)
        message = "Making it again from its record."
        state = {**state, "phase": "working", "message": message, "problem": False}
        yield {self.controls.canvas: state}
        same, state = yield from self._watch(
            state,
            run_watched(
                session,
                lambda on_progress, _: edit_service.run_session_replay(session, self.store, picture, on_progress),
            ),
        )
        verdict = "The same pixels came out." if same else "Other pixels came out than were recorded."
        done = {"phase": "done", "progress": None, "message": verdict, "problem": not same}
        return {self.controls.canvas: {**state, **done}}

    def _watch(self, state: EditState, work: WatchedWork[Result]) -> Generator[Update, None, tuple[Result, EditState]]:
        """Show work while it goes on; its result, and the state that is shown by then."""
        try:
            while True:
                event = next(work)
                if isinstance(event, Intermediate):
                    state = {**state, **event.value}
                else:
                    progress = dataclasses.asdict(event.progress)
                    state = {**state, "progress": progress, "message": progress_line(event)}
                yield {self.controls.canvas: state}
        except StopIteration as end:
            return end.value, state
        finally:
            work.close()

    def _named(self, settings: Sequence[Any]) -> dict[str, Any]:
        return dict(zip((*WORDS, *self.controls.details), settings, strict=True))


def needed_photo(photo: str | None) -> Path:
    """The photo's file, which must be there.

    Raises:
        RecordError: there is none.
    """
    if photo is None:
        raise RecordError("There is no photo yet: drop one on the page.")
    return Path(photo)


def photo_state(session: Session, file: Path, banner: uploads.Facts | None = None) -> EditState:
    """The state with a photo that nothing was done to."""
    history = result_store.history(session)
    return {**EMPTY, "phase": "ready", "photo": uploads.photo_facts(file), "banner": banner, "history": history}


def read_state(value: Any) -> EditState:
    """The state that a page sent back; unknown keys are left out, and missing ones are empty."""
    sent = value if isinstance(value, dict) else {}
    state = {name: sent.get(name, empty) for name, empty in EMPTY.items()}
    return {**state, "mask": state["mask"] if isinstance(state["mask"], dict) else None, "outlining": False}


def idle_phase(state: EditState) -> str:
    """The phase while no work waits or goes on."""
    if state["phase"] == "arriving":
        return "arriving"
    return "done" if state["result"] else "ready" if state["photo"] else "empty"


def error_state(error: Exception) -> EditState:
    """The message of an error, or that the work was stopped."""
    if isinstance(error, Cancelled):
        return {"message": "Stopped. Nothing was changed.", "problem": False}
    return {"message": message_for(error), "problem": True}
