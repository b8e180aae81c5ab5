"""kill -9 at any moment: what `append` returned for is in the ledger, whatever the loader did."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.adapters.journal import Durability
from gateway.adapters.sql_ledger import open_ledger
from gateway.adapters.sql_schema import upgrade
from gateway.adapters.state_dir import hold_state_dir
from gateway.core.record import Outcome, State
from tests.contracts.ledger import all_rows
from tests.fakes import FakeClock

NUMBERS_PER_RUN = 1_000_000  # more than a run gets to
# Different each run: killed while the first rows load, between batches, far into the journal.
LINES_BEFORE_KILL = (1, 200, 1501, 6000)


def run_until_killed(state_dir: Path, url: str, first: int, lines: int) -> dict[int, str]:
    """The last state of each row the program said it had appended."""
    said: dict[int, str] = {}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.ledger_writer", str(state_dir), url, str(first)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as program:
        assert program.stdout is not None
        for count, line in enumerate(program.stdout):
            if count == lines:
                program.kill()
            if line.endswith(b"\n"):
                state, number = line.decode().split()
                said[int(number)] = state
    return said


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_every_append_that_returned_is_in_the_ledger_after_kills(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    if kind == "postgresql":
        url = request.getfixturevalue("postgres_url")
        upgrade(url)
    said: dict[int, str] = {}

    for run, lines in enumerate(LINES_BEFORE_KILL):
        said |= run_until_killed(tmp_path / "state", url, run * NUMBERS_PER_RUN, lines)

    with hold_state_dir(tmp_path / "state") as held:
        async with open_ledger(
            state_dir=held, database_url=url, durability=Durability.WRITE, clock=FakeClock()
        ) as ledger:
            rows = {int(row.request_id[8:]): row for row in await all_rows(ledger)}
    assert len(said) > sum(LINES_BEFORE_KILL) // 2
    for number, state in said.items():
        expected = {Outcome.OK} if state == "settled" else {Outcome.OK, Outcome.UNKNOWN}
        assert rows[number].outcome in expected
    unsaid = rows.keys() - said.keys()
    assert len(unsaid) <= len(LINES_BEFORE_KILL)  # appended, then killed before saying so
    assert {row.state for row in rows.values()} == {State.SETTLED}
    killed = [row for row in rows.values() if row.outcome is Outcome.UNKNOWN]
    assert all(row.cost_nano_usd == row.held_nano_usd for row in killed)
