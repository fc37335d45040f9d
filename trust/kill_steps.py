"""Processes that end before each step of writing a result, the first to the last."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

import intarsia as ia
from intarsia.results.document import pixel_digest
from intarsia.results.unfinished import settle
from trust.kill_runs import (
    HALF,
    LEFT,
    LOST,
    OTHER,
    STOPPED,
    UNTOLD,
    Tally,
    contents,
    ended,
    forked,
    hidden,
    write_inputs,
)

WATCHED = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link")
"""Steps of writing, as the interpreter tells them before it takes them."""


def results(place: Path, names: tuple[str, ...]) -> Iterator[tuple[str, Any, Any]]:
    """A result of each kind that is not written yet, and another one of the same files."""
    write_inputs(place)
    photo, models = ia.read_photo(place / "photo.png"), ia.load_backbones("pocket", device="cpu")
    path = str(place / "photo.png")
    if "edit" in names:
        record = ia.EditRecord(photo=path, prompt="a dog", box=(10, 10, 60, 60), models="pocket", steps=2)
        other = ia.EditRecord(photo=path, prompt="a cat", box=(20, 20, 70, 70), models="pocket", steps=2)
        yield "edit", ia.edit(photo, record, models), ia.edit(photo, other, models)
    if "arrange" in names:
        made = []
        for move in ("thing=+24,0", "thing=-20,0"):
            told = ia.ArrangeRecord(
                photo=path, masks=(f"thing={place / 'thing.png'}",), move=(move,), models="pocket", steps=2
            )
            scene = ia.read_scene(told, photo, models.segmenter)
            made.append(ia.arrange(scene, ia.read_layout(told, scene), told, models))
        yield "arrange", made[0], made[1]
    if "remove" in names:
        boxes = ("30,30,70,70", "20,20,50,50")
        removed = [ia.remove(photo, ia.RemoveRecord(photo=path, box=(box,))) for box in boxes]
        yield "remove", removed[0], removed[1]


def ending_before(step: int, folder: Path, sent: signal.Signals) -> None:
    """Let this process end itself before its step of this number in a folder."""
    seen, own = 0, os.getpid()

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event in WATCHED and any(str(folder) in str(part) for part in arguments[:2]):
            seen += 1
            if seen == step:
                os.kill(own, sent)

    sys.addaudithook(hear)


def saving(result: Any, out: Path, step: int, sent: signal.Signals) -> Callable[[], int]:
    def perform() -> int:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if step:
            ending_before(step, out, sent)
        try:
            ia.save(result, out, overwrite=out.exists())
        except KeyboardInterrupt:
            return STOPPED
        return 0

    return perform


def settled(out: Path, former: dict[str, str], label: str, tally: Tally) -> None:
    """See that the former result is there, or nothing, or the new one whole, once what was left is settled."""
    for file in (file for file in out.iterdir() if not file.name.startswith(".")) if out.is_dir() else ():
        try:
            json.loads(file.read_text("utf-8")) if file.suffix == ".json" else Image.open(file).load()
        except (OSError, ValueError) as problem:
            tally.fault(HALF, f"{label}: {file.name} ({problem})")
    if out.is_dir():
        settle(out)
    now = contents(out)
    if now == former:
        return
    mixed = [name for name, digest in now.items() if former.get(name) == digest]
    if mixed or not {"photo.png", "photo.json", "photo.mask.png"} <= now.keys():
        tally.fault(LOST, f"{label}: {sorted(now)}, of which {mixed} are the former")
    elif fingerprint(out) != pixel_digest(ia.read_photo(out / "photo.png")):
        tally.fault(LOST, f"{label}: the record is that of another picture")


def best_of(result: Any) -> ia.Photo:
    """The picture of an edit or an arrangement that is written first."""
    photo: ia.Photo = result.photo if hasattr(result, "photo") else result.candidates[0].photo
    return photo


def fingerprint(out: Path) -> str:
    """Which result is in a folder, whole: that of its record."""
    return str(json.loads((out / "photo.json").read_text("utf-8"))["output_sha256"])


def kill_at_every_step(place: Path, tally: Tally, names: tuple[str, ...], *, every: int) -> None:
    """End processes before each step, and see that the one result or the other is there, and after the next one the new."""
    for name, result, other in results(place / "inputs", names):
        for replaces in (False, True):
            for sent in (signal.SIGKILL, signal.SIGINT):
                for step in range(1, 1000, every):
                    work = place / "work"
                    out, log = work / "out", place / "log.txt"
                    work.mkdir(parents=True)
                    if replaces:
                        ia.save(other, out)
                    former = contents(out)
                    label = f"{name}, {sent.name} before step {step}{', replacing' if replaces else ''}"
                    code = ended(forked(saving(result, out, step, sent), work, log))
                    if code == 0:
                        shutil.rmtree(work)
                        break
                    tally.count(f"{name}: ended before a step of writing")
                    if code not in (-9, STOPPED):
                        tally.fault(UNTOLD, f"{label}: ended with {code}: {log.read_text()[-300:]}")
                    settled(out, former, label, tally)
                    if ended(forked(saving(result, out, 0, sent), work, log)) != 0:
                        tally.fault(UNTOLD, f"{label}: the next one failed: {log.read_text()[-300:]}")
                    elif fingerprint(out) != pixel_digest(best_of(result)):
                        tally.fault(OTHER, label)
                    if hidden(out):
                        tally.fault(LEFT, f"{label}: {hidden(out)}")
                    shutil.rmtree(work)
