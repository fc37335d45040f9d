"""The files that records name, wherever they lie and whatever they are called."""

from __future__ import annotations

import pytest

from intarsia.records.arrange import ArrangeRecord
from intarsia.records.inputs import input_files, split_mask, with_files
from intarsia.records.serialize import from_json, to_json

MASKS = {
    "plain": ("cat=cat.png", "cat", "cat.png"),
    "a folder of a sweep": ("cat=seed=1/cat.png", "cat", "seed=1/cat.png"),
    "several signs": ("dog 1=a=b/c=d=.png", "dog 1", "a=b/c=d=.png"),
    "spaces around": (" cat = cat 1.png ", "cat", "cat 1.png"),
    "a name with a dot": ("cat.left=x.png", "cat.left", "x.png"),
    "a name of another script": ("बिल्ली=seed=1/क.png", "बिल्ली", "seed=1/क.png"),
    "a drive of Windows": (r"cat=C:\masks\seed=1\cat.png", "cat", r"C:\masks\seed=1\cat.png"),
    "a share of Windows": (r"cat=\\server\seed=1\cat.png", "cat", r"\\server\seed=1\cat.png"),
    "percent and brackets": ("cat=100%/[1].png", "cat", "100%/[1].png"),
    "a line break": ("cat=a\nb.png", "cat", "a\nb.png"),
    "a leading dash": ("cat=-x.png", "cat", "-x.png"),
}


@pytest.mark.parametrize(("text", "name", "file"), MASKS.values(), ids=MASKS)
def test_a_masks_name_ends_at_the_first_sign(text: str, name: str, file: str) -> None:
    assert split_mask(text) == (name, file)
    record = ArrangeRecord(photo="p.png", masks=(text,))
    assert input_files(record) == {"photo": "p.png", f"masks.{name}": file}
    moved = with_files(record, {"photo": "p.png", f"masks.{name}": f"/elsewhere/seed=2/{file}"})
    assert moved.masks == (f"{name}=/elsewhere/seed=2/{file}",)
    assert input_files(moved)[f"masks.{name}"] == f"/elsewhere/seed=2/{file}"
    assert from_json(ArrangeRecord, to_json(moved)) == moved


def test_all_masks_stay_when_some_move() -> None:
    record = ArrangeRecord(photo="p.png", masks=("cat=a=1/c.png", "dog=d.png", "no file", "=x.png", "dog=e.png"))
    assert input_files(record) == {"photo": "p.png", "masks.cat": "a=1/c.png", "masks.dog": "e.png"}
    moved = with_files(record, {"masks.cat": "/b=2/c.png"})
    assert moved.masks == ("cat=/b=2/c.png", "dog=d.png", "no file", "=x.png", "dog=e.png")
