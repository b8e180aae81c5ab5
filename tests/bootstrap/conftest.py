from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog.testing


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """What was logged during the test; nothing is printed."""
    with structlog.testing.capture_logs() as entries:
        yield entries
