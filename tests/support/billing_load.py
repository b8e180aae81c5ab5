"""Mixed requests, made from a seed, and a crowd of clients that ask them and note what they saw."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import httpx2

from tests.support.billing_scene import TENANT_KEYS
from tests.support.gateway_process import Json

_ANSWER_S = 60.0
_LEAVES_AFTER_S = 0.15
_DONE = b"data: [DONE]"
_TOOL: Json = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. `mark` is its x-request-id and its `user`: what ledger and bill know it by.
    A client may leave after so many chunks of a stream, or before a plain answer."""

    mark: str
    kind: str
    path: str
    tenant: str
    body: Json
    leaves_after_chunks: int | None = None

    @property
    def is_stream(self) -> bool:
        return bool(self.body.get("stream"))


@dataclass(slots=True)
class Seen:
    """What the client saw: no status where nothing came. `is_complete`: the whole plain answer, or
    the stream's [DONE]."""

    ask: Ask
    status: int | None = None
    is_complete: bool = False
    request_id: str | None = None
    cost_usd: str | None = None
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    weight: int
    models: tuple[str, ...] = ("small", "large", "odd", "stepped", "charged", "auto")
    text: str = ""
    is_stream: bool = False
    more: Json = field(default_factory=dict)
    path: str = "chat/completions"
    leaves_after_chunks: int | None = None


_USAGE: Json = {"stream_options": {"include_usage": True}}
_FAULTS = ("status-400", "status-422", "status-429", "status-500", "status-503", "html")
_ODD_USAGE = ("usage-missing", "usage-null", "usage-negative", "usage-absurd")
_BROKEN = ("cut-after-3", "reset-after-3", "error-event-after-3", "cut-before-head")

KINDS = (
    _Kind("plain", 14),
    _Kind("stream", 10, is_stream=True),
    _Kind("stream-usage", 10, is_stream=True, more=_USAGE),
    _Kind("cached", 5, text="[[cached:40]] " + "ballast " * 30),
    _Kind("cached-stream", 4, text="[[cached:25]] " + "ballast " * 20, is_stream=True),
    _Kind("reasoning", 4, text="[[reasoning:37]]"),
    _Kind("reasoning-stream", 3, text="[[reasoning:21]]", is_stream=True, more=_USAGE),
    _Kind("tools", 4, text="[[tools:2]] get_weather", more={"tools": [_TOOL]}),
    _Kind("tools-stream", 3, text="get_weather", is_stream=True, more={"tools": [_TOOL]}),
    _Kind("choices", 4, more={"n": 3}),
    _Kind("choices-stream", 3, is_stream=True, more={"n": 3}),
    _Kind("capped", 3, text="[[tokens:90]]", more={"max_tokens": 7}),
    _Kind("long", 3, models=("stepped",), text="far beyond the step " * 60),
    _Kind("completions", 3, path="completions"),
    _Kind("completions-stream", 2, path="completions", is_stream=True),
    _Kind("embeddings", 4, models=("embedding",), path="embeddings"),
    _Kind("fallback", 5, models=("after-503", "after-html", "after-refused")),
    _Kind("fallback-stream", 4, models=("after-503", "after-html"), is_stream=True),
    _Kind("refused", 1, models=("refusing",)),
    *(_Kind(fault, 1, text=f"[[fault:{fault}]]") for fault in (*_FAULTS, *_ODD_USAGE, "cut")),
    *(
        _Kind(f"{fault}-stream", 1, text=f"[[fault:{fault}]]", is_stream=True, more=_USAGE)
        for fault in (*_FAULTS, *_ODD_USAGE, *_BROKEN, "stall-after-3", "no-done")
    ),
    *(
        _Kind(f"{fault}-stream", 2, text=f"[[fault:{fault}]]", is_stream=True)
        for fault in ("usage-last-content", "usage-every-chunk", "gzip", "joined", "crlf")
    ),
    _Kind("left", 2, text="[[fault:slow-head]]", leaves_after_chunks=0),
    _Kind("left-stream", 4, text="[[fault:slow-chunks]]", is_stream=True, leaves_after_chunks=3),
    _Kind(
        "left-running-totals",
        2,
        text="[[fault:slow-chunks+usage-every-chunk]]",
        is_stream=True,
        leaves_after_chunks=3,
    ),
)


def mixed_asks(seed: int, *, kinds: tuple[_Kind, ...] = KINDS) -> Iterator[Ask]:
    """Without end. The first ones go through every kind once, the rest are drawn by weight."""
    draw = random.Random(seed)
    first = list(kinds)
    draw.shuffle(first)
    number = 0
    while True:
        kind = first.pop() if first else draw.choices(kinds, [each.weight for each in kinds])[0]
        yield _ask(kind, f"m{seed}-{number}", draw)
        number += 1


def working_asks(seed: int) -> Iterator[Ask]:
    """Those that nothing goes wrong with, long enough to be caught in the middle."""
    sound = ("plain", "stream", "stream-usage", "reasoning", "choices-stream", "cached", "tools")
    return mixed_asks(seed, kinds=tuple(kind for kind in KINDS if kind.name in sound))


def _ask(kind: _Kind, mark: str, draw: random.Random) -> Ask:
    text = " ".join(["Tell me", *draw.choices(_WORDS, k=draw.randrange(1, 25)), kind.text])
    body: Json = {"model": draw.choice(kind.models), "user": mark, **kind.more}
    if kind.path == "embeddings":
        body["input"] = [text] * draw.randrange(1, 4)
    elif kind.path == "completions":
        body["prompt"] = text
        body["model"] = draw.choice(("small", "odd"))
    else:
        body["messages"] = [{"role": "user", "content": text}]
    if kind.is_stream:
        body["stream"] = True
    tenant = draw.choice(tuple(TENANT_KEYS))
    return Ask(mark, kind.name, kind.path, tenant, body, kind.leaves_after_chunks)


_WORDS = ("of rivers", "and", "gold", "coins", "über", "in 1848", "why", "maps", "日本", "as JSON")


class Crowd:
    """So many clients at once; each ask is sent at most once. While the gateway is away (`leave`)
    nobody asks; `meet` says where it is again."""

    def __init__(self, asks: Iterator[Ask], *, clients: int) -> None:
        self.seen: list[Seen] = []
        self._asks = asks
        self._clients = clients
        self._origin = ""
        self._is_open = asyncio.Event()
        self._changed = asyncio.Event()
        self._complete = 0
        self._is_over = False

    def meet(self, origin: str) -> None:
        self._origin = origin
        self._is_open.set()

    def leave(self) -> None:
        self._is_open.clear()

    def stop(self) -> None:
        """Nobody asks anything further."""
        self._is_over = True
        self._is_open.set()

    async def until_more_are_complete(self, count: int) -> None:
        """Returns once so many more whole answers have come."""
        wanted = self._complete + count
        async with asyncio.timeout(_ANSWER_S):
            while self._complete < wanted:
                self._changed.clear()
                await self._changed.wait()

    async def run(self) -> None:
        limits = httpx2.Limits(max_connections=self._clients)
        async with (
            httpx2.AsyncClient(timeout=_ANSWER_S, limits=limits, trust_env=False) as http,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(self._clients):
                group.create_task(self._client(http))

    async def _client(self, http: httpx2.AsyncClient) -> None:
        await self._is_open.wait()
        for ask in self._asks:
            seen = Seen(ask)
            with suppress(httpx2.TransportError, TimeoutError):
                if ask.leaves_after_chunks == 0:
                    async with asyncio.timeout(_LEAVES_AFTER_S):
                        await self._send(http, seen)
                else:
                    await self._send(http, seen)
            self.seen.append(seen)
            self._complete += seen.is_complete
            self._changed.set()
            await self._is_open.wait()
            if self._is_over:
                return

    async def _send(self, http: httpx2.AsyncClient, seen: Seen) -> None:
        ask = seen.ask
        headers = {
            "authorization": f"Bearer {TENANT_KEYS[ask.tenant]}",
            "x-request-id": ask.mark,
        }
        url = f"{self._origin}/v1/{ask.path}"
        async with http.stream("POST", url, json=ask.body, headers=headers) as answer:
            seen.status = answer.status_code
            seen.request_id = answer.headers["x-request-id"]
            seen.cost_usd = answer.headers.get("x-fareway-cost-usd")
            chunks = 0
            async for chunk in answer.aiter_bytes():
                seen.body += chunk
                chunks += 1
                if chunks == ask.leaves_after_chunks:
                    return
        seen.is_complete = seen.status == 200 and (not ask.is_stream or _DONE in seen.body)
