"""The doors for programs beside the pages: which are open, who may come in, and how errors are said there."""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.routing import BaseRoute

from intarsia.errors import Cancelled, Command, FrontEnd, IntarsiaError, Setting, as_argument
from intarsia.web.error_messages import FOLDERS, visitors_choice
from intarsia.web.security import LoginThrottle
from intarsia.web.sessions import SessionStore
from intarsia.web.turns import Turns

logger = logging.getLogger("intarsia")

OPERATOR = "tell whoever runs this server"
"""The remedy where no setting of a request helps."""

FILES_ELSEWHERE = frozenset({"masks", "boxes", "layout", "colours", "concepts", "avoid"})
"""Settings that name files, for which these doors take none."""


def is_offered(named: Setting | Command) -> bool:
    return visitors_choice(named) and not (isinstance(named, Setting) and named.name in FILES_ELSEWHERE)


PROGRAMS = FrontEnd(word=as_argument, offers=is_offered, otherwise=OPERATOR)
"""Errors name the fields of a request."""

Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, kw_only=True)
class Doors:
    """Which doors are open.

    Attributes:
        images: whether pictures are edited at /v1/images/edits.
        mcp: whether tools are offered at /mcp.
        pictures: folder whose pictures the tools may read by their paths; None for none.
        key: that programs must give; None where the pages' password, if there is one, will do.
    """

    images: bool = False
    mcp: bool = False
    pictures: Path | None = None
    key: str | None = None


class Access:
    """Who may come in through the doors.

    Args:
        known: user and password of the pages; None for open ones.
        key: that programs give; None for the password of the pages. Without either, everyone may come in who may
            open the pages.
        logins: slows down tries, those of the pages included.
    """

    def __init__(self, known: tuple[str, str] | None, key: str | None, logins: LoginThrottle) -> None:
        self.logins = logins
        self.bearer = key if key is not None else known[1] if known is not None else None
        self.basic = ":".join(known) if known is not None else None

    async def refusal(self, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Status and sentence for who may not come in; None for who may."""
        if self.bearer is None:
            return None
        given = headers.get("authorization", "")
        if not given:
            return 401, "A key is needed: send it as Authorization: Bearer KEY."
        let_in = await self.logins.attempt(lambda: self.is_right(given))
        if let_in is None:
            return 429, "Too many try to log in: try it in a minute."
        return None if let_in else (401, "The key is not right: ask whoever runs this server for it.")

    def is_right(self, given: str) -> bool:
        """Whether a header Authorization holds the key, or user and password; in a time that tells nothing of them."""
        scheme, _, rest = given.partition(" ")
        if scheme.lower() == "bearer" and self.bearer is not None:
            return same(rest.strip().encode("latin-1"), self.bearer)  # as it came; servers read headers in Latin-1
        if scheme.lower() == "basic" and self.basic is not None:
            try:
                return same(base64.b64decode(rest, validate=True), self.basic)
            except (binascii.Error, ValueError):
                return False
        return False


def same(given: bytes, secret: str) -> bool:
    """Whether bytes are a text in UTF-8, compared in constant time."""
    return hmac.compare_digest(given, secret.encode("utf-8", "surrogateescape"))


def sentence_for(problem: BaseException) -> str:
    """An error as a sentence for a program, without folders of the server; an unforeseen one goes to the log as well."""
    if isinstance(problem, Cancelled):
        return "Stopped. Nothing was changed."
    if isinstance(problem, IntarsiaError):
        return FOLDERS.sub("", problem.message_for(PROGRAMS))
    logger.error("a program's request failed", exc_info=problem)
    if isinstance(problem, MemoryError) or "out of memory" in str(problem).lower():
        return "Out of memory: send a smaller size, or try it later."
    return f"It failed for a reason that nobody has foreseen ({type(problem).__name__}): {OPERATOR}."


def door_routes(
    doors: Doors, store: SessionStore, turns: Turns, known: tuple[str, str] | None, logins: LoginThrottle
) -> tuple[list[BaseRoute], Lifespan]:
    """The routes of the doors that are open, and what must run as long as the server does."""
    access = Access(known, doors.key, logins)
    routes: list[BaseRoute] = []
    lifespans: list[Lifespan] = []
    if doors.images:
        from intarsia.web.images_api import ImagesApi

        routes += ImagesApi(store, turns, access).routes()
    if doors.mcp:
        from intarsia.web.mcp_server import mcp_door

        route, lifespan = mcp_door(store, turns, access, doors.pictures)
        routes.append(route)
        lifespans.append(lifespan)

    @asynccontextmanager
    async def all_together(app: Any) -> AsyncIterator[None]:
        if lifespans:
            async with lifespans[0](app):
                yield
        else:
            yield

    return routes, all_together
