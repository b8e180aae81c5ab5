import csv
import gzip
from pathlib import Path

import pytest

from gateway.core.catalog import Tier
from gateway.core.errors import ConfigError
from gateway.core.routing import tier_of
from gateway.offline.scoring import score_file
from gateway.router_artifact import ArtifactScorer, load_scorer

TIERS = (
    Tier("simple", ("small",)),
    Tier("moderate", ("medium",), 0.35),
    Tier("complex", ("large",), 0.60),
    Tier("research", ("large",), 0.50),
)


@pytest.fixture(scope="module")
def scorer() -> ArtifactScorer:
    return load_scorer(Path("router_models/default"))


def scored(scorer: ArtifactScorer, folder: Path, content: bytes) -> list[list[str]]:
    (folder / "in.csv").write_bytes(content)
    score_file(folder / "in.csv", folder / "out.csv", scorer, TIERS)
    with (folder / "out.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_one_row_comes_out_per_row_in_in_the_same_order(
    scorer: ArtifactScorer, tmp_path: Path
) -> None:
    content = b"id,prompt\r\nb,hi\r\na,Write a business plan for a hotel\r\nb,hi\r\n"

    rows = scored(scorer, tmp_path, content)

    assert rows[0] == ["id", "score", "tier"]
    assert [row[0] for row in rows[1:]] == ["b", "a", "b"]
    assert [row[2] for row in rows[1:]] == ["simple", "complex", "simple"]


def test_score_and_tier_are_those_of_the_prompt(scorer: ArtifactScorer, tmp_path: Path) -> None:
    prompt = 'Say "hello, world"\nin two\r\nlines'
    with (tmp_path / "in.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "prompt"), ("1", prompt)])

    rows = scored(scorer, tmp_path, (tmp_path / "in.csv").read_bytes())

    expected = scorer.score(prompt)
    assert float(rows[1][1]) == pytest.approx(expected.score, abs=1e-6)
    assert rows[1][2] == tier_of(expected, TIERS)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("id,prompt\nñ,hola\n".encode("utf-8-sig"), id="byte-order-mark"),
        pytest.param("extra,prompt,id\nx,hola,ñ\n".encode(), id="extra-and-reordered-columns"),
        pytest.param("id,prompt\nñ\n".encode(), id="short-row"),
        pytest.param("id,prompt\n\nñ,\n\n".encode(), id="blank-lines-and-empty-prompt"),
        pytest.param('id,prompt\nñ,"\0"'.encode(), id="null-byte-and-no-last-newline"),
        pytest.param(f'id,prompt\nñ,"{"word " * 400_000}"\n'.encode(), id="two-megabyte-field"),
    ],
)
def test_unusual_files_give_their_one_row(
    scorer: ArtifactScorer, tmp_path: Path, content: bytes
) -> None:
    rows = scored(scorer, tmp_path, content)

    assert [row[0] for row in rows[1:]] == ["ñ"]


def test_gzip_is_known_by_suffix_on_either_side(scorer: ArtifactScorer, tmp_path: Path) -> None:
    (tmp_path / "in.csv.gz").write_bytes(gzip.compress(b"id,prompt\n1,hi\n2,hello\n"))

    count = score_file(tmp_path / "in.csv.gz", tmp_path / "out.csv.gz", scorer, TIERS)

    lines = gzip.decompress((tmp_path / "out.csv.gz").read_bytes()).decode().splitlines()
    assert count == 2
    assert lines[0] == "id,score,tier"
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"id,text\n1,hi\n", "has no column prompt; found id, text"),
        (b"", "has no column id and no column prompt; found an empty file"),
        (b"id,prompt\n1,\xff\n", "is not UTF-8"),
        (b'id,prompt\n1,"open\n', "cannot score"),
    ],
)
def test_unusable_file_is_refused_with_its_cause(
    scorer: ArtifactScorer, tmp_path: Path, content: bytes, text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        scored(scorer, tmp_path, content)


def test_missing_file_and_damaged_gzip_are_refused(scorer: ArtifactScorer, tmp_path: Path) -> None:
    (tmp_path / "in.csv.gz").write_bytes(gzip.compress(b"id,prompt\n1,hi\n" * 50)[:30])

    for name in ("absent.csv", "in.csv.gz"):
        with pytest.raises(ConfigError, match="cannot score"):
            score_file(tmp_path / name, tmp_path / "out.csv", scorer, TIERS)


def test_input_is_not_overwritten(scorer: ArtifactScorer, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"id,prompt\n1,hi\n")

    with pytest.raises(ConfigError, match="same file"):
        score_file(tmp_path / "in.csv", tmp_path / "in.csv", scorer, TIERS)

    assert (tmp_path / "in.csv").read_bytes() == b"id,prompt\n1,hi\n"
