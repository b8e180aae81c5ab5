"""A real small language model on this machine, for tests: SmolLM2-135M in llama.cpp's server."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.cli.demo_local_model import missing_package
from gateway.cli.demo_programs import running
from gateway.cli.demo_tiers import SMALL_MODEL

_ANSWER_S = 60.0


@dataclass(frozen=True, slots=True)
class LocalModel:
    """`name` is what it calls itself; it answers one request at a time, the others wait."""

    base_url: str
    name: str

    def slot(self) -> Mapping[str, Any]:
        """What its only place for a request is doing, in llama.cpp's words (GET /slots)."""
        answer = httpx2.get(f"{self.base_url.removesuffix('/v1')}/slots", timeout=_ANSWER_S)
        (only,) = answer.json()
        return dict(only)


@contextmanager
def local_model(folder: Path) -> Iterator[LocalModel]:
    """The model in a process of its own, on one thread; its log lies in `folder`. Skips the test
    where no wheel exists for the platform."""
    if missing := missing_package():
        pytest.skip(f"{missing} is not installed: no wheel for this platform?")
    with running("model", log=folder / "model.log", environ=os.environ) as program:
        yield LocalModel(program.wait_until_listening(), SMALL_MODEL)
