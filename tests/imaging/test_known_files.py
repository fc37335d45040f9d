"""Files are read and written as they were: a slip in a format, or in a sentence about it, changes one of these digests."""

from __future__ import annotations

import pytest

from tests.imaging.known_files import CASES, compared


@pytest.mark.parametrize("name", CASES)
def test_the_digests_are_those_on_record(name: str) -> None:
    got, known = compared(name)
    assert len(got) == len(known)
    assert [k for k, one in enumerate(got) if one != known[k]] == [], "parts that changed"
