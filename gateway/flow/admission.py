"""Step 1: who asks, for what, and is it allowed. Pure but for the clock's reading of the start."""

import re
from dataclasses import dataclass, field
from datetime import datetime

from gateway.core.errors import InvalidApiKey, InvalidRequest, OnlyIfCachedMiss, TenantDisabled
from gateway.core.ids import RequestId
from gateway.core.money import nano_usd_from_text
from gateway.core.record import RequestFacts
from gateway.core.routing import Asked, check_allowed, resolve
from gateway.flow.gateway import Gateway, Snapshot
from gateway.flow.ports import Caller
from gateway.wire.request import ClientRequest, Endpoint, parse_request

CACHE_OFF = "OFF"
MAX_TAGS_TEXT = 512
_TAGS = re.compile(r"[A-Za-z0-9_.:-]{1,64}=[A-Za-z0-9_.:/ -]{0,128}(,|$)")


@dataclass(frozen=True, slots=True)
class Incoming:
    """What the edge hands in: the credential, the body, and the headers that mean something.

    `travelling` are the client's headers that may go upstream (accept, OpenAI-Beta, traceparent).
    """

    request_id: RequestId
    endpoint: Endpoint
    key: str | None = field(repr=False)
    body: bytes = field(repr=False)
    client_request_id: str | None
    session: str | None
    tags: str | None
    max_cost_usd: str | None
    cache_control: str | None
    travelling: tuple[tuple[str, str], ...]
    started_s: float
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Admitted:
    snapshot: Snapshot
    caller: Caller
    request: ClientRequest
    asked: Asked
    ceiling_nano_usd: int | None
    travelling: tuple[tuple[str, str], ...]


def authenticate(key: str | None, snapshot: Snapshot) -> Caller:
    """Raises InvalidApiKey, TenantDisabled."""
    caller = snapshot.directory.find(key) if key else None
    if caller is None:
        text = "Incorrect API key provided." if key else "You didn't provide an API key."
        raise InvalidApiKey(f"{text} Send 'Authorization: Bearer KEY' with a key of this gateway.")
    if caller.tenant.disabled:
        raise TenantDisabled(f"The tenant {caller.tenant.id!r} is disabled.")
    return caller


def admit(incoming: Incoming, gateway: Gateway) -> Admitted:
    """Raises every refusal that needs no look at a model."""
    snapshot = gateway.current
    caller = authenticate(incoming.key, snapshot)
    check_tags(incoming.tags)
    ceiling_nano_usd = _ceiling(incoming.max_cost_usd)
    request = parse_request(incoming.body, incoming.endpoint)
    asked = resolve(request.model, snapshot.catalog)
    check_allowed(asked, caller.tenant)
    if "only-if-cached" in (incoming.cache_control or ""):
        raise OnlyIfCachedMiss("Nothing is cached for this request, and only that was asked for.")
    return Admitted(snapshot, caller, request, asked, ceiling_nano_usd, incoming.travelling)


def check_tags(tags: str | None) -> None:
    """Raises InvalidRequest unless the header reads like `team=search,env=prod`."""
    if tags is None:
        return
    if len(tags) > MAX_TAGS_TEXT or _TAGS.sub("", tags):
        raise InvalidRequest(
            "The header x-fareway-tags takes NAME=VALUE pairs, comma between, at most "
            f"{MAX_TAGS_TEXT} characters.",
            param="x-fareway-tags",
        )


def _ceiling(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return nano_usd_from_text(text)
    except ValueError as error:
        raise InvalidRequest(
            f"The header x-fareway-max-cost-usd takes an amount like 0.002: {error}.",
            param="x-fareway-max-cost-usd",
        ) from error


def request_facts(
    incoming: Incoming,
    admitted: Admitted,
    gateway: Gateway,
    *,
    score: float | None,
    decision: str | None,
) -> RequestFacts:
    """What the record says of the request as a whole."""
    tenant = admitted.caller.tenant
    user = admitted.request.user
    return RequestFacts(
        request_id=incoming.request_id,
        client_request_id=incoming.client_request_id,
        endpoint=incoming.endpoint.value,
        organisation=tenant.organisation,
        tenant=tenant.id,
        key_id=admitted.caller.key_id,
        end_user=gateway.pseudonym(f"{tenant.id}\n{user}") if user else None,
        session=incoming.session,
        tags=incoming.tags,
        route=admitted.asked.route.name if admitted.asked.route else None,
        requested_model=admitted.asked.name,
        score=score,
        decision=decision,
        cache=CACHE_OFF,
        config_version=admitted.snapshot.catalog.version,
        started_at=incoming.started_at,
    )
