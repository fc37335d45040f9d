"""What the verbs do: change, remove, arrange, and make a result again; each is checked first, and then waits as a job."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intarsia.backbones.fills import paints_size
from intarsia.backbones.resolve import expected_side, resolve
from intarsia.errors import IntarsiaError, LayoutError, RecordError, RegionError, Remedy
from intarsia.imaging.geometry import Size
from intarsia.progress import OnProgress
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.inputs import AnyRecord
from intarsia.results.replay import read_replay
from intarsia.web import edit_service, remove_service
from intarsia.web.arrange_moves import Move, read_moves, record_from_moves
from intarsia.web.arrange_service import ArrangeService
from intarsia.web.arrange_store import names_of
from intarsia.web.lines import Line
from intarsia.web.mask_uploads import write_mask
from intarsia.web.notes import REMEDY
from intarsia.web.remove_service import RemoveService
from intarsia.web.result_store import KEEP
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.studio_drafts import Draft, settings_in
from intarsia.web.studio_jobs import Job
from intarsia.web.studio_models import Models
from intarsia.web.studio_scenes import scene_source, take_layout
from intarsia.web.studio_selecting import Selection, read_selection
from intarsia.web.studio_settings import checked_settings
from intarsia.web.studio_steps import moves_as_json, quick_step, step_of
from intarsia.web.uploads import Facts, file_url

TOY_PREVIEW = "toy preview"
"""Watermark of what a toy model painted into a photograph."""
TOY_MOVES = "this model cannot paint in photos, so it was moved as it is"
"""Why a toy model has not painted objects anew."""
QUICK_FROM = 2_000_000
"""Pixels of a photo above which a quick view of an arrangement comes first."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a page wants done, checked.

    Attributes:
        verb, base: as `Job` has them.
        line: in which it waits.
        work: does it in a thread, and gives the folder of the result.
        step: reads the result's facts from that folder.
    """

    verb: str
    base: str
    line: Line
    work: Callable[[Job], Path]
    step: Callable[[Path], Facts]


class Verbs:
    """The verbs of a server's pages.

    Args:
        store: whose networks they work with.
        models: as pages see them.
        fields: settings of each verb that pages may send.
        uploads: gives the folder of the uploads.
    """

    def __init__(
        self, store: SessionStore, models: Models, fields: Mapping[str, list[Facts]], uploads: Callable[[], Path]
    ) -> None:
        self.store, self.models, self.fields, self.uploads = store, models, fields, uploads
        self.arranging, self.removing = ArrangeService(store), RemoveService(store)

    # Change

    def change(self, session: Session, draft: Draft, data: Mapping[str, Any], chosen: str) -> Wish:
        """Change what is selected, or what the program finds, by words.

        Raises:
            RecordError: a setting is wrong; or the models cannot paint in this photograph, and it was not said that it
                may be tried anyway.
        """
        base, picture = self._base(draft, data)
        models = self.models.choose(data.get("models") or chosen)
        toy = self.models.toy_banner(models, draft.photo)
        check_toy(toy, data)
        settings = {"keep": KEEP} | checked_settings(settings_in(data), self.fields["change"])
        settings |= {name: str(data.get(name) or "") for name in ("source", "prompt")} | {"models": models}
        selection, keep = self._selections(draft, data)
        mask = None
        if selection is not None:
            share = selection.share_for(size_of(draft))
            if share is not None:
                settings.setdefault("feather", share)
            mask = write_mask(selection.mask, session)
        record = edit_service.build_record(picture, settings, self.store, None, mask)
        record = protected(record, keep, session)
        if toy is not None:
            record = dataclasses.replace(record, watermark=TOY_PREVIEW)
        return Wish(
            verb="change",
            base=base,
            line=self.store.lines.networks,
            work=lambda job: edit_service.run_session_edit(
                session, self.store, record, job.on_progress, job.on_intermediate
            ),
            step=lambda folder: step_of(folder, base, given=mask is not None),
        )

    # Remove

    def remove(self, session: Session, draft: Draft, data: Mapping[str, Any]) -> Wish:
        """Remove what is selected."""
        base, picture = self._base(draft, data)
        selection, keep = self._selections(draft, data)
        if selection is None:
            raise RecordError("Nothing is selected: click on what should go first.")
        settings = checked_settings(settings_in(data), self.fields["remove"])
        record = remove_service.build_record(picture, write_mask(selection.mask, session), settings)
        record = protected(record, keep, session)
        return Wish(
            verb="remove",
            base=base,
            line=self.store.lines.without_networks,
            work=lambda job: self.removing.remove(session, record, job.on_progress),
            step=lambda folder: step_of(folder, base),
        )

    # Arrange

    def arrange(self, session: Session, draft: Draft, data: Mapping[str, Any], chosen: str) -> Wish:
        """Put the objects of a scene where the page shows them.

        A toy model never paints objects into a photograph unasked: they are moved as they are, into the shapes that
        were painted.

        Raises:
            LayoutError: nothing is moved.
            RecordError: objects are to be painted anew by models that cannot paint in this photograph, and it was not
                said that it may be tried anyway.
        """
        name = data.get("scene")
        source = scene_source(session, draft, name)
        names, layout = names_of(source), None
        moves = read_moves(data.get("moves") or [], names)
        if data.get("layout") is not None:
            layout, absent = take_layout(data["layout"], self.uploads(), session, source)
            moves = tuple(Move(name=each, gone=each in absent) for each in names)
        settings = checked_settings(settings_in(data), self.fields["arrange"])
        models = self.models.choose(data.get("models") or chosen)
        given = None if layout is None else str(layout)
        record = self.arranging.base_record(source, settings, models=models, layout=given)
        unmoved, record = record, record_from_moves(moves, names, record)
        if record == unmoved and layout is None:
            raise LayoutError("Everything is where it was: move an object first.")
        record, reason = self._spared(record, self.models.toy_banner(models, draft.photo), data)
        _, keep = self._selections(draft, {"keep": data.get("keep")})
        record = protected(record, keep, session)
        base, size = draft.scenes[str(name)], size_of(draft)
        own = {
            "scene": str(name),
            "moves": moves_as_json(moves),
            "layout": None if layout is None else file_url(layout),
            "reason": reason,
        }
        quickly = is_composed(record) and size.area > QUICK_FROM

        def work(job: Job) -> Path:
            def on_quick(file: Path) -> None:
                job.on_quick(quick_step(file, base, size, **own))

            return self.arranging.arrange(session, record, job.on_progress, on_quick=on_quick if quickly else None)

        return Wish(
            verb="arrange",
            base=base,
            line=self._line_of(record, size),
            work=work,
            step=lambda folder: step_of(folder, base, **own),
        )

    def _spared(self, record: ArrangeRecord, toy: Facts | None, data: Mapping[str, Any]) -> tuple[ArrangeRecord, str]:
        """The record that a toy model does not smear a photograph with, and why objects are moved as they are."""
        if toy is None:
            return record, ""
        if record.mode == "regenerate":
            check_toy(toy, data)
            return dataclasses.replace(record, watermark=TOY_PREVIEW), ""
        if record.mode == "auto":
            return dataclasses.replace(record, mode="compose"), TOY_MOVES
        return record, ""

    def _line_of(self, record: ArrangeRecord, size: Size) -> Line:
        """The line for an arrangement: beside the networks where none is asked; see `needs_networks`."""
        if is_composed(record) and record.fill != "diffusion":
            with contextlib.suppress(IntarsiaError):  # what is not there is told of in its turn
                if not paints_size(expected_side(resolve(record.models, quiet=True)), size):
                    return self.store.lines.without_networks
        return self.store.lines.networks

    # Again

    def replay(self, session: Session, draft: Draft, data: Mapping[str, Any]) -> tuple[str, Line, Callable[[Job], str]]:
        """Make a result again from its record; its step, its line, and the work, which gives a sentence."""
        step = draft.step(data.get("step"))
        picture = draft.picture(step["id"], data.get("candidate"))
        line = self.store.lines.without_networks if step["verb"] == "remove" else self.store.lines.networks
        if step["verb"] == "arrange":
            record = read_replay(picture).record
            assert isinstance(record, ArrangeRecord), "of an arrangement's folder"
            line = self._line_of(record, size_of(draft))

        def work(job: Job) -> str:
            same = self._replay(step["verb"], session, picture, job.on_progress)
            return "The same pixels came out." if same else "Other pixels came out than were recorded."

        return step["id"], line, work

    def _replay(self, verb: str, session: Session, picture: Path, on_progress: OnProgress) -> bool:
        if verb == "change":
            return edit_service.run_session_replay(session, self.store, picture, on_progress)
        service = self.removing if verb == "remove" else self.arranging
        return service.replay(session, picture, on_progress)

    # What they share

    def _base(self, draft: Draft, data: Mapping[str, Any]) -> tuple[str, Path]:
        """The step that is gone on from, and its picture."""
        base = data.get("base") or ""
        return str(base), draft.picture(base, data.get("candidate"))

    def _selections(self, draft: Draft, data: Mapping[str, Any]) -> tuple[Selection | None, Selection | None]:
        """What is selected, and what is kept; None without.

        Raises:
            RegionError: all that is selected is kept.
        """
        size, uploads = size_of(draft), self.uploads()
        read = (
            None if data.get(name) is None else read_selection(data[name], uploads, size) for name in ("path", "keep")
        )
        selected, kept = read
        if selected is not None and kept is not None and not (selected.mask & ~kept.mask).any():
            raise RegionError("All of the selection is to be kept", Remedy("select more, or keep less"))
        return selected, kept


def size_of(draft: Draft) -> Size:
    """Of the photo and all of its results, in pixels."""
    return Size(int(draft.original["width"]), int(draft.original["height"]))


def is_composed(record: ArrangeRecord) -> bool:
    """Whether objects surely are moved as they are, whatever shapes a layout has."""
    return record.mode == "compose" or (record.mode == "auto" and record.layout is None and record.preset != "paper")


def check_toy(toy: Facts | None, data: Mapping[str, Any]) -> None:
    """Raise `RecordError` where models cannot paint in a photograph, unless the page said to try it anyway."""
    if toy is not None and data.get("anyway") is not True:
        raise RecordError(f"{toy['text']} {REMEDY} {toy['command']}.")


def protected(record: AnyRecord, keep: Selection | None, session: Session) -> AnyRecord:
    """The record with what is kept."""
    return record if keep is None else dataclasses.replace(record, protect=str(write_mask(keep.mask, session)))
