"""Rows to train and measure on: measured outcomes, tiers by judgement, generated everyday prompts.

Every row ends as a prompt with the chance that a cheap and a strong model answer it well. Measured
rows carry what was measured; rows labelled with a tier carry what that tier stands for.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow.parquet

from gateway.core.errors import ConfigError
from gateway.offline.everyday import generate

EVERYDAY: Final = "everyday requests"

# What kind of prompt a measured task is; the names are shown to people as reasons.
_DOMAIN_BY_BENCHMARK: Mapping[str, str] = {
    "mmlu": "exam questions",
    "mmlupro_nonmmlu": "hard exam questions",
    "gsm8k": "word problems",
    "llmrouter": "general knowledge",
}
_DOMAIN_BY_TASK: Mapping[str, str] = {
    "human_eval": "programming",
    "mbpp": "programming",
    "math": "contest maths",
    "gpqa": "science and puzzles",
    "agentverse-logicgrid": "science and puzzles",
    "commongen": "science and puzzles",
}

# (cheap, strong): chance of a good answer that a tier stands for. Our judgement: the gains between
# them (.005, .12, .45, .50) put the tiers on either side of measured exam questions (mean .13).
_CHANCES_BY_TIER: Mapping[str, tuple[float, float]] = {
    "simple": (0.970, 0.975),
    "moderate": (0.83, 0.95),
    "complex": (0.45, 0.90),
    "research": (0.30, 0.80),
}
# The MATH data set's own levels; how far apart is our judgement too.
_CHANCES_BY_MATH_LEVEL: Mapping[str, tuple[float, float]] = {
    "MATH level 1": (0.80, 0.95),
    "MATH level 2": (0.65, 0.90),
    "MATH level 3": (0.50, 0.80),
    "MATH level 4": (0.35, 0.70),
    "MATH level 5": (0.20, 0.55),
}
# ExpertQA's own tier is "complex" throughout; its questions are mostly of one sentence.
_CHANCES_OF_DIRECT_EXPERT_QUESTIONS = (0.78, 0.93)
_CHANCES_OF_EXPERT_QUESTIONS = (0.62, 0.90)
_EXPERT_WEIGHT = 0.3  # 1,488 rows of one source must not drown 1,900 of all everyday kinds
_MATH_LEVEL_WEIGHT = 0.5
_DEEP_RESEARCH_WEIGHT = 3.0  # 32 rows, the only ones from outside for that tier


@dataclass(frozen=True, slots=True)
class Row:
    """`cheap`, `strong`: chance in [0, 1] of a good answer. `benchmark` None: not measured.
    `is_research` None: unclear, left out of that head."""

    prompt: str
    domain: str
    cheap: float
    strong: float
    benchmark: str | None = None
    tier: str | None = None
    is_research: bool | None = False
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Dataset:
    rows: tuple[Row, ...]
    digest: str  # of the files' bytes and the generated prompts


def shipped_paths() -> tuple[Path, ...]:
    """The rows this repository carries."""
    return tuple(sorted((Path(__file__).parents[2] / "data" / "routing").glob("*.parquet")))


def load(paths: Sequence[Path], *, seed: int) -> Dataset:
    """Rows of the files (measured: prompt, weak, strong; judged: prompt, tier) and the everyday
    prompts of a seed. Raises ConfigError for a file that is neither."""
    digest = hashlib.sha256()
    rows: list[Row] = []
    for path in sorted(paths, key=lambda path: path.name):
        try:
            digest.update(path.read_bytes())
            records: list[dict[str, object]] = pyarrow.parquet.read_table(path).to_pylist()
        except (OSError, pyarrow.ArrowException) as error:
            raise ConfigError(f"{path}: cannot be read as parquet ({error})") from error
        columns = records[0].keys() if records else set()
        if {"prompt", "weak", "strong"} <= columns:
            rows += [_measured(record) for record in records]
        elif {"prompt", "tier"} <= columns:
            rows += [_judged(record) for record in records]
        else:
            raise ConfigError(
                f"{path}: found columns {', '.join(columns) or 'none'}; needed are"
                " prompt, weak, strong or prompt, tier"
            )
    everyday = list(_everyday(seed))
    for row in everyday:
        digest.update(row.prompt.encode())
    return Dataset(tuple(rows + everyday), digest.hexdigest())


def _measured(record: Mapping[str, object]) -> Row:
    benchmark = str(record.get("benchmark") or "own")
    fallback = _DOMAIN_BY_BENCHMARK.get(benchmark, benchmark)
    return Row(
        prompt=str(record["prompt"]),
        domain=_DOMAIN_BY_TASK.get(str(record.get("task")), fallback),
        cheap=_chance(record["weak"]),
        strong=_chance(record["strong"]),
        benchmark=benchmark,
    )


def _chance(value: object) -> float:
    try:
        chance = float(str(value))
    except ValueError as error:
        raise ConfigError(f"weak and strong are numbers in [0, 1], found {value!r}") from error
    if not 0.0 <= chance <= 1.0:
        raise ConfigError(f"weak and strong are numbers in [0, 1], found {value!r}")
    return chance


def _judged(record: Mapping[str, object]) -> Row:
    prompt, tier = str(record["prompt"]), str(record["tier"])
    source, label = str(record.get("source")), str(record.get("raw_label"))
    if tier not in _CHANCES_BY_TIER:
        raise ConfigError(f"tier is one of {', '.join(_CHANCES_BY_TIER)}, found {tier!r}")
    if source == "agieval_math" and label in _CHANCES_BY_MATH_LEVEL:
        cheap, strong = _CHANCES_BY_MATH_LEVEL[label]
        return Row(prompt, "contest maths", cheap, strong, tier=tier, weight=_MATH_LEVEL_WEIGHT)
    if source == "expertqa":
        is_direct = label.startswith("Directed question")
        chances = _CHANCES_OF_DIRECT_EXPERT_QUESTIONS if is_direct else _CHANCES_OF_EXPERT_QUESTIONS
        # These two kinds border on research; neither answer would be wrong.
        is_unclear = "Summarization" in label or "list of resources" in label
        return Row(
            prompt,
            EVERYDAY,
            *chances,
            tier=tier,
            is_research=None if is_unclear else False,
            weight=_EXPERT_WEIGHT,
        )
    cheap, strong = _CHANCES_BY_TIER[tier]
    weight = _DEEP_RESEARCH_WEIGHT if source == "deep_research_bench" else 1.0
    is_research = tier == "research"
    return Row(prompt, EVERYDAY, cheap, strong, tier=tier, is_research=is_research, weight=weight)


def _everyday(seed: int) -> Iterable[Row]:
    for example in generate(seed=seed):
        cheap, strong = _CHANCES_BY_TIER[example.tier]
        is_research = example.tier == "research"
        yield Row(
            example.prompt, EVERYDAY, cheap, strong, tier=example.tier, is_research=is_research
        )


_ANSWER_OPTIONS = re.compile(r"\n\(?A[.)] ")
_NOT_WORDS = re.compile(r"\W+")


def normalised_question(prompt: str) -> str:
    """The question without its options, case and punctuation: rows that share it never stand on
    both sides of a split."""
    question = _ANSWER_OPTIONS.split(prompt, maxsplit=1)[0]
    return _NOT_WORDS.sub(" ", question.lower()).strip()
