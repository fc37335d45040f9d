"""What reads the fuzz's inputs: the package's own functions, and its commands as a whole."""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from intarsia.errors import Cancelled, IntarsiaError
from trust.fuzz_cases import Case
from trust.fuzz_seeds import COLOURS, HEIGHT, WIDTH

READ, REFUSED, EDITED = "read", "refused", "edited"
"""How an input ends."""


def main_file(case: Case) -> Path:
    return Path(next(iter(case.files)))


def read_photo_of(case: Case) -> None:
    from intarsia.imaging.read import read_photo

    read_photo(main_file(case))


def write_again(case: Case) -> None:
    """With all that the file carries, in every format, and read back."""
    from intarsia.imaging.read import read_photo
    from intarsia.imaging.write import write_photo

    photo = read_photo(main_file(case))
    for number, ending in enumerate((".png", ".jpg", ".webp", ".tif")):
        target = Path(f"../out/again-{number}{ending}")
        with contextlib.suppress(IntarsiaError):  # such as a JPEG of a transparent picture
            write_photo(photo, target, text={"intarsia": "{}"}, original=main_file(case))
            back = read_photo(target)
            assert back.size == photo.size, f"{ending} came back as {back.size}, not {photo.size}"
            if ending in (".png", ".tif"):
                assert np.array_equal(back.pixels, photo.pixels), f"{ending} came back with other pixels"


def read_text_of(case: Case) -> None:
    from intarsia.imaging.read import read_text_chunk

    read_text_chunk(main_file(case))


def thumbnail(case: Case) -> None:
    from intarsia.imaging.read import read_photo
    from intarsia.web.studio_drafts import decoded, write_thumb

    read_photo(main_file(case))  # what is sent to the page is checked so before it is kept
    write_thumb(decoded(main_file(case)), Path("../out/thumb.jpg"))


def read_mask_of(case: Case) -> None:
    from intarsia.imaging.geometry import Size
    from intarsia.imaging.masks import read_mask

    read_mask(main_file(case), Size(WIDTH, HEIGHT), invert=len(case.how) % 2 == 1, orientation=1 + len(case.how) % 8)


def read_map_of(case: Case) -> None:
    from intarsia.imaging.geometry import Size
    from intarsia.layout.colour_map import read_colour_map

    key = {name: (red, green, blue) for name, (red, green, blue) in COLOURS.items()}
    read_colour_map(main_file(case), key, Size(WIDTH, HEIGHT), tolerance=len(case.how) % 3 * 20)


def read_key(case: Case) -> None:
    from intarsia.layout.colour_map import read_colours

    read_colours(main_file(case))


@functools.cache
def small_scene() -> Any:
    from intarsia.imaging.photo import Photo
    from intarsia.layout.scene import scene_of
    from trust.fuzz_seeds import scene

    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[12:36, 16:32] = True
    return scene_of(Photo(pixels=np.array(scene())), {"cat": mask})


def read_boxes_of(case: Case) -> None:
    from intarsia.layout.layout_files import read_boxes

    read_boxes(str(main_file(case)), small_scene())


def read_record(case: Case) -> None:
    from intarsia.results.replay import read_replay

    read_replay(main_file(case))


def read_history_of(case: Case) -> None:
    from intarsia.results.history import read_history

    read_history(Path.cwd())


def read_list(case: Case) -> None:
    from intarsia.batch.jobs import read_jobs

    for job in read_jobs(main_file(case)):
        if job.problem:
            raise JobProblem(job.problem)


class JobProblem(IntarsiaError):
    """What a list of jobs says of one that cannot be done."""


def read_ledger(case: Case) -> None:
    from intarsia.batch.ledger import Ledger
    from intarsia.batch.report import Page

    with Ledger.open(Path(), create=False) as ledger:
        ledger.rows()
        ledger.counts()
        ledger.states()
        ledger.digests()
        Page(Path("../out")).write(ledger, over=True)


def read_concepts_of(case: Case) -> None:
    from intarsia.layout.concept_exchange import read_concepts

    read_concepts(main_file(case))


def read_regions(case: Case) -> None:
    from intarsia.regions.network import RegionNetwork

    RegionNetwork.load(main_file(case))


def read_lora_of(case: Case) -> None:
    from intarsia.backbones.additions import read_additions

    read_additions(loras=[f"{main_file(case)}:0.5"], model="pocket")


def read_embedding_of(case: Case) -> None:
    from intarsia.backbones.additions import read_additions

    read_additions(embeddings=[str(main_file(case))], model="pocket")


def read_denoiser(case: Case) -> None:
    from intarsia.backbones.denoiser_files import check_denoiser_file

    check_denoiser_file(main_file(case))


def read_checkpoint(case: Case) -> None:
    from intarsia.backbones.resolve import resolve

    resolve(str(main_file(case)), quiet=True)


def read_network(case: Case) -> None:
    from intarsia.backbones.network_fill import load_network_fill

    load_network_fill("lama", str(main_file(case)))


@functools.cache
def checkpoint_texts() -> dict[str, bytes]:
    """The text files of the pocket models, by their paths in the folder."""
    from intarsia.backbones.catalog import POCKET

    found = (file for file in sorted(POCKET.rglob("*")) if file.suffix in (".json", ".txt"))
    return {str(file.relative_to(POCKET)): file.read_bytes() for file in found}


def changed_checkpoint(case: Case) -> Path:
    """The pocket models with one file changed; their weights are linked."""
    from intarsia.backbones.catalog import POCKET

    place = Path("../models")
    for file in POCKET.rglob("*"):
        if file.is_file():
            target = place / file.relative_to(POCKET)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(file)
    for name, data in case.files.items():
        (place / name).unlink()
        (place / name).write_bytes(data)
    return place


def read_folder(case: Case) -> None:
    from intarsia.backbones.resolve import resolve

    resolve(str(changed_checkpoint(case)), quiet=True)


def load_folder(case: Case) -> None:
    from intarsia.backbones import load_backbones

    load_backbones(str(changed_checkpoint(case)), device="cpu")


def read_draft(case: Case) -> None:
    from intarsia.web.sessions import Session
    from intarsia.web.studio_drafts import read_drafts

    place = Path("../session")
    (place / "draft-0001").mkdir(parents=True)
    (place / "photo-0123456789abcdef").mkdir()
    (place / "draft-0001" / "draft.json").write_bytes(case.files["draft.json"])
    (place / "photo-0123456789abcdef" / "photo.png").write_bytes(case.files["photo.png"])
    for kept in read_drafts(Session(token="t", folder=place.resolve())).values():
        kept.facts()
        for base in ("", "step-0123456789abcdef", "none"):
            with contextlib.suppress(IntarsiaError):
                kept.picture(base)


READERS: dict[str, Callable[[Case], None]] = {
    "photo": read_photo_of,
    "written": write_again,
    "text": read_text_of,
    "thumb": thumbnail,
    "mask": read_mask_of,
    "map": read_map_of,
    "key": read_key,
    "boxes": read_boxes_of,
    "record": read_record,
    "history": read_history_of,
    "jobs": read_list,
    "ledger": read_ledger,
    "concepts": read_concepts_of,
    "regions": read_regions,
    "lora": read_lora_of,
    "embedding": read_embedding_of,
    "denoiser": read_denoiser,
    "checkpoint": read_checkpoint,
    "network": read_network,
    "folder": read_folder,
    "loaded": load_folder,
    "draft": read_draft,
}


class ReachedError(Cancelled):
    """Settings were read, and the work would begin."""


def reached(*_: object, **__: object) -> Any:
    raise ReachedError("read")


@functools.cache
def pocket() -> Any:
    from intarsia.backbones import load_backbones

    return load_backbones("pocket", device="cpu")


def load_or_kept(models: str, machine: Any, **added: Any) -> Any:
    """The pocket models of this process, where nothing is added to them."""
    from intarsia.backbones import load_backbones

    if models in ("auto", "pocket") and not any(added.values()):
        return pocket()
    return load_backbones(models, device="cpu", **added)


WORK = ("intarsia.tasks.edit.run_edit", "intarsia.tasks.arrange.run_arrange", "intarsia.tasks.remove.run_remove")


@contextlib.contextmanager
def commands_prepared(flags_alone: bool) -> Iterator[None]:
    """The networks stay in memory, no batch starts processes, and where asked for no work begins."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch("intarsia.cli.load_models.load", load_or_kept))
        stack.enter_context(mock.patch("intarsia.cli.batch_run.do_jobs", lambda *_, **__: None))
        for name in WORK if flags_alone else ():
            stack.enter_context(mock.patch(name, reached))
        yield


def run_command(case: Case) -> tuple[int, str, str]:
    """Exit code, output and errors of a command."""
    from intarsia.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    with commands_prepared(case.reader == "flags"), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(case.argv))
    return code, out.getvalue(), err.getvalue()
