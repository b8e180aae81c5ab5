"""Opens every part a serving gateway needs, in order, and closes them in the other."""

import asyncio
import os
import random
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway import __version__
from gateway.adapters.clock import SystemClock
from gateway.adapters.http_upstream import HttpUpstream
from gateway.adapters.journal import Durability
from gateway.adapters.key_directory import pseudonym
from gateway.adapters.prometheus_meter import PrometheusMeter
from gateway.adapters.sql_ledger import SqlLedger, open_ledger
from gateway.adapters.state_dir import StateDir, hold_state_dir
from gateway.adapters.token_counter import TiktokenCounter
from gateway.bootstrap.live_settings import LiveSettings, build_snapshot
from gateway.core.errors import ConfigError
from gateway.edge.api import build_api
from gateway.edge.asgi import App
from gateway.edge.context import ApiContext
from gateway.edge.cors import open_to
from gateway.edge.v1 import HotEndpoints
from gateway.flow.gateway import Gateway
from gateway.settings import Settings, SettingsFile

log = structlog.get_logger("fareway")

_SECRET_BYTES = 32
_SECRET_FILE = "secret"  # noqa: S105 - a file's name
# A ledger this far behind is a reason to send requests elsewhere: its database does not answer.
MAX_LAG_S = 60.0


@dataclass(frozen=True, slots=True)
class Serving:
    """A gateway that is open: the ASGI app, and what drains it."""

    app: App
    gateway: Gateway
    settings: Settings


@asynccontextmanager
async def open_serving(path: Path, environ: Mapping[str, str]) -> AsyncIterator[Serving]:
    """A gateway over the configuration at `path`, which is watched.

    Raises ConfigError, ArtifactError, StoreUnavailable: what is wrong, for the operator to read.
    """
    file = SettingsFile(path, environ)
    settings = file.load()
    _warn(settings)
    clock = SystemClock()
    with hold_state_dir(Path(settings.server.state_dir)) as state_dir:
        secret = _secret(settings, state_dir)
        snapshot = await asyncio.to_thread(build_snapshot, settings, clock=clock, secret=secret)
        live = LiveSettings(file, settings, secret=secret)
        async with (
            open_ledger(
                state_dir=state_dir,
                database_url=settings.stores.database_url.get_secret_value(),
                durability=Durability(settings.stores.durability),
                clock=clock,
            ) as ledger,
            HttpUpstream() as upstream,
        ):
            meter = PrometheusMeter(lag_s=ledger.lag_s, max_tenants=settings.metrics.max_tenants)
            gateway = Gateway(
                current=snapshot,
                clock=clock,
                upstream=upstream,
                ledger=ledger,
                meter=meter,
                tokens=TiktokenCounter(),
                # Unique, not secret: seeded by the system, at a tenth of a system call's price.
                random_bits=random.Random(secrets.randbits(256)).getrandbits,  # noqa: S311
                pseudonym=lambda text: pseudonym(text, secret=secret),
            )
            context = ApiContext(
                gateway=gateway,
                reader=ledger,
                keys=live.keys,
                render_metrics=meter.render,
                describe_config=live.describe,
                dependencies={"ledger": lambda: _ledger_trouble(ledger)},
            )
            app = open_to(
                settings.server.cors_origins,
                HotEndpoints(gateway, build_api(context, version=__version__)),
            )
            async with live.watched(gateway):
                yield Serving(app, gateway, settings)


def _warn(settings: Settings) -> None:
    for warning in settings.warnings:
        log.warning("config", warning=warning)
    unused = {
        "stores.redis_url": settings.stores.redis_url.get_secret_value(),
        "tenants[].budgets": any(tenant.budgets for tenant in settings.tenants),
        "tenants[].limits": any(_is_limited(tenant.limits) for tenant in settings.tenants),
        "organisations[].budgets": any(each.budgets for each in settings.organisations),
    }
    for key, value in unused.items():
        if value:
            log.warning("config_not_enforced_yet", key=key, version=__version__)


def _is_limited(limits: object) -> bool:
    return any(getattr(limits, name) is not None for name in ("rpm", "tpm", "concurrency"))


async def _ledger_trouble(ledger: SqlLedger) -> str | None:
    if ledger.lag_s() > MAX_LAG_S:
        return f"rows wait for the database since {ledger.lag_s():.0f} s"
    return None


def _secret(settings: Settings, state_dir: StateDir) -> bytes:
    """The configured secret, or one made at the first start and kept in the state folder."""
    configured = settings.server.secret.get_secret_value()
    if configured:
        return configured.encode()
    file = state_dir.path / _SECRET_FILE
    try:
        if not file.exists():
            draft = file.with_suffix(".new")  # renamed when whole: a crash leaves no half a secret
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                out.write(secrets.token_hex(_SECRET_BYTES).encode())
            draft.replace(file)
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"server.state_dir: {file} cannot be used: {error}") from error
