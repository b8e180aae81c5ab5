"""The shipped router keeps what the port promises."""

import pytest

from gateway.bootstrap.shipped import router_dir
from gateway.flow.ports import Scorer
from gateway.router_artifact import load_scorer
from tests.contracts.scorer import ScorerContract


@pytest.fixture(scope="module")
def shipped() -> Scorer:
    return load_scorer(router_dir("default"))


class TestShippedScorer(ScorerContract):
    @pytest.fixture
    def scorer(self, shipped: Scorer) -> Scorer:
        return shipped
