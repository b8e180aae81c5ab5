"""`fareway config`: what is wrong, what is in force, and where it is from."""

from pathlib import Path

import pytest

from tests.support.command import CONFIG, run, written_config


def test_good_file_is_ok_with_its_version(tmp_path: Path) -> None:
    shown = run("config", "check", written_config(tmp_path))

    assert shown.code == 0
    assert shown.out.startswith("ok: configuration ")


def test_good_file_may_be_named_by_the_option(tmp_path: Path) -> None:
    assert run("config", "check", "--config", written_config(tmp_path)).code == 0


def test_unpriced_model_is_warned_about(tmp_path: Path) -> None:
    shown = run("config", "check", written_config(tmp_path))

    assert "'unpriced'" in shown.err
    assert "'small'" not in shown.err


def test_check_as_json_tells_the_same(tmp_path: Path) -> None:
    shown = run("config", "check", written_config(tmp_path), "--json")

    assert shown.json["ok"] is True
    assert len(shown.json["warnings"]) == 1
    assert shown.json["version"] in run("config", "check", written_config(tmp_path)).out


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("provider: up,", "provider: down,", "down"),
        ("routes:", "rotues:", "rotues"),
        ('"1"', '"free"', "free"),
        ("acme-key-0123456789", "${{NOWHERE}}", "NOWHERE"),
        ("[small]", "[gone]", "gone"),
        ("routes:", "routes: [", "fareway.yaml"),
    ],
)
def test_bad_file_exits_1_and_names_file_and_fault(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    path = written_config(tmp_path, CONFIG.replace(old, new))

    shown = run("config", "check", path)

    assert shown.code == 1
    assert shown.out == ""
    assert str(path) in shown.err
    assert told in shown.err


def test_every_problem_of_a_file_is_listed(tmp_path: Path) -> None:
    text = CONFIG.replace('"10"', '"free"').replace("[large]", "[gone]")

    shown = run("config", "check", written_config(tmp_path, text))

    assert "free" in shown.err
    assert "gone" in shown.err


def test_explain_shows_values_sources_and_prices(tmp_path: Path) -> None:
    shown = run("config", "explain", "--config", written_config(tmp_path))

    assert shown.code == 0
    assert "server.drain_s" in shown.out
    assert "default" in shown.out
    assert "model=small  provider=up  input=1  cached_input=0.5  output=2" in shown.out
    assert "provider-key" not in shown.out
    assert "acme-key" not in shown.out


def test_explain_as_json_lists_every_deployments_price(tmp_path: Path) -> None:
    shown = run("config", "explain", "--config", written_config(tmp_path), "--json")

    assert [price["model"] for price in shown.json["prices"]] == [
        "small",
        "large",
        "unpriced",
        "vectors",
    ]
    assert "input" not in shown.json["prices"][2]
    assert {"key", "value", "source"} == set(shown.json["values"][0])


def test_schema_is_a_json_schema() -> None:
    shown = run("config", "schema")

    assert {"server", "models", "routes", "tenants"} <= set(shown.json["properties"])


LITELLM = """\
model_list:
  - model_name: gpt
    litellm_params: {model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY}
general_settings: {master_key: sk-1234}
"""


def test_litellm_file_becomes_one_of_ours(tmp_path: Path) -> None:
    theirs, ours = tmp_path / "litellm.yaml", tmp_path / "ours.yaml"
    theirs.write_text(LITELLM)

    shown = run("config", "import-litellm", theirs, "--out", ours)

    assert (shown.code, shown.out) == (0, "")
    keys = {"OPENAI_API_KEY": "key-of-16-letters", "FAREWAY_KEY": "key-of-16-letters"}
    assert run("config", "check", ours, environ=keys).code == 0


def test_litellm_file_is_printed_where_no_file_is_named(tmp_path: Path) -> None:
    theirs = tmp_path / "litellm.yaml"
    theirs.write_text(LITELLM)

    shown = run("config", "import-litellm", theirs)

    assert "upstream_model: gpt-4o-mini" in shown.out


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"model_list: [", b"- 1"])
def test_litellm_file_that_cannot_be_read_exits_1(tmp_path: Path, content: bytes | None) -> None:
    theirs = tmp_path / "litellm.yaml"
    if content is not None:
        theirs.write_bytes(content)

    shown = run("config", "import-litellm", theirs)

    assert shown.code == 1
    assert "litellm.yaml" in shown.err
