"""What is accepted but worth a line in the log."""

from collections.abc import Iterator

from gateway.settings.account_checks import tenant_keys
from gateway.settings.problems import KeyPath, key_path_text
from gateway.settings.root import Settings

MIN_KEY_CHARACTERS = 16  # below it, a key can be guessed online
OTHER_TENANTS = "other"  # the label of tenants beyond metrics.max_tenants


def warnings(settings: Settings) -> tuple[str, ...]:
    """Accepted, but worth a line: each starts with its key path."""
    return tuple(
        f"{key_path_text(path)}: {text}"
        for rule in (_weak_keys(settings), _odd_choices(settings))
        for path, text in rule
    )


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
