"""A server that speaks OpenAI's protocol and says it is no model: the demo's stand-in for one.

Tokens are counted with tiktoken, so usage is real for the text that is sent. Standard library only.
"""

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self, cast

from gateway.adapters.token_counter import TiktokenCounter

WORD_S = 0.01  # the pace of a fast large model; it shows that answers stream
_COUNTED_AS = "gpt-4.1"
# What OpenAI adds around a message and before an answer, as its cookbook counts it ("How to count
# tokens with tiktoken").
_MESSAGE_TOKENS = 3
_ANSWER_TOKENS = 3
_QUOTED_CHARACTERS = 120
_MAX_BODY_BYTES = 20_971_520


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer's words, in the pieces they are streamed in, and the tokens it is billed for."""

    pieces: tuple[str, ...]
    finish_reason: str
    input_tokens: int
    output_tokens: int

    @property
    def usage(self) -> dict[str, int]:
        total = self.input_tokens + self.output_tokens
        return {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": self.output_tokens,
            "total_tokens": total,
        }


class Script:
    """What the stand-in called `name` ("scripted-strong") answers."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._part = name.removeprefix("scripted-")
        self._counter = TiktokenCounter()
        self.count("")  # loads the tables before the first request needs them

    def count(self, text: str) -> int:
        return self._counter.count(text, upstream_model=_COUNTED_AS)

    def answer(self, request: Mapping[str, Any]) -> Answer:
        """Raises ValueError for messages that are none."""
        texts = [_text(message) for message in _messages(request)]
        words = self._words(texts[-1])
        cap = _cap(request)
        pieces: list[str] = []
        tokens = 0
        for word in words:
            longer = self.count("".join(pieces) + word)
            if cap is not None and longer > cap:
                break
            pieces.append(word)
            tokens = longer
        return Answer(
            pieces=tuple(pieces),
            finish_reason="stop" if len(pieces) == len(words) else "length",
            input_tokens=_ANSWER_TOKENS
            + sum(_MESSAGE_TOKENS + 1 + self.count(text) for text in texts),
            output_tokens=tokens,
        )

    def _words(self, asked: str) -> list[str]:
        quoted = " ".join(asked.split())
        if len(quoted) > _QUOTED_CHARACTERS:
            quoted = quoted[:_QUOTED_CHARACTERS] + "…"
        text = (
            f"I am a scripted stand-in for a {self._part} model and know no answers. You asked: "
            f'"{quoted}" A real {self._part} model\'s answer would stand here, streamed and billed '
            "in the same way."
        )
        first, *others = text.split(" ")
        return [first, *(f" {word}" for word in others)]


class ScriptedServer:
    """`with ScriptedServer("scripted-strong") as server:` serves on loopback until the end."""

    def __init__(self, name: str) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.script = Script(name)
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, name="scripted", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    script: Script


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def script(self) -> Script:
        return cast("_Server", self.server).script

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass

    def do_GET(self) -> None:
        if self.path != "/v1/models":
            self._send_error(404, "no such path")
            return
        entry = {"id": self.script.name, "object": "model", "created": 0, "owned_by": "fareway"}
        self._send_json(200, {"object": "list", "data": [entry]})

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > _MAX_BODY_BYTES:
            self.close_connection = True  # what follows is a body nobody reads
            self._send_error(413, "a body of known and moderate length is needed")
            return
        body = self.rfile.read(int(length))
        if self.path != "/v1/chat/completions":
            self._send_error(404, "this stand-in answers /v1/chat/completions")
            return
        try:
            request = json.loads(body)
            answer = self.script.answer(request)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            self._send_error(400, f"not a chat request: {error}")
            return
        with suppress(ConnectionError):  # the client went away; there is nothing left to do
            if request.get("stream"):
                self._stream(request, answer)
            else:
                self._whole(answer)

    def _whole(self, answer: Answer) -> None:
        message = {"role": "assistant", "content": "".join(answer.pieces)}
        choice = {"index": 0, "message": message, "finish_reason": answer.finish_reason}
        body = {**self._frame("chat.completion"), "choices": [choice], "usage": answer.usage}
        self._send_json(200, body)

    def _stream(self, request: Mapping[str, Any], answer: Answer) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        frame = self._frame("chat.completion.chunk")
        options = request.get("stream_options")
        for choices in _choices(answer):
            self._event({**frame, "choices": choices})
            time.sleep(WORD_S)
        if isinstance(options, dict) and options.get("include_usage"):
            self._event({**frame, "choices": [], "usage": answer.usage})
        self._chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, data: Mapping[str, Any]) -> None:
        self._chunk(b"data: " + json.dumps(data).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _frame(self, kind: str) -> dict[str, object]:
        upstream_id = f"chatcmpl-{secrets.token_hex(12)}"
        created = int(time.time())
        return {"id": upstream_id, "object": kind, "created": created, "model": self.script.name}

    def _send_error(self, status: int, message: str) -> None:
        error = {
            "message": message,
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }
        self._send_json(status, {"error": error})

    def _send_json(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _choices(answer: Answer) -> Iterator[list[dict[str, object]]]:
    yield [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]
    for piece in answer.pieces:
        yield [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]
    yield [{"index": 0, "delta": {}, "finish_reason": answer.finish_reason}]


def _messages(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ValueError("messages has to be a list of at least one")
    return messages


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return " ".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def _cap(request: Mapping[str, Any]) -> int | None:
    """The lower of both names' caps. Zero and less cap nothing, as with many servers."""
    given = (request.get("max_tokens"), request.get("max_completion_tokens"))
    caps = [cap for cap in given if isinstance(cap, int) and cap > 0]
    return min(caps, default=None)
