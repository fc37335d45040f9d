"""Several files that appear together, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from intarsia.errors import OutputError, Remedy, Setting
from intarsia.file_names import safe_name
from intarsia.files import FORMER, cannot_write, check_absent, note_written, replace_file, stage_prefix
from intarsia.imaging.write import TickingFile
from intarsia.results.unfinished import files_in, held, note_placing, settle, take_back


def check_folder(folder: Path) -> None:
    """Raise `OutputError` where the output folder is a file, or lies in one; settle what killed processes left there."""
    for place in (folder, *folder.parents):
        if os.path.isdir(place):  # noqa: PTH112  # Path.is_dir raises on a name that is too long
            settle(folder)
            return
        if os.path.lexists(place):
            raise OutputError(
                f"{place} is a file, so nothing can be written into {folder}",
                Remedy("name a folder with ", Setting("out")),
            )


def safe_stem(photo: Path) -> str:
    """A file name for every system, from the photo's own."""
    return safe_name(photo.stem)


@contextlib.contextmanager
def staging(folder: Path, *, overwrite: bool) -> Iterator[Path]:
    """A hidden folder to write files into, which get their names in `folder` together, or not at all.

    Raises:
        OutputError: a file cannot be written; then none is there.
    """
    made_folder = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=stage_prefix(), dir=folder))
    except OSError as problem:
        raise cannot_write(folder / "NAME", problem) from problem
    try:
        with held(stage):
            yield stage
            targets = tuple(folder / file.name for file in files_in(stage))
            publish(stage, targets, overwrite=overwrite)
        note_written(targets)
    except BaseException:
        take_back(stage, folder)
        shutil.rmtree(stage, ignore_errors=True)
        if made_folder:
            with contextlib.suppress(OSError):  # somebody else has put something there meanwhile
                folder.rmdir()
        raise
    shutil.rmtree(stage, ignore_errors=True)


def publish(stage: Path, targets: tuple[Path, ...], *, overwrite: bool) -> None:
    """Move finished files to their names; `take_back` undoes it where one cannot be moved.

    Raises:
        OutputError: a name was taken meanwhile, or the disk refuses.
    """
    target = stage
    try:
        note_placing(stage, [stage / target.name for target in targets])
        for target in targets:
            check_absent(target, overwrite)
            if target.exists():
                replace_file(target, stage / f"{FORMER}{target.name}")
            replace_file(stage / target.name, target)
    except OutputError:
        raise
    except OSError as problem:
        raise cannot_write(target, problem) from problem


def mask_picture(blend: np.ndarray) -> Image.Image:
    """The blend as a grey picture. Rounded up: black means untouched, and nothing else."""
    return Image.fromarray(np.ceil(blend * 255).clip(0, 255).astype(np.uint8))


def png(picture: Image.Image) -> bytes:
    file = TickingFile()
    picture.save(file, "PNG")
    return file.getvalue()
