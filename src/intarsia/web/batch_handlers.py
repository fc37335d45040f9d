"""What happens on the page "Many pictures": batches are created, done in slices, cancelled, watched and downloaded.

A batch outlives its page and takes many turns in Gradio's queue, one for each slice. So its state is its ledger.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from intarsia.errors import Cancelled, RecordError
from intarsia.progress import OnProgress
from intarsia.web import watched_batches
from intarsia.web.batch_cards import (
    batch_choices,
    batch_status_html,
    cards_html,
    message_html,
    results_html,
    results_link,
    status_html,
    without_server_paths,
    zip_link,
)
from intarsia.web.batch_example import example_uploads
from intarsia.web.batch_service import (
    DEFAULT_STEPS,
    CurrentJob,
    SessionWorker,
    create_batch,
    read_counts,
    run_slice,
    session_batch,
    write_zip,
)
from intarsia.web.error_messages import message_for
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.work import Intermediate, OnIntermediate, run_watched

Update = dict[Any, Any]
"""New values by component; the other components stay as they are."""


@dataclass(frozen=True, kw_only=True)
class BatchControls:
    """The components that events update.

    Attributes:
        current: name of the batch that this page does.
        watched: path of another program's batch that this page watches; empty where it watches none.
        slice_timer: ticks while the batch has slices to do.
        watch_timer: ticks while a batch is watched that others do.
        empty: what stands in the place of the results before there is a batch, with the button of the example.
        earlier: the session's batches.
    """

    current: Any
    watched: Any
    slice_timer: Any
    watch_timer: Any
    status: Any
    archive: Any
    empty: Any
    example: Any
    results: Any
    start: Any
    cancel: Any
    resume: Any
    earlier: Any
    files: Any


class BatchHandlers:
    """Event handlers of the page; each returns or yields updates by component.

    Parameters that they share: `token` of the session, `name` of one of its batches, and `path` of a batch below
    the output folder that another program does.
    """

    def __init__(self, store: SessionStore, controls: BatchControls) -> None:
        self.store, self.controls = store, controls
        self.worker = SessionWorker(store)
        self.cancelled: set[tuple[str, str]] = set()

    # The session's own batches

    def create(
        self, token: str, files: list[str] | None, source: str, prompt: str, steps: Any, seed: Any, models: Any
    ) -> Update:
        """Make a batch of what was uploaded; its slices follow."""
        words = {name: value for name, value in (("source", source), ("prompt", prompt)) if value}
        uploads = [Path(file) for file in files or ()]
        return self._create(
            token, uploads, {**words, **self._settings(steps, models)}, seed, {self.controls.files: None}
        )

    def create_example(self, token: str, steps: Any, seed: Any, models: Any) -> Update:
        """Make a batch of scenes that ship with the package, as if the visitor had sent them with a list."""
        with tempfile.TemporaryDirectory() as folder:
            uploads = example_uploads(Path(folder), self.store.choices)
            return self._create(token, uploads, self._settings(steps, models), seed)

    def _settings(self, steps: Any, models: Any) -> dict[str, Any]:
        """What the form says of how pictures are made, where it differs from what jobs have by themselves."""
        settings: dict[str, Any] = {} if steps in (None, "", DEFAULT_STEPS) else {"steps": steps}
        if len(self.store.choices) > 1 and models in self.store.choices:
            settings["models"] = models
        return settings

    def _create(
        self, token: str, uploads: Sequence[Path], shared: dict[str, Any], seed: Any, created: Update | None = None
    ) -> Update:
        """Make a batch.

        Args:
            created: what else is shown where that succeeds.
        """
        try:
            session = self.store.session(token)
            folder = create_batch(session, uploads, shared, int(seed or 0))
        except Exception as error:
            return self._error_update(error)
        earlier = gr.update(choices=batch_choices(session), value=folder.name)
        return {self.controls.earlier: earlier, **(created or {}), **self._begin(token, folder)}

    def resume(self, token: str, name: Any) -> Update:
        """Go on with a batch that was cancelled."""
        try:
            return self._begin(token, session_batch(self.store.session(token), name))
        except Exception as error:
            return self._error_update(error)

    def _begin(self, token: str, folder: Path) -> Update:
        self.cancelled.discard((token, folder.name))
        controls = self.controls
        return {
            controls.current: folder.name,
            controls.watched: "",
            controls.slice_timer: gr.update(active=True),
            controls.status: batch_status_html(folder, text="Waiting for a turn."),
            controls.archive: "",
            **self._shown(results_html(folder)),
            controls.start: gr.update(interactive=False),
            controls.cancel: gr.update(interactive=True),
            controls.resume: gr.update(interactive=False),
            controls.watch_timer: gr.update(active=False),
        }

    def do_slice(self, token: str, name: str) -> Generator[Update, None, None]:
        """Do jobs for one turn at the networks; those who wait for them come before the next slice."""
        controls = self.controls
        idle: Update = {
            controls.slice_timer: gr.update(active=False),
            controls.start: gr.update(interactive=True),
            controls.cancel: gr.update(interactive=False),
        }
        try:
            session = self.store.session(token)
            folder = session_batch(session, name)
        except Exception as error:
            yield {**self._error_update(error), **idle}
            return
        message = "Done."
        try:
            if (token, name) in self.cancelled:
                raise Cancelled("stopped before its turn.")
            yield from self._watch_slice(session, folder)
            if read_counts(folder).left and (token, name) not in self.cancelled:
                waiting = batch_status_html(folder, text="Waiting for a turn.")
                yield {controls.status: waiting, **self._shown(results_html(folder))}
                return
        except Cancelled:
            message = "Stopped. What was begun waits again."
        except Exception as error:
            message = message_for(error)
        yield {**self._batch_update(folder, message), **idle}

    def _watch_slice(self, session: Session, folder: Path) -> Generator[Update, None, None]:
        current, ended = CurrentJob(), -1

        def work(on_progress: OnProgress, on_intermediate: OnIntermediate) -> None:
            with self.store.lines.networks.take(session.stop):
                run_slice(self.store, folder, self.worker, on_progress, on_intermediate)

        for event in run_watched(session, work):
            if isinstance(event, Intermediate):
                current = CurrentJob(photo=str(event.value))
            else:
                current = dataclasses.replace(current, step=event)
            update: Update = {self.controls.status: batch_status_html(folder, current=current)}
            counts = read_counts(folder)
            if counts.done + counts.failed != ended:
                ended = counts.done + counts.failed
                update |= self._shown(results_html(folder))
            yield update

    def cancel(self, token: str, name: str) -> None:
        self.cancelled.add((token, name))
        if token in self.store.sessions:
            self.store.sessions[token].stop.set()

    def restore(self, token: str) -> Update:
        """Let the visitor begin, who is known now, and show the session's latest batch."""
        if token not in self.store.sessions:
            return {self.controls.watch_timer: gr.update(active=False)}
        ready: Update = {each: gr.update(interactive=True) for each in (self.controls.start, self.controls.example)}
        choices = batch_choices(self.store.session(token))
        if not choices:
            return {**ready, self.controls.watch_timer: gr.update(active=False)}
        _, latest = choices[0]
        earlier = gr.update(choices=choices, value=latest)
        return {**ready, self.controls.earlier: earlier, **self.refresh(token, latest, "")}

    def choose(self, token: str, name: Any) -> Update:
        """Show one of the session's batches."""
        return {self.controls.watched: "", **self.refresh(token, name, "")}

    def refresh(self, token: str, name: Any, path: Any) -> Update:
        """Show the batch at `path`, or else that of `name`; again and again while another page or program does it."""
        if path:
            return self._watch_update(token, path)
        controls = self.controls
        if not name:
            return {controls.watch_timer: gr.update(active=False)}
        try:
            folder = session_batch(self.store.session(token), name)
            if read_counts(folder).running > 0:
                return {
                    controls.status: batch_status_html(folder),
                    **self._shown(results_html(folder)),
                    controls.resume: gr.update(interactive=False),
                    controls.watch_timer: gr.update(active=True),
                }
            return {**self._batch_update(folder, ""), controls.watch_timer: gr.update(active=False)}
        except Exception as error:
            return {**self._error_update(error), controls.watch_timer: gr.update(active=False)}

    def _batch_update(self, folder: Path, message: str) -> Update:
        """A batch that no page or program is doing."""
        return {
            self.controls.status: batch_status_html(folder, text=message),
            self.controls.archive: results_link(folder),
            **self._shown(results_html(folder)),
            self.controls.resume: gr.update(interactive=read_counts(folder).left > 0),
        }

    def _shown(self, results: str) -> Update:
        """A batch's results, in the place of the explanation."""
        return {self.controls.results: results, self.controls.empty: gr.update(visible=False)}

    def _error_update(self, error: Exception) -> Update:
        return {self.controls.status: message_html(message_for(error), error=True)}

    # Batches of other programs

    def watch(self, token: str, path: Any) -> Update:
        """Show another program's batch, and keep it up to date."""
        return {self.controls.archive: "", **self._watch_update(token, path)}

    def pack(self, token: str, path: Any) -> Update:
        """Offer the results of another program's batch as an archive of the session's own."""
        try:
            session = self.store.session(token)
            folder = watched_batches.find_batch(self.store.root, path)
            rows = without_server_paths(watched_batches.read_rows(folder))
            file = write_zip(
                rows,
                lambda row: watched_batches.files_of(folder, row),
                watched_batches.copies_folder(session, folder) / f"{folder.name}.zip",
            )
            if file is None:
                raise RecordError("Nothing of that is done yet: watch it, and pack its results later.")
        except Exception as error:
            return self._error_update(error)
        return {**self._watch_update(token, path), self.controls.archive: zip_link(file)}

    def _watch_update(self, token: str, path: Any) -> Update:
        controls = self.controls
        try:
            session = self.store.session(token)
            folder = watched_batches.find_batch(self.store.root, path)
            rows = without_server_paths(watched_batches.read_rows(folder))
        except Exception as error:
            return {**self._error_update(error), controls.watched: "", controls.watch_timer: gr.update(active=False)}
        unfinished = any(row.state in ("waiting", "running") for row in rows)
        current = next((CurrentJob(photo=row.photo) for row in rows if row.state == "running"), None)
        text = f"The batch {path.strip()}, done by another program."
        return {
            controls.watched: path,
            controls.status: status_html(rows, current=current, text=text),
            **self._shown(cards_html(rows, lambda row: watched_batches.copy_thumbs(session, folder, row), ())),
            controls.resume: gr.update(interactive=False),
            controls.watch_timer: gr.update(active=unfinished),
        }
