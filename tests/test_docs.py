"""The documentation names what there is."""

from __future__ import annotations

import dataclasses

import pytest

from intarsia.records.arrange import ArrangeRecord, ComposeSettings, GuideSettings, LearnSettings
from intarsia.records.edit import EditRecord, FitSettings, ScoreSettings, SearchSettings
from tests.paths import ROOT

REFERENCE = (ROOT / "docs" / "reference.md").read_text()


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [
        (EditRecord, ""),
        (SearchSettings, "search."),
        (ScoreSettings, "score."),
        (FitSettings, "fit."),
        (ArrangeRecord, ""),
        (ComposeSettings, "compose."),
        (GuideSettings, "guide."),
        (LearnSettings, "learn."),
    ],
)
def test_every_setting_is_in_the_reference_with_its_default(kind: type, prefix: str) -> None:
    for field in dataclasses.fields(kind):
        if dataclasses.is_dataclass(field.default):
            continue
        default = "required" if field.default is dataclasses.MISSING else repr(field.default)
        assert f"| `{prefix}{field.name}` | `{default}` |" in REFERENCE, f"docs/reference.md lacks {prefix}{field.name}"
