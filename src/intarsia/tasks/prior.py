"""Prior pictures of a class, from words to files; an interrupted run goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from intarsia.errors import Cancelled, OutputError, PictureError, Remedy, Setting
from intarsia.files import check_absent
from intarsia.imaging.read import read_text_chunk
from intarsia.imaging.write import write_photo
from intarsia.layout.cache import key_of
from intarsia.layout.prior import prior
from intarsia.notes import collecting
from intarsia.progress import OnProgress
from intarsia.results.staging import check_folder, safe_stem
from intarsia.tasks.scene import LoadBackbones

PRIOR_CHUNK = "intarsia-prior"
"""Text chunk of a prior picture: the key of everything that it depends on, by which a later run knows it."""


@dataclass(frozen=True, kw_only=True)
class PriorTaskResult:
    """The prior pictures of one class.

    Attributes:
        files: all of them, in the order of their seeds.
        before: how many of them an interrupted run had left.
        models: name of the checkpoint that painted them.
        notes: what their user should know, a sentence each.
    """

    files: tuple[Path, ...]
    before: int
    models: str
    notes: tuple[str, ...] = ()


@collecting
def run_prior(
    words: str,
    count: int,
    out: Path,
    load: LoadBackbones,
    *,
    models: str,
    seed: int,
    steps: int,
    guidance: float,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> PriorTaskResult:
    """Paint pictures of a class and write each as soon as it is finished.

    Args:
        words: what they show.
        count: how many.
        out: folder to write to; pictures of several classes may lie in one.
        load: loads the networks.
        models: checkpoint to paint with.
        seed: of the first picture's noise; the next ones follow upward.
        steps: of denoising, for each picture.
        guidance: classifier-free guidance scale; 1 turns it off.
        overwrite: replace files of the same names.
        on_progress: called after every denoising step; may raise `Cancelled`.

    Raises:
        OutputError: a picture of other settings has one of the names.
        Cancelled: what was finished before stays, and the same call goes on from there.
    """
    stem = safe_stem(Path(f"{words}.png"))
    check_folder(out)
    files = tuple(out / f"{stem}-{k:04d}.png" for k in range(1, count + 1))
    for file in files:
        if _read_key(file) is None:
            check_absent(file, overwrite)
    backbones = load(models)
    how = (words, steps, guidance, backbones.cache_key)
    keys = [key_of("prior", *how, seed + k) for k in range(count)]
    before = done = _count_finished(files, keys, overwrite=overwrite)
    try:
        for picture in prior(
            words, count, backbones, seed=seed, steps=steps, guidance=guidance, begin=before, on_progress=on_progress
        ):
            write_photo(picture, files[done], text={PRIOR_CHUNK: keys[done]}, overwrite=overwrite)
            done += 1
    except (KeyboardInterrupt, Cancelled):
        if not done:
            raise
        noun = "picture" if count == 1 else "pictures"
        raise Cancelled(
            f"stopped; {done} of {count} {noun} are in {out}: the same command goes on from there."
        ) from None
    return PriorTaskResult(files=files, before=before, models=backbones.name)


def _count_finished(files: Sequence[Path], keys: Sequence[str], *, overwrite: bool) -> int:
    """How many of the first prior pictures an interrupted run of the same settings has left.

    Raises:
        OutputError: a picture after them would be replaced unasked.
    """
    found = [_read_key(file) for file in files]
    count = next((k for k, (key, wanted) in enumerate(zip(found, keys, strict=True)) if key != wanted), len(keys))
    for file in files[count:]:
        if file.exists() and not overwrite:
            raise OutputError(
                f"{file} is there already, made with other settings or another model",
                Remedy("pass the same ones to go on with it"),
                Remedy(Setting("overwrite", True), " to replace it"),
                Remedy("another folder with ", Setting("out")),
            )
    return count


def _read_key(file: Path) -> str | None:
    """What a prior picture says that it was made of; None where there is none, or another picture."""
    try:
        return read_text_chunk(file, PRIOR_CHUNK) if file.is_file() else None
    except PictureError:
        return None
