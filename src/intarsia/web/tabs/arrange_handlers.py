"""What happens on the tab "Edit by layout": objects are cut out, moved, renamed, arranged, learned and replayed."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
from gradio.utils import get_upload_folder

from intarsia.errors import Cancelled, IntarsiaError, LayoutError, RecordError
from intarsia.imaging.geometry import Point
from intarsia.layout.train import Sample
from intarsia.records.arrange import ArrangeRecord
from intarsia.web.api import error_text
from intarsia.web.arrange_cards import history_cards, message_html, progress_html, sample_picture
from intarsia.web.arrange_examples import get_example
from intarsia.web.arrange_paint import painted_of, picture_value, scene_value, session_layout
from intarsia.web.arrange_service import ArrangeService, append_move, rename_move
from intarsia.web.arrange_settings import ADVANCED
from intarsia.web.arrange_store import (
    Arrangement,
    list_arrangements,
    names_of,
    parse_names,
    photo_path,
    read_source,
    result_facts,
    source_path,
)
from intarsia.web.canvas import Moves, parse_canvas_value, read_moves
from intarsia.web.loss_plot import Loss, Painted, loss_plot_html
from intarsia.web.queue import QueuedTask, Update, Work
from intarsia.web.result_store import picture_of, result_folder
from intarsia.web.sessions import Session
from intarsia.web.uploads import take_photo, take_upload
from intarsia.web.work import Step, WatchedWork

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class ArrangeControls:
    """The components that events update.

    Attributes:
        history: the session's results, to go on from.
        plot: the losses of learning.
        buttons: what starts work, and is disabled meanwhile.
    """

    canvas: Any
    status: Any
    objects: Any
    history: Any
    plot: Any
    mode: Any
    cancel: Any
    buttons: Sequence[Any]


class ArrangeHandlers:
    """Event handlers of the tab; each returns or yields updates by component.

    Parameters that they share: `token` of the session, `value` of the canvas, `models` that were chosen, and
    `settings` in the order of `ADVANCED`.
    """

    def __init__(self, service: ArrangeService, controls: ArrangeControls) -> None:
        self.service, self.store, self.controls = service, service.store, controls
        self.task = QueuedTask(
            service.store,
            busy={
                **{button: gr.update(interactive=False) for button in controls.buttons},
                controls.cancel: gr.update(interactive=True),
            },
            idle={
                **{button: gr.update(interactive=True) for button in controls.buttons},
                controls.cancel: gr.update(interactive=False),
            },
        )

    # Without the networks

    def upload(self, token: str, event: gr.EventData) -> Update:
        try:
            session = self.store.session(token)
            file = take_upload(Path(str(event._data.get("path"))), Path(get_upload_folder()), session)
            return self._photo_update(file, "")
        except Exception as error:
            return self.error_update(error)

    def use_result(self, token: str, event: gr.EventData) -> Update:
        """Make a result by words the picture to arrange."""
        try:
            session = self.store.session(token)
            file = take_photo(picture_of(result_folder(session, event._data.get("folder")), 0), session)
            return self._photo_update(file, "This is the picture now: click its objects, or name them.")
        except Exception as error:
            return self.error_update(error)

    def rename(self, token: str, value: Any, event: gr.EventData) -> Update:
        """Give an object another name."""
        try:
            session = self.store.session(token)
            name, given = parse_canvas_value(value)
            former, wanted = (str(event._data.get(key) or "") for key in ("name", "wanted"))
            before = names_of(source_path(session, name))
            moves = read_moves(given, before)
            renamed, scene = self.service.rename(session, source_path(session, name), former, wanted)
            new = next(b for a, b in zip(before, scene.names, strict=True) if a == former)
            return {
                self.controls.canvas: scene_value(session, scene, renamed, rename_move(moves, former, new)),
                self.controls.status: message_html(f"{former} is called {new} now."),
            }
        except Exception as error:
            return self.error_update(error)

    def go_on(self, token: str, event: gr.EventData) -> Update:
        """Show a result of the history, with its moves to go on from."""
        try:
            session = self.store.session(token)
            result = list_arrangements(session)[int(event._data["index"])]
            return self._result_update(session, result, f"Going on from: {result.words}.", moves=True)
        except Exception as error:
            return self.error_update(error)

    def restore(self, token: str) -> Update:
        """Show the session's latest result and its history."""
        try:
            session = self.store.session(token)
            results = list_arrangements(session)
            if results:
                return self._result_update(session, results[-1], "", moves=True)
            return {self.controls.history: history_cards(session)}
        except IntarsiaError:
            return {self.controls.status: message_html("")}

    def refresh_history(self, token: str) -> Update:
        """Show what another tab may have made meanwhile."""
        with contextlib.suppress(RecordError):
            return {self.controls.history: history_cards(self.store.session(token))}
        return {self.controls.history: gr.skip()}

    def _photo_update(self, file: Path, message: str) -> Update:
        return {
            self.controls.canvas: picture_value(file),
            self.controls.status: message_html(message),
        }

    def _result_update(self, session: Session, result: Arrangement, message: str, *, moves: bool = False) -> Update:
        """Show a result in the place of its cut-outs; with `moves`, those that it was made from come back."""
        source = source_path(session, result.scene)
        value: dict[str, Any] = {"id": result.scene, "moves": result.moves}
        if moves:
            value = scene_value(session, read_source(source), result.scene, read_moves(result.moves, names_of(source)))
            value["painted"] = painted_of(session, result.files[1])
        return {
            self.controls.status: message_html(message),
            self.controls.canvas: {**value, "result": result_facts(result, photo_path(source))},
            self.controls.history: history_cards(session),
        }

    def error_update(self, error: Exception) -> Update:
        return {self.controls.status: message_html(error_text(error), error=not isinstance(error, Cancelled))}

    # With the networks

    def want_objects_by_name(self, request: gr.Request, token: str, value: Any, objects: str, models: str) -> Update:
        """Cut out the objects that are named."""

        def record() -> ArrangeRecord:
            photo = photo_path(source_path(self.store.session(token), parse_canvas_value(value)[0]))
            names = parse_names(objects or "")
            if not names:
                raise LayoutError("Name what becomes a cut-out, e.g. cat, potted plant.")
            return ArrangeRecord(photo=str(photo), find=names, models=models)

        return self.queue(request, lambda: self._find_work(self.store.session(token), record()), record)

    def want_objects_by_masks(
        self, request: gr.Request, token: str, value: Any, mask: str | None, colours: str | None
    ) -> Update:
        """Cut out the objects of a mask in colours."""

        def record() -> ArrangeRecord:
            photo = photo_path(source_path(self.store.session(token), parse_canvas_value(value)[0]))
            if mask is None or colours is None:
                raise LayoutError("Give both the mask and its colours.")
            return ArrangeRecord(photo=str(photo), mask=mask, colours=colours)

        return self.queue(request, lambda: self._find_work(self.store.session(token), record()), record)

    def want_example(self, request: gr.Request, token: str, models: str, event: gr.EventData) -> Update:
        """Take an example's picture, and cut out its objects."""
        index = event._data.get("index")

        def work() -> Work:
            session, example = self.store.session(token), get_example(index)
            file = take_photo(example.photo, session)
            yield {
                self.controls.canvas: picture_value(file),
                self.controls.objects: ", ".join(example.find),
            }
            return (yield from self._find_work(session, example.record(file, models)))

        return self.queue(request, work, lambda: get_example(index))

    def want_object_at_point(
        self, request: gr.Request, token: str, value: Any, objects: str, models: str, event: gr.EventData
    ) -> Update:
        """Cut out the object that was clicked."""
        name, given = parse_canvas_value(value)

        def point() -> Point:
            source_path(self.store.session(token), name)
            x, y = (event._data.get(key) for key in ("x", "y"))
            if type(x) not in (int, float) or type(y) not in (int, float):
                raise RecordError("The click has no place on the picture: reload the page.")
            return Point(x, y)

        def work() -> Work:
            session = self.store.session(token)
            source = source_path(session, name)
            moves = read_moves(given, names_of(source)) if source.is_dir() else ()
            yield {self.controls.status: message_html("Looking at what is there.")}
            adding = self.service.add_object_at(session, source, point(), parse_names(objects or ""), models)
            new_name, scene, added = yield from self.watch(adding)
            message = f"Cut out {added}. Drag it where you want it, or click the next object."
            return {
                self.controls.canvas: scene_value(session, scene, new_name, append_move(moves, added)),
                self.controls.status: message_html(message),
            }

        return self.queue(request, work, point)

    def want_arrangement(
        self,
        request: gr.Request,
        token: str,
        value: Any,
        mode: str,
        layout: str | None,
        key: str | None,
        models: str,
        *settings: Any,
    ) -> Update:
        """Make the picture that the canvas shows.

        Args:
            layout: file of a drawn layout, instead of the scene's.
            key: file of its colours, where they are not the scene's.
        """

        def record() -> tuple[ArrangeRecord, Moves]:
            session, values = self.store.session(token), record_values(mode, settings)
            painted = session_layout(session, value.get("painted") if isinstance(value, dict) else None)
            if painted is not None:  # goes before a file
                return self.service.build_record(session, value, values, str(painted), None, models)
            return self.service.build_record(session, value, values, layout, key, models)

        def work() -> Work:
            session = self.store.session(token)
            yield {self.controls.status: message_html("Beginning.")}
            arrangement, moves = record()
            scene = parse_canvas_value(value)[0]
            result = yield from self.watch(self.service.arrange(session, arrangement, scene, moves))
            return self._result_update(session, result, f"Done: {result.words}.")

        return self.queue(request, work, record)

    def want_replay(self, request: gr.Request, token: str, event: gr.EventData) -> Update:
        """Make a result again from its record."""
        folder, index = (event._data.get(key) for key in ("folder", "index"))

        def work() -> Work:
            yield {self.controls.status: message_html("Making it again from its record.")}
            same = yield from self.watch(self.service.replay(self.store.session(token), folder, index))
            verdict = "The same pixels came out." if same else "Other pixels came out than were recorded."
            return {self.controls.status: message_html(verdict, error=not same)}

        return self.queue(request, work, lambda: picture_of(result_folder(self.store.session(token), folder), index))

    def want_learning(
        self, request: gr.Request, token: str, value: Any, mode: str, models: str, *settings: Any
    ) -> Update:
        """Learn the scene's objects, for regenerate."""

        def lesson() -> tuple[Path, ArrangeRecord]:
            source = source_path(self.store.session(token), parse_canvas_value(value)[0])
            names_of(source)
            values = record_values(mode, settings)
            base = self.service.base_record(source, values, layout=None, key=None, models=models)
            return source, dataclasses.replace(base, concepts=None)

        def work() -> Work:
            return (yield from self._learn_work(self.service.learn(self.store.session(token), *lesson())))

        return self.queue(request, work, lesson)

    def queue(self, request: gr.Request, start: Callable[[], Work], check: Callable[[], object]) -> Update:
        waiting = {self.controls.status: message_html("Waiting for a turn.")}
        return self.task.want(request, start, waiting=waiting, on_error=self.error_update, check=check)

    def _find_work(self, session: Session, record: ArrangeRecord) -> Work:
        yield {self.controls.status: message_html("Looking for the objects.")}
        name, scene = yield from self.watch(self.service.find(session, record))
        return {
            self.controls.canvas: scene_value(session, scene, name),
            self.controls.status: message_html(f"Found {', '.join(scene.names)}. Drag them where you want them."),
        }

    def _learn_work(self, learning: WatchedWork[str]) -> Work:
        status, plot = self.controls.status, self.controls.plot
        losses: list[Loss] = []
        painted: list[Painted] = []
        yield {status: message_html("Beginning."), plot: ""}
        try:
            while True:
                event = next(learning)
                if isinstance(event, Step):
                    yield {status: progress_html(event), plot: loss_plot_html(losses, painted)}
                elif isinstance(event.value, Loss):
                    losses.append(event.value)
                elif isinstance(event.value, Sample):
                    painted.append(sample_picture(event.value))
        except StopIteration as end:
            learned = {status: message_html(end.value), plot: loss_plot_html(losses, painted)}
            return {**learned, self.controls.mode: "regenerate"}
        finally:
            learning.close()

    def watch(self, work: WatchedWork[Result]) -> Generator[Update, None, Result]:
        """Show the progress of work; its result."""
        try:
            while True:
                event = next(work)
                if isinstance(event, Step):
                    yield {self.controls.status: progress_html(event)}
        except StopIteration as end:
            result: Result = end.value
            return result
        finally:
            work.close()


def record_values(mode: str, settings: Sequence[Any]) -> dict[str, Any]:
    """The settings of the form, by their dotted names."""
    return {"mode": mode, **dict(zip(ADVANCED, settings, strict=True))}
