from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from gateway.core.errors import ConfigError
from gateway.offline.datasets import load, normalised_question, shipped_paths
from gateway.offline.everyday import generate


def parquet(path: Path, rows: list[dict[str, object]]) -> Path:
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_measured_rows_keep_their_outcomes(tmp_path: Path) -> None:
    path = parquet(tmp_path / "own.parquet", [{"prompt": "p", "weak": 0.25, "strong": 1.0}])

    row = load([path], seed=1).rows[0]

    assert (row.prompt, row.cheap, row.strong, row.benchmark) == ("p", 0.25, 1.0, "own")


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([{"prompt": "p", "answer": "a"}], "found columns prompt, answer"),
        ([{"prompt": "p", "weak": 2.0, "strong": 1.0}], "numbers in"),
        ([{"prompt": "p", "weak": None, "strong": 1.0}], "numbers in"),
        ([{"prompt": "p", "tier": "hard"}], "found 'hard'"),
    ],
)
def test_rows_that_cannot_be_used_are_refused(
    tmp_path: Path, rows: list[dict[str, object]], text: str
) -> None:
    path = parquet(tmp_path / "own.parquet", rows)

    with pytest.raises(ConfigError, match=text):
        load([path], seed=1)


def test_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.parquet").write_text("prompt,weak,strong\n")

    with pytest.raises(ConfigError, match="cannot be read as parquet"):
        load([tmp_path / "own.parquet"], seed=1)


def test_digest_changes_with_files_and_seed_alone() -> None:
    paths = shipped_paths()[-1:]
    digest = load(paths, seed=1).digest

    assert load(paths, seed=1).digest == digest
    assert load(paths, seed=2).digest != digest
    assert load([], seed=1).digest != digest


def test_shipped_rows_cover_every_tier() -> None:
    rows = load(shipped_paths(), seed=1).rows

    assert {row.tier for row in rows if row.tier} == {"simple", "moderate", "complex", "research"}
    assert {row.benchmark for row in rows if row.benchmark} == {
        "mmlu", "gsm8k", "llmrouter", "mmlupro_nonmmlu",
    }  # fmt: skip


def test_everyday_prompts_are_equal_for_a_seed_and_distinct() -> None:
    prompts = generate(seed=3)

    assert prompts == generate(seed=3)
    assert prompts != generate(seed=4)
    assert len({one.prompt for one in prompts}) == len(prompts) > 1000


def test_everyday_prompts_leave_no_slot_unfilled() -> None:
    slots = ("{name}", "{topic", "{venture", "{small}", "{n}", "{market}")

    assert not [one for one in generate(seed=3) if any(slot in one.prompt for slot in slots)]


@pytest.mark.parametrize(
    "other", ["what is DNA", "What is DNA?\nA. acid\nB. sugar", "What  is — DNA?\n(A) x\n(B) y"]
)
def test_same_question_is_known_under_other_options_case_and_marks(other: str) -> None:
    assert normalised_question(other) == normalised_question("What is DNA?")
