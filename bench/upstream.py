"""A fast upstream on one port: plain answers at once, streams as so many events at a steady pace.

`python -m bench.upstream` prints its port. It judges nothing: any POST is answered.
"""

import asyncio
import sys
from typing import cast

import uvloop

from bench.cases import ANSWER, CHUNKS, PACE_S

_PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(ANSWER),
    ANSWER,
)
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
_FRAMED = [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in CHUNKS]
_FRAMED[-1] += b"0\r\n\r\n"


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = bytes(self._received[:head_end]).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if len(self._received) < head_end + 4 + length:
            return
        is_stream = b'"stream":true' in self._received
        self._received.clear()
        if is_stream:
            self._write(_STREAM_HEAD)
            self._send_event(0)
        else:
            self._write(_PLAIN)

    def _send_event(self, number: int) -> None:
        self._write(_FRAMED[number])
        if number + 1 < len(_FRAMED):
            self._loop.call_later(PACE_S, self._send_event, number + 1)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
