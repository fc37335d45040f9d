"""The Model Context Protocol at /mcp: tools for language models, over streamable HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mcp_types as types
from gradio.route_utils import get_root_url
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from intarsia.progress import Progress
from intarsia.version import __version__
from intarsia.web.doors import Access, Lifespan, sentence_for
from intarsia.web.mcp_tools import Answer, Tool, Tools, check_arguments, shown
from intarsia.web.security import MAX_REQUEST_BYTES
from intarsia.web.sessions import SessionStore
from intarsia.web.turns import QueueFullError, Turns
from intarsia.web.uploads import file_url
from intarsia.web.work import Step, progress_line

PATH = "/mcp"
MAX_CLIENTS = 256
"""Clients at the same time."""
INSTRUCTIONS = (
    "Edits photographs; every pixel outside of what changes stays as it was. To move something, call find and then "
    "arrange; to change something, edit; to take something out, remove. Results have names, which further calls take "
    "as photos; they are forgotten after a while."
)


def mcp_door(store: SessionStore, turns: Turns, access: Access, pictures: Path | None) -> tuple[BaseRoute, Lifespan]:
    """The route of the protocol, and what must run as long as the server does."""
    door = McpDoor(Tools(store, pictures), turns, access)

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with door.manager.run():
            yield

    return Route(PATH, door), lifespan


class McpDoor:
    """The protocol's server as an ASGI application, with the tools behind it."""

    def __init__(self, tools: Tools, turns: Turns, access: Access) -> None:
        self.tools, self.turns, self.access = tools, turns, access
        server: Server[Any] = Server(
            "intarsia",
            version=__version__,
            title="Intarsia",
            instructions=INSTRUCTIONS,
            on_list_tools=self.list_tools,
            on_call_tool=self.call_tool,
        )
        # Host and origin are checked for all paths of this server, before any of them is asked.
        self.manager = StreamableHTTPSessionManager(
            server, max_request_body_size=MAX_REQUEST_BYTES, max_sessions=MAX_CLIENTS
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = await self.access.refusal(Headers(scope=scope))
        if refusal is None:
            await self.manager.asgi_app(scope, receive, send)
            return
        status, said = refusal
        headers = {"www-authenticate": "Bearer"} if status == 401 else None
        await PlainTextResponse(said, status_code=status, headers=headers)(scope, receive, send)

    async def list_tools(
        self, context: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[
                types.Tool(name=tool.name, title=tool.title, description=tool.description, input_schema=tool.schema())
                for tool in self.tools.listed()
            ]
        )

    async def call_tool(
        self, context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        """What a tool gives, or the sentence of its error."""
        arguments = params.arguments or {}
        tool = next((tool for tool in self.tools.listed() if tool.name == params.name), None)
        if tool is None:
            return failed(f"There is no tool {params.name[:40]!r}: list them first.")
        try:
            check_arguments(tool, arguments)
            answer = await self.turn(context, tool, arguments)
            content, media = await run_in_threadpool(shown, answer)
        except QueueFullError:
            return failed("Too many wait for the networks: try it later.")
        except Exception as problem:
            return failed(sentence_for(problem))
        facts = {**answer.facts, "picture": address_of(answer.picture, context.request)}
        return types.CallToolResult(
            content=[
                types.ImageContent(type="image", data=content, mime_type=media),
                types.TextContent(type="text", text=json.dumps(facts, ensure_ascii=False)),
            ]
        )

    async def turn(self, context: ServerRequestContext[Any], tool: Tool, arguments: Mapping[str, Any]) -> Answer:
        """Wait for a turn at the networks, and call a tool; the client is told how it goes on, if it wants to know."""
        said = 0

        async def report(progress: Progress) -> None:
            nonlocal said
            said += 1
            await context.session.report_progress(said, None, progress_line(Step(progress=progress)))

        return await self.turns.take(
            lambda on_progress: self.tools.call(tool, arguments, on_progress), on_progress=report
        )


def failed(sentence: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=sentence)], is_error=True)


def address_of(file: Path, request: Any) -> str:
    """Where a browser, or another program, finds a result's file; without a request, below the pages' address."""
    found = file_url(file)
    if not isinstance(request, Request):
        return found
    return f"{get_root_url(request, PATH, request.app.root_path or None)}/{found}"
