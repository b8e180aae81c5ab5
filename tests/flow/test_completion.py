"""The request's life over fakes: what goes up, what comes back, what is booked."""

import asyncio

import pytest

from gateway.core.catalog import Tenant
from gateway.core.errors import (
    ContextLengthExceeded,
    FailureKind,
    InvalidApiKey,
    InvalidRequest,
    MaxCostExceeded,
    ModelNotAllowed,
    ModelNotFound,
    OnlyIfCachedMiss,
    Refusal,
    StoreUnavailable,
    TenantDisabled,
    UnsupportedCapability,
    UpstreamFailure,
)
from gateway.core.ids import OrganisationId, TenantId
from gateway.core.record import Kind, Outcome, Reason, State
from gateway.core.usage import UsageSource
from tests.fakes import FakeAnswer, FakeLedger, FakeUpstream
from tests.support.flow_scene import (
    ANSWER,
    CHUNKS,
    Scene,
    a_catalog,
    a_model,
    chat,
    plain,
    stream,
    until,
)

STREAM = ',"stream":true'
CONNECT = UpstreamFailure(FailureKind.CONNECT, "refused", was_sent=False)
LOST = UpstreamFailure(FailureKind.DISCONNECTED, "lost", was_sent=True)
CUT = UpstreamFailure(FailureKind.CUT, "cut", was_sent=True)


async def test_plain_answer_is_booked_at_its_reported_usage() -> None:
    scene = Scene(FakeUpstream(plain()))

    await scene.ask(chat())

    # small costs 1 USD per 1M input and 2 USD per 1M output tokens: 10 x 1000 + 2 x 2000 nano-USD
    (row,) = scene.rows()
    assert (row.state, row.outcome, row.cost_nano_usd) == (State.SETTLED, Outcome.OK, 14_000)
    assert (row.input_tokens, row.output_tokens, row.usage_source) == (10, 2, UsageSource.REPORTED)
    # the baseline, large, costs ten times as much
    assert row.baseline_nano_usd == 140_000
    assert (row.upstream_id, row.finish_reason, row.delivered) == ("a-1", "stop", True)


async def test_cost_is_spliced_into_the_body_and_told_in_the_head() -> None:
    scene = Scene(FakeUpstream(plain()))

    await scene.ask(chat())

    assert scene.reply.body == ANSWER.replace(
        b'"completion_tokens":2}', b'"completion_tokens":2,"cost":0.000014}'
    )
    (head,) = scene.reply.heads
    assert (head.cost_nano_usd, head.saved_nano_usd) == (14_000, 126_000)
    assert (head.model, head.tier, head.reason, head.attempts) == (
        "small",
        "simple",
        Reason.ROUTED,
        1,
    )


async def test_upstream_gets_its_own_model_name_and_the_rest_as_sent() -> None:
    scene = Scene(FakeUpstream(plain()))

    await scene.ask(chat(more=',"nobody_knows": {"a" : 1}'))

    (call,) = scene.upstream.calls
    assert b'"model":"small-upstream"' in call.body
    assert b'"nobody_knows":{"a" : 1}' in call.body


async def test_stream_passes_event_for_event_and_its_forced_usage_is_hidden() -> None:
    scene = Scene(FakeUpstream(stream()))

    await scene.ask(chat(more=STREAM))

    assert scene.reply.body == b"".join((*CHUNKS[:3], CHUNKS[4]))
    assert b'"include_usage":true' in scene.upstream.calls[0].body
    (row,) = scene.rows()
    assert (row.outcome, row.cost_nano_usd, row.upstream_id) == (Outcome.OK, 14_000, "s-1")


async def test_stream_shows_usage_with_its_cost_to_a_client_that_asked() -> None:
    scene = Scene(FakeUpstream(stream()))

    await scene.ask(chat(more=STREAM + ',"stream_options":{"include_usage":true}'))

    assert b'"usage":{"prompt_tokens":10,"completion_tokens":2,"cost":0.000014}' in scene.reply.body


async def test_closing_facts_come_before_done() -> None:
    scene = Scene(FakeUpstream(stream()))

    await scene.ask(chat(more=STREAM))

    assert scene.reply.ends == ["finish"]
    assert scene.reply.closing is not None
    assert scene.reply.closing.cost_nano_usd == 14_000
    assert scene.reply.closing.saved_nano_usd == 126_000


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_any_chunking_of_a_stream_gives_the_same_bytes_and_bill(size: int) -> None:
    whole = b"".join(CHUNKS)
    pieces = tuple(whole[at : at + size] for at in range(0, len(whole), size))
    scene = Scene(FakeUpstream(stream(*pieces)))

    await scene.ask(chat(more=STREAM))

    assert scene.reply.body == b"".join((*CHUNKS[:3], CHUNKS[4]))
    assert scene.rows()[0].cost_nano_usd == 14_000


async def test_high_score_starts_at_the_dearer_tier() -> None:
    scene = Scene(FakeUpstream(plain()), score=0.8)

    await scene.ask(chat())

    assert (scene.rows()[0].model, scene.rows()[0].tier) == ("large", "complex")
    assert scene.rows()[0].score == 0.8


@pytest.mark.parametrize(
    ("asked", "model", "reason"),
    [
        ("auto:floor", "small", Reason.PINNED),
        ("auto:max", "large", Reason.PINNED),
        ("auto:0.5", "large", Reason.ROUTED),
        ("auto:0.9", "small", Reason.ROUTED),
        ("small", "small", Reason.PINNED),
        ("list", "small", Reason.PINNED),
    ],
)
async def test_name_asked_for_decides_the_model(asked: str, model: str, reason: Reason) -> None:
    scene = Scene(FakeUpstream(plain()), score=0.8)

    await scene.ask(chat(asked))

    assert scene.rows()[0].model == model
    assert scene.reply.heads[0].reason is reason


async def test_failed_candidate_is_followed_by_the_next_and_both_are_booked() -> None:
    scene = Scene(FakeUpstream(plain(b"{}", status=500), plain()))

    await scene.ask(chat())

    first, second = scene.rows()
    assert (first.outcome, first.error_code, first.cost_nano_usd) == (
        Outcome.ERROR,
        "server_error",
        0,
    )
    assert (second.outcome, second.model, second.kind) == (Outcome.OK, "large", Kind.ESCALATION)
    assert (first.delivered, second.delivered) == (False, True)
    assert first.baseline_nano_usd is None
    head = scene.reply.heads[-1]
    assert (head.reason, head.attempts, head.model) == (Reason.ESCALATED, 2, "large")


async def test_plain_list_falls_back_in_order() -> None:
    scene = Scene(FakeUpstream(FakeAnswer(failure=CONNECT), plain()))

    await scene.ask(chat("list"))

    assert [row.model for row in scene.rows()] == ["small", "large"]
    assert scene.reply.heads[-1].reason is Reason.FALLBACK


async def test_refused_connection_is_void_and_costs_nothing() -> None:
    scene = Scene(FakeUpstream(FakeAnswer(failure=CONNECT)))

    await scene.ask(chat("small"))

    (row,) = scene.rows()
    assert (row.state, row.cost_nano_usd, row.error_code) == (State.VOID, 0, "connect")
    assert scene.reply.failure is CONNECT


async def test_plain_call_lost_after_sending_is_booked_at_its_full_hold() -> None:
    scene = Scene(FakeUpstream(FakeAnswer(failure=LOST)))

    await scene.ask(chat("small"))

    (row,) = scene.rows()
    assert row.outcome is Outcome.ERROR
    assert row.cost_nano_usd == row.held_nano_usd
    assert (row.cost_nano_usd or 0) > 0


async def test_route_that_does_not_climb_on_errors_stops_at_the_first() -> None:
    catalog = a_catalog(when=frozenset({"timeout"}))
    scene = Scene(FakeUpstream(plain(b"{}", status=500), plain()), catalog=catalog)

    await scene.ask(chat())

    assert len(scene.rows()) == 1
    assert scene.reply.ends == ["fail"]


async def test_nothing_is_tried_again_once_a_byte_was_sent() -> None:
    broken = FakeAnswer(
        headers={"content-type": "text/event-stream"}, chunks=CHUNKS[:2], body_failure=CUT
    )
    scene = Scene(FakeUpstream(broken, stream()))

    await scene.ask(chat(more=STREAM))

    (row,) = scene.rows()
    assert (row.outcome, row.error_code, row.delivered) == (Outcome.ERROR, "cut", True)
    assert scene.reply.ends == ["fail"]


async def test_broken_stream_is_booked_for_its_input_and_what_was_received() -> None:
    broken = FakeAnswer(
        headers={"content-type": "text/event-stream"}, chunks=CHUNKS[:2], body_failure=CUT
    )
    scene = Scene(FakeUpstream(broken))

    await scene.ask(chat("small", more=STREAM))

    # "What is the capital of France?" is 6 words, its role one, and 4 for the message; "Paris" is one word
    (row,) = scene.rows()
    assert (row.input_tokens, row.output_tokens) == (11, 1)
    assert row.usage_source is UsageSource.ESTIMATED
    assert row.cost_nano_usd == 13_000


async def test_stream_without_done_but_with_a_finish_reason_is_whole() -> None:
    scene = Scene(FakeUpstream(stream(*CHUNKS[:3])))

    await scene.ask(chat("small", more=STREAM))

    assert scene.reply.ends == ["finish"]
    assert scene.reply.body.endswith(b"data: [DONE]\n\n")


async def test_stream_that_just_ends_is_cut() -> None:
    scene = Scene(FakeUpstream(stream(*CHUNKS[:2])))

    await scene.ask(chat("small", more=STREAM))

    assert scene.reply.ends == ["fail"]
    assert scene.rows()[0].error_code == "cut"


@pytest.mark.parametrize(
    "first",
    [
        b'data: {"error":{"message":"overloaded"}}\n\n',
        b"data: {not json\n\n",
        b"data: [DONE]\n\n",
        b"",
    ],
)
async def test_stream_bad_from_its_start_is_followed_by_the_next_candidate(first: bytes) -> None:
    bad = stream(first) if first else stream(b": hello\n\n")
    scene = Scene(FakeUpstream(bad, stream()))

    await scene.ask(chat(more=STREAM))

    assert [row.outcome for row in scene.rows()] == [Outcome.ERROR, Outcome.OK]
    assert scene.reply.ends == ["finish"]


async def test_comments_before_the_first_event_are_passed_on_with_it() -> None:
    scene = Scene(FakeUpstream(stream(b": wait\n\n", *CHUNKS)))

    await scene.ask(chat("small", more=STREAM))

    assert scene.reply.body.startswith(b": wait\n\n" + CHUNKS[0])


async def test_plain_json_in_place_of_a_stream_is_a_bad_answer() -> None:
    scene = Scene(FakeUpstream(plain()))

    await scene.ask(chat("small", more=STREAM))

    assert scene.reply.failure is not None
    assert scene.reply.failure.kind is FailureKind.BAD_ANSWER


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
async def test_clients_own_mistakes_pass_through(status: int) -> None:
    scene = Scene(FakeUpstream(plain(b'{"error":{"message":"no"}}', status=status), plain()))

    await scene.ask(chat())

    assert scene.reply.ends == ["reject"]
    assert scene.reply.body == b'{"error":{"message":"no"}}'
    (row,) = scene.rows()
    assert (row.outcome, row.error_code, row.cost_nano_usd) == (
        Outcome.REFUSED,
        f"http_{status}",
        0,
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (500, FailureKind.SERVER_ERROR),
        (503, FailureKind.SERVER_ERROR),
        (429, FailureKind.RATE_LIMITED),
        (408, FailureKind.TIMEOUT),
        (401, FailureKind.CREDENTIALS),
        (403, FailureKind.CREDENTIALS),
        (404, FailureKind.CREDENTIALS),
        (302, FailureKind.REDIRECT),
        (204, FailureKind.REDIRECT),
    ],
)
async def test_other_statuses_are_the_upstreams_failures(status: int, kind: FailureKind) -> None:
    scene = Scene(FakeUpstream(plain(b"", status=status)))

    await scene.ask(chat("small"))

    assert scene.reply.failure is not None
    assert scene.reply.failure.kind is kind


@pytest.mark.parametrize(
    "usage",
    [
        "null",
        '{"prompt_tokens":-5,"completion_tokens":2}',
        '{"prompt_tokens":0,"completion_tokens":0}',
        '"many"',
    ],
)
async def test_unusable_usage_is_estimated_never_zero(usage: str) -> None:
    body = ANSWER.replace(b'{"prompt_tokens":10,"completion_tokens":2}', usage.encode())
    scene = Scene(FakeUpstream(plain(body)))

    await scene.ask(chat("small"))

    (row,) = scene.rows()
    assert row.usage_source is UsageSource.ESTIMATED
    assert (row.input_tokens, row.output_tokens) == (11, 1)
    assert row.cost_nano_usd == 13_000


async def test_model_without_a_price_costs_none_not_zero() -> None:
    catalog = a_catalog(a_model("small", price=None, price_version="unpriced"))
    scene = Scene(FakeUpstream(plain()), catalog=catalog)

    await scene.ask(chat("small"))

    (row,) = scene.rows()
    assert (row.cost_nano_usd, row.price_version) == (None, "unpriced")
    assert scene.reply.heads[0].cost_nano_usd is None
    assert scene.reply.body == ANSWER


async def test_pending_row_stands_before_the_upstream_is_called() -> None:
    scene = Scene(FakeUpstream(FakeAnswer(stalls_before_head=True)))

    task = asyncio.ensure_future(scene.ask(chat("small")))
    await until(lambda: bool(scene.upstream.calls))

    (row,) = scene.rows()
    assert (row.state, row.outcome, row.cost_nano_usd) == (State.PENDING, None, None)
    assert (row.held_nano_usd or 0) > 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class FullLedger(FakeLedger):
    def append(self, rows: object) -> None:
        del rows
        raise StoreUnavailable("full")


async def test_nothing_is_sent_where_the_ledger_takes_no_row() -> None:
    scene = Scene(FakeUpstream(plain()), ledger_port=FullLedger())

    with pytest.raises(StoreUnavailable):
        await scene.ask(chat())

    assert scene.upstream.calls == []


DISABLED = Tenant(TenantId("acme"), OrganisationId("acme"), disabled=True)
NARROW = Tenant(TenantId("acme"), OrganisationId("acme"), allow=frozenset({"auto"}))


@pytest.mark.parametrize(
    ("body", "changes", "tenant", "refusal"),
    [
        (chat(), {"key": None}, None, InvalidApiKey),
        (chat(), {"key": "wrong"}, None, InvalidApiKey),
        (chat(), {}, DISABLED, TenantDisabled),
        (chat("large"), {}, NARROW, ModelNotAllowed),
        (chat("gone"), {}, None, ModelNotFound),
        (chat("auto:2"), {}, None, ModelNotFound),
        (b"{", {}, None, InvalidRequest),
        (chat(), {"tags": "no pairs"}, None, InvalidRequest),
        (chat(), {"max_cost_usd": "lots"}, None, InvalidRequest),
        (chat(), {"max_cost_usd": "0"}, None, MaxCostExceeded),
        (chat(), {"cache_control": "only-if-cached"}, None, OnlyIfCachedMiss),
        (chat(text="word " * 9_000), {}, None, ContextLengthExceeded),
    ],
)
async def test_refusals_reach_no_upstream_and_leave_no_row(
    body: bytes, changes: dict[str, object], tenant: Tenant | None, refusal: type[Refusal]
) -> None:
    scene = Scene(FakeUpstream(plain()))
    scene.tenant = tenant or scene.tenant

    with pytest.raises(refusal):
        await scene.ask(body, **changes)

    assert scene.upstream.calls == []
    assert scene.rows() == []


async def test_narrow_tenant_may_use_its_routes_models() -> None:
    scene = Scene(FakeUpstream(plain()), tenant=NARROW)

    await scene.ask(chat("auto:max"))

    assert scene.rows()[0].model == "large"


async def test_model_that_lacks_a_capability_is_passed_over() -> None:
    catalog = a_catalog(a_model("small", supports=frozenset()), a_model("large"))
    scene = Scene(FakeUpstream(plain()), catalog=catalog)

    await scene.ask(chat(more=',"tools":[{"type":"function","function":{"name":"f"}}]'))

    assert scene.rows()[0].model == "large"


async def test_cheaper_tier_serves_what_no_dearer_one_can() -> None:
    catalog = a_catalog(a_model("small"), a_model("large", supports=frozenset()))
    scene = Scene(FakeUpstream(plain()), catalog=catalog, score=0.9)

    await scene.ask(chat(more=',"tools":[{"type":"function","function":{"name":"f"}}]'))

    assert scene.rows()[0].model == "small"


async def test_capability_nobody_has_is_refused() -> None:
    catalog = a_catalog(a_model("small", supports=frozenset()))
    scene = Scene(FakeUpstream(plain()), catalog=catalog)

    with pytest.raises(UnsupportedCapability, match="tools"):
        await scene.ask(chat(more=',"tools":[{"type":"function","function":{"name":"f"}}]'))


async def test_prompt_too_long_for_the_tier_goes_to_a_wider_model() -> None:
    catalog = a_catalog(a_model("small", context_window=100), a_model("large"))
    scene = Scene(FakeUpstream(plain()), catalog=catalog)

    await scene.ask(chat(text="word " * 200))

    assert scene.rows()[0].model == "large"
    assert scene.reply.heads[0].reason is Reason.CONTEXT


async def test_ceiling_takes_the_cheaper_model() -> None:
    scene = Scene(FakeUpstream(plain()), score=0.9)

    # at most 1,000 output tokens at 20 USD per 1M are 0.02 USD on large, 0.002 on small
    await scene.ask(chat(), max_cost_usd="0.004")

    assert scene.rows()[0].model == "small"
    assert scene.reply.heads[0].reason is Reason.CEILING


async def test_weights_share_deployments_of_one_name() -> None:
    catalog = a_catalog(
        a_model("small", upstream_model="one", weight=3),
        a_model("small", upstream_model="two", weight=1),
    )
    served = []
    for quarter in range(4):
        scene = Scene(FakeUpstream(plain()), catalog=catalog, random=quarter << 30)
        await scene.ask(chat("small"))
        served.append(scene.upstream.calls[0].model.upstream_model)

    assert served == ["one", "one", "one", "two"]


async def test_end_user_is_kept_as_a_pseudonym() -> None:
    scene = Scene(FakeUpstream(plain()))

    await scene.ask(chat(more=',"user":"alice@example.org"'))

    assert scene.rows()[0].end_user == "h(acme\nalice@example.org)"


async def test_waiting_on_upstreams_is_not_our_overhead() -> None:
    scene = Scene(FakeUpstream(plain()))

    await scene.ask(chat())

    assert scene.meter.records[0].overhead_s == 0.0
    assert len(scene.meter.records) == 1
