"""`fareway score`, `route`, `estimate` and `train`: the router away from live traffic."""

import csv
import gzip
import json
from pathlib import Path

import pytest

from tests.support.command import run, written_config

EASY = "Hi!"
HARD = "Prove that every bounded entire function is constant, and derive the general case."


def config(folder: Path) -> tuple[str, Path]:
    return "--config", written_config(folder)


def test_route_names_model_tier_and_reasons(tmp_path: Path) -> None:
    shown = run("route", EASY, *config(tmp_path))

    assert shown.code == 0
    assert "model small   tier simple" in shown.out
    assert "falls in tier 'simple'" in shown.out
    assert "large" in shown.out


def test_route_as_json_is_what_the_endpoint_gives(tmp_path: Path) -> None:
    shown = run("route", EASY, "--json", *config(tmp_path))

    assert shown.json["model"] == "small"
    assert {"score", "p_research", "thresholds", "reasons", "candidates"} <= set(shown.json)


def test_route_takes_the_model_it_is_told(tmp_path: Path) -> None:
    shown = run("route", EASY, "--model", "auto:max", "--json", *config(tmp_path))

    assert (shown.json["model"], shown.json["score"]) == ("large", None)


@pytest.mark.parametrize(
    ("body", "model"),
    [
        ({"model": "auto", "messages": [{"role": "user", "content": EASY}]}, "small"),
        ({"model": "vectors", "input": EASY}, "vectors"),
        ({"model": "large", "prompt": EASY}, "large"),
    ],
)
def test_route_takes_a_whole_request(tmp_path: Path, body: dict[str, object], model: str) -> None:
    file = tmp_path / "request.json"
    file.write_text(json.dumps(body))

    shown = run("route", "--file", file, "--json", *config(tmp_path))

    candidates = {one["model"]: one["excluded"] for one in shown.json["candidates"]}
    assert model in candidates


@pytest.mark.parametrize("command", ["route", "estimate"])
def test_prompt_or_file_is_needed_and_not_both(tmp_path: Path, command: str) -> None:
    file = tmp_path / "request.json"
    file.write_text("{}")

    assert run(command, *config(tmp_path)).code == 2
    assert run(command, EASY, "--file", file, *config(tmp_path)).code == 2


@pytest.mark.parametrize("command", ["route", "estimate"])
@pytest.mark.parametrize("content", [None, "{", '{"model":"auto"}'])
def test_request_that_is_none_exits_1(tmp_path: Path, command: str, content: str | None) -> None:
    file = tmp_path / "request.json"
    if content is not None:
        file.write_text(content)

    shown = run(command, "--file", file, *config(tmp_path))

    assert shown.code == 1
    assert shown.err.startswith("fareway: ")


def test_model_nobody_has_exits_1(tmp_path: Path) -> None:
    assert run("route", EASY, "--model", "gone", *config(tmp_path)).code == 1


def test_estimate_prices_every_model(tmp_path: Path) -> None:
    shown = run("estimate", EASY, "--output-tokens", "1000", "--json", *config(tmp_path))

    costs = {one["model"]: one["expected_usd"] for one in shown.json["candidates"]}
    assert list(costs) == ["small", "large", "unpriced", "vectors"]
    assert float(costs["small"]) == pytest.approx(0.002, abs=0.0001)
    assert float(costs["large"]) == pytest.approx(0.02, abs=0.001)
    assert costs["unpriced"] is None


def test_estimate_of_an_embeddings_model_has_no_output(tmp_path: Path) -> None:
    shown = run("estimate", "one two three", "--json", *config(tmp_path))

    vectors = shown.json["candidates"][-1]
    assert vectors["output_tokens"] == 0
    assert 0 < float(vectors["expected_usd"]) < 0.000001


def test_estimate_is_a_table_for_people(tmp_path: Path) -> None:
    shown = run("estimate", EASY, *config(tmp_path))

    assert "expected_usd" in shown.out
    assert "unpriced" in shown.out


def test_scores_come_row_by_row_in_order(tmp_path: Path) -> None:
    prompts, scores = tmp_path / "in.csv", tmp_path / "out.csv.gz"
    prompts.write_text(f'id,prompt\na,{EASY}\nb,"{HARD}"\n', encoding="utf-8")

    shown = run("score", "--in", prompts, "--out", scores, *config(tmp_path))

    assert shown.code == 0
    with gzip.open(scores, "rt", encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    assert [row["id"] for row in rows] == ["a", "b"]
    assert float(rows[0]["score"]) < float(rows[1]["score"])
    assert {row["tier"] for row in rows} <= {"simple", "complex"}


def test_scoring_needs_no_configuration(tmp_path: Path) -> None:
    prompts, scores = tmp_path / "in.csv", tmp_path / "out.csv"
    prompts.write_text(f"id,prompt\na,{EASY}\n")

    shown = run("score", "--in", prompts, "--out", scores, "--config", tmp_path / "gone.yaml")

    assert shown.code == 0
    assert "simple" in scores.read_text()


def test_prompts_that_cannot_be_read_exit_1(tmp_path: Path) -> None:
    shown = run(
        "score", "--in", tmp_path / "gone.csv", "--out", tmp_path / "o.csv", *config(tmp_path)
    )

    assert shown.code == 1
    assert "gone.csv" in shown.err


def test_router_that_is_none_exits_1(tmp_path: Path) -> None:
    prompts = tmp_path / "in.csv"
    prompts.write_text(f"id,prompt\na,{EASY}\n")

    shown = run(
        "score",
        *("--in", prompts),
        *("--out", tmp_path / "out.csv"),
        *("--router", tmp_path),
        *config(tmp_path),
    )

    assert shown.code == 1


# What training does is tested in tests/offline: it takes too long to be done twice.
@pytest.mark.parametrize("content", [None, b"no parquet"])
def test_training_without_rows_exits_1_and_writes_nothing(
    tmp_path: Path, content: bytes | None
) -> None:
    rows, out = tmp_path / "rows.parquet", tmp_path / "router"
    if content is not None:
        rows.write_bytes(content)

    shown = run("train", "--data", rows, "--out", out)

    assert shown.code == 1
    assert "rows.parquet" in shown.err
    assert not out.exists()
