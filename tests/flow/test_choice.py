"""Who may answer, in which order, and why."""

import json
from dataclasses import replace

import pytest

from gateway.core.catalog import Catalog, Tier
from gateway.core.errors import ContextLengthExceeded, UnsupportedCapability
from gateway.core.record import Reason
from gateway.core.routing import resolve
from gateway.flow.choice import (
    MAX_DECISION_BYTES,
    Choice,
    Wishes,
    choose,
    decision_text,
    require_candidates,
)
from gateway.wire.request import ClientRequest, Endpoint, parse_request
from tests.fakes import FakeUpstream
from tests.support.flow_scene import Scene, a_catalog, a_model, chat, plain


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


async def chosen(
    body: bytes,
    catalog: Catalog | None = None,
    *,
    endpoint: Endpoint = Endpoint.CHAT,
    ceiling_nano_usd: int | None = None,
    score: float = 0.1,
) -> tuple[Choice, ClientRequest]:
    gateway = Scene(FakeUpstream(), catalog=catalog or a_catalog(), score=score).gateway()
    request = parse_request(body, endpoint)
    asked = resolve(request.model, gateway.current.catalog)
    wishes = Wishes(ceiling_nano_usd=ceiling_nano_usd)
    choice = await choose(asked, request, gateway.current, gateway.instruments, wishes)
    return choice, request


def embedding(model: str = "auto", text: str = "word") -> bytes:
    return json.dumps({"model": model, "input": text}).encode()


async def test_embeddings_are_not_scored_and_take_the_first_tier_that_can() -> None:
    catalog = a_catalog(a_model("small"), a_model("large", endpoints=frozenset({"embeddings"})))

    choice, _ = await chosen(embedding(), catalog, endpoint=Endpoint.EMBEDDINGS)

    assert (choice.score, choice.tier) == (None, "simple")
    assert [candidate.model.name for candidate in choice.open] == ["large"]


async def test_an_embeddings_input_that_is_too_long_is_blamed_on_its_own_field() -> None:
    model = a_model("small", context_window=10, endpoints=frozenset({"embeddings"}))
    choice, request = await chosen(
        embedding("small", "word " * 20), a_catalog(model), endpoint=Endpoint.EMBEDDINGS
    )

    with pytest.raises(ContextLengthExceeded, match="20") as refused:
        require_candidates(choice, request)

    assert refused.value.param == "input"


async def test_a_prompt_is_counted_exactly_before_it_is_refused_as_too_long() -> None:
    # 80 bytes of prompt pass a window of 80 tokens by their bound, and are 20 tokens by count
    catalog = a_catalog(a_model("small", context_window=80))

    choice, _ = await chosen(chat("small", "abc " * 20), catalog)

    assert [candidate.model.name for candidate in choice.open] == ["small"]


async def test_a_model_without_a_price_fits_no_ceiling() -> None:
    catalog = a_catalog(a_model("small", price=None), a_model("large"))

    choice, _ = await chosen(chat(), catalog, ceiling_nano_usd=10**12)

    assert [candidate.model.name for candidate in choice.open] == ["large"]
    assert choice.candidates[0].exclusion is not None
    assert choice.candidates[0].exclusion.text == "has no price"


async def test_a_bound_right_at_the_ceiling_passes() -> None:
    free, _ = await chosen(chat("small"))
    bound = free.open[0].bound_nano_usd
    assert bound is not None

    at, _ = await chosen(chat("small"), ceiling_nano_usd=bound)
    over, _ = await chosen(chat("small"), ceiling_nano_usd=bound - 1)

    assert (len(at.open), len(over.open)) == (1, 0)


async def test_refusal_names_every_obstacle_once() -> None:
    catalog = a_catalog(
        a_model("small", endpoints=frozenset({"embeddings"})),
        a_model("large", supports=frozenset()),
    )
    body = chat("list", more=',"tools":[{"type":"function","function":{"name":"f"}}]')
    choice, request = await chosen(body, catalog)

    with pytest.raises(UnsupportedCapability) as refused:
        require_candidates(choice, request)

    assert "does not serve chat or does not support tools" in str(refused.value)


async def test_an_open_tier_is_not_climbed_down_from() -> None:
    choice, _ = await chosen(chat(), score=0.9)

    assert [candidate.model.name for candidate in choice.candidates] == ["large"]


async def test_decision_tells_what_a_replay_needs() -> None:
    choice, _ = await chosen(chat(), score=0.7)

    assert json.loads(decision_text(choice) or "") == {
        "score": 0.7,
        "p_research": 0.0,
        "p_ok": [0.7, 0.9],
        "tier": "complex",
        "reason": "routed",
        "thresholds": {"complex": 0.6},
    }


async def test_nobody_decided_for_a_plain_model() -> None:
    choice, _ = await chosen(chat("small"))

    assert decision_text(choice) is None


async def test_decision_stays_in_its_kibibyte_however_many_tiers_there_are() -> None:
    catalog = a_catalog()
    dearer = [Tier(f"tier-{at}", ("large",), at / 100) for at in range(1, 100)]
    tiers = (Tier("simple", ("small",)), *dearer)
    route = replace(catalog.routes["auto"], tiers=tiers)
    catalog = replace(catalog, routes={"auto": route})

    choice, _ = await chosen(chat(), catalog, score=0.5)

    text = decision_text(choice) or ""
    assert len(text) <= MAX_DECISION_BYTES
    assert json.loads(text)["tier"] == "tier-50"


async def test_a_route_with_tiers_but_no_router_starts_in_the_first() -> None:
    catalog = a_catalog()
    route = replace(catalog.routes["auto"], router=None)

    choice, _ = await chosen(chat(), replace(catalog, routes={"auto": route}), score=0.9)

    assert (choice.score, choice.tier) == (None, "simple")
