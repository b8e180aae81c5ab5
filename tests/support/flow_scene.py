"""A gateway over fakes, and a client's side that keeps what it was sent."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.core.catalog import (
    Catalog,
    Escalation,
    Model,
    Provider,
    Resilience,
    Route,
    Tenant,
    Tier,
)
from gateway.core.errors import UpstreamFailure, UpstreamRejection
from gateway.core.ids import KeyId, OrganisationId, RequestId, TenantId
from gateway.core.pricing import Price, Rates
from gateway.core.record import LedgerRow, RequestRecord
from gateway.core.routing import Score
from gateway.flow.admission import Incoming
from gateway.flow.completion import complete
from gateway.flow.gateway import Gateway, Snapshot
from gateway.flow.ports import Caller, Ledger
from gateway.flow.reply import Closing, Head
from gateway.wire.request import Endpoint
from tests.fakes import FakeAnswer, FakeClock, FakeLedger, FakeUpstream

KEY = "acme-key-0123456789"
TENANT = Tenant(TenantId("acme"), OrganisationId("acme"))
PROVIDER = Provider("up", "http://up.test/v1")
ANSWER = (
    b'{"id":"a-1","choices":[{"index":0,"message":{"role":"assistant","content":"Paris"},'
    b'"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":2}}'
)
CHUNKS = (
    b'data: {"id":"s-1","choices":[{"index":0,"delta":{"content":"Pa"}}]}\n\n',
    b'data: {"id":"s-1","choices":[{"index":0,"delta":{"content":"ris"}}]}\n\n',
    b'data: {"id":"s-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
    b'data: {"id":"s-1","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":2}}\n\n',
    b"data: [DONE]\n\n",
)


def plain(body: bytes = ANSWER, status: int = 200) -> FakeAnswer:
    return FakeAnswer(status=status, chunks=(body,))


def stream(*chunks: bytes) -> FakeAnswer:
    return FakeAnswer(headers={"content-type": "text/event-stream"}, chunks=chunks or CHUNKS)


def a_model(name: str, *, input_usd: int = 1, output_usd: int = 2, **changes: object) -> Model:
    """A deployment priced in whole USD per million tokens."""
    values: dict[str, object] = {
        "name": name,
        "provider": PROVIDER,
        "upstream_model": f"{name}-upstream",
        "price": Price(Rates(input_usd * 10**9, output_usd * 10**9)),
        "price_version": f"config:{name}",
        "context_window": 8_000,
        "max_output_tokens": 1_000,
        "min_output_tokens": 256,
        "output_cap_param": "max_tokens",
        "image_tokens": 1_000,
        "endpoints": frozenset({"chat", "completions"}),
        "supports": None,
    }
    return Model(**{**values, **changes})  # type: ignore[arg-type]  # a builder for tests


def a_catalog(*models: Model, when: frozenset[str] = frozenset({"error", "timeout"})) -> Catalog:
    """Routes `auto` (small, then large from 0.6) and `list` (both in order), and every model."""
    by_name: dict[str, tuple[Model, ...]] = {}
    for model in models or (a_model("small"), a_model("large", input_usd=10, output_usd=20)):
        by_name[model.name] = (*by_name.get(model.name, ()), model)
    names = tuple(by_name)
    tiers = (Tier("simple", names[:1]), Tier("complex", names[-1:], 0.6))
    escalation = Escalation(when, 4)
    return Catalog(
        version="v1",
        models=by_name,
        routes={
            "auto": Route("auto", "default", tiers, (), escalation, baseline=names[-1]),
            "list": Route("list", None, (), names, escalation, baseline=names[-1]),
        },
        resilience=Resilience(),
        request_timeout_s=60.0,
        max_body_bytes=1_000_000,
    )


@dataclass
class KnownDirectory:
    callers: Mapping[str, Caller]

    def find(self, key: str) -> Caller | None:
        return self.callers.get(key)


class WordCounter:
    """A token a word."""

    def count(self, text: str, *, upstream_model: str) -> int:
        del upstream_model
        return len(text.split())


@dataclass
class FixedScorer:
    value: float
    version: str = "fixed"

    def score(self, text: str) -> Score:
        del text
        return Score(self.value, 0.0, 0.7, 0.9)

    def brief_score(self, text: str) -> Score:
        return self.score(text)


@dataclass
class KeptMeter:
    records: list[RequestRecord] = field(default_factory=list)

    def observe(self, record: RequestRecord) -> None:
        self.records.append(record)


@dataclass
class KeptReply:
    """Gives way at every call, as a real connection may; `ends` says how the request ended."""

    heads: list[Head] = field(default_factory=list)
    body: bytes = b""
    ends: list[str] = field(default_factory=list)
    closing: Closing | None = None
    failure: UpstreamFailure | None = None

    async def whole(self, head: Head, body: bytes) -> None:
        await asyncio.sleep(0)
        self.heads.append(head)
        self.body = body
        self.ends.append("whole")

    async def start(self, head: Head) -> None:
        await asyncio.sleep(0)
        self.heads.append(head)

    async def write(self, data: bytes) -> None:
        await asyncio.sleep(0)
        self.body += data

    async def finish(self, closing: Closing, done_event: bytes) -> None:
        await asyncio.sleep(0)
        self.closing = closing
        self.body += done_event
        self.ends.append("finish")

    async def fail(self, failure: UpstreamFailure, head: Head) -> None:
        await asyncio.sleep(0)
        self.heads.append(head)
        self.failure = failure
        self.ends.append("fail")

    async def reject(self, rejection: UpstreamRejection, head: Head) -> None:
        await asyncio.sleep(0)
        self.heads.append(head)
        self.body = rejection.body
        self.ends.append("reject")


@dataclass
class Scene:
    """One gateway; `ask` sends a request through it."""

    upstream: FakeUpstream
    catalog: Catalog = field(default_factory=a_catalog)
    score: float = 0.1
    tenant: Tenant = TENANT
    clock: FakeClock = field(default_factory=FakeClock)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    meter: KeptMeter = field(default_factory=KeptMeter)
    reply: KeptReply = field(default_factory=KeptReply)
    ledger_port: Ledger | None = None
    random: int = 0

    def gateway(self) -> Gateway:
        return Gateway(
            current=Snapshot(
                self.catalog,
                KnownDirectory({KEY: Caller(self.tenant, KeyId("k1"))}),
                {"default": FixedScorer(self.score)},
            ),
            clock=self.clock,
            upstream=self.upstream,
            ledger=self.ledger_port or self.ledger,
            meter=self.meter,
            tokens=WordCounter(),
            random_bits=lambda bits: self.random >> max(0, 32 - bits),
            pseudonym=lambda text: f"h({text})",
        )

    async def ask(self, body: bytes, **changes: object) -> None:
        await complete(incoming(body, self.clock, **changes), self.reply, self.gateway())

    def rows(self) -> list[LedgerRow]:
        return [self.ledger.rows[key] for key in sorted(self.ledger.rows)]


def incoming(body: bytes, clock: FakeClock, **changes: object) -> Incoming:
    values: Mapping[str, object] = {
        "request_id": RequestId("r-1"),
        "endpoint": Endpoint.CHAT,
        "key": KEY,
        "body": body,
        "client_request_id": None,
        "session": None,
        "tags": None,
        "max_cost_usd": None,
        "cache_control": None,
        "travelling": (),
        "started_s": clock.monotonic(),
        "started_at": clock.now(),
    }
    return Incoming(**{**values, **changes})  # type: ignore[arg-type]  # a builder for tests


def chat(
    model: str = "auto", text: str = "What is the capital of France?", more: str = ""
) -> bytes:
    return f'{{"model":"{model}","messages":[{{"role":"user","content":"{text}"}}]{more}}}'.encode()


async def until(condition: Callable[[], bool]) -> None:
    """Let other tasks run until the condition holds. The fakes never wait for time to pass."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("the condition never came to hold")
