"""One gateway and one scripted upstream for all end-to-end tests: a test finds its own rows and
calls by ids and texts of its own, and tells the upstream what to do by markers in the prompt."""

import socket
from collections.abc import Iterator

import pytest
from openai import OpenAI

from tests.support.gateway_process import GatewayProcess, running_gateway
from tests.support.scene import ADMIN_KEY, KEY, scene_yaml
from tests.support.upstream_thread import UpstreamThread, upstream_thread


@pytest.fixture(scope="session")
def upstream() -> Iterator[UpstreamThread]:
    with upstream_thread() as running:
        yield running


@pytest.fixture(scope="session")
def refused_port() -> Iterator[int]:
    """A port nobody listens on, and nobody else can take."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture(scope="session")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, upstream: UpstreamThread, refused_port: int
) -> Iterator[GatewayProcess]:
    yaml = scene_yaml(upstream.base_url, refused_port=refused_port)
    folder = tmp_path_factory.mktemp("gateway")
    with running_gateway(folder, yaml, admin_key=ADMIN_KEY) as running:
        yield running


@pytest.fixture(scope="session")
def client(gateway: GatewayProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=gateway.base_url, api_key=KEY, max_retries=0, timeout=30) as made:
        yield made
