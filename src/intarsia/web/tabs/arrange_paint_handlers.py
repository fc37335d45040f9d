"""What happens on the tab "Edit by layout" when something is painted: outlines, new objects, whole layouts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from intarsia.errors import RecordError
from intarsia.web import mask_uploads
from intarsia.web.arrange_cards import message_html
from intarsia.web.arrange_paint import (
    add_object,
    mend_object,
    others_mask,
    painted_value,
    photo_of,
    scene_value,
    take_layout,
)
from intarsia.web.arrange_service import append_move
from intarsia.web.arrange_store import names_of, source_path
from intarsia.web.canvas import parse_canvas_value, read_moves
from intarsia.web.queue import Update, Work
from intarsia.web.tabs.arrange_handlers import ArrangeHandlers
from intarsia.web.uploads import file_url
from intarsia.web.work import run_watched


class ArrangePaintHandlers:
    """Event handlers beside those of `ArrangeHandlers`, whose task and controls they share."""

    def __init__(self, handlers: ArrangeHandlers) -> None:
        self.handlers, self.store, self.controls = handlers, handlers.store, handlers.controls

    def take_outline(self, token: str, value: Any, event: gr.EventData) -> Update:
        """Give an object the outline that was painted, or a new one its first."""
        try:
            session = self.store.session(token)
            name, given = parse_canvas_value(value)
            source = source_path(session, name)
            former, wanted = (event._data.get(key) for key in ("former", "name"))
            mask = mask_uploads.read_upload(event._data.get("path"), Path(get_upload_folder()), photo_of(source))
            moves = read_moves(given, names_of(source)) if source.is_dir() else ()
            if former is not None:
                new_name, scene = mend_object(session, source, str(former), mask)
                said = f"{former} has its new outline. Drag it where you want it."
            else:
                new_name, scene, added = add_object(session, source, str(wanted or ""), mask)
                moves, said = append_move(moves, added), f"Cut out {added}. Drag it where you want it."
            return {
                self.controls.canvas: scene_value(session, scene, new_name, moves),
                self.controls.status: message_html(said),
            }
        except Exception as error:
            return self.handlers.error_update(error)

    def take_layout(self, token: str, value: Any, event: gr.EventData) -> Update:
        """Take the layout that was painted."""
        try:
            session = self.store.session(token)
            name, _ = parse_canvas_value(value)
            source = source_path(session, name)
            names_of(source)  # there are objects, or it is said what to do first
            layout, absent = take_layout(event._data.get("path"), Path(get_upload_folder()), session, source)
            removed = f" Not painted, and so removed: {', '.join(absent)}." if absent else ""
            return {
                self.controls.canvas: painted_value(session, name, layout, absent),
                self.controls.status: message_html(f"The layout is painted: press Arrange.{removed}"),
            }
        except Exception as error:
            return self.handlers.error_update(error)

    def want_outline(self, request: gr.Request, token: str, value: Any, event: gr.EventData) -> Update:
        """Outline what is in a box, or at a point, beside the other objects."""
        name, given = parse_canvas_value(value)
        former = event._data.get("former")
        wish = {key: event._data.get(key) for key in ("box", "point")}

        def work() -> Work:
            return (yield from self._outline_work(token, name, given, former, wish))

        return self.handlers.queue(request, work, lambda: source_path(self.store.session(token), name))

    def _outline_work(self, token: str, name: str, given: Any, former: Any, wish: Mapping[str, Any]) -> Work:
        session = self.store.session(token)
        source = source_path(session, name)
        if former is not None and not isinstance(former, str):
            raise RecordError("The object has no name: reload the page.")
        yield {self.controls.status: message_html("Outlining what is there.")}
        mask = yield from self.handlers.watch(
            run_watched(
                session,
                lambda on_progress, _: mask_uploads.outline(photo_of(source), wish, taken=others_mask(source, former)),
            )
        )
        url = file_url(mask_uploads.write_mask(mask, session))
        return {
            self.controls.canvas: {"id": name, "moves": given, "outline": url},
            self.controls.status: message_html("Outlined. Mend it with the brush, then press Done."),
        }
