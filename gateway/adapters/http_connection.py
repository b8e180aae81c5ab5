"""One HTTP/1.1 connection to an upstream: a request goes out, one answer comes back, in turns.

Bytes in between are httptools' (llhttp) business; which connection serves whom is the pool's.

    idle ──start──► waiting for the head ──► reading the body ──end──► done ──► idle
                          └──────── broken: the reason is raised by the next wait
"""

import asyncio
from collections.abc import Callable
from typing import cast

import httptools
import httpx2

HIGH_WATER_BYTES = 131_072  # as much again may come in the read under way
_JOINED_WRITE_BYTES = 65_536  # above this a copy costs more than a second system call
_INTERIM = range(100, 200)

_CUT = "the upstream closed the connection before the answer's end"
_SILENT = "the upstream closed the connection without an answer"
_CLOSED_HERE = "the connection was closed on our side"

RawHeaders = list[tuple[bytes, bytes]]


class HttpConnection(asyncio.Protocol):
    """`on_closed` is called once, when the socket is gone. Only one task waits here at a time.

    Errors are httpx2's: ReadError where the peer hung up, RemoteProtocolError where what it sent
    is no HTTP/1.1 or passes `max_head_bytes`.
    """

    def __init__(
        self, on_closed: Callable[["HttpConnection"], None], *, max_head_bytes: int
    ) -> None:
        self.idle_since = 0.0
        self.status = 0
        self.headers: RawHeaders = []
        self._on_closed = on_closed
        self._max_head_bytes = max_head_bytes
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._chunks: list[bytes] = []
        self._chunk_bytes = 0
        self._head_bytes = 0
        self._is_exchanging = False
        self._has_head = False
        self._ends_with_connection = False
        self._is_done = False
        self._keeps_alive = False
        self._is_paused = False
        self._error: httpx2.TransportError | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    @property
    def is_reusable(self) -> bool:
        """The last answer was read to its proper end and both sides keep the connection."""
        return (
            self._is_done
            and self._keeps_alive
            and self._error is None
            and not self._chunks
            and self._transport is not None
            and not self._transport.is_closing()
            and not self._transport.get_write_buffer_size()
        )

    def start(self, head: bytes, body: bytes) -> None:
        """Write a request; from here on it counts as sent. Raises ConnectError where it is not."""
        if self._transport is None or self._transport.is_closing():
            raise httpx2.ConnectError("the connection was lost before anything was written")
        self.status = 0
        self.headers = []
        self._head_bytes = 0
        self._has_head = self._is_done = self._keeps_alive = False
        self._ends_with_connection = True  # until a header says otherwise
        self._is_exchanging = True
        if len(body) <= _JOINED_WRITE_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)

    async def head(self) -> None:
        """Returns once `status` and `headers` are those of the final answer."""
        while not self._has_head:
            if self._error is not None:
                raise self._error
            await self._something()

    async def read(self) -> bytes:
        """What has come of the body since the last call; empty at its proper end."""
        while not self._chunks:
            if self._is_done:
                return b""
            if self._error is not None:
                raise self._error
            await self._something()
        chunks = self._chunks
        found = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        self._chunk_bytes = 0
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()
        return found

    def rest(self) -> None:
        """Between two exchanges: whatever comes now was not asked for."""
        self._is_exchanging = False

    def close(self) -> None:
        """At once: what is still unsent is dropped, and whoever still reads is told."""
        self._fail(httpx2.ReadError(_CLOSED_HERE))

    async def _something(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: httpx2.TransportError) -> None:
        if self._error is None and not self._is_done:
            self._error = error
        self._keeps_alive = False
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    def _peer_left(self, cause: Exception | None) -> None:
        if cause is None and self._has_head and self._ends_with_connection and self._error is None:
            self._is_done = True
        error = httpx2.ReadError(_CUT if self._has_head else _SILENT)
        error.__cause__ = cause
        self._fail(error)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        if not self._is_exchanging:
            self._fail(httpx2.RemoteProtocolError("the upstream spoke out of turn"))
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as cause:
            error = httpx2.RemoteProtocolError(f"the upstream's answer is no HTTP/1.1: {cause}")
            error.__cause__ = cause
            self._fail(error)
            return
        if not self._has_head:
            self._head_bytes += len(data)
            if self._head_bytes > self._max_head_bytes:
                limit = self._max_head_bytes
                self._fail(httpx2.RemoteProtocolError(f"the upstream's head passes {limit} bytes"))
        elif self._chunk_bytes > HIGH_WATER_BYTES and not self._is_paused and self.is_open:
            assert self._transport is not None
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._peer_left(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._peer_left(exc)
        self._on_closed(self)

    # httptools' callbacks

    def on_message_begin(self) -> None:
        if self._is_done:  # more than one answer to one request
            self._keeps_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._has_head:
            return  # a trailer, or an answer nobody asked for
        name = name.lower()
        if name == b"content-length" or (
            name == b"transfer-encoding" and value.lower().endswith(b"chunked")
        ):
            self._ends_with_connection = False
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._has_head:
            return
        self.status = self._parser.get_status_code()
        if self.status in _INTERIM:
            self.headers = []
            self._ends_with_connection = True
            return
        self._has_head = True

    def on_body(self, body: bytes) -> None:
        if self._has_head and not self._is_done:
            self._chunks.append(body)
            self._chunk_bytes += len(body)

    def on_message_complete(self) -> None:
        if self._has_head and not self._is_done:
            self._is_done = True
            self._keeps_alive = self._parser.should_keep_alive()
