"""What people expect of the shipped router, on prompts that stand nowhere in its training rows."""

from pathlib import Path

import pytest

from gateway.core.catalog import Tier
from gateway.core.routing import tier_of
from gateway.offline.datasets import load, shipped_paths
from gateway.router_artifact import ArtifactScorer, load_scorer, read_manifest

DEFAULT = Path("router_models/default")
TIERS = (
    Tier("simple", ("small",)),
    Tier("moderate", ("medium",), 0.35),
    Tier("complex", ("large",), 0.60),
    Tier("research", ("large",), 0.50),
)
ORDER = [tier.name for tier in TIERS]

SIMPLE = (
    "thanks!",
    "Cheers mate",
    "What is 2+2?",
    "What's the capital of France?",
    "Translate 'good evening' to Italian",
    "how do you spell restaurant",
    "Who painted the Mona Lisa?",
    "Convert 10 inches to cm",
    "Extract the phone number: call me at 555-1234",
    "Classify as spam or not: 'You won a prize!'",
    "What does the word research mean?",
    "¿Cuál es la capital de Francia?",
    "Danke dir!",
    "5加7等于几",
    "",
)
MODERATE = (
    "Explain quantum physics",
    "How does a refrigerator work?",
    "What is the difference between a stack and a queue?",
    "Write a short story about a lighthouse keeper",
    "Write an email to my landlord about a broken heater",
    "Erkläre mir die Thermodynamik",
    "Explica cómo funcionan los aviones",
    "解释一下区块链的原理",
)
COMPLEX = (
    "Write a business plan for a mobile pet grooming company",
    "Prove that every compact metric space is separable.",
    "Design a distributed rate limiter that works across five regions and tolerates failures",
    "Develop a marketing strategy for an organic soap brand with budget and KPIs",
    "Derive the heat equation from first principles",
    "Escribe un plan de negocio para una panadería",
    "Entwirf eine verteilte Datenbank, die Netzwerkausfälle übersteht",
)
RESEARCH = (
    "Research and analyze the electric bicycle market in Europe, with sources",
    "Research and analyze the impact of AI on healthcare",
    "Conduct a literature review on sleep and memory",
    "Compare national hydrogen strategies using official sources, with citations",
    "Investiga el mercado de la energía eólica en Chile y cita fuentes",
    "调研中国新能源汽车市场并给出参考来源",
)
EXPECTED = [
    *((prompt, "simple") for prompt in SIMPLE),
    *((prompt, "moderate") for prompt in MODERATE),
    *((prompt, "complex") for prompt in COMPLEX),
    *((prompt, "research") for prompt in RESEARCH),
]


@pytest.fixture(scope="module")
def scorer() -> ArtifactScorer:
    return load_scorer(DEFAULT)


def tier(scorer: ArtifactScorer, prompt: str) -> str:
    return tier_of(scorer.score(prompt), TIERS)


@pytest.mark.parametrize(("prompt", "expected"), EXPECTED)
def test_everyday_prompt_gets_its_tier_or_the_next(
    scorer: ArtifactScorer, prompt: str, expected: str
) -> None:
    found = tier(scorer, prompt)

    assert abs(ORDER.index(found) - ORDER.index(expected)) <= 1


def test_nine_everyday_prompts_in_ten_get_exactly_their_tier(scorer: ArtifactScorer) -> None:
    missed = [prompt for prompt, expected in EXPECTED if tier(scorer, prompt) != expected]

    assert len(missed) <= len(EXPECTED) / 10, missed


@pytest.mark.parametrize(
    "prompt",
    [
        "thanks for the research",
        "Translate 'research report' to Spanish",
        "What is the source of the Nile?",
        "think step by step: what is 3+4?",
        "hi, I am a business owner",
    ],
)
def test_trigger_words_alone_do_not_reach_the_dear_tiers(
    scorer: ArtifactScorer, prompt: str
) -> None:
    assert tier(scorer, prompt) in {"simple", "moderate"}


def test_reasons_of_a_business_plan_name_the_plan(scorer: ArtifactScorer) -> None:
    reasons = scorer.score(COMPLEX[0]).reasons

    assert "asks for a plan or strategy raises it" in reasons


def test_expected_prompts_are_not_training_rows() -> None:
    seed = read_manifest(DEFAULT)["seed"]
    trained = {row.prompt for row in load(shipped_paths(), seed=seed).rows}

    assert not [prompt for prompt, _ in EXPECTED if prompt in trained]


def test_shipped_router_was_trained_on_the_shipped_rows() -> None:
    manifest = read_manifest(DEFAULT)

    assert manifest["data_digest"] == load(shipped_paths(), seed=manifest["seed"]).digest
