"""Edits by words see a photo's colours as a screen shows them, whatever profile its numbers are in."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, cast

from intarsia.imaging.photo import Photo
from intarsia.imaging.screen_colours import in_own_colours, in_srgb

if TYPE_CHECKING:
    from intarsia.regions.edit import EditResult

P = ParamSpec("P")


def in_screen_colours(
    work: Callable[Concatenate[Photo, P], EditResult],
) -> Callable[Concatenate[Photo, P], EditResult]:
    """An edit that is done in sRGB, which the networks know, and brought back into the photo's own colours."""

    @wraps(work)
    def managed(photo: Photo, *args: P.args, **kwargs: P.kwargs) -> EditResult:
        seen = in_srgb(photo)
        result = work(seen, *args, **kwargs)
        if seen is photo:
            return result
        candidates = tuple(
            candidate
            if candidate.photo is None or candidate.blend is None
            else dataclasses.replace(candidate, photo=in_own_colours(photo, seen, candidate.photo, candidate.blend))
            for candidate in result.candidates
        )
        best = candidates[result.chosen].photo
        assert best is not None
        return dataclasses.replace(result, photo=best, original=photo, candidates=candidates)

    return cast("Callable[Concatenate[Photo, P], EditResult]", managed)
