"""The endpoints for other programs: /edit, /find_objects, /arrange and /remove."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from intarsia.errors import Cancelled, RecordError
from intarsia.imaging.read import read_photo
from intarsia.records.added_files import ADDED
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.remove import RemoveRecord
from intarsia.records.serialize import from_json
from intarsia.web import edit_service
from intarsia.web.arrange_moves import read_moves, record_from_moves
from intarsia.web.arrange_service import ArrangeService
from intarsia.web.arrange_store import (
    names_of,
    parse_names,
    scene_record,
    source_path,
    write_detected_scene,
)
from intarsia.web.callers import Caller
from intarsia.web.error_messages import message_for
from intarsia.web.mask_uploads import take_mask
from intarsia.web.remove_service import RemoveService
from intarsia.web.result_store import lead_record
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.uploads import take_upload
from intarsia.web.work import NETWORKS

FILE_FIELDS = ("mask", "masks", "protect", "colours", "layout", "boxes", "concepts", "fill_model", *ADDED)
"""Fields of a record that name files; a program elsewhere has none on this machine."""
REMOVAL_FILE_FIELDS = ("mask", "avoid", "fill_model", *ADDED)
"""The same of a removal; its mask is sent beside it."""


def error_text(error: Exception) -> str:
    """An error as a sentence, with the pages' own remedies; or that the work was stopped."""
    return "Stopped. Nothing was changed." if isinstance(error, Cancelled) else message_for(error)


# Edit by words


def add_edit_endpoint(store: SessionStore) -> None:
    """Add /edit, which takes a photo and words, and gives the picture's file and its record."""

    def edit(photo: str, source: str, prompt: str, record: Any = None) -> tuple[str, Any]:
        """Edit a picture by words.

        Args:
            photo: the picture's file.
            source: what is there now and may change; empty for anywhere.
            prompt: what it should become.
            record: further settings of an edit by name, or a whole record that an edit wrote; or nothing.

        Returns:
            The edited picture as a PNG file, and its record.
        """
        with errors_as_sentences(), temporary_session(store) as (session, caller):
            file = take_upload(Path(photo or ""), Path(get_upload_folder()), session)
            settings = edit_settings(source, prompt, record)
            edit = edit_service.build_record(file, settings, store)
            return picture_and_record(
                edit_service.run_session_edit(session, store, edit, caller.on_progress, lambda value: None)
            )

    with gr.Row(visible=False):
        photo = gr.File(label="photo", type="filepath")
        source, prompt = gr.Textbox(label="source"), gr.Textbox(label="prompt")
        record = gr.JSON(label="record")
        picture, record_out = gr.File(label="picture"), gr.JSON(label="record of the picture")
        gr.Button("edit").click(
            edit, [photo, source, prompt, record], [picture, record_out], api_name="edit", **NETWORKS
        )


def edit_settings(source: Any, prompt: Any, record: Any) -> dict[str, Any]:
    """Fields of an edit from what a program sent; its words go before the record's.

    Raises:
        RecordError: the record is no JSON object.
    """
    if record is not None and not isinstance(record, dict):
        raise RecordError('The record must be a JSON object of settings, such as {"steps": 20}.')
    fields = dict(record or {})
    if isinstance(fields.get("record"), dict):
        fields = dict(fields["record"])
    return fields | {name: value for name, value in (("source", source), ("prompt", prompt)) if value}


# Edit by layout


def add_arrange_endpoints(service: ArrangeService) -> None:
    """Add /find_objects and /arrange."""
    store = service.store
    with gr.Row(visible=False):
        photo, names, scene_out = gr.File(label="photo"), gr.Textbox(label="names"), gr.JSON(label="scene")
        wish, picture, record_out = gr.JSON(label="wish"), gr.File(label="picture"), gr.JSON(label="record")
        finding, arranging = gr.Button(), gr.Button()

    def find_objects(photo: str, names: str) -> dict[str, Any]:
        """Find objects in a picture by their names, with commas between; the scene is what /arrange takes.

        Each object says its confidence, and whether that is sure; what is not sure is in the scene all the same.
        """
        with errors_as_sentences(), temporary_session(store) as (session, _):
            if photo is None:
                raise RecordError("No picture came: send one as photo.")
            file = take_upload(Path(photo), Path(get_upload_folder()), session)
            return found_objects(service, session, file, parse_names(names or ""))

    def arrange_objects(photo: str | None, wish: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Rearrange a scene of /find_objects, or a picture: {"scene", "moves"}, {"scene", "record"} or {"record"}."""
        with errors_as_sentences(), temporary_session(store) as (session, caller):
            file = None if photo is None else take_upload(Path(photo), Path(get_upload_folder()), session)
            record = read_request(service, session, file, wish)
            return picture_and_record(service.arrange(session, record, caller.on_progress))

    finding.click(find_objects, [photo, names], [scene_out], api_name="find_objects", **NETWORKS)
    arranging.click(arrange_objects, [photo, wish], [picture, record_out], api_name="arrange", **NETWORKS)


def found_objects(
    service: ArrangeService, session: Session, photo: Path, names: tuple[str, ...], marks: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Find objects by their names, and write them as a scene of the session.

    Args:
        photo: in the session's folder.
        marks: objects that are outlined instead, as a record has them: cat=x0,y0,x1,y1 or cat@x,y.

    Raises:
        RecordError: no object is named.
        LayoutError: one is not found.
    """
    record = ArrangeRecord(photo=str(photo), find=names, object=marks, models=service.store.models)
    if not (names or marks):
        raise RecordError("No object is named: give names with commas between, e.g. cat, potted plant.")
    name, scene, facts = write_detected_scene(session, record, service.load_segmenter)
    size = scene.photo.size
    return {
        "scene": f"{session.token}/{name}",
        "width": size.width,
        "height": size.height,
        "objects": facts["objects"],
    }


def read_request(service: ArrangeService, session: Session, photo: Path | None, wish: Any) -> ArrangeRecord:
    """The record that another program asks for, of files that it may name.

    Args:
        photo: in the session's folder; None where the wish names a scene.
        wish: the request's JSON: {"scene", "moves"}, {"scene", "record"} or {"record"}.

    Raises:
        RecordError, LayoutError: it is none, names files of this machine, or a scene that is not there.
    """
    if not isinstance(wish, dict):
        raise RecordError('The wish is no object: send {"scene": ..., "moves": [...]} or {"record": {...}}.')
    values = wish.get("record") or {}
    if not isinstance(values, dict):
        raise RecordError("The record is no object: send the fields of an ArrangeRecord.")
    token, _, name = str(wish.get("scene") or "").partition("/")
    owner = service.store.sessions.get(token)
    if name and owner is None:
        raise RecordError("There is no such scene any more: find its objects again.")
    if owner is not None:
        scene = source_path(owner, name)
        names = names_of(scene)
        files = {k: v for k, v in dataclasses.asdict(scene_record(scene)).items() if k in ("photo", "mask", "colours")}
        values = {**values, **files, "find": [], "object": []}
    elif photo is not None:
        values = {**values, "photo": str(photo)}
        names, files = (), {}
    else:
        raise RecordError("Neither a photo nor a scene came: send one of them.")
    check_file_fields(values, files)
    models = edit_service.resolve_models(service.store, values.get("models"))
    record: ArrangeRecord = from_json(ArrangeRecord, {**values, "models": models, **service.store.added}, "the record")
    if owner is not None and wish.get("moves"):
        record = record_from_moves(read_moves(wish["moves"], names), names, record)
    return record


# Remove


def add_remove_endpoint(service: RemoveService) -> None:
    """Add /remove, which takes a photo and what is to go, and gives the picture's file and its record."""
    store = service.store

    def remove(photo: str, wish: Any = None, mask: str | None = None) -> tuple[str, Any]:
        """Take things out of a picture, and fill the gaps from their surroundings.

        Args:
            photo: the picture's file.
            wish: what is to go, and further settings by name: {"box": [[x0, y0, x1, y1]], "object": ["cat=x0,y0,x1,y1",
                "cup@x,y"], "find": ["dog"], "grow": 0.01}, boxes in pixels of the picture; or nothing, with a mask.
            mask: a black and white picture's file, white what is to go; or nothing.

        Returns:
            The picture as a PNG file, and its record.
        """
        with errors_as_sentences(), temporary_session(store) as (session, caller):
            uploads = Path(get_upload_folder())
            file = take_upload(Path(photo or ""), uploads, session)
            marked = None if mask is None else take_mask(mask, uploads, session, read_photo(file))
            removal = removal_record(store, file, wish, marked)
            return picture_and_record(service.remove(session, removal, caller.on_progress))

    with gr.Row(visible=False):
        photo, mask, wish = gr.File(label="photo", type="filepath"), gr.File(label="mask"), gr.JSON(label="wish")
        picture, record_out = gr.File(label="picture"), gr.JSON(label="record of the picture")
        gr.Button("remove").click(remove, [photo, wish, mask], [picture, record_out], api_name="remove", **NETWORKS)


def removal_record(store: SessionStore, photo: Path, wish: Any, mask: Path | None) -> RemoveRecord:
    """The record of a removal that another program asks for.

    Args:
        photo, mask: in the session's folder.
        wish: fields of a `RemoveRecord`; a box may be a list of four numbers.

    Raises:
        RecordError: it is none, a setting is out of range, or names a file of this machine.
    """
    if wish is not None and not isinstance(wish, dict):
        raise RecordError('The wish is no object: send what is to go, such as {"box": [[10, 20, 60, 90]]}.')
    values = dict(wish or {})
    check_file_fields(values, {}, REMOVAL_FILE_FIELDS)
    values["box"] = [box_text(box) for box in boxes_of(values.get("box"))]
    fields = {
        **values,
        **store.added,
        "photo": str(photo),
        "mask": None if mask is None else str(mask),
        "models": edit_service.resolve_models(store, values.get("models")),
    }
    record: RemoveRecord = from_json(RemoveRecord, fields, "the wish")
    return record


def boxes_of(given: Any) -> list[Any]:
    """The boxes of a wish, which may be one alone."""
    if given in (None, ""):
        return []
    alone = isinstance(given, str) or (isinstance(given, list) and bool(given) and is_number(given[0]))
    return [given] if alone else given if isinstance(given, list) else [given]


def box_text(box: Any) -> Any:
    """A box of four numbers as a record has it; anything else is left to the record's checks."""
    if isinstance(box, list) and all(map(is_number, box)):
        return ",".join(f"{edge:.12g}" for edge in box)
    return box


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# All of them


def picture_and_record(folder: Path) -> tuple[str, dict[str, Any]]:
    """What the endpoints give of a result: the file of its picture, and its JSON document."""
    lead = lead_record(folder)
    return str(lead.with_suffix(".png")), json.loads(lead.read_text(encoding="utf-8"))


def check_file_fields(values: dict[str, Any], own: dict[str, Any], file_fields: Sequence[str] = FILE_FIELDS) -> None:
    """Raise `RecordError` where a record names a file of this machine that is not one of the scene's `own`."""
    learn = values.get("learn")
    named = [field for field in file_fields if values.get(field) and field not in own]
    if isinstance(learn, dict) and learn.get("prior"):
        named.append("learn.prior")
    if named:
        raise RecordError(
            f"The record names files in {named[0]!r}, which are not looked for on this machine: leave it out."
        )


@contextlib.contextmanager
def errors_as_sentences() -> Iterator[None]:
    """Errors as another program gets them: a sentence."""
    try:
        yield
    except Exception as error:
        raise gr.Error(error_text(error), print_exception=False) from error


@contextlib.contextmanager
def temporary_session(store: SessionStore) -> Iterator[tuple[Session, Caller]]:
    """A session for one call, which has its turn at the networks, and who called; its folder stays as long as that of any
    session without open pages."""
    session = store.join(None)
    caller = Caller(session)
    try:
        with store.lines.networks.take(caller):
            yield session, caller
    finally:
        store.leave(session.token)
