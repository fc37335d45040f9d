"""The tab "Edit by words": a photo, what is there, what it should become, and a choice of results."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from intarsia.errors import Cancelled, RecordError
from intarsia.records.choices import CHOICES
from intarsia.records.edit import EditRecord
from intarsia.web import edit_service, result_store, uploads
from intarsia.web.error_messages import message_for
from intarsia.web.field_labels import field_help, label
from intarsia.web.queue import WorkQueue
from intarsia.web.scripts import loading
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.uploads import Facts
from intarsia.web.work import NETWORKS, Intermediate, Step, progress_line, run_watched

EVENTS = ("uploaded", "tried", "again", "taken", "shown", "replayed", "stopped")
"""What the stage tells."""
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
WORDS = ("source", "prompt")
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
Work = Generator[Facts, None, None]
"""A piece of work, as what the page shows meanwhile."""
ARRIVING: Facts = {**EMPTY, "phase": "arriving"}
"""Before the page knows its visitor it takes no photo: what came first would be lost when the past is shown."""


def edit_tab(room: SessionStore, token: gr.State) -> None:
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
                js_on_load=loading("edit_tab", EVENTS),
                apply_default_css=False,
                elem_id="words-stage",
                examples=edit_service.example_facts(),
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
    seed = details["seed"]

    def arrive(name: str) -> tuple[Any, ...]:
        """The latest result is shown again; so is the list of all."""
        if not name:
            return (gr.skip(),) * 4
        visit = room.visit(name)
        past = result_store.history(visit)
        facts = {**EMPTY, "history": past}
        by_words = next((e["folder"] for e in past if e["folder"].startswith("edit-")), None)
        if by_words is None:
            return facts, None, gr.skip(), gr.skip()
        result = result_store.result_facts(visit.folder / by_words)
        kept = result_store.settings_of(visit.folder / by_words)
        facts |= {"phase": "done", "photo": result["photo"], "result": result, "look": result["look"]}
        return facts, kept["photo"], kept["source"], kept["prompt"]

    def uploaded(name: str, shown: Any, event: gr.EventData) -> tuple[Any, Any]:
        facts = known(shown)
        try:
            visit = room.visit(name)
            file = uploads.take_upload(Path(str(event._data.get("path"))), Path(get_upload_folder()), visit)
            return ready(visit, file), str(file)
        except Exception as problem:
            return {**facts, **trouble(problem)}, gr.skip()

    def take(name: str, shown: Any, event: gr.EventData) -> tuple[Any, Any]:
        facts = known(shown)
        try:
            visit = room.visit(name)
            picture = result_store.picture_of(
                result_store.result_folder(visit, event._data.get("folder")), event._data.get("index", 0)
            )
            file = uploads.take_photo(picture, visit)
            return {**ready(visit, file), "message": "This is the photo now. Say what is next."}, str(file)
        except Exception as problem:
            return {**facts, **trouble(problem)}, gr.skip()

    def show_again(name: str, shown: Any, event: gr.EventData) -> tuple[Any, Any, Any, Any]:
        facts = known(shown)
        try:
            visit = room.visit(name)
            folder = result_store.result_folder(visit, event._data.get("folder"))
            if not folder.name.startswith("edit-"):
                raise RecordError("This was made by layout: take it as the next photo, or see that tab.")
            result, kept = result_store.result_facts(folder), result_store.settings_of(folder)
            new = {**EMPTY, "phase": "done", "photo": result["photo"], "result": result, "look": result["look"]}
            return {**new, "history": result_store.history(visit)}, kept["photo"], kept["source"], kept["prompt"]
        except Exception as problem:
            return {**facts, **trouble(problem)}, gr.skip(), gr.skip(), gr.skip()

    def ready(visit: Session, file: Path) -> Facts:
        shown = uploads.photo_facts(file)
        return {**EMPTY, "phase": "ready", "photo": shown, "history": result_store.history(visit)}

    # With the networks: a press says what is wanted, and it begins when the queue comes to it

    turns: WorkQueue[Callable[[], Work]] = WorkQueue()

    def want(request: gr.Request, facts: Facts, work: Callable[[Facts], Work]) -> tuple[Any, ...]:
        facts |= {"phase": "waiting", "message": "Waiting for a turn.", "problem": False, "progress": None}
        if not turns.take(str(request.session_hash), lambda: work(facts)):
            return gr.skip(), gr.skip()
        return facts, gr.Button(interactive=False)

    def wish(name: str, facts: Facts, file: str | None, said: Sequence[Any]) -> EditRecord:
        room.visit(name)
        if file is None:
            raise RecordError("There is no photo yet: drop one on the page.")
        settings = dict(zip((*WORDS, *details), said, strict=True))
        return edit_service.record_of(Path(file), whole_numbers(settings), room, facts["box"])

    def want_edit(
        request: gr.Request, name: str, facts: Facts, file: str | None, said: Sequence[Any]
    ) -> tuple[Any, ...]:
        try:
            record = wish(name, facts, file, said)
        except Exception as problem:  # nobody waits for a turn to hear this
            return {**facts, **trouble(problem)}, gr.skip()
        return want(request, facts, lambda facts: edit(name, facts, record))

    def press(request: gr.Request, name: str, shown: Any, file: str | None, *said: Any) -> tuple[Any, ...]:
        return want_edit(request, name, known(shown), file, said)

    def press_again(request: gr.Request, name: str, shown: Any, file: str | None, *said: Any) -> tuple[Any, ...]:
        facts, settings = known(shown), dict(zip((*WORDS, *details), said, strict=True))
        boxed = facts["box"] is not None
        settings["seed"] = edit_service.next_seed(int(settings["seed"] or 0), int(settings["keep"] or 1), boxed)
        return settings["seed"], *want_edit(request, name, facts, file, tuple(settings.values()))

    def try_example(
        request: gr.Request, event: gr.EventData, name: str, shown: Any, file: Any, *said: Any
    ) -> tuple[Any, ...]:
        """The example's photo and words are the visitor's now, and the edit begins."""
        try:
            visit, example = room.visit(name), edit_service.example_of(event._data.get("index"))
            photo = uploads.take_photo(example.photo, visit)
        except Exception as problem:
            return (*(gr.skip(),) * 3, {**known(shown), **trouble(problem)}, gr.skip())
        said = (example.source, example.prompt, *said[len(WORDS) :])
        return str(photo), *said[: len(WORDS)], *want_edit(request, name, ready(visit, photo), str(photo), said)

    def press_replay(request: gr.Request, event: gr.EventData, name: str, shown: Any) -> tuple[Any, ...]:
        folder, index = event._data.get("folder"), event._data.get("index", 0)
        return want(request, known(shown), lambda facts: replay(name, facts, folder, index))

    def edit(name: str, facts: Facts, record: EditRecord) -> Work:
        former = {"result": facts["result"], "look": facts["look"]}
        try:
            visit = room.visit(name)
            facts |= {
                "phase": "working",
                "message": "Looking at the photo.",
                "look": None,
                "round": None,
                "result": None,
            }
            yield {**facts}
            steps = run_watched(
                visit, lambda on_progress, show: edit_service.edit_for(visit, room, record, on_progress, show)
            )
            folder = yield from told(steps, facts)
            result = result_store.result_facts(folder)
            facts |= {
                "phase": "done",
                "result": result,
                "look": result["look"],
                "message": "Done. " + result["facts"],
                "progress": None,
                "history": result_store.history(visit),
            }
        except Exception as problem:
            # What was on the stage before comes back to it.
            facts |= {**former, **trouble(problem), "phase": phase_of({**facts, **former})}
            facts |= {"progress": None, "round": None}
        yield {**facts}

    def replay(name: str, facts: Facts, result: Any, index: Any) -> Work:
        try:
            visit = room.visit(name)
            picture = result_store.picture_of(result_store.result_folder(visit, result), index)
            facts |= {"phase": "working", "message": "Making it again from its record."}
            yield {**facts}
            steps = run_watched(
                visit, lambda on_progress, show: edit_service.replay_for(visit, room, picture, on_progress)
            )
            same = yield from told(steps, facts)
            verdict = "The same pixels came out." if same else "Other pixels came out than were recorded."
            facts |= {"message": verdict, "problem": not same}
        except Exception as problem:
            facts |= trouble(problem)
        facts |= {"phase": "done", "progress": None}
        yield {**facts}

    def perform(request: gr.Request) -> Generator[tuple[Any, ...], None, None]:
        """What the page wants, if it still wants it."""
        page = str(request.session_hash)
        begin = turns.begin(page)
        if begin is None:
            yield gr.skip(), gr.skip()
            return
        work = begin()
        try:
            for news in work:
                if news["phase"] == "working" and turns.stopped(page):  # perhaps before there was anything to stop
                    yield work.throw(Cancelled("stopped; nothing was changed.")), gr.skip()
                    break
                yield news, gr.skip()
        finally:
            work.close()
            turns.end(page)
        yield gr.skip(), gr.Button(interactive=True)

    def cancel(request: gr.Request, name: str, shown: Any) -> tuple[Any, ...]:
        if turns.call_off(str(request.session_hash)):
            facts = known(shown)
            facts |= {**trouble(Cancelled("stopped; nothing was changed.")), "phase": phase_of(facts)}
            return facts, gr.Button(interactive=True)
        if name in room.visits:
            room.visits[name].stop.set()
        return gr.skip(), gr.skip()

    shown = [stage, start]
    heavy: dict[str, Any] = {
        **NETWORKS,
        "show_progress": "minimal",
        "show_progress_on": place,
        "api_visibility": "private",
    }
    token.change(arrive, token, [stage, photo, source, prompt], **QUIET)
    stage.uploaded(uploaded, [token, stage], [stage, photo], **QUIET)
    stage.taken(take, [token, stage], [stage, photo], **QUIET)
    stage.shown(show_again, [token, stage], [stage, photo, source, prompt], **QUIET)
    asked = [token, stage, photo, source, prompt, *details.values()]
    for listen, ask, inputs, first in (
        (functools.partial(gr.on, [start.click, prompt.submit, source.submit]), press, asked, []),
        (stage.tried, try_example, asked, [photo, source, prompt]),
        (stage.again, press_again, asked, [seed]),
        (stage.replayed, press_replay, [token, stage], []),
    ):
        listen(ask, inputs, [*first, *shown], **QUIET).then(perform, None, shown, **heavy)
    stage.stopped(cancel, [token, stage], shown, **QUIET)
    endpoint(room)


def endpoint(room: SessionStore) -> None:
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
            file = uploads.take_upload(Path(photo or ""), Path(get_upload_folder()), visit)
            settings = api_settings(source, prompt, record)
            done = edit_service.edit_for(
                visit, room, edit_service.record_of(file, settings, room), lambda progress: None, lambda what: None
            )
            lead = result_store.lead_record(done)
            return str(lead.with_suffix(".png")), json.loads(lead.read_text(encoding="utf-8"))
        except Exception as problem:
            raise gr.Error(message_for(problem), print_exception=False) from problem
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
    value: Any = result_store.KEEP if name == "keep" else field.default
    kind = str(field.type)
    if kind in CHOICES:
        return gr.Dropdown(list(CHOICES[kind]), value=value, **common)
    if kind == "str":
        return gr.Textbox(value=value, max_length=2000, **common)
    return gr.Number(value=value, precision=0 if kind == "int" else None, **common)


def models_choice(room: SessionStore) -> Any:
    """The control of the networks, where the operator leaves a choice."""
    return gr.Dropdown(
        [(edit_service.models_label(choice), choice) for choice in room.choices],
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


def phase_of(facts: Facts) -> str:
    """What a page is about that nothing is being done for."""
    return "done" if facts["result"] else "ready" if facts["photo"] else "empty"


def told(steps: Generator[Step | Intermediate, None, Any], facts: Facts) -> Generator[Facts, None, Any]:
    """Show work while it goes on; gives the work's result."""
    try:
        while True:
            news = next(steps)
            if isinstance(news, Intermediate):
                facts |= news.what
            else:
                facts |= {"progress": dataclasses.asdict(news.progress), "message": progress_line(news)}
            yield {**facts}
    except StopIteration as over:
        return over.value
    finally:
        steps.close()


def trouble(problem: Exception) -> Facts:
    """What the page says of work that ended early."""
    if isinstance(problem, Cancelled):
        return {"message": "Stopped. Nothing was changed.", "problem": False}
    return {"message": message_for(problem), "problem": True}
