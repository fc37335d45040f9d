"""Inputs that failed once, made by code; every run begins with them."""

from __future__ import annotations

import io
import json
import random
import sqlite3
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

from PIL import Image

from trust.fuzz_cases import BOX, OUT, Case, photo
from trust.fuzz_seeds import picture_seeds, png_chunk, saved, scene, tiff
from trust.fuzz_weights import CONCEPTS, WEIGHTS, document, draft, ledger, packed, weights_file

DEEP = b'{"a":' * 100_000
HUGE = "9" * 400
LONGER_THAN_PYTHON_READS = "9" * 5000


def weights(kind: str, **texts: str) -> Case:
    """A file of weights with other texts in its header; an empty one is left out."""
    tensors, metadata = WEIGHTS[kind]
    told = {key: text for key, text in {**(metadata or {}), **texts}.items() if text}
    return Case(
        format="weights", reader=kind, files={"a.safetensors": packed(*weights_file(tensors, told))}, how=str(texts)
    )


def record(data: bytes, reader: str = "record") -> Case:
    return Case(format="records", reader=reader, files={"photo.json": data, "photo.png": photo()}, how="record")


def changed(values: dict[str, Any], **others: Any) -> bytes:
    return json.dumps({**values, "record": {**values["record"], **others}}).encode()


def texts(reader: str, text: str) -> Case:
    files = {f"{reader}.json": text.encode(), "photo.png": photo()}
    return Case(format="layouts", reader=reader, files=files, how=text[:40])


def spoilt_ledger(order: str) -> Case:
    """A ledger in which something else was written."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "ledger.sqlite"
        file.write_bytes(ledger(0))
        connection = sqlite3.connect(file, isolation_level=None)
        connection.execute(order)
        connection.close()
        data = file.read_bytes()
    return ledger_case(data, order)


def ledger_case(data: bytes, how: str) -> Case:
    files = {"ledger.sqlite": data, "photo.png": photo()}
    return Case(format="ledgers", reader="ledger", files=files, argv=("batch", "--status", "."), how=how)


def kept_draft(**others: Any) -> Case:
    data = json.dumps({**draft(), **others}).encode()
    return Case(format="drafts", reader="draft", files={"draft.json": data, "photo.png": photo()}, how=str(others))


def malformed() -> bytes:
    """A ledger whose second page is noise."""
    data = ledger(0)
    return data[:4096] + random.Random(1).randbytes(2048) + data[6144:]


def picture(name: str, data: bytes, reader: str = "photo") -> Case:
    return Case(format="pictures", reader=reader, files={name: data}, how="picture")


def spoilt_tiff(packing: str, mode: str = "RGB") -> bytes:
    """A TIFF of a packing, whose packed pixels are noise."""
    data = saved(scene(mode), "TIFF", compression=packing)
    start = int(Image.open(io.BytesIO(data)).tag_v2[273][0])  # type: ignore[attr-defined]
    return data[:start] + random.Random(3).randbytes(60) + data[start + 60 :]


def noisy_jpeg() -> bytes:
    """A JPEG with noise in the middle of its pixels."""
    data = picture_seeds()["JPEG"][0]
    middle = data.index(b"\xff\xda") + (len(data) - data.index(b"\xff\xda")) // 2
    return data[:middle] + random.Random(5).randbytes(40) + data[middle:]


def entry_changed(data: bytes, tag: int, kind: int, count: int, value: int) -> bytes:
    """A little-endian TIFF with another entry of a tag."""
    start = int.from_bytes(data[4:8], "little") + 2
    place = next(p for p in range(start, len(data), 12) if data[p : p + 2] == tag.to_bytes(2, "little"))
    return data[:place] + struct.pack("<HHII", tag, kind, count, value) + data[place + 12 :]


def packed_text(length: int) -> bytes:
    return png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(length), 9))


PNG_HEAD = b"\x89PNG\r\n\x1a\n"

KEPT: dict[str, Case] = {
    "PNG of a chunk without a name": picture("a.png", photo()[:33] + bytes(12) + photo()[33:]),
    "PNG of a spoilt checksum": picture("a.png", photo()[:29] + b"\0\0\0\0" + photo()[33:]),
    "PNG of an empty header": picture("a.png", PNG_HEAD + png_chunk(b"IHDR", b"") + photo()[33:]),
    "PNG without a header": picture("a.png", PNG_HEAD + photo()[33:]),
    "PNG of many texts that unpack to much": picture(
        "a.png", photo()[:33] + packed_text(16_000_000) * 300 + photo()[33:]
    ),
    "PNG of a text whose keyword is several lines": picture(
        "a.png", photo()[:33] + png_chunk(b"tEXt", b"HTTP/1.1 200 OK\r\n\r\nCopyright\0mine") + photo()[33:], "written"
    ),
    "JPEG with noise in its pixels, edited": picture("a.jpg", noisy_jpeg(), "written"),
    "JPEG cut within its header": picture("a.jpg", picture_seeds()["JPEG"][0][:4]),
    "archive named as a picture": picture("a.png", b"PK\3\4" + bytes(60)),
    "mask whose name is no text": Case(
        format="settings",
        reader="flags",
        files={"photo.png": photo()},
        argv=("remove", "photo.png", *BOX, "--avoid", "\udc80", *OUT),
        how="name",
    ),
    "TIFF of spoilt LZW": picture("a.tif", spoilt_tiff("tiff_lzw")),
    "TIFF of spoilt PackBits": picture("a.tif", spoilt_tiff("packbits")),
    "TIFF of a spoilt fax": picture("a.tif", spoilt_tiff("group4", "1")),
    "TIFF of many samples": picture("a.tif", entry_changed(tiff(), 277, 3, 1, 15)),
    "TIFF of a tag with too many values": picture("a.tif", entry_changed(tiff(), 284, 3, 256, 8)),
    "TIFF of a next page that is itself": picture("a.tif", tiff()[:-22] + (8).to_bytes(4, "little") + tiff()[-18:]),
    "TIFF cut within its header": picture("a.tif", tiff()[:6]),
    "GGUF that is cut off": Case(
        format="weights", reader="denoiser", files={"a.gguf": b"GGUF\3\0\0\0" + bytes(9)}, how="cut"
    ),
    "delta of a later pickle": Case(
        format="weights", reader="concepts", files={"a.bin": b"\x80\x04\x95" + bytes(40)}, how="pickle"
    ),
    "ONNX that is cut off": Case(format="weights", reader="network", files={"a.onnx": b"\x08\x07\x12"}, how="cut"),
    "delta that is no archive": Case(format="weights", reader="concepts", files={"a.bin": b"PK\x03\x04x"}, how="cut"),
    "concepts whose header is a number": Case(
        format="weights", reader="concepts", files={"a.safetensors": packed({"__metadata__": 1}, b"")}, how="number"
    ),
    "concepts without names": weights("concepts", names=""),
    "concepts whose names are no JSON": weights("concepts", names="x"),
    "concepts whose names are numbers": weights("concepts", names="[1]"),
    "concepts of more names than tokens": weights("concepts", names='["cat", "dog"]'),
    "concepts without a model": weights("concepts", model=""),
    "concepts whose versions are a list": weights("concepts", versions="[]"),
    "concepts without tokens": Case(
        format="weights",
        reader="concepts",
        files={"a.safetensors": packed(*weights_file({"other": (2, 2)}, CONCEPTS))},
        how="no tokens",
    ),
    "region network without its weights": weights("regions"),
    "region network of huge widths": weights("regions", shape="[1000000000, 1000000000]"),
    "region network of widths that are words": weights("regions", shape='["a", "b"]'),
    "region network without widths": weights("regions", shape=""),
    "record of a kind that is a list": record(changed(document(), kind=["EditRecord"])),
    "record nested without end": record(DEEP),
    "history with one nested without end": record(DEEP, "history"),
    "jobs of a photo with an endless name": Case(
        format="jobs",
        reader="jobs",
        files={"jobs.jsonl": json.dumps({"kind": "remove", "photo": "n" * 5000, "box": ["1,1,9,9"]}).encode()},
        how="name",
    ),
    "checkpoint of a token that is a list": Case(
        format="checkpoints",
        reader="loaded",
        files={"tokenizer/special_tokens_map.json": b'{"unk_token": []}'},
        how="list",
    ),
    "autoencoder of a number that is a word": Case(
        format="checkpoints",
        reader="loaded",
        files={"vae/config.json": b'{"_class_name": "AutoencoderKL", "norm_num_groups": "eight"}'},
        how="word",
    ),
    "merges of what nobody can print": Case(
        format="checkpoints",
        reader="folder",
        files={"tokenizer/merges.txt": b"#version: 0.2\ne \x10\0\0\0\n"},
        how="merges",
    ),
    "boxes of a number beyond floats": texts("boxes", f'{{"cat": [0, 0, {HUGE}, 40]}}'),
    "boxes of a number of thousands of digits": texts("boxes", f'{{"cat": [0, 0, {LONGER_THAN_PYTHON_READS}, 40]}}'),
    "colours of a number of thousands of digits": texts("key", f'{{"cat": {LONGER_THAN_PYTHON_READS}}}'),
    "colours of a long list": texts("key", json.dumps({"cat": ["photo.png"] * 300})),
    "ledger without a column": spoilt_ledger("ALTER TABLE jobs DROP COLUMN words"),
    "ledger with a state of its own": spoilt_ledger("UPDATE jobs SET state = 'words'"),
    "ledger whose seconds are words": spoilt_ledger("UPDATE jobs SET state = 'done', seconds = 'words'"),
    "ledger whose facts are no JSON": spoilt_ledger("UPDATE jobs SET facts = '['"),
    "ledger of a spoilt schema": ledger_case(
        ledger(0).replace(b"CREATE TABLE jobs", b"CREATE TABLE jo\x02'"), "schema"
    ),
    "ledger of noise": ledger_case(malformed(), "noise"),
    "draft nested without end": Case(
        format="drafts", reader="draft", files={"draft.json": DEEP, "photo.png": photo()}, how="deep"
    ),
    "draft of steps without names": kept_draft(steps=[{"small": False}]),
    "draft of steps that are a number": kept_draft(steps=5),
    "draft of a step that is gone": kept_draft(),
}
