"""Rules of tenants: what they refer to, that ids and keys belong to one only."""

from collections.abc import Iterator

from gateway.settings.accounts import BudgetSettings
from gateway.settings.names import Names
from gateway.settings.problems import KeyPath, Problem
from gateway.settings.root import Settings


def account_problems(settings: Settings, names: Names) -> list[Problem]:
    return [
        *_check_tenants(settings, names),
        *_check_unique(settings),
        *_check_keys(settings),
        *_check_budgets(settings),
    ]


def _check_tenants(settings: Settings, names: Names) -> Iterator[Problem]:
    known = names.routes | names.models
    for index, tenant in enumerate(settings.tenants):
        path: KeyPath = ("tenants", index)
        if tenant.organisation is None:
            if tenant.id in names.organisations.names:
                yield Problem(
                    (*path, "id"),
                    f'"{tenant.id}" is also an organisation; a tenant without one is its own, so'
                    " its spend would count there: set organisation or choose another id",
                )
        elif text := names.organisations.missing(tenant.organisation):
            yield Problem((*path, "organisation"), text)
        if tenant.allow is not None and not tenant.allow:
            yield Problem((*path, "allow"), "is empty: nothing could be asked for; leave it out")
        for position, name in enumerate(tenant.allow or ()):
            if text := known.missing(name):
                yield Problem((*path, "allow", position), text)


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


def _check_budgets(settings: Settings) -> Iterator[Problem]:
    for path, budgets in _budgets(settings):
        seen: set[tuple[str, str]] = set()
        for position, budget in enumerate(budgets):
            window = (budget.window, budget.timezone)
            if window in seen:
                where = (*path, "budgets", position, "window")
                yield Problem(
                    where, f"is {budget.window} again; of two only the smaller could ever apply"
                )
            seen.add(window)


def _budgets(settings: Settings) -> Iterator[tuple[KeyPath, tuple[BudgetSettings, ...]]]:
    for index, organisation in enumerate(settings.organisations):
        yield ("organisations", index), organisation.budgets
    for index, tenant in enumerate(settings.tenants):
        yield ("tenants", index), tenant.budgets
        for position, key in enumerate(tenant.keys):
            yield ("tenants", index, "keys", position), key.budgets
