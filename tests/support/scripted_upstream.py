"""A real HTTP/1.1 server on loopback that speaks OpenAI, keeps a provider's bill, and misbehaves
on command down to the byte. In-process: `async with ScriptedUpstream() as up`. As a program:
`python -m tests.support.scripted_upstream --port 0 --print-port [--label NAME]
[--tokens-per-second N] [--fault NAME] [--api-key KEY]`.

What happens to a request: the marker in it (`[[fault:NAME]]`, or a model that ends in
`fault-NAME`), else the next of `script`, else `behaviour`. Not recorded: GET /__bill, /__calls,
/__connections, and POST /__script with {"faults": [NAME, …]}, which appends to `script`.
"""

import argparse
import asyncio
import base64
import contextlib
import gzip
import sys
import time
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from ssl import SSLContext
from types import TracebackType
from typing import Self

import msgspec

from tests.support.openai_answers import (
    Answer,
    Tokens,
    chat_answer,
    embeddings_answer,
    encode_json,
    models_list,
    text_answer,
)
from tests.support.openai_questions import Question, Refused, read_question
from tests.support.upstream_behaviour import (
    HONEST,
    Behaviour,
    Framing,
    Gzip,
    Packets,
    Stop,
    StopAt,
    fault_named,
    marked_fault,
)
from tests.support.upstream_sending import (
    WRITE_PIECE_BYTES,
    BillLine,
    BodyWriter,
    Exchange,
    error_body,
    framing_header,
    gzip_bomb,
    plain_headers,
    sse_frame,
)
from tests.support.upstream_wire import ClientLeft, Connection, Received

_ASK_AGAIN_S = 0.005
_POSTS = ("chat/completions", "completions", "embeddings")


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it arrived. Header names are lower case, in the order they came."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


@dataclass(slots=True)
class ConnectionCounts:
    opened: int = 0
    open: int = 0
    aborted: int = 0  # closed by the client in the middle of a request or an answer


class ScriptedUpstream:
    """`sent_bytes` counts what was handed to the kernel, so a blocked sender can be seen."""

    def __init__(
        self,
        *,
        label: str = "scripted",
        behaviour: Behaviour = HONEST,
        script: Iterable[Behaviour] = (),
        api_key: str | None = None,
        tokens_per_second: float | None = None,
        tls: SSLContext | None = None,
        port: int = 0,
        keeps_calls: bool = True,
    ) -> None:
        self.label = label
        self.behaviour = behaviour
        self.script = deque(script)
        self.calls: list[Call] = []
        self.bill: list[BillLine] = []
        self.connections = ConnectionCounts()
        self.sent_bytes = 0
        self.port = port
        self._api_key = api_key
        self._tokens_per_second = tokens_per_second
        self._tls = tls
        self._keeps_calls = keeps_calls
        self._released = asyncio.Event()
        self._changed = asyncio.Event()
        self._live: set[Connection] = set()
        self._stack = AsyncExitStack()

    @property
    def origin(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    async def __aenter__(self) -> Self:
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self._joined(group), self._gone, self._left, self.changed),
            "127.0.0.1",
            self.port,
            ssl=self._tls,
            backlog=1024,
        )
        self._stack.callback(self._close_all)
        self._stack.callback(server.close)
        self.port = server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # the body's own error is not handed on: the task group would wrap it in a group
        await self._stack.aclose()

    def release(self) -> None:
        """Every stall, now and later, goes on with the rest of its answer."""
        self._released.set()

    def drop_idle_connections(self) -> None:
        """Close, in order, each connection that waits for its next request."""
        for connection in self._live:
            if connection.is_idle:
                connection.close()

    def is_held_back(self) -> bool:
        """A client does not read: what is written to it piles up to a limit and no further."""
        return any(connection.is_full for connection in self._live)

    async def until(self, fact: Callable[[], bool], *, timeout_s: float = 10.0) -> None:
        """Return once `fact()` holds. It is asked again whenever something happens here, and
        every few milliseconds, since it may be about others."""
        async with asyncio.timeout(timeout_s):
            while not fact():
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_ASK_AGAIN_S):
                        await self._changed.wait()

    def changed(self) -> None:
        self._changed.set()

    def _sent(self, count: int) -> None:
        self.sent_bytes += count
        self.changed()

    def _joined(self, group: asyncio.TaskGroup) -> Callable[[Connection], None]:
        def start(connection: Connection) -> None:
            self.connections.opened += 1
            self.connections.open += 1
            connection.number = self.connections.opened
            self._live.add(connection)
            group.create_task(self._serve(connection))
            self.changed()

        return start

    def _gone(self, connection: Connection) -> None:
        if not connection.is_idle and not connection.closed_here:
            self.connections.aborted += 1
        self.changed()

    def _left(self, connection: Connection) -> None:
        self.connections.open -= 1
        self._live.discard(connection)
        self.changed()

    def _close_all(self) -> None:
        for connection in list(self._live):
            connection.abort()

    async def _serve(self, connection: Connection) -> None:
        try:
            while (received := await connection.next_request()) is not None:
                connection.is_idle = False
                if not await self._answer_one(connection, received):
                    break
                connection.is_idle = True
        except ClientLeft:
            pass
        finally:
            connection.close()
            self.changed()

    async def _answer_one(self, connection: Connection, received: Received) -> bool:
        """Whether the connection lives on."""
        path = received.target.partition("?")[0]
        if path.startswith("/__"):
            status, body = self._inspected(path, received.body)
            await self._send_head(connection, HONEST, status, plain_headers(body))
            await connection.write(body)
            return True
        if self._keeps_calls:
            self.calls.append(
                Call(
                    received.method,
                    received.target,
                    received.headers,
                    received.body,
                    connection.number,
                )
            )
        self.changed()
        exchange = self._exchange(received, path)
        if exchange.line is not None:
            self.bill.append(exchange.line)
        try:
            await self._perform(connection, exchange)
        except ClientLeft:
            if exchange.line is not None and not connection.closed_here:
                exchange.line.aborted = True
            raise
        finally:
            if exchange.line is not None:
                exchange.line.finished = time.time()
            self.changed()
        behaviour = exchange.behaviour
        asked_to_close = (received.header("connection") or "").lower() == "close"
        return not (asked_to_close or behaviour.close or behaviour.framing is Framing.CLOSE)

    def _inspected(self, path: str, body: bytes) -> tuple[int, bytes]:
        if path == "/__bill":
            return 200, encode_json([asdict(line) for line in self.bill])
        if path == "/__connections":
            return 200, encode_json(asdict(self.connections))
        if path == "/__calls":
            rows = [
                {**asdict(call), "body": base64.b64encode(call.body).decode()}
                for call in self.calls
            ]
            return 200, encode_json(rows)
        if path == "/__script":
            names = msgspec.json.decode(body, type=dict[str, list[str]])["faults"]
            self.script.extend(map(fault_named, names))
            return 200, b"{}"
        return 404, b"{}"

    def _exchange(self, received: Received, path: str) -> Exchange:
        if received.method == "GET" and path.endswith("/models"):
            return Exchange(self._next_behaviour(None), encode_json(models_list(self.label)))
        try:
            self._check_key(received)
            kind = next((one for one in _POSTS if path.endswith("/" + one)), None)
            if received.method != "POST" or kind is None:
                raise Refused(f"Invalid URL ({received.method} {path})", status=404)  # noqa: TRY301
            question = read_question(received.body)
            behaviour = self._next_behaviour(question)
            answer = self._answer(question, behaviour, kind)
        except Refused as refusal:
            return Exchange(Behaviour(status=refusal.status), error_body(refusal))
        line = None
        is_billed = behaviour.status < 300 if behaviour.billed is None else behaviour.billed
        if is_billed:
            usage = Tokens(input=answer.tokens.input, cached=answer.tokens.cached)
            line = BillLine(
                answer.upstream_id,
                answer.model,
                usage,
                behaviour.status,
                question.user,
                time.time(),
            )
        return Exchange(behaviour, encode_json(answer.body), answer, line)

    def _check_key(self, received: Received) -> None:
        if self._api_key is None:
            return
        given = (received.header("authorization"), received.header("api-key"))
        if given[0] != f"Bearer {self._api_key}" and given[1] != self._api_key:
            raise Refused("Incorrect API key provided.", status=401)

    def _next_behaviour(self, question: Question | None) -> Behaviour:
        if question is not None:
            try:
                marked = marked_fault(model=question.model, text=question.last_user_text())
            except KeyError as error:
                raise Refused(f"no fault is named {error}") from error
            if marked is not None:
                return marked
        return self.script.popleft() if self.script else self.behaviour

    def _answer(self, question: Question, behaviour: Behaviour, kind: str) -> Answer:
        if kind == "embeddings":
            return embeddings_answer(question, behaviour)
        if kind == "completions":
            return text_answer(question, behaviour, label=self.label)
        return chat_answer(question, behaviour, label=self.label)

    async def _perform(self, connection: Connection, exchange: Exchange) -> None:
        behaviour = exchange.behaviour
        if behaviour.informational:
            await connection.write(f"HTTP/1.1 {behaviour.informational} Interim\r\n\r\n".encode())
        if not exchange.is_stream:
            exchange.generate_all()
            if self._tokens_per_second and exchange.line is not None:
                await connection.pause(exchange.line.usage.output / self._tokens_per_second)
        if behaviour.head_delay_s:
            await connection.pause(behaviour.head_delay_s)
        await self._stop_here(connection, behaviour, StopAt.BEFORE_HEAD)
        if exchange.is_stream:
            await self._send_stream(connection, exchange)
        else:
            await self._send_plain(connection, exchange)

    async def _send_plain(self, connection: Connection, exchange: Exchange) -> None:
        behaviour = exchange.behaviour
        body = exchange.body
        if behaviour.gzip is Gzip.BOMB:
            body = gzip_bomb(body, behaviour.body_padding_bytes)
        elif behaviour.gzip is Gzip.ON:
            body = gzip.compress(body)
        padding = 0 if behaviour.gzip is Gzip.BOMB else behaviour.body_padding_bytes
        headers = exchange.headers("application/json")
        framing = Framing.LENGTH if behaviour.framing is Framing.AUTO else behaviour.framing
        headers.append(framing_header(framing, len(body) + padding))
        await self._send_head(connection, behaviour, behaviour.status, headers)
        await self._stop_here(connection, behaviour, StopAt.AFTER_HEAD)
        half = len(body) // 2
        out = BodyWriter(connection, behaviour, framing, self._sent)
        await out.write(body[:half])
        await self._stop_here(connection, behaviour, StopAt.MID_BODY)
        await out.write(body[half:])
        for start in range(0, padding, WRITE_PIECE_BYTES):
            # blanks after the JSON: still one valid document
            await out.write(b" " * min(WRITE_PIECE_BYTES, padding - start))
        await self._stop_here(connection, behaviour, StopAt.AFTER_EVENTS)
        await out.end()

    async def _send_stream(self, connection: Connection, exchange: Exchange) -> None:
        behaviour = exchange.behaviour
        framing = Framing.CLOSE if behaviour.framing is Framing.CLOSE else Framing.CHUNKED
        headers = [*exchange.headers("text/event-stream"), framing_header(framing, 0)]
        await self._send_head(connection, behaviour, behaviour.status, headers)
        await self._stop_here(connection, behaviour, StopAt.AFTER_HEAD)
        out = BodyWriter(connection, behaviour, framing, self._sent)
        compress = zlib.compressobj(wbits=31) if behaviour.gzip in {Gzip.ON, Gzip.BOMB} else None
        joined: list[bytes] = []
        async for frame in self._frames(connection, exchange):
            packed = frame
            if compress is not None:
                packed = compress.compress(frame) + compress.flush(zlib.Z_SYNC_FLUSH)
            if behaviour.packets is Packets.JOINED:
                joined.append(packed)
            else:
                await out.write(packed)
        await out.write(b"".join(joined))
        await self._stop_here(connection, behaviour, StopAt.AFTER_EVENTS)
        if compress is not None:
            await out.write(compress.flush())
        await out.end()

    async def _frames(self, connection: Connection, exchange: Exchange) -> AsyncIterator[bytes]:
        behaviour = exchange.behaviour
        delay_s = behaviour.chunk_delay_s + (
            1 / self._tokens_per_second if self._tokens_per_second else 0.0
        )
        events = exchange.answer.events if exchange.answer is not None else ()
        for number, event in enumerate(events):
            if number == behaviour.error_after_events:
                error = Refused("The server had an error while processing your request.")
                yield sse_frame(error_body(error, kind="server_error"), behaviour)
                return
            if number == behaviour.stop_after_events:
                await self._stop_here(connection, behaviour, StopAt.MID_BODY)
            if delay_s and number:
                await connection.pause(delay_s)
            if behaviour.comments:
                yield f": OPENROUTER PROCESSING{behaviour.line_end * 2}".encode()
            exchange.generate(event.output_tokens, event.reasoning_tokens)
            payload = event.payload
            if behaviour.event_padding_bytes and not number:
                filler = b"x" * behaviour.event_padding_bytes
                payload = b'{"padding":"' + filler + b'",' + payload[1:]
            yield sse_frame(payload, behaviour)
        if behaviour.done:
            yield sse_frame(b"[DONE]", behaviour)

    async def _send_head(
        self,
        connection: Connection,
        behaviour: Behaviour,
        status: int,
        headers: Sequence[tuple[str, str]],
    ) -> None:
        lines = [f"HTTP/{behaviour.http_version} {status} Scripted"]
        lines += [f"{name}: {value}" for name, value in headers]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self.sent_bytes += len(head)
        if behaviour.packets is Packets.BYTES:
            await connection.write_bytewise(head)
        else:
            await connection.write(head)

    async def _stop_here(self, connection: Connection, behaviour: Behaviour, place: StopAt) -> None:
        if behaviour.stop is None or behaviour.stop_at is not place:
            return
        self.changed()
        if behaviour.stop is Stop.STALL:
            await connection.wait_for(self._released)
            return
        connection.close(reset=behaviour.stop is Stop.RST)
        raise ClientLeft


async def _run(arguments: argparse.Namespace) -> None:
    behaviour = fault_named(arguments.fault) if arguments.fault else HONEST
    async with ScriptedUpstream(
        label=arguments.label,
        behaviour=behaviour,
        api_key=arguments.api_key,
        tokens_per_second=arguments.tokens_per_second,
        port=arguments.port,
        keeps_calls=not arguments.forget_calls,
    ) as upstream:
        if arguments.print_port:
            sys.stdout.write(f"{upstream.port}\n")
            sys.stdout.flush()
        await asyncio.get_running_loop().create_future()  # until it is killed


def main() -> None:
    parser = argparse.ArgumentParser(description="An OpenAI-compatible upstream told what to do.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--print-port", action="store_true")
    parser.add_argument("--label", default="scripted")
    parser.add_argument("--tokens-per-second", type=float)
    parser.add_argument("--fault", help="every answer's behaviour, unless a marker names another")
    parser.add_argument("--api-key")
    parser.add_argument("--forget-calls", action="store_true", help="for long runs")
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
