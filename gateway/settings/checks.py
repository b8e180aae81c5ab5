"""Rules that need more than one key: references, unique names, order of tiers, keys and secrets.

They run on sound settings, of which damaged parts may have been cut; a rule about a part that was
cut stays silent. Each gives (key path, what is wrong and what is allowed).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise

from gateway.settings.models import RESEARCH, ProviderSettings, RouteSettings, TierSettings
from gateway.settings.problems import KeyPath, Problem, key_path_text, redacted
from gateway.settings.root import Settings

MIN_KEY_CHARACTERS = 16  # below it, a key can be guessed online; CONTRACT section 3
OTHER_TENANTS = "other"  # the label of tenants beyond metrics.max_tenants

_SUFFIXED = re.compile(r"(?P<route>.+):(?:floor|max|[0-9]*\.?[0-9]+)")
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


@dataclass(frozen=True, slots=True)
class Names:
    """What the file declares, damaged entries included, so that a reference to one is no error."""

    providers: frozenset[str]
    models: frozenset[str]
    routes: frozenset[str]
    organisations: frozenset[str]


def declared_names(tree: Mapping[str, object]) -> Names:
    return Names(
        providers=_keys_of(tree.get("providers")),
        models=_values_of(tree.get("models"), "name"),
        routes=_keys_of(tree.get("routes")),
        organisations=_values_of(tree.get("organisations"), "id"),
    )


def check(
    settings: Settings, *, names: Names, is_damaged: Callable[[KeyPath], bool]
) -> list[Problem]:
    """Every broken rule. `is_damaged` says whether something was cut at or below a path."""
    rules = (
        _check_presence(settings),
        _check_stores(settings),
        _check_providers(settings),
        _check_models(settings, names),
        _check_routes(settings, names),
        _check_orders(settings, is_damaged),
        _check_tenants(settings, names),
        _check_unique(settings),
        _check_keys(settings),
    )
    return [problem for rule in rules for problem in rule]


def warnings(settings: Settings) -> tuple[str, ...]:
    """Accepted, but worth a line: each starts with its key path."""
    return tuple(
        f"{key_path_text(path)}: {text}"
        for rule in (_weak_keys(settings), _odd_choices(settings))
        for path, text in rule
    )


def _keys_of(section: object) -> frozenset[str]:
    return frozenset(section) if isinstance(section, Mapping) else frozenset()


def _values_of(section: object, key: str) -> frozenset[str]:
    entries = section if isinstance(section, list) else []
    values = (entry.get(key) for entry in entries if isinstance(entry, Mapping))
    return frozenset(value for value in values if isinstance(value, str))


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, sorted(known), n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    listed = ", ".join(sorted(known)) or "none is defined"
    return f'no {kind} is named "{redacted(name)}"; {hint}known: {listed}'


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
        if model.provider not in names.providers:
            text = _unknown("provider", model.provider, names.providers)
            yield Problem((*path, "provider"), text)
        if not model.endpoints:
            yield Problem((*path, "endpoints"), "is empty: the model could never be asked")
        low, high = model.min_output_tokens, model.max_output_tokens
        if low is not None and high is not None and low > high:
            yield Problem(
                (*path, "min_output_tokens"), f"is {low}, more than max_output_tokens ({high})"
            )
        yield from _check_suffix(model.name, (*path, "name"), names)
        if model.price is not None:
            yield from _check_steps(model.price.above, (*path, "price", "above"))
            for tier, price in model.price.service_tiers.items():
                where = (*path, "price", "service_tiers", tier, "above")
                yield from _check_steps(price.above, where)


def _check_steps(steps: Iterable[object], path: KeyPath) -> Iterator[Problem]:
    bounds = [int(getattr(step, "input_tokens", 0)) for step in steps]
    for index, (lower, higher) in enumerate(pairwise(bounds), start=1):
        if higher <= lower:
            where = (*path, index, "input_tokens")
            yield Problem(where, f"is {higher}; steps must rise, the one before is at {lower}")


def _check_suffix(name: str, path: KeyPath, names: Names) -> Iterator[Problem]:
    match = _SUFFIXED.fullmatch(name)
    if match and match["route"] in names.routes:
        yield Problem(
            path,
            f'"{name}" already means the route {match["route"]} with a suffix'
            " (ROUTE:floor, ROUTE:max, ROUTE:0.7); choose another name",
        )


def _check_routes(settings: Settings, names: Names) -> Iterator[Problem]:
    for name, route in settings.routes.items():
        path: KeyPath = ("routes", name)
        if name in names.models:
            yield Problem(path, "is also the name of a model; a client could not tell them apart")
        yield from _check_suffix(name, path, names)
        for where, model in _referenced_models(route, path):
            if model not in names.models:
                yield Problem(where, _unknown("model", model, names.models))
        yield from _check_shape(route, path)


def _check_orders(settings: Settings, is_damaged: Callable[[KeyPath], bool]) -> Iterator[Problem]:
    for name, route in settings.routes.items():
        path: KeyPath = ("routes", name, "tiers")
        if not is_damaged(path):  # without a tier, its neighbours' thresholds would look wrong
            yield from _check_order(route, path)


def _referenced_models(route: RouteSettings, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    for index, model in enumerate(route.models):
        yield (*path, "models", index), model
    for tier_name, tier in route.tiers.items():
        for index, model in enumerate(tier.models):
            yield (*path, "tiers", tier_name, "models", index), model
    if route.baseline is not None:
        yield (*path, "baseline"), route.baseline


def _check_shape(route: RouteSettings, path: KeyPath) -> Iterator[Problem]:
    if route.tiers and route.models:
        yield Problem((*path, "models"), "stands beside tiers; a route has one or the other")
    if not route.tiers and not route.models:
        yield Problem(path, "has neither tiers nor models; name what answers")
    if route.router is not None and not route.tiers:
        yield Problem((*path, "router"), "needs tiers to choose from; without them leave it out")
    if len(set(route.models)) < len(route.models):
        yield Problem((*path, "models"), "names a model twice; the second could never be reached")
    for tier_name, tier in route.tiers.items():
        where = (*path, "tiers", tier_name, "models")
        if not tier.models:
            yield Problem(where, "is empty: the tier could never answer")
        if len(set(tier.models)) < len(tier.models):
            yield Problem(where, "names a model twice; the second could never be reached")


def _check_order(route: RouteSettings, path: KeyPath) -> Iterator[Problem]:
    """Thresholds cut [0, 1] from the cheapest tier up; `research` is looked at first, alone."""
    research = route.tiers.get(RESEARCH)
    ordinary = [(name, tier) for name, tier in route.tiers.items() if name != RESEARCH]
    if research is not None:
        where = (*path, RESEARCH, "threshold")
        if research.threshold is None:
            yield Problem(where, "is required: the p_research at or above which the tier is taken")
        elif research.threshold == 0:
            yield Problem(where, "is 0: every request would go here and no other tier be reached")
        if not ordinary:
            yield Problem(path, f"has only {RESEARCH}; add at least one tier before it")
    if not ordinary or route.policy == "quality":
        return
    first_name, first = ordinary[0]
    if first.threshold is not None:
        where = (*path, first_name, "threshold")
        yield Problem(
            where, "stands on the first tier, which takes every lower score; leave it out"
        )
    yield from _check_rising(ordinary[1:], path, first_name)


def _check_rising(
    tiers: list[tuple[str, TierSettings]], path: KeyPath, before: str
) -> Iterator[Problem]:
    previous = 0.0
    for name, tier in tiers:
        where = (*path, name, "threshold")
        if tier.threshold is None:
            yield Problem(where, "is required: the score at or above which the tier starts")
            continue
        if tier.threshold <= previous:
            yield Problem(
                where,
                f"is {tier.threshold:g}, so {before} could never be reached; tiers stand cheapest"
                f" first and their thresholds rise: more than {previous:g}",
            )
        previous, before = tier.threshold, name


def _check_tenants(settings: Settings, names: Names) -> Iterator[Problem]:
    known = names.models | names.routes
    for index, tenant in enumerate(settings.tenants):
        path: KeyPath = ("tenants", index)
        if tenant.organisation is None:
            if tenant.id in names.organisations:
                yield Problem(
                    (*path, "id"),
                    f'"{tenant.id}" is also an organisation; a tenant without one is its own, so'
                    " its spend would count there: set organisation or choose another id",
                )
        elif tenant.organisation not in names.organisations:
            text = _unknown("organisation", tenant.organisation, names.organisations)
            yield Problem((*path, "organisation"), text)
        if tenant.allow is not None and not tenant.allow:
            yield Problem((*path, "allow"), "is empty: nothing could be asked for; leave it out")
        for position, name in enumerate(tenant.allow or ()):
            if name not in known:
                yield Problem((*path, "allow", position), _unknown("route or model", name, known))


def _check_unique(settings: Settings) -> Iterator[Problem]:
    entries: list[tuple[KeyPath, str, str]] = []
    for index, organisation in enumerate(settings.organisations):
        entries.append((("organisations", index, "id"), "organisation", organisation.id))
    for index, tenant in enumerate(settings.tenants):
        entries.append((("tenants", index, "id"), "tenant", tenant.id))
        for position, key in enumerate(tenant.keys):
            if key.id is not None:
                where = ("tenants", index, "keys", position, "id")
                entries.append((where, f"key of {tenant.id}", key.id))
    seen: dict[tuple[str, str], KeyPath] = {}
    for path, kind, name in entries:
        first = seen.setdefault((kind, name), path)
        if first != path:
            yield Problem(path, f'"{name}" is already the id of another {kind}; ids are unique')


def tenant_keys(settings: Settings) -> Iterator[tuple[KeyPath, str]]:
    """Every key of every tenant, with its place."""
    for index, tenant in enumerate(settings.tenants):
        for position, key in enumerate(tenant.keys):
            yield ("tenants", index, "keys", position), key.key.get_secret_value()


def _check_keys(settings: Settings) -> Iterator[Problem]:
    operators = {
        settings.server.admin_key.get_secret_value(): "server.admin_key",
        settings.server.metrics_key.get_secret_value(): "server.metrics_key",
    }
    seen: dict[str, KeyPath] = {}
    for path, key in tenant_keys(settings):
        if not key.strip():
            yield Problem(path, "is empty; a key must not be empty or blank")
            continue
        if key in operators:
            yield Problem(path, f"is the same as {operators[key]}; a tenant must not have it")
        first = seen.setdefault(key, path)
        if first != path:
            yield Problem(path, "stands twice among the tenants' keys; each belongs to one tenant")


def _weak_keys(settings: Settings) -> Iterator[tuple[KeyPath, str]]:
    server = settings.server
    named: list[tuple[KeyPath, str]] = [
        (("server", name), secret.get_secret_value())
        for name, secret in (
            ("admin_key", server.admin_key),
            ("secret", server.secret),
            ("metrics_key", server.metrics_key),
        )
        if secret.get_secret_value()
    ]
    for path, key in (*named, *tenant_keys(settings)):
        if len(key) < MIN_KEY_CHARACTERS:
            yield path, f"has fewer than {MIN_KEY_CHARACTERS} characters and can be guessed"
        if key != key.strip():
            yield path, "begins or ends with a space, which HTTP removes: clients cannot send it"
    admin_key = server.admin_key.get_secret_value()
    if admin_key and admin_key == server.metrics_key.get_secret_value():
        yield ("server", "metrics_key"), "is the admin key: whoever reads metrics can administer"


def _odd_choices(settings: Settings) -> Iterator[tuple[KeyPath, str]]:
    if not settings.tenants and not settings.server.admin_key.get_secret_value():
        yield ("tenants",), "there are none, and server.admin_key is empty: nobody can call"
    for name, provider in settings.providers.items():
        has_key = bool(provider.api_key.get_secret_value())
        if has_key and provider.auth == "none":
            yield ("providers", name, "api_key"), "is set but auth is none: it is never sent"
        if not has_key and provider.auth != "none":
            yield ("providers", name, "api_key"), "is empty: calls go out without a key"
    for index, tenant in enumerate(settings.tenants):
        if tenant.id == OTHER_TENANTS:
            yield (
                ("tenants", index, "id"),
                '"other" is what metrics call tenants beyond max_tenants',
            )
    if settings.resilience.attempt_timeout_s > settings.server.request_timeout_s:
        yield ("resilience", "attempt_timeout_s"), "is longer than server.request_timeout_s"
    if settings.logging.prompts:
        yield ("logging", "prompts"), "is true: prompts and answers may be written to the log"
