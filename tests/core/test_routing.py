"""Names, tiers and ladders: which models may answer, and in which order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.catalog import Catalog, Escalation, Model, Resilience, Route, Tenant, Tier
from gateway.core.errors import ModelNotAllowed, ModelNotFound
from gateway.core.ids import OrganisationId, TenantId
from gateway.core.routing import (
    RESEARCH,
    Asked,
    Obstacle,
    Score,
    balanced,
    below,
    check_allowed,
    exclusion,
    ladder,
    resolve,
    starting_tier,
    thresholds,
    tier_of,
)
from tests.support.flow_scene import a_model

ESCALATION = Escalation(frozenset({"error"}), 4)
TIERS = (
    Tier("simple", ("small",)),
    Tier("moderate", ("medium", "small"), 0.35),
    Tier("complex", ("large",), 0.6),
    Tier(RESEARCH, ("large", "thorough"), 0.5),
)
AUTO = Route("auto", "default", TIERS, (), ESCALATION, baseline="large")
LIST = Route("list", None, (), ("medium", "small"), ESCALATION, baseline="medium")
NAMES = ("small", "medium", "large", "thorough", "team:floor")
CATALOG = Catalog(
    version="v1",
    models={name: (a_model(name),) for name in NAMES},
    routes={"auto": AUTO, "list": LIST, "eu:auto": AUTO},
    resilience=Resilience(),
    request_timeout_s=60.0,
    max_body_bytes=1000,
)

MODEL_NAMES = st.sampled_from(["a", "b", "c", "d"])
TIER_MODELS = st.lists(MODEL_NAMES, min_size=1, max_size=4).map(tuple)


@st.composite
def routes(draw: st.DrawFn) -> Route:
    """A route of one to five tiers whose thresholds rise, models repeated at will."""
    models = draw(st.lists(TIER_MODELS, min_size=1, max_size=5))
    cuts = sorted(draw(st.lists(st.floats(0, 1), min_size=len(models), max_size=len(models))))
    tiers = [Tier("t0", models[0])]
    tiers += [Tier(f"t{at}", models[at], cuts[at]) for at in range(1, len(models))]
    return Route("auto", "default", tuple(tiers), (), ESCALATION, baseline=None)


def score(value: float, p_research: float = 0.0) -> Score:
    return Score(value, p_research, 0.7, 0.9)


def asked(name: str) -> Asked:
    return resolve(name, CATALOG)


@pytest.mark.parametrize(
    ("name", "route", "suffix", "cut"),
    [
        ("auto", "auto", None, None),
        ("auto:floor", "auto", "floor", None),
        ("auto:max", "auto", "max", None),
        ("auto:0.7", "auto", None, 0.7),
        ("auto:0", "auto", None, 0.0),
        ("auto:1", "auto", None, 1.0),
        ("auto:.5", "auto", None, 0.5),
        ("eu:auto:max", "auto", "max", None),
        ("small", None, None, None),
        ("team:floor", None, None, None),  # a model's own name, not a suffix
        ("list", "list", None, None),
    ],
)
def test_a_name_means_what_the_documentation_says(
    name: str, route: str | None, suffix: str | None, cut: float | None
) -> None:
    found = asked(name)

    assert (found.name, found.route.name if found.route else None) == (name, route)
    assert (found.suffix, found.cut) == (suffix, cut)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ":",
        "gone",
        "auto:",
        "auto:min",
        "auto:1.1",
        "auto:-0.1",
        "auto:+0.5",
        "auto:1e-1",
        "auto:nan",
        "auto:inf",
        "auto:0.5.5",
        "auto:0_5",
        "auto:\u0660.\u0665",  # digits to Python's float, not to us
        "auto:" + "9" * 5_000,
        "small:floor",
        "list:floor",  # no tiers, so no floor
        "list:0.5",
        "AUTO",
    ],
)
def test_a_name_that_means_nothing_is_not_found(name: str) -> None:
    with pytest.raises(ModelNotFound) as refused:
        asked(name)

    assert refused.value.param == "model"
    assert len(str(refused.value)) < 250


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("auto", True),
        ("auto:0.7", True),
        ("auto:floor", False),
        ("auto:max", False),
        ("small", False),
        ("list", False),
    ],
)
def test_the_router_is_asked_only_where_it_has_a_say(name: str, needed: bool) -> None:  # noqa: FBT001 - a case's own value
    assert asked(name).needs_score is needed


@pytest.mark.parametrize(
    ("allow", "name"),
    [
        (None, "large"),
        (frozenset({"auto"}), "auto"),
        (frozenset({"auto"}), "auto:max"),
        (frozenset({"auto"}), "auto:0.3"),
        (frozenset({"small"}), "small"),
    ],
)
def test_what_the_tenant_may_ask_for_passes(allow: frozenset[str] | None, name: str) -> None:
    tenant = Tenant(TenantId("acme"), OrganisationId("acme"), allow=allow)

    check_allowed(asked(name), tenant)


@pytest.mark.parametrize(
    ("allow", "name"),
    [
        (frozenset[str](), "auto"),
        (frozenset({"auto"}), "large"),
        (frozenset({"auto:max"}), "auto:max"),  # suffixes are no names of their own
        (frozenset({"small"}), "auto:floor"),
    ],
)
def test_what_the_tenant_may_not_ask_for_is_refused(allow: frozenset[str], name: str) -> None:
    tenant = Tenant(TenantId("acme"), OrganisationId("acme"), allow=allow)

    with pytest.raises(ModelNotAllowed):
        check_allowed(asked(name), tenant)


@pytest.mark.parametrize(
    ("value", "p_research", "tier"),
    [
        (0.0, 0.0, "simple"),
        (0.3499, 0.0, "simple"),
        (0.35, 0.0, "moderate"),  # a threshold belongs to the tier it starts
        (0.5999, 0.0, "moderate"),
        (0.6, 0.0, "complex"),
        (1.0, 0.4999, "complex"),
        (0.0, 0.5, RESEARCH),  # looked at first, whatever the score
    ],
)
def test_a_score_falls_in_its_tier(value: float, p_research: float, tier: str) -> None:
    assert tier_of(score(value, p_research), TIERS) == tier


def test_a_research_tier_without_a_threshold_is_never_chosen_by_the_score() -> None:
    tiers = (Tier("simple", ("small",)), Tier(RESEARCH, ("large",)))

    assert tier_of(score(1.0, 1.0), tiers) == "simple"


@given(routes(), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_score_never_lowers_the_tier(route: Route, one: float, other: float) -> None:
    names = [tier.name for tier in route.tiers]
    low, high = sorted((one, other))

    assert names.index(tier_of(score(low), route.tiers)) <= names.index(
        tier_of(score(high), route.tiers)
    )


@pytest.mark.parametrize(
    ("name", "value", "tier"),
    [
        ("small", 0.9, None),
        ("list", 0.9, None),
        ("auto", 0.4, "moderate"),
        ("auto:floor", 0.9, "simple"),
        ("auto:max", 0.0, RESEARCH),
        ("auto:0.7", 0.6999, "simple"),
        ("auto:0.7", 0.7, RESEARCH),
        ("auto:0", 0.0, RESEARCH),
    ],
)
def test_a_request_starts_in_the_tier_its_name_says(
    name: str, value: float, tier: str | None
) -> None:
    assert starting_tier(asked(name), score(value)) == tier


def test_a_request_that_cannot_be_scored_starts_in_the_first_tier() -> None:
    assert starting_tier(asked("auto"), None) == "simple"


def test_a_ladder_starts_in_its_tier_and_goes_on_to_the_dearer_ones() -> None:
    rungs = ladder(asked("auto"), "moderate")

    assert [(rung.tier, rung.model) for rung in rungs] == [
        ("moderate", "medium"),
        ("moderate", "small"),
        ("complex", "large"),
        (RESEARCH, "thorough"),
    ]


def test_below_a_tier_the_dearest_comes_first_and_nothing_of_the_ladder() -> None:
    rungs = below(asked("auto"), "complex")

    assert [(rung.tier, rung.model) for rung in rungs] == [
        ("moderate", "medium"),
        ("moderate", "small"),
    ]


def test_a_plain_list_is_tried_as_listed() -> None:
    assert [rung.model for rung in ladder(asked("list"), None)] == ["medium", "small"]


@pytest.mark.parametrize("name", ["small", "list"])
def test_nothing_is_below_what_has_no_tiers(name: str) -> None:
    assert below(asked(name), None) == ()


def test_a_plain_model_is_its_own_ladder() -> None:
    (rung,) = ladder(asked("small"), None)

    assert (rung.tier, rung.model) == (None, "small")


@given(routes(), st.data())
def test_ladder_and_what_is_below_it_hold_every_model_once(
    route: Route, data: st.DataObject
) -> None:
    wanted = Asked("auto", route)
    tier = data.draw(st.sampled_from([tier.name for tier in route.tiers]))

    tried = [rung.model for rung in (*ladder(wanted, tier), *below(wanted, tier))]

    assert sorted(tried) == sorted({model for tier in route.tiers for model in tier.models})


@given(routes(), st.data())
def test_a_rung_stands_in_a_tier_that_has_its_model(route: Route, data: st.DataObject) -> None:
    wanted = Asked("auto", route)
    tier = data.draw(st.sampled_from([tier.name for tier in route.tiers]))
    models = {tier.name: tier.models for tier in route.tiers}

    for rung in (*ladder(wanted, tier), *below(wanted, tier)):
        assert rung.tier is not None
        assert rung.model in models[rung.tier]


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=6),
    st.floats(0, 1, exclude_max=True),
)
def test_a_draw_among_deployments_loses_none(weights: list[int], pick: float) -> None:
    deployments = [a_model("small", upstream_model=str(w), weight=w) for w in weights]

    drawn = balanced(deployments, pick)

    first, *rest = drawn
    assert any(first is model for model in deployments)
    assert rest == [model for model in deployments if model is not first]


@given(st.lists(st.integers(1, 5), min_size=2, max_size=4))
def test_a_deployment_is_drawn_as_often_as_its_weight_says(weights: list[int]) -> None:
    deployments = [
        a_model("small", upstream_model=str(at), weight=weight) for at, weight in enumerate(weights)
    ]
    total = sum(weights)

    # the middle of each share of [0, 1): no rounding decides
    drawn = [
        int(balanced(deployments, (step + 0.5) / total)[0].upstream_model) for step in range(total)
    ]

    assert [drawn.count(at) for at in range(len(weights))] == weights


def test_a_draw_past_every_share_falls_to_the_last() -> None:
    deployments = [a_model("small", upstream_model="one"), a_model("small", upstream_model="two")]

    assert balanced(deployments, 1.0)[0].upstream_model == "two"


ANY_MODEL = a_model("small")


def exclusion_of(
    *,
    endpoint: str = "chat",
    needs: str = "",
    tokens: int | None = None,
    model: Model = ANY_MODEL,
) -> Obstacle | None:
    found = exclusion(
        model, endpoint=endpoint, capabilities=frozenset(needs.split()), input_tokens=tokens
    )
    return found.obstacle if found else None


def test_a_model_serves_its_own_endpoints_alone() -> None:
    assert exclusion_of(endpoint="chat") is None
    assert exclusion_of(endpoint="embeddings") is Obstacle.ENDPOINT


def test_a_model_of_which_nothing_is_known_supports_everything() -> None:
    assert exclusion_of(needs="tools vision", model=a_model("small", supports=None)) is None


def test_a_model_must_support_all_that_is_needed() -> None:
    model = a_model("small", supports=frozenset({"tools", "vision"}))

    assert exclusion_of(needs="tools vision", model=model) is None
    assert exclusion_of(needs="tools audio", model=model) is Obstacle.CAPABILITY


@pytest.mark.parametrize(
    ("tokens", "window", "obstacle"),
    [
        (8_000, 8_000, None),
        (8_001, 8_000, Obstacle.CONTEXT),
        (None, 8_000, None),
        (8_001, None, None),
    ],
)
def test_a_prompt_must_fit_the_window(
    tokens: int | None, window: int | None, obstacle: Obstacle | None
) -> None:
    model = a_model("small", context_window=window)

    assert exclusion_of(tokens=tokens, model=model) is obstacle


def test_what_is_missing_is_named() -> None:
    found = exclusion(
        a_model("small", supports=frozenset({"tools"})),
        endpoint="chat",
        capabilities=frozenset({"tools", "vision", "audio"}),
        input_tokens=None,
    )

    assert found is not None
    assert found.text == "does not support audio, vision"


def test_thresholds_are_those_of_tiers_that_have_one() -> None:
    assert thresholds(AUTO) == {"moderate": 0.35, "complex": 0.6, RESEARCH: 0.5}
    assert thresholds(LIST) == {}
    assert thresholds(None) == {}
