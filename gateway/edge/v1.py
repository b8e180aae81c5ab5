"""The hot endpoints under /v1, as raw ASGI in front of everything else.

Reads the request, hands it to `flow.completion`, and answers whatever rises from it. The client's
own credentials, cookies and ids end here.
"""

import asyncio

import structlog

from gateway.core.errors import Draining, FarewayError, MethodNotAllowed
from gateway.core.ids import RequestId, request_id
from gateway.edge.asgi import (
    App,
    ClientGone,
    RawHeaders,
    Receive,
    Scope,
    Send,
    bearer,
    header,
    read_body,
    until_gone,
)
from gateway.edge.reply import HttpReply
from gateway.flow.admission import Incoming
from gateway.flow.completion import complete
from gateway.flow.gateway import Gateway
from gateway.wire.request import Endpoint

log = structlog.get_logger("fareway")

HOT_PATHS = {
    "/v1/chat/completions": Endpoint.CHAT,
    "/v1/completions": Endpoint.COMPLETIONS,
    "/v1/embeddings": Endpoint.EMBEDDINGS,
}
MAX_ID_TEXT = 128
# A request ends at `server.request_timeout_s`; a client that neither sends its body nor takes its
# answer is cut off this much later.
GRACE_S = 5.0
_ID_BITS = 76
# The client's headers that may travel to an upstream; everything else stays here.
_TRAVELLING = (b"accept", b"openai-beta", b"traceparent")


def new_request_id(gateway: Gateway) -> RequestId:
    unix_ms = int(gateway.clock.now().timestamp() * 1000)
    return request_id(unix_ms=unix_ms, random_bits=gateway.random_bits(_ID_BITS))


def base_headers(scope: Scope, gateway: Gateway, identity: RequestId) -> RawHeaders:
    """What every answer carries: our request id, the client's own echoed, the configuration's."""
    headers = [
        (b"x-request-id", identity.encode()),
        (b"x-fareway-config", gateway.current.catalog.version.encode()),
    ]
    if own := short_id(header(scope, b"x-request-id")):
        headers.append((b"x-client-request-id", own.encode()))
    return headers


def short_id(text: str | None) -> str | None:
    """An id a client made up: at most 128 printable ASCII characters, otherwise as if not sent."""
    if text and len(text) <= MAX_ID_TEXT and text.isascii() and text.isprintable():
        return text
    return None


class HotEndpoints:
    """Serves what spends money; passes every other request on to `others`."""

    def __init__(self, gateway: Gateway, others: App) -> None:
        self._gateway = gateway
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = HOT_PATHS.get(scope["path"]) if scope["type"] == "http" else None
        if endpoint is None:
            await self._others(scope, receive, send)
            return
        identity = new_request_id(self._gateway)
        reply = HttpReply(send, identity, base_headers(scope, self._gateway, identity))
        try:
            async with asyncio.timeout(self._gateway.current.catalog.request_timeout_s + GRACE_S):
                await self._serve(endpoint, identity, scope, receive, reply)
        except (ClientGone, TimeoutError):
            return  # gone, or too slow to be told: the server closes an unfinished connection
        except asyncio.CancelledError:
            if self._gateway.is_draining and reply.has_started and not reply.has_ended:
                await reply.fail_stream(Draining("The gateway stopped before the stream's end."))
            raise
        except FarewayError as error:
            await _answer_error(reply, error)
        except Exception as error:
            log.exception("request_failed", request_id=identity)
            await _answer_error(reply, error)

    async def _serve(
        self,
        endpoint: Endpoint,
        identity: RequestId,
        scope: Scope,
        receive: Receive,
        reply: HttpReply,
    ) -> None:
        if scope["method"] != "POST":
            raise MethodNotAllowed(f"{scope['path']} takes POST.", allow="POST")
        if self._gateway.is_draining:
            raise Draining("The gateway is shutting down; ask another replica.")
        body = await read_body(scope, receive, self._gateway.current.catalog.max_body_bytes)
        incoming = Incoming(
            request_id=identity,
            endpoint=endpoint,
            key=bearer(scope),
            body=body,
            client_request_id=short_id(header(scope, b"x-request-id")),
            session=short_id(header(scope, b"x-fareway-session")),
            tags=header(scope, b"x-fareway-tags"),
            max_cost_usd=header(scope, b"x-fareway-max-cost-usd"),
            cache_control=header(scope, b"cache-control"),
            travelling=_travelling(scope),
            started_s=self._gateway.clock.monotonic(),
            started_at=self._gateway.clock.now(),
        )
        await until_gone(complete(incoming, reply, self._gateway), receive)


async def _answer_error(reply: HttpReply, error: BaseException) -> None:
    if reply.has_started:
        await reply.fail_stream(error)
    else:
        await reply.refuse(error)


def _travelling(scope: Scope) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name.decode(), bytes(value).decode("latin-1"))
        for name, value in scope["headers"]
        if name in _TRAVELLING
    )
