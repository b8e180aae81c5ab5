"""One answer of the scripted upstream on its way out: its bill line, headers, framing, events."""

import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.openai_answers import Answer, Tokens, encode_json
from tests.support.openai_questions import Refused
from tests.support.upstream_behaviour import Behaviour, Framing, Gzip, Packets
from tests.support.upstream_wire import Connection

WRITE_PIECE_BYTES = 65_536


@dataclass(slots=True)
class BillLine:
    """What the provider charges for one call it accepted: the whole input at once, output as it is
    generated (a plain answer: all of it before the head goes out, whoever still listens)."""

    upstream_id: str
    model: str
    usage: Tokens
    status: int
    user: str | None  # as the request named its end user
    started: float
    finished: float | None = None
    aborted: bool = False  # the client left before the answer's end


@dataclass(slots=True)
class Exchange:
    """One request on its way to its answer."""

    behaviour: Behaviour
    honest_body: bytes
    answer: Answer | None = None
    line: BillLine | None = None

    @property
    def is_stream(self) -> bool:
        events = self.answer.events if self.answer is not None else ()
        return bool(events) and self.behaviour.body is None and self.behaviour.status < 300

    @property
    def body(self) -> bytes:
        if self.behaviour.body is not None:
            return self.behaviour.body
        if self.answer is not None and self.behaviour.status >= 300:
            return error_body(Refused(f"scripted {self.behaviour.status}"))
        return self.honest_body

    def generate(self, output_tokens: int, reasoning_tokens: int) -> None:
        if self.line is not None:
            self.line.usage.output += output_tokens
            self.line.usage.reasoning += reasoning_tokens

    def generate_all(self) -> None:
        if self.answer is not None:
            self.generate(self.answer.tokens.output, self.answer.tokens.reasoning)

    def headers(self, content_type: str) -> list[tuple[str, str]]:
        """What OpenAI's own answers carry, a cookie and its limits included."""
        request_id = f"req_{uuid.uuid4().hex}"
        if self.answer is not None and not self.answer.is_id_in_body:
            request_id = self.answer.upstream_id
        behaviour = self.behaviour
        if behaviour.body is not None and self.answer is not None and self.answer.events:
            content_type = "text/event-stream"
        if behaviour.status >= 300:
            content_type = "application/json"
        found = [
            ("Content-Type", behaviour.content_type or content_type),
            ("X-Request-ID", request_id),
            ("OpenAI-Processing-Ms", "12"),
            ("OpenAI-Organization", "scripted-organisation"),
            ("X-RateLimit-Remaining-Requests", "9999"),
            ("Set-Cookie", "__cf_bm=scripted; path=/; HttpOnly"),
            *behaviour.headers,
        ]
        if behaviour.gzip is not Gzip.OFF:
            found.append(("Content-Encoding", "gzip"))
        if behaviour.close:
            found.append(("Connection", "close"))
        if behaviour.header_padding_bytes:
            found.append(("X-Padding", "x" * behaviour.header_padding_bytes))
        return found


@dataclass(slots=True)
class BodyWriter:
    """Body bytes in their framing, counted once the kernel or the buffer below it took them."""

    connection: Connection
    behaviour: Behaviour
    framing: Framing
    on_sent: Callable[[int], None]

    async def write(self, piece: bytes) -> None:
        for start in range(0, len(piece), WRITE_PIECE_BYTES):
            part = piece[start : start + WRITE_PIECE_BYTES]
            if self.framing is Framing.CHUNKED:
                part = b"%x\r\n%b\r\n" % (len(part), part)
            await self._send(part)

    async def end(self) -> None:
        if self.framing is Framing.CHUNKED:
            await self._send(b"0\r\n\r\n")

    async def _send(self, wire: bytes) -> None:
        if self.behaviour.packets is Packets.BYTES:
            await self.connection.write_bytewise(wire)
        else:
            await self.connection.write(wire)
        self.on_sent(len(wire))


def plain_headers(body: bytes) -> list[tuple[str, str]]:
    return [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]


def framing_header(framing: Framing, length: int) -> tuple[str, str]:
    if framing is Framing.CHUNKED:
        return ("Transfer-Encoding", "chunked")
    if framing is Framing.LENGTH:
        return ("Content-Length", str(length))
    return ("Connection", "close")


def sse_frame(payload: bytes, behaviour: Behaviour) -> bytes:
    end = behaviour.line_end.encode()
    lines = [payload]
    if behaviour.multi_line_data and payload.startswith(b"{"):
        # a line break is allowed between any two JSON tokens: after the opening brace
        lines = [payload[:1], payload[1:]]
    return b"".join(b"data: " + line + end for line in lines) + end


def gzip_bomb(body: bytes, blanks: int) -> bytes:
    compress = zlib.compressobj(level=1, wbits=31)
    parts = [compress.compress(body)]
    parts += [
        compress.compress(b" " * WRITE_PIECE_BYTES) for _ in range(blanks // WRITE_PIECE_BYTES)
    ]
    return b"".join([*parts, compress.flush()])


def error_body(refusal: Refused, *, kind: str = "invalid_request_error") -> bytes:
    error = {"message": str(refusal), "type": kind, "param": refusal.param, "code": None}
    return encode_json({"error": error})
