"""Real servers on loopback for tests: an ASGI app in this loop, a program in its own process."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from uvicorn._types import ASGIApplication

_BACKLOG = 1024
_END_S = 10.0


@asynccontextmanager
async def running_app(app: "ASGIApplication", *, drain_s: int = 5) -> AsyncIterator[str]:
    """The origin of an app that serves as it does in production; lifespan included. Requests that
    come before it is up wait for it."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(_BACKLOG)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="on",
            ws="none",
            timeout_graceful_shutdown=drain_s,
        )
        server = _Server(config)
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve(sockets=[listening]))
            try:
                yield f"http://127.0.0.1:{listening.getsockname()[1]}"
            finally:
                server.should_exit = True


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the test runner's own handlers stay


@asynccontextmanager
async def running_program(*arguments: str) -> AsyncIterator[str]:
    """`python -m ARGUMENTS` whose first line of output is the port it listens on: its origin."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert program.stdout is not None
    try:
        line = await program.stdout.readline()
        yield f"http://127.0.0.1:{int(line)}"
    finally:
        program.terminate()
        try:
            async with asyncio.timeout(_END_S):
                await program.wait()
        except TimeoutError:
            program.kill()
            await program.wait()


@asynccontextmanager
async def running_upstream(*options: str) -> AsyncIterator[str]:
    """The origin of a scripted upstream in its own process; `options` as of its command line."""
    module = "tests.support.scripted_upstream"
    async with running_program(module, "--print-port", *options) as origin:
        yield origin
