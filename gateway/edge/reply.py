"""A `flow.reply.Reply` over ASGI: the product's headers, the error events, the closing comment."""

import asyncio
from dataclasses import replace

import msgspec
import structlog

from gateway.core.errors import StoreUnavailable, UpstreamFailure, UpstreamRejection
from gateway.core.ids import RequestId
from gateway.core.money import usd_text
from gateway.edge.asgi import RawHeaders, Send, send_whole
from gateway.edge.errors import error_body, error_headers, error_object, shape_of
from gateway.flow.reply import Closing, Head
from gateway.wire.sse import comment, data_event

log = structlog.get_logger("fareway")

_JSON = b"application/json"
_EVENT_STREAM = b"text/event-stream; charset=utf-8"
# A client that does not read is given this long to take the last event of a failed stream.
LAST_EVENT_TIMEOUT_S = 1.0


class HttpReply:
    """`base_headers` go with every answer to this request: its ids and the configuration's."""

    def __init__(self, send: Send, identity: RequestId, base_headers: RawHeaders) -> None:
        self._send = send
        self._identity = identity
        self._base_headers = base_headers
        self.has_started = False
        self.has_ended = False

    async def whole(self, head: Head, body: bytes) -> None:
        await self._whole(200, self._headers(head, _JSON), body)

    async def start(self, head: Head) -> None:
        headers = self._headers(head, _EVENT_STREAM)
        headers += [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        self.has_started = True
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def write(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self, closing: Closing, done_event: bytes) -> None:
        await self._end(comment("fareway " + _closing_json(closing)) + done_event)

    async def fail(self, failure: UpstreamFailure, head: Head) -> None:
        log.warning(
            "upstream_failed",
            request_id=self._identity,
            model=head.model,
            attempts=head.attempts,
            kind=failure.kind.value,
            cause=failure.detail,
        )
        if self.has_started:
            await self.fail_stream(failure)
        else:
            await self.refuse(failure, self._product_headers(head))

    async def reject(self, rejection: UpstreamRejection, head: Head) -> None:
        if _is_error_object(rejection.body):
            await self._whole(rejection.status, self._headers(head, _JSON), rejection.body)
            return
        plain = replace(head, upstream_headers={})
        await self._whole(rejection.status, self._headers(plain, _JSON), _wrapped(rejection))

    async def refuse(self, error: BaseException, headers: RawHeaders | None = None) -> None:
        """Answer an error before anything else was sent."""
        if isinstance(error, StoreUnavailable):
            log.warning("store_unavailable", request_id=self._identity, cause=error.detail)
        complete = [*self._base_headers, (b"content-type", _JSON), *error_headers(error)]
        await self._whole(shape_of(error).status, complete + (headers or []), error_body(error))

    async def fail_stream(self, error: BaseException) -> None:
        """End a stream that has begun with an error event and no [DONE]."""
        try:
            async with asyncio.timeout(LAST_EVENT_TIMEOUT_S):
                await self._end(data_event(error_body(error)))
        except TimeoutError:
            return  # the client does not read; its connection is closed with the request

    async def _whole(self, status: int, headers: RawHeaders, body: bytes) -> None:
        self.has_started = self.has_ended = True
        await send_whole(self._send, status=status, headers=headers, body=body)

    async def _end(self, data: bytes) -> None:
        self.has_ended = True
        await self._send({"type": "http.response.body", "body": data})

    def _headers(self, head: Head, content_type: bytes) -> RawHeaders:
        returned = {"content-type": content_type.decode(), **head.upstream_headers}
        encoded = [(_latin(name), _latin(value)) for name, value in returned.items()]
        return [*self._base_headers, *encoded, *self._product_headers(head)]

    def _product_headers(self, head: Head) -> RawHeaders:
        headers = [
            (b"x-fareway-model", _latin(head.model)),
            (b"x-fareway-reason", _latin(head.reason.value)),
            (b"x-fareway-cache", _latin(head.cache)),
            (b"x-fareway-attempts", str(head.attempts).encode()),
            (b"x-fareway-overhead-ms", f"{head.overhead_s * 1000:.3f}".encode()),
        ]
        if head.tier is not None:
            headers.append((b"x-fareway-tier", _latin(head.tier)))
        if head.score is not None:
            headers.append((b"x-fareway-score", f"{head.score:.4f}".encode()))
        if head.cost_nano_usd is not None:
            headers.append((b"x-fareway-cost-usd", usd_text(head.cost_nano_usd).encode()))
        if head.saved_nano_usd is not None:
            headers.append((b"x-fareway-saved-usd", usd_text(head.saved_nano_usd).encode()))
        return headers


def _closing_json(closing: Closing) -> str:
    cost, saved = closing.cost_nano_usd, closing.saved_nano_usd
    facts = {
        "model": closing.model,
        "attempts": closing.attempts,
        "reason": closing.reason.value,
        "cost_usd": None if cost is None else usd_text(cost),
        "saved_usd": None if saved is None else usd_text(saved),
    }
    return msgspec.json.encode(facts).decode()


def _is_error_object(body: bytes) -> bool:
    try:
        decoded = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return "error" in decoded


def _wrapped(rejection: UpstreamRejection) -> bytes:
    return error_object(
        message=f"The upstream refused the request with status {rejection.status}.",
        type_="invalid_request_error",
        param=None,
        code=None,
    )


def _latin(text: str) -> bytes:
    """Header bytes; what HTTP cannot carry is shown as an escape, line breaks included."""
    if text.isascii() and text.isprintable():
        return text.encode()
    return text.encode("unicode_escape").replace(b"\r", b"").replace(b"\n", b"")
