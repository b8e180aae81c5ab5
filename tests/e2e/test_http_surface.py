"""The endpoints beside the hot ones, what keys open, and how a gateway reloads and ends."""

import json
import uuid
from collections.abc import Iterator

import httpx2
import pytest

from tests.support.gateway_process import GatewayProcess, Json, running_gateway
from tests.support.scene import (
    ADMIN_KEY,
    HEADER_SECRET,
    KEY,
    LIMITED_KEY,
    PROVIDER_KEY,
    SPACED_KEY,
    ask,
    asking,
    authorised,
    scene_yaml,
)
from tests.support.upstream_thread import UpstreamThread

PAGE = "https://app.example.com"
METRICS_KEY = "metrics-key-0123456789abcdef"


def get(gateway: GatewayProcess, path: str, key: str | None = KEY) -> httpx2.Response:
    headers = {} if key is None else authorised(key)
    return gateway.http.get(f"{gateway.origin}{path}", headers=headers)


def post(gateway: GatewayProcess, path: str, body: Json, key: str = KEY) -> httpx2.Response:
    return gateway.http.post(f"{gateway.origin}{path}", json=body, headers=authorised(key))


def code_of(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, str(response.json()["error"]["code"])


# ----------------------------------------------------------------------------- what tenants read


def test_a_model_is_shown_as_openai_shows_it(gateway: GatewayProcess) -> None:
    listed = get(gateway, "/v1/models").json()

    assert listed["object"] == "list"
    assert {"id": "small", "object": "model", "created": 0, "owned_by": "scripted"} in listed[
        "data"
    ]
    assert get(gateway, "/v1/models/small").json() in listed["data"]


def test_a_model_out_of_bounds_is_as_if_it_were_not_there(gateway: GatewayProcess) -> None:
    assert code_of(get(gateway, "/v1/models/large", LIMITED_KEY)) == (404, "model_not_found")


def test_a_route_is_explained_and_nothing_sent(
    gateway: GatewayProcess, upstream: UpstreamThread
) -> None:
    mark = "explained-and-not-sent"
    explained = post(gateway, "/v1/route", asking(mark, model="auto")).json()

    assert set(explained) == {
        "tier", "model", "score", "p_research", "thresholds", "reasons", "candidates",
    }  # fmt: skip
    assert explained["tier"] in {"simple", "moderate", "complex"}
    assert explained["thresholds"] == {"moderate": 0.35, "complex": 0.60}
    assert {"model", "p_ok", "expected_usd", "bound_usd", "excluded"} <= set(
        explained["candidates"][0]
    )
    assert not any(mark.encode() in call.body for call in upstream.calls)


def test_what_is_explained_is_what_happens(gateway: GatewayProcess) -> None:
    request = asking("Prove that the square root of two is irrational.", model="auto")

    explained = post(gateway, "/v1/route", request).json()
    answered = post(gateway, "/v1/chat/completions", request)

    assert explained["model"] == answered.headers["x-fareway-model"]
    assert explained["tier"] == answered.headers["x-fareway-tier"]
    assert f"{explained['score']:.4f}" == answered.headers["x-fareway-score"]


def test_costs_are_estimated_on_each_model_that_may_answer(gateway: GatewayProcess) -> None:
    found = post(gateway, "/v1/estimate", asking("Hello", model="auto", max_tokens=10)).json()

    by_model = {one["model"]: one for one in found["candidates"]}
    assert set(by_model) == {"small", "large"}
    assert 0 < float(by_model["small"]["expected_usd"]) <= float(by_model["small"]["bound_usd"])
    assert float(by_model["small"]["bound_usd"]) < float(by_model["large"]["bound_usd"])


@pytest.mark.parametrize("path", ["/v1/route", "/v1/estimate"])
def test_explaining_needs_the_same_permission_as_asking(gateway: GatewayProcess, path: str) -> None:
    assert code_of(post(gateway, path, asking("x", model="large"), LIMITED_KEY)) == (
        403,
        "model_not_allowed",
    )


def test_usage_grows_by_what_a_request_cost(gateway: GatewayProcess) -> None:
    before = get(gateway, "/v1/usage", LIMITED_KEY).json()
    cost = float(ask(gateway, "Hello", key=LIMITED_KEY).headers["x-fareway-cost-usd"])

    after = get(gateway, "/v1/usage", LIMITED_KEY).json()

    assert after["tenant"] == "limited"
    assert float(after["spent_usd"]) - float(before["spent_usd"]) == pytest.approx(cost, abs=1e-12)
    assert (after["held_usd"], after["budgets"], after["limits"]) == ("0", [], {})


@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("/v1/responses", "/v1/chat/completions"),
        ("/v1/messages", "/v1/chat/completions"),
        ("/v1/files", "/v1/chat/completions"),
        ("/v1/batches/b-1", "/v1/chat/completions"),
        ("/v1/audio/speech", "/v1/chat/completions"),
        ("/chat/completions", "/v1/chat/completions"),
        ("/v1/images/generations", "not served yet"),
        ("/v1/moderations", "not served yet"),
    ],
)
def test_what_is_not_served_says_what_to_use(
    gateway: GatewayProcess, path: str, instead: str
) -> None:
    response = post(gateway, path, {"model": "small", "input": "x"})

    assert code_of(response) == (404, "unknown_url")
    assert instead in response.json()["error"]["message"]


def test_every_answer_has_an_id_of_our_own(gateway: GatewayProcess) -> None:
    paths = ["/v1/models", "/health/live", "/nowhere", "/docs", "/metrics", "/v1/usage"]
    ids = [get(gateway, path).headers["x-request-id"] for path in paths]

    assert [uuid.UUID(one).version for one in ids] == [7] * len(paths)
    assert len(set(ids)) == len(paths)


# ---------------------------------------------------------------------------- what operators read


def test_the_documentation_shows_the_hot_endpoints(gateway: GatewayProcess) -> None:
    schema = get(gateway, "/openapi.json", None).json()

    assert {"/v1/chat/completions", "/v1/embeddings", "/v1/models"} <= schema["paths"].keys()
    assert "/openapi.json" in get(gateway, "/docs", None).text


def test_health_names_its_dependencies(gateway: GatewayProcess) -> None:
    assert get(gateway, "/health/live", None).status_code == 200
    assert get(gateway, "/health/ready", None).json() == {
        "status": "ok",
        "dependencies": {"ledger": "ok"},
    }


@pytest.mark.parametrize("key", [KEY, ADMIN_KEY])
def test_health_tells_details_to_those_with_a_key(gateway: GatewayProcess, key: str) -> None:
    assert get(gateway, "/health", None).json() == {"status": "ok"}
    assert get(gateway, "/health", "wrong").json() == {"status": "ok"}
    assert {"config", "dependencies"} <= get(gateway, "/health", key).json().keys()


def test_metrics_answer_this_machine(gateway: GatewayProcess) -> None:
    ask(gateway, "Hello")

    text = get(gateway, "/metrics", None).text

    assert "fareway_requests_total{" in text
    assert "fareway_invariant_violations_total 0" in text
    assert KEY not in text


@pytest.mark.parametrize("path", ["ledger", "config"])
@pytest.mark.parametrize("key", [None, KEY, SPACED_KEY, "wrong", ""])
def test_the_admin_api_opens_to_the_admin_key_alone(
    gateway: GatewayProcess, path: str, key: str | None
) -> None:
    assert code_of(get(gateway, f"/admin/v1/{path}", key)) == (401, "invalid_api_key")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/usage"])
def test_the_admin_key_is_no_tenants_key(gateway: GatewayProcess, path: str) -> None:
    assert code_of(get(gateway, path, ADMIN_KEY)) == (401, "invalid_api_key")
    assert code_of(ask(gateway, "Hello", key=ADMIN_KEY)) == (401, "invalid_api_key")


def test_the_configuration_is_shown_without_its_secrets(gateway: GatewayProcess) -> None:
    text = json.dumps(gateway.admin("config"))

    assert "scripted-small" in text
    for secret in (KEY, SPACED_KEY, ADMIN_KEY, PROVIDER_KEY, HEADER_SECRET):
        assert secret not in text


def test_the_ledger_is_read_page_by_page_without_gap_or_repeat(gateway: GatewayProcess) -> None:
    for n in range(3):
        ask(gateway, f"Number {n}", key=LIMITED_KEY)

    whole = gateway.admin("ledger?tenant=limited&limit=1000")["data"]
    pages: list[Json] = []
    cursor = ""
    while True:
        page = gateway.admin(f"ledger?tenant=limited&limit=2{cursor}")
        pages += page["data"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert pages == whole
    assert {row["tenant"] for row in whole} == {"limited"}


def test_the_ledger_begins_where_it_is_asked_to(gateway: GatewayProcess) -> None:
    ask(gateway, "Before")
    last = gateway.ledger(ask(gateway, "After").headers["x-request-id"])[0]

    rows = gateway.admin(f"ledger?since={last['started_at']}")["data"]

    assert [row["request_id"] for row in rows] == [last["request_id"]]


# --------------------------------------------------------------------------------- nothing leaks


def test_no_key_and_no_prompt_is_logged_or_kept(
    gateway: GatewayProcess, upstream: UpstreamThread
) -> None:
    mark = "the-secret-of-this-prompt"
    faults = ["status-500", "status-400", "status-401", "cut", "malformed-json", "error-in-200",
              "error-event", "html", "huge-header"]  # fmt: skip
    for fault in faults:
        for stream in (False, True):
            ask(gateway, f"{mark} [[fault:{fault}]]", stream=stream, user=mark)
    ask(gateway, mark, key=f"wrong-{mark}")
    ask(gateway, mark, model=mark)
    ask(gateway, mark, temperature=mark)
    gateway.http.post(f"{gateway.base_url}/embeddings", content=mark, headers=authorised())
    get(gateway, f"/{mark}")

    log = gateway.log_text()
    for secret in (mark, KEY, SPACED_KEY, ADMIN_KEY, PROVIDER_KEY, HEADER_SECRET):
        assert secret not in log
    kept = [path for path in gateway.folder.rglob("*") if path.is_file()]
    assert len(kept) > 3
    for path in kept:
        if path != gateway.config:
            content = path.read_bytes()
            assert not any(s.encode() in content for s in (KEY, SPACED_KEY, PROVIDER_KEY, mark))


# --------------------------------------------------------------- pages of others, and metrics keys


@pytest.fixture(scope="module")
def guarded(
    tmp_path_factory: pytest.TempPathFactory, upstream: UpstreamThread, refused_port: int
) -> Iterator[GatewayProcess]:
    """A gateway for one origin's pages, whose metrics have a key."""
    yaml = scene_yaml(upstream.base_url, refused_port=refused_port, cors_origins=f"[{PAGE}]")
    yaml = yaml.replace("server: {", f"server: {{metrics_key: {METRICS_KEY}, ")
    folder = tmp_path_factory.mktemp("guarded")
    with running_gateway(folder, yaml, admin_key=ADMIN_KEY) as running:
        yield running


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models"])
def test_a_browser_of_a_named_origin_may_ask(guarded: GatewayProcess, path: str) -> None:
    response = guarded.http.options(
        f"{guarded.origin}{path}",
        headers={
            "origin": PAGE,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type,x-stainless-os",
        },
    )

    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == PAGE
    assert "POST" in response.headers["access-control-allow-methods"]
    assert "authorization" in response.headers["access-control-allow-headers"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_page_of_a_named_origin_reads_answers_and_headers(
    guarded: GatewayProcess, *, stream: bool
) -> None:
    response = guarded.http.post(
        f"{guarded.base_url}/chat/completions",
        json=asking("Hello", stream=stream),
        headers={**authorised(), "origin": PAGE},
    )

    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == PAGE
    assert response.headers["access-control-expose-headers"] == "*"


def test_a_page_of_a_named_origin_reads_errors(guarded: GatewayProcess) -> None:
    response = guarded.http.post(
        f"{guarded.base_url}/chat/completions", json=asking("Hello"), headers={"origin": PAGE}
    )

    assert code_of(response) == (401, "invalid_api_key")
    assert response.headers["access-control-allow-origin"] == PAGE


def test_a_page_of_another_origin_reads_nothing(guarded: GatewayProcess) -> None:
    other = {"origin": "https://evil.example.com"}

    asked = guarded.http.options(
        f"{guarded.base_url}/models", headers={**other, "access-control-request-method": "GET"}
    )
    read = guarded.http.get(f"{guarded.base_url}/models", headers={**authorised(), **other})

    assert "access-control-allow-origin" not in asked.headers
    assert "access-control-allow-origin" not in read.headers


def test_where_no_origin_is_named_no_page_reads_anything(gateway: GatewayProcess) -> None:
    response = gateway.http.get(
        f"{gateway.base_url}/models", headers={**authorised(), "origin": PAGE}
    )

    assert not any(name.startswith("access-control") for name in response.headers)


@pytest.mark.parametrize(
    ("key", "status"), [(None, 401), (KEY, 401), (METRICS_KEY, 200), (ADMIN_KEY, 200)]
)
def test_metrics_with_a_key_open_to_it_and_to_the_admin_key(
    guarded: GatewayProcess, key: str | None, status: int
) -> None:
    assert get(guarded, "/metrics", key).status_code == status


def test_the_metrics_key_opens_nothing_else(guarded: GatewayProcess) -> None:
    assert get(guarded, "/v1/models", METRICS_KEY).status_code == 401
    assert get(guarded, "/admin/v1/ledger", METRICS_KEY).status_code == 401
