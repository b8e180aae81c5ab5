"""The openai npm package against a gateway."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway_process import GatewayProcess
from tests.support.scene import KEY
from tests.support.upstream_thread import UpstreamThread

NODE = Path(__file__).parent / "node"

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (NODE / "node_modules" / "openai").exists(),
    reason="needs Node.js, and the openai package `make test` installs where npm is",
)


def found_by(check: str, gateway: GatewayProcess) -> Any:  # noqa: ANN401 - whatever JSON it prints
    run = subprocess.run(
        ["node", NODE / "conversation.mjs", check, gateway.base_url, KEY],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_models_are_listed_and_retrieved(gateway: GatewayProcess) -> None:
    found = found_by("models", gateway)

    assert {"auto", "small"} <= set(found["ids"])
    assert found["one"] == "small"


def test_a_chat_is_answered_with_its_cost(gateway: GatewayProcess) -> None:
    found = found_by("chat", gateway)

    assert found["text"] == "Scripted answer of scripted to: Hello"
    assert found["cost"] > 0
    assert (found["header"], found["hasId"]) == ("small", True)


def test_a_stream_is_read_to_its_usage(gateway: GatewayProcess) -> None:
    found = found_by("stream", gateway)

    assert found == {"text": "Scripted answer of scripted to: naïve 日本語 🎉", "hasCost": True}


def test_streamed_tool_calls_are_put_together(gateway: GatewayProcess) -> None:
    assert found_by("tools", gateway) == {"name": "get_weather", "arguments": {"city": "text"}}


def test_embeddings_are_decoded_from_the_sdks_default(gateway: GatewayProcess) -> None:
    assert found_by("embeddings", gateway) == [8, 8]


def test_errors_are_of_the_right_class(gateway: GatewayProcess) -> None:
    found = found_by("errors", gateway)

    assert found == {
        "key": {"class": "AuthenticationError", "status": 401, "code": "invalid_api_key"},
        "model": {"class": "NotFoundError", "status": 404, "code": "model_not_found"},
        "field": {"class": "BadRequestError", "status": 400, "code": None},
        "upstream": {"class": "InternalServerError", "status": 503, "code": "upstream_unavailable"},
        "timeout": {"class": "APIConnectionTimeoutError", "status": None, "code": None},
    }


def test_a_stream_that_breaks_throws(gateway: GatewayProcess) -> None:
    assert found_by("broken", gateway)["code"] == "upstream_error"


def test_an_aborted_stream_is_closed_upstream(
    gateway: GatewayProcess, upstream: UpstreamThread
) -> None:
    found = found_by("abort", gateway)

    connection = upstream.call_with("aborted-by-node").connection
    upstream.until(lambda: connection not in upstream.live_connections())
    assert found["chunks"] == 2
