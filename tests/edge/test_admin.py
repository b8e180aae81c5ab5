"""The operators' endpoints: off without a key, closed to others, exact about the ledger."""

from datetime import UTC, datetime

import pytest

from gateway.core.record import LEDGER_COLUMNS
from gateway.edge.context import ApiKeys
from tests.fakes import FakeUpstream
from tests.support.edge_scene import ADMIN_KEY, EdgeScene, HttpAnswer
from tests.support.flow_scene import KEY, Scene
from tests.support.records import an_attempt, record

LEDGER = "/admin/v1/ledger"
PATHS = (LEDGER, "/admin/v1/config")


def edge(rows: int = 0, *, admin: str = ADMIN_KEY) -> EdgeScene:
    """Rows a minute apart from noon on, tenants acme and other in turn."""
    scene = Scene(FakeUpstream())
    for at in range(rows):
        attempt = an_attempt(started_at=datetime(2026, 11, 3, 12, at, tzinfo=UTC))
        tenant = "other" if at % 2 else "acme"
        scene.ledger.append(record(attempt, request_id=f"r-{at}", tenant=tenant).rows())
    return EdgeScene(scene, keys=ApiKeys(admin=admin), config={"values": []})


async def ledger(scene: EdgeScene, query: str = "") -> HttpAnswer:
    return await scene.get(f"{LEDGER}?{query}", key=ADMIN_KEY)


def ids(answer: HttpAnswer) -> list[str]:
    return [row["request_id"] for row in answer.json["data"]]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("key", [None, "", ADMIN_KEY])
async def test_without_an_admin_key_there_is_no_admin_api(path: str, key: str | None) -> None:
    answer = await edge(admin="").get(path, key=key)

    assert answer.status == 404
    assert "admin_key" in answer.error["message"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("key", [None, "", KEY, ADMIN_KEY + "x", ADMIN_KEY[:-1], "schl\u00fcssel"])
async def test_only_the_admin_key_opens_it(path: str, key: str | None) -> None:
    answer = await edge().get(path, key=key)

    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")


async def test_rows_have_the_documented_columns() -> None:
    answer = await ledger(edge(1))

    assert tuple(answer.json["data"][0]) == LEDGER_COLUMNS
    assert answer.json["next_cursor"] is None


async def test_rows_come_oldest_first_page_by_page_and_each_once() -> None:
    scene = edge(5)

    first = await ledger(scene, "limit=2")
    second = await ledger(scene, f"limit=2&cursor={first.json['next_cursor']}")
    last = await ledger(scene, f"limit=2&cursor={second.json['next_cursor']}")

    assert ids(first) + ids(second) + ids(last) == ["r-0", "r-1", "r-2", "r-3", "r-4"]
    assert last.json["next_cursor"] is None


async def test_one_tenants_rows_are_its_own() -> None:
    assert ids(await ledger(edge(4), "tenant=other")) == ["r-1", "r-3"]


@pytest.mark.parametrize(
    "since",
    [
        "2026-11-03T12:02:00Z",
        "2026-11-03T12:02:00",
        "2026-11-03T13:02:00%2B01:00",
        "2026-11-03T13:02:00+01:00",  # a plus that was not escaped reads as a space
        "2026-11-03T07:02:00-05:00",
    ],
)
async def test_since_is_a_moment_in_any_zone_and_belongs_to_what_is_shown(since: str) -> None:
    assert ids(await ledger(edge(4), f"since={since}")) == ["r-2", "r-3"]


async def test_since_may_be_a_day() -> None:
    assert len(ids(await ledger(edge(2), "since=2026-11-03"))) == 2


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("since=yesterday", "since"),
        ("since=", "since"),
        ("since=2026-13-01", "since"),
        ("since=9999-12-31T23:59:59-12:00", "since"),
        ("limit=x", "limit"),
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=1001", "limit"),
        ("limit=99999999", "limit"),
        ("limit=\u0661", "limit"),
        ("cursor=made-up", "cursor"),
        ("tennant=acme", "tennant"),
    ],
)
async def test_query_that_reads_wrong_is_blamed_on_its_part(query: str, param: str) -> None:
    answer = await ledger(edge(1), query)

    assert (answer.status, answer.error["param"]) == (400, param)


async def test_tenant_nobody_has_has_no_rows() -> None:
    assert (await ledger(edge(2), "tenant=nobody")).json == {"data": [], "next_cursor": None}


async def test_configuration_in_force_is_shown() -> None:
    answer = await edge().get("/admin/v1/config", key=ADMIN_KEY)

    assert (answer.status, answer.json) == (200, {"values": []})
