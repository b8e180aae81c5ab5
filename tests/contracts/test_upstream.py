"""The fake upstream keeps what the port promises; the real one is in tests/adapters."""

import pytest

from gateway.core.catalog import Provider
from gateway.core.errors import FailureKind, UpstreamFailure
from gateway.flow.ports import UpstreamCall
from tests.contracts.upstream import BODY, Case, UpstreamContract, call_to
from tests.fakes import FakeAnswer, FakeUpstream

_HALF = BODY[: len(BODY) // 2]


def _scripted(case: Case) -> FakeAnswer:
    refused = UpstreamFailure(FailureKind.CONNECT, "nobody listens", was_sent=False)
    silent = UpstreamFailure(FailureKind.DISCONNECTED, "closed", was_sent=True)
    cut = UpstreamFailure(FailureKind.CUT, "closed", was_sent=True)
    return {
        Case.ANSWER: FakeAnswer(chunks=(_HALF, BODY[len(_HALF) :])),
        Case.BUSY: FakeAnswer(status=429, headers={"retry-after": "7"}, chunks=(BODY,)),
        Case.REDIRECT: FakeAnswer(status=302),
        Case.REFUSED: FakeAnswer(failure=refused),
        Case.SILENT: FakeAnswer(failure=silent),
        Case.CUT: FakeAnswer(chunks=(_HALF,), body_failure=cut),
        Case.STALL_BEFORE_HEAD: FakeAnswer(stalls_before_head=True),
        Case.STALL: FakeAnswer(chunks=(_HALF,), stalls_after_chunks=True),
    }[case]


class FakeWorld:
    def __init__(self) -> None:
        self.upstream = FakeUpstream()

    def call(self, case: Case) -> UpstreamCall:
        self.upstream.script.append(_scripted(case))
        return call_to(Provider("scripted", "http://127.0.0.1:9/v1"))

    async def until_none_in_use(self) -> None:
        assert self.upstream.in_use == 0


class TestFakeUpstream(UpstreamContract):
    @pytest.fixture
    def world(self) -> FakeWorld:
        return FakeWorld()


async def test_answer_left_before_its_end_is_counted() -> None:
    world = FakeWorld()

    async with world.upstream.send(world.call(Case.ANSWER)):
        pass

    assert world.upstream.cut_short == 1
