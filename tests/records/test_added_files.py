"""Files with a word behind a colon: LoRAs and their weights, wherever they lie."""

from __future__ import annotations

import pytest

from intarsia.errors import RecordError
from intarsia.records.added_files import join_path, parse_lora, split_path
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.edit import EditRecord
from intarsia.records.inputs import input_files, with_files
from intarsia.records.remove import RemoveRecord
from intarsia.records.serialize import from_json, to_json


@pytest.mark.parametrize(
    ("text", "path", "weight"),
    [
        ("style.safetensors", "style.safetensors", 1.0),
        ("style.safetensors:0.8", "style.safetensors", 0.8),
        ("style.safetensors:-1", "style.safetensors", -1.0),
        ("a folder/of one:2", "a folder/of one", 2.0),
        ("/at:home/style.safetensors", "/at:home/style.safetensors", 1.0),
        ("my:style.safetensors", "my:style.safetensors", 1.0),
        (r"C:\x.safetensors", r"C:\x.safetensors", 1.0),
        (r"C:\x.safetensors:0.8", r"C:\x.safetensors", 0.8),
        ("C:/x.safetensors:.5", "C:/x.safetensors", 0.5),
        ("C:x", "C:x", 1.0),
        (r"C:\a=b\x.safetensors:0.8", r"C:\a=b\x.safetensors", 0.8),
        ("my:STYLE.SAFETENSORS", "my:STYLE.SAFETENSORS", 1.0),
        ("my:old.pt:0.5", "my:old.pt", 0.5),
        ("v1:old.ckpt", "v1:old.ckpt", 1.0),
        (r"\\server\share\x.safetensors:0.8", r"\\server\share\x.safetensors", 0.8),
        (r"\\?\C:\x.safetensors:-0.5", r"\\?\C:\x.safetensors", -0.5),
        (r"\\?\C:\x.safetensors", r"\\?\C:\x.safetensors", 1.0),
        ("C:\\a folder", "C:\\a folder", 1.0),
        ("seed=1/x.safetensors:2", "seed=1/x.safetensors", 2.0),
        ("x 100%.safetensors:1", "x 100%.safetensors", 1.0),
    ],
)
def test_paths_and_weights_part_at_the_last_colon(text: str, path: str, weight: float) -> None:
    assert parse_lora(text) == (path, weight)
    assert join_path(*split_path(text)) == text


@pytest.mark.parametrize(
    "text", ["x.safetensors:much", "x.safetensors:nan", "x.safetensors:inf", ":0.5", "", "x.y:1e9"]
)
def test_a_weight_that_is_no_number_in_range_is_refused(text: str) -> None:
    values = {"photo": "x.png", "lora": [text]}
    for kind, needed in ((EditRecord, {"prompt": "a cat"}), (ArrangeRecord, {}), (RemoveRecord, {})):
        with pytest.raises(RecordError, match="does not read as FILE or FILE:WEIGHT"):
            from_json(kind, values | needed)


@pytest.mark.parametrize("text", ["", ":word", "x.safetensors:two words"])
def test_a_textual_inversion_has_a_path_and_one_word(text: str) -> None:
    with pytest.raises(RecordError, match="does not read as FILE or FILE:WORD"):
        EditRecord(photo="x.png", prompt="a cat", embedding=(text,))


def test_records_carry_them_and_their_paths_can_be_changed() -> None:
    record = EditRecord(photo="x.png", prompt="a cat", lora=("a.safetensors:0.5", r"C:\b.safetensors"))
    assert from_json(EditRecord, to_json(record)) == record
    assert input_files(record) == {"photo": "x.png", "lora.1": "a.safetensors", "lora.2": r"C:\b.safetensors"}
    moved = with_files(record, {"lora.1": "/there/a.safetensors", "photo": "/there/x.png"})
    assert moved.lora == ("/there/a.safetensors:0.5", r"C:\b.safetensors") and moved.photo == "/there/x.png"
