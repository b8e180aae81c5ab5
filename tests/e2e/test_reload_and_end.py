"""How a gateway takes a new configuration, and how it ends."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.gateway_process import GatewayProcess, running_gateway, until
from tests.support.scene import (
    ADMIN_KEY,
    KEY,
    LIMITED_KEY,
    ask,
    asking,
    authorised,
    scene_yaml,
)
from tests.support.upstream_thread import UpstreamThread


def get(gateway: GatewayProcess, path: str, key: str = KEY) -> httpx2.Response:
    return gateway.http.get(f"{gateway.origin}{path}", headers=authorised(key))


def code_of(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, str(response.json()["error"]["code"])


# ------------------------------------------------------------------------------------- reloading


@pytest.fixture(scope="module")
def reloaded(
    tmp_path_factory: pytest.TempPathFactory, upstream: UpstreamThread, refused_port: int
) -> Iterator[GatewayProcess]:
    """A gateway whose configuration tests change; without an admin key to begin with."""
    yaml = scene_yaml(upstream.base_url, refused_port=refused_port)
    yaml = yaml.replace(f"admin_key: {ADMIN_KEY}, ", "")
    with running_gateway(tmp_path_factory.mktemp("reloaded"), yaml) as running:
        yield running


def version_of(gateway: GatewayProcess) -> str:
    return str(get(gateway, "/health/live").headers["x-fareway-config"])


def with_model(gateway: GatewayProcess, name: str) -> str:
    """The gateway's configuration with one more model."""
    more = (
        f"models:\n  - {{name: {name}, provider: scripted, price: {{input: '1', output: '1'}}}}\n"
    )
    return gateway.config.read_text().replace("models:\n", more, 1)


def test_a_changed_file_is_in_force_without_a_restart(reloaded: GatewayProcess) -> None:
    before = version_of(reloaded)
    reloaded.reconfigure(with_model(reloaded, "added-later"))

    until(lambda: version_of(reloaded) != before, of=reloaded)

    assert ask(reloaded, "Hello", model="added-later").status_code == 200
    assert get(reloaded, "/v1/models/added-later").status_code == 200


def test_a_key_taken_out_of_the_file_opens_nothing_any_more(reloaded: GatewayProcess) -> None:
    good = reloaded.config.read_text()
    reloaded.reconfigure(good.replace(LIMITED_KEY, "another-key-0123456789"))

    until(lambda: get(reloaded, "/v1/models", LIMITED_KEY).status_code == 401, of=reloaded)

    assert get(reloaded, "/v1/models", "another-key-0123456789").status_code == 200
    reloaded.reconfigure(good)
    until(lambda: get(reloaded, "/v1/models", LIMITED_KEY).status_code == 200, of=reloaded)


@pytest.mark.parametrize("broken", ["models: [", "unheard_of: 1", "providers: {}", ""])
def test_a_file_that_cannot_be_used_changes_nothing_and_is_logged(
    reloaded: GatewayProcess, broken: str
) -> None:
    good, before = reloaded.config.read_text(), version_of(reloaded)
    refused = len(reloaded.logged("config_refused"))
    reloaded.reconfigure(broken)

    line = reloaded.until_logged("config_refused", times=refused + 1)[-1]

    assert line["in_force"] == version_of(reloaded) == before
    assert line["error"]
    assert ask(reloaded, "Hello").status_code == 200
    reloaded.reconfigure(good)


def test_a_hangup_signal_reloads(reloaded: GatewayProcess) -> None:
    loaded = len(reloaded.logged("config_loaded"))

    reloaded.signal(signal.SIGHUP)

    reloaded.until_logged("config_loaded", times=loaded + 1)
    assert ask(reloaded, "Hello").status_code == 200


def test_without_an_admin_key_the_admin_api_is_off(reloaded: GatewayProcess) -> None:
    for key in (KEY, "", "x"):
        assert code_of(get(reloaded, "/admin/v1/ledger", key)) == (404, "unknown_url")


# ---------------------------------------------------------------------------------------- ending


@pytest.fixture
def ending(tmp_path: Path, upstream: UpstreamThread, refused_port: int) -> Iterator[GatewayProcess]:
    """A gateway of the test's own, with two seconds to drain."""
    yaml = scene_yaml(upstream.base_url, refused_port=refused_port)
    yaml = yaml.replace("drain_s: 20", "drain_s: 2")
    with running_gateway(tmp_path, yaml, admin_key=ADMIN_KEY) as running:
        yield running


def kept_rows(gateway: GatewayProcess) -> list[tuple[object, ...]]:
    """State, outcome and delivered of every row in the database of a gateway that has ended."""
    with sqlite3.connect(gateway.folder / "ledger.db") as database:
        found = database.execute("SELECT state, outcome, delivered FROM ledger").fetchall()
    database.close()
    return found


def refused_or_draining(gateway: GatewayProcess) -> bool:
    try:
        response = httpx2.post(
            f"{gateway.base_url}/chat/completions", json=asking("Late"), headers=authorised()
        )
    except httpx2.TransportError:
        return True
    return code_of(response) == (503, "draining")


def test_a_stop_lets_an_open_stream_finish_and_takes_no_more(ending: GatewayProcess) -> None:
    with ending.http.stream(
        "POST",
        f"{ending.base_url}/chat/completions",
        json=asking("[[fault:slow-chunks]][[tokens:12]]", stream=True),
        headers=authorised(),
    ) as response:
        pieces = response.iter_text()
        text = next(pieces)
        ending.signal(signal.SIGTERM)
        until(lambda: refused_or_draining(ending), of=ending)
        text += "".join(pieces)

    assert text.endswith("data: [DONE]\n\n")
    assert ending.wait() == 0
    assert ("settled", "ok", 1) in kept_rows(ending)
    assert ending.logged("stopped")


def test_a_stop_ends_what_outlasts_the_drain_and_books_it(ending: GatewayProcess) -> None:
    with ending.http.stream(
        "POST",
        f"{ending.base_url}/chat/completions",
        json=asking("[[fault:slow-chunks]][[tokens:500]]", stream=True),
        headers=authorised(),
    ) as response:
        pieces = response.iter_text()
        text = next(pieces)
        ending.signal(signal.SIGTERM)
        try:
            text += "".join(pieces)
        except httpx2.TransportError:
            text += "cut off"

    assert "[DONE]" not in text
    assert '"code":"draining"' in text.splitlines()[-2]
    assert ending.wait() == 0
    assert kept_rows(ending) == [("settled", "aborted", 1)]


def test_an_idle_gateway_stops_at_once(ending: GatewayProcess) -> None:
    assert ending.stop() == 0
    assert kept_rows(ending) == []


def test_a_second_gateway_may_not_share_a_state_folder(ending: GatewayProcess) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "gateway", "serve", "--port", "0", "--config", "fareway.yaml"],
        cwd=ending.folder,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert second.returncode == 1
    assert "state_dir" in second.stderr
    assert "Traceback" not in second.stderr
