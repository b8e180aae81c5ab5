"""What the flow needs from the world. Each port has a fake in tests/fakes.py and one contract
suite in tests/contracts/ that the fake and every real adapter pass.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.core.catalog import Model, Tenant
from gateway.core.ids import KeyId, TenantId
from gateway.core.record import LedgerRow, RequestRecord
from gateway.core.routing import Score


class Clock(Protocol):
    def now(self) -> datetime:
        """The time of day, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a key belongs to."""

    tenant: Tenant
    key_id: KeyId


class Directory(Protocol):
    def find(self, key: str) -> Caller | None:
        """Whose key this is; None for a key nobody has. Constant work whatever the key."""
        ...


@dataclass(frozen=True, slots=True)
class UpstreamCall:
    """One HTTP POST to a provider. `path` is relative to its base URL, e.g. 'chat/completions'.

    `headers` are those of the client that may travel (accept, OpenAI-Beta, traceparent);
    credentials and configured headers come from `model.provider`.
    """

    model: Model
    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...]
    connect_timeout_s: float


class UpstreamAnswer(Protocol):
    """An answer whose head has arrived. Header names are lower case."""

    status: int
    headers: Mapping[str, str]

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, content-encoding undone, never an empty chunk.

        Raises UpstreamFailure (CUT, DISCONNECTED, BAD_ANSWER for a broken encoding). A slow reader
        holds the sender back. Ends only at the body's proper end.
        """
        ...


class Upstream(Protocol):
    def send(self, call: UpstreamCall) -> AbstractAsyncContextManager[UpstreamAnswer]:
        """Send the call and yield the answer once its head is here, whatever its status.

        Raises UpstreamFailure (CONNECT with was_sent False, TIMEOUT for the connection alone with
        was_sent False, DISCONNECTED). No redirect is followed, nothing is retried unless provably
        unsent. Leaving the context gives the connection back if the body was read to its end and
        closes it at once otherwise; cancellation at any point leaves none behind. The time until
        the head and between chunks is the caller's to bound.
        """
        ...


class Ledger(Protocol):
    """Where facts go. `append` is synchronous, so no cancellation can come between: when it
    returns, the rows survive a killed process. A later row of the same (request_id, attempt)
    replaces a pending one; a settled or void one is never replaced."""

    def append(self, rows: Sequence[LedgerRow]) -> None:
        """Raises StoreUnavailable where the rows cannot be kept (disk full)."""
        ...

    async def durable(self) -> None:
        """Returns once what was appended before survives what `stores.durability` promises."""
        ...


@dataclass(frozen=True, slots=True)
class LedgerPage:
    rows: tuple[LedgerRow, ...]
    next_cursor: str | None


class LedgerReader(Protocol):
    async def page(
        self, *, tenant: TenantId | None, since: datetime | None, limit: int, cursor: str | None
    ) -> LedgerPage:
        """Rows in a stable order (started_at, request_id, attempt), everything appended so far
        included. Raises InvalidRequest for a cursor that is not one of ours."""
        ...

    async def spent_nano_usd(self, *, tenant: TenantId, since: datetime | None) -> int:
        """Sum of the settled cost of a tenant's attempts that started at or after `since`."""
        ...

    async def held_nano_usd(self, *, tenant: TenantId) -> int:
        """Sum of the holds of a tenant's pending attempts."""
        ...


class Meter(Protocol):
    def observe(self, record: RequestRecord) -> None: ...


class TokenCounter(Protocol):
    def count(self, text: str, *, upstream_model: str) -> int:
        """Tokens of a plain text under that model's encoding (o200k_base where it is unknown).
        Special-token texts count as plain text. About 12 µs per 100 tokens: long ones off the
        loop."""
        ...


class Scorer(Protocol):
    """A router artefact, loaded."""

    version: str

    def score(self, text: str) -> Score: ...

    def brief_score(self, text: str) -> Score:
        """The same without reasons, which cost up to half as much again."""
        ...
