"""Everyday prompts of all four tiers, generated from our own templates, reproducible by seed.

The measured rows are exam questions and puzzles; nobody there says thanks or asks for a business
plan. These rows teach the router such prompts. Their labels are our judgement, not measurements.
"""

import random
import re
from dataclasses import dataclass

from gateway.offline.everyday_phrases import COMPLEX, MODERATE, RESEARCH, SIMPLE, SLOTS

_SLOT = re.compile(r"\{([a-z_]+)\}")
# A share of real prompts come without care for capitals and full stops.
_CARELESS_SHARE = 0.15
_VARIANTS_PER_TEMPLATE = {"simple": 6, "moderate": 9, "complex": 10, "research": 14}
_TEMPLATES = {"simple": SIMPLE, "moderate": MODERATE, "complex": COMPLEX, "research": RESEARCH}


@dataclass(frozen=True, slots=True)
class EverydayPrompt:
    prompt: str
    tier: str


def generate(*, seed: int) -> list[EverydayPrompt]:
    """All templates with several fillings each, no prompt twice, in a fixed order for a seed."""
    draw = random.Random(seed)  # noqa: S311 - reproducible data, not a secret
    prompts: dict[str, EverydayPrompt] = {}
    for tier, templates in _TEMPLATES.items():
        for template in templates:
            for _ in range(_VARIANTS_PER_TEMPLATE[tier]):
                text = _filled(template, draw)
                prompts.setdefault(text, EverydayPrompt(text, tier))
    return list(prompts.values())


def _filled(template: str, draw: random.Random) -> str:
    def slot_text(match: re.Match[str]) -> str:
        name = match[1]
        if name == "n":
            return str(draw.randint(2, 99))
        if name == "small":
            return str(draw.randint(2, 9))
        return draw.choice(SLOTS[name])

    text = _SLOT.sub(slot_text, template)
    if draw.random() < _CARELESS_SHARE and "```" not in text:
        text = text.lower().rstrip(".?!")
    return text
