"""What the endpoints that spend no money work with, and who may call them."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

import msgspec
from fastapi import Request, Response

from gateway.core.errors import AdminKeyRequired, UnknownEndpoint
from gateway.core.money import usd_text
from gateway.edge.asgi import bearer
from gateway.flow.admission import authenticate
from gateway.flow.gateway import Gateway
from gateway.flow.ports import Caller, LedgerReader


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """The operators' credentials in force; empty means that there is none."""

    admin: str = field(default="", repr=False)
    metrics: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ApiContext:
    """`keys` gives the credentials in force, `render_metrics` Prometheus' text, `describe_config`
    the configuration without secrets, `dependencies` the
    named checks of readiness (None: well, otherwise what is wrong)."""

    gateway: Gateway
    reader: LedgerReader
    keys: Callable[[], ApiKeys]
    render_metrics: Callable[[], bytes]
    describe_config: Callable[[], object]
    dependencies: Mapping[str, Callable[[], Awaitable[str | None]]]


def caller_of(request: Request, context: ApiContext) -> Caller:
    """Raises InvalidApiKey, TenantDisabled."""
    return authenticate(bearer(request.scope), context.gateway.current)


def is_admin(request: Request, context: ApiContext) -> bool:
    return matches(bearer(request.scope), context.keys().admin)


def require_admin(request: Request, context: ApiContext) -> None:
    """Raises UnknownEndpoint where the admin API is off, AdminKeyRequired for a wrong key."""
    if not context.keys().admin:
        raise UnknownEndpoint("The admin API is off: server.admin_key is empty.")
    if not is_admin(request, context):
        raise AdminKeyRequired("This needs the admin key: 'Authorization: Bearer ADMIN_KEY'.")


def matches(given: str | None, expected: str) -> bool:
    """Whether a credential is the one expected, in constant time; never where none is set."""
    if not expected or given is None:
        return False
    return hmac.compare_digest(
        given.encode("utf-8", "surrogateescape"), expected.encode("utf-8", "surrogateescape")
    )


def is_loopback(request: Request) -> bool:
    if request.client is None:
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:  # a Unix socket's peer has no address
        return False


def json_response(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def usd_or_none(nano_usd: int | None) -> str | None:
    """Money as the API shows it: a decimal string; null where there is no price."""
    return None if nano_usd is None else usd_text(nano_usd)
