import pytest

from trust.figures import Figure, Part, as_markdown, written_into

PART = Part(
    name="fuzz",
    command="python -m trust fuzz",
    figures=[Figure(name="inputs", value="10,000"), Figure(name="tracebacks", value="1", bound="0", holds=False)],
    left=["corpus/x.png: KeyError"],
)


def test_a_table_tells_what_holds_and_what_does_not():
    assert "| tracebacks | 1 | 0 | **no** |" in as_markdown(PART)
    assert "- corpus/x.png: KeyError" in as_markdown(PART)
    assert not PART.holds


def test_a_table_goes_between_its_marks_alone():
    page = "before\n<!-- trust fuzz -->\nstale\n<!-- /trust fuzz -->\nafter <!-- trust kills -->k<!-- /trust kills -->"
    new = written_into(page, PART)
    assert new.startswith("before\n") and new.endswith("after <!-- trust kills -->k<!-- /trust kills -->")
    assert "stale" not in new and "tracebacks" in new
    assert written_into(new, PART) == new


def test_a_page_without_marks_is_refused():
    with pytest.raises(ValueError, match="no place for 'fuzz'"):
        written_into("nothing", PART)
