"""Fixtures that several test files share: the pocket models, and tiny random ones in the same file layout."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# Before anything imports huggingface_hub, which reads it once: no test may ask the network.
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
from hypothesis import settings

from intarsia.backbones import load_backbones
from intarsia.backbones.protocols import Backbones
from intarsia.records.edit import EditRecord
from tests.slow import listed_as_slow

# The same examples at every push; others each time with `--hypothesis-profile other-examples`, as `make test-all` does.
settings.register_profile("same-examples", derandomize=True, database=None, deadline=None)
settings.register_profile("other-examples", deadline=None)
settings.load_profile("same-examples")


def pytest_configure(config: pytest.Config) -> None:
    # Of diffusers' own arithmetic between numpy and torch; nothing here can mend it.
    config.addinivalue_line("filterwarnings", "ignore:__array__ implementation:DeprecationWarning")
    config.addinivalue_line("filterwarnings", "ignore:`FluxPosEmbed` is deprecated:FutureWarning")


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow = listed_as_slow()
    for item in items:
        if item.nodeid in slow:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    # On pictures as small as those of the tests, a second thread only waits for the first.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pocket() -> Backbones:
    return load_backbones("pocket", device="cpu")


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete checkpoint of random weights, with helpers, laid out as the pocket models are."""
    from tests import tiny  # imports diffusers, which takes seconds that most tests need not wait

    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    tiny.save_checkpoint(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_backbones(tiny_models: Path) -> Backbones:
    return load_backbones(str(tiny_models), device="cpu")


@pytest.fixture(scope="session")
def families(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Backbones]:
    """Gives the networks of a random checkpoint of a family by its name, made and loaded once."""
    from tests import tiny_families

    folder = tmp_path_factory.mktemp("families")

    @functools.cache
    def load(name: str) -> Backbones:
        return load_backbones(str(tiny_families.save_family(name, folder, tiny_models)), device="cpu")

    return load


@pytest.fixture
def asked_edits(monkeypatch: pytest.MonkeyPatch) -> list[EditRecord]:
    """The records of the edits that the command line is asked for, none of which is made: their photos need not be there."""
    seen: list[EditRecord] = []

    def made(record: EditRecord, *_: Any, **__: Any) -> Any:
        seen.append(record)
        return SimpleNamespace(saved=SimpleNamespace(summary={}))

    monkeypatch.setattr("intarsia.cli.commands.edit.look_at", lambda photo, record: None)
    monkeypatch.setattr("intarsia.tasks.edit.run_edit", made)
    monkeypatch.setattr("intarsia.cli.result_lines.edit_lines", lambda done: [])
    return seen
