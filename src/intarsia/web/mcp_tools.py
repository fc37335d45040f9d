"""The tools that are offered to language models: edit, remove, find and arrange, without the protocol around them."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from intarsia.errors import RecordError
from intarsia.imaging.masks import read_mask
from intarsia.imaging.read import read_photo
from intarsia.progress import OnProgress
from intarsia.records.edit import EditRecord
from intarsia.records.remove import RemoveRecord
from intarsia.records.scene_folder import SCENE_FILES
from intarsia.web import edit_service
from intarsia.web.api import found_objects, read_request, removal_record
from intarsia.web.arrange_service import ArrangeService
from intarsia.web.arrange_store import source_path
from intarsia.web.field_labels import field_help
from intarsia.web.mask_uploads import write_mask
from intarsia.web.remove_service import RemoveService
from intarsia.web.result_store import lead_record, result_folder
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.uploads import take_photo

PREVIEW_SIDE = 1024
"""Longer side of a result as it is shown, in pixels: more does not fit what most models read at once."""
DATA_URL = re.compile(r"data:[\w.+/-]*;base64,", re.ASCII)
RESULT_NAME = re.compile(r"([0-9a-f]{32})/((?:edit|arrange|remove)-\d{4,})", re.ASCII)
SHORTEST_BASE64 = 64
"""Letters below which a text is not taken for a picture's content."""

Schema = dict[str, Any]

PHOTO: Schema = {
    "type": "string",
    "description": "The picture: its content as base64 or a data URL, or the result's name that an earlier call gave.",
}
PICTURES_BELOW = " A path within the folder that this server was given for pictures will do, too."
MASK: Schema = {
    "type": "string",
    "description": "A black and white picture of the same size, given as the photo is: white is meant.",
}
FULL: Schema = {
    "type": "boolean",
    "description": f"Give the picture at its full size; else it is shown with at most {PREVIEW_SIDE} pixels a side.",
}
BOX: Schema = {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4}

OBJECT: Schema = {
    "type": "array",
    "items": {"type": "string"},
    "description": "Objects that are outlined from a mark: cat=x0,y0,x1,y1 (a box around it) or cat@x,y (a point on it).",
}


def settings_schema(kind: type, names: tuple[str, ...], said: str) -> Schema:
    """Settings of a record that are named to the model, with the record's own help; others are taken, too."""
    texts = field_help(kind)
    return {"type": "object", "description": said, "properties": {name: {"description": texts[name]} for name in names}}


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool as it is listed.

    Attributes:
        properties: JSON Schemas of its arguments.
        required: those without which it cannot work.
    """

    name: str
    title: str
    description: str
    properties: dict[str, Schema]
    required: tuple[str, ...]

    def schema(self) -> Schema:
        return {
            "type": "object",
            "properties": self.properties,
            "required": list(self.required),
            "additionalProperties": False,
        }


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a tool gives.

    Attributes:
        picture: file of the picture to show.
        facts: JSON values.
        full: whether the picture is given at its full size.
    """

    picture: Path
    facts: dict[str, Any]
    full: bool = False


EDIT = Tool(
    name="edit",
    title="Change something in a photo by words",
    description=(
        "Repaint a part of a photo by words. Without a box or mask the part is found from the words; every pixel "
        "outside of it stays as it was. The answer shows the picture and gives the name of the result, which further "
        "calls take as a photo."
    ),
    properties={
        "photo": PHOTO,
        "prompt": {"type": "string", "description": "What it should become, e.g. a big tree with many flowers."},
        "source": {"type": "string", "description": "What is there now and may change, e.g. trees; else anything may."},
        "box": {**BOX, "description": "Edit exactly here: x0, y0, x1, y1 in pixels from the top left corner."},
        "mask": MASK,
        "settings": settings_schema(
            EditRecord, ("negative_prompt", "seed", "steps", "guidance", "models"), "Further settings, by name."
        ),
        "full": FULL,
    },
    required=("photo", "prompt"),
)

REMOVE = Tool(
    name="remove",
    title="Take something out of a photo",
    description=(
        "Take things out of a photo and fill the gaps from their surroundings. Say what goes by boxes, by names to "
        "find, by marked objects or by a mask; at least one of them."
    ),
    properties={
        "photo": PHOTO,
        "box": {
            "type": "array",
            "items": BOX,
            "description": "Parts that are replaced as a whole: x0, y0, x1, y1 in pixels from the top left corner.",
        },
        "find": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Objects to find by their names, and to remove: dog.",
        },
        "object": OBJECT,
        "mask": MASK,
        "settings": settings_schema(
            RemoveRecord, ("shadows", "grow", "seed", "fill", "prompt"), "Further settings, by name."
        ),
        "full": FULL,
    },
    required=("photo",),
)

FIND = Tool(
    name="find",
    title="Find objects in a photo",
    description=(
        "Find objects in a photo by their names, or outline those that are marked. The answer shows their outlines and gives their boxes in pixels, and "
        "the name of the scene, which arrange takes."
    ),
    properties={
        "photo": PHOTO,
        "names": {
            "type": "array",
            "items": {"type": "string"},
            "description": "The objects, each by a name of its own: cat, potted plant; of two dogs, dog 1 and dog 2.",
        },
        "object": OBJECT,
    },
    required=("photo",),
)

ARRANGE = Tool(
    name="arrange",
    title="Move objects of a photo",
    description=(
        "Move, scale, turn, mirror or remove the objects of a scene that find gave. Every object that is not named "
        "stays where it is."
    ),
    properties={
        "scene": {"type": "string", "description": "The scene's name, as find gave it."},
        "moves": {
            "type": "array",
            "description": "One for each object that changes, from back to front.",
            "items": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string", "description": "The object, as find named it."},
                    "x": {"type": "number", "description": "Pixels to the right."},
                    "y": {"type": "number", "description": "Pixels down."},
                    "wide": {"type": "number", "description": "Factor of its width."},
                    "high": {"type": "number", "description": "Factor of its height."},
                    "turn": {"type": "number", "description": "Degrees clockwise."},
                    "flip": {"type": "boolean", "description": "Mirror it left to right."},
                    "gone": {"type": "boolean", "description": "Remove it."},
                },
            },
        },
        "full": FULL,
    },
    required=("scene", "moves"),
)

TOOLS = (EDIT, REMOVE, FIND, ARRANGE)
KINDS: dict[str, type] = {"string": str, "array": list, "object": dict, "boolean": bool}


def check_arguments(tool: Tool, arguments: Mapping[str, Any]) -> None:
    """Raise `RecordError` where a call lacks an argument, or has one that is unknown or of another kind."""
    for name in tool.required:
        if arguments.get(name) in (None, "", []):
            raise RecordError(f"{tool.name} lacks {name}, which it needs.")
    for name, value in arguments.items():
        if name not in tool.properties:
            raise RecordError(f"{tool.name} takes no {name[:40]!r}, but {', '.join(tool.properties)}.")
        kind = str(tool.properties[name]["type"])
        if value is not None and not isinstance(value, KINDS[kind]):
            raise RecordError(f"{name} of {tool.name} must be of the kind {kind} (JSON).")


class Tools:
    """The work of the tools; each is called in a thread, when its turn at the networks has come.

    Args:
        pictures: folder whose pictures may be named by their paths; None for none.
    """

    def __init__(self, store: SessionStore, pictures: Path | None) -> None:
        self.store, self.pictures = store, None if pictures is None else pictures.resolve()
        self.arranging, self.removing = ArrangeService(store), RemoveService(store)
        self.work: dict[str, Callable[[Session, Mapping[str, Any], OnProgress], Answer]] = {
            "edit": self.edit,
            "remove": self.remove,
            "find": self.find,
            "arrange": self.arrange,
        }

    def listed(self) -> list[Tool]:
        """The tools; they speak of paths where there is a folder for that."""
        if self.pictures is None:
            return list(TOOLS)
        photo = {**PHOTO, "description": PHOTO["description"] + PICTURES_BELOW}
        return [
            dataclasses.replace(tool, properties={**tool.properties, "photo": photo})
            if "photo" in tool.properties
            else tool
            for tool in TOOLS
        ]

    def call(self, tool: Tool, arguments: Mapping[str, Any], on_progress: OnProgress) -> Answer:
        """Do what a call asks for, in a session of its own, which is removed at once if that fails.

        Raises:
            IntarsiaError: an argument is wrong, or it cannot be done.
            Cancelled: `on_progress` did.
        """
        session = self.store.join(None)
        try:
            answer = self.work[tool.name](session, arguments, on_progress)
        except BaseException:
            self.store.discard(session.token)
            raise
        self.store.leave(session.token)
        return answer

    def edit(self, session: Session, given: Mapping[str, Any], on_progress: OnProgress) -> Answer:
        photo = self.photo(given["photo"], session)
        words = {name: given[name] for name in ("source", "prompt") if given.get(name)}
        settings = {**(given.get("settings") or {}), **words}
        record = edit_service.build_record(
            photo, settings, self.store, box=given.get("box"), mask=self.mask(given.get("mask"), photo, session)
        )
        folder = edit_service.run_session_edit(session, self.store, record, on_progress, lambda value: None)
        return self.answer(session, folder, given)

    def remove(self, session: Session, given: Mapping[str, Any], on_progress: OnProgress) -> Answer:
        photo = self.photo(given["photo"], session)
        wish = {
            **(given.get("settings") or {}),
            "box": given.get("box") or [],
            "object": given.get("object") or [],
            "find": given.get("find") or [],
        }
        record = removal_record(self.store, photo, wish, self.mask(given.get("mask"), photo, session))
        return self.answer(session, self.removing.remove(session, record, on_progress), given)

    def find(self, session: Session, given: Mapping[str, Any], on_progress: OnProgress) -> Answer:
        names, marks = (texts(given, name) for name in ("names", "object"))
        facts = found_objects(self.arranging, session, self.photo(given["photo"], session), names, marks)
        scene = source_path(session, facts["scene"].partition("/")[2])
        return Answer(picture=scene / SCENE_FILES["overlay"], facts=facts)

    def arrange(self, session: Session, given: Mapping[str, Any], on_progress: OnProgress) -> Answer:
        wish = {"scene": given["scene"], "moves": given["moves"]}
        record = read_request(self.arranging, session, None, wish)
        return self.answer(session, self.arranging.arrange(session, record, on_progress), given)

    def answer(self, session: Session, folder: Path, given: Mapping[str, Any]) -> Answer:
        """A result that was written into a folder."""
        lead = lead_record(folder)
        document = json.loads(lead.read_text(encoding="utf-8"))
        facts = {"result": f"{session.token}/{folder.name}", **{k: document.get(k) for k in ("notes", "record")}}
        return Answer(picture=lead.with_suffix(".png"), facts=facts, full=bool(given.get("full")))

    def mask(self, text: Any, photo: Path, session: Session) -> Path | None:
        """A mask that a call gives, in the session's folder and at the photo's size; None without one."""
        if not text:
            return None
        shape = read_photo(photo)
        marked = read_mask(self.picture(text, session), shape.size, orientation=shape.orientation)
        return write_mask(marked, session)

    def photo(self, text: str, session: Session) -> Path:
        """A photo that a call gives, in the session's folder.

        Raises:
            RecordError: it names a file of this machine, or an address.
            PictureError: it is no picture.
        """
        return take_photo(self.picture(text, session), session)

    def picture(self, text: str, session: Session) -> Path:
        """The file of a picture that a call gives, which may be no picture."""
        named = RESULT_NAME.fullmatch(text.strip())
        if named is not None:
            return self.earlier(named[1], named[2])
        if self.pictures is not None and (file := within(self.pictures, text)) is not None:
            return file
        content = decoded(text)
        if content is None:
            path = "" if self.pictures is None else ", or a path within the folder that this server was given"
            raise RecordError(
                "What came is no picture: send its content as base64 or a data URL, or the name of an earlier "
                f"result{path}. Other files of the server, and addresses, are not looked at."
            )
        file = session.new_folder("upload") / "picture"
        file.write_bytes(content)
        return file

    def earlier(self, token: str, name: str) -> Path:
        """The picture of an earlier result."""
        owner = self.store.sessions.get(token)
        if owner is None:
            raise RecordError("That result is not here any more: send the picture itself.")
        return lead_record(result_folder(owner, name)).with_suffix(".png")


def texts(given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """An argument that lists texts; none where it is left out.

    Raises:
        RecordError: it lists something else.
    """
    values = given.get(name) or []
    if not all(isinstance(value, str) and value.strip() for value in values):
        raise RecordError(f"{name} must be texts, one for each object: cat, potted plant.")
    return tuple(values)


def within(folder: Path, text: str) -> Path | None:
    """The file of a path within a folder; None for anything else, links that lead out included."""
    if "\0" in text or len(text) > 4096:
        return None
    try:
        file = (folder / text).resolve()
        return file if file.is_relative_to(folder) and file.is_file() else None
    except (OSError, RuntimeError):
        return None


def decoded(text: str) -> bytes | None:
    """The content of base64 or of a data URL; None of anything else."""
    prefix = DATA_URL.match(text)
    letters = "".join(text[prefix.end() if prefix else 0 :].split())
    if prefix is None and len(letters) < SHORTEST_BASE64:
        return None
    try:
        return base64.b64decode(letters, validate=True)
    except (binascii.Error, ValueError):
        return None


def shown(answer: Answer) -> tuple[str, str]:
    """The picture of an answer as base64, and its media type."""
    photo = read_photo(answer.picture)
    if answer.full or max(photo.size.width, photo.size.height) <= PREVIEW_SIDE:
        return base64.b64encode(answer.picture.read_bytes()).decode(), "image/png"
    small = photo.as_image()
    small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    kind, media = ("JPEG", "image/jpeg") if small.mode == "RGB" else ("PNG", "image/png")
    small.save(stream, kind, quality=90)
    return base64.b64encode(stream.getvalue()).decode(), media
