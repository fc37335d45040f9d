"""The tab "Edit by words": a photo, what is there, what it should become, and a choice of results."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from intarsia.app.ui import words
from intarsia.app.ui.fields import field_help, label
from intarsia.app.ui.room import Room, Seen, Step, Visit, watched, way_of
from intarsia.app.ui.sentences import sentence
from intarsia.app.ui.words import Facts
from intarsia.errors import Cancelled, RecordError
from intarsia.records import CHOICES, EditRecord

HERE = Path(__file__).parent
NETWORKS: dict[str, Any] = {"concurrency_id": "networks", "concurrency_limit": 1}
"""Events that need the networks: one at a time, the others wait in Gradio's queue."""
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
DETAILS = ("negative_prompt", "steps", "guidance", "preset", "seed", "keep")
"""Settings under the fold, in this order."""
EMPTY: Facts = {
    "phase": "empty",
    "photo": None,
    "box": None,
    "look": None,
    "round": None,
    "progress": None,
    "result": None,
    "history": [],
    "message": "",
    "problem": False,
}
"""What the page shows before there is anything; every fact that it knows."""
ARRIVING: Facts = {**EMPTY, "phase": "arriving"}
"""Before the page knows its visitor it takes no photo: what came first would be lost when the past is shown."""


def words_tab(room: Room, token: gr.State) -> None:
    """Lay out the tab and wire it.

    Args:
        room: the networks and the visitors.
        token: the visitor's name, once the page has loaded.
    """
    photo = gr.State(None)
    with gr.Row(elem_classes="words"):
        with gr.Column(scale=5, min_width=320, elem_classes="words-stage"):
            stage = gr.HTML(
                ARRIVING,
                html_template='<div class="words-root"></div>',
                js_on_load=(HERE / "words.js").read_text(encoding="utf-8"),
                apply_default_css=False,
                elem_id="words-stage",
                examples=words.example_facts(),
            )
        with gr.Column(scale=2, min_width=300, elem_classes="words-form"):
            source = gr.Textbox(
                label="What is there", info=said("source"), max_length=2000, elem_id="words-source", lines=1
            )
            prompt = gr.Textbox(
                label="What it should become",
                info=said("prompt"),
                max_length=2000,
                elem_id="words-prompt",
                lines=1,
                max_lines=4,
            )
            start = gr.Button("Edit", variant="primary", elem_id="words-edit")
            place = gr.HTML("", elem_id="words-place", apply_default_css=False)
            with gr.Accordion("More settings", open=False, elem_id="words-more"):
                details = {name: detail(name) for name in DETAILS}
                if len(room.choices) > 1:
                    details["models"] = models_choice(room)
    seed, keep = details["seed"], details["keep"]

    def visit_of(name: str) -> Visit:
        try:
            return room.visit(name)
        except KeyError:
            raise RecordError("This page was left for so long that it was forgotten: reload it.") from None

    def arrive(name: str) -> tuple[Any, ...]:
        """The latest result is shown again; so is the list of all."""
        if not name:
            return (gr.skip(),) * 4
        visit = visit_of(name)
        past = words.history(visit)
        facts = {**EMPTY, "history": past}
        by_words = next((e["folder"] for e in past if e["folder"].startswith("edit-")), None)
        if by_words is None:
            return facts, None, gr.skip(), gr.skip()
        result = words.result_facts(visit.folder / by_words)
        kept = words.settings_of(visit.folder / by_words)
        facts |= {"phase": "done", "photo": result["photo"], "result": result, "look": result["look"]}
        return facts, kept["photo"], kept["source"], kept["prompt"]

    def uploaded(name: str, shown: Any, event: gr.EventData) -> tuple[Any, Any]:
        facts = known(shown)
        try:
            visit = visit_of(name)
            file = words.take_upload(Path(str(event._data.get("path"))), Path(get_upload_folder()), visit)
            return ready(visit, file), str(file)
        except Exception as problem:
            return {**facts, **trouble(problem)}, gr.skip()

    def take(name: str, shown: Any, event: gr.EventData) -> tuple[Any, Any]:
        facts = known(shown)
        try:
            visit = visit_of(name)
            picture = words.picture_of(
                words.result_folder(visit, event._data.get("folder")), event._data.get("index", 0)
            )
            file = words.take_photo(picture, visit)
            return {**ready(visit, file), "message": "This is the photo now. Say what is next."}, str(file)
        except Exception as problem:
            return {**facts, **trouble(problem)}, gr.skip()

    def try_example(name: str, shown: Any, event: gr.EventData) -> tuple[Any, ...]:
        """The example's photo and words are the visitor's now, and the edit begins."""
        facts = known(shown)
        try:
            visit, example = visit_of(name), words.example_of(event._data.get("index"))
            file = words.take_photo(example.photo, visit)
            return str(file), example.source, example.prompt, *press(name, ready(visit, file))
        except Exception as problem:
            return (*(gr.skip(),) * 3, {**facts, **trouble(problem)}, gr.skip())

    def show_again(name: str, shown: Any, event: gr.EventData) -> tuple[Any, Any, Any, Any]:
        facts = known(shown)
        try:
            visit = visit_of(name)
            folder = words.result_folder(visit, event._data.get("folder"))
            if not folder.name.startswith("edit-"):
                raise RecordError("This was made by layout: take it as the next photo, or see that tab.")
            result, kept = words.result_facts(folder), words.settings_of(folder)
            new = {**EMPTY, "phase": "done", "photo": result["photo"], "result": result, "look": result["look"]}
            return {**new, "history": words.history(visit)}, kept["photo"], kept["source"], kept["prompt"]
        except Exception as problem:
            return {**facts, **trouble(problem)}, gr.skip(), gr.skip(), gr.skip()

    def ready(visit: Visit, file: Path) -> Facts:
        shown = words.photo_facts(file)
        return {**EMPTY, "phase": "ready", "photo": shown, "history": words.history(visit)}

    waiting: set[str] = set()

    def press(name: str, shown: Any) -> tuple[Any, ...]:
        waiting.add(name)
        facts = known(shown)
        facts |= {"phase": "waiting", "message": "Waiting for a turn.", "problem": False, "progress": None}
        return facts, gr.Button(interactive=False)

    def press_again(name: str, shown: Any, number: Any, keep: Any) -> tuple[Any, ...]:
        boxed = known(shown)["box"] is not None
        return words.next_seed(int(number or 0), int(keep or 1), boxed), *press(name, shown)

    def still_wanted(name: str) -> None:
        if name not in waiting:
            raise Cancelled("Stopped before it began.")

    def work(name: str, shown: Any, file: str | None, *said: Any) -> Generator[tuple[Any, ...], None, None]:
        facts = known(shown)
        former = {"result": facts["result"], "look": facts["look"]}
        try:
            visit = visit_of(name)
            still_wanted(name)
            if file is None:
                raise RecordError("There is no photo yet: drop one on the page.")
            settings = dict(zip(("source", "prompt", *details), said, strict=True))
            record = words.record_of(Path(file), whole_numbers(settings), room, facts["box"])
            facts |= {
                "phase": "working",
                "message": "Looking at the photo.",
                "look": None,
                "round": None,
                "result": None,
            }
            yield facts, gr.skip()
            still_wanted(name)  # the page showed a way to cancel, before there was work to stop
            steps = watched(visit, lambda on_progress, show: words.edit_for(visit, room, record, on_progress, show))
            folder = yield from told(steps, facts)
            result = words.result_facts(folder)
            facts |= {
                "phase": "done",
                "result": result,
                "look": result["look"],
                "message": "Done. " + result["facts"],
                "progress": None,
                "history": words.history(visit),
            }
        except Exception as problem:
            # What was on the stage before comes back to it.
            phase = "done" if former["result"] else "ready" if facts["photo"] else "empty"
            facts |= {**former, **trouble(problem), "phase": phase, "progress": None, "round": None}
        finally:
            waiting.discard(name)
        yield {**facts}, gr.Button(interactive=True)

    def replay(name: str, shown: Any, event: gr.EventData) -> Generator[tuple[Any, ...], None, None]:
        facts = known(shown)
        try:
            visit = visit_of(name)
            folder = words.result_folder(visit, event._data.get("folder"))
            picture = words.picture_of(folder, event._data.get("index", 0))
            facts |= {"phase": "working", "message": "Making it again from its record."}
            yield facts, gr.Button(interactive=False)
            steps = watched(visit, lambda on_progress, show: words.replay_for(visit, room, picture, on_progress))
            same = yield from told(steps, facts)
            verdict = "The same pixels came out." if same else "Other pixels came out than were recorded."
            facts |= {"message": verdict, "problem": not same}
        except Exception as problem:
            facts |= trouble(problem)
        facts |= {"phase": "done", "progress": None}
        yield {**facts}, gr.Button(interactive=True)

    def cancel(name: str) -> None:
        waiting.discard(name)
        if name in room.visits:
            room.visits[name].stop.set()

    shown = [stage, start]
    heavy: dict[str, Any] = {
        **NETWORKS,
        "show_progress": "minimal",
        "show_progress_on": place,
        "api_visibility": "private",
    }
    asked = [token, stage, photo, source, prompt, *details.values()]
    token.change(arrive, token, [stage, photo, source, prompt], **QUIET)
    stage.uploaded(uploaded, [token, stage], [stage, photo], **QUIET)
    stage.taken(take, [token, stage], [stage, photo], **QUIET)
    stage.shown(show_again, [token, stage], [stage, photo, source, prompt], **QUIET)
    gr.on([start.click, prompt.submit, source.submit], press, [token, stage], shown, **QUIET).then(
        work, asked, shown, **heavy
    )
    stage.tried(try_example, [token, stage], [photo, source, prompt, *shown], **QUIET).then(work, asked, shown, **heavy)
    stage.again(press_again, [token, stage, seed, keep], [seed, *shown], **QUIET).then(work, asked, shown, **heavy)
    stage.replayed(replay, [token, stage], shown, **heavy)
    stage.stopped(cancel, token, None, **QUIET)
    endpoint(room)


def endpoint(room: Room) -> None:
    """The same edit for programs: /edit takes a photo and words, and gives the picture's file and its record."""

    def edit(photo: str, source: str, prompt: str, record: Any = None) -> tuple[str, Any]:
        """Edit a picture by words.

        Args:
            photo: the picture's file.
            source: what is there now and may change; empty for anywhere.
            prompt: what it should become.
            record: further settings of an edit by name, or a whole record that an edit wrote; or nothing.

        Returns:
            The edited picture as a PNG file, and its record.
        """
        visit = room.enter(None)
        try:
            file = words.take_upload(Path(photo or ""), Path(get_upload_folder()), visit)
            settings = api_settings(source, prompt, record)
            done = words.edit_for(
                visit, room, words.record_of(file, settings, room), lambda progress: None, lambda what: None
            )
            lead = words.lead_record(done)
            return str(lead.with_suffix(".png")), json.loads(lead.read_text(encoding="utf-8"))
        except Exception as problem:
            raise gr.Error(sentence(problem), print_exception=False) from problem
        finally:
            room.leave(visit.token)

    with gr.Row(visible=False):
        photo = gr.File(label="photo", type="filepath")
        source, prompt = gr.Textbox(label="source"), gr.Textbox(label="prompt")
        record = gr.JSON(label="record")
        picture, made = gr.File(label="picture"), gr.JSON(label="record of the picture")
        gr.Button("edit").click(edit, [photo, source, prompt, record], [picture, made], api_name="edit", **NETWORKS)


def api_settings(source: Any, prompt: Any, record: Any) -> Facts:
    """Fields of an edit from what a program sent; its words go before the record's.

    Raises:
        RecordError: the record is no JSON object.
    """
    if record is not None and not isinstance(record, dict):
        raise RecordError('The record must be a JSON object of settings, such as {"steps": 20}.')
    fields: Facts = dict(record or {})
    if isinstance(fields.get("record"), dict):
        fields = dict(fields["record"])
    return fields | {name: value for name, value in (("source", source), ("prompt", prompt)) if value}


def detail(name: str) -> Any:
    """The control of a setting: its label, help and default are the record's."""
    field = next(f for f in dataclasses.fields(EditRecord) if f.name == name)
    common: dict[str, Any] = {"label": label(name), "info": said(name), "elem_id": f"words-{name}"}
    value: Any = words.KEEP if name == "keep" else field.default
    kind = str(field.type)
    if kind in CHOICES:
        return gr.Dropdown(list(CHOICES[kind]), value=value, **common)
    if kind == "str":
        return gr.Textbox(value=value, max_length=2000, **common)
    return gr.Number(value=value, precision=0 if kind == "int" else None, **common)


def models_choice(room: Room) -> Any:
    """The control of the networks, where the operator leaves a choice."""
    return gr.Dropdown(
        [(words.models_label(choice), choice) for choice in room.choices],
        value=room.models,
        label=label("models"),
        info="The networks that paint. Others than the last edit's are loaded first, which takes a while.",
        elem_id="words-models",
    )


def said(name: str) -> str:
    """A setting's line of help."""
    return field_help(EditRecord)[name]


def whole_numbers(settings: Mapping[str, Any]) -> Facts:
    """Settings as a form gives them: an emptied number is left out, so that the record's default holds."""
    return {name: value for name, value in settings.items() if value is not None}


def known(shown: Any) -> Facts:
    """The facts that a page sent back, but only those that it may change: the box, and what it shows."""
    sent = shown if isinstance(shown, dict) else {}
    return {name: sent.get(name, value) for name, value in EMPTY.items()}


def told(steps: Generator[Step | Seen, None, Any], facts: Facts) -> Generator[tuple[Any, ...], None, Any]:
    """Show work while it goes on; gives the work's result."""
    try:
        while True:
            news = next(steps)
            if isinstance(news, Seen):
                facts |= news.what
            else:
                facts |= {"progress": dataclasses.asdict(news.progress), "message": way_of(news)}
            yield {**facts}, gr.skip()
    except StopIteration as over:
        return over.value
    finally:
        steps.close()


def trouble(problem: Exception) -> Facts:
    """What the page says of work that ended early."""
    if isinstance(problem, Cancelled):
        return {"message": "Stopped. Nothing was changed.", "problem": False}
    return {"message": sentence(problem), "problem": True}
