"""The tools as a client of the protocol drives them, over streamable HTTP."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import shutil
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from intarsia.imaging.read import read_photo
from tests.web.doors.conftest import SCENES, Served, endless, in_a_while

pytest.importorskip("mcp")
from mcp import Client

from intarsia.web.mcp_tools import Answer, shown

# Of Gradio's own, and of its server's threads.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

PHOTO = SCENES / "bird-and-car.png"
CONTENT = base64.b64encode(PHOTO.read_bytes()).decode()
QUICK = {"steps": 2, "search": {"preview_steps": [1], "survivors": [1]}}


def ask(served: Served, calls: Callable[[Any], Awaitable[Any]], **options: Any) -> Any:
    """What a client gets, connected for these calls."""

    async def connected() -> Any:
        async with Client(f"{served.address}/mcp", **options) as client:
            return await calls(client)

    return asyncio.run(connected())


def picture_and_facts(result: Any) -> tuple[np.ndarray, dict[str, Any]]:
    assert not result.is_error, result.content
    image, text = result.content
    assert image.mime_type == "image/png"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(image.data))).convert("RGB")), json.loads(text.text)


def test_these_four_tools_are_offered_and_say_what_they_take(served: Served) -> None:
    listed = ask(served, lambda client: client.list_tools()).tools
    assert [tool.name for tool in listed] == ["edit", "remove", "find", "arrange"]
    for tool in listed:
        assert tool.description and tool.title
        for name, schema in tool.input_schema["properties"].items():
            assert schema["description"], (tool.name, name)


def test_a_photo_is_edited_and_the_result_goes_on(served: Served) -> None:
    async def calls(client: Any) -> Any:
        edited = await client.call_tool(
            "edit", {"photo": CONTENT, "prompt": "a house", "box": [0, 28, 40, 60], "settings": QUICK}
        )
        name = json.loads(edited.content[1].text)["result"]
        return edited, await client.call_tool("remove", {"photo": name, "box": [[0, 28, 40, 60]]})

    edited, removed = ask(served, calls)
    (first, facts), (second, after) = picture_and_facts(edited), picture_and_facts(removed)
    photo = read_photo(PHOTO).pixels
    for picture, before in ((first, photo), (second, first)):
        changed = (picture != before).any(2)
        assert changed[28:60, :40].any()
    assert facts["record"]["prompt"] == "a house" and facts["record"]["steps"] == 2
    assert after["record"]["box"] == ["0,28,40,60"]
    assert facts["picture"].startswith(served.address)


def test_objects_are_found_and_moved(served: Served) -> None:
    async def calls(client: Any) -> Any:
        found = await client.call_tool("find", {"photo": f"data:image/png;base64,{CONTENT}", "names": ["car"]})
        scene = json.loads(found.content[1].text)["scene"]
        return found, await client.call_tool("arrange", {"scene": scene, "moves": [{"name": "car", "x": 10}]})

    found, arranged = ask(served, calls)
    _, facts = picture_and_facts(found)
    (car,) = facts["objects"]
    assert car["name"] == "car" and 0 <= car["box"][0] < car["box"][2] <= facts["width"]
    moved, after = picture_and_facts(arranged)
    assert (moved != read_photo(PHOTO).pixels).any()
    assert after["record"]["move"]


def test_a_marked_object_is_outlined(served: Served) -> None:
    wish = {"photo": CONTENT, "object": ["bird=2,14,60,62"]}
    _, facts = picture_and_facts(ask(served, lambda client: client.call_tool("find", wish)))
    (bird,) = facts["objects"]
    assert bird["name"] == "bird" and 2 <= bird["box"][0] < bird["box"][2] <= 60


def sentence(result: Any) -> str:
    assert result.is_error
    (text,) = result.content
    assert "Traceback" not in text.text
    return str(text.text)


def test_pictures_are_named_by_paths_within_their_folder_alone(served: Served, tmp_path: Path) -> None:
    own, link, other = served.pictures / "own.png", served.pictures / "link.png", tmp_path / "other.png"
    for file in (own, other):
        shutil.copy(PHOTO, file)
    link.symlink_to(other)
    boxes = [[0, 28, 40, 60]]

    async def calls(client: Any) -> Any:
        named = [str(own), "own.png", str(other), "link.png", f"../{tmp_path.name}/other.png", "/etc/passwd", str(link)]
        return [await client.call_tool("remove", {"photo": name, "box": boxes}) for name in named]

    absolute, relative, *refused = ask(served, calls)
    picture_and_facts(absolute)
    picture_and_facts(relative)
    for result in refused:
        assert "Other files of the server, and addresses, are not looked at" in sentence(result)


@pytest.mark.parametrize(
    ("tool", "arguments", "why"),
    [
        ("edit", {"prompt": "a house"}, "lacks photo"),
        ("edit", {"photo": CONTENT, "prompt": ["a house"]}, "must be of the kind string"),
        ("edit", {"photo": CONTENT, "prompt": "a house", "where": 1}, "takes no 'where'"),
        ("edit", {"photo": "https://example.com/a.png", "prompt": "a house"}, "addresses, are not looked at"),
        ("edit", {"photo": "/etc/hostname", "prompt": "a house"}, "Other files of the server"),
        ("edit", {"photo": f"{'0' * 32}/edit-0001", "prompt": "a house"}, "not here any more"),
        ("edit", {"photo": "A" * 100, "prompt": "a house"}, "picture"),
        ("edit", {"photo": CONTENT, "prompt": "a house", "mask": "/etc/hostname"}, "Other files of the server"),
        ("edit", {"photo": CONTENT, "prompt": "a house", "settings": {"mask": "/etc/a.png"}}, "visitors cannot choose"),
        ("edit", {"photo": CONTENT, "prompt": "a house", "settings": {"lora": ["a"]}}, "visitors cannot choose"),
        ("edit", {"photo": CONTENT, "prompt": "a house", "settings": {"models": "/etc"}}, "not offered here"),
        ("edit", {"photo": CONTENT, "prompt": "a house", "box": [1, 2, 3]}, "four edges"),
        ("remove", {"photo": CONTENT}, "Nothing says what to remove"),
        ("remove", {"photo": CONTENT, "box": [[500, 500, 510, 510]]}, "outside"),
        ("remove", {"photo": CONTENT, "find": ["car"], "settings": {"fill_model": "/etc/a.onnx"}}, "names files"),
        ("remove", {"photo": CONTENT, "find": ["car"], "settings": {"avoid": "/etc/a.png"}}, "names files"),
        ("find", {"photo": CONTENT, "names": [1]}, "must be texts"),
        ("find", {"photo": CONTENT}, "No object is named"),
        ("find", {"photo": CONTENT, "names": ["teapot"]}, "was not found in the picture"),
        ("arrange", {"scene": "no/scene", "moves": [{"name": "car"}]}, "no such scene"),
        ("arrange", {"scene": CONTENT[:20], "moves": [{"name": "car"}]}, "Neither a photo nor a scene"),
        ("think", {}, "no tool"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(served: Served, tool: str, arguments: dict[str, Any], why: str) -> None:
    before = set(served.store.sessions)
    assert why in sentence(ask(served, lambda client: client.call_tool(tool, arguments)))
    assert set(served.store.sessions) == before


@pytest.mark.slow
def test_a_client_that_wants_to_know_is_told_how_it_goes_on(served: Served) -> None:
    heard: list[tuple[float, str | None]] = []

    async def hear(done: float, total: float | None, said: str | None) -> None:
        heard.append((done, said))

    async def calls(client: Any) -> Any:
        wish = {"photo": CONTENT, "prompt": "a house", "box": [0, 28, 40, 60], "settings": {"steps": 40}}
        return await client.call_tool("edit", wish, progress_callback=hear)

    picture_and_facts(ask(served, calls))
    assert heard and all(" of " in str(said) for _, said in heard)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


@pytest.mark.parametrize("mode", [pytest.param("legacy", marks=pytest.mark.slow), "auto"])
def test_a_client_that_has_no_patience_stops_the_work(
    served: Served, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of both generations of the protocol: one cancels by a message, the other by hanging up."""
    begun, ended = threading.Event(), threading.Event()
    monkeypatch.setattr("intarsia.web.edit_service.run_edit", endless(begun, ended))

    async def calls(client: Any) -> Any:
        with pytest.raises(Exception, match=r"(?i)time"):
            await client.call_tool("edit", {"photo": CONTENT, "prompt": "a house"}, read_timeout_seconds=1)

    before = set(served.store.sessions)
    ask(served, calls, mode=mode)
    assert begun.is_set() and ended.wait(5)
    assert in_a_while(lambda: set(served.store.sessions) == before)


def test_a_large_result_is_shown_small_and_given_whole_where_that_is_asked_for(tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    Image.new("RGB", (1500, 300), "teal").save(large)
    sizes = []
    for full in (False, True):
        content, media = shown(Answer(picture=large, facts={}, full=full))
        sizes.append((Image.open(io.BytesIO(base64.b64decode(content))).size, media))
    assert sizes == [((1024, 205), "image/jpeg"), ((1500, 300), "image/png")]
