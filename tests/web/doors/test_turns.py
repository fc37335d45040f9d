"""The turn at the networks that pages, endpoints and doors share."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from intarsia.errors import PictureError
from intarsia.imaging.read import read_photo
from intarsia.progress import Progress
from tests.web.doors.conftest import SCENES, Served, in_a_while

pytest.importorskip("gradio")
pytest.importorskip("mcp")
from gradio_client import Client, handle_file
from mcp import Client as McpClient

# Of Gradio's own, and of its server's threads.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

PHOTO = SCENES / "bird-and-car.png"


class Networks:
    """Stands for an edit; notes how many are made at the same time, and fails."""

    def __init__(self) -> None:
        self.lock, self.open = threading.Lock(), threading.Event()
        self.now, self.most, self.prompts = 0, 0, list[str]()

    def edit(self, record: Any, *_: Any, on_progress: Any, **__: Any) -> Any:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.prompts.append(record.prompt)
        try:
            self.open.wait(5)
            time.sleep(0.1)
            on_progress(Progress(stage="painting", done=1, total=1))
            raise PictureError("Nothing is painted here: this was a test.")
        finally:
            with self.lock:
                self.now -= 1


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> Networks:
    networks = Networks()
    monkeypatch.setattr("intarsia.web.edit_service.run_edit", networks.edit)
    return networks


def by_images_api(served: Served, prompt: str, timeout: float = 20) -> str:
    with httpx.Client(trust_env=False, timeout=timeout) as client:
        answer = client.post(
            f"{served.address}/v1/images/edits", files={"image": PHOTO.read_bytes()}, data={"prompt": prompt}
        )
    return str(answer.json()["error"]["message"])


def by_mcp(served: Served, prompt: str) -> str:
    async def call() -> str:
        async with McpClient(f"{served.address}/mcp") as client:
            result: Any = await client.call_tool("edit", {"photo": "a.png", "prompt": prompt})
            return str(result.content[0].text)

    return asyncio.run(call())


def by_gradio(served: Served, prompt: str) -> str:
    client = Client(served.address, verbose=False)
    try:
        client.predict(handle_file(PHOTO), "", prompt, None, api_name="/edit")
        raise AssertionError("it did not fail")
    except Exception as problem:
        return str(problem)
    finally:
        client.close()


def test_the_networks_are_used_once_at_a_time_whichever_door_was_taken(served: Served, networks: Networks) -> None:
    (served.pictures / "a.png").write_bytes(PHOTO.read_bytes())
    doors = (by_images_api, by_mcp, by_gradio, by_images_api)
    with ThreadPoolExecutor(len(doors)) as pool:
        asked = [pool.submit(door, served, f"a house {k}") for k, door in enumerate(doors)]
        time.sleep(1)  # all of them have come
        assert networks.most == 1
        networks.open.set()
        answers = [each.result() for each in asked]
    assert networks.most == 1 and sorted(networks.prompts) == [f"a house {k}" for k in range(4)]
    assert all("this was a test" in answer for answer in answers), answers


def test_who_hangs_up_in_the_queue_is_not_waited_for(served: Served, networks: Networks) -> None:
    sessions = set(served.store.sessions)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(by_images_api, served, "the first")
        assert in_a_while(lambda: networks.now == 1)
        with pytest.raises(httpx.ReadTimeout):
            by_images_api(served, "the second", timeout=0.3)
        assert in_a_while(lambda: len(set(served.store.sessions) - sessions) == 1)
        networks.open.set()
        first.result()
    kept = len(served.queue.pending_messages_per_session), len(served.queue.pending_event_ids_session)
    assert by_images_api(served, "the third")
    assert networks.prompts == ["the first", "the third"]
    assert kept == (len(served.queue.pending_messages_per_session), len(served.queue.pending_event_ids_session))
    assert in_a_while(lambda: not served.queue.event_ids_to_events)


def test_no_program_triggers_the_turns_themselves(served: Served) -> None:
    with httpx.Client(trust_env=False) as client:
        config = client.get(f"{served.address}/config").json()
        named = client.get(f"{served.address}/gradio_api/info").json()["named_endpoints"]
        assert {"/edit", "/find_objects", "/arrange", "/remove"} <= set(named)
        assert not [name for name in named if "perform" in name or "turn" in name]
        assert config["dependencies"]


def test_too_many_who_wait_are_told_so(served: Served, networks: Networks, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: Any) -> tuple[bool, str, str]:
        return False, "Queue is full.", "queue_full"

    monkeypatch.setattr("gradio.queueing.Queue.push", full)
    with httpx.Client(trust_env=False) as client:
        answer = client.post(
            f"{served.address}/v1/images/edits", files={"image": PHOTO.read_bytes()}, data={"prompt": "a house"}
        )
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "queue_full")
    assert not networks.prompts


@pytest.fixture
def client(served: Served, tmp_path: Path) -> Iterator[Client]:
    client = Client(served.address, verbose=False, download_files=str(tmp_path / "down"))
    yield client
    client.close()


def removed(client: Client, wish: Any, mask: Path | None = None) -> dict[str, Any]:
    """The record of what the endpoint removed: the bird alone has changed."""
    marked = None if mask is None else handle_file(mask)
    picture, document = client.predict(handle_file(PHOTO), wish, marked, api_name="/remove")
    changed = (read_photo(picture).pixels != read_photo(PHOTO).pixels).any(2)
    assert changed[30:58, 2:38].any() and not changed[:, 80:].any()
    record: dict[str, Any] = document["record"]
    return record


def test_things_are_removed_through_the_endpoint(client: Client) -> None:
    record = removed(client, {"box": [[2, 30, 38, 58]], "shadows": False})
    assert (record["kind"], record["box"], record["shadows"]) == ("RemoveRecord", ["2,30,38,58"], False)


@pytest.mark.slow
def test_what_goes_is_said_in_several_ways(client: Client, tmp_path: Path) -> None:
    mask = np.zeros((128, 128), np.uint8)
    mask[30:58, 2:38] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    assert removed(client, {"box": [2, 30, 38, 58]})["box"] == removed(client, {"box": ["2,30,38,58"]})["box"]
    assert removed(client, {}, tmp_path / "mask.png")["mask"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({}, "select it first"),
        ({"mask": "/etc/passwd"}, "names files"),
        ({"avoid": "/etc/passwd"}, "names files"),
        ({"find": ["car"], "lora": ["/etc/passwd"]}, "names files"),
        ({"box": [[1, 2]]}, "four numbers"),
        ({"box": 3}, "expected"),
        ({"models": "/etc"}, "not offered here"),
        (["box"], "no object"),
    ],
)
def test_a_wrong_wish_is_refused_in_a_sentence(client: Client, wish: Any, why: str) -> None:
    with pytest.raises(Exception, match=why):
        client.predict(handle_file(PHOTO), wish, None, api_name="/remove")
