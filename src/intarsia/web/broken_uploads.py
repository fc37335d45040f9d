"""Uploads that break off, or are no form of files: nothing of them stays on the disk or in memory."""

from __future__ import annotations

import contextlib
from pathlib import Path

from gradio import route_utils, routes
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException

MOST_PROGRESS = 256
"""Uploads whose progress is remembered, whether or not anybody asks for it."""


class TidyParser(route_utils.GradioMultiPartParser):
    """The framework's parser of uploads, which keeps their files where the client hangs up."""

    async def parse(self) -> FormData:
        try:
            form = await super().parse()
            if not all(isinstance(file, UploadFile) for file in form.getlist("files")):
                raise MultiPartException("A field is called files: send files alone under that name.")
        except BaseException:
            for file in self._files_to_close_on_error:
                with contextlib.suppress(OSError):
                    file.close()
                    Path(file.name).unlink(missing_ok=True)
            raise
        return form


def tidy_uploads() -> None:
    """Let the framework use the parser above, from now on."""
    route_utils.GradioMultiPartParser = TidyParser  # type: ignore[misc]


def forget_progress() -> None:
    """Forget how far uploads have come, where so many are remembered that nobody waits for most of them."""
    known = routes.file_upload_statuses
    for name in [*known._statuses, *known._signals][: -2 * MOST_PROGRESS]:
        known.stop_tracking(name)
        known._signals.pop(name, None)
