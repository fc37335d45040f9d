"""The inputs of the fuzz: each is made from a seed and its number alone, so that one can be made again."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from trust.fuzz_bytes import mutated, splice
from trust.fuzz_chunks import bmp_changed, pieces_changed, png_bomb
from trust.fuzz_exif import directories_changed, out_of_line_changed
from trust.fuzz_seeds import COLOURS, map_seeds, mask_seeds, picture_seeds
from trust.fuzz_settings import RECORDS, as_flags, drawn
from trust.fuzz_texts import csv_changed, encoded, json_changed
from trust.fuzz_weights import (
    WEIGHTS,
    delta_changed,
    document,
    draft,
    gguf_changed,
    ledger_changed,
    other_document,
    program_changed,
    weights_changed,
)

QUICK_EDIT = ("--models", "pocket", "--steps", "2", "--size", "32", "--prompt", "a dog")
BOX = ("--box", "10,10,40,40")
OUT = ("--out", "../out")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One input.

    Attributes:
        format: what the changed file is, or was.
        reader: what reads it: a name in `fuzz_readers.READERS`, or "cli" for a command as a whole, or "flags" for one
            whose work is left out.
        files: by name; the changed one is first.
        argv: the command, where there is one.
        how: what was changed.
    """

    format: str
    reader: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    argv: tuple[str, ...] = ()
    how: str = ""


def case_of(seed: int, index: int) -> Case:
    """The input of a number."""
    rng = random.Random(f"{seed}:{index}")
    makers = [maker for maker, share in SHARES for _ in range(share)]
    # Stratified: any hundred neighbours have all formats in their shares.
    return makers[index % len(makers)](rng, seed, index // len(makers))


def photo() -> bytes:
    return picture_seeds()["PNG"][0]


def picture_changed(data: bytes, others: tuple[bytes, ...], rng: random.Random) -> tuple[bytes, str]:
    """A picture's file, changed once or more by what knows its format or by what does not."""
    hows = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        choice = rng.random()
        done: tuple[bytes, str] | None = None
        if choice < 0.6:
            done = pieces_changed(data, rng) or bmp_changed(data, rng)
            if done is None:
                changed = directories_changed(data, rng)
                done = None if changed is None else (changed, "directory")
        elif choice < 0.65:
            done = splice(data, rng.choice(others), rng), "splice"
        elif choice < 0.7:
            done = out_of_line_changed(data, rng), "out of line"
        try:
            data, how = done or mutated(data, rng)
        except struct.error:  # a piece that an earlier change left without its head
            continue
        hows.append(how)
    return data, ", ".join(hows)


def ending_by_chance(kind: str, rng: random.Random) -> str:
    right = {"PNG": "png", "JPEG": "jpg", "WebP": "webp", "TIFF": "tif", "BMP": "bmp"}.get(kind, "png")
    return right if rng.random() < 0.8 else rng.choice(("png", "jpg", "txt", "tiff", "", "PNG", "gif"))


def changed_picture(kind: str) -> Callable[[random.Random, int, int], Case]:
    def make(rng: random.Random, seed: int, number: int) -> Case:
        seeds = picture_seeds()[kind]
        if kind == "PNG" and rng.random() < 0.03:
            data, how = png_bomb(rng), "bomb of pixels"
        else:
            data, how = picture_changed(rng.choice(seeds), seeds, rng)
        name = f"photo.{ending_by_chance(kind, rng)}"
        case = Case(format=kind, reader="photo", files={name: data}, how=how)
        commands: tuple[tuple[str, ...], ...] = (
            ("edit", name, *QUICK_EDIT, *BOX, *OUT),
            ("edit", name, *QUICK_EDIT, *BOX, *OUT, "--format", "keep"),
            ("remove", name, *BOX, "--fill", "membrane", *OUT, "--format", rng.choice(("png", "keep", "jpeg", "webp"))),
            ("objects", name, "--object", "cat=10,6,38,42", *OUT),
            ("replay", name, *OUT),
        )
        reader = rng.choice(("photo",) * 6 + ("written",) * 4 + ("mask", "map", "text", "thumb") + ("cli",) * 4)
        return replace(case, reader=reader, argv=rng.choice(commands) if reader == "cli" else ())

    return make


def changed_mask(rng: random.Random, seed: int, number: int) -> Case:
    data, how = picture_changed(rng.choice(mask_seeds()), mask_seeds(), rng)
    if rng.random() < 0.1:
        data, how = rng.choice(mask_seeds()), "whole"
    files = {"mask.png": data, "photo.png": photo()}
    commands: tuple[tuple[str, ...], ...] = (
        ("edit", "photo.png", *QUICK_EDIT, "--mask", "mask.png", *OUT),
        ("edit", "photo.png", *QUICK_EDIT, *BOX, "--protect", "mask.png", *OUT),
        ("remove", "photo.png", "--mask", "mask.png", "--fill", "membrane", *OUT),
        ("remove", "photo.png", *BOX, "--avoid", "mask.png", *OUT),
        ("objects", "photo.png", "--masks", "cat=mask.png", *OUT),
    )
    reader = rng.choice(("mask", "mask", "cli"))
    return Case(
        format="masks", reader=reader, files=files, argv=rng.choice(commands) if reader == "cli" else (), how=how
    )


def changed_map(rng: random.Random, seed: int, number: int) -> Case:
    """A coloured map, its key, or boxes."""
    key = json.dumps(COLOURS).encode()
    boxes: dict[str, object] = {"cat": [20, 10, 44, 40], "background": None}
    which = rng.choice(("map", "key", "boxes"))
    if which == "map":
        data, how = picture_changed(rng.choice(map_seeds()), map_seeds(), rng)
        files = {"map.png": data, "key.json": key}
    elif which == "key":
        data, how = json_changed(COLOURS, rng)
        files = {"key.json": data, "map.png": map_seeds()[0]}
    else:
        data, how = json_changed({"cat": boxes["cat"]} if rng.random() < 0.7 else boxes, rng)
        files = {"boxes.json": data}
    marked = ("--object", "cat=10,6,38,42")
    moved = ("--mode", "compose", "--fill", "membrane", "--models", "pocket", *OUT)
    commands = {
        "map": (
            ("objects", "photo.png", "--mask", "map.png", "--colours", "key.json", *OUT),
            ("arrange", "photo.png", *marked, "--colours", "key.json", "--layout", "map.png", *moved),
        ),
        "key": (("objects", "photo.png", "--mask", "map.png", "--colours", "key.json", *OUT),),
        "boxes": (("arrange", "photo.png", *marked, "--boxes", "boxes.json", *moved),),
    }[which]
    reader = rng.choice((which, which, "cli"))
    argv = rng.choice(commands) if reader == "cli" else ()
    return Case(format="layouts", reader=reader, files={**files, "photo.png": photo()}, argv=argv, how=how)


def changed_record(rng: random.Random, seed: int, number: int) -> Case:
    """What lies beside a result, to be made again or listed."""
    command = rng.choice(("edit", "edit", "remove", "arrange"))
    values = document() if command == "edit" else other_document(command)
    if rng.random() < 0.35:
        record = rng.choice(drawn(command, rng.random() < 0.5, seed + number % 3))
        values = {**values, "record": {**values["record"], **record}}
        data, how = encoded(json.dumps(values), rng), "record by chance"
    else:
        data, how = json_changed(values, rng)
    files = {"photo.json": data, "photo.png": photo()}
    reader = rng.choice(("record", "record", "history", "cli"))
    argv = rng.choice((("replay", "photo.json", *OUT), ("history", "."))) if reader == "cli" else ()
    if argv and how == "record by chance":
        reader = "flags"  # it may ask for hours of work
    return Case(format="records", reader=reader, files=files, argv=argv, how=how)


def changed_jobs(rng: random.Random, seed: int, number: int) -> Case:
    """A list of jobs."""
    jobs = [
        {"photo": "photo.png", "prompt": "a dog", "steps": 2, "search": {"anchors": 2}},
        {"kind": "remove", "photo": "photo.png", "box": ["10,10,40,40"]},
        {"kind": "arrange", "photo": "photo.png", "object": ["cat=10,6,38,42"], "move": ["cat=+5,0"]},
    ]
    ending = rng.choice((".json", ".jsonl", ".csv", ".csv"))
    if ending == ".csv":
        rows = [
            ["photo", "prompt", "steps", "search.anchors", "sharpen", "box"],
            ["photo.png", "a dog", "2", "3", "TRUE", ""],
        ]
        rows.append(["photo.png", "größer, a cat", "4", "", "false", "[10, 10, 40, 40]"])
        data, how = csv_changed(rows, rng)
    elif ending == ".json":
        data, how = json_changed(jobs if rng.random() < 0.7 else {"photo.png": ["cat", "a dog"]}, rng)
    else:
        lines = []
        how = "jsonl"
        for job in jobs:
            line, how = json_changed(job, rng) if rng.random() < 0.5 else (json.dumps(job).encode(), how)
            lines.append(line if rng.random() < 0.2 else line.replace(b"\n", b" "))
        data = rng.choice((b"\n", b"\n", b"\r\n", b"\r", "\u2028".encode())).join(lines)
    name = f"jobs{ending if rng.random() < 0.95 else rng.choice(('', '.txt', '.JSON', '.tsv'))}"
    files = {name: data, "photo.png": photo()}
    if rng.random() < 0.5:
        return Case(format="jobs", reader="jobs", files=files, how=how)
    return Case(format="jobs", reader="cli", files=files, argv=("batch", name, *OUT), how=how)


def changed_weights(rng: random.Random, seed: int, number: int) -> Case:
    """A file of weights, of whatever kind, given where one of them is wanted."""
    kind = rng.choice([*WEIGHTS])
    data, how = weights_changed(kind, rng)
    wanted = kind if rng.random() < 0.85 else rng.choice([*WEIGHTS])
    name = "weights.safetensors"
    commands = {
        "regions": ("edit", "photo.png", *QUICK_EDIT, "--regions", name, *OUT),
        "lora": ("edit", "photo.png", *QUICK_EDIT, *BOX, "--lora", f"{name}:0.5", *OUT),
        "embedding": ("edit", "photo.png", *QUICK_EDIT, *BOX, "--embedding", f"{name}:toy", *OUT),
        "checkpoint": ("edit", "photo.png", "--models", name, "--prompt", "a dog", *BOX, *OUT),
        "concepts": (
            "arrange",
            "photo.png",
            "--object",
            "cat=10,6,38,42",
            "--move",
            "cat=+5,0",
            "--mode",
            "regenerate",
            "--steps",
            "2",
            "--size",
            "32",
            "--models",
            "pocket",
            "--concepts",
            name,
            *OUT,
        ),
    }
    reader = wanted
    argv: tuple[str, ...] = ()
    if wanted in commands and rng.random() < 0.2:
        reader, argv = "cli", commands[wanted]
    return Case(format="weights", reader=reader, files={name: data, "photo.png": photo()}, argv=argv, how=how)


def changed_program(rng: random.Random, seed: int, number: int) -> Case:
    """A quantised denoiser, a network that fills gaps, or a pickle of learned looks."""
    make, reader, name = rng.choice(
        (
            (gguf_changed, "denoiser", "a.gguf"),
            (program_changed, "network", "a.pt"),
            (delta_changed, "concepts", "delta.bin"),
        )
    )
    data, how = make(rng)
    argv: tuple[str, ...] = ()
    if reader == "network" and rng.random() < 0.3:
        reader = "cli"
        argv = ("remove", "photo.png", *BOX, "--fill", rng.choice(("lama", "migan")), "--fill-model", name, *OUT)
    return Case(format="weights", reader=reader, files={name: data, "photo.png": photo()}, argv=argv, how=how)


def changed_ledger(rng: random.Random, seed: int, number: int) -> Case:
    data, how = ledger_changed(rng)
    jobs = b'[{"photo": "photo.png", "prompt": "a dog"}]'
    files = {"ledger.sqlite": data, "photo.png": photo(), "jobs.json": jobs}
    argv = rng.choice((("batch", "--status", "."), ("batch", "jobs.json", "--out", ".")))
    return Case(format="ledgers", reader="ledger", files=files, argv=argv, how=how)


def changed_folder(rng: random.Random, seed: int, number: int) -> Case:
    """A checkpoint of which one text is changed, or a session of the page."""
    if rng.random() < 0.4:
        data, how = json_changed(draft(), rng)
        return Case(format="drafts", reader="draft", files={"draft.json": data, "photo.png": photo()}, how=how)
    from trust.fuzz_readers import checkpoint_texts

    texts = checkpoint_texts()
    name = rng.choice([*texts])
    if name.endswith(".json") and len(texts[name]) < 3000:
        data, how = json_changed(json.loads(texts[name]), rng)
    else:
        data, how = mutated(texts[name], rng)
    reader = rng.choice(("folder", "folder", "folder", "loaded"))
    return Case(format="checkpoints", reader=reader, files={name: data}, how=f"{name}: {how}")


def settings_by_chance(rng: random.Random, seed: int, number: int) -> Case:
    """A command with settings that hypothesis draws: in earnest where they ask for little, else only read."""
    command = rng.choice([*RECORDS])
    real = rng.random() < 0.5
    values = dict(rng.choice(drawn(command, real, seed)))
    needed: dict[str, dict[str, object]] = {
        "edit": {"models": "pocket", "steps": 2, "size": 32, "prompt": "a dog", "box": "10,10,40,40"},
        "remove": {"fill": "membrane", "box": ["10,10,40,40"]},
        "arrange": {"models": "pocket", "fill": "membrane", "mode": "compose", "object": ["cat=10,6,38,42"]},
    }
    if real:
        values = {**needed[command], **values}
    elif command == "edit":
        values = {"prompt": "a dog", **values}
    argv = (command, "photo.png", *as_flags(values), *OUT)
    reader = "cli" if real else "flags"
    return Case(format="settings", reader=reader, files={"photo.png": photo()}, argv=argv, how="settings by chance")


SHARES: tuple[tuple[Callable[[random.Random, int, int], Case], int], ...] = (
    (changed_picture("PNG"), 14),
    (changed_picture("JPEG"), 12),
    (changed_picture("WebP"), 6),
    (changed_picture("TIFF"), 11),
    (changed_picture("BMP"), 6),
    (changed_picture("others"), 3),
    (changed_mask, 6),
    (changed_map, 6),
    (changed_record, 8),
    (changed_jobs, 8),
    (changed_weights, 6),
    (changed_program, 2),
    (changed_ledger, 2),
    (changed_folder, 3),
    (settings_by_chance, 7),
)
"""What of a hundred inputs is of which kind."""
