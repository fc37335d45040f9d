"""How the scripts of the pages are found: their addresses, and the events that Python listens to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("gradio")
from intarsia import palette
from intarsia.web import scripts, studio


@pytest.fixture
def fresh() -> Iterator[None]:
    """The scripts are read as they lie there now, and again after the test."""
    caches = (scripts.modules, scripts.digest)
    for each in caches:
        each.cache_clear()
    yield
    for each in caches:
        each.cache_clear()


def test_scripts_that_change_get_another_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: None) -> None:
    monkeypatch.setattr(scripts, "STATIC", tmp_path)
    addresses = set()
    for name, content in (("studio", "1"), ("studio", "2"), ("dom", "1"), ("dom", "3")):
        (tmp_path / f"{name}.js").write_text(f"export const mount = {content};")
        scripts.modules.cache_clear()
        scripts.digest.cache_clear()
        addresses.add(scripts.loading("studio", ()))
    assert len(addresses) == 4, "a module that another one imports counts, too"


def test_a_script_that_is_not_there_is_our_own_mistake() -> None:
    with pytest.raises(KeyError, match=r"paint\.js"):
        scripts.loading("paint", ())


def test_what_a_page_imports_can_be_mounted() -> None:
    assert b"export function mount(" in scripts.modules()["studio.js"]


def test_modules_import_only_each_other() -> None:
    for name, content in scripts.modules().items():
        for found in re.findall(r'^.*\bfrom "(.+)";$', content.decode(), re.MULTILINE):
            assert found.removeprefix("./") in scripts.modules(), f"{name} imports {found}"


def test_what_python_listens_to_is_triggered() -> None:
    scripted = b"".join(scripts.modules().values()).decode()
    assert set(re.findall(r'\.(?:tell|ask|run)\("(\w+)"', scripted)) == set(studio.EVENTS)


def test_all_styles_are_on_the_page() -> None:
    assert {file.stem for file in scripts.STATIC.glob("*.css")} == set(scripts.STYLES)


def test_styles_use_colours_of_the_palette_alone() -> None:
    """Whites and shadows over pictures aside, which are no theme's."""
    known = {f"--page-{name}" for name in (*palette.LIGHT, *palette.FIXED)}
    used = set(re.findall(r"var\((--page-[\w-]+)\)", scripts.styles()))
    assert used and used <= known
    assert not re.findall(r"#[0-9a-f]{6,8}\b", scripts.styles())
    assert set(palette.LIGHT) == set(palette.DARK)


@pytest.mark.parametrize(
    ("selectors", "written"),
    [
        ("a, b", "a, b"),
        (".x:is(a, b) c", ".x:is(a) c, .x:is(b) c"),
        (":is(a, b):is(c, d)", ":is(a):is(c), :is(a):is(d), :is(b):is(c), :is(b):is(d)"),
        (".x:not(.y) > :is(a, .b), c", ".x:not(.y) > :is(a), .x:not(.y) > :is(.b), c"),
        ("input:is([type='a'])", "input:is([type='a'])"),
    ],
)
def test_lists_of_selectors_are_written_out(selectors: str, written: str) -> None:
    assert scripts.without_lists(selectors) == written


def test_no_style_sheet_has_a_list_that_gradio_would_divide() -> None:
    assert not re.search(r":(?:is|where|not|has)\([^()]*,", scripts.styles())
