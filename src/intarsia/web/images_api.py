"""The images API: GET /v1/models and POST /v1/images/edits, in the shape that clients of such APIs know."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from intarsia.errors import Cancelled, IntarsiaError, ModelError, RecordError
from intarsia.imaging.masks import Mask, read_mask
from intarsia.imaging.read import read_photo, read_text_chunk
from intarsia.imaging.write import write_photo
from intarsia.progress import OnProgress
from intarsia.records.edit import EditRecord
from intarsia.results.staging import safe_stem
from intarsia.web import edit_service
from intarsia.web.api import edit_settings
from intarsia.web.doors import Access, sentence_for
from intarsia.web.error_messages import FOLDERS
from intarsia.web.mask_uploads import write_mask
from intarsia.web.patience import TooSlowError
from intarsia.web.result_store import lead_record, pictures_in
from intarsia.web.security import TooLargeError, api_error
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.turns import QueueFullError, Turns
from intarsia.web.uploads import take_photo

MAX_PICTURES = 10
"""Pictures that one request may ask for."""
MAX_FILE_BYTES = 100 << 20
"""Bytes of one file, as on the pages."""
MAX_FILES, MAX_FIELDS, MAX_FIELD_BYTES = 20, 60, 1 << 20
"""Parts of one request: files, other fields, and the bytes of one of those."""
PREPARED_AT_ONCE = 2
"""Requests whose pictures are read at the same time: each takes memory."""
SIZE = re.compile(r"auto|[1-9]\d{0,4}x[1-9]\d{0,4}")
ENDINGS = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
"""Formats of an answer."""
CLEAR = 128
"""Opacity of a mask below which a pixel is to be edited, of 255."""
CLIENT_HAS_LEFT = 499
"""Status of an answer that nobody reads."""


class FieldError(RecordError):
    """A field of a request is missing, or asks for what cannot be done.

    Attributes:
        param: its name.
        status: of the answer.
        code: by which a program tells the error, if it may want to.
    """

    def __init__(self, param: str, message: str, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.param, self.status, self.code = param, status, code


@contextlib.contextmanager
def errors_of(param: str) -> Iterator[None]:
    """Errors as those of a field."""
    try:
        yield
    except FieldError:
        raise
    except IntarsiaError as problem:
        raise FieldError(param, sentence_for(problem)) from problem


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a request asks for, beside its files.

    Attributes:
        settings: fields of an `EditRecord`.
        format: of the answer's pictures, a key of `ENDINGS`.
    """

    settings: dict[str, Any]
    format: str


class ImagesApi:
    """The routes, and the work behind them."""

    def __init__(self, store: SessionStore, turns: Turns, access: Access) -> None:
        self.store, self.turns, self.access = store, turns, access
        self.preparing = asyncio.Semaphore(PREPARED_AT_ONCE)

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/v1/models", self.models, methods=["GET"]),
            Route("/v1/images/edits", self.edits, methods=["POST"]),
        ]

    async def refused(self, request: Request) -> Response | None:
        """The answer to who may not come in; None for the others."""
        refusal = await self.access.refusal(request.headers)
        if refusal is None:
            return None
        status, said = refusal
        code, headers = ("invalid_api_key", {"www-authenticate": "Bearer"}) if status == 401 else (None, None)
        return JSONResponse(api_error(said, code=code), status_code=status, headers=headers)

    async def models(self, request: Request) -> Response:
        """The checkpoints among which programs choose, the default first."""
        if (refused := await self.refused(request)) is not None:
            return refused
        models = [
            {"id": edit_service.models_label(choice), "object": "model", "created": 0, "owned_by": "intarsia"}
            for choice in self.store.choices
        ]
        return JSONResponse({"object": "list", "data": models})

    async def edits(self, request: Request) -> Response:
        """Edit a picture by words: within a mask, or where the program finds what is meant."""
        if (refused := await self.refused(request)) is not None:
            return refused
        session = self.store.join(None)
        try:
            record, wish = await self.prepare(request, session)
            pictures, notes = await self.turns.take(
                lambda on_progress: self.paint(session, record, wish, on_progress), is_gone=request.is_disconnected
            )
        except (TooLargeError, TooSlowError):
            raise  # whoever limits the body answers
        except Exception as problem:
            return answer_for(problem)
        finally:
            await run_in_threadpool(self.store.discard, session.token)
        return JSONResponse(
            {
                "created": int(time.time()),
                "data": [{"b64_json": picture} for picture in pictures],
                "output_format": wish.format,
                "notes": notes,
            }
        )

    async def prepare(self, request: Request, session: Session) -> tuple[EditRecord, Wish]:
        """Read a request: its record, with photo and mask in the session's folder, and the rest of what it asks.

        Raises:
            FieldError: a field is wrong.
            IntarsiaError: so is the picture, the mask or a setting.
        """
        if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            raise FieldError("image", "Send the picture and the words as multipart/form-data.", status=415)
        async with request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES) as form:
            wish = read_wish(form, self.store)
            files = files_of(form)
            async with self.preparing:
                return await run_in_threadpool(self.record_of, wish, files, session), wish

    def record_of(self, wish: Wish, files: dict[str, UploadFile], session: Session) -> EditRecord:
        """Check the files, and write them into the session's folder."""
        with errors_of("image"):
            photo = take_photo(save(files["image"], "image", session), session)
        mask = None
        if "mask" in files:
            with errors_of("mask"):
                shape = read_photo(photo)
                mask = write_mask(transparent_part(save(files["mask"], "mask", session)), session)
                read_mask(mask, shape.size, orientation=shape.orientation)  # is refused now, not after the queue
        return edit_service.build_record(photo, wish.settings, self.store, mask=mask)

    def paint(
        self, session: Session, record: EditRecord, wish: Wish, on_progress: OnProgress
    ) -> tuple[list[str], list[str]]:
        """Make the edit; its pictures in base64, the best first, and its notes."""
        folder = edit_service.run_session_edit(session, self.store, record, on_progress, lambda value: None)
        pictures = pictures_in(folder)[: record.keep]
        notes = json.loads(lead_record(folder).read_text(encoding="utf-8"))["notes"]
        given = [base64.b64encode(in_format(picture, wish.format)).decode() for picture in pictures]
        return given, [FOLDERS.sub("", note) for note in notes]


# Requests


def read_wish(form: FormData, store: SessionStore) -> Wish:
    """What the fields of a request ask for.

    Raises:
        FieldError: one of them is wrong.
    """
    words = {name: value for name, value in form.items() if isinstance(value, str)}
    prompt = words.get("prompt", "").strip()
    if not prompt:
        raise FieldError("prompt", "The prompt is missing: say what the picture should become.")
    if not SIZE.fullmatch(words.get("size") or "auto"):
        raise FieldError("size", "size must be auto or WIDTHxHEIGHT; the picture keeps its own size in any case.")
    if words.get("response_format", "b64_json") != "b64_json":
        raise FieldError("response_format", "Pictures are given as b64_json alone: ask for that.")
    if words.get("stream", "false").lower() not in ("", "false", "0"):
        raise FieldError("stream", "Pictures are not sent in parts here: leave stream out.")
    format_name = words.get("output_format") or "png"
    if format_name not in ENDINGS:
        raise FieldError("output_format", f"output_format must be one of {', '.join(ENDINGS)}.")
    settings = {
        **edit_settings(words.get("source"), prompt, json_settings(words.get("record", ""))),
        "keep": count_of(words.get("n") or "1"),
        "models": choice_of(words.get("model", ""), store),
    }
    return Wish(settings=settings, format=format_name)


def count_of(text: str) -> int:
    """How many pictures are asked for.

    Raises:
        FieldError: no number that is offered.
    """
    if not re.fullmatch(r"\d{1,3}", text) or not 1 <= int(text) <= MAX_PICTURES:
        raise FieldError("n", f"n must be a whole number from 1 to {MAX_PICTURES}.")
    return int(text)


def json_settings(text: str) -> dict[str, Any]:
    """Further settings of an edit.

    Raises:
        FieldError: they are no JSON object.
    """
    if not text:
        return {}
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError):
        settings = None
    if not isinstance(settings, dict):
        raise FieldError("record", 'record must be a JSON object of settings, such as {"steps": 20}.')
    return settings


def choice_of(model: str, store: SessionStore) -> str:
    """The choice of networks that a request names, as /v1/models lists them; the default where it names none.

    Raises:
        FieldError: it is not offered.
    """
    labels = {edit_service.models_label(choice): choice for choice in store.choices}
    try:
        return edit_service.resolve_models(store, labels.get(model, model))
    except RecordError as problem:
        known = ", ".join(labels)
        raise FieldError(
            "model",
            f"The model {model[:100]!r} is not offered here: leave it out, or choose one of {known}.",
            status=404,
            code="model_not_found",
        ) from problem


def files_of(form: FormData) -> dict[str, UploadFile]:
    """The picture as "image", and the mask if there is one.

    Raises:
        FieldError: there is not exactly one picture, or something else than a file is given.
    """
    pictures = [*form.getlist("image"), *form.getlist("image[]")]
    if not pictures:
        raise FieldError("image", "No picture came: send one as image.")
    if len(pictures) > 1:
        raise FieldError("image", "One picture is edited at a time: send one as image.")
    files = {}
    for name, value in (("image", pictures[0]), ("mask", form.get("mask"))):
        if value is None or (name == "mask" and value == ""):
            continue
        if not isinstance(value, UploadFile):
            raise FieldError(name, f"{name} must be a file: its content is read, and neither a path nor an address.")
        if (value.size or 0) > MAX_FILE_BYTES:
            raise FieldError(name, f"The file is too large: {name} may have {MAX_FILE_BYTES >> 20} MB.", status=413)
        files[name] = value
    return files


def save(upload: UploadFile, name: str, session: Session) -> Path:
    """Write an upload into a folder of its own, under its own name as far as that is safe."""
    given = Path(upload.filename or name)
    ending = given.suffix if re.fullmatch(r"\.\w{1,5}", given.suffix, re.ASCII) else ""
    file = session.new_folder("upload") / (safe_stem(given) + ending)
    with file.open("wb") as stream:
        shutil.copyfileobj(upload.file, stream)
    return file


def transparent_part(file: Path) -> Mask:
    """(H, W) what a mask says is to be edited: where it is transparent.

    Raises:
        FieldError: it has no transparency, or is transparent nowhere.
        PictureError: it is no picture.
    """
    picture = read_photo(file)
    if picture.alpha is None:
        raise FieldError(
            "mask", "The mask has no transparency: send a PNG that is transparent where the picture is to be edited."
        )
    mask: Mask = picture.alpha < CLEAR
    if not mask.any():
        raise FieldError("mask", "The mask is transparent nowhere, so that nothing would be edited.")
    return mask


# Answers


def in_format(picture: Path, format_name: str) -> bytes:
    """A result's file in a format; with its record in any of them.

    Raises:
        OutputError: the format cannot hold the picture.
    """
    if format_name == "png":
        return picture.read_bytes()
    record = read_text_chunk(picture)
    text = {"intarsia": record} if record is not None else None
    target = picture.with_name(f"answer-{picture.stem}{ENDINGS[format_name]}")
    return write_photo(read_photo(picture), target, text=text).read_bytes()


def answer_for(problem: Exception) -> Response:
    """The answer to a request that failed, in the API's shape."""
    if isinstance(problem, ClientDisconnect | Cancelled):
        return JSONResponse(api_error("Stopped. Nothing was changed."), status_code=CLIENT_HAS_LEFT)
    if isinstance(problem, QueueFullError):
        said = "Too many wait for the networks: try it later."
        return JSONResponse(api_error(said, kind="server_error", code="queue_full"), status_code=503)
    if isinstance(problem, HTTPException):  # the form cannot be read
        said = f"The form cannot be read: {problem.detail.rstrip('.')}."
        return JSONResponse(api_error(said), status_code=problem.status_code)
    said = sentence_for(problem)
    if isinstance(problem, FieldError):
        error = api_error(said, param=problem.param, code=problem.code)
        return JSONResponse(error, status_code=problem.status)
    if isinstance(problem, ModelError) or not isinstance(problem, IntarsiaError):
        return JSONResponse(api_error(said, kind="server_error"), status_code=500)
    return JSONResponse(api_error(said), status_code=400)
