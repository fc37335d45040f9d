"""The pool: one checkpoint and one segmenter in memory, however many threads ask."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from intarsia.backbones.resolve import resolve
from intarsia.notes import collected, note
from intarsia.tasks.model_pool import ModelPool
from intarsia.tasks.options import Machine


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was loaded, in order."""
    asked: list[str] = []

    def load_segmenter(source: Any, device: str) -> Any:
        time.sleep(0.01)
        asked.append(f"segmenter of {source.name} on {device}")
        return SimpleNamespace()

    monkeypatch.setattr("intarsia.tasks.model_pool.with_caches", lambda found: found)
    monkeypatch.setattr("intarsia.tasks.model_pool.load_segmenter", load_segmenter)
    return asked


def pool(loaded: list[str], **more: Any) -> ModelPool:
    def load(models: str, *, device: str, dtype: str, vram: str) -> Any:
        time.sleep(0.01)  # long enough for other threads to come
        loaded.append(models)
        return SimpleNamespace(name=models)

    return ModelPool(Machine(device="cpu"), load=load, **more)


def test_many_threads_load_a_checkpoint_and_a_segmenter_once(loaded: list[str]) -> None:
    models, source, start = pool(loaded), resolve("pocket"), threading.Barrier(8)

    def ask(_: int) -> tuple[Any, Any]:
        start.wait()
        return models.backbones("pocket"), models.segmenter(source)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ask, range(8)))
    assert sorted(loaded) == ["pocket", "segmenter of pocket on cpu"]
    assert all(one == found[0] for one in found)


def test_another_checkpoint_takes_the_place_of_the_one_before(loaded: list[str]) -> None:
    models = pool(loaded)
    for name in ("a", "a", "b", "a"):
        assert models.backbones(name).name == name
    assert loaded == ["a", "b", "a"]


@pytest.mark.slow
def test_another_lora_or_weight_or_content_is_another_checkpoint(loaded: list[str], tmp_path: Path) -> None:
    asked: list[Any] = []

    def load(models: str, *, lora: Any = (), **_machine: Any) -> Any:
        asked.append(lora)
        return SimpleNamespace(name=models)

    file = tmp_path / "x.safetensors"
    file.write_bytes(b"one")
    models = ModelPool(Machine(device="cpu"), load=load)
    for lora in ((), (f"{file}:1",), (f"{file}:1",), (f"{file}:0.5",), ()):
        models.backbones("a", lora=lora)
    assert asked == [(), (f"{file}:1",), (f"{file}:0.5",), ()]
    models.backbones("a", lora=(str(file),))
    file.write_bytes(b"another")
    models.backbones("a", lora=(str(file),))
    assert asked[4:] == [(str(file),)] * 2


def test_what_is_no_choice_means_the_first(loaded: list[str]) -> None:
    models = pool(loaded, choices=("a", "b"))
    assert [models.backbones(name).name for name in ("c", "b", "/etc")] == ["a", "b", "a"]


def test_what_was_noted_while_loading_is_said_of_each_use(loaded: list[str]) -> None:
    def load(models: str, **_: Any) -> Any:
        loaded.append(models)
        note(f"{models} was loaded otherwise.")
        return SimpleNamespace(name=models)

    models = ModelPool(Machine(device="cpu"), load=load)
    for _ in range(2):
        with collected() as said:
            models.backbones("pocket")
        assert said == ["pocket was loaded otherwise."]
    assert loaded == ["pocket"]
