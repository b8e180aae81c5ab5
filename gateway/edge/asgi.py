"""ASGI's shapes, and the few moves every raw endpoint needs: read a body, send one, watch a client.

Raw ASGI, since a framework's route and response cost about 50 µs of CPU a request.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from gateway.core.errors import InvalidRequest, RequestTooLarge

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeaders = list[tuple[bytes, bytes]]

# A refused body is still read this far, so that the client reads our answer and not a reset.
MAX_DRAINED_BYTES = 8 * 1024 * 1024
_MAX_LENGTH_DIGITS = 20  # 2**64 bytes and more are too many, whatever follows


class ClientGone(Exception):
    """The client closed its connection before the answer was complete."""


def header(scope: Scope, name: bytes) -> str | None:
    """The header's value, None where it is missing. Names are lower case in ASGI."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value).decode("latin-1")
    return None


def bearer(scope: Scope) -> str | None:
    """The credential of `Authorization: Bearer KEY`. A key may hold spaces; UTF-8 where it is."""
    for key, value in scope["headers"]:
        if key == b"authorization":
            scheme, _, credential = bytes(value).partition(b" ")
            if scheme.lower() != b"bearer":
                return None
            return credential.strip().decode("utf-8", "surrogateescape")
    return None


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole request body. Raises RequestTooLarge past `limit` bytes, ClientGone."""
    declared = _declared_length(scope)
    if declared is not None and declared > limit:
        await _drain(receive, min(declared, MAX_DRAINED_BYTES))
        raise RequestTooLarge(f"The request body of {declared} bytes passes {limit} bytes.")
    pieces: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece = message.get("body", b"")
        size += len(piece)
        more = message.get("more_body", False)
        if size > limit:
            if more:
                await _drain(receive, MAX_DRAINED_BYTES)
            raise RequestTooLarge(f"The request body passes {limit} bytes.")
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def until_gone(work: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Run `work`; cut it off as soon as the client goes away, and raise ClientGone then.

    A cancellation from outside, even at the same moment, stays one.
    """
    task = asyncio.current_task()
    assert task is not None, "requests run in tasks"
    cancelled_before = task.cancelling()
    is_over = False
    is_gone = False
    raised: Exception | None = None

    async def watch() -> None:
        nonlocal is_gone
        while (await receive())["type"] != "http.disconnect":
            pass
        if not is_over:
            is_gone = True
            task.cancel()

    async with asyncio.TaskGroup() as group:
        watcher = group.create_task(watch())
        try:
            await work
        except asyncio.CancelledError:
            if not is_gone or task.cancelling() > cancelled_before + 1:
                raise
        except Exception as error:  # noqa: BLE001 - raised again below, out of the group's wrapping
            raised = error
        finally:
            is_over = True
            watcher.cancel()
            if is_gone:
                task.uncancel()
    if raised is not None:
        raise raised
    if is_gone:
        raise ClientGone


async def send_whole(send: Send, *, status: int, headers: RawHeaders, body: bytes) -> None:
    """One complete response."""
    complete = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": complete})
    await send({"type": "http.response.body", "body": body})


def _declared_length(scope: Scope) -> int | None:
    text = header(scope, b"content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise InvalidRequest("The header Content-Length is not a number.")
    return int(text[:_MAX_LENGTH_DIGITS])  # Python reads no number of thousands of digits


async def _drain(receive: Receive, limit: int) -> None:
    drained = 0
    while drained < limit:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        drained += len(message.get("body", b""))
        if not message.get("more_body", False):
            return
