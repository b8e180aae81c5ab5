"""A router fitted in seconds on a fixed sample of the shipped rows, shared by the tests of one run."""

from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from gateway.core.features import TextFeatures, extract
from gateway.offline.datasets import Row, load, shipped_paths
from gateway.offline.fitting import FittedRouter, fit

EVERY = 20  # one row in so many is kept
SEED = 7


@cache
def tiny_rows() -> tuple[Row, ...]:
    return load(shipped_paths(), seed=SEED).rows[::EVERY]


@cache
def tiny_features() -> tuple[TextFeatures, ...]:
    return tuple(extract(row.prompt) for row in tiny_rows())


@cache
def tiny_fit() -> FittedRouter:
    return fit(tiny_rows(), tiny_features(), seed=SEED)


def write_tiny_rows(path: Path) -> Path:
    """Every 20th measured row as a parquet file of its own."""
    measured = next(one for one in shipped_paths() if one.name == "routing_train.parquet")
    table = pyarrow.parquet.read_table(measured)
    kept = table.take(pa.array(range(0, table.num_rows, EVERY)))
    pyarrow.parquet.write_table(kept, path)
    return path
