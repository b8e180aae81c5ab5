"""What the billing proofs' gateway is configured with, and its prices, worked with Decimal apart
from the gateway's own arithmetic."""

import json
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

from tests.support.gateway_process import Json

ADMIN_KEY = "admin-key-0123456789abcdef"
TENANT_KEYS = {
    "acme": "key-of-acme-0123456789",
    "globex": "a key of globex with spaces",
    "initech": "key-of-initech-0123456789",
}

# Each model has an upstream model of its own, so that a line of the bill names it.
UPSTREAM_MODELS = {
    "small": "bill-small",
    "large": "bill-large",
    "odd": "bill-odd",
    "stepped": "bill-stepped",
    "charged": "bill-charged",
    "embedding": "bill-embedding",
    "fails-503": "bill-fault-status-503",
    "fails-html": "bill-fault-html",
    "refusing": "bill-refusing",
}
MODEL_OF_UPSTREAM = {upstream: name for name, upstream in UPSTREAM_MODELS.items()}


@dataclass(frozen=True, slots=True)
class Tariff:
    """USD per million tokens, as decimal strings. `above`: beyond so many tokens of prompt the
    whole request costs the other tariff."""

    input: str
    output: str
    cached_input: str
    per_request: str = "0"
    above: "tuple[int, Tariff] | None" = None

    def nano_usd(self, *, input_tokens: int, cached_tokens: int, output_tokens: int) -> int:
        if self.above is not None and input_tokens > self.above[0]:
            return self.above[1].nano_usd(
                input_tokens=input_tokens, cached_tokens=cached_tokens, output_tokens=output_tokens
            )
        usd = (
            (input_tokens - cached_tokens) * Decimal(self.input)
            + cached_tokens * Decimal(self.cached_input)
            + output_tokens * Decimal(self.output)
        ) / Decimal(10**6) + Decimal(self.per_request)
        return int((usd * 10**9).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))

    def price(self) -> Json:
        """As the configuration says it."""
        price: Json = {
            "input": self.input,
            "cached_input": self.cached_input,
            "output": self.output,
        }
        if self.per_request != "0":
            price["per_request"] = self.per_request
        if self.above is not None:
            tokens, dearer = self.above
            price["above"] = [{"input_tokens": tokens, **dearer.price()}]
        return price


_SMALL = Tariff("0.15", "0.60", "0.075")
TARIFFS = {
    "small": _SMALL,
    "large": Tariff("2.50", "10.00", "1.25"),
    # no whole number of nano-dollars per token: every row is rounded
    "odd": Tariff("0.0375", "0.1234567", "0.0033335"),
    "stepped": Tariff("1.25", "10.00", "0.125", above=(200, Tariff("2.50", "15.00", "0.25"))),
    "charged": Tariff("0.40", "1.60", "0.10", per_request="0.0025"),
    "embedding": Tariff("0.02", "0", "0.02"),
    "fails-503": _SMALL,
    "fails-html": _SMALL,
    "refusing": _SMALL,
}

ROUTES: Json = {
    "auto": {
        "tiers": {
            "simple": {"models": ["small"]},
            "moderate": {"models": ["odd"], "threshold": 0.35},
            "complex": {"models": ["large"], "threshold": 0.60},
        },
        "baseline": "large",
    },
    "after-503": {"models": ["fails-503", "odd"]},
    "after-html": {"models": ["fails-html", "large"]},
    "after-refused": {"models": ["refusing", "small"]},
}


@dataclass(frozen=True, slots=True)
class Providers:
    """Base URLs: two providers that bill, and one that nobody listens for."""

    alpha: str
    beta: str
    refusing: str

    def of(self, model: str) -> str:
        if model == "refusing":
            return "refusing"
        return "beta" if model in {"odd", "stepped", "charged", "fails-html"} else "alpha"


def billing_yaml(providers: Providers, *, database_url: str, idle_timeout_s: float = 1.5) -> str:
    """The configuration. JSON is YAML too."""
    configured: Json = {
        "server": {"admin_key": ADMIN_KEY, "secret": "server-secret-0123456789abcdef"},
        "stores": {"database_url": database_url},
        "providers": {
            name: {"base_url": getattr(providers, name), "api_key": f"provider-key-of-{name}"}
            for name in ("alpha", "beta", "refusing")
        },
        "models": [
            {
                "name": name,
                "provider": providers.of(name),
                "upstream_model": upstream_model,
                "price": TARIFFS[name].price(),
                "context_window": 200_000,
                "max_output_tokens": 4096,
                "endpoints": ["embeddings"] if name == "embedding" else ["chat", "completions"],
            }
            for name, upstream_model in UPSTREAM_MODELS.items()
        ],
        "routes": ROUTES,
        "tenants": [{"id": tenant, "keys": [key]} for tenant, key in TENANT_KEYS.items()],
        "resilience": {"idle_timeout_s": idle_timeout_s},
    }
    return json.dumps(configured)


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'ledger.db'}"
