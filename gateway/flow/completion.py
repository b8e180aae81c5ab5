"""The life of a request that can spend money, in its one order. Read this file first.

1 admit             who asks, for what, is it allowed                    flow/admission.py
2 score, shortlist  the tier, and who may answer in which order          flow/choice.py
3 (cache)           its look-up will stand here, keyed by the tier
4 price             each candidate's worst case                          flow/choice.py
5 reserve           the pending row, before anything is sent             flow/open_request.py
6 call, climb       the next candidate while nothing was delivered       flow/attempt.py
7 meter             usage, as reported or as received                    flow/metered_stream.py
8 settle, record    exactly once, before the client sees the end         flow/open_request.py
"""

import asyncio
from collections.abc import Mapping

from gateway.core.errors import FailureKind, UpstreamFailure, UpstreamRejection
from gateway.core.money import usd_text
from gateway.core.routing import Asked
from gateway.core.usage import Usage
from gateway.flow.admission import Admitted, Incoming, admit, request_facts
from gateway.flow.attempt import Call, Deadlines, plain_answer, stream_answer
from gateway.flow.choice import Wishes, choose, decision_text, require_candidates
from gateway.flow.estimating import Candidate
from gateway.flow.gateway import Gateway
from gateway.flow.metered_stream import MeteredStream
from gateway.flow.open_request import OpenAttempt, OpenRequest
from gateway.flow.ports import UpstreamCall
from gateway.flow.reply import Reply
from gateway.wire.answer import with_cost
from gateway.wire.request import upstream_body

_PICK_BITS = 32


async def complete(incoming: Incoming, reply: Reply, gateway: Gateway) -> None:
    """Answer one request through `reply`.

    Raises the Refusals of steps 1 to 5. From step 6 on every end, good or bad, goes through `reply`
    and is in the ledger before the client can know of it. Cancellation means the client has gone.
    """
    now_s = asyncio.get_running_loop().time()
    admitted = admit(incoming, gateway)  # 1
    pick = gateway.random_bits(_PICK_BITS) / 2**_PICK_BITS
    wishes = Wishes(pick, admitted.ceiling_nano_usd)
    choice = await choose(  # 2, 4
        admitted.asked, admitted.request, admitted.snapshot, gateway.instruments, wishes
    )
    candidates = require_candidates(choice, admitted.request)
    facts = request_facts(
        incoming,
        admitted,
        gateway,
        score=choice.score.score if choice.score else None,
        decision=decision_text(choice),
    )
    opened = OpenRequest(gateway, facts, incoming.started_s, choice, admitted.snapshot.catalog)
    request_at = now_s + admitted.snapshot.catalog.request_timeout_s
    try:
        await _climb(opened, admitted, candidates, reply, request_at)
    finally:
        opened.settle()  # 8, unless it is done


async def _climb(
    opened: OpenRequest,
    admitted: Admitted,
    candidates: tuple[Candidate, ...],
    reply: Reply,
    request_at: float,
) -> None:
    """Try candidates in order until one answers, none may follow, or none is left."""
    failure: UpstreamFailure | None = None
    for candidate in candidates[: _max_attempts(admitted.asked, candidates)]:
        attempt = opened.begin(candidate, admitted.request)  # 5
        await opened.gateway.ledger.durable()
        call = _call(opened.gateway, admitted, attempt, request_at)
        failure = await _attempt(call, opened, reply)  # 6, 7, 8
        if failure is None:
            return
        is_late = asyncio.get_running_loop().time() >= request_at
        if is_late or attempt.delivered or not _may_follow(admitted.asked, failure):
            break
    assert failure is not None, "a request has at least one candidate"
    await opened.close()
    await reply.fail(failure, opened.head({}))


async def _attempt(call: Call, opened: OpenRequest, reply: Reply) -> UpstreamFailure | None:
    """One candidate's try. None: the reply has ended; otherwise why this candidate gave nothing."""
    try:
        if call.request.is_stream:
            await _deliver_stream(call, opened, reply)
        else:
            await _deliver_plain(call, opened, reply)
    except UpstreamRejection as rejection:
        await opened.close()
        await reply.reject(rejection, opened.head(rejection.headers))
    except UpstreamFailure as failure:
        return failure
    return None


async def _deliver_plain(call: Call, opened: OpenRequest, reply: Reply) -> None:
    answer = await plain_answer(call)
    call.attempt.delivered = True
    await opened.close()
    body, cost_nano_usd = answer.body, opened.cost_nano_usd()
    if answer.has_usage and cost_nano_usd is not None:
        body = with_cost(body, usd_text(cost_nano_usd))
    await reply.whole(opened.head(answer.headers), body)


async def _deliver_stream(call: Call, opened: OpenRequest, reply: Reply) -> None:
    def cost_text(usage: Usage) -> str | None:
        call.attempt.usage = usage
        call.attempt.service_tier = meter.service_tier or call.attempt.service_tier
        cost_nano_usd = opened.cost_nano_usd()
        return None if cost_nano_usd is None else usd_text(cost_nano_usd)

    async def start(upstream_headers: Mapping[str, str]) -> None:
        await reply.start(opened.head(upstream_headers))

    meter = MeteredStream(wants_usage=call.request.wants_usage, cost_text=cost_text)
    await stream_answer(call, meter, reply, start)
    await opened.close()
    await reply.finish(opened.closing(), meter.done_event)


def _call(gateway: Gateway, admitted: Admitted, attempt: OpenAttempt, request_at: float) -> Call:
    request, model = admitted.request, attempt.candidate.model
    limits = admitted.snapshot.catalog.resilience
    return Call(
        gateway=gateway,
        request=request,
        attempt=attempt,
        upstream=UpstreamCall(
            model=model,
            path=request.endpoint.path,
            body=upstream_body(request, upstream_model=model.upstream_model, force_usage=True),
            headers=admitted.travelling,
            connect_timeout_s=limits.connect_timeout_s,
        ),
        deadlines=Deadlines(
            attempt_s=limits.attempt_timeout_s,
            first_token_s=limits.first_token_timeout_s,
            idle_s=limits.idle_timeout_s,
            request_at=request_at,
        ),
    )


def _max_attempts(asked: Asked, candidates: tuple[Candidate, ...]) -> int:
    if asked.route is not None and asked.route.tiers:
        return asked.route.escalation.max_attempts
    return len(candidates)


def _may_follow(asked: Asked, failure: UpstreamFailure) -> bool:
    """Whether the next candidate may be tried after this failure: a route's tiers say when
    (`escalate.when`), a plain list is there to fall back on."""
    if asked.route is None or not asked.route.tiers:
        return True
    cause = "timeout" if failure.kind is FailureKind.TIMEOUT else "error"
    return cause in asked.route.escalation.when
