"""The images API as its usual client drives it."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from intarsia.imaging.read import read_photo
from tests.web.doors.conftest import SCENES, Served, endless, in_a_while

openai = pytest.importorskip("openai")

# Of Gradio's own, and of its server's threads.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

PHOTO = SCENES / "bird-and-car.png"
QUICK = json.dumps({"steps": 2, "search": {"preview_steps": [1], "survivors": [1]}})


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[Any]:
    import httpx2

    with openai.OpenAI(
        base_url=f"{served.address}/v1",
        api_key="none is asked for",
        max_retries=0,
        http_client=httpx2.Client(trust_env=False),
    ) as client:
        yield client


def picture_of(each: Any) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(each.b64_json)))


def mask_file(box: tuple[int, int, int, int]) -> tuple[str, bytes, str]:
    """A mask that is transparent within a box."""
    image = Image.new("RGBA", Image.open(PHOTO).size, (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), box)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return ("mask.png", stream.getvalue(), "image/png")


def test_the_models_are_listed(client: Any) -> None:
    assert [model.id for model in client.models.list()] == ["pocket"]


def test_what_is_transparent_in_the_mask_is_edited_and_nothing_else(client: Any, served: Served) -> None:
    before = set(served.store.root.iterdir())
    made = client.images.edit(
        image=PHOTO.open("rb"), prompt="a house", mask=mask_file((0, 28, 40, 60)), extra_body={"record": QUICK}
    )
    (each,) = made.data
    photo, picture = read_photo(PHOTO).pixels, np.asarray(picture_of(each).convert("RGB"))
    changed = (photo != picture).any(2)
    assert changed[28:60, :40].any()
    changed[28:60, :40] = False
    assert not changed.any()
    record = json.loads(picture_of(each).info["intarsia"])["record"]
    assert (record["prompt"], record["steps"], record["models"]) == ("a house", 2, "pocket")
    assert set(served.store.root.iterdir()) == before, "the session's folder is gone"
    assert made.created > 1_700_000_000


def test_notes_come_with_the_pictures(client: Any) -> None:
    made = client.images.edit(
        image=PHOTO.open("rb"),
        prompt="a house",
        mask=mask_file((0, 28, 40, 60)),
        extra_body={"record": QUICK, "source": "giraffe"},
    )
    (note,) = made.notes
    assert note.startswith("'giraffe' is none of the 12 nouns") and "--" not in note


def test_without_a_mask_the_program_finds_where(client: Any) -> None:
    made = client.images.edit(image=[PHOTO.open("rb")], prompt="a house", extra_body={"source": "car", "record": QUICK})
    picture = picture_of(made.data[0])
    record = json.loads(picture.info["intarsia"])["record"]
    assert (record["source"], record["mask"], record["box"]) == ("car", None, None)
    assert (np.asarray(picture.convert("RGB")) != read_photo(PHOTO).pixels).any()


def test_several_pictures_come_in_the_format_that_is_asked_for(client: Any) -> None:
    for kind in ("jpeg", "webp"):
        made = client.images.edit(
            image=PHOTO.open("rb"),
            prompt="a house",
            n=2,
            size="1024x1024",
            quality="high",
            model="pocket",
            response_format="b64_json",
            output_format=kind,
            extra_body={"record": json.dumps({"steps": 2, "box": [0, 28, 40, 60]})},
        )
        assert made.output_format == kind
        pictures = [picture_of(each) for each in made.data]
        assert [picture.format for picture in pictures] == [kind.upper()] * 2
        assert {picture.size for picture in pictures} == {(128, 128)}, "the picture keeps its size"


def png(mode: str, colour: Any, size: tuple[int, int] = (128, 128)) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size, colour).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("fields", "status", "param", "why"),
    [
        ({"prompt": " "}, 400, "prompt", "prompt is missing"),
        ({"n": 0}, 400, "n", "from 1 to 10"),
        ({"n": 11}, 400, "n", "from 1 to 10"),
        ({"size": "large"}, 400, "size", "WIDTHxHEIGHT"),
        ({"response_format": "url"}, 400, "response_format", "b64_json alone"),
        ({"output_format": "gif"}, 400, "output_format", "png, jpeg, webp"),
        ({"model": "gpt-image-1"}, 404, "model", "choose one of pocket"),
        ({"model": "/etc/passwd"}, 404, "model", "not offered here"),
        ({"stream": True}, 400, "stream", "leave stream out"),
        ({"mask": b"no picture"}, 400, "mask", "is text, not a picture"),
        ({"mask": png("RGB", "white")}, 400, "mask", "no transparency"),
        ({"mask": png("RGBA", (0, 0, 0, 255))}, 400, "mask", "transparent nowhere"),
        ({"mask": png("RGBA", (0, 0, 0, 0), (128, 64))}, 400, "mask", "another shape"),
        ({"image": b"no picture"}, 400, "image", "is text, not a picture"),
        ({"image": [PHOTO.read_bytes()] * 2}, 400, "image", "One picture"),
        ({"extra_body": {"record": "{"}}, 400, "record", "JSON object"),
        ({"extra_body": {"record": '{"mask": "/etc/passwd"}'}}, 400, None, "file of the server"),
        ({"extra_body": {"record": '{"lora": ["/etc/passwd"]}'}}, 400, None, "file of the server"),
        ({"extra_body": {"record": '{"stpes": 3}'}}, 400, None, "'stpes'"),
        ({"extra_body": {"record": '{"steps": 0}'}}, 400, None, "between 1 and 1000"),
        ({"extra_body": {"record": '{"box": [900, 900, 910, 910]}'}}, 400, None, "lie in the picture"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    client: Any, served: Served, fields: dict[str, Any], status: int, param: str | None, why: str
) -> None:
    before = set(served.store.root.iterdir())
    with pytest.raises(openai.APIStatusError) as raised:
        client.images.edit(**{"image": PHOTO.read_bytes(), "prompt": "a house", **fields})
    error = raised.value
    assert error.status_code == status
    assert why in error.body["message"] and str(served.store.root) not in error.body["message"]
    assert (error.body["type"], error.body["param"]) == ("invalid_request_error", param)
    assert set(served.store.root.iterdir()) == before


def test_neither_paths_nor_addresses_nor_other_forms_are_taken(served: Served) -> None:
    url = f"{served.address}/v1/images/edits"
    with httpx.Client(trust_env=False) as plain:
        for image in ("/etc/passwd", "https://example.com/a.png", str(PHOTO)):
            answer = plain.post(url, files={"x": b""}, data={"image": image, "prompt": "a house"})
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, "image")
            mask = plain.post(url, files={"image": PHOTO.read_bytes()}, data={"mask": image, "prompt": "a house"})
            assert (mask.status_code, mask.json()["error"]["param"]) == (400, "mask")
        assert plain.post(url, json={"prompt": "a house"}).status_code == 415
        broken = plain.post(url, content=b"--x", headers={"content-type": "multipart/form-data; boundary=y"})
        assert broken.status_code == 400 and broken.json()["error"]["message"]
        assert plain.get(url).status_code == 405
        named = plain.post(url, files={"image": ("../../a\0b.png", PHOTO.read_bytes())}, data={"prompt": ""})
        assert named.json()["error"]["param"] == "prompt"


def test_an_unforeseen_failure_is_a_sentence_without_a_trace(
    client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("intarsia.web.edit_service.run_edit", failing)
    with pytest.raises(openai.InternalServerError) as raised:
        client.images.edit(image=PHOTO.read_bytes(), prompt="a house")
    assert raised.value.body["type"] == "server_error"
    assert "ZeroDivisionError" in raised.value.body["message"] and "secret" not in raised.value.body["message"]


def test_a_client_that_hangs_up_stops_the_work(client: Any, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = threading.Event(), threading.Event()
    monkeypatch.setattr("intarsia.web.edit_service.run_edit", endless(begun, ended))
    before = set(served.store.root.iterdir())
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.7).images.edit(image=PHOTO.read_bytes(), prompt="a house")
    assert begun.is_set() and ended.wait(5)
    assert in_a_while(lambda: set(served.store.root.iterdir()) == before), "the session's folder is still there"
