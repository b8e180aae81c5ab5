"""What a tenant has spent and holds, in all and in each of its budget's windows."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.core.catalog import Budget
from gateway.core.record import State
from tests.fakes import FakeUpstream
from tests.support.edge_scene import EdgeScene
from tests.support.flow_scene import TENANT, Scene
from tests.support.records import an_attempt, record

USD = 10**9
MONTH = Budget(25 * USD, "month")
DAY_IN_TOKYO = Budget(2 * USD, "day", "Asia/Tokyo")
EVER = Budget(100 * USD, "total")


def edge(*budgets: Budget, limits: dict[str, int] | None = None) -> EdgeScene:
    """The clock stands at noon of 3 November 2026, 21:00 in Tokyo."""
    return EdgeScene(
        Scene(FakeUpstream(), tenant=replace(TENANT, budgets=budgets, limits=limits or {}))
    )


def spend(scene: EdgeScene, usd: int, when: str, **changes: object) -> None:
    moment = datetime.fromisoformat(when).replace(tzinfo=UTC)
    attempt = an_attempt(cost_nano_usd=usd * USD, started_at=moment)
    request_id = f"r-{len(scene.scene.ledger.rows)}"
    facts = {"request_id": request_id, **changes}
    scene.scene.ledger.append(record(attempt, **facts).rows())


async def test_tenant_without_spending_has_spent_nothing() -> None:
    answer = await edge(limits={"rpm": 600}).get("/v1/usage")

    assert answer.json == {
        "tenant": "acme",
        "spent_usd": "0",
        "held_usd": "0",
        "budgets": [],
        "limits": {"rpm": 600},
    }


async def test_each_budget_counts_its_own_window() -> None:
    scene = edge(MONTH, DAY_IN_TOKYO, EVER)
    spend(scene, 1, "2026-10-31T23:59")
    spend(scene, 2, "2026-11-01T00:00")
    spend(scene, 4, "2026-11-02T14:59")  # 23:59 in Tokyo
    spend(scene, 8, "2026-11-02T15:00")  # its midnight

    answer = await scene.get("/v1/usage")

    assert answer.json["spent_usd"] == "15"
    assert [
        (one["window"], one["limit_usd"], one["spent_usd"], one["resets_at"])
        for one in answer.json["budgets"]
    ] == [
        ("month", "25", "14", "2026-12-01T00:00:00+00:00"),
        ("day", "2", "8", "2026-11-03T15:00:00+00:00"),
        ("total", "100", "15", None),
    ]


async def test_what_is_on_its_way_is_held() -> None:
    scene = edge(MONTH)
    pending = an_attempt(state=State.PENDING, cost_nano_usd=None, held_nano_usd=3 * USD)
    scene.scene.ledger.append(record(pending).rows())

    answer = await scene.get("/v1/usage")

    assert (answer.json["held_usd"], answer.json["spent_usd"]) == ("3", "0")
    assert answer.json["budgets"][0]["held_usd"] == "3"


async def test_other_tenants_spending_is_not_shown() -> None:
    scene = edge(MONTH)
    spend(scene, 5, "2026-11-02T00:00", tenant="other")

    assert (await scene.get("/v1/usage")).json["spent_usd"] == "0"


@pytest.mark.parametrize("nano_usd", ["1", "0.000000001", "24.999999999"])
async def test_money_is_exact(nano_usd: str) -> None:
    scene = edge()
    whole, _, fraction = nano_usd.partition(".")
    cost = int(whole) * USD + int(fraction.ljust(9, "0") or 0)
    scene.scene.ledger.append(record(an_attempt(cost_nano_usd=cost)).rows())

    assert (await scene.get("/v1/usage")).json["spent_usd"] == nano_usd
