"""What a key may ask for, and what a request would do and cost."""

from dataclasses import replace

import pytest

from tests.fakes import FakeUpstream
from tests.support.edge_scene import EdgeScene
from tests.support.flow_scene import TENANT, Scene, a_catalog, a_model, chat

NARROW = replace(TENANT, allow=frozenset({"auto"}))


def edge(**changes: object) -> EdgeScene:
    return EdgeScene(Scene(FakeUpstream(), **changes))  # type: ignore[arg-type]  # a builder


async def test_routes_come_first_then_models_in_openais_shape() -> None:
    answer = await edge().get("/v1/models")

    assert answer.json["object"] == "list"
    assert [model["id"] for model in answer.json["data"]] == ["auto", "list", "small", "large"]
    assert answer.json["data"][0] == {
        "id": "auto",
        "object": "model",
        "created": 0,
        "owned_by": "fareway",
    }
    assert answer.json["data"][2]["owned_by"] == "up"


async def test_only_what_the_tenant_may_ask_for_is_listed() -> None:
    answer = await edge(tenant=NARROW).get("/v1/models")

    assert [model["id"] for model in answer.json["data"]] == ["auto"]


async def test_one_model_is_shown_by_its_name_slashes_included() -> None:
    scene = edge(catalog=a_catalog(a_model("org/small")))

    answer = await scene.get("/v1/models/org/small")

    assert (answer.status, answer.json["id"]) == (200, "org/small")


@pytest.mark.parametrize("name", ["large", "nothing", "nothing" * 100])
async def test_model_that_is_not_allowed_is_as_if_there_were_none(name: str) -> None:
    answer = await edge(tenant=NARROW).get(f"/v1/models/{name}")

    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert len(answer.error["message"]) < 200


async def test_route_is_explained_and_nothing_is_sent() -> None:
    scene = edge(score=0.7)

    answer = await scene.post("/v1/route", chat())

    assert answer.status == 200
    assert set(answer.json) == {
        "tier",
        "model",
        "score",
        "p_research",
        "thresholds",
        "reasons",
        "candidates",
    }
    assert (answer.json["tier"], answer.json["model"], answer.json["score"]) == (
        "complex",
        "large",
        0.7,
    )
    assert set(answer.json["candidates"][0]) >= {
        "model",
        "p_ok",
        "expected_usd",
        "bound_usd",
        "excluded",
    }
    assert scene.scene.upstream.calls == []
    assert scene.scene.rows() == []


async def test_estimate_prices_every_model_that_could_answer() -> None:
    scene = edge()

    answer = await scene.post("/v1/estimate", chat())

    assert [one["model"] for one in answer.json["candidates"]] == ["small", "large"]
    for one in answer.json["candidates"]:
        assert one["input_tokens"] == 7  # six words and the role
        assert float(one["bound_usd"]) > float(one["expected_usd"]) > 0


async def test_model_without_a_price_is_estimated_without_money() -> None:
    scene = edge(catalog=a_catalog(a_model("small", price=None)))

    answer = await scene.post("/v1/estimate", chat("small"))

    assert (answer.json["candidates"][0]["bound_usd"]) is None


@pytest.mark.parametrize("path", ["/v1/route", "/v1/estimate"])
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (chat("gone"), 404, "model_not_found"),
        (chat("large"), 403, "model_not_allowed"),
        (b"{", 400, None),
        (b"[]", 400, None),
        (b"\xff", 400, None),
        (b"", 400, None),
        (b"x" * 1_000_001, 413, "request_too_large"),
    ],
)
async def test_what_would_be_refused_is_refused_here_too(
    path: str, body: bytes, status: int, code: str | None
) -> None:
    answer = await edge(tenant=NARROW).post(path, body)

    assert (answer.status, answer.error["code"]) == (status, code)


@pytest.mark.parametrize(
    ("body", "endpoint"),
    [
        (b'{"model":"only","messages":[{"role":"user","content":"x"}]}', "chat"),
        (b'{"model":"only","prompt":"x"}', "completions"),
        (b'{"model":"only","input":"x"}', "embeddings"),
        (b'{"model":"only","input":"x","messages":[{"role":"user","content":"x"}]}', "chat"),
    ],
)
async def test_body_itself_says_which_endpoint_it_is_for(body: bytes, endpoint: str) -> None:
    scene = edge(catalog=a_catalog(a_model("only", endpoints=frozenset({endpoint}))))

    answer = await scene.post("/v1/route", body)

    assert answer.json["candidates"][0]["excluded"] is None


@pytest.mark.parametrize("path", ["/v1/route", "/v1/estimate"])
async def test_model_allowed_as_a_route_may_be_looked_at(path: str) -> None:
    assert (await edge(tenant=NARROW).post(path, chat("auto:max"))).status == 200
