"""Rules that need more than one key: references, unique names, order of tiers, keys and secrets.

They run on sound settings, of which damaged parts may have been cut; a rule about a part that was
cut stays silent. Each problem has its key path, what is wrong and what is allowed.
"""

import re
from collections.abc import Callable, Iterator

from gateway.core.price_config import price_from_config
from gateway.settings.account_checks import account_problems
from gateway.settings.models import ProviderSettings
from gateway.settings.names import Names
from gateway.settings.problems import KeyPath, Problem
from gateway.settings.root import Settings
from gateway.settings.route_checks import check_suffix, route_problems

# The connection's own headers, and those the gateway writes itself.
_RESERVED_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_PARAMETER_NAME = re.compile(r"[A-Za-z0-9._~-]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def check(
    settings: Settings, *, names: Names, is_damaged: Callable[[KeyPath], bool]
) -> list[Problem]:
    """Every broken rule. `is_damaged` says whether something was cut at, in or around a path."""
    return [
        *_check_presence(settings),
        *_check_stores(settings),
        *_check_providers(settings),
        *_check_models(settings, names),
        *route_problems(settings, names, is_damaged),
        *account_problems(settings, names),
    ]


def _check_presence(settings: Settings) -> Iterator[Problem]:
    if not settings.providers:
        yield Problem(
            ("providers",), "is missing or empty; define at least one provider (base_url)"
        )
    if not settings.models:
        yield Problem(
            ("models",), "is missing or empty; define at least one model (name, provider)"
        )


def _check_stores(settings: Settings) -> Iterator[Problem]:
    if settings.server.secret.get_secret_value():
        return
    stores = settings.stores
    shared = [
        name
        for name, is_used in (
            ("stores.redis_url", stores.redis_url.get_secret_value()),
            ("stores.cache_redis_url", stores.cache_redis_url.get_secret_value()),
            (
                "stores.database_url (PostgreSQL)",
                stores.database_url.get_secret_value().startswith("postgresql://"),
            ),
        )
        if is_used
    ]
    if shared:
        yield Problem(
            ("server", "secret"),
            f"is empty but required with {' and '.join(shared)}: all processes must share it",
        )


def _check_providers(settings: Settings) -> Iterator[Problem]:
    for name, provider in settings.providers.items():
        path: KeyPath = ("providers", name)
        own_header = _own_header(provider)
        if own_header in _RESERVED_HEADERS:
            yield Problem((*path, "auth"), "names a header the gateway sets itself")
        seen: set[str] = set()
        for header in provider.headers:
            text = _header_problem(header.lower(), own_header, seen)
            if text:
                yield Problem((*path, "headers", header), text)
            seen.add(header.lower())
        for parameter in provider.query:
            where = (*path, "query", parameter)
            if not _PARAMETER_NAME.fullmatch(parameter):
                yield Problem(where, "is no parameter name; letters, digits, . _ ~ - are allowed")
            elif provider.auth == f"query:{parameter}":
                yield Problem(where, f"is set from api_key by auth: {provider.auth}")


def _header_problem(header: str, own_header: str | None, seen: set[str]) -> str | None:
    if not _HEADER_NAME.fullmatch(header):
        return "is no header name; letters, digits and '-' are allowed"
    if header in _RESERVED_HEADERS:
        return "is set by the gateway and cannot be configured"
    if header == own_header:
        return "is set from api_key by auth; remove one of them"
    if header in seen:
        return "stands twice (header names ignore case)"
    return None


def _own_header(provider: ProviderSettings) -> str | None:
    if provider.auth == "bearer":
        return "authorization"
    if provider.auth == "api-key":
        return "api-key"
    kind, _, name = provider.auth.partition(":")
    return name.lower() if kind == "header" else None


def _check_models(settings: Settings, names: Names) -> Iterator[Problem]:
    for index, model in enumerate(settings.models):
        path: KeyPath = ("models", index)
        if text := names.providers.missing(model.provider):
            yield Problem((*path, "provider"), text)
        if not model.endpoints:
            yield Problem((*path, "endpoints"), "is empty: the model could never be asked")
        low, high = model.min_output_tokens, model.max_output_tokens
        if low is not None and high is not None and low > high:
            yield Problem(
                (*path, "min_output_tokens"), f"is {low}, more than max_output_tokens ({high})"
            )
        yield from check_suffix(model.name, (*path, "name"), names)
        if model.price is not None:
            try:
                price_from_config(model.price.as_mapping())
            except ValueError as error:
                yield Problem((*path, "price"), str(error))
