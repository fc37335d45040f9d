"""Edit by layout: objects of a picture become cut-outs, are moved by hand, and the picture is made anew around them."""

from __future__ import annotations

import contextlib
import dataclasses
import html
import json
import re
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import gradio as gr
from gradio.utils import get_upload_folder

from intarsia.app.batch_performer import Performer
from intarsia.app.cli import unforeseen
from intarsia.app.layout_commands import Finder, learned, made, seen
from intarsia.app.layout_flags import SCENE_ENDING, SCENE_FILES
from intarsia.app.layout_outputs import said, scene_stem, write_scene
from intarsia.app.ui.fields import field_help, label
from intarsia.app.ui.room import Room, Seen, Step, Visit, watched
from intarsia.app.ui.stage import (
    Moves,
    as_url,
    photo_value,
    read_moves,
    record_of,
    stage_component,
    stage_value,
    told_by,
)
from intarsia.app.ui.words import take_upload
from intarsia.backbones import ModelSource
from intarsia.backbones.segmenters import LoadedSegmenter
from intarsia.errors import Cancelled, IntarsiaError, LayoutError, RecordError
from intarsia.images import read_photo
from intarsia.layout.find import BACKGROUND
from intarsia.layout.scene import Scene, photo_of, read_colours, read_scene
from intarsia.progress import Progress
from intarsia.records import ArrangeRecord, Mode, from_json

ADVANCED = (
    "background",
    "prompt",
    "negative_prompt",
    "seed",
    "seeds",
    "steps",
    "guidance",
    "feather",
    "size",
    "compose.strength",
    "compose.shadows",
    "compose.border",
    "compose.plates",
    "guide.start",
    "guide.scale",
    "learn.token_steps",
    "learn.weight_steps",
)
"""The record's settings that have a control of their own."""

PATHS = ("mask", "masks", "colours", "layout", "boxes", "concepts")
"""What names files. Those who ask from afar have no files here."""

DOWNLOADS = ("picture", "record", "layout", "mask")
"""The files of a result that have a button, in the order of `Made.files`."""

THUMB = 240
"""Longer side of a picture in the history, in pixels."""

HERE = Path(__file__).parent

NETWORKS: dict[str, Any] = {"concurrency_id": "networks", "concurrency_limit": 1}
"""Events that need a model wait for each other, all tabs together."""


# Settings from the record


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A setting as it is asked for: its dotted name, help, default and annotation."""

    name: str
    help: str
    default: Any
    kind: str


def setting_of(name: str) -> Setting:
    group, _, last = name.rpartition(".")
    fields = {f.name: f for f in dataclasses.fields(ArrangeRecord)}
    owner: Any = type(fields[group].default) if group else ArrangeRecord
    field = next(f for f in dataclasses.fields(owner) if f.name == last)
    return Setting(name=name, help=field_help(owner)[last], default=field.default, kind=str(field.type))


def with_settings(record: ArrangeRecord, values: Mapping[str, Any]) -> ArrangeRecord:
    """The record with settings by their dotted names; None, from a field that was emptied, leaves the default.

    So does 0, which a page shows in an empty field of numbers, where the default is None.

    Raises:
        RecordError: one is out of range.
    """
    groups: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        empty = value is None or (value == 0 and name in ADVANCED and setting_of(name).default is None)
        if not empty:
            group, _, last = name.rpartition(".")
            groups.setdefault(group, {})[last] = value
    plain = groups.pop("", {})
    grouped = {name: dataclasses.replace(getattr(record, name), **fields) for name, fields in groups.items()}
    return dataclasses.replace(record, **plain, **grouped)


def control(setting: Setting) -> Any:
    """The component that asks for a setting."""
    group, _, last = setting.name.rpartition(".")
    what: dict[str, Any] = {
        "label": label(" ".join(filter(None, (group, last)))),
        "info": setting.help,
        "value": setting.default,
    }
    if setting.kind == "bool":
        return gr.Checkbox(**what)
    if setting.kind == "str":
        return gr.Textbox(**what, max_lines=3, max_length=2000)
    return gr.Number(**what, precision=0 if setting.kind.startswith("int") else None)


# What lies in a visitor's folder


def chosen(visit: Visit, name: str) -> Path:
    """The picture, or the scene's folder, that the stage shows.

    Raises:
        LayoutError: it shows none that is still there.
    """
    folder = visit.folder / name
    if re.fullmatch(r"(photo|scene)-\d{4,}", name) and folder.is_dir():
        for place in sorted(folder.iterdir()):
            if place.suffix == SCENE_ENDING if name.startswith("scene") else place.is_file():
                return place
    raise LayoutError("There is no picture yet: drop one first.")


def scene_record(place: Path, *, key: str | None = None) -> ArrangeRecord:
    """A record of a scene folder: of its files; of the folder itself where a layout has another key than its mask."""
    if key is not None:
        return ArrangeRecord(photo=str(place), colours=key)
    photo, mask, colours = (str(place / SCENE_FILES[kind]) for kind in ("photo", "mask", "colours"))
    return ArrangeRecord(photo=photo, mask=mask, colours=colours)


def names_of(place: Path) -> tuple[str, ...]:
    """The objects of a scene folder, in its order.

    Raises:
        LayoutError: it is only a picture.
    """
    if not place.is_dir():
        raise LayoutError("The picture has no cut-outs yet: name its objects and find them first.")
    return tuple(name for name in read_colours(place / SCENE_FILES["colours"]) if name != BACKGROUND)


def looks_of(place: Path) -> Path | None:
    """The learned looks of a scene that are newest."""
    return max(place.parent.glob("looks-*.safetensors"), default=None)


def split_names(text: str) -> tuple[str, ...]:
    """ "cat, potted plant" as names; lines and semicolons part them, too."""
    return tuple(name.strip() for name in re.split(r"[,;\n]", text) if name.strip())


def write_found(visit: Visit, record: ArrangeRecord, find_with: Finder) -> tuple[str, Scene, dict[str, Any]]:
    """Find or read a picture's objects and write them as a scene of the visitor's.

    Returns:
        The scene's name, itself, and its files and objects as JSON values.
    """
    photo = read_photo(photo_of(record))
    scene = seen(record, photo, find_with)
    folder = visit.new_folder("scene")
    facts = write_scene(scene, folder / f"{scene_stem(photo_of(record))}{SCENE_ENDING}", colours=record.colours)
    return folder.name, scene, facts


def read_chosen(place: Path) -> Scene:
    record = scene_record(place)
    return read_scene(record, read_photo(photo_of(record)))


@dataclass(frozen=True, kw_only=True)
class Made:
    """One result of a visitor's: its files, the scene and the moves that it was made from."""

    picture: Path
    files: tuple[Path, ...]
    words: str
    scene: str
    moves: Any


MOVES_FILE = "moves"


def results(visit: Visit) -> list[Made]:
    """All that was made by layout in this visit, in the order it was made."""
    found = []
    for folder in sorted(visit.folder.glob("arrange-*")):
        with contextlib.suppress(OSError, ValueError, KeyError):
            about = json.loads((folder / MOVES_FILE).read_text(encoding="utf-8"))
            files = tuple(Path(file) for file in about["files"])
            found.append(
                Made(
                    picture=files[0],
                    files=files,
                    words=str(about["words"]),
                    scene=str(about["scene"]),
                    moves=about["moves"],
                )
            )
    return found


def remember(folder: Path, summary: Mapping[str, Any], scene: str, moves: Moves) -> None:
    """Note beside a result what the stage showed, so that it can be the start of the next."""
    files = summary["files"]
    about = {
        "files": [files["picture"], files["record"], files["layout"], files["mask"], *files["others"]],
        "words": said(summary["record"]),
        "scene": scene,
        "moves": [dataclasses.asdict(move) for move in moves],
    }
    (folder / MOVES_FILE).write_text(json.dumps(about), encoding="utf-8")


def thumb(picture: Path) -> str:
    """A small picture for the history, inside its address."""
    image = read_photo(picture).as_image().convert("RGB")
    image.thumbnail((THUMB, THUMB))
    return as_url(image, "JPEG")


# What the page says


def sentence(text: str, *, wrong: bool = False) -> str:
    """A line for the visitor; whatever it holds is shown as text."""
    role = "alert" if wrong else "status"
    return f'<div class="layout-said{" wrong" if wrong else ""}" role="{role}">{html.escape(text)}</div>'


def way(progress: Progress) -> str:
    """How far the work is, with a bar."""
    share = min(1.0, progress.done / max(progress.total, 1))
    text = html.escape(f"{progress.stage.capitalize()}: {progress.done} of {progress.total}")
    return (
        f'<div class="layout-said" role="status">{text}<div class="way" role="progressbar" '
        f'aria-valuenow="{share:.0%}"><i style="width:{share:.1%}"></i></div></div>'
    )


@dataclass(frozen=True, kw_only=True)
class Loss:
    """The loss of one update of learning."""

    stage: str
    step: int
    value: float


class Telling:
    """A tracker that tells each loss to the page."""

    def __init__(self, show: Callable[[Any], None]) -> None:
        self.show = show

    def log(self, values: dict[str, Any], step: int | None = None) -> None:
        for name, value in values.items():
            self.show(Loss(stage=name.removeprefix("loss/"), step=step or 0, value=float(value)))


SHADES = ("#2563eb", "#ea580c", "#16a34a", "#9333ea")


def loss_plot(losses: Sequence[Loss], *, width: int = 320, height: int = 140) -> str:
    """The losses as lines, each stage in its colour, as a drawing for the page; empty without any."""
    if not losses:
        return ""
    left, top, right, bottom = 34, 18, width - 8, height - 18
    last, highest = max(max(each.step for each in losses), 2), max(max(each.value for each in losses), 1e-9)
    stages = list(dict.fromkeys(each.stage for each in losses))

    def place(step: float, value: float) -> str:
        return f"{left + (right - left) * (step - 1) / (last - 1):.1f},{bottom - (bottom - top) * value / highest:.1f}"

    parts = [f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="currentColor" stroke-opacity="0.3"/>']
    for place_, stage in enumerate(stages):
        own = [each for each in losses if each.stage == stage]
        shade = SHADES[place_ % len(SHADES)]
        raw = " ".join(place(each.step, each.value) for each in own)
        smooth = " ".join(place(each.step, value) for each, value in zip(own, smoothed(own), strict=True))
        parts += [
            f'<polyline points="{raw}" fill="none" stroke="{shade}" stroke-opacity="0.35"/>',
            f'<polyline points="{smooth}" fill="none" stroke="{shade}" stroke-width="2"/>',
            f'<text x="{left + 4 + 110 * place_}" y="11" style="fill:{shade}">{html.escape(stage)}</text>',
        ]
    parts += [
        f'<text x="{left - 4}" y="{top + 8}" text-anchor="end">{highest:.2g}</text>',
        f'<text x="{left - 4}" y="{bottom}" text-anchor="end">0</text>',
        f'<text x="{right}" y="{height - 5}" text-anchor="end">update {last}</text>',
    ]
    return (
        f'<div class="layout-loss"><svg viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="Loss of {len(losses)} updates">{"".join(parts)}</svg></div>'
    )


def smoothed(losses: Sequence[Loss]) -> Iterator[float]:
    """The losses as a running mean, in which a new one counts a fifth."""
    mean = losses[0].value
    for each in losses:
        mean += (each.value - mean) / 5
        yield mean


def problem_of(problem: Exception) -> str:
    """What to say of an error: its own sentence, or that nobody has foreseen it."""
    if isinstance(problem, Cancelled):
        return "Stopped. Nothing was changed."
    return str(problem) if isinstance(problem, IntarsiaError) else unforeseen(problem)


def visitor(room: Room, token: str | None) -> Visit:
    """The visitor of a page.

    Raises:
        RecordError: the page is older than the server.
    """
    try:
        return room.visit(token or "")
    except KeyError:
        raise RecordError("This page is from an earlier visit: reload it.") from None


# The page


class Studio:
    """What the tab does; each method is an event's handler, without a word of components."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.looker = Performer(room.machine, cached=True)

    def find_with(self, source: ModelSource) -> LoadedSegmenter:
        return self.looker.find_with(source)

    def base(self, place: Path, values: Mapping[str, Any], *, layout: str | None, key: str | None) -> ArrangeRecord:
        """The scene and the settings, nothing moved."""
        looks = looks_of(place)
        record = dataclasses.replace(
            scene_record(place, key=key if layout else None),
            layout=layout,
            concepts=str(looks) if looks is not None else None,
            models=self.room.models,
        )
        return with_settings(record, values)

    def wish(
        self, visit: Visit, stage: Any, values: Mapping[str, Any], layout: str | None, key: str | None
    ) -> tuple[ArrangeRecord, Moves]:
        """The record of what the stage shows.

        Raises:
            LayoutError: nothing was moved.
        """
        name, given = told_by(stage)
        place = chosen(visit, name)
        names = names_of(place)
        moves = read_moves(given, names)
        base = self.base(place, values, layout=layout, key=key)
        record = record_of(moves, names, base)
        if record == base and layout is None:
            raise LayoutError("Everything is where it was: move an object first.")
        return record, moves

    def arrange(
        self, visit: Visit, record: ArrangeRecord, scene: str, moves: Moves
    ) -> Generator[Step | Seen, None, Made]:
        """Make the picture, in a folder that is there only if it is made."""
        folder = visit.new_folder("arrange")
        try:
            summary = yield from watched(
                visit,
                lambda on_progress, _: made(record, folder, self.room.load, self.find_with, on_progress=on_progress)[0],
            )
            remember(folder, summary, scene, moves)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return results(visit)[-1]

    def learn(self, visit: Visit, place: Path, record: ArrangeRecord) -> Generator[Step | Seen, None, str]:
        """Learn the looks of a scene's objects into its folder; what it took, in a sentence."""
        number = len(list(place.parent.glob("looks-*.safetensors"))) + 1
        file = place.parent / f"looks-{number:04d}.safetensors"
        _, cost, models = yield from watched(
            visit,
            lambda on_progress, show: learned(
                record, file, self.room.load, self.find_with, tracker=Telling(show), on_progress=on_progress
            ),
        )
        names = ", ".join(names_of(place))
        return f"The looks of {names} are learned ({cost.seconds:.0f} s, {models}); regenerate paints with them."


def layout_tab(room: Room, token: gr.State) -> None:
    """Put the tab's components where we are in a page.

    Args:
        room: the networks and the visitors.
        token: holds the visitor's name; when it changes, the page shows what this visitor has made.
    """
    studio = Studio(room)
    with gr.Row(elem_classes="layout-room"):
        with gr.Column(elem_classes="layout-what"):
            objects = gr.Textbox(
                label="Objects",
                placeholder="cat, potted plant",
                info="What shall become a cut-out, with commas between.",
                max_lines=3,
                max_length=2000,
                elem_id="layout-objects",
            )
            find = gr.Button("Find the objects", variant="secondary", elem_id="layout-find")
            with gr.Accordion("Masks instead of names", open=False):
                gr.Markdown("The objects as one picture in their colours, and the colours as JSON.")
                mask = gr.File(label="Mask in colours", file_types=["image"], height=110, elem_id="layout-mask")
                colours = gr.File(label="Colours", file_types=[".json"], height=110, elem_id="layout-colours")
                read = gr.Button("Take these objects", size="sm")
        with gr.Column(elem_classes="layout-stage"):
            stage = stage_component(elem_id="layout-stage")
            with gr.Row(elem_classes="layout-go"):
                go = gr.Button("Arrange", variant="primary", elem_id="layout-go")
                stop = gr.Button("Cancel", variant="stop", interactive=False, elem_id="layout-cancel")
            status = gr.HTML(sentence(""), elem_id="layout-status")
            with gr.Column(visible=False) as outcome:
                compare = gr.ImageSlider(
                    label="Before and after",
                    type="filepath",
                    interactive=False,
                    max_height=420,
                    elem_id="layout-result",
                )
                with gr.Row(elem_classes="layout-files"):
                    files = [
                        gr.DownloadButton(f"Download {what}", size="sm", elem_id=f"layout-get-{what.replace(' ', '-')}")
                        for what in DOWNLOADS
                    ]
                others = gr.Gallery(label="Further seeds", columns=4, object_fit="contain", height=220, visible=False)
            strip = gr.HTML(
                [],
                html_template="",
                js_on_load=(HERE / "history.js").read_text(encoding="utf-8"),
                apply_default_css=False,
                elem_id="layout-history",
            )
        with gr.Column(elem_classes="layout-how"):
            mode = gr.Radio(
                list(get_args(Mode)),
                value="auto",
                label="How",
                info=field_help(ArrangeRecord)["mode"],
                elem_id="layout-mode",
            )
            with gr.Accordion("A drawn layout instead", open=False):
                gr.Markdown("Where the objects shall be, painted in their colours. What is dragged comes on top.")
                layout = gr.File(label="Layout in colours", file_types=["image"], height=110)
                key = gr.File(label="Its colours, if not the scene's", file_types=[".json"], height=110)
            with gr.Accordion("Learn how the objects look", open=False):
                gr.Markdown("Regenerate paints objects anew from what it has learned of them. Learn once, use often.")
                teach = gr.Button("Learn", size="sm", elem_id="layout-learn")
                plot = gr.HTML("", elem_id="layout-plot")
            with gr.Accordion("Advanced", open=False):
                controls = [control(setting_of(name)) for name in ADVANCED]

    def values_of(how: str, settings: Sequence[Any]) -> dict[str, Any]:
        return {"mode": how, **dict(zip(ADVANCED, settings, strict=True))}

    def show_photo(visitor_: str, event: gr.EventData) -> Any:
        try:
            visit = visitor(room, visitor_)
            place = take_upload(Path(str(event._data.get("path"))), Path(get_upload_folder()), visit)
            value = photo_value(read_photo(place), place.parent.name)
        except Exception as problem:
            return {status: sentence(problem_of(problem), wrong=True)}
        return {stage: value, status: sentence(""), outcome: gr.update(visible=False)}

    def found(visitor_: str, now: Any, record: Callable[[str], ArrangeRecord]) -> Iterator[Any]:
        yield {status: sentence("Looking for the objects.")}
        try:
            visit = visitor(room, visitor_)
            name, scene, _ = write_found(
                visit, record(str(photo_of_chosen(chosen(visit, told_by(now)[0])))), studio.find_with
            )
            value = stage_value(scene, name)
        except Exception as problem:
            yield {status: sentence(problem_of(problem), wrong=True)}
            return
        yield {stage: value, status: sentence(f"Found {listed(scene.names)}. Drag them where you want them.")}

    def find_named(visitor_: str, now: Any, text: str) -> Iterator[Any]:
        names = split_names(text or "")
        if not names:
            yield {status: sentence("Name what shall become a cut-out, e.g. cat, potted plant.", wrong=True)}
            return
        yield from found(visitor_, now, lambda file: ArrangeRecord(photo=file, find=names, models=room.models))

    def read_given(visitor_: str, now: Any, mask_: str | None, colours_: str | None) -> Iterator[Any]:
        if mask_ is None or colours_ is None:
            yield {status: sentence("Give both the mask and its colours.", wrong=True)}
            return
        yield from found(visitor_, now, lambda file: ArrangeRecord(photo=file, mask=mask_, colours=colours_))

    def shown(visit: Visit, one: Made, text: str, *, moves: bool = False) -> dict[Any, Any]:
        all_made = results(visit)
        place = chosen(visit, one.scene)
        before, further = place / SCENE_FILES["photo"], one.files[len(files) :]
        update: dict[Any, Any] = {
            status: sentence(text),
            outcome: gr.update(visible=True),
            compare: (str(before), str(one.picture)),
            **dict(zip(files, map(str, one.files), strict=False)),
            others: gr.update(value=[str(file) for file in further], visible=bool(further)),
            strip: [{"picture": thumb(m.picture), "words": m.words} for m in all_made],
        }
        if moves:
            update[stage] = stage_value(read_chosen(place), one.scene, read_moves(one.moves, names_of(place)))
        return update

    def arrange_it(
        visitor_: str, now: Any, how: str, drawn: str | None, its: str | None, *settings: Any
    ) -> Iterator[Any]:
        yield {status: sentence("Beginning."), go: gr.update(interactive=False), stop: gr.update(interactive=True)}
        rest = {go: gr.update(interactive=True), stop: gr.update(interactive=False)}
        try:
            visit = visitor(room, visitor_)
            record, moves = studio.wish(visit, now, values_of(how, settings), drawn, its)
            work = studio.arrange(visit, record, told_by(now)[0], moves)
            while True:
                try:
                    news = next(work)
                except StopIteration as end:
                    one: Made = end.value
                    break
                if isinstance(news, Step):
                    yield {status: way(news.progress)}
        except Exception as problem:
            wrong = not isinstance(problem, Cancelled)
            yield {status: sentence(problem_of(problem), wrong=wrong), **rest}
            return
        yield {**shown(visit, one, f"Done: {one.words}."), **rest}

    def learn_it(visitor_: str, now: Any, how: str, *settings: Any) -> Iterator[Any]:
        yield {status: sentence("Beginning."), teach: gr.update(interactive=False), stop: gr.update(interactive=True)}
        rest = {teach: gr.update(interactive=True), stop: gr.update(interactive=False)}
        losses: list[Loss] = []
        try:
            visit = visitor(room, visitor_)
            place = chosen(visit, told_by(now)[0])
            names_of(place)
            record = dataclasses.replace(
                studio.base(place, values_of(how, settings), layout=None, key=None), concepts=None
            )
            work = studio.learn(visit, place, record)
            while True:
                try:
                    news = next(work)
                except StopIteration as end:
                    text: str = end.value
                    break
                if isinstance(news, Seen):
                    losses.append(news.what)
                else:
                    yield {status: way(news.progress), plot: loss_plot(losses)}
        except Exception as problem:
            wrong = not isinstance(problem, Cancelled)
            yield {status: sentence(problem_of(problem), wrong=wrong), **rest}
            return
        yield {status: sentence(text), plot: loss_plot(losses), mode: "regenerate", **rest}

    def go_on_from(visitor_: str, event: gr.EventData) -> Any:
        try:
            visit = visitor(room, visitor_)
            one = results(visit)[int(event._data["index"])]
            return shown(visit, one, f"Going on from: {one.words}.", moves=True)
        except Exception as problem:
            return {status: sentence(problem_of(problem), wrong=True)}

    def come_back(visitor_: str) -> Any:
        try:
            visit = visitor(room, visitor_)
        except RecordError:
            return {status: sentence("")}
        all_made = results(visit)
        return shown(visit, all_made[-1], "", moves=True) if all_made else {status: sentence("")}

    def halt(visitor_: str) -> None:
        with contextlib.suppress(KeyError):
            room.visit(visitor_).stop.set()

    shows = [stage, status, outcome, compare, *files, others, strip, go, stop, teach, plot, mode]
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    stage.uploaded(show_photo, [token], shows, **quiet)
    gr.on([find.click, objects.submit], find_named, [token, stage, objects], shows, **quiet, **NETWORKS)
    read.click(read_given, [token, stage, mask, colours], shows, **quiet, **NETWORKS)
    go.click(arrange_it, [token, stage, mode, layout, key, *controls], shows, **quiet, **NETWORKS).then(
        None,
        js="() => { document.querySelector('#layout-result')?.scrollIntoView({ block: 'nearest', behavior: 'smooth' }); }",
    )
    teach.click(learn_it, [token, stage, mode, *controls], shows, **quiet, **NETWORKS)
    stop.click(halt, [token], None, queue=False, **quiet)
    strip.chosen(go_on_from, [token], shows, **quiet)
    token.change(come_back, [token], shows, **quiet)
    add_endpoints(studio)


def photo_of_chosen(place: Path) -> Path:
    """The picture itself, of a scene's folder too."""
    return place / SCENE_FILES["photo"] if place.is_dir() else place


def listed(names: Sequence[str]) -> str:
    return ", ".join(names)


# From other programs


def add_endpoints(studio: Studio) -> None:
    """The endpoints /find_objects and /arrange."""
    room = studio.room
    with gr.Row(visible=False):
        photo, names, scene_out = gr.File(label="photo"), gr.Textbox(label="names"), gr.JSON(label="scene")
        wish, picture, record_out = gr.JSON(label="wish"), gr.File(label="picture"), gr.JSON(label="record")
        finding, arranging = gr.Button(), gr.Button()

    def find_objects(photo: str, names: str) -> dict[str, Any]:
        """Find objects in a picture by their names, with commas between; the scene is what /arrange takes."""
        with answering(), a_visit(room) as visit:
            if photo is None:
                raise RecordError("No picture came: send one as photo.")
            record = ArrangeRecord(
                photo=str(take_upload(Path(photo), Path(get_upload_folder()), visit)),
                find=split_names(names or ""),
                models=room.models,
            )
            if not record.find:
                raise RecordError("No object is named: give names with commas between, e.g. cat, potted plant.")
            name, scene, facts = write_found(visit, record, studio.find_with)
            size = scene.photo.size
            return {
                "scene": f"{visit.token}/{name}",
                "width": size.width,
                "height": size.height,
                "objects": facts["objects"],
            }

    def arrange_objects(photo: str | None, wish: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Rearrange a scene of /find_objects, or a picture: {"scene", "moves"}, {"scene", "record"} or {"record"}."""
        with answering(), a_visit(room) as visit:
            record, name, moves = asked(studio, visit, photo, wish)
            work = studio.arrange(visit, record, name, moves)
            while True:
                try:
                    next(work)
                except StopIteration as end:
                    one: Made = end.value
                    break
            return str(one.picture), json.loads(one.files[1].read_text(encoding="utf-8"))

    finding.click(find_objects, [photo, names], [scene_out], api_name="find_objects", **NETWORKS)
    arranging.click(arrange_objects, [photo, wish], [picture, record_out], api_name="arrange", **NETWORKS)


def asked(studio: Studio, visit: Visit, photo: str | None, wish: Any) -> tuple[ArrangeRecord, str, Moves]:
    """The record that another program asks for, of files that it may name.

    Raises:
        RecordError, LayoutError: it is none, names files of this machine, or a scene that is not there.
    """
    if not isinstance(wish, dict):
        raise RecordError('The wish is no object: send {"scene": ..., "moves": [...]} or {"record": {...}}.')
    values = wish.get("record") or {}
    if not isinstance(values, dict):
        raise RecordError("The record is no object: send the fields of an ArrangeRecord.")
    whose, _, name = str(wish.get("scene") or "").partition("/")
    owner = studio.room.visits.get(whose)
    if name and owner is None:
        raise RecordError("There is no such scene any more: find its objects again.")
    if owner is not None:
        place = chosen(owner, name)
        names = names_of(place)
        files = {k: v for k, v in dataclasses.asdict(scene_record(place)).items() if k in ("photo", "mask", "colours")}
        values = {**values, **files, "find": []}
    elif photo is not None:
        values = {**values, "photo": str(take_upload(Path(photo), Path(get_upload_folder()), visit))}
        names, files = (), {}
    else:
        raise RecordError("Neither a photo nor a scene came: send one of them.")
    learn = values.get("learn")
    strange = [field for field in PATHS if values.get(field) and field not in files]
    if strange or (isinstance(learn, dict) and learn.get("prior")):
        raise RecordError(
            f"The record names files in {(*strange, 'learn.prior')[0]!r}, which are not looked for on this machine: "
            "leave it out."
        )
    record: ArrangeRecord = from_json(ArrangeRecord, {**values, "models": studio.room.models}, "the record")
    moves: Moves = ()
    if owner is not None:
        moves = read_moves(wish.get("moves") or [], names)
        record = record_of(moves, names, record) if wish.get("moves") else record
    return record, name, moves


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Errors as another program gets them: a sentence."""
    try:
        yield
    except Exception as problem:
        raise gr.Error(problem_of(problem)) from problem


@contextlib.contextmanager
def a_visit(room: Room) -> Iterator[Visit]:
    """A visit for one call; its folder stays as long as that of any visitor who has left."""
    visit = room.enter(None)
    try:
        yield visit
    finally:
        room.leave(visit.token)
