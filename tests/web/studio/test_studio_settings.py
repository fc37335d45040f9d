"""The settings under the fold "Advanced": they are the records' own, and what pages send of them is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio")
from intarsia.errors import RecordError
from intarsia.records.arrange import ArrangeRecord
from intarsia.web.arrange_service import with_settings
from intarsia.web.sessions import SessionStore
from intarsia.web.studio_settings import all_fields, checked_settings


@pytest.fixture
def fields(tmp_path: Path) -> dict[str, list[dict[str, Any]]]:
    return all_fields(SessionStore(tmp_path / "visits", models="pocket"))


def test_every_field_is_the_records_own_with_its_help(fields: dict[str, list[dict[str, Any]]]) -> None:
    record, values = ArrangeRecord(photo="p"), {field["name"]: field["default"] for field in fields["arrange"]}
    assert with_settings(record, checked_settings(values, fields["arrange"])) == record
    for verb in ("change", "arrange", "remove"):
        assert all(field["help"] and field["label"] for field in fields[verb]), verb
    assert next(f["label"] for f in fields["arrange"] if f["name"] == "learn.token_steps") == "Learn token steps"


def test_numbers_are_of_the_records_kind_whatever_a_browser_sends(fields: dict[str, list[dict[str, Any]]]) -> None:
    sent = {"guidance": 3, "compose.strength": 1, "steps": 20.0, "seed": 2, "size": None}
    record = with_settings(ArrangeRecord(photo="p"), checked_settings(sent, fields["arrange"]))
    assert repr((record.guidance, record.compose.strength, record.steps, record.seed)) == "(3.0, 1.0, 20, 2)"
    assert record.size is None
    assert checked_settings({"size": ""}, fields["arrange"]) == {}


@pytest.mark.parametrize(
    ("verb", "settings", "said"),
    [
        ("arrange", {"size": "a few"}, "Size is 'a few', but must be a whole number: correct it."),
        ("arrange", {"steps": 1.5}, "must be a whole number"),
        ("arrange", {"guidance": float("nan")}, "must be a number"),
        ("remove", {"grow": "much"}, "Grow is 'much', but must be a number: correct it."),
        ("remove", {"shadows": "yes"}, "must be on or off"),
        ("change", {"preset": "best"}, "must be one of"),
        ("change", {"negative_prompt": "x" * 5000}, "a text of at most"),
        ("change", {"regions": "/etc/passwd"}, "no setting of this"),
        ("remove", {"fill_model": "/etc/passwd"}, "no setting of this"),
    ],
)
def test_wrong_settings_are_said_in_a_sentence(
    verb: str, settings: dict[str, Any], said: str, fields: dict[str, list[dict[str, Any]]]
) -> None:
    with pytest.raises(RecordError, match=said):
        checked_settings(settings, fields[verb])
