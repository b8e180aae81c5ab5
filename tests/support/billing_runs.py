"""The billing proofs' two courses: many requests at once, and many with kills among them."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import httpx2

from tests.support.billing import BilledCall, Books, billed_call
from tests.support.billing_load import Crowd, mixed_asks, working_asks
from tests.support.billing_scene import ADMIN_KEY, TENANT_KEYS, Providers, billing_yaml
from tests.support.gateway_process import GatewayProcess, Json, start_gateway, until
from tests.support.servers import running_upstream

_ROOT = Path(__file__).parents[2]
_CLIENTS = 24
# Slow enough that a kill finds calls in every phase.
_TOKENS_PER_SECOND = "120"


@dataclass(frozen=True, slots=True)
class Run:
    """What a run left: its books, and what the gateway and its export said of them afterwards."""

    books: Books
    exported: list[Json]
    metrics: str
    held_usd: dict[str, str]


async def mixed_run(folder: Path, *, requests: int, database_url: str) -> Run:
    """So many requests of every kind through one gateway."""
    async with _providers() as providers:
        yaml = billing_yaml(providers, database_url=database_url)
        gateway = await asyncio.to_thread(start_gateway, folder, yaml, admin_key=ADMIN_KEY)
        try:
            crowd = Crowd(islice(mixed_asks(seed=2026), requests), clients=_CLIENTS)
            crowd.meet(gateway.origin)
            await crowd.run()
            return await asyncio.to_thread(_what_is_left, crowd, gateway, providers)
        finally:
            _end(gateway)


async def killed_run(folder: Path, *, kills: int, answers_per_life: int, database_url: str) -> Run:
    """A gateway that is killed `kills` times under load, each time after so many whole answers,
    and started again on what it left; nobody asks while it is away."""
    async with _providers("--tokens-per-second", _TOKENS_PER_SECOND) as providers:
        yaml = billing_yaml(providers, database_url=database_url)
        gateway = await asyncio.to_thread(start_gateway, folder, yaml, admin_key=ADMIN_KEY)
        crowd = Crowd(working_asks(seed=9), clients=_CLIENTS)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(crowd.run())
                for life in range(kills + 1):
                    crowd.meet(gateway.origin)
                    await crowd.until_more_are_complete(answers_per_life)
                    if life < kills:
                        crowd.leave()
                        gateway.kill()
                        gateway.http.close()
                        gateway = await asyncio.to_thread(
                            start_gateway, folder, yaml, admin_key=ADMIN_KEY
                        )
                crowd.stop()
            return await asyncio.to_thread(_what_is_left, crowd, gateway, providers)
        finally:
            _end(gateway)


@asynccontextmanager
async def _providers(*options: str) -> AsyncIterator[Providers]:
    with socket.socket() as taken:  # a port nobody listens on, and nobody else can take
        taken.bind(("127.0.0.1", 0))
        refusing = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        async with (
            running_upstream("--label", "alpha", "--forget-calls", *options) as alpha,
            running_upstream("--label", "beta", "--forget-calls", *options) as beta,
        ):
            yield Providers(f"{alpha}/v1", f"{beta}/v1", refusing)


def _what_is_left(crowd: Crowd, gateway: GatewayProcess, providers: Providers) -> Run:
    def settled() -> list[Json] | None:
        """Clients that left did not wait for their rows."""
        rows = gateway.ledger()
        return None if any(row["state"] == "pending" for row in rows) else rows

    rows = until(settled, of=gateway)
    metrics = gateway.http.get(
        f"{gateway.origin}/metrics", headers={"authorization": f"Bearer {ADMIN_KEY}"}
    )
    books = Books(crowd.seen, _bill(gateway.http, providers), rows)
    held_usd = {tenant: _held_usd(gateway, key) for tenant, key in TENANT_KEYS.items()}
    return Run(books, _exported(gateway.folder), metrics.text, held_usd)


def _bill(http: httpx2.Client, providers: Providers) -> list[BilledCall]:
    origins = [url.removesuffix("/v1") for url in (providers.alpha, providers.beta)]
    return [billed_call(line) for url in origins for line in http.get(f"{url}/__bill").json()]


def _held_usd(gateway: GatewayProcess, key: str) -> str:
    usage = gateway.http.get(
        f"{gateway.base_url}/usage", headers={"authorization": f"Bearer {key}"}
    )
    return str(usage.json()["held_usd"])


def _exported(folder: Path) -> list[Json]:
    command = [sys.executable, "-m", "gateway", "export", "ledger", "--format", "ndjson"]
    written = subprocess.run(
        [*command, "--config", str(folder / "fareway.yaml")],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        check=True,
        capture_output=True,
    ).stdout
    return [json.loads(line) for line in written.splitlines()]


def _end(gateway: GatewayProcess) -> None:
    gateway.http.close()
    if gateway.process.poll() is None:
        gateway.stop()
