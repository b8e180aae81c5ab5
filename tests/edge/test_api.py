"""What every path shares: ids, the error shape, and a word on what to use instead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.ids import TenantId
from gateway.edge.asgi import Message
from tests.fakes import FakeLedger, FakeUpstream
from tests.support.edge_scene import ADMIN_KEY, GONE, EdgeScene, a_scope, receiving
from tests.support.flow_scene import KEY, Scene


def edge(**changes: object) -> EdgeScene:
    return EdgeScene(Scene(FakeUpstream(), **changes))  # type: ignore[arg-type]  # a builder


class BrokenLedger(FakeLedger):
    async def spent_nano_usd(self, *, tenant: TenantId, since: object) -> int:
        raise RuntimeError(f"a defect, with {tenant} and {since} in its text")


@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("/v1/responses", "/v1/chat/completions"),
        ("/v1/messages", "/v1/chat/completions"),
        ("/v1/files", "/v1/chat/completions"),
        ("/v1/files/file-1/content", "/v1/chat/completions"),
        ("/v1/batches", "/v1/chat/completions"),
        ("/v1/audio/transcriptions", "/v1/chat/completions"),
        ("/v1/images/generations", "nothing to use instead"),
        ("/v1/moderations", "nothing to use instead"),
    ],
)
async def test_endpoint_that_is_not_served_yet_names_what_to_use(path: str, instead: str) -> None:
    answer = await edge().post(path, b"{}")

    assert (answer.status, answer.error["code"]) == (404, "unknown_url")
    assert "not served yet" in answer.error["message"]
    assert instead in answer.error["message"]


async def test_ai_sdks_responses_call_is_told_of_chat() -> None:
    answer = await edge().post("/v1/responses", b"{}")

    assert ".chat()" in answer.error["message"]


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/", "/v2/models", "/v1/chat/completions/", "/v1/chat", "/v1/responsesx", "//"],
)
async def test_unknown_path_is_not_found(path: str) -> None:
    answer = await edge().get(path)

    assert (answer.status, answer.error["code"]) == (404, "unknown_url")
    assert "is not served yet" not in answer.error["message"]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
async def test_any_path_is_answered_in_the_shape_and_short(path: str) -> None:
    answer = await edge().get("/x" + path.replace("?", ""))

    assert answer.status == 404
    assert len(answer.error["message"]) < 1_200


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/v1/models", "GET"),
        ("DELETE", "/v1/models/small", "GET"),
        ("GET", "/v1/route", "POST"),
        ("PUT", "/v1/usage", "GET"),
        ("POST", "/health", "GET"),
        ("POST", "/admin/v1/ledger", "GET"),
    ],
)
async def test_wrong_method_names_the_right_one(method: str, path: str, allow: str) -> None:
    answer = await edge().call(method, path, key=ADMIN_KEY)

    assert (answer.status, answer.error["code"]) == (405, "method_not_allowed")
    assert answer.header("allow") == allow


@pytest.mark.parametrize("path", ["/v1/models", "/v1/usage", "/health", "/nowhere", "/docs"])
async def test_every_answer_carries_our_id_and_the_configurations(path: str) -> None:
    answer = await edge().get(path, headers=[("x-request-id", "mine")])

    assert answer.header("x-request-id")
    assert answer.header("x-fareway-config") == "v1"
    assert answer.header("x-client-request-id") == "mine"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/small", "/v1/usage"])
@pytest.mark.parametrize("key", [None, "", "wrong", ADMIN_KEY])
async def test_tenants_paths_need_a_tenants_key(path: str, key: str | None) -> None:
    answer = await edge().get(path, key=key)

    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("path", ["/v1/route", "/v1/estimate"])
async def test_explaining_needs_a_tenants_key_too(path: str) -> None:
    answer = await edge().post(path, b"{}", key=None)

    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")


async def test_defect_of_ours_is_answered_and_does_not_rise_to_the_server(
    logged: list[dict[str, object]],
) -> None:
    answer = await edge(ledger=BrokenLedger()).get("/v1/usage")

    assert (answer.status, answer.error["code"]) == (500, "internal_error")
    assert b"defect" not in answer.body
    (entry,) = logged
    assert (entry["event"], entry["log_level"]) == ("request_failed", "error")
    assert entry["request_id"] == answer.header("x-request-id")


async def test_documentation_lists_the_hot_endpoints_too() -> None:
    answer = await edge().get("/openapi.json")

    paths = answer.json["paths"]
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models"):
        assert path in paths
    assert answer.json["info"] == {"title": "Fareway", "version": "1.2.3"}
    assert answer.json["security"] == [{"key": []}]


async def test_documentation_is_a_page() -> None:
    answer = await edge().get("/docs")

    assert answer.status == 200
    assert (answer.header("content-type") or "").startswith("text/html")
    assert b"https://" not in answer.body


async def test_documentation_brings_its_own_script() -> None:
    answer = await edge().get("/static-offline-docs/swagger-ui-bundle.js")

    assert answer.status == 200


async def test_client_that_leaves_within_its_body_is_no_defect(
    logged: list[dict[str, object]],
) -> None:
    scope = a_scope("POST", "/v1/route", [("authorization", f"Bearer {KEY}")])

    async def send(message: Message) -> None:
        del message  # nobody reads it

    await edge().app(scope, receiving(GONE), send)

    assert logged == []
