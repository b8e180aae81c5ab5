"""A decision told without being carried out: what it says is what would happen."""

from dataclasses import replace

import pytest

from gateway.core.catalog import Catalog, Tier
from gateway.core.routing import RESEARCH, Score, resolve
from gateway.flow.explain import (
    EXPECTED_OUTPUT_TOKENS,
    RouteExplanation,
    estimate,
    explain_route,
    models_of,
)
from gateway.flow.gateway import Gateway, Snapshot
from gateway.wire.request import Endpoint, parse_request
from tests.fakes import FakeUpstream
from tests.support.flow_scene import Scene, a_catalog, a_model, chat, plain

QUESTION = "one two three four five"


class SaidScorer:
    """Says the same of every text."""

    version = "said"

    def __init__(self, said: Score) -> None:
        self.said = said

    def score(self, text: str) -> Score:
        del text
        return self.said

    def brief_score(self, text: str) -> Score:
        return replace(self.score(text), reasons=())


def three_tiers() -> Catalog:
    models = (a_model("small"), a_model("medium", input_usd=3), a_model("large", input_usd=10))
    catalog = a_catalog(*models)
    tiers = (
        Tier("simple", ("small",)),
        Tier("moderate", ("medium",), 0.35),
        Tier("complex", ("large",), 0.6),
        Tier(RESEARCH, ("large",), 0.5),
    )
    return replace(catalog, routes={"auto": replace(catalog.routes["auto"], tiers=tiers)})


def gateway_of(catalog: Catalog, score: float, p_research: float) -> Gateway:
    gateway = Scene(FakeUpstream(), catalog=catalog).gateway()
    scorer = SaidScorer(Score(score, p_research, 0.7, 0.9, ("it is short",)))
    gateway.current = Snapshot(catalog, gateway.current.directory, {"default": scorer})
    return gateway


async def explained(
    name: str = "auto",
    *,
    score: float = 0.1,
    p_research: float = 0.0,
    catalog: Catalog | None = None,
    more: str = "",
    ceiling_nano_usd: int | None = None,
) -> RouteExplanation:
    catalog = catalog or three_tiers()
    gateway = gateway_of(catalog, score, p_research)
    return await explain_route(
        resolve(name, catalog),
        parse_request(chat(name, QUESTION, more), Endpoint.CHAT),
        gateway.current,
        gateway.instruments,
        ceiling_nano_usd=ceiling_nano_usd,
    )


@pytest.mark.parametrize("score", [0.1, 0.4, 0.9])
async def test_explanation_names_the_model_that_then_serves(score: float) -> None:
    scene = Scene(FakeUpstream(plain()), catalog=three_tiers(), score=score)
    await scene.ask(chat("auto", QUESTION))

    found = await explained(score=score)

    assert (found.model, found.tier) == (scene.rows()[0].model, scene.rows()[0].tier)
    assert found.candidates[0].bound_nano_usd == scene.rows()[0].held_nano_usd


async def test_score_says_its_tier_and_what_it_would_have_taken_for_the_next() -> None:
    found = await explained(score=0.4)

    assert found.reasons == (
        "score 0.40 falls in tier 'moderate'",
        "'complex' would start at 0.6, 0.20 higher",
        "it is short",
    )
    assert (found.score, found.p_research) == (0.4, 0.0)
    assert found.thresholds == {"moderate": 0.35, "complex": 0.6, RESEARCH: 0.5}


async def test_nothing_is_said_to_be_higher_than_the_highest_tier() -> None:
    found = await explained(score=0.9)

    assert found.reasons == ("score 0.90 falls in tier 'complex'", "it is short")


async def test_research_is_explained_by_its_own_head() -> None:
    found = await explained(score=0.9, p_research=0.75)

    assert found.tier == RESEARCH
    assert found.reasons[0] == "p_research 0.75 reaches 0.5"


async def test_cut_of_the_name_is_what_the_score_is_held_against() -> None:
    found = await explained("auto:0.7", score=0.4)

    assert found.tier == "simple"
    assert found.reasons[0] == "score 0.40 against 0.7 of 'auto:0.7'"


@pytest.mark.parametrize("name", ["small", "auto:floor", "auto:max"])
async def test_names_that_decide_themselves_say_so(name: str) -> None:
    found = await explained(name)

    assert (found.score, found.p_research) == (None, None)
    assert found.reasons == (f"{name!r} names its models itself; no router was asked",)


async def test_candidates_come_in_the_order_they_would_be_tried_then_those_passed_over() -> None:
    found = await explained(score=0.4)

    assert [(one.model, one.tier, one.excluded) for one in found.candidates] == [
        ("medium", "moderate", None),
        ("large", "complex", None),
        ("small", "simple", "stands in 'simple', below the tier chosen"),
    ]


async def test_router_speaks_of_the_first_and_the_last_tiers_models_alone() -> None:
    found = await explained(score=0.1)

    assert {one.model: one.p_ok for one in found.candidates} == {
        "small": 0.7,
        "medium": None,
        "large": 0.9,
    }


async def test_plain_models_have_no_probability() -> None:
    found = await explained("small")

    assert [one.p_ok for one in found.candidates] == [None]


async def test_excluded_candidate_says_why() -> None:
    catalog = a_catalog(a_model("small", supports=frozenset()), a_model("large"))
    tools = ',"tools":[{"type":"function","function":{"name":"f"}}]'

    found = await explained(catalog=catalog, more=tools)

    assert (found.model, found.tier) == ("large", "complex")
    assert found.candidates[0].excluded == "does not support tools"


async def test_no_model_serves_what_none_can() -> None:
    found = await explained(ceiling_nano_usd=0)

    assert (found.model, found.tier) == (None, "simple")
    assert all(one.excluded for one in found.candidates)


async def test_of_several_deployments_the_first_is_shown() -> None:
    catalog = a_catalog(
        a_model("small", upstream_model="one", input_usd=1),
        a_model("small", upstream_model="two", input_usd=50),
    )
    found = await explained("small", catalog=catalog, more=',"max_tokens":1')

    (only,) = found.candidates
    # 5 words and the role at 1,000, one output token at 2,000 nano-USD
    assert only.expected_nano_usd == 8_000


async def test_expected_cost_is_that_of_an_average_answer() -> None:
    found = await explained("small")

    assert found.candidates[0].expected_nano_usd == 6 * 1_000 + EXPECTED_OUTPUT_TOKENS * 2_000


async def test_estimate_prices_the_length_it_is_told() -> None:
    gateway = gateway_of(a_catalog(), 0.1, 0.0)
    request = parse_request(chat("small", QUESTION), Endpoint.CHAT)

    found = await estimate(a_model("small"), request, gateway.instruments, output_tokens=10)

    assert (found.input_tokens, found.output_tokens) == (6, 10)
    assert found.expected_nano_usd == 26_000


async def test_estimate_of_no_output_is_no_output() -> None:
    gateway = gateway_of(a_catalog(), 0.1, 0.0)
    request = parse_request(chat("small", QUESTION), Endpoint.CHAT)

    found = await estimate(a_model("small"), request, gateway.instruments, output_tokens=0)

    assert (found.output_tokens, found.expected_nano_usd) == (0, 6_000)


async def test_estimate_never_passes_what_the_model_can_write() -> None:
    gateway = gateway_of(a_catalog(), 0.1, 0.0)
    request = parse_request(chat("small", QUESTION), Endpoint.CHAT)

    found = await estimate(a_model("small"), request, gateway.instruments, output_tokens=10**9)

    assert found.output_tokens == 1_000
    assert found.expected_nano_usd is not None
    assert found.bound_nano_usd is not None
    assert found.expected_nano_usd <= found.bound_nano_usd


async def test_model_without_a_price_is_estimated_in_tokens_alone() -> None:
    gateway = gateway_of(a_catalog(), 0.1, 0.0)
    request = parse_request(chat("small", QUESTION), Endpoint.CHAT)

    found = await estimate(a_model("small", price=None), request, gateway.instruments)

    assert (found.input_tokens, found.expected_nano_usd, found.bound_nano_usd) == (6, None, None)


@pytest.mark.parametrize(
    ("name", "models"),
    [
        ("auto", ["small", "medium", "large"]),
        ("auto:max", ["small", "medium", "large"]),
        ("small", ["small"]),
    ],
)
def test_every_model_that_could_answer_is_listed_once(name: str, models: list[str]) -> None:
    catalog = three_tiers()

    assert [model.name for model in models_of(resolve(name, catalog), catalog)] == models


def test_a_plain_lists_models_are_its_own() -> None:
    catalog = a_catalog()

    found = models_of(resolve("list", catalog), catalog)

    assert [model.name for model in found] == ["small", "large"]
