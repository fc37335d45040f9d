"""Edit by words for the web page: photos that come in, what is shown meanwhile, results that are found again."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from PIL import Image

from intarsia.app.edit_commands import make
from intarsia.app.flags import Files
from intarsia.app.outputs import as_json, pixel_digest, read_replay, safe_stem
from intarsia.app.overlay import TINT
from intarsia.app.ui.room import Room, Show, Visit
from intarsia.app.ui.stage import as_url
from intarsia.backbones.catalog import CATALOG, resolve
from intarsia.errors import PictureError, RecordError
from intarsia.geometry import Size
from intarsia.images import read_photo, read_text_chunk, to_photo_pixels, write_photo
from intarsia.progress import OnProgress
from intarsia.records import EditRecord, from_json
from intarsia.regions.edit import Looked, Preview

Facts = dict[str, Any]
"""Plain values that travel to the page as JSON."""

BEST = 8
"""Previews of a round that are shown."""
KEEP = 3
"""Candidates that the page offers in full: the search paints as many to the end anyhow."""
SHOWN = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "BMP": ".bmp"}
"""Formats that browsers show, and the ending that says so; other photos are shown through a copy."""
RESULT = re.compile(r"(?:edit|arrange)-\d{4,}")
LARGEST_MAP = 256
"""Side of the map of relevance on the page, pixels; it is smooth anyway."""
OF_THIS_MACHINE = ("mask", "regions")
"""Fields of a record that name files here: no visitor says them."""
SCENES = Path(__file__).parents[1] / "scenes"
THUMBNAIL = 128
"""Longer side of an example's picture on its card, pixels: twice what it takes up, for fine screens."""


def address(path: Path) -> str:
    """Where the page finds a file, from its own address on."""
    return "gradio_api/file=" + quote(path.as_posix())


# Photos


def take_upload(upload: Path, uploads: Path, visit: Visit) -> Path:
    """Keep a visitor's upload among his own files, if it is a photo.

    Args:
        upload: what the page says it has uploaded; somebody else's page may say anything.
        uploads: where uploads are.

    Returns:
        The photo, in a folder of its own, under its own name as far as that is safe.

    Raises:
        PictureError: it is no upload, or no photo that can be edited.
    """
    upload = upload.resolve()
    if not (upload.is_relative_to(uploads.resolve()) and upload.is_file()):
        raise PictureError("The photo did not arrive: choose it again.")
    return take_photo(upload, visit)


def take_photo(file: Path, visit: Visit) -> Path:
    """A copy of a picture file for this visitor, byte for byte, named by what it is.

    Raises:
        PictureError: it is no photo that can be edited.
    """
    try:
        read_photo(file)
        with Image.open(file) as opened:
            kind = str(opened.format)
    except PictureError as problem:
        # Paths of the server are nobody's business, and the name is what the visitor knows.
        raise PictureError(str(problem).replace(str(file), file.name)) from problem
    ending = SHOWN.get(kind, file.suffix if re.fullmatch(r"\.tiff?", file.suffix.lower()) else ".tif")
    kept = visit.new_folder("photo") / (safe_stem(file) + ending)
    shutil.copyfile(file, kept)
    return kept


def photo_facts(file: Path) -> Facts:
    """What the page needs to show a photo."""
    photo = read_photo(file)
    shown = file
    if file.suffix not in SHOWN.values():
        shown = file.with_name("shown.png")
        if not shown.exists():
            write_photo(photo, shown)
    return {
        "url": address(shown),
        "width": photo.size.width,
        "height": photo.size.height,
        "name": file.name,
    }


# Examples


@dataclass(frozen=True, kw_only=True)
class Example:
    """An edit for whoever has no photo at hand.

    Attributes:
        photo: a scene that ships with the package; any checkpoint can read it, and the pocket models can paint in it.
        source, prompt: what is there, and what it becomes.
    """

    photo: Path
    source: str
    prompt: str


EXAMPLES = (
    Example(photo=SCENES / "bird-and-car.png", source="car", prompt="a house"),
    Example(photo=SCENES / "dog-and-plant.png", source="plant", prompt="a cake"),
    Example(photo=SCENES / "cat-and-house.png", source="house", prompt="a car"),
    Example(photo=SCENES / "cat-and-plant.png", source="plant", prompt="a tree"),
)
"""Each comes out well on the pocket models with the settings that the page begins with."""


def example_facts() -> list[Facts]:
    """The examples as cards: a small picture inside its address, and the words."""
    shown = []
    for example in EXAMPLES:
        small = read_photo(example.photo).as_image()
        small.thumbnail((THUMBNAIL, THUMBNAIL))
        shown.append({"url": as_url(small, "WEBP"), "source": example.source, "prompt": example.prompt})
    return shown


def example_of(index: Any) -> Example:
    """The example of that number, counted from 0.

    Raises:
        RecordError: there is none.
    """
    if type(index) is not int or not 0 <= index < len(EXAMPLES):
        raise RecordError("That example is not here any more: reload the page.")
    return EXAMPLES[index]


# Records


def record_of(photo: Path, settings: Mapping[str, Any], room: Room, box: Any = None) -> EditRecord:
    """The record of what a page asks for.

    Args:
        photo: the visitor's photo, whatever the settings say.
        settings: fields of an `EditRecord` as JSON values.
        room: whose networks may be asked for.
        box: four edges in pixels of the photo, as the page says them; None to search.

    Raises:
        RecordError: a setting is unknown, of a wrong kind or out of range, or names a file of this machine or
            networks that it does not offer.
    """
    for name in OF_THIS_MACHINE:
        if settings.get(name) is not None:
            raise RecordError(f"{name} names a file of the server, which visitors cannot choose: leave it out.")
    fields = {**settings, "photo": str(photo), "models": offered(room, settings.get("models"))}
    if box is not None:
        fields["box"] = box
    record: EditRecord = from_json(EditRecord, fields, "the request")
    return record


def offered(room: Room, models: Any) -> str:
    """Which of the operator's choices is meant.

    Args:
        models: a choice, or what a record says that was made with one; "auto" and None leave it to the operator.

    Raises:
        RecordError: it is none of them.
    """
    if models in (None, "", "auto"):
        return room.models
    for choice in room.choices:
        if models in (choice, recorded(choice)):
            return choice
    known = ", ".join(models_label(choice) for choice in room.choices)
    raise RecordError(
        f"models is {str(models)[:100]!r}, which is not offered here: leave it out, or choose one of {known}."
    )


def recorded(choice: str) -> str:
    """What records say of networks that an operator names so: whole paths, and what "auto" has found."""
    if choice == "auto":
        return resolve(choice).name
    return str(Path(choice).resolve()) if choice not in CATALOG and Path(choice).exists() else choice


def models_label(choice: str) -> str:
    """A choice of networks as visitors read it: of a file or folder, where it lies is nobody's business."""
    return Path(choice).name if choice not in CATALOG and Path(choice).exists() else choice


def next_seed(seed: int, keep: int, boxed: bool) -> int:
    """A seed whose noise was not used yet: in a given box, each kept picture has its own."""
    return seed + (keep if boxed else 1)


# What is shown meanwhile


class Showing:
    """Watches an edit and writes what it sees as small pictures for the page.

    Args:
        folder: to write to; made when first needed.
        show: told facts for the page.
    """

    def __init__(self, folder: Path, show: Show) -> None:
        self.folder, self.show, self.rounds = folder, show, 0

    def looked(self, seen: Looked) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "look.png"
        heat_picture(seen.saliency if seen.relevance is None else seen.relevance).save(file)
        facts = {"url": address(file), "anchors": [[round(a.x, 1), round(a.y, 1)] for a in seen.anchors]}
        self.show({"look": facts})

    def tried(self, previews: Sequence[Preview]) -> None:
        self.rounds += 1
        shown = []
        for k, preview in enumerate(previews[:BEST]):
            file = self.folder / f"round-{self.rounds}-{k + 1}.jpg"
            height, width = preview.picture.shape[-2:]
            Image.fromarray(to_photo_pixels(preview.picture, Size(width, height))).save(file, quality=88)
            shown.append(
                {
                    "url": address(file),
                    "box": [round(edge, 1) for edge in preview.box.as_tuple()],
                    "score": round(preview.score, 3),
                    "steps": preview.steps,
                }
            )
        self.show({"round": {"number": self.rounds, "of": len(previews), "best": shown}})


def heat_picture(heat: np.ndarray) -> Image.Image:
    """RGBA: a glow, the stronger the higher the map."""
    heat = np.asarray(heat, np.float32)
    heat = (heat - heat.min()) / max(float(heat.max() - heat.min()), 1e-12)
    alpha = Image.fromarray((heat * 190).astype(np.uint8))
    height, width = heat.shape
    scale = LARGEST_MAP / max(width, height)
    alpha = alpha.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BICUBIC)
    glow = Image.new("RGBA", alpha.size, (*TINT, 0))
    glow.putalpha(alpha)
    return glow


# Results


def edit_for(visit: Visit, room: Room, record: EditRecord, on_progress: OnProgress, show: Show) -> Path:
    """Make an edit into a folder of the visitor's; nothing stays of one that fails.

    Returns:
        The folder, which `result_facts` reads.
    """
    folder = visit.new_folder("edit")
    try:
        make(
            record,
            folder,
            Files(draw_boxes=True),
            room.load,
            on_progress=on_progress,
            watch=Showing(folder / "seen", show),
        )
        write_other_records(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def replay_for(visit: Visit, room: Room, result: Path, on_progress: OnProgress) -> bool:
    """Make a result of the visitor's again, and say whether the same pixels came out."""
    replay = read_replay(result, None)
    if not isinstance(replay.record, EditRecord):
        raise RecordError("This was made by layout: replay it in that tab.")
    record = dataclasses.replace(replay.record, models=offered(room, replay.record.models))
    folder = visit.new_folder("replay")
    try:
        _, _, made = make(record, folder, Files(), room.load, lead=replay.index, on_progress=on_progress)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    again = made.candidates[replay.index].photo
    assert again is not None
    return pixel_digest(again) == replay.output_sha256


def write_other_records(folder: Path) -> None:
    """Beside each further candidate its record, as its picture carries it."""
    lead = lead_record(folder)
    for picture in other_pictures(folder, lead):
        said = read_text_chunk(picture)
        if said is not None:
            picture.with_suffix(".json").write_bytes(as_json(json.loads(said)))


def lead_record(folder: Path) -> Path:
    """The record of a result's best picture: its name is the shortest."""
    return min(folder.glob("*.json"), key=lambda file: (len(file.name), file.name))


def other_pictures(folder: Path, lead: Path) -> list[Path]:
    """Pictures of the further candidates, best first."""
    numbered = {
        int(found[1]): file
        for file in folder.glob("*.png")
        if (found := re.fullmatch(re.escape(lead.stem) + r"\.(\d+)\.png", file.name))
    }
    return [numbered[k] for k in sorted(numbered)]


def result_facts(folder: Path) -> Facts:
    """What the page needs to show a result, read from its files."""
    lead = lead_record(folder)
    made = json.loads(lead.read_text(encoding="utf-8"))
    record = made["record"]
    pictures = [lead.with_suffix(".png"), *other_pictures(folder, lead)]
    candidates = [
        {
            "box": made["candidates"][k]["box"],
            "score": made["candidates"][k]["scores"]["total"],
            "seed": made["candidates"][k]["seed"],
            "picture": address(file),
            "picture_name": file.name,
            "record": address(file.with_suffix(".json")),
            "record_name": file.with_suffix(".json").name,
        }
        for k, file in enumerate(pictures)
    ]
    look = folder / "seen" / "look.png"
    cost = made["cost"]
    return {
        "folder": folder.name,
        "prompt": record["prompt"],
        "source": record["source"],
        "photo": photo_facts(Path(record["photo"])),
        "candidates": candidates,
        "look": {"url": address(look), "anchors": made["anchors"]} if look.exists() else None,
        "facts": f"Best of {len(made['candidates'])}, {cost['seconds']:.1f} s, "
        f"{cost['evaluations']} denoiser evaluations, {Path(record['models']).name}.",
    }


def settings_of(folder: Path) -> Facts:
    """The record of a result's best picture, as JSON values."""
    record: Facts = json.loads(lead_record(folder).read_text(encoding="utf-8"))["record"]
    return record


def history(visit: Visit) -> list[Facts]:
    """A visit's results, the latest first, whichever tab made them."""
    found = []
    for folder in sorted(visit.folder.iterdir(), key=lambda f: f.name.rpartition("-")[2], reverse=True):
        if RESULT.fullmatch(folder.name) and (records := list(folder.glob("*.json"))):
            lead = min(records, key=lambda file: (len(file.name), file.name))
            picture = lead.with_suffix(".png")
            if picture.exists():
                record = json.loads(lead.read_text(encoding="utf-8")).get("record", {})
                said = str(record.get("prompt") or "Rearranged")
                found.append({"folder": folder.name, "url": address(picture), "said": said})
    return found


def result_folder(visit: Visit, name: Any) -> Path:
    """A result that the page names.

    Raises:
        RecordError: the visitor has none of that name.
    """
    if isinstance(name, str) and RESULT.fullmatch(name) and (visit.folder / name).is_dir():
        return visit.folder / name
    raise RecordError("That result is not here any more: reload the page.")


def picture_of(folder: Path, index: Any) -> Path:
    """The picture of a result's candidate, counted from 0.

    Raises:
        RecordError: there is none of that number.
    """
    lead = lead_record(folder)
    pictures = [lead.with_suffix(".png"), *other_pictures(folder, lead)]
    if type(index) is not int or not 0 <= index < len(pictures):
        raise RecordError("That picture is not here any more: reload the page.")
    return pictures[index]
