"""Lists of jobs: JSON Lines of records, the published method's images.json, CSV, or a folder of pictures.

A job that cannot be read is a job all the same, with one sentence that says why; the others are done.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal

from intarsia.errors import IntarsiaError, RecordError, Remedy, Setting
from intarsia.files import file_digest
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.edit import EditRecord
from intarsia.records.inputs import Record, input_files, with_files
from intarsia.records.remove import RemoveRecord, describe_removed
from intarsia.records.serialize import from_json, to_json
from intarsia.records.weighted_prompt import without_weights

Kind = Literal["edit", "arrange", "learn", "remove"]

KINDS: dict[str, Kind] = {
    "edit": "edit",
    "arrange": "arrange",
    "learn": "learn",
    "remove": "remove",
    "EditRecord": "edit",
    "ArrangeRecord": "arrange",
    "RemoveRecord": "remove",
}
RECORDS: dict[Kind, type[Record]]
RECORDS = {"edit": EditRecord, "arrange": ArrangeRecord, "learn": ArrangeRecord, "remove": RemoveRecord}
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
LONGEST_NAME = 60
SHOWN = 160  # characters of a job's words
LONGEST_LINE = 1 << 20  # characters; a longer one is no job

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
    """Read a list of jobs.

    Args:
        file: JSON Lines of records, each with a "kind": edit (the default), arrange, learn or remove; JSON, a list of the
            same, or {"1.png": ["source words", "prompt"]}; CSV with the settings' names in the first row; or a
            folder, each of whose pictures is a job.
        image_dir: the folder that pictures are looked for in, and that holds all of them; by default the list's.
        settings: values for settings that a job leaves out, by their names ("steps", "search.anchors").
        seed: a job that has none gets its own, drawn from this and from what it is, wherever it stands in the list.
        known: digests of inputs, from an earlier run; those that are read now are added.
        confined: whether a job whose pictures lie outside the folder has a problem.
        reject_duplicates: whether a job that repeats an earlier one has a problem.

    Raises:
        RecordError: the list itself cannot be read, or is empty.
    """
    known = {} if known is None else known
    base = image_dir if image_dir is not None else (file if file.is_dir() else file.parent)
    if not base.is_dir():
        raise RecordError(
            f"There is no folder {base} of pictures",
            Remedy("check ", Setting("image_dir"), page="send pictures along with the list"),
        )
    shared = nested(settings or {})
    jobs: list[Job] = []
    first_of: dict[str, int] = {}
    for number, entry in enumerate(_entries(file), 1):
        job = _read_job(entry, number, base, shared, seed, known, confined)
        if reject_duplicates and job.id in first_of:
            again = f"{job.id} {number}".encode()
            message = (
                f"Job {number} is the same as job {first_of[job.id]}, its record and its pictures: remove it, or give "
                "it another seed."
            )
            job = replace(job, id=hashlib.sha256(again).hexdigest()[:16], record=None, problem=message, error=None)
        else:
            first_of[job.id] = number
        jobs.append(job)
    if not jobs:
        raise RecordError(f"The list of jobs {file} is empty: give records, or pictures with their words.")
    return tuple(jobs)


Entry = dict[str, Any] | str
"""A job's fields as they were read; or, where they could not be, why."""


def _entries(file: Path) -> Iterator[Entry]:
    """The jobs of a list, one after another.

    Raises:
        RecordError: the list is missing, or not of a form that is known.
    """
    if file.is_dir():
        pictures = sorted(p for p in file.rglob("*") if p.suffix.lower() in PICTURES and p.is_file())
        return iter([{"photo": str(p.relative_to(file))} for p in pictures])
    try:
        # A mark at the beginning is what spreadsheets write.
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise RecordError(f"There is no list of jobs {file}: check the name and the folder.") from None
    except UnicodeDecodeError:
        raise RecordError(f"The list of jobs {file} is no text in UTF-8: save it as UTF-8.") from None
    except OSError as problem:
        raise RecordError(f"The list of jobs {file} cannot be read ({problem.strerror}): check the file.") from problem
    match file.suffix.lower():
        case ".jsonl" | ".ndjson":
            return _json_lines(text)
        case ".json":
            return _json_values(text, file)
        case ".csv":
            return _csv_rows(text, file)
        case other:
            raise RecordError(
                f"The list of jobs {file} ends in {other!r}, but .jsonl, .json, .csv or a folder of pictures is expected."
            )


def _json_lines(text: str) -> Iterator[Entry]:
    """JSON Lines; empty lines are left out."""
    # Not splitlines: it also splits at characters that JSON allows in strings.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        if len(line) > LONGEST_LINE:
            yield f"Line {number} has {len(line):,} characters, which is no job: check the file."
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as problem:
            yield f"Line {number} is not valid JSON ({problem}): correct it."
            continue
        yield value if isinstance(value, dict) else _not_a_record(f"Line {number}")


def _json_values(text: str, file: Path) -> Iterator[Entry]:
    """JSON: a list of records, or the published method's form."""
    try:
        values = json.loads(text, object_pairs_hook=_unique_names)
    except (ValueError, RecursionError) as problem:
        raise RecordError(f"The list of jobs {file} is not valid JSON ({problem}): correct that place.") from problem
    if isinstance(values, dict):
        for photo, words in values.items():
            if isinstance(words, list) and len(words) == 2 and all(isinstance(w, str) for w in words):
                yield {"photo": photo, "source": words[0], "prompt": words[1]}
            else:
                yield f'{photo!r} is given as {_shortened(words)}, but ["source words", "prompt"] is expected.'
    elif isinstance(values, list):
        for number, value in enumerate(values, 1):
            yield value if isinstance(value, dict) else _not_a_record(f"Entry {number}")
    else:
        raise RecordError(f"The list of jobs {file} is neither a list nor an object: give records, or pictures.")


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; one name twice would silently drop a picture."""
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands there twice")
    return values


def _csv_rows(text: str, file: Path) -> Iterator[Entry]:
    """CSV: settings' names in the first row; an empty cell leaves a setting out."""
    rows = csv.reader(text.splitlines(keepends=True), strict=True)
    head: list[str] | None = None
    try:
        for row in rows:
            if head is None:
                head = [name.strip() for name in row]
                if "photo" not in head:
                    raise RecordError(f"The first row of {file} has no column 'photo': name the settings there.")
                continue
            if not row:
                continue
            if len(row) > len(head):
                yield f"Row {rows.line_num} has {len(row)} cells, but the first row has {len(head)}: correct it."
                continue
            cells = {name: cell for name, cell in zip(head, row, strict=False) if cell.strip()}
            kind = RECORDS[KINDS.get(cells.get("kind", "edit"), "edit")]
            try:
                yield nested({name: _from_cell(kind, name, cell) for name, cell in cells.items()})
            except RecordError as problem:
                yield str(problem)
    except csv.Error as problem:
        yield f"Row {rows.line_num} is no CSV ({problem}), and neither is what follows: correct it."


def _from_cell(kind: type, name: str, cell: str) -> Any:
    """A cell's value: text for a text, JSON for all else; texts may also stand with semicolons between them."""
    for part in name.split("."):
        found = next((f for f in fields(kind) if f.name == part), None)
        if found is None:
            return cell
        if is_dataclass(found.default):
            kind = type(found.default)
    if found is not None and (str(found.type).startswith("str") or "'" in str(found.type)):
        return cell
    value = as_value(cell)
    if found is not None and str(found.type).startswith("tuple[str") and not isinstance(value, list):
        return [part.strip() for part in cell.split(";")]
    return value


def as_value(text: str) -> Any:
    """JSON where it is some, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _not_a_record(where: str) -> str:
    return f"{where} is no record: each job is settings in braces, with a photo and a prompt."


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names as groups: {"search.anchors": 3} -> {"search": {"anchors": 3}}.

    Raises:
        RecordError: a name is both a setting and a group.
    """
    result: dict[str, Any] = {}
    for name, value in values.items():
        *groups, last = name.split(".")
        place = result
        for group in groups:
            place = place.setdefault(group, {})
            if not isinstance(place, dict):
                raise RecordError(f"{name!r} is set, but {group!r} is a setting and no group.")
        place[last] = value
    return result


def with_defaults(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, and the defaults where they say nothing, group by group."""
    result = {**defaults, **values}
    for name, default in defaults.items():
        given = values.get(name)
        if isinstance(default, Mapping) and isinstance(given, Mapping):
            result[name] = with_defaults(default, given)
    return result


def _read_job(
    entry: Entry, number: int, base: Path, shared: Mapping[str, Any], seed: int, known: Digests, confined: bool
) -> Job:
    """One job of a list; a wrong one gets a problem instead of a record."""
    kind, photo, words = "edit", "", ""
    try:
        if isinstance(entry, str):
            raise RecordError(entry)
        # What an edit left beside its picture is a job, too.
        values = dict(entry["record"]) if isinstance(entry.get("record"), dict) else dict(entry)
        photo, words = describe({**shared, **values})
        kind_name = values.pop("kind", "edit")
        name = values.pop("name", "")
        if not isinstance(kind_name, str) or kind_name not in KINDS:
            raise RecordError(
                f"Job {number} is of the kind {_shortened(kind_name)}: choose edit, arrange, learn or remove."
            )
        if not isinstance(name, str):
            raise RecordError(f"Job {number} has the name {_shortened(name)}, but a text is expected.")
        kind = KINDS[kind_name]
        where = f"Job {number}"
        own_seed = "seed" in values or "seed" in shared
        record: Record = from_json(RECORDS[kind], with_defaults(_applicable(shared, kind), values), where)
        placed = _with_absolute_paths(record, base, where, confined)
        digests = {setting: _file_or_folder_digest(Path(path), known) for setting, path in input_files(placed).items()}
        if not own_seed:
            record = replace(record, seed=_drawn_seed(kind, record, digests, seed))
            placed = replace(placed, seed=record.seed)
        id = digest(kind, to_json(record), digests)
        stem = _safe_stem(name or Path(photo).stem)
        return Job(
            id=id,
            number=number,
            kind=kind,
            photo=photo,
            words=words,
            folder=f"{stem}-{id[:10]}",
            record=placed,
        )
    except (IntarsiaError, OSError, ValueError) as problem:
        id = digest("unreadable", entry, {})
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


def _applicable(shared: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """Of the settings for all jobs, those that this kind has; settings of other kinds do not disturb."""
    own = {f.name for f in fields(RECORDS[kind])}
    other = {f.name for record in (EditRecord, ArrangeRecord, RemoveRecord) for f in fields(record)} - own
    return {name: value for name, value in shared.items() if name not in other}


def _with_absolute_paths(record: Record, base: Path, where: str, confined: bool) -> Record:
    """The record with whole paths.

    Raises:
        RecordError: one of them leads out of the folder of pictures.
    """
    root = base.resolve()
    whole = {}
    for setting, name in input_files(record).items():
        if "\0" in name:
            raise RecordError(f"{where} gives {setting} as {_shortened(name)}, which is no file name.")
        path = (root / name).resolve()
        if confined and path != root and root not in path.parents:
            raise RecordError(
                f"{where} gives {setting} as {_shortened(name)}, which lies outside {root}",
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
    if path.is_dir():
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


def _drawn_seed(kind: Kind, record: Record, digests: Mapping[str, str], seed: int) -> int:
    """A seed from what a job is, so that it is the same wherever the job stands in the list and whichever worker does it."""
    values = {**to_json(record), "seed": seed}
    return int(digest(kind, values, digests), 16) % 2**32


def digest(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _safe_stem(stem: str) -> str:
    """A folder's name for every system."""
    return re.sub(r"[^\w. ()+-]", "_", stem)[:LONGEST_NAME].strip(" .-") or "picture"


def by_picture(jobs: Iterable[Job]) -> list[list[Job]]:
    """Jobs in groups of one picture, in the order in which the pictures come first: they share what is computed."""
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.photo, []).append(job)
    return list(groups.values())
