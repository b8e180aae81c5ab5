"""Is it alive, is it ready, what does it count: and who may know."""

from collections.abc import Awaitable, Callable

import pytest

from gateway.edge.context import ApiKeys
from tests.fakes import FakeUpstream
from tests.support.edge_scene import ADMIN_KEY, EdgeScene
from tests.support.flow_scene import KEY, Scene

METRICS_KEY = "metrics-key-0123456789"
LOOPBACKS = [("127.0.0.1", 1), ("127.8.0.1", 1), ("::1", 1)]
STRANGERS = [("10.0.0.1", 1), ("::ffff:10.0.0.1", 1), ("", 0), ("unix:", 0), None]
Peer = tuple[str, int] | None


def edge(keys: ApiKeys | None = None, **checks: Callable[[], Awaitable[str | None]]) -> EdgeScene:
    keys = keys or ApiKeys(admin=ADMIN_KEY)
    return EdgeScene(Scene(FakeUpstream()), keys=keys, dependencies=checks)


async def well() -> str | None:
    return None


async def broken() -> str | None:
    return "rows wait since 90 s"


async def test_living_process_says_so_to_anyone_even_while_draining() -> None:
    scene = edge(ledger=broken)
    scene.gateway.is_draining = True

    answer = await scene.get("/health/live", key=None)

    assert (answer.status, answer.json) == (200, {"status": "ok"})


async def test_ready_gateway_names_each_dependency() -> None:
    answer = await edge(ledger=well, cache=well).get("/health/ready", key=None)

    assert answer.status == 200
    assert answer.json == {"status": "ok", "dependencies": {"ledger": "ok", "cache": "ok"}}


async def test_gateway_with_a_broken_dependency_is_not_ready_and_says_which() -> None:
    answer = await edge(ledger=broken, cache=well).get("/health/ready", key=None)

    assert answer.status == 503
    assert answer.json == {
        "status": "unavailable",
        "dependencies": {"ledger": "rows wait since 90 s", "cache": "ok"},
    }


async def test_draining_gateway_is_not_ready() -> None:
    scene = edge(ledger=well)
    scene.gateway.is_draining = True

    answer = await scene.get("/health/ready", key=None)

    assert (answer.status, answer.json["status"]) == (503, "draining")


@pytest.mark.parametrize("key", [None, "", "wrong"])
async def test_details_are_for_those_with_a_key(key: str | None) -> None:
    answer = await edge(ledger=well).get("/health", key=key)

    assert (answer.status, answer.json) == (200, {"status": "ok"})


@pytest.mark.parametrize("key", [KEY, ADMIN_KEY])
async def test_a_key_shows_the_configurations_version_and_the_dependencies(key: str) -> None:
    answer = await edge(ledger=broken).get("/health", key=key)

    assert answer.json["config"] == "v1"
    assert answer.json["dependencies"] == {"ledger": "rows wait since 90 s"}


async def test_metrics_are_prometheus_text() -> None:
    answer = await edge().get("/metrics", key=None)

    assert answer.status == 200
    assert answer.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
    assert b"# TYPE fareway_requests_total counter" in answer.body


@pytest.mark.parametrize("peer", LOOPBACKS)
async def test_without_a_metrics_key_this_machine_may_read_them(peer: Peer) -> None:
    assert (await edge().get("/metrics", key=None, peer=peer)).status == 200


@pytest.mark.parametrize("peer", STRANGERS)
async def test_without_a_metrics_key_nobody_else_may(peer: Peer) -> None:
    assert (await edge().get("/metrics", key=None, peer=peer)).status == 401


async def test_admin_key_reads_metrics_from_anywhere() -> None:
    assert (await edge().get("/metrics", key=ADMIN_KEY, peer=("10.0.0.1", 1))).status == 200


@pytest.mark.parametrize(
    ("key", "status"), [(METRICS_KEY, 200), (ADMIN_KEY, 200), (None, 401), (KEY, 401), ("", 401)]
)
async def test_with_a_metrics_key_only_keys_open_them(key: str | None, status: int) -> None:
    scene = edge(ApiKeys(admin=ADMIN_KEY, metrics=METRICS_KEY))

    assert (await scene.get("/metrics", key=key)).status == status


async def test_forwarded_header_makes_nobody_a_neighbour() -> None:
    headers = [("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=127.0.0.1")]

    answer = await edge().get("/metrics", key=None, peer=("10.0.0.1", 1), headers=headers)

    assert answer.status == 401


@pytest.mark.parametrize("key", ["", None])
async def test_empty_admin_key_opens_nothing(key: str | None) -> None:
    scene = edge(ApiKeys())

    assert (await scene.get("/metrics", key=key, peer=("10.0.0.1", 1))).status == 401
    assert (await scene.get("/health", key=key)).json == {"status": "ok"}


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/health"])
async def test_load_balancers_may_probe_with_head(path: str) -> None:
    answer = await edge().call("HEAD", path)

    assert answer.status == 200
