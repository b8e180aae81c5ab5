"""A gateway opens whole, watches its configuration, and leaves nothing behind."""

import asyncio
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.bootstrap import live_settings
from gateway.bootstrap.serving import Serving, open_serving
from gateway.core.errors import ArtifactError, ConfigError, FarewayError
from gateway.flow.gateway import Snapshot
from tests.support.edge_scene import HttpAnswer, a_scope, exchange

Logged = list[dict[str, Any]]

YAML = """\
server: {{state_dir: {folder}/state, admin_key: admin-key-0123456789{server}}}
stores: {{database_url: "sqlite:///{folder}/ledger.db"}}
providers: {{up: {{base_url: "http://127.0.0.1:9/v1", api_key: provider-key}}}}
models:
  - {{name: small, provider: up, price: {{input: "1", output: "2"}}}}
routes: {{auto: {{tiers: {{simple: {{models: [small]}}}}}}}}
tenants: [{{id: acme, keys: [acme-key-0123456789]}}]
{more}
"""


def written(folder: Path, more: str = "", server: str = "") -> Path:
    """The configuration, put in place by a rename as editors do."""
    draft = folder / "draft"
    draft.write_text(YAML.format(folder=folder, more=more, server=server))
    return draft.replace(folder / "fareway.yaml")


async def get(serving: Serving, path: str, key: str) -> HttpAnswer:
    scope = a_scope("GET", path, [("authorization", f"Bearer {key}")])
    return await exchange(serving.app, scope)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what a watcher has done sets no event of ours
            await asyncio.sleep(0.005)


def events(logged: Logged, event: str) -> Logged:
    return [entry for entry in logged if entry["event"] == event]


@pytest.fixture(autouse=True)
def _quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_settings, "POLL_S", 0.01)


async def test_open_gateway_is_ready_and_knows_its_tenants(tmp_path: Path) -> None:
    async with open_serving(written(tmp_path), {}) as serving:
        ready = await get(serving, "/health/ready", "")
        models = await get(serving, "/v1/models", "acme-key-0123456789")

    assert ready.json == {"status": "ok", "dependencies": {"ledger": "ok"}}
    assert [one["id"] for one in models.json["data"]] == ["auto", "small"]


async def test_closed_gateway_leaves_no_task_and_no_signal_handler(tmp_path: Path) -> None:
    async with open_serving(written(tmp_path), {}):
        pass

    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)


async def test_gateway_can_be_opened_again_in_the_same_place(tmp_path: Path) -> None:
    path = written(tmp_path)

    for _ in range(2):
        async with open_serving(path, {}) as serving:
            assert (await get(serving, "/health/ready", "")).status == 200


async def test_state_folder_belongs_to_one_gateway_at_a_time(tmp_path: Path) -> None:
    path = written(tmp_path)

    async with open_serving(path, {}):
        with pytest.raises(FarewayError, match="state"):
            async with open_serving(path, {}):
                pass


@pytest.mark.parametrize(
    ("good", "bad", "error"),
    [
        ("name: small", "nonsense: small", ConfigError),
        ("auto: {tiers", "auto: {router: gone, tiers", ArtifactError),
    ],
)
async def test_gateway_that_cannot_open_says_why_and_lets_the_folder_go(
    tmp_path: Path, good: str, bad: str, error: type[FarewayError]
) -> None:
    path = written(tmp_path)
    text = path.read_text()
    path.write_text(text.replace(good, bad))

    with pytest.raises(error):
        async with open_serving(path, {}):
            pass

    path.write_text(text)
    async with open_serving(path, {}):
        pass


async def test_secret_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = written(tmp_path)
    file = tmp_path / "state" / "secret"

    async with open_serving(path, {}):
        first = file.read_bytes()
    async with open_serving(path, {}):
        second = file.read_bytes()

    assert first == second
    assert len(first) == 64
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_configured_secret_is_written_nowhere(tmp_path: Path) -> None:
    path = written(tmp_path, server=", secret: a-secret-of-sixteen-and-more")

    async with open_serving(path, {}):
        pass

    assert not (tmp_path / "state" / "secret").exists()


async def test_end_users_are_pseudonyms_under_the_secret(tmp_path: Path) -> None:
    path = written(tmp_path, server=", secret: a-secret-of-sixteen-and-more")

    async with open_serving(path, {}) as serving:
        first = serving.gateway.pseudonym("alice")
    async with open_serving(path, {}) as serving:
        second = serving.gateway.pseudonym("alice")

    assert first == second != "alice"


async def test_what_is_not_enforced_yet_is_said_at_the_start(
    tmp_path: Path, logged: Logged
) -> None:
    path = written(tmp_path)
    text = path.read_text()
    limited = ', budgets: [{usd: "1", window: day}], limits: {rpm: 1}}]'
    path.write_text(text.replace("0123456789]}]", "0123456789]" + limited))

    async with open_serving(path, {}):
        pass

    assert [entry["key"] for entry in events(logged, "config_not_enforced_yet")] == [
        "tenants[].budgets",
        "tenants[].limits",
    ]


async def test_nothing_is_said_of_what_is_not_used(tmp_path: Path, logged: Logged) -> None:
    async with open_serving(written(tmp_path), {}):
        pass

    assert events(logged, "config_not_enforced_yet") == []
    assert events(logged, "model_unpriced") == []


async def test_short_keys_and_unpriced_models_are_warned_about(
    tmp_path: Path, logged: Logged
) -> None:
    path = written(tmp_path)
    text = path.read_text().replace("acme-key-0123456789", "short")
    path.write_text(text.replace(', price: {input: "1", output: "2"}', ""))

    async with open_serving(path, {}):
        pass

    assert "16" in events(logged, "config")[0]["warning"]
    assert events(logged, "model_unpriced")[0]["model"] == "small"


# While it runs

MORE = "metrics: {max_tenants: 5}"


async def test_changed_file_is_taken_whole(tmp_path: Path, logged: Logged) -> None:
    path = written(tmp_path)
    async with open_serving(path, {}) as serving:
        before = serving.gateway.current
        text = path.read_text().replace("name: small", "name: tiny").replace("[small]", "[tiny]")
        path.write_text(text.replace("acme-key", "new-key").replace("admin-key", "chief-key"))
        await until(lambda: serving.gateway.current is not before)

        old = await get(serving, "/v1/models", "acme-key-0123456789")
        new = await get(serving, "/v1/models", "new-key-0123456789")
        admin = await get(serving, "/admin/v1/config", "chief-key-0123456789")

    assert (old.status, new.status, admin.status) == (401, 200, 200)
    assert [one["id"] for one in new.json["data"]] == ["auto", "tiny"]
    assert new.header("x-fareway-config") != before.catalog.version
    assert len(events(logged, "config_loaded")) == 1


@pytest.mark.parametrize("text", ["models: [", "nonsense: 1\n", "", "\udcff"])
async def test_bad_file_changes_nothing_and_is_logged_once(
    tmp_path: Path, logged: Logged, text: str
) -> None:
    path = written(tmp_path)
    async with open_serving(path, {}) as serving:
        before = serving.gateway.current
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        await until(lambda: events(logged, "config_refused"))
        assert serving.gateway.current is before

        written(tmp_path, MORE)
        await until(lambda: serving.gateway.current is not before)

    (refused,) = events(logged, "config_refused")
    assert refused["in_force"] == before.catalog.version


async def test_defect_while_reloading_ends_nothing(
    tmp_path: Path, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Snapshot:
        raise ZeroDivisionError

    path = written(tmp_path)
    async with open_serving(path, {}) as serving:
        before = serving.gateway.current
        with monkeypatch.context() as fault:
            fault.setattr(live_settings, "build_snapshot", broken)
            written(tmp_path, MORE)
            await until(lambda: events(logged, "config_refused"))
        assert serving.gateway.current is before

        written(tmp_path, MORE + "\n# again\n")
        await until(lambda: serving.gateway.current is not before)


async def test_file_that_is_away_for_a_moment_is_no_change(tmp_path: Path, logged: Logged) -> None:
    path = written(tmp_path)
    async with open_serving(path, {}) as serving:
        before = serving.gateway.current
        path.unlink()
        written(tmp_path, MORE)
        await until(lambda: serving.gateway.current is not before)

    assert events(logged, "config_refused") == []


async def test_hang_up_reloads_an_unchanged_file(tmp_path: Path, logged: Logged) -> None:
    async with open_serving(written(tmp_path), {}):
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: events(logged, "config_loaded"))


async def test_what_is_read_once_says_that_it_needs_a_restart(
    tmp_path: Path, logged: Logged
) -> None:
    path = written(tmp_path)
    async with open_serving(path, {}) as serving:
        before = serving.gateway.current
        written(tmp_path, server=", drain_s: 5, cors_origins: [https://a.example]")
        await until(lambda: serving.gateway.current is not before)

    assert {entry["key"] for entry in events(logged, "config_needs_restart")} == {
        "server.drain_s",
        "server.cors_origins",
    }
