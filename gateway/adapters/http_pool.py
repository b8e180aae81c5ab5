"""Connections to upstreams, kept and lent: an httpx2 transport for HTTP/1.1 on asyncio.

httpx2's own transport costs about eight times the CPU at 64 requests in flight: h11, anyio, a poll
of every idle socket per request. Here a request takes the connection that was used last; where all
are lent, it waits its turn, first come, first served. The number that can wait is bounded by the
requests the gateway admits, the time by the connect timeout.
"""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Self

import httpx2

from gateway.adapters.http_connection import HttpConnection

MAX_CONNECTIONS_PER_ORIGIN = 1000  # far above what one worker carries; bounds a runaway
KEEPALIVE_S = 4.5  # uvicorn's and Node's servers hang up on idle connections after 5 s
MAX_HEAD_BYTES = 65_536  # OpenAI's heads are about 1.5 KB
_CLOSING_S = 2.0  # for the sockets of a closed pool to go; a guess

_DEFAULT_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int]


@dataclass(slots=True)
class _Lending:
    """One origin's connections. `lent` counts the busy ones, those being opened included."""

    idle: deque[HttpConnection] = field(default_factory=deque)
    waiting: deque[asyncio.Future[HttpConnection | None]] = field(default_factory=deque)
    lent: int = 0


class PooledTransport(httpx2.AsyncBaseTransport):
    """`ssl_context` None: certificates are verified against the machine's trust store.

    Of the timeouts httpx2 defines, "connect" bounds the wait for a place, TCP and TLS together;
    the others are the caller's. Nothing was sent where `handle_async_request` raises ConnectError,
    ConnectTimeout, PoolTimeout (no place came free), UnsupportedProtocol or LocalProtocolError (a
    header that would break its line); it may have been with ReadError and RemoteProtocolError.
    """

    def __init__(
        self,
        *,
        max_connections_per_origin: int = MAX_CONNECTIONS_PER_ORIGIN,
        keepalive_s: float = KEEPALIVE_S,
        max_head_bytes: int = MAX_HEAD_BYTES,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._max_connections = max_connections_per_origin
        self._keepalive_s = keepalive_s
        self._max_head_bytes = max_head_bytes
        if ssl_context is None:
            ssl_context = httpx2.create_ssl_context(trust_env=False)
            ssl_context.set_alpn_protocols(["http/1.1"])
        self._ssl_context = ssl_context
        self._is_closed = False
        self._origins: dict[Origin, _Lending] = {}
        self._connections: set[HttpConnection] = set()
        self._all_gone = asyncio.Event()
        self._sweep: asyncio.TimerHandle | None = None

    @property
    def open_count(self) -> int:
        return len(self._connections)

    @property
    def idle_count(self) -> int:
        return sum(
            connection.is_open for lending in self._origins.values() for connection in lending.idle
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        assert isinstance(request.stream, httpx2.ByteStream)
        head = _head(request)
        origin = _origin(request.url)
        lending = self._origins.get(origin)
        if lending is None:
            lending = self._origins[origin] = _Lending()
        connection = self._idle_one(lending)
        if connection is None:
            timeout_s = request.extensions.get("timeout", {}).get("connect")
            connection = await self._new_one(origin, lending, timeout_s)
        try:
            connection.start(head, b"".join(request.stream))
            await connection.head()
        except BaseException:
            self.give_back(lending, connection)
            raise
        body = _Body(self, lending, connection)
        return httpx2.Response(connection.status, headers=connection.headers, stream=body)

    async def aclose(self) -> None:
        """Every connection is closed, those in use too, and none is kept from here on."""
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in list(self._connections):
            connection.close()
        if self._connections:
            self._all_gone.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSING_S):
                    await self._all_gone.wait()

    def give_back(self, lending: _Lending, connection: HttpConnection) -> None:
        if connection.is_reusable and not self._is_closed:
            connection.rest()
            self._pass_on(lending, connection)
        else:
            connection.close()
            self._pass_on(lending, None)

    def _idle_one(self, lending: _Lending) -> HttpConnection | None:
        """The connection that rested least. The loop has told us of those the peer closed; one that
        rested too long while the loop was held up, before the sweep came, may be closing now."""
        rested_before = asyncio.get_running_loop().time() - self._keepalive_s
        while lending.idle:
            connection = lending.idle.pop()
            if connection.is_reusable and connection.idle_since > rested_before:
                lending.lent += 1
                return connection
            connection.close()
        return None

    async def _new_one(
        self, origin: Origin, lending: _Lending, timeout_s: float | None
    ) -> HttpConnection:
        deadline = None if timeout_s is None else asyncio.get_running_loop().time() + timeout_s
        if lending.lent < self._max_connections:
            lending.lent += 1
        else:
            handed = await self._turn(lending, deadline)
            if handed is not None and handed.is_reusable:
                return handed
        try:
            async with asyncio.timeout_at(deadline):
                return await self._connect(origin)
        except TimeoutError as error:
            self._pass_on(lending, None)
            text = f"no connection to {origin[1]}:{origin[2]} in {timeout_s} s"
            raise httpx2.ConnectTimeout(text) from error
        except (OSError, UnicodeError) as error:  # UnicodeError: a host name that is none
            self._pass_on(lending, None)
            text = f"cannot connect to {origin[1]}:{origin[2]}: {error}"
            raise httpx2.ConnectError(text) from error
        except BaseException:
            self._pass_on(lending, None)
            raise

    async def _turn(self, lending: _Lending, deadline: float | None) -> HttpConnection | None:
        """Wait for a place. It comes with the connection that held it, if that can be reused."""
        turn: asyncio.Future[HttpConnection | None] = asyncio.get_running_loop().create_future()
        lending.waiting.append(turn)
        try:
            async with asyncio.timeout_at(deadline):
                return await turn
        except TimeoutError as error:
            self._leave_queue(lending, turn)
            raise httpx2.PoolTimeout("all connections are in use") from error
        except asyncio.CancelledError:
            self._leave_queue(lending, turn)
            raise

    def _leave_queue(self, lending: _Lending, turn: asyncio.Future[HttpConnection | None]) -> None:
        if turn.done() and not turn.cancelled():
            self._pass_on(lending, turn.result())  # the place had come in the same moment
        elif turn in lending.waiting:
            lending.waiting.remove(turn)

    async def _connect(self, origin: Origin) -> HttpConnection:
        scheme, host, port = origin
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: HttpConnection(self._closed, max_head_bytes=self._max_head_bytes),
            host,
            port,
            ssl=self._ssl_context if scheme == "https" else None,
        )
        if connection.is_open:
            self._connections.add(connection)
        return connection

    def _closed(self, connection: HttpConnection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._all_gone.set()

    def _pass_on(self, lending: _Lending, connection: HttpConnection | None) -> None:
        """A place has come free: to the first who waits, else nobody holds it any more."""
        while lending.waiting:
            turn = lending.waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return
        lending.lent -= 1
        if connection is None:
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        lending.idle.append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(self._keepalive_s, self._close_rested)

    def _close_rested(self) -> None:
        loop = asyncio.get_running_loop()
        rested_before = loop.time() - self._keepalive_s
        self._sweep = None
        oldest: float | None = None
        for lending in self._origins.values():
            while lending.idle and (
                not lending.idle[0].is_open or lending.idle[0].idle_since <= rested_before
            ):
                lending.idle.popleft().close()
            if lending.idle:
                since = lending.idle[0].idle_since
                oldest = since if oldest is None else min(oldest, since)
        if oldest is not None:
            self._sweep = loop.call_at(oldest + self._keepalive_s, self._close_rested)


class _Body(httpx2.AsyncByteStream, AsyncIterator[bytes]):
    def __init__(
        self, pool: PooledTransport, lending: _Lending, connection: HttpConnection
    ) -> None:
        self._pool = pool
        self._lending = lending
        self._connection: HttpConnection | None = connection

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._connection is not None and (chunk := await self._connection.read()):
            return chunk
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """The connection goes back if its answer was read to the end, and is closed otherwise."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._pool.give_back(self._lending, connection)


def _origin(url: httpx2.URL) -> Origin:
    scheme = url.scheme
    if scheme not in _DEFAULT_PORTS:
        raise httpx2.UnsupportedProtocol(f"cannot speak {scheme!r}")
    return scheme, url.host, url.port or _DEFAULT_PORTS[scheme]


def _head(request: httpx2.Request) -> bytes:
    """Raises LocalProtocolError where a header's text would end its line."""
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%b: %b" % header for header in request.headers.raw]
    head = b"\r\n".join([*lines, b"", b""])
    breaks = len(lines) + 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
        raise httpx2.LocalProtocolError("a header holds a line break")
    return head
