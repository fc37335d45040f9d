"""Edit by layout for other programs: the endpoints /find_objects and /arrange."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from intarsia.errors import Cancelled, RecordError
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.serialize import from_json
from intarsia.web.arrange_service import ArrangeService
from intarsia.web.arrange_store import Arrangement, chosen, names_of, scene_record, split_names, write_found
from intarsia.web.canvas import Moves, read_moves, record_of
from intarsia.web.edit_service import offered
from intarsia.web.error_messages import message_for
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.uploads import take_upload
from intarsia.web.work import NETWORKS

PATHS = ("mask", "masks", "colours", "layout", "boxes", "concepts")
"""What names files. Those who ask from afar have no files here."""


def problem_of(problem: Exception) -> str:
    """What to say of an error: its own sentence, with the page's own remedies, or that nobody has foreseen it."""
    return "Stopped. Nothing was changed." if isinstance(problem, Cancelled) else message_for(problem)


def add_endpoints(studio: ArrangeService) -> None:
    """The endpoints /find_objects and /arrange."""
    room = studio.room
    with gr.Row(visible=False):
        photo, names, scene_out = gr.File(label="photo"), gr.Textbox(label="names"), gr.JSON(label="scene")
        wish, picture, record_out = gr.JSON(label="wish"), gr.File(label="picture"), gr.JSON(label="record")
        finding, arranging = gr.Button(), gr.Button()

    def find_objects(photo: str, names: str) -> dict[str, Any]:
        """Find objects in a picture by their names, with commas between; the scene is what /arrange takes."""
        with answering(), a_visit(room) as visit:
            if photo is None:
                raise RecordError("No picture came: send one as photo.")
            record = ArrangeRecord(
                photo=str(take_upload(Path(photo), Path(get_upload_folder()), visit)),
                find=split_names(names or ""),
                models=room.models,
            )
            if not record.find:
                raise RecordError("No object is named: give names with commas between, e.g. cat, potted plant.")
            name, scene, facts = write_found(visit, record, studio.load_segmenter)
            size = scene.photo.size
            return {
                "scene": f"{visit.token}/{name}",
                "width": size.width,
                "height": size.height,
                "objects": facts["objects"],
            }

    def arrange_objects(photo: str | None, wish: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Rearrange a scene of /find_objects, or a picture: {"scene", "moves"}, {"scene", "record"} or {"record"}."""
        with answering(), a_visit(room) as visit:
            record, name, moves = asked(studio, visit, photo, wish)
            work = studio.arrange(visit, record, name, moves)
            while True:
                try:
                    next(work)
                except StopIteration as end:
                    one: Arrangement = end.value
                    break
            return str(one.picture), json.loads(one.files[1].read_text(encoding="utf-8"))

    finding.click(find_objects, [photo, names], [scene_out], api_name="find_objects", **NETWORKS)
    arranging.click(arrange_objects, [photo, wish], [picture, record_out], api_name="arrange", **NETWORKS)


def asked(studio: ArrangeService, visit: Session, photo: str | None, wish: Any) -> tuple[ArrangeRecord, str, Moves]:
    """The record that another program asks for, of files that it may name.

    Raises:
        RecordError, LayoutError: it is none, names files of this machine, or a scene that is not there.
    """
    if not isinstance(wish, dict):
        raise RecordError('The wish is no object: send {"scene": ..., "moves": [...]} or {"record": {...}}.')
    values = wish.get("record") or {}
    if not isinstance(values, dict):
        raise RecordError("The record is no object: send the fields of an ArrangeRecord.")
    whose, _, name = str(wish.get("scene") or "").partition("/")
    owner = studio.room.visits.get(whose)
    if name and owner is None:
        raise RecordError("There is no such scene any more: find its objects again.")
    if owner is not None:
        place = chosen(owner, name)
        names = names_of(place)
        files = {k: v for k, v in dataclasses.asdict(scene_record(place)).items() if k in ("photo", "mask", "colours")}
        values = {**values, **files, "find": []}
    elif photo is not None:
        values = {**values, "photo": str(take_upload(Path(photo), Path(get_upload_folder()), visit))}
        names, files = (), {}
    else:
        raise RecordError("Neither a photo nor a scene came: send one of them.")
    learn = values.get("learn")
    strange = [field for field in PATHS if values.get(field) and field not in files]
    if strange or (isinstance(learn, dict) and learn.get("prior")):
        raise RecordError(
            f"The record names files in {(*strange, 'learn.prior')[0]!r}, which are not looked for on this machine: "
            "leave it out."
        )
    record: ArrangeRecord = from_json(
        ArrangeRecord, {**values, "models": offered(studio.room, values.get("models"))}, "the record"
    )
    moves: Moves = ()
    if owner is not None:
        moves = read_moves(wish.get("moves") or [], names)
        record = record_of(moves, names, record) if wish.get("moves") else record
    return record, name, moves


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Errors as another program gets them: a sentence."""
    try:
        yield
    except Exception as problem:
        raise gr.Error(problem_of(problem)) from problem


@contextlib.contextmanager
def a_visit(room: SessionStore) -> Iterator[Session]:
    """A visit for one call; its folder stays as long as that of any visitor who has left."""
    visit = room.enter(None)
    try:
        yield visit
    finally:
        room.leave(visit.token)
