"""One connection of the scripted upstream: reads HTTP/1.1 requests and sees at once that its
client has left."""

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

_HIGH_WATER_BYTES = 65_536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class ClientLeft(Exception):
    """The connection is gone; nothing more can be said on it."""


@dataclass(frozen=True, slots=True)
class Received:
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


class Connection(asyncio.Protocol):
    """Every wait ends in ClientLeft the moment the client closes its side: then `on_gone` is
    called; `on_lost` once the socket is closed."""

    def __init__(
        self,
        on_open: Callable[["Connection"], None],
        on_gone: Callable[["Connection"], None],
        on_lost: Callable[["Connection"], None],
        on_change: Callable[[], None],
    ) -> None:
        self.number = 0
        self.is_idle = True
        self.closed_here = False
        self._on_open = on_open
        self._on_gone = on_gone
        self._on_lost = on_lost
        self._on_change = on_change
        self._buffer = bytearray()
        self._waiters: set[asyncio.Future[None]] = set()
        self._is_gone = False
        self._is_full = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)
        self._on_open(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._wake()

    def eof_received(self) -> bool:
        self._gone()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone()
        self._on_lost(self)

    def pause_writing(self) -> None:
        self._is_full = True
        self._on_change()

    def resume_writing(self) -> None:
        self._is_full = False
        self._wake()

    @property
    def is_full(self) -> bool:
        """The client does not read: what is written piles up to the limit and no further."""
        return self._is_full

    def close(self, *, reset: bool = False) -> None:
        self.closed_here = True
        if self._transport is None or self._transport.is_closing():
            return
        if reset:
            connected = self._transport.get_extra_info("socket")
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._transport.abort()
        else:
            self._transport.close()

    def abort(self) -> None:
        self.closed_here = True
        if self._transport is not None:
            self._transport.abort()

    async def write(self, data: bytes) -> None:
        """Returns once less than the high water mark waits to be sent."""
        self._send(data)
        while self._is_full:
            await self._something()
        if self._is_gone:
            raise ClientLeft

    async def write_bytewise(self, data: bytes) -> None:
        for place in range(len(data)):
            self._send(data[place : place + 1])
            await asyncio.sleep(0)

    async def pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while True:
                    await self._something()
        except TimeoutError:
            return

    async def wait_for(self, event: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(self._wake_after(event))
            try:
                while not event.is_set():
                    await self._something()
            except ClientLeft as left:
                watch.cancel()
                gone = left
            else:
                return
        raise gone

    async def next_request(self) -> Received | None:
        """None once the client has closed between two requests."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if self._is_gone and not self._buffer:
                return None
            await self._something()
        self.is_idle = False
        head, rest = bytes(self._buffer[:end]).decode("latin-1"), end + 4
        del self._buffer[:rest]
        first, *lines = head.split("\r\n")
        method, target, _version = first.split(" ")
        headers = tuple(
            (name.lower(), value.strip())
            for name, _, value in (one.partition(":") for one in lines)
        )
        received = Received(method, target, headers, b"")
        if (received.header("expect") or "").lower() == "100-continue":
            await self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if received.header("transfer-encoding") is not None:
            return Received(method, target, headers, await self._chunked())
        return Received(
            method,
            target,
            headers,
            await self._exactly(int(received.header("content-length") or 0)),
        )

    async def _chunked(self) -> bytes:
        body = bytearray()
        while True:
            while (end := self._buffer.find(b"\r\n")) < 0:
                await self._something()
            size = int(bytes(self._buffer[:end]).partition(b";")[0], 16)
            del self._buffer[: end + 2]
            body += (await self._exactly(size + 2))[:-2]
            if not size:
                return bytes(body)

    async def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            await self._something()
        found = bytes(self._buffer[:count])
        del self._buffer[:count]
        return found

    def _gone(self) -> None:
        if not self._is_gone:
            self._is_gone = True
            self._on_gone(self)
            self._wake()

    def _send(self, data: bytes) -> None:
        if self._is_gone or self._transport is None or self._transport.is_closing():
            raise ClientLeft
        self._transport.write(data)

    async def _something(self) -> None:
        """Until anything happens on this connection."""
        if self._is_gone:
            raise ClientLeft
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    async def _wake_after(self, event: asyncio.Event) -> None:
        await event.wait()
        self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
