"""The tab "Edit by layout": objects of a picture become cut-outs, are moved by hand, and the picture is made anew."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import html
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import gradio as gr
from gradio.utils import get_upload_folder

from intarsia.errors import Cancelled, IntarsiaError, LayoutError, RecordError
from intarsia.imaging.geometry import Point
from intarsia.imaging.read import read_photo
from intarsia.layout.train import Sample
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.choices import Mode
from intarsia.web.api import add_endpoints, problem_of
from intarsia.web.arrange_examples import EXAMPLES, Example, example_cards
from intarsia.web.arrange_service import ArrangeService, Working, one_more, renamed
from intarsia.web.arrange_settings import ADVANCED, control, setting_of
from intarsia.web.arrange_store import (
    THUMB_FILE,
    Arrangement,
    chosen,
    names_of,
    photo_of_chosen,
    read_chosen,
    result_facts,
    results,
    split_names,
)
from intarsia.web.canvas import Moves, as_url, canvas_component, canvas_value, photo_value, read_moves, told_by
from intarsia.web.edit_service import models_label
from intarsia.web.field_labels import field_help
from intarsia.web.loss_plot import Loss, Painted, loss_plot_html
from intarsia.web.queue import WorkQueue
from intarsia.web.result_store import history, picture_of, result_folder
from intarsia.web.scripts import loading
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.uploads import address, take_photo, take_upload
from intarsia.web.work import NETWORKS, Step, progress_line

PAINTED = 160
"""Longer side of a picture that shows how far learning is, in pixels."""

Shown = dict[Any, Any]
"""New values by component; all other components stay as they are."""

Work = Generator[Shown, None, Shown]
"""Work that shows something now and then, and something in the end."""

Result = TypeVar("Result")


# What the page says


def sentence(text: str, *, wrong: bool = False) -> str:
    """A line for the visitor; whatever it holds is shown as text."""
    role = "alert" if wrong else "status"
    return f'<div class="layout-said{" wrong" if wrong else ""}" role="{role}">{html.escape(text)}</div>'


def way(step: Step) -> str:
    """How far the work is, with a bar."""
    progress = step.progress
    share = min(1.0, progress.done / max(progress.total, 1))
    return (
        f'<div class="layout-said" role="status">{html.escape(progress_line(step))}<div class="way" role="progressbar" '
        f'aria-valuenow="{100 * share:.0f}"><i style="width:{share:.1%}"></i></div></div>'
    )


def listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def history_cards(visit: Session) -> list[dict[str, Any]]:
    """This visit's results in the order they were made: those by layout to go on from, those by words to begin with."""
    cards = []
    for k, made in enumerate(results(visit)):
        card = {"kind": "layout", "index": k, "picture": address(made.folder / THUMB_FILE), "words": made.words}
        cards.append((made.folder.name, card))
    for one in history(visit):
        if one["folder"].startswith("edit-"):
            card = {"kind": "words", "folder": one["folder"], "picture": one["url"], "words": one["said"]}
            cards.append((one["folder"], card))
    return [card for _, card in sorted(cards, key=lambda pair: pair[0].rpartition("-")[2])]


def painted_of(sample: Sample) -> Painted:
    """A picture of how far learning is, small enough for the page."""
    image = sample.photo.as_image().convert("RGB")
    image.thumbnail((PAINTED, PAINTED))
    return Painted(done=sample.done, total=sample.total, url=as_url(image, "JPEG"))


# The page


def arrange_tab(room: SessionStore, token: gr.State) -> None:
    """Put the tab's components where we are in a page.

    Args:
        room: the networks and the visitors.
        token: holds the visitor's name; when it changes, the page shows what this visitor has made.
    """
    studio = ArrangeService(room)
    turns: WorkQueue[Callable[[], Work]] = WorkQueue()
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
            stage = canvas_component({"examples": example_cards()}, elem_id="layout-stage")
            with gr.Row(elem_classes="layout-go"):
                go = gr.Button("Arrange", variant="primary", elem_id="layout-go")
                stop = gr.Button("Cancel", variant="stop", interactive=False, elem_id="layout-cancel")
                with gr.Column(min_width=0, elem_classes="layout-told"):
                    status = gr.HTML(sentence(""), elem_id="layout-status", apply_default_css=False)
                    place = gr.HTML("", elem_id="layout-place", apply_default_css=False)
            strip = gr.HTML(
                [],
                html_template="",
                js_on_load=loading("history", ("chosen", "taken")),
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
                plot = gr.HTML("", elem_id="layout-plot", apply_default_css=False)
            with gr.Accordion("Advanced", open=False):
                models = gr.Dropdown(
                    [(models_label(choice), choice) for choice in room.choices],
                    value=room.models,
                    label="Models",
                    info="The networks that find and paint. Others than the last ones are loaded first, which takes long.",
                    visible=len(room.choices) > 1,
                    elem_id="layout-models",
                )
                controls = [control(setting_of(name)) for name in ADVANCED]

    busy: Shown = {
        **{each: gr.update(interactive=False) for each in (go, find, read, teach)},
        stop: gr.update(interactive=True),
    }
    rest: Shown = {
        **{each: gr.update(interactive=True) for each in (go, find, read, teach)},
        stop: gr.update(interactive=False),
    }

    def trouble(problem: Exception) -> Shown:
        return {status: sentence(problem_of(problem), wrong=not isinstance(problem, Cancelled))}

    def values_of(how: str, settings: Sequence[Any]) -> dict[str, Any]:
        return {"mode": how, **dict(zip(ADVANCED, settings, strict=True))}

    def shown_again(visit: Session, one: Arrangement, text: str, *, moves: bool = False) -> Shown:
        """A result in the place of its cut-outs; with the moves that it was made from, if they shall come back."""
        place = chosen(visit, one.scene)
        facts = result_facts(one, photo_of_chosen(place))
        value: dict[str, Any] = {"id": one.scene, "moves": one.moves}
        if moves:
            value = canvas_value(read_chosen(place), one.scene, read_moves(one.moves, names_of(place)))
        return {status: sentence(text), stage: {**value, "result": facts}, strip: history_cards(visit)}

    # Without the networks

    def show_photo(visitor_: str, event: gr.EventData) -> Shown:
        try:
            visit = room.visit(visitor_)
            file = take_upload(Path(str(event._data.get("path"))), Path(get_upload_folder()), visit)
            return {stage: photo_value(read_photo(file), file.parent.name), status: sentence("")}
        except Exception as problem:
            return trouble(problem)

    def take_result(visitor_: str, event: gr.EventData) -> Shown:
        try:
            visit = room.visit(visitor_)
            file = take_photo(picture_of(result_folder(visit, event._data.get("folder")), 0), visit)
            return {
                stage: photo_value(read_photo(file), file.parent.name),
                status: sentence("This is the picture now: click its objects, or name them."),
            }
        except Exception as problem:
            return trouble(problem)

    def rename(visitor_: str, now: Any, event: gr.EventData) -> Shown:
        try:
            visit = room.visit(visitor_)
            name, given = told_by(now)
            former, new = (str(event._data.get(each) or "") for each in ("name", "wanted"))
            moves = read_moves(given, names_of(chosen(visit, name)))
            named, scene = studio.rename(visit, chosen(visit, name), former, new)
            new = next(b for a, b in zip(names_of(chosen(visit, name)), scene.names, strict=True) if a == former)
            return {
                stage: canvas_value(scene, named, renamed(moves, former, new)),
                status: sentence(f"{former} is called {new} now."),
            }
        except Exception as problem:
            return trouble(problem)

    def go_on_from(visitor_: str, event: gr.EventData) -> Shown:
        try:
            visit = room.visit(visitor_)
            one = results(visit)[int(event._data["index"])]
            return shown_again(visit, one, f"Going on from: {one.words}.", moves=True)
        except Exception as problem:
            return trouble(problem)

    def come_back(visitor_: str) -> Shown:
        try:
            visit = room.visit(visitor_)
            all_made = results(visit)
            return shown_again(visit, all_made[-1], "", moves=True) if all_made else {strip: history_cards(visit)}
        except IntarsiaError:
            return {status: sentence("")}

    def look_around(visitor_: str) -> Shown:
        """Another tab may have made something meanwhile."""
        with contextlib.suppress(RecordError):
            return {strip: history_cards(room.visit(visitor_))}
        return {strip: gr.skip()}

    # With the networks: a press says what is wanted, and it begins when the queue comes to it

    def want(request: gr.Request, work: Callable[[], Work], check: Callable[[], Any]) -> Shown:
        """Say at once what can be said at once, and wait."""
        try:
            check()
        except Exception as problem:
            return trouble(problem)
        if not turns.take(str(request.session_hash), work):
            return {status: gr.skip()}
        return {status: sentence("Waiting for a turn."), **busy}

    def perform(request: gr.Request) -> Iterator[Shown]:
        """What the page wants; whatever becomes of it, the page is as it was before."""
        page = str(request.session_hash)
        begin = turns.begin(page)
        if begin is None:
            yield {status: gr.skip()}
            return
        work = begin()
        try:
            while True:
                news = next(work)
                if turns.stopped(page):  # perhaps before there was anything to stop
                    raise Cancelled("stopped; nothing was changed.")
                yield news
        except StopIteration as end:
            last: Shown = end.value
        except Exception as problem:
            last = trouble(problem)
        finally:
            work.close()
            turns.end(page)
        yield {**last, **rest}

    def telling(working: Working[Result]) -> Generator[Shown, None, Result]:
        """Show how far work is."""
        try:
            while True:
                news = next(working)
                if isinstance(news, Step):
                    yield {status: way(news)}
        except StopIteration as end:
            result: Result = end.value
            return result
        finally:
            working.close()

    def found(visit: Session, record: ArrangeRecord) -> Work:
        yield {status: sentence("Looking for the objects.")}
        name, scene = yield from telling(studio.find(visit, record))
        return {
            stage: canvas_value(scene, name),
            status: sentence(f"Found {listed(scene.names)}. Drag them where you want them."),
        }

    def want_names(request: gr.Request, visitor_: str, now: Any, text: str, which: str) -> Shown:
        def record() -> ArrangeRecord:
            file = photo_of_chosen(chosen(room.visit(visitor_), told_by(now)[0]))
            names = split_names(text or "")
            if not names:
                raise LayoutError("Name what shall become a cut-out, e.g. cat, potted plant.")
            return ArrangeRecord(photo=str(file), find=names, models=which)

        return want(request, lambda: found(room.visit(visitor_), record()), record)

    def want_masks(request: gr.Request, visitor_: str, now: Any, mask_: str | None, colours_: str | None) -> Shown:
        def record() -> ArrangeRecord:
            file = photo_of_chosen(chosen(room.visit(visitor_), told_by(now)[0]))
            if mask_ is None or colours_ is None:
                raise LayoutError("Give both the mask and its colours.")
            return ArrangeRecord(photo=str(file), mask=mask_, colours=colours_)

        return want(request, lambda: found(room.visit(visitor_), record()), record)

    def want_example(request: gr.Request, visitor_: str, which: str, event: gr.EventData) -> Shown:
        def example() -> Example:
            index = event._data.get("index")
            if type(index) is not int or not 0 <= index < len(EXAMPLES):
                raise RecordError("That example is not here any more: reload the page.")
            return EXAMPLES[index]

        def work() -> Work:
            visit = room.visit(visitor_)
            file = take_photo(example().photo, visit)
            yield {stage: photo_value(read_photo(file), file.parent.name), objects: listed(example().find)}
            return (yield from found(visit, example().record(file, which)))

        return want(request, work, example)

    def want_there(request: gr.Request, visitor_: str, now: Any, text: str, which: str, event: gr.EventData) -> Shown:
        def point() -> Point:
            chosen(room.visit(visitor_), told_by(now)[0])
            x, y = (event._data.get(each) for each in ("x", "y"))
            if type(x) not in (int, float) or type(y) not in (int, float):
                raise RecordError("The click has no place on the picture: reload the page.")
            return Point(x, y)

        def work() -> Work:
            visit = room.visit(visitor_)
            former, given = told_by(now)
            place_ = chosen(visit, former)
            moves = read_moves(given, names_of(place_)) if place_.is_dir() else ()
            yield {status: sentence("Looking at what is there.")}
            looking = studio.find_one_more(visit, place_, point(), split_names(text or ""), which)
            name, scene, new = yield from telling(looking)
            return {
                stage: canvas_value(scene, name, one_more(moves, new)),
                status: sentence(f"Cut out {new}. Drag it where you want it, or click the next object."),
            }

        return want(request, work, point)

    def want_picture(
        request: gr.Request,
        visitor_: str,
        now: Any,
        how: str,
        drawn: str | None,
        its: str | None,
        which: str,
        *settings: Any,
    ) -> Shown:
        def wish() -> tuple[ArrangeRecord, Moves]:
            return studio.wish(room.visit(visitor_), now, values_of(how, settings), drawn, its, which)

        def work() -> Work:
            visit = room.visit(visitor_)
            yield {status: sentence("Beginning.")}
            record, moves = wish()
            one = yield from telling(studio.arrange(visit, record, told_by(now)[0], moves))
            return shown_again(visit, one, f"Done: {one.words}.")

        return want(request, work, wish)

    def want_replay(request: gr.Request, visitor_: str, event: gr.EventData) -> Shown:
        folder, index = (event._data.get(each) for each in ("folder", "index"))

        def work() -> Work:
            yield {status: sentence("Making it again from its record.")}
            same = yield from telling(studio.replay(room.visit(visitor_), folder, index))
            verdict = "The same pixels came out." if same else "Other pixels came out than were recorded."
            return {status: sentence(verdict, wrong=not same)}

        return want(request, work, lambda: picture_of(result_folder(room.visit(visitor_), folder), index))

    def want_looks(request: gr.Request, visitor_: str, now: Any, how: str, which: str, *settings: Any) -> Shown:
        def lesson() -> tuple[Path, ArrangeRecord]:
            place_ = chosen(room.visit(visitor_), told_by(now)[0])
            names_of(place_)
            base = studio.base(place_, values_of(how, settings), layout=None, key=None, models=which)
            return place_, dataclasses.replace(base, concepts=None)

        def work() -> Work:
            losses: list[Loss] = []
            painted: list[Painted] = []
            working = studio.learn(room.visit(visitor_), *lesson())
            yield {status: sentence("Beginning."), plot: ""}
            try:
                while True:
                    news = next(working)
                    if isinstance(news, Step):
                        yield {status: way(news), plot: loss_plot_html(losses, painted)}
                    elif isinstance(news.what, Loss):
                        losses.append(news.what)
                    elif isinstance(news.what, Sample):
                        painted.append(painted_of(news.what))
            except StopIteration as end:
                return {status: sentence(end.value), plot: loss_plot_html(losses, painted), mode: "regenerate"}
            finally:
                working.close()

        return want(request, work, lesson)

    def halt(request: gr.Request, visitor_: str) -> Shown:
        if turns.call_off(str(request.session_hash)):
            return {status: sentence("Stopped. Nothing was changed."), **rest}
        with contextlib.suppress(RecordError):
            room.visit(visitor_).stop.set()
        return {status: gr.skip()}

    shows = [stage, status, objects, strip, plot, mode, go, find, read, teach, stop]
    quick: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    stage.uploaded(show_photo, [token], shows, **quick)
    stage.renamed(rename, [token, stage], shows, **quick)
    stage.opened(look_around, [token], [strip], **quick)
    strip.chosen(go_on_from, [token], shows, **quick)
    strip.taken(take_result, [token], shows, **quick)
    token.change(come_back, [token], shows, **quick)

    by_names, asked = [token, stage, objects, models], [token, stage, mode, layout, key, models, *controls]
    for listen, ask, inputs in (
        (functools.partial(gr.on, [find.click, objects.submit]), want_names, by_names),
        (read.click, want_masks, [token, stage, mask, colours]),
        (stage.example, want_example, [token, models]),
        (stage.pointed, want_there, by_names),
        (go.click, want_picture, asked),
        (stage.replayed, want_replay, [token]),
        (teach.click, want_looks, [token, stage, mode, models, *controls]),
    ):
        listen(ask, inputs, shows, **quick, queue=False).then(
            perform,
            None,
            shows,
            **NETWORKS,
            api_visibility="private",
            show_progress="minimal",
            show_progress_on=place,
        )
    stop.click(halt, [token], [status, go, find, read, teach, stop], **quick, queue=False)
    add_endpoints(studio)
