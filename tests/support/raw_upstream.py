"""An upstream that answers every call with given bytes, cut into given pieces."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

_WAIT_S = 10.0
_HEAD_END = b"\r\n\r\n"


@dataclass(slots=True)
class RawUpstream:
    """`pieces` are written one by one, each as a packet of its own, then the connection ends."""

    port: int
    content_type: str = "application/json"
    pieces: Sequence[bytes] = ()
    requests: list[bytes] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def answer(self, body: bytes) -> None:
        self.content_type, self.pieces = "application/json", [body]

    def stream(self, pieces: Sequence[bytes]) -> None:
        self.content_type, self.pieces = "text/event-stream", pieces


@contextmanager
def raw_upstream() -> Iterator[RawUpstream]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        upstream = RawUpstream(listening.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(listening, upstream))
        thread.start()
        try:
            yield upstream
        finally:
            listening.shutdown(socket.SHUT_RDWR)  # wakes the thread; closing alone would not
            thread.join(_WAIT_S)


def _serve(listening: socket.socket, upstream: RawUpstream) -> None:
    while True:
        try:
            connected, _ = listening.accept()
        except OSError:  # shut down
            return
        with connected:
            connected.settimeout(_WAIT_S)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            upstream.requests.append(_request(connected))
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {upstream.content_type}\r\nConnection: close"
            connected.sendall(head.encode() + _HEAD_END)
            for piece in upstream.pieces:
                connected.sendall(piece)


def _request(connected: socket.socket) -> bytes:
    received = b""
    while _HEAD_END not in received:
        received += connected.recv(65_536)
    head, _, body = received.partition(_HEAD_END)
    lines = head.lower().split(b"\r\n")
    lengths = [int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")]
    while len(body) < lengths[0]:
        body += connected.recv(65_536)
    return head + _HEAD_END + body
