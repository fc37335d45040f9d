"""What happens on the tab "Remove": photos come in, objects are outlined, removed, gone on from and replayed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
from gradio.utils import get_upload_folder

from intarsia.errors import RecordError
from intarsia.imaging.read import read_photo
from intarsia.records.remove import RemoveRecord
from intarsia.web import mask_uploads, remove_service, result_store, uploads
from intarsia.web.queue import QueuedTask, Update, Work
from intarsia.web.remove_service import RemoveService
from intarsia.web.sessions import Session
from intarsia.web.tabs.edit_handlers import error_state, needed_photo
from intarsia.web.work import Step, WatchedWork, progress_line, run_watched

Result = TypeVar("Result")

RemoveState = dict[str, Any]
"""What the tab shows, as JSON values: the keys of `EMPTY`."""
EMPTY: RemoveState = {
    "phase": "empty",
    "photo": None,
    "marked": None,
    "outline": None,
    "result": None,
    "trail": [],
    "history": [],
    "progress": None,
    "message": "",
    "problem": False,
}
"""The state before there is a photo.

`marked` is the URL of a mask to mend, `outline` that of an object to add to it, `trail` the results that the photo came
about by, which undo goes back along.
"""
ARRIVING: RemoveState = {**EMPTY, "phase": "arriving"}
"""Before the page knows its session it takes no photo."""
MARK = "Brush over what should go, or outline it: then press Remove."


@dataclass(frozen=True, kw_only=True)
class RemoveControls:
    """The components that events read and update.

    Attributes:
        canvas: its value is the `RemoveState`.
        photo: path of the photo, or None.
        settings: controls, by their names in a `RemoveRecord`.
    """

    canvas: Any
    photo: Any
    settings: Mapping[str, Any]


class RemoveHandlers:
    """Event handlers of the tab; each returns or yields updates by component.

    Parameters that they share: `token` of the session, `value` of the canvas, and `photo` as its path.
    """

    def __init__(self, service: RemoveService, controls: RemoveControls) -> None:
        self.service, self.store, self.controls = service, service.store, controls
        # The canvas shows by its phase what can be pressed.
        self.task = QueuedTask(
            service.store, busy={}, idle={controls.canvas: gr.skip()}, stop_of=lambda session: session.quick_stop
        )

    # At once

    def restore(self, token: str) -> Update:
        """Show the session's latest removal and its history."""
        if not token:
            return {self.controls.canvas: gr.skip()}
        session = self.store.session(token)
        latest = max(session.folder.glob("remove-*/*.json"), default=None, key=lambda file: file.parent.name)
        if latest is None:
            return {
                self.controls.canvas: {**EMPTY, "history": result_store.history(session)},
                self.controls.photo: None,
            }
        return self._result_update(session, latest.parent, [])

    def upload(self, token: str, value: Any, event: gr.EventData) -> Update:
        def take(session: Session) -> Path:
            return uploads.take_upload(Path(str(event._data.get("path"))), Path(get_upload_folder()), session)

        return self._photo_update(token, value, take)

    def use_result(self, token: str, value: Any, event: gr.EventData) -> Update:
        """Make a result the photo, to remove more from it."""

        def take(session: Session) -> Path:
            folder = result_store.result_folder(session, event._data.get("folder"))
            trail.append(folder.name)
            return uploads.take_photo(result_store.picture_of(folder, 0), session)

        trail = read_state(value)["trail"]
        return self._photo_update(token, value, take, trail=trail)

    def show_result(self, token: str, value: Any, event: gr.EventData) -> Update:
        """Show a result of the history."""
        try:
            session = self.store.session(token)
            return self._result_update(session, removal_folder(session, event._data.get("folder")), [])
        except Exception as error:
            return self._error_update(value, error)

    def undo(self, token: str, value: Any) -> Update:
        """One step back: from a result to its photo and what was marked on it, from a photo to the result it was."""
        state = read_state(value)
        try:
            session = self.store.session(token)
            if state["result"]:
                folder = removal_folder(session, dict(state["result"]).get("folder"))
                photo = remove_service.photo_of(folder)
                shown = {
                    **photo_state(session, photo),
                    "trail": state["trail"],
                    "marked": remove_service.remove_facts(folder)["marked"],
                    "message": "This is the photo before, with what was marked: mend it, or remove it again.",
                }
                return {self.controls.canvas: shown, self.controls.photo: str(photo)}
            if not state["trail"]:
                raise RecordError("There is nothing to go back to.")
            *trail, last = state["trail"]
            return self._result_update(session, removal_folder(session, last), trail)
        except Exception as error:
            return self._error_update(value, error)

    def _photo_update(
        self, token: str, value: Any, take: Callable[[Session], Path], trail: Sequence[str] = ()
    ) -> Update:
        try:
            session = self.store.session(token)
            file = take(session)
            state = {**photo_state(session, file), "trail": list(trail)}
            return {self.controls.canvas: state, self.controls.photo: str(file)}
        except Exception as error:
            return self._error_update(value, error)

    def _result_update(self, session: Session, folder: Path, trail: list[str]) -> Update:
        result = remove_service.remove_facts(folder)
        state = {**EMPTY, "phase": "done", "photo": result["photo"], "result": result, "trail": trail}
        return {
            self.controls.canvas: {**state, "history": result_store.history(session)},
            self.controls.photo: str(remove_service.photo_of(folder)),
        }

    def _error_update(self, value: Any, error: Exception) -> Update:
        return {self.controls.canvas: {**read_state(value), **error_state(error)}}

    # Through the queue

    def want_removal(
        self, request: gr.Request, event: gr.EventData, token: str, value: Any, photo: str | None, *settings: Any
    ) -> Update:
        """Remove what is marked."""
        state, sent = read_state(value), event._data.get("path")

        def record() -> RemoveRecord:
            session, file = self.store.session(token), needed_photo(photo)
            mask = mask_uploads.take_mask(sent, Path(get_upload_folder()), session, read_photo(file))
            named = dict(zip(self.controls.settings, settings, strict=True))
            return remove_service.build_record(file, mask, named)

        return self._queue(request, state, lambda: self._removal_work(token, state, record()))

    def want_example(self, request: gr.Request, event: gr.EventData, token: str, value: Any) -> Update:
        """Take an example's photo, and outline what could go."""
        try:
            session, example = self.store.session(token), remove_service.get_example(event._data.get("index"))
            file = uploads.take_photo(example.photo, session)
        except Exception as error:
            return self._error_update(value, error)
        wish, state = {"box": list(example.box)}, photo_state(session, file)
        update = self._queue(request, state, lambda: self._outline_work(token, state, str(file), wish))
        return {self.controls.photo: str(file), **update}

    def want_outline(
        self, request: gr.Request, event: gr.EventData, token: str, value: Any, photo: str | None
    ) -> Update:
        """Outline the object in a box, or at a point."""
        state, wish = read_state(value), {name: event._data.get(name) for name in ("box", "point")}
        return self._queue(request, state, lambda: self._outline_work(token, state, photo, wish))

    def want_replay(self, request: gr.Request, event: gr.EventData, token: str, value: Any) -> Update:
        """Make a result again from its record."""
        state, folder = read_state(value), event._data.get("folder")
        return self._queue(request, state, lambda: self._replay_work(token, state, folder))

    def _queue(self, request: gr.Request, state: RemoveState, start: Callable[[], Work]) -> Update:
        canvas = self.controls.canvas
        waiting = {"phase": "waiting", "message": "Waiting for a turn.", "problem": False, "progress": None}
        ended = {"phase": idle_phase(state), "progress": None, "outline": None}
        return self.task.want(
            request,
            start,
            waiting={canvas: {**state, **waiting}},
            on_error=lambda error: {canvas: {**state, **ended, **error_state(error)}},
        )

    def _removal_work(self, token: str, state: RemoveState, record: RemoveRecord) -> Work:
        session = self.store.session(token)
        message = "Looking for what fits into the gap."
        state = {**state, "phase": "working", "message": message, "problem": False, "result": None}
        yield {self.controls.canvas: state}
        folder, _ = yield from self._watch(
            state, session, lambda on_progress, _: self.service.remove(session, record, on_progress)
        )
        result = remove_service.remove_facts(folder)
        shown = {"phase": "done", "result": result, "outline": None, "progress": None}
        history = {"history": result_store.history(session)}
        return {self.controls.canvas: {**state, **shown, **history, "message": f"Done. {result['facts']}"}}

    def _outline_work(self, token: str, state: RemoveState, photo: str | None, wish: Mapping[str, Any]) -> Work:
        session, file = self.store.session(token), needed_photo(photo)
        state = {**state, "phase": "working", "message": "Outlining what is there.", "problem": False}
        yield {self.controls.canvas: state}
        mask, _ = yield from self._watch(
            state, session, lambda on_progress, _: mask_uploads.outline(read_photo(file), wish)
        )
        outline = uploads.file_url(mask_uploads.write_mask(mask, session))
        message = "Outlined. Mend it with the brush, or press Remove."
        return {
            self.controls.canvas: {**state, "phase": "ready", "outline": outline, "progress": None, "message": message}
        }

    def _replay_work(self, token: str, state: RemoveState, name: Any) -> Work:
        session = self.store.session(token)
        picture = result_store.picture_of(removal_folder(session, name), 0)
        working = {"phase": "working", "message": "Making it again from its record.", "problem": False}
        yield {self.controls.canvas: {**state, **working}}
        same, _ = yield from self._watch(
            {**state, **working}, session, lambda on_progress, _: self.service.replay(session, picture, on_progress)
        )
        verdict = "The same pixels came out." if same else "Other pixels came out than were recorded."
        done = {"phase": "done", "progress": None, "message": verdict, "problem": not same}
        return {self.controls.canvas: {**state, **done}}

    def _watch(
        self, state: RemoveState, session: Session, work: Callable[..., Result]
    ) -> Generator[Update, None, tuple[Result, RemoveState]]:
        """Show work while it goes on; its result, and the state that is shown by then."""
        watched: WatchedWork[Result] = run_watched(session, work, stop=session.quick_stop)
        try:
            while True:
                event = next(watched)
                if isinstance(event, Step) and event.progress.total > 1:
                    progress = dataclasses.asdict(event.progress)
                    state = {**state, "progress": progress, "message": progress_line(event)}
                    yield {self.controls.canvas: state}
        except StopIteration as end:
            return end.value, state
        finally:
            watched.close()


def removal_folder(session: Session, name: Any) -> Path:
    """The folder of a removal that the page names.

    Raises:
        RecordError: the session has none of that name, or it was made in another tab.
    """
    folder = result_store.result_folder(session, name)
    if not folder.name.startswith("remove-"):
        raise RecordError("This was made in another tab: take it as the next photo, or see that tab.")
    return folder


def photo_state(session: Session, file: Path) -> RemoveState:
    """The state with a photo that nothing was done to."""
    facts = {"photo": uploads.photo_facts(file), "history": result_store.history(session)}
    return {**EMPTY, **facts, "phase": "ready", "message": MARK}


def read_state(value: Any) -> RemoveState:
    """The state that a page sent back; unknown keys are left out, and missing or wrong ones are empty."""
    sent = value if isinstance(value, dict) else {}
    state: RemoveState = {name: sent.get(name, empty) for name, empty in EMPTY.items()}
    trail, result = state["trail"], state["result"]
    return {
        **state,
        "trail": list(trail) if isinstance(trail, list) else [],
        "result": result if isinstance(result, dict) else None,
    }


def idle_phase(state: RemoveState) -> str:
    """The phase while no work waits or goes on."""
    if state["phase"] == "arriving":
        return "arriving"
    return "done" if state["result"] else "ready" if state["photo"] else "empty"
