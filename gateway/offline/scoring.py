"""`fareway score`: a CSV of prompts in, a CSV of scores and tiers out, row by row."""

import contextlib
import csv
import gzip
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import Progress

from gateway.core.catalog import Tier
from gateway.core.errors import ConfigError
from gateway.core.routing import tier_of
from gateway.router_artifact import ArtifactScorer

_COLUMNS = ("id", "prompt")
_ROWS_PER_PROGRESS = 200
_GZIP_LEVEL = 6


def score_file(
    in_path: Path,
    out_path: Path,
    scorer: ArtifactScorer,
    tiers: Sequence[Tier],
    *,
    console: Console | None = None,
) -> int:
    """Score every row of a CSV (RFC 4180, UTF-8, `.gz` by suffix on either side) and say how many.

    Columns id and prompt in, any others ignored; id, score, tier out, in the same order. Rows are
    streamed, so a file of any size takes little memory. Raises ConfigError for a file that cannot
    be read or written, lacks a column, or is both input and output.
    """
    if out_path.exists() and in_path.exists() and out_path.samefile(in_path):
        raise ConfigError(f"{out_path}: input and output are the same file")
    # The largest a C long holds everywhere: a prompt may be any size.
    before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        return _score_rows(in_path, out_path, scorer, tiers, console)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{in_path}: is not UTF-8 ({error})") from error
    except (OSError, EOFError, csv.Error) as error:
        raise ConfigError(f"cannot score {in_path} to {out_path}: {error}") from error
    finally:
        csv.field_size_limit(before)


def _score_rows(
    in_path: Path,
    out_path: Path,
    scorer: ArtifactScorer,
    tiers: Sequence[Tier],
    console: Console | None,
) -> int:
    with contextlib.ExitStack() as opened:
        raw = opened.enter_context(in_path.open("rb"))
        binary = opened.enter_context(gzip.open(raw)) if in_path.suffix == ".gz" else raw
        text = opened.enter_context(io.TextIOWrapper(binary, encoding="utf-8-sig", newline=""))
        rows = csv.reader(text, strict=True)
        places = _places(in_path, next(rows, []))
        writer = csv.writer(opened.enter_context(_opened_for_writing(out_path)))
        writer.writerow(("id", "score", "tier"))
        progress = opened.enter_context(
            Progress(console=console, disable=console is None, transient=True)
        )
        task = progress.add_task("Scoring", total=in_path.stat().st_size)
        count = 0
        for identity, prompt in _fields(rows, places):
            score = scorer.brief_score(prompt)
            writer.writerow((identity, round(score.score, 6), tier_of(score, tiers)))
            count += 1
            if count % _ROWS_PER_PROGRESS == 0:
                progress.update(task, completed=raw.tell())
        return count


def _places(path: Path, header: Sequence[str]) -> tuple[int, int]:
    missing = [column for column in _COLUMNS if column not in header]
    if missing:
        raise ConfigError(
            f"{path}: has no column {' and no column '.join(missing)};"
            f" found {', '.join(header) or 'an empty file'}"
        )
    return header.index("id"), header.index("prompt")


def _fields(rows: Iterator[list[str]], places: tuple[int, int]) -> Iterator[tuple[str, str]]:
    """Id and prompt of each row; what a short row lacks is empty, a blank line is no row."""
    identity, prompt = places
    for row in rows:
        if row:
            yield (
                row[identity] if identity < len(row) else "",
                row[prompt] if prompt < len(row) else "",
            )


@contextlib.contextmanager
def _opened_for_writing(path: Path) -> Iterator[TextIO]:
    if path.suffix == ".gz":
        with gzip.open(path, "wt", _GZIP_LEVEL, encoding="utf-8", newline="") as packed:
            yield packed
    else:
        with path.open("w", encoding="utf-8", newline="") as plain:
            yield plain
