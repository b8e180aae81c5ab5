"""A configuration looked at without serving it: for `fareway config`, `route`, `estimate`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.adapters.clock import SystemClock
from gateway.adapters.key_directory import KeyDirectory
from gateway.adapters.price_book import PriceBook
from gateway.adapters.token_counter import TiktokenCounter
from gateway.bootstrap.catalog import build_catalog, routers_of
from gateway.bootstrap.shipped import router_dir
from gateway.core.catalog import Catalog, Tier
from gateway.core.money import usd_text
from gateway.core.pricing import Price
from gateway.flow.gateway import Instruments, Snapshot
from gateway.router_artifact import load_scorer
from gateway.settings import Settings, load_settings


@dataclass(frozen=True, slots=True)
class View:
    """Raises nothing; `snapshot` loads the routers and may raise ArtifactError."""

    settings: Settings
    catalog: Catalog
    instruments: Instruments

    def snapshot(self) -> Snapshot:
        """What a request would read, but for keys: nobody calls here."""
        scorers = {name: load_scorer(router_dir(name)) for name in routers_of(self.settings)}
        return Snapshot(self.catalog, KeyDirectory((), secret=b""), scorers)

    def unpriced(self) -> list[str]:
        """A warning for each model without a price."""
        return [
            f"models: {model.name!r} of provider {model.provider.name!r} has no price: "
            "its cost will not be known; set models[].price"
            for deployments in self.catalog.models.values()
            for model in deployments
            if model.price is None
        ]

    def prices(self) -> list[dict[str, str]]:
        """The price in force of each deployment, in words."""
        return [
            {
                "model": model.name,
                "provider": model.provider.name,
                **(_rates(model.price) if model.price else {}),
                "price_version": model.price_version,
            }
            for deployments in self.catalog.models.values()
            for model in deployments
        ]


def open_view(path: Path, environ: Mapping[str, str]) -> View:
    """Raises ConfigError."""
    settings = load_settings(path, environ)
    clock = SystemClock()
    catalog = build_catalog(settings, PriceBook(at=clock.now()))
    return View(settings, catalog, Instruments(clock, TiktokenCounter()))


# What `fareway score` cuts by where no configuration is at hand: the documented defaults.
DEFAULT_TIERS = (
    Tier("simple", ()),
    Tier("moderate", (), 0.35),
    Tier("complex", (), 0.60),
    Tier("research", (), 0.50),
)


def tiers_of_first_route(path: Path, environ: Mapping[str, str]) -> Sequence[Tier]:
    """The tiers of the configuration's first route that has some; the default ones where there is
    no file. Raises ConfigError for a file that cannot be used."""
    if not path.exists():
        return DEFAULT_TIERS
    view = open_view(path, environ)
    return next((r.tiers for r in view.catalog.routes.values() if r.tiers), DEFAULT_TIERS)


def _rates(price: Price) -> dict[str, str]:
    rates = price.rates
    shown = {
        "input": rates.input,
        "cached_input": rates.cached_input,
        "cache_write": rates.cache_write,
        "output": rates.output,
    }
    return {name: usd_text(rate) for name, rate in shown.items() if rate is not None}
