"""The configuration in force: validated, swapped whole, the last good one kept."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from gateway.adapters.key_directory import KeyDirectory
from gateway.adapters.price_book import PriceBook
from gateway.bootstrap.catalog import build_catalog, routers_of, tenant_keys
from gateway.bootstrap.shipped import router_dir
from gateway.core.errors import ArtifactError, ConfigError
from gateway.edge.context import ApiKeys
from gateway.flow.gateway import Gateway, Snapshot
from gateway.flow.ports import Clock
from gateway.router_artifact import load_scorer
from gateway.settings import Settings, SettingsFile, explain

log = structlog.get_logger("fareway")

# The file's content is compared this often: a poll also sees what mounted volumes and symlink
# swaps hide from a file system's events.
POLL_S = 1.0
# Probes a scorer before it may serve, so that the first request does not pay for its first use.
_PROBE = "What is the capital of France?"


class LiveSettings:
    """`settings` are those in force. `secret` keys the HMACs; it is fixed at start."""

    def __init__(self, file: SettingsFile, settings: Settings, *, secret: bytes) -> None:
        self._file = file
        self._secret = secret
        self.settings = settings

    def keys(self) -> ApiKeys:
        server = self.settings.server
        return ApiKeys(
            admin=server.admin_key.get_secret_value(), metrics=server.metrics_key.get_secret_value()
        )

    def describe(self) -> object:
        """Every effective value, where it is from, secrets masked; and the prices frozen."""
        return {
            "values": [
                {"key": value.key_path, "value": value.value, "source": value.source}
                for value in explain(self.settings)
            ],
            "warnings": list(self.settings.warnings),
        }

    @asynccontextmanager
    async def watched(self, gateway: Gateway) -> AsyncIterator[None]:
        """Reload on a change of the file and on SIGHUP, as long as the context lasts."""
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, asked.set)
        try:
            async with asyncio.TaskGroup() as group:
                watcher = group.create_task(self._watch(gateway, asked))
                try:
                    yield
                finally:
                    watcher.cancel()
        finally:
            loop.remove_signal_handler(signal.SIGHUP)

    async def _watch(self, gateway: Gateway, asked: asyncio.Event) -> None:
        while True:
            try:
                async with asyncio.timeout(POLL_S):
                    await asked.wait()
            except TimeoutError:
                if not await asyncio.to_thread(self._file.changed):
                    continue
            asked.clear()
            await self._reload(gateway)

    async def _reload(self, gateway: Gateway) -> None:
        """Swap the configuration whole; one that cannot be used is logged and changes nothing."""
        try:
            settings = await asyncio.to_thread(self._file.load)
            snapshot = await asyncio.to_thread(
                build_snapshot, settings, clock=gateway.clock, secret=self._secret
            )
        except (ConfigError, ArtifactError) as error:
            log.error(  # noqa: TRY400 - the text says it all; a traceback hides it
                "config_refused", error=str(error), in_force=gateway.current.catalog.version
            )
            return
        except Exception:  # the edge of a task: a defect of ours must not end what serves
            log.exception("config_refused", in_force=gateway.current.catalog.version)
            return
        for key in _needing_restart(self.settings, settings):
            log.warning("config_needs_restart", key=key)
        self.settings, gateway.current = settings, snapshot
        log.info("config_loaded", version=snapshot.catalog.version)


def build_snapshot(settings: Settings, *, clock: Clock, secret: bytes) -> Snapshot:
    """Everything a request reads. Raises ArtifactError where a router cannot be used."""
    catalog = build_catalog(settings, PriceBook(at=clock.now()))
    scorers = {name: load_scorer(router_dir(name)) for name in sorted(routers_of(settings))}
    for scorer in scorers.values():
        scorer.score(_PROBE)
    for name, deployments in catalog.models.items():
        if any(model.price is None for model in deployments):
            log.warning("model_unpriced", model=name, advice="set models[].price")
    return Snapshot(catalog, KeyDirectory(tenant_keys(settings), secret=secret), scorers)


def _needing_restart(old: Settings, new: Settings) -> list[str]:
    """Changed keys that are read once, at start."""
    server = [
        f"server.{key}"
        for key in ("secret", "state_dir", "drain_s", "cors_origins")
        if getattr(old.server, key) != getattr(new.server, key)
    ]
    return server if old.stores == new.stores else ["stores", *server]
