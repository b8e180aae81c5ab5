"""What the flow tells the client's side, without a word of HTTP headers.

The edge implements `Reply`; tests keep what was written. The first byte sent is the point of no
return: after `start` there is no other status, no other model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.core.errors import UpstreamFailure, UpstreamRejection
from gateway.core.record import Reason


@dataclass(frozen=True, slots=True)
class Head:
    """What is known when the answer begins. Costs are None until the body is complete, and where
    the model has no price. `upstream_headers` are the few that go back to the client."""

    upstream_headers: Mapping[str, str]
    model: str
    tier: str | None
    score: float | None
    reason: Reason
    cache: str
    attempts: int
    overhead_s: float
    cost_nano_usd: int | None = None
    saved_nano_usd: int | None = None


@dataclass(frozen=True, slots=True)
class Closing:
    """What the last comment of a stream says. Money is None where the model has no price."""

    model: str
    attempts: int
    reason: Reason
    cost_nano_usd: int | None
    saved_nano_usd: int | None


class Reply(Protocol):
    """Each request ends in exactly one of `whole`, `finish`, `fail` and `reject`."""

    async def whole(self, head: Head, body: bytes) -> None:
        """Send a complete answer."""
        ...

    async def start(self, head: Head) -> None:
        """Send the head of a stream. Waits while the client is slow, as `write` does."""
        ...

    async def write(self, data: bytes) -> None: ...

    async def finish(self, closing: Closing, done_event: bytes) -> None:
        """End a stream well: the closing comment, then [DONE]."""
        ...

    async def fail(self, failure: UpstreamFailure, head: Head) -> None:
        """Say that the upstreams failed: by status, or, where the stream has begun, by an error
        event, never with a clean stop."""
        ...

    async def reject(self, rejection: UpstreamRejection, head: Head) -> None:
        """Pass on the upstream's refusal of what the client asked."""
        ...
