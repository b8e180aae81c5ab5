"""A program that appends to a ledger until it is killed, and says after each append what it
appended: `python -m tests.support.ledger_writer STATE_DIR DATABASE_URL FIRST_NUMBER`.
"""

import asyncio
import os
import sys
from pathlib import Path

import structlog

from gateway.adapters.journal import Durability
from gateway.adapters.sql_ledger import open_ledger
from gateway.adapters.state_dir import hold_state_dir
from tests.fakes import FakeClock
from tests.support.ledger_rows import pending, settled


async def write_until_killed(state_dir: Path, url: str, number: int) -> None:
    with hold_state_dir(state_dir) as held:
        async with open_ledger(
            state_dir=held, database_url=url, durability=Durability.WRITE, clock=FakeClock()
        ) as ledger:
            while True:
                ledger.append([pending(number)])
                os.write(1, b"pending %d\n" % number)
                ledger.append([settled(number)])
                os.write(1, b"settled %d\n" % number)
                number += 1


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(write_until_killed(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
