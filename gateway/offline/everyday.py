"""Everyday prompts of all four tiers, generated from our own templates, reproducible by seed.

The measured rows are exam questions and puzzles; nobody there says thanks or asks for a business
plan. These rows teach the router such prompts. Their labels are our judgement, not measurements.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

_WORDING = Path(__file__).with_name("everyday.yaml")
_SLOT = re.compile(r"\{([a-z_]+)\}")
# A share of real prompts come without care for capitals and full stops.
_CARELESS_SHARE = 0.15
_VARIANTS_PER_TEMPLATE = {"simple": 6, "moderate": 9, "complex": 10, "research": 14}


@dataclass(frozen=True, slots=True)
class EverydayPrompt:
    prompt: str
    tier: str


def generate(*, seed: int) -> list[EverydayPrompt]:
    """All templates with several fillings each, no prompt twice, in a fixed order for a seed."""
    draw = random.Random(seed)  # noqa: S311 - reproducible data, not a secret
    wording = yaml.safe_load(_WORDING.read_text(encoding="utf-8"))
    prompts: dict[str, EverydayPrompt] = {}
    for tier, templates in wording["templates"].items():
        for template in templates:
            for _ in range(_VARIANTS_PER_TEMPLATE[tier]):
                text = _filled(template, wording["slots"], draw)
                prompts.setdefault(text, EverydayPrompt(text, tier))
    return list(prompts.values())


def _filled(template: str, slots: Mapping[str, Sequence[str]], draw: random.Random) -> str:
    def slot_text(match: re.Match[str]) -> str:
        name = match[1]
        if name == "n":
            return str(draw.randint(2, 99))
        if name == "small":
            return str(draw.randint(2, 9))
        return draw.choice(slots[name])

    text = _SLOT.sub(slot_text, template)
    if draw.random() < _CARELESS_SHARE and "```" not in text:
        text = text.lower().rstrip(".?!")
    return text
