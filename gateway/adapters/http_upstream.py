"""Calls to OpenAI-compatible providers over HTTP/1.1.

What is sent, to which URL, with which credentials, and what a broken connection means. Sockets are
http_pool's; how long to wait for an answer, whether to try again and what the answer says, the
flow's. The client of httpx2 is passed by on purpose: it keeps cookies, which would carry one
tenant's into another's call, and it doubles the CPU of a request.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Self
from urllib.parse import quote

import httpx2

from gateway import __version__
from gateway.adapters.http_pool import (
    KEEPALIVE_S,
    MAX_CONNECTIONS_PER_ORIGIN,
    MAX_HEAD_BYTES,
    PooledTransport,
)
from gateway.core.catalog import Provider
from gateway.core.errors import FailureKind, UpstreamFailure
from gateway.flow.ports import UpstreamAnswer, UpstreamCall

# A reader that stops at [DONE] leaves the few bytes that end the body: worth a short wait, since
# opening a connection costs more.
DRAIN_S = 0.05
DRAIN_BYTES = 16_384
_KEPT_TARGETS = 4096  # one per deployment and endpoint

_USER_AGENT = f"fareway/{__version__}".encode()
# No compression: it makes servers hold events back, and a small body could unfold to a huge one.
_FIXED_HEADERS = (
    (b"user-agent", _USER_AGENT),
    (b"accept-encoding", b"identity"),
    (b"content-type", b"application/json"),
)
_DEFAULT_ACCEPT = (b"accept", b"application/json")  # what OpenAI's own clients send, streams too
_OURS = frozenset(name for name, _ in _FIXED_HEADERS) | {b"host", b"content-length"}


class HttpUpstream:
    """`flow.ports.Upstream` for real providers. Use as an async context manager."""

    def __init__(
        self,
        *,
        max_connections_per_origin: int = MAX_CONNECTIONS_PER_ORIGIN,
        keepalive_s: float = KEEPALIVE_S,
        max_head_bytes: int = MAX_HEAD_BYTES,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._transport = PooledTransport(
            max_connections_per_origin=max_connections_per_origin,
            keepalive_s=keepalive_s,
            max_head_bytes=max_head_bytes,
            ssl_context=ssl_context,
        )
        self._target = lru_cache(maxsize=_KEPT_TARGETS)(_target_of)

    @property
    def open_connections(self) -> int:
        return self._transport.open_count

    @property
    def idle_connections(self) -> int:
        return self._transport.idle_count

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._transport.aclose()

    @asynccontextmanager
    async def send(self, call: UpstreamCall) -> AsyncIterator[UpstreamAnswer]:
        try:
            response = await self._transport.handle_async_request(self._request(call))
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise _failure_before_head(error) from error
        answer = _HttpAnswer(response)
        try:
            yield answer
            if not answer.is_read:
                await _drain(response)
        finally:
            await response.aclose()

    def _request(self, call: UpstreamCall) -> httpx2.Request:
        target = self._target(call.model.provider, call.model.upstream_model, call.path)
        headers = list(target.headers)
        accept = _DEFAULT_ACCEPT
        for name, value in call.headers:
            header = (name.lower().encode("latin-1"), value.encode("latin-1"))
            if header[0] == b"accept":
                accept = header
            elif header[0] not in target.taken:
                headers.append(header)
        if b"accept" not in target.taken:
            headers.append(accept)
        headers.append((b"content-length", b"%d" % len(call.body)))
        return httpx2.Request(
            "POST",
            target.url,
            headers=headers,
            stream=httpx2.ByteStream(call.body),
            extensions={"timeout": {"connect": call.connect_timeout_s}},
        )


@dataclass(frozen=True, slots=True)
class _Target:
    """Where calls of one deployment go and what each of them carries. `taken`: header names a
    client's own cannot add to."""

    url: httpx2.URL
    headers: tuple[tuple[bytes, bytes], ...]
    taken: frozenset[bytes]


def _target_of(provider: Provider, upstream_model: str, path: str) -> _Target:
    base = provider.base_url.replace("{model}", quote(upstream_model, safe=""))
    base, mark, own_query = base.partition("?")
    url = httpx2.URL(f"{base.rstrip('/')}/{path.lstrip('/')}{mark}{own_query}")
    headers = [(name.lower(), value) for name, value in provider.headers]
    query: list[tuple[str, str | int | float | bool | None]] = list(provider.query)
    style, _, name = provider.auth.partition(":")
    if provider.api_key:  # without a key an empty credential is not sent either
        match style:
            case "bearer":
                headers.append(("authorization", f"Bearer {provider.api_key}"))
            case "api-key":
                headers.append(("api-key", provider.api_key))
            case "header":
                headers.append((name.lower(), provider.api_key))
            case "query":
                query.append((name, provider.api_key))
    if query:
        url = url.copy_merge_params(query)
    raw = [(name.encode(), value.encode()) for name, value in headers]
    given = {name for name, _ in raw}
    fixed = [header for header in _FIXED_HEADERS if header[0] not in given]
    return _Target(
        url=url,
        headers=((b"host", url.netloc), *fixed, *raw),
        taken=frozenset(given | _OURS),
    )


class _HttpAnswer(AsyncIterator[bytes]):
    """`is_read` once the body came to its proper end."""

    def __init__(self, response: httpx2.Response) -> None:
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        self.status = response.status_code
        self.headers: Mapping[str, str] = _joined(response)
        self.is_read = False
        encoding = self.headers.get("content-encoding", "identity")
        # httpx2's decoders give at most 1 MiB at a time, however small the compressed chunk was
        self._source = aiter(response.stream) if encoding == "identity" else response.aiter_bytes()

    def chunks(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            while not (chunk := await anext(self._source)):
                pass
        except StopAsyncIteration:
            self.is_read = True
            raise
        except httpx2.DecodingError as error:
            text = f"the upstream's content-encoding is broken: {error}"
            raise UpstreamFailure(FailureKind.BAD_ANSWER, text, was_sent=True) from error
        except httpx2.TransportError as error:
            raise UpstreamFailure(FailureKind.CUT, str(error), was_sent=True) from error
        return chunk


def _joined(response: httpx2.Response) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw_name, raw_value in response.headers.raw:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


async def _drain(response: httpx2.Response) -> None:
    """Read the few bytes that may be left, so that the connection can serve again."""
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    left = DRAIN_BYTES
    try:
        async with asyncio.timeout(DRAIN_S):
            async for chunk in response.stream:
                left -= len(chunk)
                if left < 0:
                    return
    except (TimeoutError, httpx2.TransportError):
        return  # not worth more: the connection is closed instead


def _failure_before_head(error: httpx2.TransportError | httpx2.InvalidURL) -> UpstreamFailure:
    match error:
        case httpx2.ConnectTimeout() | httpx2.PoolTimeout():
            kind, was_sent = FailureKind.TIMEOUT, False
        case httpx2.ReadError():
            kind, was_sent = FailureKind.DISCONNECTED, True
        case httpx2.RemoteProtocolError():
            kind, was_sent = FailureKind.BAD_ANSWER, True
        case _:  # no connection, or a URL or header that cannot be sent
            kind, was_sent = FailureKind.CONNECT, False
    return UpstreamFailure(kind, str(error), was_sent=was_sent)
