"""Whole files that are no pictures: weights and their headers, checkpoints' texts, ledgers, records; made by code."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import pickle
import random
import sqlite3
import struct
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from trust.fuzz_bytes import EXTREMES, extreme, mutated
from trust.fuzz_seeds import picture_seeds
from trust.fuzz_texts import LEAVES, json_changed, leaf_replaced, number_replaced


def weights_file(
    tensors: dict[str, tuple[int, ...]], metadata: dict[str, str] | None = None
) -> tuple[dict[str, Any], bytes]:
    """The header of a safetensors file of float32 numbers, and what follows it."""
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    place = 0
    for name, shape in tensors.items():
        length = 4
        for side in shape:
            length *= side
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [place, place + length]}
        place += length
    return header, struct.pack("<f", 0.25) * (place // 4)


def packed(header: dict[str, Any], body: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


CONCEPTS = {"kind": "Concepts", "names": '["cat"]', "words": '["cat"]', "model": "pocket", "versions": "{}"}

WEIGHTS: dict[str, tuple[dict[str, tuple[int, ...]], dict[str, str] | None]] = {
    "concepts": ({"embeddings": (1, 128)}, CONCEPTS),
    "regions": ({"head.0.weight": (64, 135)}, {"kind": "RegionNetwork", "shape": "[192, 128]"}),
    "lora": (
        {
            "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight": (4, 128),
            "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_B.weight": (64, 4),
        },
        {"format": "pt", "lora_adapter_metadata": '{"unet.lora_alpha": 4}'},
    ),
    "embedding": ({"emb_params": (1, 128)}, None),
    "denoiser": (
        {"conv_in.weight": (32, 4, 3, 3), "conv_in.bias": (32,), "time_embedding.linear_1.weight": (8, 8)},
        None,
    ),
    "checkpoint": (
        {
            "model.diffusion_model.input_blocks.0.0.weight": (32, 9, 3, 3),
            "first_stage_model.encoder.conv_in.weight": (32, 3, 3, 3),
            "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (16, 8),
        },
        {"format": "pt"},
    ),
}
"""Tensors and texts of files of weights, by what they are for."""


@functools.cache
def region_network() -> bytes:
    """A whole region network of the pocket models' widths."""
    from intarsia.regions.network import RegionNetwork

    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "network.safetensors"
        RegionNetwork(192, 128).save(file)
        return file.read_bytes()


def weights_changed(kind: str, rng: random.Random) -> tuple[bytes, str]:
    """A file of weights, changed, and how."""
    tensors, metadata = WEIGHTS[kind]
    header, body = weights_file(tensors, metadata)
    whole = region_network() if kind == "regions" and rng.random() < 0.5 else packed(header, body)
    how = rng.choice(("leaf", "number", "texts", "texts", "json", "length", "body", "bytes", "bytes", "names", "whole"))
    if how == "whole":
        return whole, "whole"
    if how in ("leaf", "number"):
        change = leaf_replaced if how == "leaf" else number_replaced
        return packed(change(header, rng), body), f"header: {how}"
    if how == "texts" and metadata:
        texts = dict(metadata)
        key = rng.choice([*texts])
        texts[key] = rng.choice(
            ("", "[", "[1]", "{}", "null", '["cat", "dog"]', '"cat"', "[-1, 5]", "[1e9, 1e9]", "x", "\0")
        )
        return packed({**header, "__metadata__": texts}, body), "header: texts"
    if how == "json":
        text, inner = json_changed(header, rng)
        return struct.pack("<Q", len(text)) + text + body, f"header: {inner}"
    if how == "length":
        return extreme(rng, 8, "<") + whole[8:], "header: length"
    if how == "body":
        return whole[: len(whole) - rng.choice((1, 4, 100))] + rng.randbytes(rng.choice((0, 8))), "weights: body"
    if how == "names":
        name = rng.choice([key for key in header if key != "__metadata__"])
        header[rng.choice(("", "x", f"{name}.alpha", "lora_te_text_model_encoder", "a" * 3000))] = header.pop(name)
        return packed(header, body), "header: names"
    data, inner = mutated(whole, rng)
    return data, f"weights: {inner}"


def gguf_changed(rng: random.Random) -> tuple[bytes, str]:
    """A file that begins as GGUF does."""
    name = b"general.architecture"
    head = (
        b"GGUF"
        + struct.pack("<IQQ", 3, 1, 1)
        + struct.pack("<Q", len(name))
        + name
        + struct.pack("<IQ", 8, 4)
        + b"flux"
    )
    tensor = struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, 32, 0, 0)
    data, how = mutated(head + tensor + bytes(128), rng)
    if rng.random() < 0.5:
        place = rng.choice((4, 8, 16, 24))
        data = data[:place] + rng.choice(EXTREMES).to_bytes(8, "little") + data[place + 8 :]
    return data, f"gguf: {how}"


def program_changed(rng: random.Random) -> tuple[bytes, str]:
    """What is given as a network that fills gaps: archives, pickles, ONNX."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(rng.choice(("m/constants.pkl", "m/data.pkl", "words")), pickle.dumps({"a": 1}))
        archive.writestr(rng.choice(("m/code/a.py", "m/version")), "3")
    onnx = b"\x08\x07\x12\x04test\x3a\x10" + rng.randbytes(16)
    data, how = mutated(rng.choice((file.getvalue(), onnx)), rng)
    return data, f"network: {how}"


def delta_changed(rng: random.Random) -> tuple[bytes, str]:
    """The pickled tokens and weights of the published method's code."""
    import torch

    content: Any = {"unet": {"a.attn2.to_k.weight": torch.zeros(4, 4)}, "modifier_token": {"<new1>": torch.zeros(128)}}
    content = rng.choice(
        (
            content,
            {},
            [],
            {"modifier_token": rng.choice((None, {}, {"a": 1}, {1: torch.zeros(0)}))},
            {**content, "unet": None},
        )
    )
    file = io.BytesIO()
    torch.save(content, file)
    if rng.random() < 0.3:
        return file.getvalue(), "delta: other content"
    data, how = mutated(file.getvalue(), rng)
    return data, f"delta: {how}"


DOCUMENT_SEED = 7


@functools.cache
def document() -> dict[str, Any]:
    """What an edit writes beside its picture, of the photo `photo.png`, in short."""
    return {
        "intarsia": "0.1.0",
        "made_at": "2026-01-02T03:04:05+00:00",
        "picture": "photo.png",
        "record": {
            "kind": "EditRecord",
            "photo": "photo.png",
            "prompt": "a dog",
            "source": "cat",
            "models": "pocket",
            "seed": DOCUMENT_SEED,
            "steps": 2,
            "size": 32,
            "box": [10, 10, 40, 40],
            "lora": [],
            "search": {"anchors": 2, "preview_steps": [1], "survivors": [1]},
            "score": {"text": 1.0},
        },
        "chosen": 0,
        "inputs": {"photo": {"name": "photo.png", "sha256": hashlib.sha256(picture_seeds()["PNG"][0]).hexdigest()}},
        "output_sha256": "0" * 64,
        "versions": {"torch": "2.13"},
        "threads": 1,
        "candidates": [{"box": [10, 10, 40, 40], "score": 0.5}],
    }


def other_document(kind: str) -> dict[str, Any]:
    """The same of the other two records."""
    record: dict[str, Any] = {"kind": "RemoveRecord", "photo": "photo.png", "box": ["10,10,40,40"], "fill": "membrane"}
    if kind == "arrange":
        record = {
            "kind": "ArrangeRecord",
            "photo": "photo.png",
            "object": ["cat=10,6,38,42"],
            "move": ["cat=+5,0"],
            "mode": "compose",
            "fill": "membrane",
            "models": "pocket",
            "compose": {"edge": 0.01},
        }
    return {**document(), "record": record}


@functools.cache
def ledger(spoilt: int) -> bytes:
    """A ledger of two jobs; the rest of its content by a number."""
    from intarsia.batch.ledger import NAME, Ledger

    rng = random.Random(spoilt)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with Ledger.open(folder) as ledger:
            connection = ledger.connection
            for number in (1, 2):
                connection.execute(
                    "INSERT INTO jobs (id, number, kind, photo, words, folder, state, error) VALUES (?,?,?,?,?,?,?,?)",
                    (
                        str(number),
                        number,
                        "edit",
                        "photo.png",
                        "a dog",
                        f"photo-{number}",
                        "failed",
                        "No photo is there.",
                    ),
                )
            if spoilt:
                spoil_rows(connection, rng)
            connection.execute("PRAGMA journal_mode=DELETE")
        return (folder / NAME).read_bytes()


def spoil_rows(connection: sqlite3.Connection, rng: random.Random) -> None:
    """Rows as a program that writes into other people's databases leaves them."""
    values = [leaf for leaf in LEAVES if isinstance(leaf, str | int | float | None) and leaf != "\ud800"]
    values = [leaf for leaf in values if not isinstance(leaf, int) or abs(leaf) < 2**63]
    orders = (
        "UPDATE jobs SET {column} = ?",
        "UPDATE jobs SET {column} = ? WHERE id = '1'",
        "ALTER TABLE jobs DROP COLUMN {column}",
        "ALTER TABLE jobs RENAME COLUMN {column} TO other",
        "DROP TABLE jobs",
        "DROP TABLE files",
        "DELETE FROM jobs",
        "PRAGMA user_version=99",
        "INSERT INTO files VALUES ('a', 'b', NULL, 1)",
    )
    columns = (
        "number",
        "kind",
        "photo",
        "folder",
        "state",
        "attempts",
        "error",
        "began",
        "seconds",
        "score",
        "facts",
        "words",
    )
    for _ in range(rng.choice((1, 1, 2))):
        order = rng.choice((*orders[:2] * 4, *orders[2:])).format(column=rng.choice(columns))
        try:
            connection.execute(order, (rng.choice(values),) if "?" in order else ())
        except sqlite3.Error:  # the schema forbids it
            continue


def ledger_changed(rng: random.Random) -> tuple[bytes, str]:
    data = ledger(rng.randrange(1, 60))
    if rng.random() < 0.6:
        return data, "ledger: rows"
    data, how = mutated(ledger(0), rng)
    return data, f"ledger: {how}"


def draft() -> dict[str, Any]:
    """What the page keeps of a photo for a reload."""
    step = {"id": "step-0123456789abcdef", "small": False, "thumb": "thumb.jpg", "made_at": "2026", "pictures": []}
    return {
        "name": "photo.png",
        "photo": "photo-0123456789abcdef/photo.png",
        "format": "PNG",
        "suggest": {"words": ["cat"]},
        "steps": [step],
        "scenes": {},
        "saved": None,
    }
