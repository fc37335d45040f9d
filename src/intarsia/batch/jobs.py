"""Lists of jobs: JSON Lines of records, the published method's images.json, CSV, or a folder of pictures.

A job that cannot be read is a job all the same, with one sentence that says why; the others are done.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from intarsia.batch.cells import all_settings, read_cell, setting_types
from intarsia.batch.entries import KINDS, PICTURE, RECORDS, Entry, Kind, named
from intarsia.batch.folder import find_pictures
from intarsia.batch.groups import nested, with_defaults
from intarsia.batch.identity import as_listed, digest, drawn_seed, identity, real_path
from intarsia.batch.json_lists import read_json, read_json_lines
from intarsia.batch.list_text import SPREADSHEETS, read_list_text
from intarsia.batch.tables import names_photo, read_table
from intarsia.errors import IntarsiaError, RecordError, Remedy, Setting
from intarsia.file_names import safe_name
from intarsia.files import file_digest
from intarsia.notes import note
from intarsia.places import in_list, no_file
from intarsia.records.inputs import PATH_SETTINGS, Record, input_files, split_mask, with_files
from intarsia.records.remove import describe_removed
from intarsia.records.serialize import from_json, shortened
from intarsia.records.weighted_prompt import without_weights

LONGEST_NAME = 60
SHOWN = 160  # characters of a job's words

Digests = dict[str, tuple[int, int, str]]
"""Size, time of the last change and sha256 of files, by their paths."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One picture to make.

    Attributes:
        id: a digest of its record and of the content of its inputs, where it could be read.
        number: its place in the list, from 1.
        kind: which command does it.
        photo: the picture as the list names it, for people.
        words: what is asked for, for people.
        folder: where its results go, below the output folder.
        record: with paths that exist from any folder; None where there is a problem.
        problem: why it cannot be done, in one sentence of the command line; else empty.
        error: the same with its remedies as data, where it was raised as an error.
        former: ids that it had before names of pictures were brought into one form.
    """

    id: str
    number: int
    kind: str
    photo: str
    words: str
    folder: str
    record: Record | None
    problem: str = ""
    error: IntarsiaError | None = field(default=None, compare=False, repr=False)
    former: tuple[str, ...] = ()


def read_jobs(
    file: Path,
    *,
    image_dir: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    known: Digests | None = None,
    confined: bool = True,
    reject_duplicates: bool = True,
) -> tuple[Job, ...]:
    """Read a list of jobs. What of it is left out, or read otherwise than it stands there, is noted.

    Args:
        file: JSON Lines of records, each with a "kind": edit (the default), arrange, learn or remove; JSON, a list of the
            same, or {"1.png": ["source words", "prompt"]}; CSV with the settings' names in the first row; or a
            folder, each of whose pictures is a job.
        image_dir: the folder that pictures are looked for in, and that holds all of them; by default the list's.
        settings: values for settings that a job leaves out, by their names ("steps", "search.anchors"); texts are read as
            cells of a table are.
        seed: a job that has none gets its own, drawn from this and from what it is, wherever it stands in the list.
        known: digests of inputs, from an earlier run; those that are read now are added.
        confined: whether a job whose pictures lie outside the folder has a problem.
        reject_duplicates: whether a job that repeats an earlier one has a problem.

    Raises:
        RecordError: the list itself cannot be read, or is empty; a setting for all jobs is unknown or ill-typed.
    """
    known = {} if known is None else known
    base = image_dir if image_dir is not None else (file if _is_folder(file) else file.parent)
    if not _is_folder(base):
        raise RecordError(
            f"There is no folder {base} of pictures",
            Remedy("check ", Setting("image_dir"), page="send pictures along with the list"),
        )
    shared = _shared_settings(settings or {})
    jobs: list[Job] = []
    first_of: dict[str, int] = {}
    for number, entry in enumerate(_entries(file, base, shared), 1):
        job = _read_job(entry, number, base, shared, seed, known, confined)
        if reject_duplicates and job.id in first_of:
            again = f"{job.id} {number}".encode()
            message = job.problem or (
                f"Job {number} is the same as job {first_of[job.id]}, its record and its pictures: remove it, or give "
                "it another seed."
            )
            id = hashlib.sha256(again).hexdigest()[:16]
            job = replace(job, id=id, record=None, problem=message, error=None, former=())
        else:
            first_of[job.id] = number
        jobs.append(job)
    if not jobs:
        raise RecordError(f"The list of jobs {file} is empty: give records, or pictures with their words.")
    return tuple(jobs)


Shared = dict[Kind, dict[str, Any]]
"""Settings for all jobs, as each kind of job has them."""


def _shared_settings(settings: Mapping[str, Any]) -> Shared:
    """Settings for all jobs by kind; a kind is left without those that it does not have.

    Raises:
        RecordError: no kind has one of them, or it is of the wrong type.
    """
    where = "What is set for all jobs"
    kind = settings.get("kind", "edit")
    if kind not in KINDS:
        raise RecordError(f"{where} has the kind {shortened(kind)}: choose edit, arrange, learn or remove.")
    for name in settings:
        if name != "kind" and name not in all_settings():
            from_json(RECORDS["edit"], {name: None}, where)  # says what was perhaps meant
    shared: Shared = {}
    for each in RECORDS:
        types = setting_types(each)
        own = {
            name: read_cell(name, types[name], value, where) if isinstance(value, str) else value
            for name, value in settings.items()
            if name in types
        }
        shared[each] = {**nested(own), **({"kind": KINDS[kind]} if "kind" in settings else {})}
    return shared


def _entries(file: Path, base: Path, shared: Shared) -> Iterator[Entry]:
    """The jobs of a list, one after another.

    Raises:
        RecordError: the list is missing, or not of a form that is known.
    """
    usual: Kind = shared["edit"].get("kind", "edit")
    if _is_folder(file):
        return _pictures(file, _files_for_all(shared[usual], base))
    ending = file.suffix.lower()
    form = FORMS.get(ending, "")
    other = RecordError(
        f"The list of jobs {file} ends in {ending!r}, but .jsonl, .json, .csv or a folder of pictures is expected."
    )
    if os.path.exists(file):  # noqa: PTH110  # Path.exists raises on a name that is too long
        if ending in SPREADSHEETS:
            raise RecordError(f"The list of jobs {file} is a spreadsheet's own file: save the sheet as CSV in UTF-8.")
        if not form:
            raise other
    text = read_list_text(file, table=form in ("table", "text"))
    if form == "text" and not names_photo(text):
        raise other
    # What it is counts, not what it is called.
    if form == "table" and text.lstrip().startswith(("{", "[")):
        form = "lines"
    elif form == "lines" and "{" not in text and names_photo(text):
        form = "table"
    if form in ("table", "text"):
        return read_table(text, file, usual)
    return read_json_lines(text, file.name) if form == "lines" else read_json(text, file, file.name)


FORMS = {
    **dict.fromkeys((".csv", ".tsv", ".tab"), "table"),
    ".txt": "text",  # as which spreadsheets save tables in UTF-16
    **dict.fromkeys((".jsonl", ".ndjson"), "lines"),
    ".json": "json",
}
"""Endings of lists."""


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112  # Path.is_dir raises on a name that is too long


def _pictures(folder: Path, for_all: set[Path]) -> Iterator[Entry]:
    """The pictures of a folder.

    Args:
        for_all: files that the settings for all jobs name, which are not edited themselves.

    Raises:
        RecordError: there is none.
    """
    found = find_pictures(folder)
    used = [picture for picture in found.pictures if real_path(folder / picture) in for_all]
    pictures = [picture for picture in found.pictures if picture not in used]
    if not pictures:
        reasons = found.reasons()
        raise RecordError(
            f"There is no picture to edit in {folder}{f' ({reasons})' if reasons else ''}: give PNG, JPEG or others that are read."
        )
    found.say()
    if used:
        names = named([picture.as_posix() for picture in used])
        note(f"{names} {'is' if len(used) == 1 else 'are'} used for all pictures, and not edited.")
    for picture in pictures:
        yield Entry(where=f"{PICTURE}{picture.as_posix()}", values={"photo": picture.as_posix()})


def _files_for_all(shared: Mapping[str, Any], base: Path) -> set[Path]:
    """The files that settings for all jobs name: masks and the like."""
    names = [shared[setting] for setting in PATH_SETTINGS if isinstance(shared.get(setting), str)]
    names += [split_mask(pair)[1] for pair in shared.get("masks", ()) if isinstance(pair, str)]
    return {real_path(base / name) for name in names if name and "\0" not in name}


def _read_job(entry: Entry, number: int, base: Path, shared: Shared, seed: int, known: Digests, confined: bool) -> Job:
    """One job of a list; a wrong one gets a problem instead of a record."""
    kind, photo, words = "edit", "", ""
    # What an edit left beside its picture is a job, too.
    given = entry.values.get("record")
    values = dict(given) if isinstance(given, dict) else dict(entry.values)
    try:
        kind_name = values.pop("kind", shared["edit"].get("kind", "edit"))
        name = values.pop("name", "")
        known_kind = isinstance(kind_name, str) and kind_name in KINDS
        kind = KINDS[kind_name] if known_kind else "edit"
        photo, words = describe({**shared[kind], **values, "kind": kind})
        if entry.problem:
            raise RecordError(entry.problem)
        if not known_kind:
            raise RecordError(
                f"Job {number} is of the kind {shortened(kind_name)}: choose edit, arrange, learn or remove."
            )
        if not isinstance(name, str):
            raise RecordError(f"Job {number} has the name {shortened(name)}, but a text is expected.")
        own_seed = "seed" in values or "seed" in shared[kind]
        record = _checked_record(kind, with_defaults(shared[kind], values), entry)
        placed = _with_absolute_paths(record, base, entry.where, confined)
        digests = {setting: _file_or_folder_digest(Path(path), known) for setting, path in input_files(placed).items()}
        forms = [as_listed(record, base)]
        if forms[0] != record:
            forms.append(record)
        if not own_seed:
            forms = [replace(form, seed=drawn_seed(kind, form, digests, seed)) for form in forms]
        id, *former = (digest(kind, identity(form), digests) for form in forms)
        stem = _safe_stem(name or Path(photo).stem)
        return Job(
            id=id,
            number=number,
            kind=kind,
            photo=photo,
            words=words,
            folder=f"{stem}-{id[:10]}",
            record=replace(placed, seed=forms[0].seed),
            former=tuple(former),
        )
    except (IntarsiaError, OSError, ValueError) as problem:
        id = digest("unreadable", values or entry.problem, {})
        return Job(
            id=id,
            number=number,
            kind=kind,
            photo=photo,
            words=words,
            folder=f"unreadable-{id[:10]}",
            record=None,
            problem=one_line(str(problem)),
            error=problem if isinstance(problem, IntarsiaError) else None,
        )


def _checked_record(kind: Kind, values: dict[str, Any], entry: Entry) -> Record:
    """The record of an entry.

    Raises:
        RecordError: it is wrong; the message says in which row or line.
    """
    try:
        record: Record = from_json(RECORDS[kind], values, entry.where)
    except RecordError as problem:
        if str(problem).startswith(entry.where) or not entry.counted:
            raise
        raise RecordError(f"{entry.where}: ", *problem.parts) from problem
    return record


def one_line(text: str) -> str:
    return plain_text(" ".join(text.split()))


def plain_text(text: str) -> str:
    """A text that every file and terminal takes: names of files, and JSON, may hold what is no character."""
    return text.encode("utf-8", "replace").decode()


def describe(values: Mapping[str, Any]) -> tuple[str, str]:
    """A job's picture and words, for people, whatever else is wrong with it."""
    photo, prompt, source = (values.get(name) for name in ("photo", "prompt", "source"))
    words = without_weights(str(prompt or ""))[:SHOWN]
    if source:
        words = f"{without_weights(str(source))[:SHOWN]} → {words}"
    if values.get("kind") in ("remove", "RemoveRecord"):
        words = f"remove {describe_removed(values)}"[:SHOWN]
    if not words:
        orders = ("find", "move", "to", "scale", "rotate", "flip", "copy", "remove", "front", "back", "layout", "boxes")
        words = "; ".join(f"{name} {_joined(values[name])}" for name in orders if values.get(name))[:SHOWN]
    return plain_text(str(photo or "")[:SHOWN]), plain_text(words)


def _joined(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _with_absolute_paths(record: Record, base: Path, where: str, confined: bool) -> Record:
    """The record with whole paths.

    Raises:
        RecordError: one of them leads out of the folder of pictures, or can be no file's name.
    """
    root = real_path(base)
    whole = {}
    for setting, name in input_files(record).items():
        if fault := no_file(name):
            raise RecordError(f"{where} gives {setting} as {shortened(name)}, which {fault}")
        path = real_path(root / in_list(name, str(root), home=not confined))
        if confined and path != root and root not in path.parents:
            raise RecordError(
                f"{where} gives {setting} as {shortened(name)}, which lies outside {root}",
                Remedy(
                    "move it there, or pass ",
                    Setting("image_dir"),
                    " with the folder that holds all pictures",
                    page="send it along with the list",
                ),
            )
        whole[setting] = str(path)
    return with_files(record, whole)


def _file_or_folder_digest(path: Path, known: Digests) -> str:
    """sha256 of a file, or of all files of a scene's folder; read again only where size or time changed."""
    if _is_folder(path):
        parts = sorted(p for p in path.iterdir() if p.is_file())
        return digest("folder", [p.name for p in parts], {p.name: _file_or_folder_digest(p, known) for p in parts})
    try:
        facts = path.stat()
        if not path.is_file():
            return "no file"
        size, changed, sha256 = known.get(str(path), (-1, -1, ""))
        if (size, changed) != (facts.st_size, facts.st_mtime_ns):
            sha256 = file_digest(path)
            known[str(path)] = (facts.st_size, facts.st_mtime_ns, sha256)
        return sha256
    except OSError:  # the worker that does the job will say what is wrong with it
        return "missing"


def _safe_stem(stem: str) -> str:
    """A folder's name for every system."""
    return safe_name(stem, most=LONGEST_NAME)


def by_picture(jobs: Iterable[Job]) -> list[list[Job]]:
    """Jobs in groups of one picture, in the order in which the pictures come first: they share what is computed."""
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.photo, []).append(job)
    return list(groups.values())
