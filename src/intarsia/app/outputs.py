"""What an edit leaves on the disk: the picture with its record inside, the record beside it, the blend mask.

Names come from the photo's, never from a prompt. All files of an edit are written, or none.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import io
import json
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import intarsia
from intarsia.app.overlay import draw_overlay
from intarsia.backbones import CATALOG
from intarsia.errors import OutputError, PictureError, RecordError
from intarsia.geometry import Box, Point
from intarsia.images import (
    Photo,
    cannot_write,
    read_text_chunk,
    refuse_existing,
    write_bytes_atomically,
    write_photo,
)
from intarsia.inputs import AnyRecord, file_digest, input_files, with_files
from intarsia.records import ArrangeRecord, EditRecord, from_json, to_json
from intarsia.regions.edit import Candidate, EditResult

LONGEST_NAME = 100
KINDS: dict[str, type[EditRecord] | type[ArrangeRecord]] = {"EditRecord": EditRecord, "ArrangeRecord": ArrangeRecord}
LIBRARIES = ("torch", "diffusers", "transformers", "numpy", "pillow")


@dataclass(frozen=True, kw_only=True)
class Targets:
    """The files that one edit writes.

    Attributes:
        picture: the edited picture.
        record: how it came about, as JSON.
        mask: where it was changed; black = untouched.
        boxes: the picture that shows where it looked; None when it was not asked for.
        others: further candidates, best first.
    """

    picture: Path
    record: Path
    mask: Path
    boxes: Path | None
    others: tuple[Path, ...]

    def all(self) -> tuple[Path, ...]:
        return (self.picture, self.record, self.mask, *((self.boxes,) if self.boxes else ()), *self.others)


def plan_outputs(
    photo: Path, folder: Path, *, keep: int = 1, draw_boxes: bool = False, overwrite: bool = False
) -> Targets:
    """Choose the names and make sure, before any work, that they can be written.

    Args:
        photo: the picture that is edited; it gives the name and is never overwritten.
        folder: where to write; made when it is missing.
        keep: how many candidates are saved.
        draw_boxes: whether the overlay is saved too.
        overwrite: whether files of these names may be replaced.

    Raises:
        OutputError: a file is in the way, or the folder is a file.
    """
    stem = safe_stem(photo)
    targets = Targets(
        picture=folder / f"{stem}.png",
        record=folder / f"{stem}.json",
        mask=folder / f"{stem}.mask.png",
        boxes=folder / f"{stem}.boxes.png" if draw_boxes else None,
        others=tuple(folder / f"{stem}.{k}.png" for k in range(2, keep + 1)),
    )
    refuse_file(folder)
    for target in targets.all():
        if target.resolve() == photo.resolve():
            raise OutputError(
                f"{target} is the picture to edit and would be overwritten: name another folder with --out."
            )
        refuse_existing(target, overwrite)
    return targets


def refuse_file(folder: Path) -> None:
    """Raise `OutputError` where the output folder is a file, or lies in one."""
    for place in (folder, *folder.parents):
        if place.is_dir():
            return
        if place.exists():
            raise OutputError(f"{place} is a file, so nothing can be written into {folder}: name a folder with --out.")


def safe_stem(photo: Path) -> str:
    """A file name for every system, from the photo's own."""
    stem = re.sub(r"[^\w. ()+-]", "_", photo.stem)[:LONGEST_NAME].strip(" .-")
    return stem or "picture"


def write_outputs(
    result: EditResult, photo: Photo, targets: Targets, *, lead: int = 0, metadata: bool = True, overwrite: bool = False
) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """Write all files of an edit.

    They are written into a folder of their own first and get their names when all are safe on the disk.

    Args:
        result: the finished edit.
        photo: the picture before it.
        targets: what `plan_outputs` chose.
        lead: index of the candidate that becomes `targets.picture`.
        metadata: whether the pictures carry the record.
        overwrite: as it was planned.

    Returns:
        The content of the JSON file, and the files.

    Raises:
        OutputError: a file cannot be written; then none is there.
    """
    order = [lead, *(k for k, c in enumerate(result.candidates) if k != lead and c.photo is not None)]
    pictures = dict(zip((targets.picture, *targets.others), order, strict=False))
    made_at = now()
    facts = document(result, photo, lead, made_at)
    with staging(targets.picture.parent, overwrite=overwrite) as stage:
        for target, index in pictures.items():
            candidate = result.candidates[index]
            assert candidate.photo is not None
            text = describe(document(result, photo, index, made_at), result.record, photo) if metadata else None
            write_photo(candidate.photo, stage / target.name, text=text)
        blend = result.candidates[lead].blend
        assert blend is not None
        write_bytes_atomically(stage / targets.mask.name, png(mask_picture(blend)))
        if targets.boxes is not None:
            write_bytes_atomically(stage / targets.boxes.name, png(draw_overlay(photo, result)))
        write_bytes_atomically(stage / targets.record.name, as_json(facts))
        written = tuple(t for t in targets.all() if (stage / t.name).exists())
    return facts, written


@contextlib.contextmanager
def staging(folder: Path, *, overwrite: bool) -> Iterator[Path]:
    """A hidden folder to write files into, which get their names in `folder` together, or not at all.

    Raises:
        OutputError: a file cannot be written; then none is there.
    """
    made_folder = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".intarsia-", dir=folder))
    except OSError as problem:
        raise cannot_write(folder / "NAME", problem) from problem
    try:
        yield stage
        publish(stage, tuple(folder / file.name for file in sorted(stage.iterdir())), overwrite=overwrite)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        if made_folder:
            with contextlib.suppress(OSError):  # somebody else has put something there meanwhile
                folder.rmdir()
        raise
    shutil.rmtree(stage, ignore_errors=True)


def publish(stage: Path, targets: tuple[Path, ...], *, overwrite: bool) -> None:
    """Move finished files to their names; when one cannot be moved, everything is put back as it was.

    Raises:
        OutputError: a name was taken meanwhile, or the disk refuses.
    """
    former = {target: stage / f"former.{target.name}" for target in targets}
    placed: list[Path] = []
    try:
        for target in targets:
            refuse_existing(target, overwrite)
            if target.exists():
                target.replace(former[target])
            placed.append(target)
            (stage / target.name).replace(target)
    except BaseException as problem:
        for target in placed:
            target.unlink(missing_ok=True)
            if former[target].exists():
                former[target].replace(target)
        if isinstance(problem, OSError) and not isinstance(problem, OutputError):
            raise cannot_write(target, problem) from problem
        raise


def document(result: EditResult, photo: Photo, index: int, made_at: str) -> dict[str, Any]:
    """All that is known of an edit, as JSON values; enough to make candidate `index` again.

    Paths become absolute, so that the record can be replayed from any folder.
    """
    chosen = result.candidates[index]
    assert chosen.photo is not None
    record = with_absolute_paths(result.record)
    return {
        "intarsia": intarsia.__version__,
        "made_at": made_at,
        "record": to_json(record),
        "inputs": input_facts(record),
        "size": [photo.size.width, photo.size.height],
        "seed": chosen.seed,
        "chosen": index,
        "output_sha256": pixel_digest(chosen.photo),
        "candidates": [candidate_facts(c) for c in result.candidates],
        "anchors": [point_facts(a) for a in result.anchors],
        "cost": dataclasses.asdict(result.cost),
        "threads": torch.get_num_threads(),
        "versions": library_versions() | result.versions,
    }


def now() -> str:
    """The time as a record keeps it."""
    return datetime.now().astimezone().isoformat(timespec="milliseconds")


def as_json(facts: dict[str, Any]) -> bytes:
    return (json.dumps(facts, indent=1) + "\n").encode()


def library_versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in LIBRARIES},
    }


def input_facts(record: EditRecord | ArrangeRecord) -> dict[str, dict[str, str]]:
    """Name and digest of each file that a record was made from."""
    return {
        setting: {"name": Path(value).name, "sha256": file_digest(Path(value))}
        for setting, value in input_files(record).items()
        if Path(value).is_file()
    }


def with_absolute_paths(record: AnyRecord) -> AnyRecord:
    """The record with whole paths for what it names on this machine."""
    record = with_files(
        record, {k: str(Path(v).resolve()) if Path(v).exists() else v for k, v in input_files(record).items()}
    )
    # A folder may have the name of a catalogue entry, which is then meant.
    if record.models not in CATALOG and Path(record.models).exists():
        record = dataclasses.replace(record, models=str(Path(record.models).resolve()))
    return record


def candidate_facts(candidate: Candidate) -> dict[str, Any]:
    return {
        "box": box_facts(candidate.box),
        "anchor": point_facts(candidate.anchor) if candidate.anchor else None,
        "steps": candidate.steps,
        "seed": candidate.seed,
        "scores": {k: round(v, 6) for k, v in dataclasses.asdict(candidate.scores).items()},
    }


def box_facts(box: Box) -> list[float]:
    return [round(edge, 2) for edge in box.as_tuple()]


def point_facts(point: Point) -> list[float]:
    return [round(point.x, 2), round(point.y, 2)]


def pixel_digest(photo: Photo) -> str:
    """sha256 of the size and the RGB bytes, row by row: equal for equal pictures, whatever file holds them."""
    digest = hashlib.sha256(f"{photo.size.width}x{photo.size.height} RGB ".encode())
    digest.update(np.ascontiguousarray(photo.pixels).tobytes())
    return digest.hexdigest()


def describe(facts: dict[str, Any], record: EditRecord, photo: Photo) -> dict[str, str]:
    """What a PNG says of itself: our record, and the line of settings that other tools read."""
    settings = {
        "Steps": record.steps,
        "CFG scale": record.guidance,
        "Seed": facts["seed"],
        "Size": f"{photo.size.width}x{photo.size.height}",
        "Model": Path(record.models).name,
        "Version": f"intarsia {facts['intarsia']}",
    }
    negative = f"Negative prompt: {record.negative_prompt}\n" if record.negative_prompt else ""
    line = ", ".join(f"{name}: {value}" for name, value in settings.items())
    return {"intarsia": json.dumps(facts), "parameters": f"{record.prompt}\n{negative}{line}"}


def mask_picture(blend: np.ndarray) -> Image.Image:
    """The blend as a grey picture. Rounded up: black means untouched, and nothing else."""
    return Image.fromarray(np.ceil(blend * 255).clip(0, 255).astype(np.uint8))


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A recorded edit, ready to be made again.

    Attributes:
        record: with the photo's path as it was found.
        index: of the candidate, or of the seed's picture, that the file shows.
        output_sha256: of the pixels that were made then.
        threads: that the CPU's work was split into; sums in another order end in other last bits. None where an
            older version did not say.
    """

    record: EditRecord | ArrangeRecord
    index: int
    output_sha256: str
    threads: int | None


def read_replay(file: Path, photo: Path | None = None) -> Replay:
    """Read the record of a result, and find the files that it was made from.

    Args:
        file: a result's JSON file, or a picture that carries its record.
        photo: the photo, where it is no longer at its old place.

    Raises:
        RecordError: the file holds no record, or a damaged one; or a file it was made from has changed.
        PictureError: the photo is not to be found.
    """
    facts = read_document(file)
    fields = facts.get("record")
    if not isinstance(fields, dict):
        raise RecordError(
            f"{file} holds no record of an edit: give the NAME.json or NAME.png that intarsia edit or arrange wrote."
        )
    kind = KINDS.get(fields.get("kind", "EditRecord"))
    if kind is None:
        raise RecordError(
            f"{file} holds a record of the kind {fields['kind']!r}, which this version does not know: upgrade Intarsia."
        )
    record: EditRecord | ArrangeRecord = from_json(kind, fields, str(file))
    inputs = facts.get("inputs", {})
    index, digest = facts.get("chosen", 0), facts.get("output_sha256", "")
    if not (isinstance(inputs, dict) and type(index) is int and index >= 0 and isinstance(digest, str)):
        raise RecordError(f"{file} is damaged: 'inputs', 'chosen' or 'output_sha256' is not of the kind expected.")
    found = {
        name: str(photo if name == "photo" and photo else find_input(Path(value), file))
        for name, value in input_files(record).items()
    }
    if not Path(found["photo"]).is_file():
        raise PictureError(
            f"The photo {record.photo} that {file} was made from is not there: pass it with --photo FILE."
        )
    for name, path in found.items():
        recorded = inputs.get(name)
        if isinstance(recorded, dict) and Path(path).is_file() and file_digest(Path(path)) != recorded.get("sha256"):
            remedy = "pass the original with --photo FILE" if name == "photo" else "bring the original back"
            raise RecordError(f"{path} is not the {name} that {file} was made from (its sha256 differs): {remedy}.")
    threads = facts.get("threads")
    usable = type(threads) is int and 1 <= threads <= 4096
    return Replay(
        record=with_files(record, found), index=index, output_sha256=digest, threads=threads if usable else None
    )


def find_input(path: Path, file: Path) -> Path:
    """Where an input of a record lies now: at its path, beside the record, or in the current folder."""
    places = (path, file.parent / path, file.parent / path.name, Path(path.name))
    return next((place for place in places if place.is_file()), path)


def read_document(file: Path) -> dict[str, Any]:
    """The JSON values that a result's file carries."""
    if not file.is_file():
        raise RecordError(f"There is no file {file} to replay: check the name and the folder.")
    with file.open("rb") as opened:
        head = opened.read(16)
    if head.lstrip()[:1] == b"{":
        text: str | None = file.read_text(encoding="utf-8", errors="replace")
    else:
        try:
            text = read_text_chunk(file)
        except PictureError as problem:
            raise RecordError(
                f"{file} is neither a result's JSON file nor a picture with a record inside: "
                "give the NAME.json or NAME.png that intarsia edit or arrange wrote."
            ) from problem
    if text is None:
        raise RecordError(
            f"The picture {file} carries no record: it was not made by Intarsia, was made with --no-metadata, or "
            "was saved again by another program. Give its NAME.json instead."
        )
    try:
        facts = json.loads(text)
    except ValueError as problem:
        raise RecordError(f"{file} is not valid JSON ({problem}): it is damaged or cut off.") from problem
    if not isinstance(facts, dict):
        raise RecordError(f"{file} holds a list or a plain value, not the record of an edit.")
    return facts
